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

// qrPage opens the page with the code at a new computer.
func (h *house) qrPage(path string) *browser {
	h.t.Helper()
	return h.browser().open(path).on("identify").fill("qr").on("qr")
}

// strongPhone is a phone whose person has just shown two factors.
func (h *house) strongPhone(phone string) *browser {
	h.t.Helper()
	h.person(phone, withTOTP)
	b := h.browser().open("/login").fill("continue", "identifier", phone).fill("continue", "password", password).on("totp")
	return b.fill("continue", "code", h.code(secret)).on("me")
}

func TestPersonLetsAnotherScreenInByTheirPhone(t *testing.T) {
	h := newHouse(t)
	phone := h.strongPhone("+79170000001")
	computer := h.qrPage(h.request(func(r *op.AuthRequest) {
		r.ACR = []op.ACR{{Level: account.Simplified, Strength: account.TwoFactor}}
	}))
	attempt := computer.attempt()
	phone.open(h.door.QRAddress(t.Context(), attempt)).on("qr-confirm")
	computer.open("/login/qr?attempt=" + attempt).on("qr")
	number := computer.number()
	if number == "" || strings.Contains(computer.text, "data-every-second") {
		t.Fatal("a scanned code is shown on, or without a number")
	}
	phone.fill("choose-" + number).on("qr-done")
	computer.open("/login/qr?attempt=" + attempt).fill("continue").on("consent").fill("allow").answered()
	auth := h.provider.approvals()[0]
	if auth.Strength != account.TwoFactor || strings.Join(auth.AMR, " ") != "swk mfa" {
		t.Errorf("the door vouched for %v by %v", auth.Strength, auth.AMR)
	}
	computer.post("/login/qr/continue", url.Values{"attempt": {attempt}})
	if n := len(h.provider.approvals()); n != 1 {
		t.Errorf("%d answers of one approval", n)
	}
}

func TestAQRCodeDiesWithItsSecondAndItsPage(t *testing.T) {
	h := newHouse(t)
	phone := h.strongPhone("+79170000002")
	computer := h.qrPage("/login")
	attempt := computer.attempt()
	old := h.door.QRAddress(t.Context(), attempt)
	h.clock.Advance(5 * time.Second)
	if h.door.QRAddress(t.Context(), attempt) == old {
		t.Error("the code does not change")
	}
	h.clock.Advance(11 * time.Second)
	computer.open("/login/qr?attempt=" + attempt) // the page is there, the picture is old
	for name, address := range map[string]string{
		"an old code": old, "a made-up one": strings.Replace(old, "c=", "c=x", 1), "none": "/qr",
	} {
		if phone.open(address); phone.name() != "error" || phone.status != http.StatusGone {
			t.Errorf("%s is answered %d %s", name, phone.status, phone.name())
		}
	}
	address := h.door.QRAddress(t.Context(), attempt)
	h.clock.Advance(11 * time.Second) // fresh, but its page was closed
	if phone.open(address); phone.name() != "error" {
		t.Errorf("the code of a closed page is answered %s", phone.name())
	}
	address = h.door.QRAddress(t.Context(), attempt)
	phone.open(address).on("qr-confirm")
	if other := h.browser().open(address); other.name() != "error" {
		t.Error("a second phone scanned the same code")
	}
	claim := phone.at.RequestURI()
	if thief := h.strongPhone("+79170000003").open(claim); thief.name() != "error" {
		t.Errorf("another phone opens what was claimed: %s", thief.name())
	}
	h.clock.Advance(11 * time.Second)
	if phone.open(claim); phone.name() != "error" {
		t.Error("the page was closed, and the phone may still answer")
	}
}

func TestOnlyAFreshSignInByTwoFactorsLetsAnotherScreenIn(t *testing.T) {
	h := newHouse(t)
	h.person("+79170000004")
	weak := h.signIn("+79170000004")
	computer := h.qrPage("/login")
	weak.open(h.door.QRAddress(t.Context(), computer.attempt())).on("qr-confirm")
	if strings.Contains(weak.text, `data-action="choose-`) {
		t.Error("one factor may choose")
	}
	number := computer.open("/login/qr?attempt=" + computer.attempt()).number()
	weak.post("/qr/confirm", url.Values{"claim": {weak.at.Query().Get("claim")}, "answer": {number}})
	computer.post("/login/qr/continue", url.Values{"attempt": {computer.attempt()}})
	if computer.cookie("vhod-session") != "" {
		t.Error("one factor let another screen in")
	}

	phone := h.strongPhone("+79170000005")
	h.clock.Advance(6 * time.Minute)
	computer = h.qrPage("/login")
	phone.open(h.door.QRAddress(t.Context(), computer.attempt())).on("password").fill("continue", "password", password).on("totp").fill("continue", "code", h.code(secret)).on("qr-confirm")
	stranger := h.browser()
	computer = h.qrPage("/login")
	stranger.open(h.door.QRAddress(t.Context(), computer.attempt())).on("identify")
}

func TestARefusalOrAnotherNumberOnThePhoneLetsNobodyIn(t *testing.T) {
	h := newHouse(t)
	phone := h.strongPhone("+79170000006")
	for answer, verdict := range map[string]string{"deny": "refused", "10000": "wrong"} {
		computer := h.qrPage("/login")
		phone.open(h.door.QRAddress(t.Context(), computer.attempt())).on("qr-confirm")
		claim := phone.at.Query().Get("claim")
		phone.post("/qr/confirm", url.Values{"claim": {claim}, "answer": {answer}}).on("qr-done")
		if !strings.Contains(phone.text, `data-verdict="`+verdict+`"`) {
			t.Errorf("%s is not %s", answer, verdict)
		}
		computer.post("/login/qr/continue", url.Values{"attempt": {computer.attempt()}}).on("qr")
		if computer.cookie("vhod-session") != "" {
			t.Error("the computer was let in")
		}
		computer.fill("resend").on("qr")
		if !strings.Contains(computer.text, "data-every-second") {
			t.Error("no new code is shown")
		}
	}
}
