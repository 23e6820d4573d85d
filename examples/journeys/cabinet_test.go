package journeys_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// signedIn opens a browser in which a seeded person is signed in.
func (s *stand) signedIn(t *testing.T, p person, scripts bool) *citizen {
	t.Helper()
	c := newCitizen(t, s, p, scripts)
	c.password, c.secret = p.Password, p.TOTPSecret
	c.visit("/me", "me")
	return c
}

func TestPersonLocksAWayInAndItOpensADayLater(t *testing.T) {
	s := startStand(t)
	inEachMode(t, s, func(t *testing.T, s *stand, c *citizen) {
		c.declines["protect"] = true
		c.signUp()
		c.visit("/me/security/switches", "me-switches")
		c.follow(`[data-switch="password"] [data-action="lock"]`)
		c.says("This cannot be locked: you could not sign in by anything then")
		c.follow(`[data-switch="recovery"] [data-action="lock"]`)
		c.walk("me-switches")
		if !c.has(`[data-switch="recovery"][data-state="locked"]`) {
			t.Fatalf("it does not stay locked\n%s", c.where())
		}

		stranger := newCitizen(t, s, c.p, c.scripts)
		refused := func() { // whoever asks sees what they would see of nobody, and no code goes
			t.Helper()
			stranger.open(s.url(0, "/recovery"))
			stranger.walk("recovery-code")
			stranger.wrongCode("000000")
			for _, m := range s.messages("sms", stranger.p.Phone, stranger.read["sms"], time.Second) {
				if m.Code != "" {
					t.Error("a code went though recovery is locked")
				}
			}
		}
		refused()
		c.message("mail", c.p.Email, about("Recovery is locked"))
		c.visit("/me/security/switches", "me-switches")
		c.follow(`[data-switch="recovery"] [data-action="open"]`)
		c.says("It opens")
		s.pass(11 * time.Minute)
		refused() // not at once: whoever asked for it may be a stranger too
		s.pass(24 * time.Hour)
		stranger.open(s.url(0, "/recovery"))
		stranger.walk("recovery-day")
		c.visit("/me/security/switches", "me-switches")
		if !c.has(`[data-switch="recovery"][data-state="open"]`) {
			t.Errorf("a day later it is locked\n%s", c.where())
		}
	})
}

func TestPersonEndsSessionsOneByOneTheOthersAndAll(t *testing.T) {
	s := startStand(t)
	p := s.registered("standard")
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			others := []*citizen{s.signedIn(t, p, mode.scripts), s.signedIn(t, p, !mode.scripts)}
			here := s.signedIn(t, p, mode.scripts)
			here.visit("/me/sessions", "me-sessions")
			here.follow(`li[data-session]:not([data-current]) [data-action="end"]`)
			if in := slices.DeleteFunc(slices.Clone(others), (*citizen).isOut); len(in) != 1 {
				t.Fatalf("of two other sessions one was ended, and %d are left", len(in))
			}

			here.press("end-others")
			if !others[0].isOut() || !others[1].isOut() || here.isOut() {
				t.Error("the other sessions do not end, or this one does")
			}
			here.visit("/me/sessions", "me-sessions")
			if here.has(`[data-action="end-others"]`) {
				t.Error("others can be ended where there are none")
			}
			here.press("end-all")
			if !here.isOut() {
				t.Error("this session does not end with all")
			}
		})
	}
}

// isOut reports whether the cabinet asks who this is.
func (c *citizen) isOut() bool {
	c.t.Helper()
	c.open(c.stand.url(0, "/me"))
	return c.page() == "identify"
}

func TestPersonSearchesTheirJournalAndTakesItAlong(t *testing.T) {
	s := startStand(t)
	p := s.registered("standard")
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			c := newCitizen(t, s, p, mode.scripts)
			c.password = p.Password
			c.open(s.url(0, "/login"))
			c.walk("password")
			c.fill("password", "Чужой-Пароль1")
			c.press("continue")
			c.walk("me")
			c.visit("/me/history", "me-history")
			c.click("main details > summary")
			c.do("choosing what failed", chromedp.SendKeys(css("#result"), kb.ArrowDown+kb.ArrowDown))
			c.press("search")
			if !c.has(`[data-result="failed"]`) || c.has(`[data-event]:not([data-result="failed"])`) {
				t.Errorf("only what failed was looked for\n%s", c.where())
			}
			c.takesAlong()
			c.follow(`[data-action="all"]`)
			if !c.has(`[data-event]:not([data-result="failed"])`) {
				t.Errorf("the search is not over\n%s", c.where())
			}
		})
	}
}

// takesAlong reads both files of what was found: as many lines as the page has.
func (c *citizen) takesAlong() {
	c.t.Helper()
	shown := c.count("[data-event]")
	table, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(c.download(`a[href^="/me/history.csv"]`), "\ufeff"))).ReadAll()
	if err != nil || len(table) != shown+1 {
		c.t.Errorf("the table has %d lines, the page %d: %v", len(table)-1, shown, err)
	}
	var lines []map[string]any
	if err := json.Unmarshal([]byte(c.download(`a[href^="/me/history.json"]`)), &lines); err != nil || len(lines) != shown {
		c.t.Errorf("the list has %d lines, the page %d: %v", len(lines), shown, err)
	}
	for _, line := range lines {
		if line["result"] != "failed" {
			c.t.Errorf("a line that was not looked for: %v", line)
		}
	}
}

// count counts the elements of the page.
func (b *browser) count(selector string) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	nodes, err := read(ctx, chromedp.QueryNodeIDs(chromedp.CSSAll(selector), chromedp.AtLeast(0)))
	if err != nil {
		b.t.Fatalf("counting %s: %v", selector, err)
	}
	return len(nodes)
}

// download fetches what a link leads to, as the browser would save it.
func (b *browser) download(selector string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	attrs, err := read(ctx, chromedp.Attributes(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatalf("no link %s: %v\n%s", selector, err, b.where())
	}
	body, err := b.picture(attrs["href"])
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body)
}

func TestPersonDisownsASignInByTheMailThatToldThemOfIt(t *testing.T) {
	s := startStand(t)
	inEachMode(t, s, func(t *testing.T, s *stand, own *citizen) {
		own.declines["protect"] = true
		own.signUp()
		stranger := newCitizen(t, s, own.p, own.scripts)
		stranger.visit("/me", "me")
		s.pass(6 * time.Minute)
		told := own.message("mail", own.p.Email, func(m message) bool { return strings.Contains(m.Link, "/not-me?") })
		own.open(told.Link)
		own.walk("not-me")
		own.says("Headless Chrome")
		if stranger.isOut() {
			t.Fatal("opening the link did something already")
		}
		own.press("continue")
		own.walk("not-me-done")
		if !stranger.isOut() {
			t.Error("the stranger is still in")
		}
		stranger.walk("password")
		stranger.fill("password", stranger.password)
		stranger.press("continue")
		if stranger.page() != "password" {
			t.Errorf("the password that the stranger knew still does\n%s", stranger.where())
		}
		own.press("recover")
		own.walk("recovery-code")
		own.open(told.Link)
		own.says("This link does not work any more")
	})
}
