package journeys_test

import (
	"testing"
	"time"
)

// At the portal nobody presses anything in these tests: the provider tells it that a session is over.

func TestSigningOutAtTheProviderSignsOutOfTheService(t *testing.T) {
	s := startStand(t, "-tls")
	c := signInAs(t, s, s.registered("standard"), s.url(1, "/sign-in"), "portal-me")
	c.open(s.url(0, "/logout"))
	c.walk("sign-out")
	c.press("continue")
	c.walk("signed-out")
	c.signedOutOfThePortal()
}

func TestEndingAnotherSessionSignsOutOfTheServiceThere(t *testing.T) {
	s := startStand(t)
	p := s.registered("standard")
	there := signInAs(t, s, p, s.url(1, "/sign-in"), "portal-me")
	here := signInAs(t, s, p, s.url(1, "/sign-in"), "portal-me")
	here.open(s.url(0, "/me/sessions"))
	here.click(`form button[name="session"][value="others"]`)
	there.signedOutOfThePortal()
	if here.open(s.url(1, "/")); !here.has(`[data-action="sign-out"]`) {
		t.Error("the session that was kept is signed out too")
	}
}

// signedOutOfThePortal waits until the portal does not know this browser.
func (c *citizen) signedOutOfThePortal() {
	c.t.Helper()
	for range 50 {
		if c.open(c.stand.url(1, "/")); c.has(`[data-action="sign-in"]`) && !c.has(`[data-action="sign-out"]`) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Errorf("the portal still knows who it is\n%s", c.where())
}
