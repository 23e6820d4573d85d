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
