package login_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/examples/faults"
	"github.com/vhod-id/vhod/op"
)

// banked is a house with two banks, and a browser that follows to them.
func banked(t *testing.T) (h *house, green, yellow *demoBank, open func() *browser) {
	t.Helper()
	green, yellow = newBank(t, "green"), newBank(t, "yellow")
	h = newHouse(t, green.Config, yellow.Config)
	h.openBanks(green, yellow)
	return h, green, yellow, func() *browser {
		b := h.browser()
		b.also = []string{green.Issuer, yellow.Issuer}
		return b
	}
}

// atBank goes to a bank from the page that is open, and lets it say who the customer is.
func (b *browser) atBank(id, customer string) *browser {
	b.t.Helper()
	b.fill("continue", "bank", id).on("bank-login").fill("continue", "username", customer, "password", "bank-password")
	return b.on("bank-consent").fill("allow")
}

// linkedTo is a person whose account is linked to a bank's customer.
func (h *house) linkedTo(b *demoBank, phone string, open func() *browser, change ...func(*account.Account)) {
	h.t.Helper()
	h.person(phone, change...)
	in := open().open("/login").fill("continue", "identifier", phone).fill("continue", "password", password)
	if in.name() == "totp" {
		in.fill("continue", "code", h.code(secret))
	}
	in.on("me").open("/me/security").fill("add-bank").on("me-bank").atBank(b.ID, "anna").on("me-security")
	h.clock.Advance(time.Minute)
	h.notices()
}

func TestPersonSignsInByTheirBank(t *testing.T) {
	h, green, _, open := banked(t)
	h.linkedTo(green, "+79143000001", open, standard)
	b := open().open(h.request()).on("identify").fill("bank").on("bank").atBank("green", "anna").on("consent")
	b.fill("allow").answered()
	auth := h.provider.approvals()[0]
	if strings.Join(auth.AMR, " ") != "fed" || auth.Strength != account.OneFactor {
		t.Errorf("the door vouched for %v by %v", auth.Strength, auth.AMR)
	}
	h.settle("+79143000001")
	b.open("/me/security").on("me-security").fill("remove").on("me-security")
	if len(h.find("+79143000001").Banks) != 0 {
		t.Error("the bank is still linked")
	}
	open().open("/login").fill("bank").atBank("green", "anna").on("bank-unknown")
}

func TestBankIsOneFactorAndTheSecondIsStillAsked(t *testing.T) {
	h, green, _, open := banked(t)
	h.linkedTo(green, "+79143000002", open, standard, withTOTP)
	b := open().open(h.request(func(r *op.AuthRequest) {
		r.ACR = []op.ACR{{Level: account.Standard, Strength: account.TwoFactor}}
	})).fill("bank").atBank("green", "anna").on("totp")
	if b.cookie("vhod-session") != "" {
		t.Fatal("a bank alone gave a session beside a second factor (F08)")
	}
	b.fill("continue", "code", h.code(secret)).on("consent").fill("allow").answered()
	if auth := h.provider.approvals()[0]; auth.Strength != account.TwoFactor || strings.Join(auth.AMR, " ") != "fed otp mfa" {
		t.Errorf("the door vouched for %v by %v", auth.Strength, auth.AMR)
	}
}

func TestL01L02NobodyIsLinkedByAPhoneOrASNILSAlone(t *testing.T) {
	h, _, _, open := banked(t)
	h.person("+79122000005", standard) // the bank's customer has this phone and this SNILS
	b := open().open("/login").fill("bank").atBank("green", "anna").on("bank-unknown")
	if b.cookie("vhod-session") != "" || len(h.find("+79122000005").Banks) != 0 {
		t.Fatal("equal data alone let the bank in")
	}
	b.fill("sign-up").on("bank-unknown") // who has an account by this SNILS gets no second one
	if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, `data-trouble="has-one"`) {
		t.Errorf("a second account for one SNILS: %d", b.status)
	}
	b.fill("continue").on("identify").fill("continue", "identifier", "+79122000005").fill("continue", "password", password).on("bank-link")
	if len(h.find("+79122000005").Banks) != 0 {
		t.Fatal("the bank was linked before the person agreed")
	}
	b.fill("continue").on("me")
	if banks := h.find("+79122000005").Banks; len(banks) != 1 {
		t.Errorf("linked to %v", banks)
	}
	open().open("/login").fill("bank").atBank("green", "anna").on("me")
}

func TestOldSessionDoesNotLinkABank(t *testing.T) {
	h, _, _, open := banked(t)
	h.person("+79143000004", standard)
	b := open().open("/login").fill("continue", "identifier", "+79143000004").fill("continue", "password", password).on("me")
	h.clock.Advance(40 * time.Minute)
	b.open("/me/security").fill("add-bank").on("password") // F10
	b.open(h.request(func(r *op.AuthRequest) { r.Prompt = []string{"login"} })).on("password").fill("bank").atBank("green", "anna").on("bank")
	if !strings.Contains(b.text, `data-trouble="other-person"`) {
		t.Error("an unlinked customer confirms who is signed in")
	}
}

