package journeys_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focused is what a key would act on, as somebody who looks at the page would know it. Scripts of these tests only look:
// whatever happens is done by keys.
type focused struct {
	Place int     // among the elements of the document; zero: nothing has the focus
	What  string  // it is, for people
	Name  string  // of a field
	Value string  // of a field
	Seen  bool    // it is on the screen and drawn as what has the focus
	Top   float64 // where it stands on the page
}

const lookAtFocus = `(() => {
	const e = document.activeElement
	if (!e || e === document.body || e === document.documentElement) return JSON.stringify({})
	const style = getComputedStyle(e), box = e.getBoundingClientRect()
	const drawn = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
	const there = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth
	return JSON.stringify({ Place: [...document.querySelectorAll('*')].indexOf(e), What: e.cloneNode().outerHTML.slice(0, 120),
		Name: e.name ?? '', Value: e.value ?? '', Seen: there && (drawn || e.matches('main, .errors, .skip')), Top: box.top + scrollY })
})()`

// within lists the elements that a person could use, of which a group of radio buttons is one.
const within = `(() => {
	const all = [...document.querySelectorAll('*')], groups = new Set()
	const useful = all.filter((e) => e.matches('a[href], button, input:not([type=hidden]), select, textarea, summary') && !e.disabled && e.checkVisibility({ visibilityProperty: true }))
	return JSON.stringify(useful.filter((e) => {
		if (e.type !== 'radio') return true
		const first = !groups.has(e.name)
		groups.add(e.name)
		return first
	}).map((e) => ({ Place: all.indexOf(e), What: e.cloneNode().outerHTML.slice(0, 120), Name: e.type === 'radio' ? e.name : '' })))
})()`

// look evaluates a script that changes nothing and answers in JSON.
func (b *browser) look(script string, into any) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := read(ctx, chromedp.Evaluate[string](script))
	if err == nil {
		err = json.Unmarshal([]byte(text), into)
	}
	if err != nil {
		b.t.Fatalf("looking at the page: %v\n%s", err, b.where())
	}
}

func (b *browser) focus() (f focused) {
	b.t.Helper()
	b.look(lookAtFocus, &f)
	return f
}

// onFocus reports whether what has the focus is the first element of a selector.
func (b *browser) onFocus(selector string) (is bool) {
	b.t.Helper()
	b.look(fmt.Sprintf(`JSON.stringify(document.activeElement === document.querySelector(%q))`, selector), &is)
	return is
}

// keys presses keys one after another, each together with the modifiers.
func (b *browser) keys(keys string, with ...chromedp.Modifier) {
	b.t.Helper()
	b.do("pressing keys", chromedp.KeyEvent(keys, chromedp.KeyModifiers(with...)))
}

// most is more than any page has stops.
const mostStops = 120

// tab goes on to the next stop, which has to be seen.
func (b *browser) tab(with ...chromedp.Modifier) focused {
	b.t.Helper()
	b.keys(kb.Tab, with...)
	f := b.focus()
	if f.Place != 0 && !f.Seen {
		b.t.Errorf("nobody sees that %s has the focus\n%s", f.What, b.location())
	}
	return f
}

// reach presses Tab until the first element of a selector has the focus.
func (b *browser) reach(selector string) {
	b.t.Helper()
	for range mostStops {
		if b.onFocus(selector) {
			return
		}
		b.tab()
	}
	b.t.Fatalf("Tab does not lead to %s\n%s", selector, b.where())
}

// strike does by keys what a click would.
func (b *browser) strike(selector string) {
	b.t.Helper()
	b.reach(selector)
	var box bool
	b.look(`JSON.stringify(document.activeElement.matches('input[type=checkbox], input[type=radio]'))`, &box)
	if box {
		b.keys(" ")
		return
	}
	b.enter()
}

// enter presses Enter as a keyboard does. Pressing and typing are one event to the browser: what a link has heard is not typed into whatever field it
// leads to, as it is when the two are sent one after another and the machine is slow.
func (b *browser) enter() {
	b.t.Helper()
	key := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "Enter", Code: "Enter", Text: "\r", UnmodifiedText: "\r", WindowsVirtualKeyCode: 13}
	b.do("pressing Enter", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, input.DispatchKeyEvent, key)
		key.Type, key.Text, key.UnmodifiedText = input.DispatchKeyEventTypeKeyUp, "", ""
		if err == nil {
			_, err = chromedp.Call(ctx, input.DispatchKeyEvent, key)
		}
		return err
	}))
}

// write replaces what is in a field.
func (b *browser) write(selector, text string) {
	b.t.Helper()
	b.reach(selector)
	b.keys(kb.Home)
	b.keys(kb.End, chromedp.ModifierShift)
	b.keys(kb.Delete + text)
}

