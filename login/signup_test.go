package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// contacts fills the first page of a sign-up.
func (h *house) contacts(b *browser, phone, email string) *browser {
	h.t.Helper()
	return b.on("signup-contact").fill("continue", "phone", phone, "email", email).on("signup-code")
}

func TestNewcomerSignsUpForAService(t *testing.T) {
	h := newHouse(t)
	b := h.browser().open(h.request()).on("identify").fill("sign-up")
	h.contacts(b, "8 912 100 00 01", "new@example.ru")
	if !strings.Contains(b.text, `data-channel="sms"`) {
		t.Error("the page does not say that the code is in a text message")
	}
	code, _ := h.sent("+79121000001")
	b.fill("continue", "code", wrong(code)).on("signup-code").fill("continue", "code", code[:3]+" "+code[3:]).on("signup-code")
	if !strings.Contains(b.text, `data-channel="mail"`) {
		t.Error("the page does not say that the code is in the mail")
	}
	code, _ = h.sent("new@example.ru")
	b.fill("continue", "code", code).on("signup-password")
	b.fill("continue", "password", "12345678", "password_again", "12345678").on("signup-password")
	b.fill("continue", "password", password, "password_again", "другой").on("signup-password")
	b.fill("continue", "password", password, "password_again", password).on("signup-agreement")
	b.fill("continue").on("signup-agreement")
	if n := strings.Count(b.text, `class="error"`); n != 2 {
		t.Errorf("%d missing ticks are pointed at (R025)", n)
	}
	b.fill("continue", "agree_terms", b.value("agree_terms"), "agree_privacy", b.value("agree_privacy")).on("protect")
	b.fill("skip").on("signup-ready").fill("continue").on("consent").fill("allow")
	if b.answered().Get("code") == "" {
		t.Errorf("the service got %v", b.answered())
	}
	a := h.find("+79121000001")
	if a.Level != account.Simplified || a.Email.Value != "new@example.ru" || len(a.Agreements) != 2 || a.Agreements[0].Version != "3" {
		t.Errorf("the account is %+v", a)
	}
	b.open("/me").on("me")
}

// wrong is another code than the right one.
func wrong(code string) string {
	if code == "000000" {
		return "111111"
	}
	return "000000"
}

func TestMailedLinkConfirmsByAClickOnAnyDevice(t *testing.T) {
	h := newHouse(t)
	b := h.contacts(h.browser().open("/signup"), "+79121000002", "link@example.ru")
	code, _ := h.sent("+79121000002")
	b.fill("continue", "code", code)
	_, link := h.sent("link@example.ru")

	phone := h.browser().open(link).on("signup-confirm")
	b.open(b.at.Path + "?attempt=" + b.attempt()).on("signup-code") // a GET confirmed nothing (C8)
	phone.fill("continue").on("signup-confirmed")
	if phone.cookie("vhod-session") != "" {
		t.Error("the other device was signed in")
	}
	b.open("/signup/code?attempt=" + b.attempt()).on("signup-password")
	if phone.open(link).on("error"); phone.status != http.StatusGone {
		t.Errorf("a used link answers %d", phone.status)
	}
}

func TestTakenContactLooksLikeAFreeOne(t *testing.T) {
	h := newHouse(t)
	h.person("+79121000003")
	page := func(phone string) (string, *browser) {
		b := h.contacts(h.browser().open("/signup"), phone, "other@example.ru")
		return strings.NewReplacer(b.attempt(), "ID", account.FormatPhone(phone), "PHONE").Replace(textOf(b.page)) + b.at.Path, b
	}
	free, _ := page("+79121000004")
	h.sent("+79121000004")
	taken, b := page("+79121000003")
	if free != taken {
		t.Errorf("the pages differ (G02):\n%s\n%s", free, taken)
	}
	for range 3 {
		b.fill("continue", "code", "000000").on("signup-code")
	}
	h.accounts.Close() // waits for what is done after the answer
	var warned bool
	for _, n := range h.notices() {
		if n.Args["Code"] != "" {
			t.Errorf("a code went to %s of an account", n.Channel)
		}
		warned = warned || (n.Template == "sign-up-attempt" && n.To == "+79121000003")
	}
	if !warned {
		t.Error("the owner was not told")
	}
}

func TestChangedContactIsProvenAnew(t *testing.T) {
	h := newHouse(t)
	b := h.contacts(h.browser().open("/signup"), "+79121000005", "x@example.ru")
	code, _ := h.sent("+79121000005")
	b.fill("change").on("signup-contact").fill("continue", "phone", "+79121000006", "email", "x@example.ru").on("signup-code")
	b.fill("continue", "code", code).on("signup-code")
	if !strings.Contains(b.text, `data-channel="sms"`) {
		t.Fatal("a code of one number proved another")
	}
	code, _ = h.sent("+79121000006")
	b.fill("continue", "code", code)
	if !strings.Contains(b.text, `data-channel="mail"`) {
		t.Error("the right code was refused")
	}
}

