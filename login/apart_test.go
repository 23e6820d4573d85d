package login_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/op"
)

// apart is a house whose service has a sign-on of its own, and one that has not.
func apart(t *testing.T) (h *house, own, common func(...func(*op.AuthRequest)) string) {
	t.Helper()
	h = newHouse(t)
	h.provider.others = map[string]op.Client{"tax": {
		ID: "tax", Name: map[string]string{"ru": "Налоговая"}, Isolated: true, RedirectURIs: []string{"https://shop.example/back"},
	}}
	own = func(change ...func(*op.AuthRequest)) string {
		return h.request(append([]func(*op.AuthRequest){func(r *op.AuthRequest) { r.ClientID = "tax" }}, change...)...)
	}
	return h, own, h.request
}

func TestServiceWithASignOnOfItsOwnJoinsNoneAndBeginsNone(t *testing.T) {
	h, own, common := apart(t)
	h.person("+79144000001")
	b := h.signIn("+79144000001").open(common()).on("consent")
	b.fill("allow").answered()
	h.clock.Advance(time.Second)
	b.open(own()).on("identify") // the service learns nothing of who is signed in
	b = h.browser().open(own()).on("identify")
	b.fill("continue", "identifier", "+79144000001").fill("continue", "password", password).on("consent").fill("allow").answered()
	if b.cookie("vhod-session") != "" {
		t.Error("a sign-on of its own opened the common one")
	}
	b.open("/me").on("identify")
	b.open(common()).on("identify")
	h.clock.Advance(time.Second)
	b.open(own()).on("password") // not even its own sign-on of before is enough
	b.open(own(func(r *op.AuthRequest) { r.Prompt = []string{"none"} }))
	if b.status != http.StatusNoContent || b.head.Get("X-Need") != string(op.NeedLogin) {
		t.Errorf("prompt=none needs %q", b.head.Get("X-Need"))
	}
}

func TestSigningOutIsGlobalThoughASignOnIsNot(t *testing.T) {
	h, own, _ := apart(t)
	person := h.person("+79144000002")
	b := h.signIn("+79144000002")
	h.clock.Advance(time.Second)
	b.open(own()).on("identify").fill("continue", "identifier", "+79144000002").fill("continue", "password", password).on("consent").fill("allow").answered()
	elsewhere := h.signIn("+79144000002")
	before, err := h.accounts.Sessions(t.Context(), person.ID)
	if err != nil || len(before) != 3 {
		t.Fatalf("%d sessions, %v", len(before), err)
	}
	b.open("/me/sessions").on("me-sessions")
	if !strings.Contains(b.text, "только для «Налоговая»") {
		t.Error("the list does not say which session is a service's own")
	}
	b.open("/logout").fill("continue")
	after, err := h.accounts.Sessions(t.Context(), person.ID)
	if err != nil || len(after) != 1 {
		t.Errorf("%d sessions are left, %v", len(after), err)
	}
	elsewhere.open("/me").on("me") // another browser is not concerned
}

func TestCustomerAndPurposeStandOnThePages(t *testing.T) {
	h := newHouse(t)
	h.provider.client.Customers = map[string]op.Customer{"school": {Name: map[string]string{"ru": "Школа № 1"}}}
	h.person("+79144000003")
	b := h.browser().open(h.request(func(r *op.AuthRequest) { r.Customer, r.Purpose = "school", op.PurposeConfirm })).on("identify")
	for _, want := range []string{"Школа № 1", "Подтверждение личности для сервиса"} {
		if !strings.Contains(b.text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	b.fill("continue", "identifier", "+79144000003").fill("continue", "password", password).on("consent")
	if !strings.Contains(b.text, "Подтвердить «Лавка», кто вы?") || !strings.Contains(b.text, "для организации «Школа № 1»") {
		t.Errorf("the consent says\n%s", textOf(b.page))
	}
	b.fill("allow").answered()
	if grants := h.find("+79144000003").Grants; len(grants) != 1 || grants[0].Customer != "school" {
		t.Errorf("the consents are %+v", grants)
	}
	b.open("/me/services").on("me-services")
	if !strings.Contains(b.text, "для «Школа № 1»") {
		t.Error("the list does not say for whom")
	}
	b.fill("revoke").on("me-services")
	if len(h.find("+79144000003").Grants) != 0 {
		t.Error("the consent stands")
	}
}
