package login_test

import (
	"strings"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// back follows the link "Back".
func (b *browser) back() *browser {
	b.t.Helper()
	link := b.find(func(n *htmlNode) bool { return attr(n, "class") == "back" })
	if link == nil {
		b.t.Fatalf("the page %s has no way back", b.name())
	}
	return b.open(attr(link, "href"))
}

func TestBackFromASecondFactorLetsThePersonSayAnewWhoTheyAre(t *testing.T) {
	h := newHouse(t)
	h.person("+79126000001", withTOTP)
	h.person("+79126000002")
	b := h.browser().open("/login").fill("continue", "identifier", "+79126000001").fill("continue", "password", password).on("totp")
	b.back().on("identify")
	if b.value("identifier") != "+79126000001" {
		t.Errorf("what was typed is lost: %q", b.value("identifier"))
	}
	b.open("/login/totp?attempt=" + b.attempt()).on("password") // nothing of the first proof is left (F08)
	b.back().fill("continue", "identifier", "+79126000002").fill("continue", "password", password).on("me")
}

func TestBackLeavesAPageOfAServiceForTheService(t *testing.T) {
	h := newHouse(t)
	h.person("+79126000003")
	b := h.signIn("+79126000003").open(h.request()).on("consent").back()
	if got := b.answered().Get("error"); got != "access_denied" {
		t.Errorf("the service got %q", got)
	}
	level := func(r *op.AuthRequest) { r.ACR = []op.ACR{{Level: account.Standard, Strength: account.OneFactor}} }
	b.open(h.request(level)).on("level").back()
	if b.left == nil {
		t.Errorf("back from the ladder leads to %s", b.name())
	}
	for path, home := range map[string]string{"/level": "me", "/protect": "me-security"} { // nobody sent them
		b.open(path).back().on(home)
	}
}

func TestNobodyReadsTheirNameTwiceOnTheConsentPage(t *testing.T) {
	h := newHouse(t)
	h.provider.released = []op.Released{ // as the provider has them: the full name follows from its parts
		{Claim: "name", Value: "Петрова Анна Сергеевна"},
		{Claim: "family_name", Value: "Петрова", Optional: true},
		{Claim: "given_name", Value: "Анна", Optional: true},
		{Claim: "middle_name", Missing: true},
		{Claim: "birthdate", Value: "1990-03-05", Optional: true},
	}
	h.person("+79126000004")
	b := h.signIn("+79126000004").open(h.request()).on("consent")
	if n := strings.Count(textOf(b.page), "Петрова"); n != 1 {
		t.Errorf("the surname stands %d times", n)
	}
	if b.find(func(n *htmlNode) bool { return attr(n, "data-with") == "family_name given_name middle_name" }) == nil {
		t.Errorf("the name does not stand for its parts: %s", b.text)
	}
	b.fill("choose").on("consent")
	if n := strings.Count(b.text, `type="checkbox"`); n != 3 {
		t.Errorf("%d ticks for two parts of a name and a birth date", n)
	}
	b.post("/login/consent", map[string][]string{"attempt": {b.attempt()}, "answer": {"allow"}, "chosen": {"yes"}, "claim": {"given_name", "birthdate"}})
	b.answered()
	if kept := h.find("+79126000004").Grants[0].Withheld; len(kept) != 1 || kept[0] != "family_name" {
		t.Errorf("kept back: %s", kept)
	}
	for what, change := range map[string]func(*op.Released){
		"what is kept back":                         func(r *op.Released) { r.Withheld = true },
		"what the service cannot do without":        func(r *op.Released) { r.Essential, r.Optional = true, false },
		"what is confirmed otherwise than the rest": func(r *op.Released) { r.Checked = op.CheckedYes },
	} {
		before := h.provider.released[1]
		change(&h.provider.released[1])
		b.open(h.request(func(r *op.AuthRequest) { r.Prompt = []string{"consent"} })).on("consent")
		if b.find(func(n *htmlNode) bool { return attr(n, "data-claim") == "family_name" }) == nil {
			t.Errorf("%s is hidden in the full name", what)
		}
		h.provider.released[1] = before
	}
}

func TestWhatWasTickedStaysTicked(t *testing.T) {
	h := newHouse(t)
	b := h.contacts(h.browser().open("/signup"), "+79126000005", "back@example.ru")
	for _, to := range []string{"+79126000005", "back@example.ru"} {
		code, _ := h.sent(to)
		b.fill("continue", "code", code)
	}
	b.on("signup-password").back().on("signup-contact") // and forward again, without another code
	b.fill("continue").on("signup-password").fill("continue", "password", password, "password_again", password).on("signup-agreement")
	b.fill("continue", "agree_privacy", b.value("agree_privacy")).on("signup-agreement")
	for name, want := range map[string]bool{"agree_privacy": true, "agree_terms": false} {
		if box := b.find(func(n *htmlNode) bool { return attr(n, "name") == name }); has(box, "checked") != want {
			t.Errorf("%s is ticked: %v", name, !want)
		}
	}
}
