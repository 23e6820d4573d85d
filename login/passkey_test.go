package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// ask is what the page's script asks of the server.
func (b *browser) ask(path string) []byte {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, b.base+path, strings.NewReader(url.Values{"attempt": {b.attempt()}}.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	script := &browser{t: b.t, http: b.http, base: b.base}
	script.do(r)
	if script.head.Get("Content-Type") != "application/json" {
		b.t.Fatalf("%s answers %d:\n%s", path, script.status, script.text)
	}
	return []byte(script.text)
}

// addPasskey makes a passkey in the cabinet.
func (h *house) addPasskey(b *browser, key *storagetest.Authenticator) {
	h.t.Helper()
	b.open("/protect/passkey").on("protect-passkey")
	b.fill("continue", "passkey_name", "Мой телефон", "credential", string(key.Make(h.t, b.ask("/passkey/offer"))))
	if b.name() == "protect-backup" {
		b.fill("continue")
	}
	b.on("me-security")
}

func (h *house) key() *storagetest.Authenticator { return &storagetest.Authenticator{Origin: h.url} }

func TestPasskeySignsInByItselfAsTwoFactors(t *testing.T) {
	h := newHouse(t)
	h.person("+79130000001")
	key := h.key()
	h.addPasskey(h.signIn("+79130000001"), key)

	b := h.browser().open(h.request(func(r *op.AuthRequest) {
		r.ACR = []op.ACR{{Level: account.Simplified, Strength: account.PhishingResistant}}
	})).on("identify")
	answer := string(key.Show(t, b.ask("/passkey/ask")))
	b.fill("passkey", "credential", answer).on("consent").fill("allow").answered()
	auth := h.provider.approvals()[0]
	if auth.Strength != account.PhishingResistant || strings.Join(auth.AMR, " ") != "hwk user mfa" {
		t.Errorf("the door vouched for %v by %v", auth.Strength, auth.AMR)
	}
	other := h.browser().open("/login").on("identify")
	other.fill("passkey", "credential", answer).on("passkey") // the same answer in another browser
	if other.status != http.StatusUnprocessableEntity || other.cookie("vhod-session") != "" {
		t.Errorf("an answer of another browser's: %d", other.status)
	}
}

func TestPasskeyIsAskedAfterThePasswordAndBackupCodesStandIn(t *testing.T) {
	h := newHouse(t)
	h.person("+79130000002")
	key := h.key()
	b := h.signIn("+79130000002").open("/protect/passkey")
	b.fill("continue", "credential", string(key.Make(t, b.ask("/passkey/offer")))).on("protect-backup") // it is the first factor
	spare := strings.TrimSpace(textOf(b.find(func(n *htmlNode) bool { return n.Data == "code" })))

	b = h.browser().open("/login").fill("continue", "identifier", "+79130000002").fill("continue", "password", password).on("passkey")
	if b.cookie("vhod-session") != "" {
		t.Fatal("a password alone gave a session beside a passkey")
	}
	key.Unverified = true // presence will do after a password
	b.fill("continue", "credential", string(key.Show(t, b.ask("/passkey/ask")))).on("me")

	b = h.browser().open("/login").fill("continue", "identifier", "+79130000002").fill("continue", "password", password).on("passkey")
	b.fill("other-way").on("backup").fill("continue", "code", spare).on("me")
}

func TestKeyWithoutVerificationDoesNotSignInByItself(t *testing.T) {
	h := newHouse(t)
	h.person("+79130000003")
	key := h.key()
	h.addPasskey(h.signIn("+79130000003"), key)
	key.Unverified = true
	b := h.browser().open("/login").on("identify")
	b.fill("passkey", "credential", string(key.Show(t, b.ask("/passkey/ask")))).on("passkey")
	if b.status != http.StatusUnprocessableEntity || b.cookie("vhod-session") != "" {
		t.Errorf("presence alone signed in: %d", b.status)
	}
}

func TestServiceThatAsksForAPasskeyLetsThePersonMakeOne(t *testing.T) {
	h := newHouse(t)
	h.person("+79130000004", withTOTP)
	b := h.browser().open(h.request(func(r *op.AuthRequest) {
		r.ACR = []op.ACR{{Level: account.Simplified, Strength: account.PhishingResistant}}
	})).fill("continue", "identifier", "+79130000004").fill("continue", "password", password).on("totp")
	b.fill("continue", "code", h.code(secret)).on("protect").fill("continue").on("protect-passkey")
	b.fill("continue", "credential", string(h.key().Make(t, b.ask("/passkey/offer")))).on("protect-backup").fill("continue").on("consent")
	b.fill("allow").answered()
	if auth := h.provider.approvals()[0]; auth.Strength != account.PhishingResistant {
		t.Errorf("the door vouched for %v", auth.Strength)
	}
	b = h.browser().open(h.request(func(r *op.AuthRequest) {
		r.ACR = []op.ACR{{Level: account.Simplified, Strength: account.PhishingResistant}}
	})).fill("continue", "identifier", "+79130000004").fill("continue", "password", password).on("passkey")
	if strings.Contains(b.text, `data-way="totp"`) {
		t.Error("a code is offered where only a passkey will do")
	}
}

func TestPasskeyOfAnotherPersonDoesNotConfirmThisOne(t *testing.T) {
	h := newHouse(t)
	h.person("+79130000005")
	h.person("+79130000006")
	mine, other := h.key(), h.key()
	h.addPasskey(h.signIn("+79130000005"), mine)
	h.addPasskey(h.signIn("+79130000006"), other)
	b := h.browser().open("/login").fill("continue", "identifier", "+79130000005").fill("continue", "password", password).on("passkey")
	b.fill("continue", "credential", string(other.Show(t, b.ask("/passkey/ask")))).on("passkey")
	if b.cookie("vhod-session") != "" {
		t.Error("another person's passkey completed a sign-in")
	}
	b.fill("continue", "credential", string(mine.Show(t, b.ask("/passkey/ask")))).on("me")

	h.clock.Advance(30 * time.Minute)
	b.open("/protect/passkey").on("password").fill("passkey").on("passkey")
	b.fill("continue", "credential", string(other.Show(t, b.ask("/passkey/ask")))).on("passkey")
	if !strings.Contains(b.text, "другого человека") {
		t.Error("the page does not say whose passkey it is")
	}
	b.fill("continue", "credential", string(mine.Show(t, b.ask("/passkey/ask")))).on("protect-passkey")
}

func TestRemovedPasskeyIsUnknownAndTheBrowserIsTold(t *testing.T) {
	h := newHouse(t)
	h.person("+79130000007")
	key := h.key()
	b := h.signIn("+79130000007")
	h.addPasskey(b, key)
	h.notices()
	if !strings.Contains(b.text, "Мой телефон") {
		t.Error("the list does not name the passkey")
	}
	b.fill("rename", "passkey_name", "Рабочий ключ").on("me-security")
	if !strings.Contains(b.text, "Рабочий ключ") {
		t.Error("the passkey was not renamed")
	}
	b.fill("remove").on("me-factor-remove").fill("continue").on("me-security")
	if !strings.Contains(b.text, `&#34;allAcceptedCredentialIds&#34;:[]`) {
		t.Error("the browser is not told that no passkey is left")
	}
	told := map[string]bool{}
	for _, n := range h.notices() {
		told[n.Channel+" "+n.Template] = true
	}
	if !told["mail passkey-removed"] {
		t.Errorf("nobody was told: %v", told)
	}
	other := h.browser().open("/login").on("identify")
	other.fill("passkey", "credential", string(key.Show(t, other.ask("/passkey/ask")))).on("passkey")
	if !strings.Contains(other.text, "удалили") {
		t.Error("the page does not say that the passkey is gone")
	}
}

func TestPasskeyIsOfferedSeldomAndOnlyWhereItWorks(t *testing.T) {
	h := newHouse(t)
	h.person("+79130000008")
	signIn := func(able string) *browser {
		return h.home("+79130000008").open("/login").fill("continue", "identifier", "+79130000008").
			fill("continue", "password", password, "passkeys", able)
	}
	signIn("yes").on("me") // a newcomer was asked at sign-up
	h.clock.Advance(8 * 24 * time.Hour)
	signIn("").on("me") // no scripts, or an old browser
	signIn("yes").on("offer-passkey").fill("skip").on("me")
	signIn("yes").on("me")
	h.clock.Advance(31 * 24 * time.Hour)
	b := signIn("yes").on("offer-passkey").fill("continue").on("protect-passkey")
	b.fill("continue", "credential", string(h.key().Make(t, b.ask("/passkey/offer")))).on("protect-backup").fill("continue").on("me")
}

func TestHalfASignInMakesNoPasskey(t *testing.T) {
	h := newHouse(t)
	h.person("+79130000009", withTOTP)
	b := h.browser().open("/login").fill("continue", "identifier", "+79130000009").fill("continue", "password", password).on("totp")
	attempt := b.attempt()
	for _, path := range []string{"/protect/passkey?attempt=" + attempt, "/protect/passkey"} {
		if b.open(path); b.name() == "protect-passkey" {
			t.Errorf("%s lets half a sign-in make a passkey (F10)", path)
		}
	}
}

func TestRecoveryOnTheWayToAServiceThatAsksForAPasskeyTakesASpareKey(t *testing.T) {
	h := newHouse(t)
	h.person("+79130000010")
	h.addPasskey(h.signIn("+79130000010"), h.key())
	h.notices()
	b := h.browser().open(h.request(func(r *op.AuthRequest) {
		r.ACR = []op.ACR{{Level: account.Simplified, Strength: account.PhishingResistant}}
	})).fill("continue", "identifier", "+79130000010").fill("forgot").on("recovery").fill("continue", "identifier", "+79130000010").on("recovery-code")
	code, _ := h.sent("+79130000010")
	b.fill("continue", "code", code).on("passkey").fill("other-way").on("backup")
}
