package journeys_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// resident is a seeded person at a browser of their own.
func resident(t *testing.T, s *stand, story string, scripts bool) *citizen {
	t.Helper()
	c := newCitizen(t, s, s.registered(story), scripts)
	c.password, c.secret, c.backup = c.p.Password, c.p.TOTPSecret, c.p.Backup
	return c
}

// TestATrustedPersonHelpsSomebodyBackIn is about two people in two browsers, and a third browser in which one of them has nothing left but their phone.
func TestATrustedPersonHelpsSomebodyBackIn(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := startStand(t)
			owner, friend := resident(t, s, "trusting", mode.scripts), resident(t, s, "trusted", mode.scripts)
			nameAndAccept(owner, friend)
			s.pass(account.TrustAfter)

			lost := resident(t, s, "trusting", mode.scripts)
			proveByPhone(lost)
			lost.walk("totp")
			lost.follow(`[data-way="lost"]`)
			lost.walk("recovery-ways")
			lost.press("trusted")
			lost.walk("recovery-trusted")
			lost.press("continue")
			lost.walk("recovery-trusted")
			lost.shows("asked")

			confirm(friend)
			lost.open(lost.location())
			lost.shows("vouched")
			s.pass(account.VouchedWait)
			proveByPhone(lost)
			lost.password = "Другая-Гавань8 у реки"
			lost.walk("recovery-password")
			lost.fill("password", lost.password, "password_again", lost.password)
			lost.press("continue")
			lost.walk("me")
			friend.until("/me/trusted", "[data-empty-trusting]") // whom they helped back in names somebody anew
		})
	}
}

// nameAndAccept has one person name another, who agrees.
func nameAndAccept(owner, friend *citizen) {
	s := owner.stand
	owner.t.Helper()
	owner.open(s.url(0, "/me/security"))
	owner.walk("me-security")
	owner.press("trusted")
	owner.walk("me-trusted")
	owner.press("name")
	owner.walk("me-trusted-new")
	owner.fill("trusted_label", "Сестра", "identifier", friend.p.Phone)
	owner.press("continue")
	owner.walk("me-trusted")
	owner.shows("waiting")

	s.lastMessage("sms", friend.p.Phone, "")
	friend.open(s.url(0, "/me"))
	friend.walk("me")
	friend.press("offers")
	friend.walk("me-trusted")
	friend.says(owner.p.GivenName)
	friend.press("accept")
	friend.walk("me-trusted")
	owner.until("/me/trusted", `[data-state="young"]`)
}

// confirm answers a plea with yes: what came by message has nothing in it that could be read out.
func confirm(friend *citizen) {
	s := friend.stand
	friend.t.Helper()
	friend.until("/me", `[data-action="plea"]`)
	if told := s.lastMessage("sms", friend.p.Phone, ""); told.Code != "" || told.Link != "" {
		friend.t.Errorf("the message holds something to read out: %q", told.Text)
	}
	friend.press("plea")
	friend.walk("me-trusted-plea")
	friend.press("confirm")
	friend.walk("me-trusted")
	if friend.has("[data-plea]") {
		friend.t.Error("what was answered is asked still\n" + friend.where())
	}
}

// proveByPhone begins a recovery by a code to the phone.
func proveByPhone(c *citizen) {
	c.t.Helper()
	c.open(c.stand.url(0, "/recovery"))
	c.walk("recovery")
	c.fill("identifier", c.p.Phone)
	c.press("continue")
	c.walk("recovery-code")
	c.fill("code", c.stand.lastMessage("sms", c.p.Phone, "").Code)
	c.press("continue")
}

// until opens a page until it has something: the other end of a tie hears of it a moment later.
func (c *citizen) until(path, selector string) {
	c.t.Helper()
	for range 20 {
		c.open(c.stand.url(0, path))
		c.walk(strings.ReplaceAll(path[1:], "/", "-"))
		if c.has(selector) {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	c.t.Fatalf("%s never has %s\n%s", path, selector, c.where())
}

// shows fails unless something on the page is in a state.
func (c *citizen) shows(state string) {
	c.t.Helper()
	if !c.has(`[data-state="` + state + `"]`) {
		c.t.Fatalf("nothing is %q\n%s", state, c.where())
	}
}
