package account_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

const fresh = "Bereza-173-sokol-parus"

// knows makes a browser one in which a person has been signing in for a day.
func (h *house) knows(id account.ID, cookie string) {
	h.t.Helper()
	now := h.clock.Now()
	err := h.store.Update(h.t.Context(), id, func(a *account.Account) error {
		hash := keys.Hash(cookie + "/" + string(id))
		a.Browsers = append(a.Browsers, account.Browser{Hash: hash, FirstAt: now.Add(-account.SettleAfter), LastAt: now})
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// made is a code that an operator made for a person, and the token of the link that cancels it.
func (h *house) made(id account.ID, wait time.Duration) (code, cancel string) {
	h.t.Helper()
	h.knows(id, "browser")
	h.notices()
	code, _, err := h.MakeActivation(h.t.Context(), id, account.NewActivation{Case: "17", Operator: "operator:1", Wait: wait})
	if err != nil {
		h.t.Fatal(err)
	}
	channels := 0
	for _, n := range h.notices() {
		if n.Template == "activation-made" {
			channels++
			_, cancel, _ = strings.Cut(n.Args["Link"], "token=")
		}
		for _, arg := range n.Args {
			if strings.Contains(arg, code) || strings.Contains(arg, strings.ReplaceAll(code, "-", "")) {
				h.t.Error("the code is in a message")
			}
		}
	}
	if channels != 2 || cancel == "" {
		h.t.Errorf("%d contacts were told, cancel %q", channels, cancel)
	}
	return code, cancel
}

func TestCodeOfACentreSetsAPasswordAndRemovesEveryOtherWay(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.withApp(a)
	h.withPasskey(a)
	cookie, _ := h.open(a.ID, false)
	h.clock.Advance(time.Second)
	code, _ := h.made(a.ID, 0)
	typed := strings.ToLower(strings.ReplaceAll(code, "-", " "))
	if err := h.Activate(t.Context(), account.Activating{Code: typed, Password: fresh, Browser: "browser", Origin: home}); err != nil {
		t.Fatal(err)
	}
	got := h.account(a.ID)
	if got.HasSecondFactor() || len(got.Passkeys)+len(got.TOTP)+len(got.Backup.Hashes) > 0 || got.Activation != nil || !got.FactorDue {
		t.Errorf("left: %d passkeys, %d apps, asked for a factor: %v", len(got.Passkeys), len(got.TOTP), got.FactorDue)
	}
	if h.lives(cookie) {
		t.Error("a session of before lives")
	}
	if err := h.Activate(t.Context(), account.Activating{Code: code, Password: fresh + "2", Browser: "browser", Origin: home}); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("a second use: %v", err)
	}
	for _, kind := range []account.EventKind{account.ActivationMade, account.PasswordReset} {
		if !h.happened(a.ID, kind) {
			t.Errorf("no line %s", kind)
		}
	}
	used := 0
	for _, n := range h.notices() {
		if n.Template == "activation-used" {
			used++
		}
	}
	if used != 2 {
		t.Errorf("%d contacts were told of the use", used)
	}
}

func TestWithoutTheFactorThatACentreRemovedNobodyRecoversFromAfar(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.withApp(a)
	code, _ := h.made(a.ID, 0)
	if err := h.Activate(t.Context(), account.Activating{Code: code, Password: fresh, Browser: "browser", Origin: home}); err != nil {
		t.Fatal(err)
	}
	if found, err := h.FindForRecovery(t.Context(), annas, home); err != nil || found != nil {
		t.Errorf("recovery goes on: %v %v", found != nil, err)
	}
	h.withApp(a)
	if h.account(a.ID).FactorDue {
		t.Error("a factor is asked for that is there")
	}
	if found, err := h.FindForRecovery(t.Context(), annas, home); err != nil || found == nil {
		t.Errorf("with a new factor: %v %v", found != nil, err)
	}
}

func TestCodeOfACentreOpensNothingBeforeItsTimeAfterItOrCancelled(t *testing.T) {
	for what, row := range map[string]struct {
		wait, later time.Duration
		level       account.Level
		between     func(h *house, a *account.Account, code, cancel string)
		opens       bool
	}{
		"at once":             {0, 0, account.Simplified, nil, true},
		"before its time":     {24 * time.Hour, 23 * time.Hour, account.Simplified, nil, false},
		"at its time":         {24 * time.Hour, 25 * time.Hour, account.Simplified, nil, true},
		"on the third day":    {0, 71 * time.Hour, account.Simplified, nil, true},
		"after the third day": {0, 73 * time.Hour, account.Simplified, nil, false},
		"verified, by one":    {0, 0, account.Verified, nil, false},
		"verified, by the one": {0, 0, account.Verified, func(h *house, a *account.Account, _, _ string) {
			_ = h.ConfirmActivation(h.t.Context(), a.ID, "operator:1", "17")
		}, false},
		"verified, by two": {0, 0, account.Verified, func(h *house, a *account.Account, _, _ string) {
			if err := h.ConfirmActivation(h.t.Context(), a.ID, "operator:2", "17"); err != nil {
				h.t.Error(err)
			}
		}, true},
		"cancelled": {0, 0, account.Simplified, func(h *house, _ *account.Account, _, cancel string) {
			if err := h.PeekActivation(h.t.Context(), cancel+"x"); !errors.Is(err, account.ErrNotFound) {
				h.t.Errorf("a made-up token: %v", err)
			}
			if err := errors.Join(h.PeekActivation(h.t.Context(), cancel), h.CancelActivation(h.t.Context(), cancel, home)); err != nil {
				h.t.Error(err)
			}
			if err := h.CancelActivation(h.t.Context(), cancel, home); !errors.Is(err, account.ErrNotFound) {
				h.t.Errorf("cancelled twice: %v", err)
			}
		}, false},
		"another one was made": {0, 0, account.Simplified, func(h *house, a *account.Account, _, _ string) { h.made(a.ID, 0) }, false},
		"the owner changed the password": {0, 0, account.Simplified, func(h *house, a *account.Account, _, _ string) {
			if err := h.ResetPassword(h.t.Context(), a.ID, fresh+"3", home); err != nil {
				h.t.Error(err)
			}
		}, false},
		"locked meanwhile": {0, 0, account.Simplified, func(h *house, a *account.Account, _, _ string) {
			if err := h.Lock(h.t.Context(), a.ID, "operator:3", "test", home); err != nil {
				h.t.Error(err)
			}
		}, false},
	} {
		t.Run(what, func(t *testing.T) {
			h := newHouse(t)
			a := h.anna()
			if row.level == account.Verified {
				h.verified(a.ID)
			}
			code, cancel := h.made(a.ID, row.wait)
			if row.between != nil {
				row.between(h, a, code, cancel)
			}
			h.clock.Advance(row.later)
			if err := h.Activate(t.Context(), account.Activating{Code: code, Password: fresh, Browser: "browser", Origin: home}); (err == nil) != row.opens || err != nil && !errors.Is(err, account.ErrWrongCode) {
				t.Errorf("%v", err)
			}
		})
	}
}

// verified raises a person whom nobody has to prove anything for here.
func (h *house) verified(id account.ID) {
	h.t.Helper()
	if err := h.store.Update(h.t.Context(), id, func(a *account.Account) error { a.Level = account.Verified; return nil }); err != nil {
		h.t.Fatal(err)
	}
}

func TestCodeForSomebodyWhoWasNotSeenWaitsAndLowersTheLevel(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.verified(a.ID)
	code, made, err := h.MakeActivation(t.Context(), a.ID, account.NewActivation{Case: "17", Operator: "operator:1", Absent: true, Wait: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const week = 7 * 24 * time.Hour
	if made.OpensAt.Sub(made.MadeAt) != week || !made.Pair {
		t.Errorf("opens after %v, two operators: %v", made.OpensAt.Sub(made.MadeAt), made.Pair)
	}
	try := func() error {
		return h.Activate(t.Context(), account.Activating{Code: code, Password: fresh, Browser: "browser", Origin: home})
	}
	if err := h.ConfirmActivation(t.Context(), a.ID, "operator:2", "17"); err != nil {
		t.Fatal(err)
	}
	if err := try(); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("before its time: %v", err)
	}
	h.clock.Advance(week)
	if err := h.LockSwitch(t.Context(), a.ID, account.SwitchRecovery, "", home); err != nil {
		t.Fatal(err)
	}
	if err := try(); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("recovery from afar is locked: %v", err)
	}
	if err := h.OpenSwitchAtCentre(t.Context(), a.ID, account.SwitchRecovery, "operator:1", "18"); err != nil {
		t.Fatal(err)
	}
	if err := try(); err != nil {
		t.Fatal(err)
	}
	if got := h.account(a.ID); got.Level != account.Standard {
		t.Errorf("the level is %v", got.Level)
	}
}

func TestAccountThatRoseSinceNeedsTheSecondOperatorToo(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	code, _ := h.made(a.ID, 0)
	h.verified(a.ID)
	if err := h.Activate(t.Context(), account.Activating{Code: code, Password: fresh, Browser: "browser", Origin: home}); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("by one operator: %v", err)
	}
	h.Close() // what was to be noted is
	if !h.happened(a.ID, account.FactorFailed) {
		t.Error("the journal does not say that a code was tried")
	}
}

func TestCodeOfACentreEndsAWaitThatSomebodyElseBegan(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.withApp(a)
	if _, err := h.BeginWaiting(t.Context(), a.ID, "sms", home); err != nil {
		t.Fatal(err)
	}
	code, _ := h.made(a.ID, 0)
	if err := h.Activate(t.Context(), account.Activating{Code: code, Password: fresh, Browser: "browser", Origin: home}); err != nil {
		t.Fatal(err)
	}
	h.withApp(a)
	h.clock.Advance(30 * time.Hour)
	if err := h.ResetAfterWaiting(t.Context(), a.ID, "sms", fresh+"4", home); !errors.Is(err, account.ErrConflict) {
		t.Errorf("the wait goes on: %v", err)
	}
}

func TestCodesOfACentreAreNotGuessed(t *testing.T) {
	h := newHouse(t)
	var throttled account.ThrottledError
	for n := range 1000 {
		err := h.Activate(t.Context(), account.Activating{Code: "AAAA-AAAA-AAAA-" + strings.Repeat("B", n%4) + "7", Password: fresh, Browser: "browser", Origin: home})
		if errors.As(err, &throttled) {
			return
		}
		if !errors.Is(err, account.ErrWrongCode) {
			t.Fatal(err)
		}
	}
	t.Error("a thousand guesses from one address were judged")
}

func TestNoCodeIsMadeForAnAccountThatItCouldNotOpen(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	ask := account.NewActivation{Case: "17", Operator: "operator:1"}
	if _, _, err := h.MakeActivation(t.Context(), a.ID, account.NewActivation{Operator: "operator:1"}); err == nil {
		t.Error("a code without a case")
	}
	h.withPasskey(a)
	if err := h.LockSwitch(t.Context(), a.ID, account.SwitchPassword, "", home); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.MakeActivation(t.Context(), a.ID, ask); !errors.As(err, new(account.LockedWayError)) {
		t.Errorf("passwords are locked: %v", err)
	}
	if err := h.Lock(t.Context(), a.ID, "operator:3", "test", home); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.MakeActivation(t.Context(), a.ID, ask); !errors.Is(err, account.ErrLocked) {
		t.Errorf("the account is locked: %v", err)
	}
}
