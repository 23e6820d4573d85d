package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// waitFor begins to wait as somebody who has nothing but a contact, and returns the links that the owner got.
func (h *house) waitFor(t *testing.T, phone string) (b *browser, links []string) {
	t.Helper()
	h.notices()
	b = h.browser().open("/recovery").fill("continue", "identifier", phone).on("recovery-code")
	code, _ := h.sent(phone)
	b.fill("continue", "code", code)
	b.open("/recovery/lost?attempt=" + b.attempt()).on("recovery-wait").fill("continue").on("recovery-wait")
	for _, n := range h.notices() {
		if n.Template == "recovery-waits" {
			u, err := url.Parse(n.Args["Link"])
			if err != nil {
				t.Fatal(err)
			}
			links = append(links, u.RequestURI())
		}
	}
	return b, links
}

func TestRecoveryWithoutASecondFactorWaitsByLevelAndEverybodyIsTold(t *testing.T) {
	for level, wait := range map[account.Level]time.Duration{account.Simplified: 24 * time.Hour, account.Standard: 72 * time.Hour, account.Verified: 7 * 24 * time.Hour} {
		t.Run(level.String(), func(t *testing.T) {
			h := newHouse(t)
			h.person("+79146000001", withTOTP, func(a *account.Account) {
				if level > account.Simplified {
					standard(a)
				}
				a.Level = level
				a.Evidence = []account.Evidence{{Method: account.ProvenByRegistries, Level: account.Standard}, {Method: account.ProvenByBank, Level: account.Verified}}
			})
			thief := h.browser().open("/login").fill("continue", "identifier", "+79146000001").fill("continue", "password", password).on("totp")
			_, links := h.waitFor(t, "+79146000001")
			if len(links) != 2 {
				t.Fatalf("%d contacts were told", len(links))
			}
			h.clock.Advance(wait - time.Minute)
			again := h.browser().open("/recovery").fill("continue", "identifier", "+79146000001")
			code, _ := h.sent("+79146000001")
			again.fill("continue", "code", code).on("totp") // not yet
			if again.open("/recovery/password?attempt=" + again.attempt()); again.name() == "recovery-password" {
				t.Fatal("the wait was cut short")
			}
			h.clock.Advance(11 * time.Minute)
			again = h.browser().open("/recovery").fill("continue", "identifier", "+79146000001")
			code, _ = h.sent("+79146000001")
			const next = "Новый&Пароль9 и слова"
			again.fill("continue", "code", code).on("recovery-password").fill("continue", "password", next, "password_again", next).on("me")
			a := h.find("+79146000001")
			if a.HasSecondFactor() || a.Level > account.Standard || a.Level < min(level, account.Standard) {
				t.Errorf("afterwards it is %v with %v", a.Level, a.Factors())
			}
			if level == account.Verified && len(a.Evidence) != 1 {
				t.Errorf("%d pieces of evidence are left", len(a.Evidence))
			}
			if thief.open("/me"); thief.name() == "me" {
				t.Error("half a sign-in of before came in")
			}
		})
	}
}

func TestOwnerStopsAWaitByItsLinkOrByASecondFactor(t *testing.T) {
	h := newHouse(t)
	h.person("+79146000002", withTOTP)
	_, links := h.waitFor(t, "+79146000002")
	owner := h.browser().open(links[0]).on("recovery-cancel")
	if _, waits := h.find("+79146000002").Waits("sms", h.clock.Now()); !waits {
		t.Fatal("opening the link ended the wait")
	}
	owner.fill("continue").on("recovery-cancelled")
	if _, waits := h.find("+79146000002").Waits("sms", h.clock.Now()); waits {
		t.Error("the wait goes on")
	}
	if owner.open(links[1]).on("error"); owner.status != http.StatusGone {
		t.Errorf("the other link answers %d", owner.status)
	}
	h.clock.Advance(11 * time.Minute)
	h.waitFor(t, "+79146000002")
	h.browser().open("/login").fill("continue", "identifier", "+79146000002").fill("continue", "password", password).on("totp").fill("continue", "code", h.code(secret)).on("me")
	if _, waits := h.find("+79146000002").Waits("sms", h.clock.Now()); waits {
		t.Error("the wait goes on though the owner has shown a second factor")
	}
	h.clock.Advance(25 * time.Hour)
	b := h.browser().open("/recovery").fill("continue", "identifier", "+79146000002")
	code, _ := h.sent("+79146000002")
	b.fill("continue", "code", code).on("totp")
}

func TestWaitIsForItsContactAndEndsByItself(t *testing.T) {
	h := newHouse(t)
	a := h.person("+79146000003", withTOTP)
	h.waitFor(t, "+79146000003")
	h.clock.Advance(25 * time.Hour)
	b := h.browser().open("/recovery").fill("continue", "identifier", a.Email.Value)
	code, _ := h.sent(a.Email.Value)
	b.fill("continue", "code", code).on("totp") // who has the mail waits for themselves
	h.clock.Advance(8 * 24 * time.Hour)
	b = h.browser().open("/recovery").fill("continue", "identifier", "+79146000003")
	code, _ = h.sent("+79146000003")
	b.fill("continue", "code", code).on("totp") // a wait that nobody finished
	if b.open("/recovery/lost?attempt=" + b.attempt()).on("recovery-wait"); strings.Contains(b.text, "data-waits") {
		t.Error("an old wait is offered")
	}
}

func TestOfFiftyCancellationsAndOfFiftyEndingsOneWins(t *testing.T) {
	h := newHouse(t)
	h.person("+79146000004", withTOTP)
	_, links := h.waitFor(t, "+79146000004")
	token, err := url.QueryUnescape(strings.TrimPrefix(links[0], "/recovery/cancel?token="))
	if err != nil {
		t.Fatal(err)
	}
	race := func(do func() error) int32 {
		var won atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if do() == nil {
					won.Add(1)
				}
			})
		}
		all.Wait()
		return won.Load()
	}
	if n := race(func() error { return h.accounts.CancelWaiting(t.Context(), token, account.Origin{}) }); n != 1 {
		t.Errorf("%d cancellations won", n)
	}
	h.clock.Advance(11 * time.Minute)
	h.waitFor(t, "+79146000004")
	h.clock.Advance(25 * time.Hour)
	id := h.find("+79146000004").ID
	if n := race(func() error {
		return h.accounts.ResetAfterWaiting(t.Context(), id, "sms", "Новый&Пароль9 и слова", account.Origin{})
	}); n != 1 {
		t.Errorf("%d resets won", n)
	}
}
