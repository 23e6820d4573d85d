package journeys_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestInAStormABrowserDoesItsSumWhileThePersonTypes guesses at three people, whom the node takes for a storm, and signs somebody in.
func TestInAStormABrowserDoesItsSumWhileThePersonTypes(t *testing.T) {
	s := startBeside(t)
	config := filepath.Join(s.dir, "vhod.yaml")
	text, err := os.ReadFile(config)
	if err == nil {
		err = os.WriteFile(config, append(text, "\nguessing:\n  wrong: 3\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.serve(s.base)
	people := s.fresh(2)
	c := newCitizen(t, s, people[0], true)
	newcomersJourney(c, nil) // their own browser is known from here on
	bare := newCitizen(t, s, people[1], true)
	bare.declines["protect"] = true // a password is all that they have
	bare.open(s.url(0, "/signup"))
	bare.walk("me")

	b := openBrowser(t, true)
	for i := range 3 {
		b.open(s.url(0, "/login"))
		b.fill("identifier", fmt.Sprintf("+7999000000%d", i))
		b.press("continue")
		b.fill("password", fmt.Sprintf("Украденный-Пароль%d", i))
		b.press("continue")
	}
	b.open(s.url(0, "/login"))
	b.fill("identifier", c.p.Phone)
	b.press("continue")
	if !b.has("form[data-toll]") {
		t.Fatal("a new browser is asked for no toll\n" + b.where())
	}
	b.fill("password", c.password)
	b.press("continue") // too early: it goes when the sum is done
	b.do("waiting for the sum", chromedp.WaitVisible(css(`main:not([data-page="password"])`)))
	if page := b.page(); page != "totp" {
		t.Errorf("the sum leads to %q\n%s", page, b.where())
	}

	elsewhere := newCitizen(t, s, bare.p, true)
	elsewhere.open(s.url(0, "/login"))
	elsewhere.walk("password")
	elsewhere.fill("password", bare.password)
	elsewhere.press("continue")
	elsewhere.do("waiting for the sum", chromedp.WaitVisible(css(`main:not([data-page="password"])`)))
	elsewhere.walk("mail-code")
	elsewhere.says("guessing passwords")
	elsewhere.walk("me")

	plain := openBrowser(t, false)
	plain.open(s.url(0, "/login"))
	plain.fill("identifier", c.p.Phone)
	plain.press("continue")
	plain.says("Wait 60 s")
}
