package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/account"
)

func TestSomebodyGetsBackInByACodeOfACentre(t *testing.T) {
	const next = "Bereza-173-sokol-parus"
	h := newHouse(t)
	a := h.person("+79145000001", withTOTP)
	code, _, err := h.accounts.MakeActivation(t.Context(), a.ID, account.NewActivation{Case: "17", Operator: "operator:1"})
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser().open("/recovery").on("recovery").open("/recovery/activation?code=" + code).on("recovery-activation")
	if b.value("code") != code {
		t.Errorf("the link fills in %q", b.value("code"))
	}
	b.open("/recovery/activation").fill("continue", "code", "", "password", next, "password_again", next).on("recovery-activation")
	b.fill("continue", "code", "0000-0000-0000-0000", "password", next, "password_again", next).on("recovery-activation")
	if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, "Код не подходит") {
		t.Errorf("a wrong code: %d", b.status)
	}
	b.fill("continue", "code", code, "password", next, "password_again", next+"x").on("recovery-activation")
	b.fill("continue", "code", code, "password", next, "password_again", next).on("recovery-activation")
	if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, "через 24 ч.") {
		t.Errorf("a code that somebody may have read out to a stranger: %d", b.status)
	}
	h.clock.Advance(account.SettleAfter)
	b.fill("continue", "code", code, "password", next, "password_again", next).on("recovery-activated")
	if b.cookie("vhod-session") != "" {
		t.Error("the code alone signs in")
	}
	b.open("/login").on("identify").fill("continue", "identifier", "+79145000001").fill("continue", "password", next).on("protect")
}

func TestACodeOfACentreIsCancelledByThePersonAndNotByTheirMail(t *testing.T) {
	h := newHouse(t)
	a := h.person("+79145000002")
	if _, _, err := h.accounts.MakeActivation(t.Context(), a.ID, account.NewActivation{Case: "17", Operator: "operator:1"}); err != nil {
		t.Fatal(err)
	}
	link := ""
	for _, n := range h.notices() {
		if n.Template == "activation-made" && n.Channel == "mail" {
			link = n.Args["Link"]
		}
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser().open(u.RequestURI()).on("activation-cancel")
	if h.find("+79145000002").Activation == nil {
		t.Fatal("opening the link cancelled it")
	}
	b.fill("continue").on("activation-cancelled")
	if h.find("+79145000002").Activation != nil {
		t.Error("the code is still there")
	}
	if b.open(u.RequestURI()); b.status != http.StatusGone {
		t.Errorf("the link again: %d", b.status)
	}
}
