package login_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/account"
)

// annasCase is what Anna types into the form of a case; change replaces or adds fields.
func annasCase(change ...string) []string {
	fields := map[string]string{
		"family_name": "Смирнова", "given_name": "Анна", "middle_name": "Петровна", "birthdate-day": "5", "birthdate-month": "3", "birthdate-year": "1990",
		"snils": "112-233-445 95", "passport_series": "4510", "passport_number": "123456", "contact": "sister@mail.example",
	}
	for i := 0; i+1 < len(change); i += 2 {
		fields[change[i]] = change[i+1]
	}
	var out []string
	for name, value := range fields {
		out = append(out, name, value)
	}
	return out
}

func TestSomebodyAsksAnOperatorAndGetsBackIn(t *testing.T) {
	const next = "Bereza-173-sokol-parus"
	h := newHouse(t)
	a := h.person("+79145000011", withTOTP, func(a *account.Account) {
		snils, err := account.ParseSNILS("11223344595")
		if err != nil {
			t.Fatal(err)
		}
		a.Level, a.SNILS, a.Passport = account.Standard, snils, account.Passport{Series: "4510", Number: "123456"}
		a.Person = account.Person{FamilyName: "Смирнова", GivenName: "Анна", MiddleName: "Петровна", Birthdate: account.Date{Year: 1990, Month: 3, Day: 5}}
	})
	b := h.browser().open("/recovery").on("recovery").open("/recovery/case").on("recovery-case")
	b.fill("continue", annasCase()...).on("recovery-case-filed")
	number := regexp.MustCompile(`\d{4}-\d{4}-\d{4}`).FindString(b.text)
	if _, err := h.accounts.AnswerCase(t.Context(), number, "operator:1"); err != nil {
		t.Fatal(err)
	}
	if err := h.accounts.ConfirmCase(t.Context(), number, "operator:2"); err != nil {
		t.Fatal(err)
	}
	code := ""
	for _, n := range h.notices() {
		if n.Template == "case-answer" && n.To == "sister@mail.example" {
			code = n.Args["Code"]
		}
	}
	b.open("/recovery/activation").fill("continue", "code", code, "password", next, "password_again", next).on("recovery-activation")
	h.clock.Advance(h.find("+79145000011").Activation.OpensAt.Sub(h.clock.Now()))
	b.open("/recovery/activation").fill("continue", "code", code, "password", next, "password_again", next).on("recovery-activated")
	b.open("/login").fill("continue", "identifier", "+79145000011").fill("continue", "password", next).on("protect")
	if got := h.find("+79145000011"); got.ID != a.ID || !got.FactorDue {
		t.Error("no second factor is asked for")
	}
}

func TestFormOfACaseSaysAllThatIsWrongAndNothingOfAccounts(t *testing.T) {
	h := newHouse(t)
	h.person("+79145000012")
	b := h.browser()
	for what, row := range map[string]struct {
		fields []string
		says   string // when its words are of this page
	}{
		"nothing":          {[]string{"contact", ""}, "Укажите фамилию"},
		"neither number":   {annasCase("snils", ""), "Укажите СНИЛС или ИНН"},
		"a wrong SNILS":    {annasCase("snils", "112-233-445 96"), ""},
		"a short passport": {annasCase("passport_series", "45"), ""},
		"SNILS as contact": {annasCase("contact", "112-233-445 95"), "Укажите телефон или почту"},
	} {
		b.open("/recovery/case").fill("continue", row.fields...).on("recovery-case")
		if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, row.says) {
			t.Errorf("%s: %d", what, b.status)
		}
	}
	if b.open("/recovery/case/filed?number=%3Cb%3E"); b.status != http.StatusNotFound {
		t.Errorf("a made-up number: %d", b.status)
	}
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		if b.open("/recovery/case").fill("continue", annasCase("contact", "+79145000012")...); b.status != want {
			t.Errorf("case %d to one contact: %d", i+1, b.status)
		}
	}
	if b.on("recovery-case").value("family_name") != "Смирнова" {
		t.Error("what was typed is gone")
	}
}