// pick chooses among radio buttons by the arrows, or ticks a box.
func (b *browser) pick(name, value string) {
	b.t.Helper()
	for range mostStops {
		if f := b.focus(); f.Name == name {
			break
		}
		b.tab()
	}
	for range mostStops {
		if f := b.focus(); f.Name == name && f.Value == value {
			b.keys(" ")
			return
		}
		b.keys(kb.ArrowDown)
	}
	b.t.Fatalf("no key chooses %s of %s\n%s", value, name, b.where())
}

// tabsThrough goes once round a page: Tab halts at all that can be used, downwards and in the order in which it is written, and Shift+Tab goes back.
func (b *browser) tabsThrough(page string) {
	b.t.Helper()
	var useful []focused
	b.look(within, &useful)
	var stops []focused
	for b.focus().Place != 0 && len(stops) < mostStops { // to the end, from wherever the page put the focus
		stops = append(stops, b.tab())
	}
	stops = nil
	for f := b.tab(); f.Place != 0; f = b.tab() {
		if n := len(stops); n > 0 && f.Place <= stops[n-1].Place || n == mostStops {
			b.t.Errorf("%s: Tab leads back to %s, or nowhere, and not out of the page", page, f.What)
			break
		}
		stops = append(stops, f)
	}
	for _, u := range useful {
		if !slices.ContainsFunc(stops, func(f focused) bool { return f.Place == u.Place || u.Name != "" && f.Name == u.Name }) {
			b.t.Errorf("%s: Tab does not halt at %s", page, u.What)
		}
	}
	for i := 1; i < len(stops); i++ {
		if before := stops[i-1]; stops[i].Top < before.Top-60 {
			b.t.Errorf("%s: Tab jumps up from %s to %s", page, before.What, stops[i].What)
		}
	}
	if last := b.tab(chromedp.ModifierShift); len(stops) > 0 && last.Place != stops[len(stops)-1].Place {
		b.t.Errorf("%s: Shift+Tab leads to %s", page, last.What)
	}
}

func TestEverythingIsDoneByTheKeyboardAlone(t *testing.T) {
	s := startStand(t)
	c := newCitizen(t, s, s.fresh(1)[0], true)
	c.keyboard = true
	seen := 0
	c.looked = func(page string) {
		if strings.HasPrefix(page, "bank-") || strings.HasPrefix(page, "portal-") {
			return // of others
		}
		seen++
		c.tabsThrough(page)
	}
	c.open(s.url(1, "/"))
	c.follow(`[data-action="fines"]`)
	c.walk("identify")
	c.skips()
	c.seesWhatIsWrong()
	c.follow(`[data-action="sign-up"]`)
	c.walk("portal-fines")
	payAFine(c)
	c.leave()
	c.walk("totp")
	c.seesWhatIsWrong()
	c.walk("me")
	for _, path := range []string{"/me/profile", "/me/security", "/me/security/switches", "/me/security/rehearsal", "/me/security/password", "/me/sessions", "/me/services",
		"/me/requests", "/me/history", "/me/approve", "/help", "/recovery", "/recovery/case", "/recovery/activation", "/device"} {
		c.open(s.url(0, path))
		c.looked(c.page())
	}
	c.visit("/me/security", "me-security")
	c.press("new-codes")
	c.walk("protect-backup")
	c.walk("me-security")
	if seen < 40 {
		t.Errorf("only %d pages were gone through: %v", seen, c.pages)
	}
	c.open(s.url(1, "/me"))
	signOutEverywhere(c)
}

// skips goes past the head of the page by the link that is there for it.
func (c *citizen) skips() {
	c.t.Helper()
	c.open(c.location())
	for c.focus().Place != 0 {
		c.tab()
	}
	c.tab()
	if !c.onFocus(".skip") {
		c.t.Fatalf("the first stop is %s", c.focus().What)
	}
	c.enter()
	if !c.onFocus("main") {
		c.t.Fatalf("the link leads to %s", c.focus().What)
	}
	c.tab()
	if inside := c.value(`String(!!document.activeElement.closest('main'))`); inside != "true" {
		c.t.Errorf("past it comes %s", c.focus().What)
	}
}

// seesWhatIsWrong sends a form with nothing in it: the focus is on what is wrong, and a link leads from there to the field.
func (c *citizen) seesWhatIsWrong() {
	c.t.Helper()
	c.press("continue")
	if !c.onFocus(".errors") {
		c.t.Fatalf("after an error the focus is on %s\n%s", c.focus().What, c.where())
	}
	if f := c.tab(); !c.onFocus(".errors a") {
		c.t.Fatalf("behind the errors comes %s", f.What)
	}
	field := strings.TrimPrefix(c.attribute(".errors a", "href"), "#")
	c.enter()
	if !c.onFocus("#" + field) {
		c.t.Fatalf("the link leads to %s, not to %s", c.focus().What, field)
	}
}
