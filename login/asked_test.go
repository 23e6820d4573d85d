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

// calling is a waiting request of a service that asks a person of its own accord.
func (h *house) calling(person *account.Account) {
	h.request(func(req *op.AuthRequest) {
		req.RedirectURI, req.ResponseMode, req.State, req.HintSubject = "", op.ModePage, "", string(person.ID)
		req.Remote = &op.Remote{Kind: op.RemoteCall, Key: "key", Message: "Заявка <4417>", Until: h.clock.Now().Add(5 * time.Minute)}
	})
}

func TestAPersonAnswersAServiceThatAsksThem(t *testing.T) {
	h := newHouse(t)
	person := h.person("+79161110031")
	b := h.signIn("+79161110031").open("/me/requests").on("me-requests")
	if !strings.Contains(b.text, "Сейчас запросов нет") || !strings.Contains(b.text, `http-equiv="refresh"`) {
		t.Errorf("an empty page:\n%s", b.text)
	}
	h.calling(person)
	b.open("/me/requests").on("me-requests")
	if !strings.Contains(b.text, "Лавка") || !strings.Contains(b.text, "Заявка &lt;4417&gt;") || strings.Contains(b.text, `http-equiv="refresh"`) {
		t.Errorf("the page:\n%s", b.text)
	}
	b.fill("allow").on("consent").fill("allow").on("asked-done")
	if got := h.provider.approvals(); len(got) != 1 || got[0].AccountID != person.ID || !strings.Contains(b.text, "Готово") {
		t.Errorf("%+v\n%s", got, b.text)
	}
}

func TestAPersonRefusesAServiceThatAsksThem(t *testing.T) {
	h := newHouse(t)
	person := h.person("+79161110032")
	b := h.signIn("+79161110032")
	for _, answer := range []string{"deny", "stranger"} {
		h.calling(person)
		if b.open("/me/requests").on("me-requests").fill(answer).on("asked-done"); !strings.Contains(b.text, "Вы отказали") {
			t.Errorf("%s:\n%s", answer, b.text)
		}
	}
	if len(h.provider.approvals()) != 0 || !slices.Equal(h.provider.hushed, []string{"shop"}) {
		t.Errorf("approved %v, hushed %v", h.provider.approved, h.provider.hushed)
	}
	events, err := h.accounts.Journal(t.Context(), person.ID, 0, 2)
	if err != nil || events[0].Details["reason"] != "stranger" || events[1].Details["reason"] != "refused" {
		t.Errorf("%+v %v", events, err)
	}
}

func TestNobodyAnswersForSomebodyElse(t *testing.T) {
	h := newHouse(t)
	person := h.person("+79161110033")
	h.person("+79161110034")
	h.calling(person)
	asked, err := h.provider.Asked(t.Context(), person.ID)
	if err != nil || len(asked) != 1 {
		t.Fatal(asked, err)
	}
	form := url.Values{"request": {asked[0].ID}, "answer": {"allow"}}
	if b := h.browser().open("/login").post("/asked", form); b.name() != "identify" {
		t.Errorf("nobody is sent to %s", b.name())
	}
	b := h.signIn("+79161110034")
	if b.post("/asked", form); b.status != http.StatusGone {
		t.Errorf("another person: %d %s", b.status, b.name())
	}
	b = h.signIn("+79161110033")
	if b.post("/asked", form, "Sec-Fetch-Site", "cross-site"); b.status != http.StatusForbidden {
		t.Errorf("from another site: %d", b.status)
	}
	if len(h.provider.approvals()) != 0 {
		t.Error("approved")
	}
}
