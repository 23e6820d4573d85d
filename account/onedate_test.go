package account_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
)

// ending is an act that ends what was begun before it; keeps says whether the session in which it is done goes on.
type ending struct {
	keeps bool
	act   func(h *house, id account.ID, keep string) error
}

// endings are all of them by the method of the service that does it. One that is missing here fails the test below.
func endings() map[string]ending {
	return map[string]ending{
		"ChangePassword": {true, func(h *house, id account.ID, keep string) error {
			return h.ChangePassword(h.t.Context(), id, goodPassword, "Другой-Закат8 над полем", keep, home)
		}},
		"ResetPassword": {false, func(h *house, id account.ID, _ string) error {
			return h.ResetPassword(h.t.Context(), id, "Другой-Закат8 над полем", home)
		}},
		"ResetAfterWaiting": {false, func(h *house, id account.ID, _ string) error {
			if _, err := h.BeginWaiting(h.t.Context(), id, "mail", home); err != nil {
				return err
			}
			h.clock.Advance(25 * time.Hour)
			return h.ResetAfterWaiting(h.t.Context(), id, "mail", "Другой-Закат8 над полем", home)
		}},
		"Activate": {false, func(h *house, id account.ID, _ string) error {
			code, _ := h.made(id, 0)
			return h.Activate(h.t.Context(), account.Activating{Code: code, Password: "Другой-Закат8 над полем", Browser: "browser", Origin: home})
		}},
		"RemoveTOTP": {true, func(h *house, id account.ID, keep string) error {
			return h.RemoveTOTP(h.t.Context(), id, "t", keep, home)
		}},
		"RemovePasskey": {true, func(h *house, id account.ID, keep string) error {
			return h.RemovePasskey(h.t.Context(), id, "k", keep, home)
		}},
		"RemovePush": {true, func(h *house, id account.ID, keep string) error {
			return h.RemovePush(h.t.Context(), id, "p", keep, home)
		}},
		"RemoveSMS": {true, func(h *house, id account.ID, keep string) error { return h.RemoveSMS(h.t.Context(), id, keep, home) }},
		"RemoveCertificate": {true, func(h *house, id account.ID, keep string) error {
			return h.RemoveCertificate(h.t.Context(), id, "c", keep, home)
		}},
		"UnlinkBank": {true, func(h *house, id account.ID, keep string) error {
			return h.UnlinkBank(h.t.Context(), id, "https://bank.example", "b", keep, home)
		}},
		"Lock":           {false, func(h *house, id account.ID, _ string) error { return h.Lock(h.t.Context(), id, "person", "", home) }},
		"EndAllSessions": {false, func(h *house, id account.ID, _ string) error { return h.EndAllSessions(h.t.Context(), id, home) }},
	}
}

func TestEveryActThatEndsAWayInEndsEverythingByOneDate(t *testing.T) {
	for name, e := range endings() {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			a := h.anna()
			if err := h.store.Update(t.Context(), a.ID, func(a *account.Account) error {
				now := h.clock.Now()
				a.TOTP = []credential.TOTP{{ID: "t"}}
				a.Passkeys = []credential.Passkey{{ID: "k"}}
				a.PushDevices = []account.PushDevice{{ID: "p"}}
				a.SMS.AddedAt = now
				a.Certificates = []account.Certificate{{Fingerprint: "c"}}
				a.Banks = []account.BankLink{{Issuer: "https://bank.example", Subject: "b"}}
				a.Devices = []account.Device{{ID: "d", AddedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour)}}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			early := h.proof(account.MethodPassword) // proven, but nothing is opened yet
			h.clock.Advance(time.Minute)
			mine, session := h.open(a.ID, false)
			other, otherSession := h.open(a.ID, false)
			h.clock.Advance(time.Minute)
			if err := e.act(h, a.ID, session.ID); err != nil {
				t.Fatal(err)
			}
			if h.lives(mine) != e.keeps {
				t.Errorf("the session of the act lives: %v", !e.keeps)
			}
			if h.lives(other) {
				t.Error("another session lives")
			}
			after := h.account(a.ID)
			if n := len(h.Devices(after)); n != 0 {
				t.Errorf("%d browsers are remembered", n)
			}
			if !after.SignedOut(otherSession.ID, otherSession.AuthTime()) {
				t.Error("what the other session granted goes on")
			}
			if _, _, err := h.OpenSession(t.Context(), a.ID, account.Opening{Proofs: early, Origin: home}); !errors.Is(err, account.ErrNoSession) && !errors.Is(err, account.ErrLocked) {
				t.Errorf("a proof of before opens a session: %v", err)
			}
		})
	}
}

func TestNoActThatEndsAWayInIsForgotten(t *testing.T) {
	known := endings()
	service := reflect.TypeFor[*account.Service]()
	for i := range service.NumMethod() {
		name := service.Method(i).Name
		ends := slices.ContainsFunc([]string{"Remove", "Unlink", "Reset", "ChangePassword", "Lock", "Activate", "EndAll"}, func(begin string) bool { return strings.HasPrefix(name, begin) })
		// A locked switch ends what it has opened, and no more: see the switchboard's tests.
		if _, ok := known[name]; ends && !ok && name != "LockSwitch" {
			t.Errorf("%s is in no test of what it ends", name)
		}
	}
}

func TestASparedSessionIsSparedOnce(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.withSMS(a)
	mine, session := h.open(a.ID, false)
	h.clock.Advance(time.Minute)
	if err := h.RemoveSMS(t.Context(), a.ID, session.ID, home); err != nil || !h.lives(mine) {
		t.Fatalf("the session of the act is over: %v", err)
	}
	h.clock.Advance(time.Minute)
	if err := h.EndAllSessions(t.Context(), a.ID, home); err != nil || h.lives(mine) {
		t.Errorf("it outlives a later date: %v", err)
	}
}
