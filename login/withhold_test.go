package login_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/op"
)

func TestPersonChoosesWhatToPassOn(t *testing.T) {
	h := newHouse(t)
	h.provider.released = []op.Released{
		{Claim: "phone_number", Value: "+79145000001", Essential: true},
		{Claim: "email", Value: "a@example.ru", Optional: true},
		{Claim: "birthdate", Value: "1990-03-05", Optional: true},
		{Claim: "family_name", Missing: true},
	}
	h.person("+79145000001")
	b := h.signIn("+79145000001").open(h.request()).on("consent")
	if strings.Contains(b.text, `type="checkbox"`) {
		t.Error("who is in a hurry is shown ticks")
	}
	b.fill("choose").on("consent")
	if n := strings.Count(b.text, `type="checkbox"`); n != 2 {
		t.Errorf("%d ticks, for two attributes that the service can do without", n)
	}
	b.post("/login/consent", map[string][]string{"attempt": {b.attempt()}, "answer": {"allow"}, "chosen": {"yes"}, "claim": {"birthdate", "phone_number", "made-up"}})
	b.answered()
	if got := h.find("+79145000001").Grants[0]; !slices.Equal(got.Withheld, []string{"email"}) || got.Shown != h.provider.client.Shown() {
		t.Errorf("kept back: %v", got.Withheld)
	}
	h.provider.released[1].Withheld = true // the provider remembers
	b.open(h.request(func(r *op.AuthRequest) { r.Prompt = []string{"consent"} }))
	for b.name() != "consent" {
		t.Fatalf("the page is %s", b.name())
	}
	if !strings.Contains(b.text, "как вы просили") {
		t.Error("what was kept back before is not said")
	}
	b.fill("allow").answered()
	if got := h.find("+79145000001").Grants[0].Withheld; !slices.Equal(got, []string{"email"}) {
		t.Errorf("allowing anew passes on what was kept back: %v", got)
	}
	b.open(h.request(func(r *op.AuthRequest) { r.Prompt = []string{"consent"} })).on("consent").fill("choose")
	b.fill("allow", "claim", "email") // the browser sends what is ticked
	b.answered()
}
