package journeys_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// TestABankHelpsSomebodyBackIn is about somebody who signed up with an app and was confirmed by their bank, and in another browser has nothing left but their
// phone and that bank.
func TestABankHelpsSomebodyBackIn(t *testing.T) {
	s := startStand(t)
	people := s.fresh(2 * len(modes)) // of two neighbours each has another bank
	for i, mode := range modes {
		p, neighbour := people[3*i], people[2-i]
		t.Run(mode.name+" "+p.Bank.ID, func(t *testing.T) {
			s := s.in(t)
			owner := newCitizen(t, s, p, mode.scripts)
			owner.signUp()
			owner.visit("/level", "me")
			s.pass(25 * time.Hour)

			lost := newCitizen(t, s, p, mode.scripts)
			lost.known = p.Email
			lost.lost()
			lost.press("bank")
			lost.walk("recovery-bank")
			lost.says("Is somebody on the telephone")
			lost.sendsToBank(neighbour)
			if !lost.has(`[data-trouble="other-person"]`) {
				t.Errorf("somebody else's bank is believed\n%s", lost.where())
			}
			lost.sendsToBank(p)
			lost.shows("vouched")

			told := owner.message("mail", p.Email, func(m message) bool { return strings.Contains(m.Link, "/recovery/cancel?") })
			if told.Code != "" || !strings.Contains(told.Text, "bank") && !strings.Contains(told.Text, "банк") {
				t.Errorf("the owner reads %q", told.Text)
			}
			s.pass(account.VouchedWait - time.Hour)
			lost.open(s.url(0, "/recovery"))
			lost.walk("totp", "recovery-password")
			if lost.page() != "totp" {
				t.Error("the day was cut short")
			}
			s.pass(time.Hour)
			lost.password, lost.declines["protect"] = "Другая-Гавань8 у реки", true
			lost.open(s.url(0, "/recovery"))
			lost.walk("me")
			if !owner.isOut() {
				t.Error("the other sessions go on")
			}
			lost.visit("/me/history", "me-history")
			for _, kind := range []string{"bank-denied", "bank-confirmed"} {
				if !lost.has(`[data-event="` + kind + `"]`) {
					t.Errorf("the journal has no %s", kind)
				}
			}
		})
	}
}

// sendsToBank chooses a person's bank on the page of a recovery, and signs in there as that person.
func (c *citizen) sendsToBank(as person) {
	c.t.Helper()
	c.choose("bank", as.Bank.ID)
	c.press("continue")
	c.walk("bank-login")
	c.fill("username", as.Bank.Username, "password", as.Bank.Password)
	c.press("continue")
	c.walk("bank-consent")
	c.press("allow")
	c.walk("recovery-bank")
}
