package login_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

func TestRememberedBrowserIsSparedTheSecondFactorWhereLittleIsAtStake(t *testing.T) {
	h := newHouse(t)
	h.person("+79140000001", withTOTP)
	b := h.browser()
	signIn := func(b *browser) *browser {
		return b.open("/login").on("identify").fill("continue", "identifier", "+79140000001").fill("continue", "password", password)
	}
	signOut := func() { b.open("/logout").fill("continue") }
	signIn(b).on("totp").fill("continue", "code", h.code(secret), "remember", "yes").on("me")
	signOut()
	signIn(b).on("me")
	signIn(h.browser()).on("totp") // another browser

	b.open(h.request(func(r *op.AuthRequest) { r.ACR = []op.ACR{{Level: account.Simplified, Strength: account.TwoFactor}} })).on("totp")
	h.clock.Advance(30 * time.Second)
	b.fill("continue", "code", h.code(secret)).on("consent").fill("allow").answered()
	signOut()
	signIn(b).on("me")
	b.open("/protect/totp").on("totp") // sensitive: what was spared is asked now

	h.clock.Advance(31 * 24 * time.Hour)
	signIn(b).on("totp")
}

func TestRememberedBrowserIsListedAndForgotten(t *testing.T) {
	h := newHouse(t)
	h.person("+79140000002", withTOTP)
	b := h.browser()
	signIn := func() *browser {
		return b.open("/login").on("identify").fill("continue", "identifier", "+79140000002").fill("continue", "password", password)
	}
	signIn().on("totp").fill("continue", "code", h.code(secret), "remember", "yes").on("me")
	b.open("/me/sessions").fill("forget").on("me-sessions")
	if strings.Contains(b.text, "data-device") {
		t.Error("a forgotten browser is still listed")
	}
	b.open("/logout").fill("continue")
	h.clock.Advance(time.Minute)
	signIn().on("totp").fill("continue", "code", h.code(secret), "remember", "yes").on("me")
	h.clock.Advance(time.Minute)
	if err := h.accounts.ResetPassword(t.Context(), h.find("+79140000002").ID, password+"!", account.Origin{}); err != nil {
		t.Fatal(err)
	}
	b.open("/login").on("identify").fill("continue", "identifier", "+79140000002").fill("continue", "password", password+"!").on("totp") // as every session did
}

func TestSharedComputerIsNotRemembered(t *testing.T) {
	h := newHouse(t)
	h.person("+79140000003", withTOTP)
	b := h.browser().open("/login").fill("continue", "identifier", "+79140000003", "shared", "yes").fill("continue", "password", password).on("totp")
	if strings.Contains(b.text, `name="remember"`) {
		t.Error("a shared computer may be remembered")
	}
	b.post("/login/totp", map[string][]string{"attempt": {b.attempt()}, "code": {h.code(secret)}, "remember": {"yes"}}).on("me")
	if n := len(h.find("+79140000003").Devices); n != 0 {
		t.Errorf("%d browsers are remembered", n)
	}
}

// Everything that "this is a shared computer" changes, in one place.
func TestASharedComputerKeepsNothingForLong(t *testing.T) {
	h := newHouse(t)
	h.person("+79140000004")
	b := h.browser().open("/login").fill("continue", "identifier", "+79140000004", "shared", "yes").fill("continue", "password", password)
	if b.name() == "offer-passkey" {
		t.Error("a passkey is offered on a computer of others")
	}
	b.open("/me").on("me")
	for _, c := range b.http.Jar.Cookies(b.at) {
		if c.Name == "vhod-browser" || c.Name == "vhod-device" || c.Name == "vhod-approver" {
			t.Errorf("the cookie %s is kept", c.Name)
		}
	}
	if b.open("/me/sessions").on("me-sessions"); !strings.Contains(b.text, "общее устройство") || !strings.Contains(b.text, "через 10 мин без действий") {
		t.Error("the page does not say that the device is shared, and what that means")
	}
	h.clock.Advance(11 * time.Minute)
	b.open("/me").on("identify") // idle for longer than ten minutes
	b.fill("continue", "identifier", "+79140000004", "shared", "yes").fill("continue", "password", password)
	b.open(h.request()).on("consent").fill("allow")
	answers := h.provider.approvals()
	if until := answers[len(answers)-1].Until; until.IsZero() || until.After(h.clock.Now().Add(30*time.Minute)) {
		t.Errorf("what is granted lasts until %s", until)
	}
	for range 4 {
		h.clock.Advance(9 * time.Minute)
		b.open("/me")
	}
	b.on("identify") // half an hour is over, however it was used
}