func TestStepsOfSigningUpCannotBeSkipped(t *testing.T) {
	h := newHouse(t)
	b := h.contacts(h.browser().open("/signup"), "+79121000007", "y@example.ru")
	attempt := b.attempt()
	for _, path := range []string{"/signup/password", "/signup/agreement", "/signup/ready", "/protect", "/level"} {
		b.open(path + "?attempt=" + attempt).on("signup-code")
	}
	b.post("/signup/agreement", url.Values{"attempt": {attempt}, "agree_terms": {"3"}, "agree_privacy": {"2"}}).on("signup-code")
	b.post("/signup/password", url.Values{"attempt": {attempt}, "password": {password}, "password_again": {password}}).on("signup-code")
}

func TestResendingIsLimited(t *testing.T) {
	h := newHouse(t)
	b := h.contacts(h.browser().open("/signup"), "+79121000008", "z@example.ru")
	first, _ := h.sent("+79121000008")
	h.clock.Advance(time.Minute)
	b.fill("resend").on("signup-code")
	h.clock.Advance(time.Minute)
	b.fill("resend").on("signup-code")
	if b.fill("resend").on("signup-code"); b.status != http.StatusTooManyRequests {
		t.Errorf("the fourth code within ten minutes is answered %d (R123)", b.status)
	}
	b.fill("continue", "code", first)
	if !strings.Contains(b.text, `data-channel="mail"`) {
		t.Error("the first code died before its time")
	}
}

func TestPromptCreateBeginsWithSigningUp(t *testing.T) {
	h := newHouse(t)
	h.browser().open(h.request(func(r *op.AuthRequest) { r.Prompt = []string{"create"} })).on("signup-contact")
}

func TestForgottenPasswordIsSetAnew(t *testing.T) {
	h := newHouse(t)
	h.person("+79121000009")
	elsewhere := h.signIn("+79121000009")
	h.clock.Advance(time.Minute)
	b := h.home("+79121000009").open(h.request()).fill("continue", "identifier", "+79121000009").on("password").fill("forgot").on("recovery")
	b.fill("continue", "identifier", "+79121000009").on("recovery-code")
	code, _ := h.sent("+79121000009")
	b.open("/recovery/password?attempt=" + b.attempt()).on("recovery-code")
	b.fill("continue", "code", wrong(code)).on("recovery-code").fill("continue", "code", code).on("recovery-password")
	const next = "Новый&Пароль9 и слова"
	b.fill("continue", "password", next, "password_again", next).on("consent").fill("allow")
	b.answered()
	if auth := h.provider.approvals()[0]; auth.Strength != account.OneFactor {
		t.Errorf("a code alone became %v", auth.Strength)
	}
	elsewhere.open("/me").on("identify")
	told := map[string]bool{}
	for _, n := range h.notices() {
		told[n.Template+" "+n.Channel] = true
	}
	if !told["password-reset sms"] || !told["password-reset mail"] {
		t.Errorf("both contacts were to be told, but %v", told)
	}
	h.browser().open("/login").fill("continue", "identifier", "+79121000009").fill("continue", "password", next).on("me")
}

func TestRecoveryKeepsTheSecondFactor(t *testing.T) {
	h := newHouse(t)
	h.person("+79121000010", withTOTP)
	b := h.home("+79121000010").open("/recovery").on("recovery").fill("continue", "identifier", "a0010@example.ru").on("recovery-code")
	code, _ := h.sent("a0010@example.ru")
	b.fill("continue", "code", code).on("totp")
	b.post("/recovery/password", url.Values{"attempt": {b.attempt()}, "password": {password}, "password_again": {password}}).on("totp") // F09
	const next = "Новый&Пароль9 и слова"
	b.fill("continue", "code", h.code(secret)).on("recovery-password").fill("continue", "password", next, "password_again", next).on("me")
}

func TestRecoveryOfNobodyLooksTheSame(t *testing.T) {
	h := newHouse(t)
	h.person("+79121000011")
	page := func(identifier string) string {
		b := h.browser().open("/recovery").fill("continue", "identifier", identifier).on("recovery-code")
		return strings.NewReplacer(account.FormatPhone(identifier), "PHONE").Replace(textOf(b.page)) + b.at.Path
	}
	if known, unknown := page("+79121000011"), page("+79121000099"); known != unknown {
		t.Errorf("the pages differ (G02):\n%s\n%s", known, unknown)
	}
	for _, n := range h.notices() {
		if n.To == "+79121000099" {
			t.Error("a code went to a stranger")
		}
	}
}