func TestNewcomerSignsUpByTheirBank(t *testing.T) {
	h, green, _, open := banked(t)
	b := open().open("/login").fill("bank").atBank("green", "anna").on("bank-unknown").fill("sign-up").on("signup-contact")
	if !strings.Contains(b.text, "Смирнова") || b.value("phone") != "+79122000005" {
		t.Error("what the bank said is not shown")
	}
	b.fill("continue", "phone", "+79143000005", "email", "new5@example.ru").on("signup-code") // contacts are proven by our own codes
	code, _ := h.sent("+79143000005")
	b.fill("continue", "code", code).on("signup-code")
	code, _ = h.sent("new5@example.ru")
	b.fill("continue", "code", code).on("signup-password").fill("continue", "password", password, "password_again", password)
	b.on("signup-agreement").fill("continue", "agree_terms", "3", "agree_privacy", "2")
	a := h.find("+79143000005")
	if len(a.Banks) != 1 || a.Banks[0].Issuer != green.Issuer || a.Level != account.Simplified || a.Application.Person.FamilyName != "Смирнова" || a.Application.SNILS.IsZero() {
		t.Errorf("the account is %v, linked to %d banks, begun with %+v", a.Level, len(a.Banks), a.Application.Person)
	}
}

func TestBankThatFailsLetsNobodyInAndHurtsNoOtherWay(t *testing.T) {
	for _, row := range []struct {
		name    string
		outcome faults.Outcome
		trouble string
	}{
		{"L05 an ID token for another client", faults.WrongAudience, "refused"},
		{"the data of another person", faults.Mismatch, "differs"},
		{"L07 a bank that is down", faults.Down, "down"},
		{"L07 a bank that says no", faults.Refuse, "down"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, green, _, open := banked(t)
			h.linkedTo(green, "+79143000006", open, standard)
			before := h.find("+79143000006")
			b := open().open("/login").fill("bank").fill("continue", "bank", "green")
			b.on("bank-login").fill("continue", "username", "anna", "password", "bank-password").on("bank-consent")
			if err := green.faults.Arm(faults.Fault{Adapter: "bank-green", Outcome: row.outcome}); err != nil {
				t.Fatal(err)
			}
			b.fill("allow").on("bank")
			if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, `data-trouble="`+row.trouble+`"`) {
				t.Errorf("the page answers %d without saying %s", b.status, row.trouble)
			}
			if b.cookie("vhod-session") != "" || strings.Contains(textOf(b.page), "Иванов") {
				t.Error("a session, or another person's data")
			}
			b.open("/login").fill("continue", "identifier", "+79143000006").fill("continue", "password", password).on("me")
			after := h.find("+79143000006")
			if after.Level != before.Level || !slices.Equal(after.Banks, before.Banks) {
				t.Errorf("level %v, banks %v", after.Level, after.Banks)
			}
		})
	}
}

func TestL06AnswerOfAnotherBankIsRefused(t *testing.T) {
	h, green, yellow, open := banked(t)
	h.linkedTo(green, "+79143000007", open, standard)
	b := h.browser().open("/login").fill("bank").fill("continue", "bank", "green") // it does not follow to the bank
	state := b.left.Query().Get("state")
	b.open("/bank/callback?code=x&iss=" + url.QueryEscape(yellow.Issuer) + "&state=" + state).on("bank")
	if !strings.Contains(b.text, `data-trouble="refused"`) {
		t.Error("the answer of another bank was not refused")
	}
	if b.open("/bank/callback?code=x&state=" + state); b.status != http.StatusGone {
		t.Errorf("a spent state is answered %d", b.status)
	}
	b.open("/login").fill("bank").fill("continue", "bank", "green")
	thief := h.browser().open("/login")
	if thief.open("/bank/callback?code=x&state=" + b.left.Query().Get("state")); thief.status != http.StatusGone {
		t.Errorf("another browser is answered %d (login CSRF)", thief.status)
	}
}

func TestLockedBankLetsNobodyIn(t *testing.T) {
	for _, which := range []account.Switch{account.SwitchBanks, account.SwitchBank("green")} {
		t.Run(string(which), func(t *testing.T) {
			h, green, _, open := banked(t)
			h.linkedTo(green, "+79143000008", open, standard)
			b := open().open("/login").fill("bank").atBank("green", "anna").on("me").open("/me/security/switches")
			b.post("/me/security/switches", url.Values{"switch": {string(which)}, "answer": {"lock"}}).on("me-switches")
			other := open().open("/login").fill("bank").atBank("green", "anna").on("bank")
			if other.cookie("vhod-session") != "" || !strings.Contains(other.text, `data-trouble="locked"`) {
				t.Error("a locked bank let its customer in")
			}
		})
	}
}
