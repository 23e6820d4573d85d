package login_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// farAway is where the places of these tests put Vladivostok; the browsers of tests are in Moscow.
var farAway = account.Origin{Address: netip.MustParseAddr("198.51.100.77")}

func moscowAndVladivostok(t *testing.T) *account.Places {
	t.Helper()
	places, err := account.ReadPlaces(strings.NewReader("127.0.0.0/8,55.75,37.62\n198.51.100.77/32,43.12,131.89\n"))
	if err != nil {
		t.Fatal(err)
	}
	return places
}

// seenFarAway opens a session of the person far away, now.
func (h *house) seenFarAway(id account.ID) {
	h.t.Helper()
	with := account.Opening{Proofs: []account.Proof{{Method: account.MethodPassword, At: h.clock.Now()}}, Browser: "far away", Origin: farAway}
	if _, _, err := h.accounts.OpenSession(h.t.Context(), id, with); err != nil {
		h.t.Fatal(err)
	}
}

func TestRememberedBrowserSparesNobodyWhoCannotHaveComeSoFast(t *testing.T) {
	h := newHouse(t)
	a := h.person("+79120002001", withTOTP)
	h.clock.Advance(25 * time.Hour) // they did not sign up just now
	b := h.browser().open("/login").fill("continue", "identifier", "+79120002001").fill("continue", "password", password).on("totp")
	if !strings.Contains(b.text, "В этом браузере вы ещё не входили") {
		t.Error("the page does not say why it asks")
	}
	b.fill("continue", "code", h.code(secret), "remember", "yes").on("me")
	again := func() *browser {
		b.open("/logout").fill("continue")
		return b.open("/login").fill("continue", "identifier", "+79120002001").fill("continue", "password", password)
	}
	again().on("me")
	h.seenFarAway(a.ID)
	h.clock.Advance(time.Hour)
	again().on("totp")
	if !strings.Contains(b.text, "так быстро никто не ездит") {
		t.Error("the page does not say why it asks")
	}
	b.fill("continue", "code", h.code(secret)).on("me")
	again().on("me") // seen here last
	if b.open("/me/history"); !strings.Contains(b.text, "издалека") || !strings.Contains(b.text, "новый браузер") {
		t.Error("the person does not read what was unusual")
	}
}

func TestInDoubtSMSDoNotDoWhereThereIsMore(t *testing.T) {
	h := newHouse(t)
	withPhone := func(a *account.Account) { a.SMS.AddedAt = h.clock.Now() }
	both := h.person("+79120002002", withTOTP, withPhone)
	alone := h.person("+79120002003", withPhone)
	h.seenFarAway(both.ID)
	h.seenFarAway(alone.ID)
	b := h.browser().open("/login").fill("continue", "identifier", "+79120002002").fill("continue", "password", password).on("totp")
	refused := b.find(func(n *htmlNode) bool { return attr(n, "data-way-refused") == "sms" })
	if refused == nil || !strings.Contains(textOf(refused), "этот вход необычен") {
		t.Error("the weak way is not greyed out, or not said why")
	}
	b.open("/login/sms?attempt=" + b.attempt()).on("totp")
	b.post("/login/sms", url.Values{"attempt": {b.attempt()}, "code": {"123456"}}).on("totp")
	if got := h.notices(); len(got) != 0 {
		t.Errorf("codes were sent: %d", len(got))
	}
	b.fill("continue", "code", h.code(secret)).on("me")
	c := h.browser().open("/login").fill("continue", "identifier", "+79120002003").fill("continue", "password", password).on("sms")
	if c.status != http.StatusOK { // who has no more is asked for what they have
		t.Errorf("%d", c.status)
	}
}

func TestInAStormSMSDoNotDoWhereThereIsMore(t *testing.T) {
	h := newHouse(t)
	h.person("+79120002004", withTOTP, func(a *account.Account) { a.SMS.AddedAt, a.Preferred = h.clock.Now(), account.MethodSMS })
	h.storm()
	b := h.browser().open("/login").fill("continue", "identifier", "+79120002004").on("password")
	b.fill("continue", "password", password, "work", b.work()).on("totp")
	if !strings.Contains(b.text, "кто-то подбирает пароли") {
		t.Error("the page does not say why")
	}
}
