package login_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

const userCode = "BCKM-TPXH"

// device is a waiting request of a television.
func (h *house) device(change ...func(*op.AuthRequest)) {
	h.request(append([]func(*op.AuthRequest){func(req *op.AuthRequest) {
		req.RedirectURI, req.ResponseMode, req.State = "", op.ModePage, ""
		req.Remote = &op.Remote{Kind: op.RemoteDevice, Key: "key", UserCode: userCode, Until: h.clock.Now().Add(10 * time.Minute),
			Origin: account.Origin{Address: netip.MustParseAddr("203.0.113.7")}}
	}}, change...)...)
}

func TestAPersonLetsTheirDeviceIn(t *testing.T) {
	h := newHouse(t)
	h.person("+79161110001")
	h.device()
	b := h.browser().open("/device").on("device").fill("continue", "code", "вскм трхн").on("device-confirm")
	for _, want := range []string{"Лавка", userCode, "203.0.113.7", "в другой сети", "data:image/png;base64,"} {
		if !strings.Contains(b.text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	b.fill("allow").on("identify").fill("continue", "identifier", "+79161110001").on("password").fill("continue", "password", password)
	b.on("consent").fill("allow").on("device-done")
	if len(h.provider.approvals()) != 1 || !strings.Contains(b.text, "Готово") {
		t.Errorf("%d approvals:\n%s", len(h.provider.approvals()), b.text)
	}
	if again := b.open(b.at.String()).on("device-done"); !strings.Contains(again.text, "Готово") {
		t.Error("a reload says something else")
	}
	// The code is spent, and the next device begins at its own.
	b.open("/device?user_code=" + userCode).on("device").fill("continue").on("device")
	if b.status != http.StatusUnprocessableEntity {
		t.Errorf("a spent code: %d", b.status)
	}
}

func TestNobodyIsLetInByALinkAlone(t *testing.T) {
	h := newHouse(t)
	person := h.person("+79161110002")
	if err := h.accounts.GrantTo(t.Context(), person.ID, account.Grant{ClientID: "shop", Scopes: []string{"openid", "phone"}}, account.Origin{}); err != nil {
		t.Fatal(err)
	}
	b := h.signIn("+79161110002")
	h.device()
	b.open("/device?user_code=" + userCode).on("device")
	if b.value("code") != userCode || len(h.provider.approvals()) != 0 {
		t.Errorf("code %q, %d approvals", b.value("code"), len(h.provider.approvals()))
	}
	b.fill("continue").on("device-confirm")
	// Going round the question leads back to it.
	for _, path := range []string{"/login/continue", "/login/consent", "/login/password", "/level"} {
		if b.open(path+"?attempt="+b.attempt()).name() != "device-confirm" {
			t.Errorf("%s leads to %s", path, b.name())
		}
	}
	if len(h.provider.approvals()) != 0 {
		t.Error("approved without an answer")
	}
	b.post("/device/confirm", url.Values{"attempt": {b.attempt()}, "answer": {"allow"}}, "Sec-Fetch-Site", "cross-site")
	if b.status != http.StatusForbidden || len(h.provider.approvals()) != 0 {
		t.Errorf("another site's form: %d", b.status)
	}
}

func TestAStrangersDeviceIsRefused(t *testing.T) {
	h := newHouse(t)
	for _, action := range []string{"deny", "cancel"} {
		h.device()
		b := h.browser().open("/device").fill("continue", "code", userCode).on("device-confirm")
		if action == "deny" {
			b.fill("deny")
		} else {
			b.open("/login/cancel?attempt=" + b.attempt())
		}
		if b.on("device-done"); !strings.Contains(b.text, "не вошло") {
			t.Errorf("%s: %s", action, b.text)
		}
	}
	if len(h.provider.approvals()) != 0 || strings.Join(h.provider.denied, " ") != "access_denied access_denied" {
		t.Errorf("approved %v, denied %v", h.provider.approved, h.provider.denied)
	}
}

func TestGuessingDeviceCodesEnds(t *testing.T) {
	h := newHouse(t)
	h.device()
	b := h.browser().open("/device")
	for range 3 { // a right one among the wrong ones costs nothing
		b.open("/device").fill("continue", "code", userCode).on("device-confirm")
	}
	for i := range 5 {
		if b.open("/device").fill("continue", "code", "BBBB-BBBB"); b.status != http.StatusUnprocessableEntity {
			t.Fatalf("guess %d: %d", i, b.status)
		}
	}
	if b.fill("continue", "code", userCode); b.status != http.StatusTooManyRequests || b.head.Get("Retry-After") == "" {
		t.Errorf("the right code after five wrong ones: %d", b.status)
	}
	// Another browser of the same house may still come in, but not without end.
	h.browser().open("/device").fill("continue", "code", userCode).on("device-confirm")
	refused := 0
	for range 40 {
		if h.browser().open("/device").fill("continue", "code", "BBBB-BBBB").status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 10 {
		t.Errorf("of 40 browsers of one address %d were refused", refused)
	}
	h.clock.Advance(10 * time.Minute)
	if b.open("/device").fill("continue", "code", userCode).status == http.StatusTooManyRequests {
		t.Error("still refused after ten minutes")
	}
}
