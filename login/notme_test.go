package login_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// alerts pays what accounts owe to themselves and returns the messages of new browsers.
func (h *house) alerts() []account.Notice {
	h.t.Helper()
	ctx, stop := context.WithCancel(h.t.Context())
	done := make(chan error)
	go func() { done <- h.accounts.Pay(ctx) }()
	defer func() { stop(); <-done }()
	var out []account.Notice
	for range 100 {
		for _, n := range h.notices() {
			if n.Template == "new-device" {
				out = append(out, n)
			}
		}
		if len(out) > 0 {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return out
}

func TestNewBrowsersAreToldOfInOneMessage(t *testing.T) {
	h := newHouse(t)
	a := h.person("+79141000001")
	own := h.signIn("+79141000001") // the first browser of a new account is its owner's
	own.open("/logout").fill("continue")
	own.open("/login").fill("continue", "identifier", "+79141000001").fill("continue", "password", password).on("me")
	h.clock.Advance(6 * time.Minute)
	if told := h.alerts(); len(told) != 0 {
		t.Fatalf("the owner was told of their own browser: %v", told)
	}
	h.signIn("+79141000001")
	h.clock.Advance(2 * time.Minute)
	h.signIn("+79141000001")
	h.clock.Advance(2 * time.Minute)
	if told := h.alerts(); len(told) != 0 {
		t.Fatal("a message went out before the five minutes were over")
	}
	h.clock.Advance(2 * time.Minute)
	told := h.alerts()
	if len(told) != 1 || told[0].Channel != "mail" || told[0].To != a.Email.Value || strings.Count(told[0].Args["Lines"], "Москва, 127.0.0.1") != 2 {
		t.Fatalf("told: %d messages", len(told))
	}
}

func TestSomebodyWhoHasNoMailIsToldWithoutALink(t *testing.T) {
	h := newHouse(t)
	h.person("+79141000002", func(a *account.Account) { a.Email = account.Contact{} })
	h.signIn("+79141000002")
	h.signIn("+79141000002")
	h.clock.Advance(6 * time.Minute)
	if told := h.alerts(); len(told) != 1 || told[0].Channel != "sms" || told[0].Args["Link"] != "" {
		t.Errorf("told: %v", told)
	}
}

// strange is a house where a stranger has signed in to an account after its owner, and the link that its owner got.
func strange(t *testing.T, phone string) (h *house, stranger *browser, link string) {
	t.Helper()
	h = newHouse(t)
	h.person(phone)
	h.signIn(phone)
	h.clock.Advance(time.Hour)
	stranger = h.signIn(phone)
	h.addPasskey(stranger, h.key()) // and leaves a way in for themselves
	h.clock.Advance(6 * time.Minute)
	told := h.alerts()
	if len(told) != 1 {
		t.Fatalf("%d messages", len(told))
	}
	u, err := url.Parse(told[0].Args["Link"])
	if err != nil {
		t.Fatal(err)
	}
	return h, stranger, u.RequestURI()
}

func TestDisownedSignInShutsTheStrangerOut(t *testing.T) {
	h, stranger, link := strange(t, "+79141000003")
	waiting := h.browser().open("/login").fill("continue", "identifier", "+79141000003") // half a sign-in with the known password
	b := h.browser().open(link).on("not-me")
	stranger.open("/me").on("me") // opening the link has changed nothing
	b.fill("continue").on("not-me-done")
	stranger.open("/me").on("identify")
	waiting.fill("continue", "password", password).on("password")
	if got := h.find("+79141000003"); len(got.Passkeys) != 0 || len(got.Backup.Hashes) != 0 || got.Password.Hash != "" {
		t.Error("the stranger's passkey, codes or the password are still there")
	}
	if b.open(link).on("error"); b.status != http.StatusGone {
		t.Errorf("a used link answers %d", b.status)
	}
	h.notices()
	b = h.home("+79141000003").open("/recovery").fill("continue", "identifier", "+79141000003").on("recovery-code")
	code, _ := h.sent("+79141000003")
	const next = "Новый&Пароль9 и слова"
	b.fill("continue", "code", code).on("recovery-password").fill("continue", "password", next, "password_again", next).on("me")
}

func TestPasswordThatWasRightBeforeSessionsEndedOpensNoneAfter(t *testing.T) {
	h := newHouse(t)
	h.person("+79141000004", withTOTP)
	b := h.browser().open("/login").fill("continue", "identifier", "+79141000004").fill("continue", "password", password).on("totp")
	h.clock.Advance(time.Second)
	if err := h.accounts.EndAllSessions(t.Context(), h.find("+79141000004").ID, account.Origin{}); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(time.Second)
	b.fill("continue", "code", h.code(secret))
	if b.cookie("vhod-session") != "" {
		t.Error("a password of before the end of all sessions opened a session after it")
	}
}

func TestLinkToDisownEndsAfterTenDaysAndIsNotGuessed(t *testing.T) {
	h, stranger, link := strange(t, "+79141000005")
	for _, token := range []string{"", ".", "x.y", link[len("/not-me?token="):] + "x", string(h.find("+79141000005").ID) + "."} {
		if b := h.browser().open("/not-me?token=" + url.QueryEscape(token)); b.status != http.StatusGone && b.status != http.StatusNotFound {
			t.Errorf("%q answers %d", token, b.status)
		}
		h.browser().open("/login").post("/not-me", url.Values{"token": {token}})
	}
	stranger.open("/me").on("me")
	h.clock.Advance(10 * 24 * time.Hour)
	h.browser().open(link).on("error")
}

func TestOfFiftyUsesOfALinkToDisownOneWins(t *testing.T) {
	h, _, link := strange(t, "+79141000006")
	token, err := url.QueryUnescape(link[len("/not-me?token="):])
	if err != nil {
		t.Fatal(err)
	}
	var won atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if h.accounts.Disown(t.Context(), token, account.Origin{}) == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of fifty won", won.Load())
	}
}

func TestSigningOutEverywhereForgetsRememberedBrowsers(t *testing.T) {
	for _, which := range []string{"others", "all"} {
		t.Run(which, func(t *testing.T) {
			h := newHouse(t)
			h.person("+79141000007", withTOTP)
			in := func(b *browser) *browser {
				b.open("/login").fill("continue", "identifier", "+79141000007").fill("continue", "password", password)
				if b.name() == "totp" {
					b.fill("continue", "code", h.code(secret), "remember", "yes")
				}
				return b.on("me")
			}
			b := in(h.browser())
			if len(h.find("+79141000007").Devices) != 1 {
				t.Fatal("the browser is not remembered")
			}
			h.clock.Advance(time.Second)
			b.open("/me/sessions").post("/me/sessions", url.Values{"session": {which}})
			if len(h.find("+79141000007").Devices) != 0 {
				t.Error("the browser is still remembered")
			}
			if name := b.open("/me").name(); (name == "me") != (which == "others") {
				t.Errorf("signing out of %s leads to %s", which, name)
			}
		})
	}
}
