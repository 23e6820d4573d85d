package journeys_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPersonWithoutTheirAppSignsInInANewBrowserByTwoCodes is about a provider that has new browsers confirmed, as the product does where nothing else is said.
func TestPersonWithoutTheirAppSignsInInANewBrowserByTwoCodes(t *testing.T) {
	s := startBeside(t)
	config := filepath.Join(s.dir, "vhod.yaml")
	text, err := os.ReadFile(config)
	if err == nil {
		err = os.WriteFile(config, []byte(strings.Replace(string(text), "new_browsers: tell", "new_browsers: confirm", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.serve(s.base)
	library, people := axe(t), s.fresh(len(modes))
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			home := newCitizen(t, s, people[i], mode.scripts)
			home.signUp()
			home.visit("/protect/sms", "protect-sms")
			home.walk("me-security")
			home.visit("/me/security/switches", "me-switches")
			if !home.has(`[data-remains="nothing"] [data-note="way.mail-sms"]`) || !home.has(`[data-remains="mail"] [data-note="way.known-sms"]`) {
				t.Errorf("the page of locks does not say what a new browser asks\n%s", home.where())
			}

			away := newCitizen(t, s, people[i], mode.scripts)
			away.password = home.password
			if mode.scripts {
				away.looked = func(page string) {
					for _, look := range looks {
						away.audit(library, page, look.width, look.scheme)
					}
				}
			}
			away.open(s.url(0, "/login"))
			away.walk("totp")
			if !away.has(`[data-way-refused="sms"]`) {
				t.Fatalf("a code by SMS is not greyed out\n%s", away.where())
			}
			away.follow(`[data-way="without"]`)
			away.walk("without")
			away.press("continue")
			away.walk("sms")
			if away.has(`[name="remember"]`) {
				t.Errorf("the browser may be remembered by half of what is asked\n%s", away.where())
			}
			away.walk("mail-code")
			here := away.location()
			if !away.isOut() {
				t.Error("half of what is asked lets in")
			}
			away.open(here)
			away.walk("me")
			away.leave()
			away.walk("totp")
			if away.has(`[data-way-refused]`) {
				t.Errorf("the browser is still a new one\n%s", away.where())
			}
		})
	}
}
