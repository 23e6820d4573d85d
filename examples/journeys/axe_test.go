package journeys_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/vhod-id/vhod/account"
)

// looks are how every page is looked at: a narrow phone and a desktop, by day and by night.
var looks = []struct {
	width  int64
	scheme string
}{{360, "light"}, {1280, "light"}, {360, "dark"}, {1280, "dark"}}

// axe returns axe-core, to be run in a page.
func axe(t *testing.T) string {
	t.Helper()
	npmPackages(t)
	library, err := os.ReadFile(filepath.Join("npm", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(library)
}

// speaks switches the pages to a language, unless they speak it already.
func (c *citizen) speaks(lang string) {
	c.t.Helper()
	if other := `footer [name="lang"][value="` + lang + `"]`; c.has(other) {
		c.follow(other)
	}
}

func TestPagesHaveNoAccessibilityViolations(t *testing.T) {
	library := axe(t)
	s := startStand(t)
	people := s.fresh(2)
	languages := map[string]int{"ru": len(looks), "en": 1} // how many looks: the other language differs by the length of its words
	for i, lang := range []string{"ru", "en"} {
		t.Run(lang, func(t *testing.T) {
			s := s.in(t)
			c := newCitizen(t, s, people[i], true)
			seen := 0
			c.looked = func(page string) {
				seen++
				for _, look := range looks[:languages[lang]] {
					c.audit(library, page, look.width, look.scheme)
				}
			}
			c.open(s.url(0, "/help"))
			c.speaks(lang)
			c.open(s.url(0, "/authorize?client_id=nobody"))
			c.looked("error")
			for _, path := range []string{"/help", "/nowhere", "/login/password?attempt=gone", "/agreement/terms", "/accessibility", "/cookies", "/logout", "/device", "/recovery"} {
				c.open(s.url(0, path))
				c.looked(c.page() + " at " + path)
			}
			for _, way := range []string{"qr", "bank", "esign"} {
				c.open(s.url(0, "/login"))
				c.press(way)
				c.looked(way)
			}
			c.offersPlugin(imitation{Certificates: []listed{{Subject: "CN=Анна", Issuer: issuerOfStand, Until: time.Now().AddDate(1, 0, 0)}, {Subject: "CN=Было", Issuer: issuerOfStand}}}, nil)
			c.open(s.url(0, "/login"))
			c.press("esign")
			c.presses("plugin-list")
			c.script("imitation.refuseSigning = '0x8010006B'")
			c.presses("plugin-sign")
			c.looked("esign with a plug-in")
			for _, page := range []string{"activation", "case"} {
				c.open(s.url(0, "/recovery/"+page))
				c.press("continue") // errors beside their fields
				c.looked("recovery-" + page)
			}
			c.open(s.url(1, "/fines"))
			c.walk("identify")
			c.press("continue") // an error beside its field
			c.looked("identify with an error")
			c.follow(`[data-action="sign-up"]`)
			c.walk("portal-fines")
			for _, path := range []string{"/me", "/me/profile", "/me/security", "/me/security/switches", "/me/sessions", "/me/history", "/me/services",
				"/me/requests", "/me/trusted", "/me/trusted/new", "/me/security/rehearsal?lost=phone", "/me/security/password", "/me/security/bank",
				"/me/security/esign", "/protect/passkey", "/protect/sms", "/logout"} {
				c.open(s.url(0, path))
				c.looked(c.page() + " at " + path)
			}
			c.open(s.url(0, "/protect/push"))
			c.walk("protect-push")
			c.press("continue")
			c.open(s.url(0, "/me/approve"))
			c.script(`document.querySelector('form[data-push-key]').hidden = false`) // a browser that may be told of requests
			c.looked("me-approve")
			c.open(s.url(0, "/me/profile"))
			c.later(58 * time.Minute)
			c.warned()
			c.looked("me-profile with a warning")
			lookAtRecovery(c)
			if seen < 55 {
				t.Errorf("only %d pages were looked at", seen)
			}
		})
	}
}

// TestPagesOfTrustHaveNoAccessibilityViolations looks at what only two people together come to see.
func TestPagesOfTrustHaveNoAccessibilityViolations(t *testing.T) {
	library := axe(t)
	s := startStand(t)
	owner, friend := resident(t, s, "trusting", true), resident(t, s, "trusted", true)
	nameAndAccept(owner, friend)
	s.pass(account.TrustAfter)
	look := func(c *citizen, page string) {
		for lang, n := range map[string]int{"en": 1, "ru": len(looks)} {
			c.speaks(lang)
			for _, l := range looks[:n] {
				c.audit(library, page+" in "+lang, l.width, l.scheme)
			}
		}
	}
	lost := resident(t, s, "trusting", true)
	proveByPhone(lost)
	lost.walk("totp")
	lost.follow(`[data-way="lost"]`)
	lost.walk("recovery-ways")
	lost.press("trusted")
	lost.walk("recovery-trusted")
	look(lost, "recovery-trusted")
	lost.press("continue")
	lost.walk("recovery-trusted")
	lost.shows("asked")
	look(lost, "recovery-trusted, asked")
	friend.until("/me", `[data-action="plea"]`)
	look(friend, "me with a plea")
	friend.press("plea")
	friend.walk("me-trusted-plea")
	look(friend, "me-trusted-plea")
	friend.press("confirm")
	friend.walk("me-trusted")
	look(friend, "me-trusted, answered")
	lost.open(lost.location())
	lost.shows("vouched")
	look(lost, "recovery-trusted, vouched")
}

// lookAtRecovery goes the way of somebody who lost their second factor.
func lookAtRecovery(c *citizen) {
	c.t.Helper()
	c.open(c.stand.url(0, "/recovery"))
	c.fill("identifier", c.p.Phone)
	c.press("continue")
	c.looked("recovery-code")
	c.fill("code", c.stand.lastMessage("sms", c.p.Phone, "").Code)
	c.press("continue")
	c.looked(c.page())
	c.follow(`main [data-way="lost"]`)
	c.looked("recovery-ways")
	c.press("bank")
	c.press("continue") // an error beside its field
	c.looked("recovery-bank with an error")
	c.sendsToBank(c.p)
	c.shows("vouched")
	c.looked("recovery-bank that said yes")
	c.follow("a.back")
	c.press("wait")
	c.looked("recovery-wait")
}

// audit runs axe-core over the page that is shown, and fails for every violation that it finds.
func (c *citizen) audit(library, page string, width int64, scheme string) {
	c.t.Helper()
	c.do("looking at "+page, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return err
	}))
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](library+`
		;axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations.map(v =>
			({id: v.id, help: v.help, at: v.nodes.map(n => n.target.join(' ') + ': ' + n.html.slice(0, 160))}))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		c.t.Fatalf("running axe on %s: %v", page, err)
	}
	var found []struct {
		ID   string   `json:"id"`
		Help string   `json:"help"`
		At   []string `json:"at"`
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		c.t.Fatal(err)
	}
	for _, v := range found {
		c.t.Errorf("%s at %d px, %s: %s (%s)\n\t%s", page, width, scheme, v.Help, v.ID, strings.Join(v.At, "\n\t"))
	}
	overflow, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
	if err != nil {
		c.t.Fatal(err)
	}
	if overflow > 0 {
		c.t.Errorf("%s at %d px is %d px too wide", page, width, overflow)
	}
}
