package journeys_test

import (
	"testing"
	"time"
)

// useless are buttons that do nothing where no script runs.
const useless = `form:not([hidden]) button[type="button"]:not([hidden])`

// plain has every page on the way looked at: none may offer what only a script does.
func (c *citizen) plain() {
	c.looked = func(page string) {
		if c.has(useless) {
			c.t.Errorf("%s shows a button that does nothing without scripts\n%s", page, c.where())
		}
	}
}

// act opens a page of the cabinet, does what a button there does, and comes to a page again.
func (c *citizen) act(path, page, button string, until ...string) {
	c.t.Helper()
	c.visit(path, page)
	c.follow(button)
	c.walk(until...)
	c.looked(c.page())
}

func TestWithoutScriptsEveryActOfTheCabinetIsDone(t *testing.T) {
	s := startStand(t)
	c := newCitizen(t, s, s.fresh(1)[0], false)
	c.plain()
	c.signUp()
	c.open(s.url(1, "/fines"))
	c.walk("portal-fines") // a service that the person can shut out again
	other := newCitizen(t, s, c.p, false)
	other.secret, other.lastCode = c.secret, c.lastCode
	other.visit("/me", "me")
	c.lastCode = other.lastCode
	c.act("/me/sessions", "me-sessions", `[data-action="end-others"]`, "me-sessions")
	if !other.isOut() {
		t.Error("the other session goes on")
	}
	c.act("/me/security", "me-security", `[data-action="new-codes"]`, "me-security")
	s.pass(11 * time.Minute)
	c.act("/me/security", "me-security", `[data-action="add-sms"]`, "me-security")
	c.visit("/me/security", "me-security")
	c.choose("factor", "sms")
	c.press("prefer")
	c.act("/me/security", "me-security", `[data-action="add-push"]`, "protect-push")
	c.press("continue")
	c.walk("me-security")
	c.act("/me/security", "me-security", `[data-action="approve"]`, "me-approve")
	for _, what := range []string{"remove-sms", "remove-push"} {
		c.act("/me/security", "me-security", `[data-action="`+what+`"]`, "me-security")
		if c.has(`[data-action="` + what + `"]`) {
			t.Errorf("%s does nothing\n%s", what, c.where())
		}
	}
	c.act("/me/security/switches", "me-switches", `[data-switch="qr"] [data-action="lock"]`, "me-switches")
	c.act("/me/security/switches", "me-switches", `[data-switch="qr"] [data-action="open"]`, "me-switches")
	c.rehearses()
	c.act("/me/services", "me-services", `[data-action="revoke"]`, "me-services")
	if c.has(`[data-client="portal"]`) {
		t.Error("the service is still let in")
	}
	c.act("/me/history", "me-history", `a[href="/me/profile"]`, "me-profile")
	c.changesPassword("Четвёртая-Гавань4")
	c.act("/me", "me", `footer [name="lang"]`, "me")
	c.act("/me", "me", `footer [name="theme"][value="dark"]`, "me")
	if !c.has(`html[data-theme="dark"]`) {
		t.Error("the theme stays as it was")
	}
}

// rehearses sees what would be left after a loss, and tries a backup code, which stays good.
func (c *citizen) rehearses() {
	c.t.Helper()
	c.visit("/me/security/rehearsal", "me-rehearsal")
	c.click(`[name="lost"][value="phone"]`)
	c.press("show")
	if !c.has(`[data-remains="chosen"]`) {
		c.t.Errorf("nothing is said of what is left\n%s", c.where())
	}
	c.fill("code", c.backup[0])
	c.press("try")
	c.says("The code is right")
}

// changesPassword gives the account another one.
func (c *citizen) changesPassword(next string) {
	c.t.Helper()
	c.visit("/me/security/password", "me-password")
	c.fill("current_password", c.password, "password", next, "password_again", next)
	c.password = next
	c.press("continue")
	c.walk("me-security")
	c.says("The password was changed")
}

func TestWhatNeedsScriptsSaysSoAndNamesWhatDoesNot(t *testing.T) {
	s := startStand(t)
	c := newCitizen(t, s, s.registered("standard"), false)
	c.password = c.p.Password
	c.plain()
	for way, page := range map[string]string{"qr": "qr", "bank": "bank", "esign": "esign", "sign-up": "signup-contact"} {
		c.open(s.url(0, "/login"))
		c.looked("identify")
		c.press(way)
		if got := c.page(); got != page {
			t.Errorf("%s leads to %s", way, got)
		}
		c.looked(page)
	}
	if c.open(s.url(0, "/login")); c.has("form[data-passkey]:not([hidden])") {
		t.Error("a passkey is offered where none works")
	}
	c.walk("password")
	c.looked("password")
	c.press("passkey")
	c.says("Passkeys need scripts", "password, a code from an app or a backup code")
	c.visit("/protect/passkey", "protect-passkey")
	c.says("Passkeys need scripts")
	if c.has("form[data-passkey]:not([hidden])") {
		t.Error("a passkey is made where none works")
	}
	c.visit("/protect/push", "protect-push")
	c.press("continue")
	c.walk("me-security")
	c.visit("/me/approve", "me-approve")
	c.says("Notifications need scripts", "it looks for requests by itself")
	c.looked("me-approve")
}
