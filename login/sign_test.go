package login_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// signing asks for two signatures.
func signing(req *op.AuthRequest) {
	req.Details = []op.Detail{
		{Type: op.DetailDocument, Title: "Договор № 7", Digest: "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"},
		{Type: op.DetailAct, Text: "Согласен <b>со всем</b>"},
	}
}

func TestSigningAsksForBothFactorsAndShowsEveryWord(t *testing.T) {
	h := newHouse(t)
	person := h.person("+79161110021", withTOTP, func(a *account.Account) {
		a.Level, a.Person = account.Standard, account.Person{FamilyName: "Петрова", GivenName: "Анна"}
	})
	if err := h.accounts.GrantTo(t.Context(), person.ID, account.Grant{ClientID: "shop", Scopes: []string{"openid", "phone"}}, account.Origin{}); err != nil {
		t.Fatal(err)
	}
	b := h.browser().open("/login").on("identify").fill("continue", "identifier", "+79161110021").on("password")
	b.fill("continue", "password", password).on("totp").fill("continue", "code", h.code(secret)).on("me")
	h.clock.Advance(time.Minute)

	// Signed in by both factors a minute ago, with the service allowed before: all is asked anew.
	b.open(h.request(signing)).on("password").fill("continue", "password", password).on("totp").fill("continue", "code", h.code(secret)).on("consent")
	for _, want := range []string{"Договор № 7", "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg", "Согласен &lt;b&gt;со всем&lt;/b&gt;", ">Подписать<"} {
		if !strings.Contains(b.text, want) {
			t.Errorf("the page does not say %q:\n%s", want, b.text)
		}
	}
	if len(h.provider.approvals()) != 0 {
		t.Error("signed before the button was pressed")
	}
	b.fill("allow")
	signed := h.provider.approvals()
	if b.answered().Get("code") == "" || len(signed) != 1 || signed[0].Strength != account.TwoFactor || !signed[0].Origin.Address.IsValid() ||
		!signed[0].Time.Equal(h.clock.Now()) {
		t.Errorf("%v %+v", b.answered(), signed)
	}

	h.clock.Advance(time.Minute)
	b.open(h.request(signing)).on("password").fill("continue", "password", password).on("totp")
	if b.fill("continue", "code", h.code(secret)).on("consent").fill("deny"); b.answered().Get("error") != "access_denied" || len(h.provider.approvals()) != 1 {
		t.Errorf("refused: %v", b.answered())
	}
}

func TestWhoHasNoSecondFactorSetsOneUpBeforeSigning(t *testing.T) {
	h := newHouse(t)
	h.person("+79161110022", func(a *account.Account) { a.Level = account.Standard })
	b := h.browser().open(h.request(signing)).on("identify").fill("continue", "identifier", "+79161110022").on("password")
	b.fill("continue", "password", password).on("protect").fill("skip").on("unreachable")
	if len(h.provider.approvals()) != 0 {
		t.Error("signed by one factor")
	}
	b.open("/login/cancel?attempt=" + b.attempt())
	if b.answered().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("%v", b.answered())
	}
}

func TestWhoseNameNobodyCheckedRaisesTheLevelBeforeSigning(t *testing.T) {
	h := newHouse(t)
	h.person("+79161110023", withTOTP)
	b := h.browser().open(h.request(signing)).on("identify").fill("continue", "identifier", "+79161110023").on("password")
	b.fill("continue", "password", password).on("totp").fill("continue", "code", h.code(secret)).on("level")
}
