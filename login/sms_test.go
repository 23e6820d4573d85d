package login_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// withSMSOn turns codes by SMS on in the cabinet and signs out.
func (h *house) withSMSOn(phone string) *browser {
	h.t.Helper()
	b := h.signIn(phone).open("/me/security").fill("add-sms").on("protect-sms")
	code, _ := h.sent(phone)
	return b.fill("continue", "code", code).on("protect-backup").fill("continue").on("me-security")
}

func TestCodeBySMSIsAskedAfterThePassword(t *testing.T) {
	h := newHouse(t)
	h.person("+79150000001")
	h.withSMSOn("+79150000001")
	h.notices()
	b := h.browser().open("/login").fill("continue", "identifier", "+79150000001").fill("continue", "password", password).on("sms")
	if b.cookie("vhod-session") != "" {
		t.Fatal("half a sign-in gave a session")
	}
	b.open("/login/sms?attempt=" + b.attempt()).on("sms") // a reload sends nothing
	sent := h.notices()
	if len(sent) != 1 || sent[0].Channel != "sms" || sent[0].Args["Host"] != "localhost" {
		t.Fatalf("sent: %d messages", len(sent))
	}
	b.fill("continue", "code", "000000").on("sms")
	b.fill("continue", "code", sent[0].Args["Code"]).on("me")

	h.settle("+79150000001")
	b.open("/me/security").fill("remove-sms").on("me-factor-remove").fill("continue").on("me-security")
	h.browser().open("/login").fill("continue", "identifier", "+79150000001").fill("continue", "password", password).on("me")
}

func TestRecoveryByThePhoneDoesNotProveThePhoneAgain(t *testing.T) {
	h := newHouse(t)
	a := h.person("+79150000002")
	h.withSMSOn("+79150000002")
	h.notices()
	b := h.browser().open("/recovery").fill("continue", "identifier", "+79150000002").on("recovery-code")
	code, _ := h.sent("+79150000002")
	b.fill("continue", "code", code).on("backup") // a spare key, or the mail
	if b.open("/login/sms?attempt=" + b.attempt()); b.name() == "sms" {
		t.Error("the phone alone recovers an account that has a second factor (F09)")
	}
	h.clock.Advance(11 * time.Minute)
	b = h.home("+79150000002").open("/recovery").fill("continue", "identifier", a.Email.Value).on("recovery-code")
	code, _ = h.sent(a.Email.Value)
	b.fill("continue", "code", code).on("sms")
	code, _ = h.sent("+79150000002")
	b.fill("continue", "code", code).on("recovery-password")
}

func TestPersonChoosesWhatIsAskedFirst(t *testing.T) {
	h := newHouse(t)
	h.person("+79150000003", withTOTP, func(a *account.Account) { a.SMS = account.SMSFactor{AddedAt: h.clock.Now()} })
	signIn := func() *browser {
		return h.browser().open("/login").fill("continue", "identifier", "+79150000003").fill("continue", "password", password)
	}
	b := signIn().on("totp").fill("continue", "code", h.code(secret)).on("me")
	b.open("/me/security").fill("prefer", "factor", "sms").on("me-security")
	b = signIn().on("sms")
	if !strings.Contains(b.text, `data-way="totp"`) {
		t.Error("the app is not offered beside")
	}
	h.clock.Advance(time.Minute)
	b.fill("other-way").on("totp").fill("continue", "code", h.code(secret)).on("me")
}
