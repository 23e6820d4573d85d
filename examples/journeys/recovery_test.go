package journeys_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestPersonWhoForgotThePasswordChoosesANewOne(t *testing.T) {
	s := startStand(t)
	inEachMode(t, s, func(t *testing.T, s *stand, c *citizen) {
		c.declines["protect"] = true
		c.signUp()
		s.pass(25 * time.Hour) // from now on this is their own browser
		if !c.scripts {
			c.known = c.p.Email
		}
		c.open(s.url(0, "/login"))
		c.walk("password")
		c.press("forgot")
		c.walk("recovery-code")
		c.says(orElse(c.known, "If the number belongs to an account"))
		c.wrongCode("000000")
		c.password = "Другая-Гавань8 у реки"
		c.walk("me")

		strange := newCitizen(t, s, c.p, c.scripts)
		strange.declines["protect"], strange.known = true, c.known
		s.pass(11 * time.Minute)
		strange.open(s.url(0, "/recovery"))
		strange.walk("recovery-day")
		strange.says("Is somebody on the telephone asking you to do this?")
		strange.press("continue")
		strange.says("You can go on")
		if c.isOut() {
			t.Error("waiting has ended a session")
		}
		s.pass(24 * time.Hour)
		strange.open(s.url(0, "/recovery"))
		strange.walk("me")
		if !c.isOut() {
			t.Error("a new password ends no other session")
		}
	})
}

// lost begins to get back in, as far as the page that says what there is for who has nothing of what is asked.
func (c *citizen) lost() {
	c.t.Helper()
	c.open(c.stand.url(0, "/recovery"))
	c.walk("totp")
	c.follow(`[data-way="lost"]`)
	c.walk("recovery-ways")
}

func TestPersonWithASecondFactorGetsBackInByEachRungOfTheLadder(t *testing.T) {
	s := startStand(t)
	p := s.registered("totp")
	own := s.signedIn(t, p, false)
	own.backup, own.printed = p.Backup, p.Backup
	by := newSigner(t, s, p, 3)
	own.visit("/me/security/esign", "me-esign")
	own.sign(by)
	own.walk("me-security")

	t.Run("an electronic signature", func(t *testing.T) { // first: it says the true time, and the clock will move
		c := newCitizen(t, s.in(t), p, true)
		c.lost()
		c.press("esign")
		c.sign(by)
		c.password = "Первая-Гавань1 у моря"
		c.walk("me")
		if !own.isOut() {
			t.Error("the other sessions go on")
		}
	})
	t.Run("a backup code", func(t *testing.T) {
		s.pass(25 * time.Hour) // own is a browser of more than a day
		own.lost()
		own.follow(`[data-way="backup"]`)
		own.password = "Вторая-Гавань2 у моря"
		own.walk("me")
	})
	t.Run("a wait that the owner stops", func(t *testing.T) {
		s.pass(11 * time.Minute)
		thief := newCitizen(t, s.in(t), p, true)
		thief.begins()
		told := own.message("mail", p.Email, func(m message) bool { return strings.Contains(m.Link, "/recovery/cancel?") })
		own.open(told.Link)
		own.walk("recovery-cancel")
		own.press("continue")
		own.walk("recovery-cancelled")
		s.pass(73 * time.Hour)
		thief.open(s.url(0, "/recovery"))
		thief.walk("totp", "recovery-password")
		if thief.page() != "totp" {
			t.Error("a wait that was stopped opens the account")
		}
	})
	t.Run("a wait", func(t *testing.T) {
		s.pass(11 * time.Minute)
		c := newCitizen(t, s.in(t), p, false)
		c.begins()
		s.pass(73 * time.Hour)
		c.declines["protect"], c.password = true, "Третья-Гавань3 у моря"
		c.open(s.url(0, "/recovery"))
		c.walk("me")
		if count(c.pages, "totp") > 1 {
			t.Errorf("what was lost is asked for: %v", c.pages)
		}
	})
}

// begins begins to wait for some days.
func (c *citizen) begins() {
	c.t.Helper()
	c.lost()
	c.press("wait")
	c.walk("recovery-wait")
	c.says("We tell all contacts of the account at once")
	c.press("continue")
	c.says("You can go on")
}

// vhod runs a command of the product on the stand's provider, as an operator does.
func (s *stand) vhod(words ...string) string {
	s.t.Helper()
	out, err := exec.Command(filepath.Join(bin, "vhod"), append(words, "-config", filepath.Join(s.dir, "vhod.yaml"))...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("vhod %s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

func TestPersonWhoLostEverythingGetsBackInByACodeOfACentre(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := startStand(t) // its clock is true until the code is made
			p := s.registered("totp")
			c := newCitizen(t, s, p, mode.scripts)
			c.open(s.url(0, "/recovery"))
			c.follow(`a[href="/recovery/case"]`)
			c.walk("recovery-case")
			c.fill("family_name", p.FamilyName, "given_name", p.GivenName, "middle_name", p.MiddleName, "snils", p.SNILS,
				"passport_series", p.Passport.Series, "passport_number", p.Passport.Number, "contact", "sister@mail.example")
			c.date("birthdate", p.Birthdate)
			c.press("continue")
			c.walk("recovery-case-filed")
			number := c.text("[data-case]")
			account := regexp.MustCompile(`account ([\w-]+)`).FindStringSubmatch(s.vhod("case", "show", number))
			if account == nil {
				t.Fatal("the case has no account beside it")
			}
			code := regexp.MustCompile(`(?m)^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$`).FindString(s.vhod("account", "activate", account[1], "-reason", number))
			c.secrets = map[string]string{"activation code": code, "activation code without hyphens": strings.ReplaceAll(code, "-", "")}

			c.open(s.url(0, "/recovery/activation"))
			c.activates("0000-0000-0000-0000")
			c.activates(code)
			c.says("Here the code will do in 24 h")
			s.pass(25 * time.Hour)
			c.activates(code)
			c.walk("recovery-activated")
			c.press("continue")
			c.declines["protect"] = true
			c.walk("protect")
			c.open(s.url(0, "/recovery/activation"))
			c.activates(code)
			if c.page() != "recovery-activation" {
				t.Errorf("a code that was used does again\n%s", c.where())
			}
		})
	}
}

// activates types a code of a centre and a new password.
func (c *citizen) activates(code string) {
	c.t.Helper()
	c.fill("code", code, "password", c.password, "password_again", c.password)
	c.press("continue")
}
