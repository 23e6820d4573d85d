package journeys_test

import (
	"fmt"
	"testing"
	"time"
)

// later has the page believe that time has gone by, as it has for who comes back to it; the stand's own clock stays.
func (b *browser) later(d time.Duration) {
	b.t.Helper()
	b.script(fmt.Sprintf(`const now = Date.now; Date.now = () => now() + %d; document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))`, d.Milliseconds()))
}

// warned waits until the page says that its time is nearly over.
func (b *browser) warned() {
	b.t.Helper()
	b.eventually(`document.querySelector('[data-timeout]').open`)
}

// unwarned waits until it no longer does.
func (b *browser) unwarned() {
	b.t.Helper()
	b.eventually(`!document.querySelector('[data-timeout]').open`)
}

// typed is what stands in a field now.
func (b *browser) typed(name string) string {
	b.t.Helper()
	return b.value(`document.querySelector('main [name="` + name + `"]').value`)
}

func TestAWarningComesBeforeASessionEndsAndNothingTypedIsLost(t *testing.T) {
	s := startStand(t)
	c := resident(t, s, "trusting", true)
	c.visit("/me/trusted/new", "me-trusted-new")
	c.fill("trusted_label", "Сестра")
	c.later(50 * time.Minute)
	c.unwarned() // ten minutes are left, and nobody is disturbed
	s.pass(57 * time.Minute)
	c.later(8 * time.Minute)
	c.warned()
	if got := c.value(`document.activeElement.dataset.action`); got != "stay" {
		t.Errorf("the focus is at %q", got)
	}
	c.click(`[data-action="stay"]`)
	c.unwarned()
	if got := c.typed("trusted_label"); got != "Сестра" {
		t.Errorf("what was typed is %q", got)
	}
	s.pass(57 * time.Minute) // longer than the session would have lasted
	c.later(58 * time.Minute)
	c.warned()
	before := c.loader()
	s.pass(4 * time.Minute)
	c.later(3 * time.Minute)
	c.leaves(before, "the end of the session")
	if page := c.page(); page != "identify" {
		t.Fatalf("after the end the page is %s\n%s", page, c.where())
	}
	c.says("You were signed out")
	c.walk("me-trusted-new")
	if got := c.typed("trusted_label"); got != "Сестра" {
		t.Errorf("after signing in again what was typed is %q", got)
	}
}

func TestAWarningComesBeforeAnAttemptEnds(t *testing.T) {
	s := startStand(t)
	c := resident(t, s, "simplified", true)
	c.open(s.url(1, "/fines"))
	c.walk("identify")
	c.fill("identifier", c.p.Phone)
	s.pass(58 * time.Minute)
	c.later(58 * time.Minute)
	c.warned()
	c.click(`[data-action="stay"]`)
	c.unwarned()
	s.pass(30 * time.Minute) // longer than the service would have waited
	c.press("continue")
	c.walk("level")
}
