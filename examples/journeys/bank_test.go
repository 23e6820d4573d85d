package journeys_test

import "testing"

// atBank chooses the person's bank and lets it say who they are.
func (c *citizen) atBank() {
	c.t.Helper()
	c.press("bank")
	c.walk("bank")
	c.choose("bank", c.p.Bank.ID)
	c.press("continue")
	c.walk("bank-consent")
	c.press("allow")
}

func TestNewcomerSignsUpByTheirBankAndSignsInByIt(t *testing.T) {
	s := startStand(t)
	people := s.fresh(2 * len(modes))
	for i, mode := range modes {
		for n, p := range people[2*i : 2*i+2] { // they bank at both banks
			t.Run(mode.name+" "+p.Bank.ID, func(t *testing.T) {
				s := s.in(t)
				c := newCitizen(t, s, p, mode.scripts)
				c.declines["protect"] = true
				c.open(s.url(0, "/login"))
				c.atBank()
				c.walk("bank-unknown")
				c.press("sign-up")
				c.walk("signup-contact")
				c.says(p.FamilyName)
				c.walk("me")
				again := newCitizen(t, s, p, n == 0)
				again.open(s.url(0, "/login"))
				again.atBank()
				again.walk("me")
				again.open(s.url(0, "/me/history"))
				again.walk("me-history")
				if !again.has(`[data-event="bank-linked"]`) {
					t.Error("the journal does not say that a bank was linked")
				}
			})
		}
	}
}

func TestPersonLinksTheirBankBySigningInOnce(t *testing.T) {
	s := startStand(t)
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			p := s.registered("standard")
			c := newCitizen(t, s, p, mode.scripts)
			c.password = p.Password
			c.open(s.url(0, "/login"))
			c.atBank()
			if c.page() == "bank-unknown" { // the second time the bank is known
				c.press("continue")
				c.walk("bank-link")
				c.press("continue")
			}
			c.walk("me")
			again := newCitizen(t, s, p, mode.scripts)
			again.open(s.url(0, "/login"))
			again.atBank()
			again.walk("me")
			if mode.scripts {
				return
			}
			again.open(s.url(0, "/me/security/switches"))
			again.walk("me-switches")
			again.click(`[data-switch="bank"] [data-action="lock"]`)
			refused := newCitizen(t, s, p, mode.scripts)
			refused.open(s.url(0, "/login"))
			refused.atBank()
			refused.walk("bank")
			if !refused.has(`[data-trouble="locked"]`) {
				t.Error("a locked bank is not told of")
			}
		})
	}
}
