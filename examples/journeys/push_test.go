package journeys_test

import (
	"testing"
)

func TestPersonConfirmsASignInOnTheirPhone(t *testing.T) {
	s := startStand(t)
	people := s.fresh(len(modes))
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			c := newCitizen(t, s, people[i], mode.scripts)
			c.declines["protect"] = true
			c.open(s.url(0, "/signup"))
			c.walk("me")
			c.open(s.url(0, "/logout"))
			c.walk("sign-out")
			c.press("continue")

			phone := newCitizen(t, s, people[i], mode.scripts)
			phone.open(s.url(0, "/me/security"))
			phone.walk("me-security")
			phone.press("add-push")
			phone.walk("protect-push")
			phone.press("continue")
			phone.walk("me-security")
			phone.open(s.url(0, "/me/approve"))
			phone.walk("me-approve")

			c.open(s.url(0, "/me"))
			c.walk("push")
			number := c.text("[data-number]")
			if !mode.scripts { // with scripts the request appears by itself
				phone.open(s.url(0, "/me/approve"))
			}
			phone.press("choose-" + number)
			phone.walk("me-approve")
			if mode.scripts { // the computer goes on by itself
				c.arrives("/me")
				return
			}
			c.press("continue")
			c.walk("me")
		})
	}
}
