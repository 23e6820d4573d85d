package journeys_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

func TestPersonSignsInByACodeOfAnApp(t *testing.T) {
	s := startStand(t)
	inEachMode(t, s, func(t *testing.T, s *stand, c *citizen) {
		c.declines["protect"] = true
		c.signUp()
		c.visit("/me/security", "me-security")
		c.press("protect")
		c.walk("protect-totp")
		shown := strings.ReplaceAll(c.text("[data-secret]"), " ", "")
		if u, err := url.Parse(c.scan()); err != nil || u.Query().Get("secret") != shown {
			t.Errorf("the picture tells the app another key than the text: %v", err)
		}
		c.secret = shown
		c.wrongCode("000000")
		c.says("Check the clock of your phone")
		if again := strings.ReplaceAll(c.text("[data-secret]"), " ", ""); again != shown {
			t.Error("a wrong code changes the key, which the app has already")
		}
		c.walk("protect-backup")
		c.walk("me-security")

		c.leave()
		c.walk("totp")
		c.wrongCode("000000")
		used := c.appCode()
		c.fill("code", used)
		c.press("continue")
		c.walk("me")
		c.leave()
		c.walk("totp")
		c.wrongCode(used)
		c.says("Wait for the next one in the app")
		c.walk("me")
	})
}

func TestPersonSignsInByACodeFromAnSMS(t *testing.T) {
	s := startStand(t)
	inEachMode(t, s, func(t *testing.T, s *stand, c *citizen) {
		c.declines["protect"] = true
		c.signUp()
		c.visit("/me/security", "me-security")
		c.press("add-sms")
		c.walk("protect-sms")
		c.says("numbers get hijacked")
		c.walk("protect-backup")
		c.walk("me-security")
		s.pass(11 * time.Minute) // as many codes as have gone may not go in ten minutes

		c.leave()
		c.walk("sms")
		here := c.location()
		first := c.code()
		c.sendsAgainAfter(time.Minute)
		c.walk("sms")
		for range 2 {
			c.wrongCode("000000")
		}
		c.says("Tries left: 1")
		c.wrongCode("000000")
		c.says("Ask for a new one")
		c.wrongCode(first) // is over with its tries
		c.open(here)
		c.sendsAgainAfter(3 * time.Minute)
		c.walk("me")
	})
}

// sendsAgainAfter asks for a code once more: too early, when that is answered with how long to wait, and after the wait.
func (c *citizen) sendsAgainAfter(wait time.Duration) {
	c.t.Helper()
	here := c.location()
	c.says("You can ask for a new code in")
	if c.scripts {
		if !c.has(`button[data-action="resend"][disabled]`) {
			c.t.Errorf("the button does not wait\n%s", c.where())
		}
	} else {
		c.press("resend")
		c.says("You can ask for a new code in")
	}
	c.stand.pass(wait)
	c.open(here)
	c.press("resend")
}

func TestBackupCodesAreMadeUsedAndReplaced(t *testing.T) {
	s := startStand(t)
	inEachMode(t, s, func(t *testing.T, s *stand, c *citizen) {
		c.open(s.url(0, "/signup"))
		c.walk("protect-backup")
		c.onPaper()
		c.walk("me")
		used := c.byBackup()
		c.walk("me")

		c.byBackup()
		c.says("Codes left: 9")
		c.wrongCode(used)
		c.says("was used")
		c.walk("me")
		if !strings.Contains(c.message("mail", c.p.Email, about("A backup code was used")).Text, "Codes left:") {
			t.Error("the owner is not told how many codes are left")
		}

		old := c.spare()
		c.visit("/me/security", "me-security")
		c.says("Codes left: 8")
		c.press("new-codes")
		c.walk("protect-backup")
		c.walk("me-security")
		c.says("Codes left: 10")
		c.byBackup()
		c.wrongCode(old)
		c.walk("me")
	})
}

// onPaper looks at a page as it would be printed: the codes, without what is only for the screen.
func (c *citizen) onPaper() {
	c.t.Helper()
	c.media("print")
	defer c.media("screen")
	if c.has(`[data-action="print"]:not([hidden])`) != c.scripts {
		c.t.Errorf("a button that prints, with scripts %v\n%s", c.scripts, c.where())
	}
	c.do("looking at the codes on paper", chromedp.WaitVisible(css("[data-codes]")), chromedp.WaitNotVisible(css("header.top")),
		chromedp.WaitNotVisible(css(`[data-action="continue"]`)))
}

// media shows the page as on a screen or on paper.
func (b *browser) media(kind string) {
	b.t.Helper()
	b.do("showing the page for "+kind, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: kind})
		return err
	}))
}

// byBackup signs in again as far as the page that asks for a backup code, and returns the code that comes next.
func (c *citizen) byBackup() string {
	c.t.Helper()
	c.leave()
	c.walk("totp")
	c.follow(`[data-way="backup"]`)
	c.walk("backup")
	return c.backup[0]
}

// about tells messages by their subject.
func about(subject string) func(message) bool {
	return func(m message) bool { return m.Subject == subject }
}
