package journeys_test

import (
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

func TestPersonSignsInByTheirMailAndByTheirSNILS(t *testing.T) {
	s := startStand(t)
	p := s.registered("standard")
	for i, known := range []string{p.Email, p.SNILS, digits(p.SNILS)} {
		c := newCitizen(t, s, p, i > 0)
		c.password, c.known = p.Password, known
		c.open(s.url(0, "/login"))
		c.walk("password")
		c.says(known)
		c.fill("password", "Чужой-Пароль1")
		c.press("continue")
		if c.page() != "password" || !c.has(".errors") {
			t.Fatalf("a wrong password\n%s", c.where())
		}
		c.walk("me")
	}
}

func TestBrowserIsRememberedUnlessItIsShared(t *testing.T) {
	s := startStand(t)
	inEachMode(t, s, func(t *testing.T, s *stand, c *citizen) {
		c.signUp()
		c.leave()
		c.walk("totp")
		c.click(`main [name="remember"]`)
		c.walk("me")
		c.pages = nil
		c.leave()
		c.walk("me")
		if count(c.pages, "totp") > 0 {
			t.Error("a remembered browser is asked for a code")
		}
		c.visit("/me/sessions", "me-sessions")
		c.says("Remembered browsers")
		c.press("forget")
		c.leave()
		c.walk("totp")

		shared := newCitizen(t, s, c.p, c.scripts)
		shared.secret, shared.lastCode = c.secret, c.lastCode
		shared.open(s.url(0, "/login"))
		shared.says("This is a shared device", "within 30 minutes")
		shared.click(`main [name="shared"]`)
		shared.walk("totp")
		if shared.has(`[name="remember"]`) {
			t.Error("a shared computer may be remembered")
		}
		shared.walk("me")
		shared.visit("/me/sessions", "me-sessions")
		shared.says("shared device")
		s.pass(31 * time.Minute)
		shared.open(s.url(0, "/me"))
		if page := shared.page(); page != "identify" {
			t.Errorf("half an hour later a shared computer shows %s", page)
		}
	})
}

func TestAnAccountThatIsShutSaysSoAndWhatToDo(t *testing.T) {
	s := startStand(t)
	for i, story := range []string{"locked", "deletion-pending"} {
		t.Run(story, func(t *testing.T) {
			s := s.in(t)
			p := s.registered(story)
			c := newCitizen(t, s, p, i > 0)
			c.open(s.url(0, "/login"))
			c.walk("password")
			c.fill("password", "Чужой-Пароль1")
			c.press("continue")
			if c.page() != "password" {
				t.Errorf("who does not know the password learns what became of the account\n%s", c.where())
			}
			c.fill("password", p.Password)
			c.press("continue")
			c.says("The account is locked")
			c.press("continue")
			c.walk("recovery")
		})
	}
}

// securityKey gives the browser a key on a keyring: it is touched, keeps nothing and asks for no PIN, so it stands only beside a password.
func (b *browser) securityKey() {
	b.t.Helper()
	b.plugIn(webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportUsb, AutomaticPresenceSimulation: true,
	})
}

func TestASecurityKeyStandsBesideThePasswordAlone(t *testing.T) {
	s := startStand(t)
	c := newCitizen(t, s, s.fresh(1)[0], true)
	c.securityKey()
	c.declines["protect"] = true
	c.signUp()
	c.visit("/protect/passkey", "protect-passkey")
	c.fill("passkey_name", "Ключ на связке")
	c.press("continue")
	c.walk("me-security")
	c.says("Ключ на связке")

	c.leave()
	c.walk("password")
	c.presence(false)
	c.walk("passkey")
	if c.session() {
		t.Fatal("the password alone signs in")
	}
	c.presence(true)
	c.press("continue")
	c.walk("me")
	c.visit("/me/history", "me-history")
	c.says("security key")

	c.leave()
	c.walk("password")
	c.press("passkey") // without the password it proves nobody
	c.walk("passkey")
	c.click(`main [data-action="continue"]`)
	c.do("hearing that it did not work", chromedp.WaitVisible(css("[data-passkey-says]")))
	if c.session() {
		t.Error("a key that checks nobody signs in by itself")
	}
}
