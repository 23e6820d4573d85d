package login_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// carry is a browser with a cookie that somebody put there.
func (h *house) carry(name, value string) *browser {
	b := h.browser()
	b.at, _ = url.Parse(h.url)
	b.http.Jar.SetCookies(b.at, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
	return b
}

func TestS01APlantedCookieOpensNothingAfterTheSignIn(t *testing.T) {
	h := newHouse(t)
	h.person("+79143000001")
	stranger := h.browser().open("/login").on("identify")
	planted := strings.Repeat("s", 43)
	b := h.carry("vhod-session", planted)
	b.open("/login").fill("continue", "identifier", "+79143000001").fill("continue", "password", password).on("me")
	if got := b.cookie("vhod-session"); got == planted || got == "" {
		t.Fatal("the session took the cookie that was there")
	}
	h.carry("vhod-session", planted).open("/me").on("identify")

	// Who planted the cookie that binds attempts gets no session by a person's proofs either.
	bound := h.carry("vhod-flow", stranger.cookie("vhod-flow"))
	bound.open("/login").fill("continue", "identifier", "+79143000001").fill("continue", "password", password).on("me")
	for _, path := range []string{"/me", "/login/continue?attempt=" + stranger.attempt()} {
		if stranger.open(path); stranger.cookie("vhod-session") != "" || stranger.name() == "me" {
			t.Errorf("%s lets who planted a cookie in", path)
		}
	}
}

func TestS03NoPostOfAnotherSiteIsTaken(t *testing.T) {
	h := newHouse(t)
	h.person("+79143000002")
	b := h.signIn("+79143000002")
	tried := 0
	for _, pattern := range h.door.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if method != http.MethodPost {
			continue
		}
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			if b.post(path, url.Values{"session": {"all"}}, headers...); b.status != http.StatusForbidden {
				t.Errorf("%s with %v answers %d", pattern, headers, b.status)
			}
		}
		tried++
	}
	if tried < 60 {
		t.Errorf("only %d routes were tried", tried)
	}
	b.open("/me").on("me") // and nobody was signed out
}

// hostile are texts that would run, break out of an attribute, an address, a style or a comment, or write a line of a header.
var hostile = []string{
	`"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `javascript:alert(1)//`, `</title><svg onload=alert(1)>`, `{{.}}<b>`, "x\r\nSet-Cookie: a=b",
}

// runs reports whether a text stands on a page as something else than text.
func runs(b *browser) bool {
	for _, bad := range []string{"<script>alert", "<img src=x", "<svg onload", "</title><svg", `href="javascript:`, `src="javascript:`} {
		if strings.Contains(b.text, bad) {
			return true
		}
	}
	return slices.Contains(b.head.Values("Set-Cookie"), "a=b") || !strings.Contains(b.head.Get("Content-Security-Policy"), "script-src 'self'") && strings.Contains(b.head.Get("Content-Type"), "html")
}

func TestS05NothingThatSomebodySaysOfThemselvesRuns(t *testing.T) {
	h := newHouse(t)
	for i, text := range hostile {
		phone := "+7914300001" + string(rune('0'+i))
		h.person(phone, withTOTP, func(a *account.Account) {
			a.Level, a.Person = account.Standard, account.Person{FamilyName: text, GivenName: text, Birthplace: text}
			a.TOTP[0].Name = text
			a.Address = account.Address{City: text, Street: text}
		})
		h.provider.client.Name = map[string]string{"ru": text, "en": text}
		h.provider.client.Purpose = map[string]string{"ru": text}
		h.provider.client.URI, h.provider.client.PolicyURI, h.provider.client.LogoURI = text, text, text
		b := h.browser()
		b.agent = strings.NewReplacer("\r", "", "\n", "").Replace(text)
		b.open(h.request(func(r *op.AuthRequest) { r.LoginHint, r.UILocales = text, []string{text} })).on("identify")
		steps := []func(){
			func() {},
			func() { b.fill("continue", "identifier", text) },
			func() { b.fill("continue", "identifier", phone) },
			func() { b.fill("continue", "password", text) },
			func() { b.fill("continue", "password", password) },
			func() { b.fill("continue", "code", text) },
			func() { b.fill("continue", "code", h.code(secret)).on("consent") },
		}
		for n, step := range steps {
			if step(); runs(b) {
				t.Errorf("%q runs on %s (step %d)", text, b.name(), n)
			}
		}
		for _, pattern := range h.door.Patterns() {
			method, path, _ := strings.Cut(pattern, " ")
			if method != http.MethodGet || strings.Contains(path, "events") || strings.Contains(path, "{") {
				continue
			}
			q := url.QueryEscape(text)
			if b.open(path + "?lang=" + q + "&return=" + q + "&token=" + q + "&user_code=" + q + "&about=" + q + "&from=" + q); runs(b) {
				t.Errorf("%q runs at %s", text, path)
			}
		}
		h.clock.Advance(time.Minute)
	}
}

func TestS06SigningOutCountsOnEveryNodeAtOnce(t *testing.T) {
	nodes := nodesOnServers(t)
	one, two := nodes[0], nodes[1]
	one.person("+79143000003")
	b := one.signIn("+79143000003")
	copied := b.cookie("vhod-session")
	two.carry("vhod-session", copied).open("/me").on("me")
	b.open("/logout").fill("continue")
	for _, h := range nodes {
		h.carry("vhod-session", copied).open("/me").on("identify")
	}
}
