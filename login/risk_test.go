package login_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/login"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// farAway is where the places of these tests put Vladivostok; the browsers of tests are in Moscow.
var farAway = account.Origin{Address: netip.MustParseAddr("198.51.100.77")}

func moscowAndVladivostok(t *testing.T) *account.Places {
	t.Helper()
	places, err := account.ReadPlaces(strings.NewReader("127.0.0.0/8,55.75,37.62,Москва\n198.51.100.77/32,43.12,131.89\n"))
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

func TestInDoubtACodeByMailConfirmsWhereThereIsNoSecondFactor(t *testing.T) {
	h := newHouse(t)
	a := h.person("+79120002006")
	h.signIn("+79120002006") // a new browser alone asks for no more
	h.seenFarAway(a.ID)
	h.notices()
	b := h.browser().open(h.request()).fill("continue", "identifier", "+79120002006").fill("continue", "password", password).on("mail-code")
	if b.cookie("vhod-session") != "" {
		t.Fatal("half a sign-in gave a session")
	}
	if !strings.Contains(b.text, "так быстро никто не ездит") {
		t.Error("the page does not say why it asks")
	}
	code, _ := h.sent(a.Email.Value)
	for _, path := range []string{"/me", "/login/consent?attempt=" + b.attempt(), "/login/continue?attempt=" + b.attempt()} {
		if b.open(path); b.cookie("vhod-session") != "" {
			t.Errorf("%s lets in without the code", path)
		}
	}
	b.on("mail-code").fill("continue", "code", "000000").on("mail-code")
	b.fill("continue", "code", code).on("consent").fill("allow").answered()
	auth := h.provider.approvals()[0]
	if auth.Strength != account.OneFactor || strings.Join(auth.AMR, " ") != "pwd otp" {
		t.Errorf("the door vouched for %v by %v", auth.Strength, auth.AMR)
	}

	bare := h.person("+79120002007", func(a *account.Account) { a.Email = account.Contact{} })
	h.seenFarAway(bare.ID)
	h.signIn("+79120002007") // where there is no address there is nothing to ask
}

func TestPasswordInANewBrowserIsConfirmedWhereThatIsConfigured(t *testing.T) {
	h := (&house{t: t, clock: storagetest.NewClock(), confirms: true}).onSQLite()
	a := h.person("+79120002008")
	h.clock.Advance(25 * time.Hour) // they did not sign up just now
	h.notices()
	b := h.browser().open("/login").fill("continue", "identifier", "+79120002008").fill("continue", "password", password).on("mail-code")
	if !strings.Contains(b.text, "В этом браузере вы ещё не входили") {
		t.Error("the page does not say why it asks")
	}
	if b.cookie("vhod-session") != "" {
		t.Fatal("half a sign-in gave a session")
	}
	code, _ := h.sent(a.Email.Value)
	b.fill("continue", "code", code).on("me")
	b.open("/logout").fill("continue")
	b.open("/login").fill("continue", "identifier", "+79120002008").fill("continue", "password", password).on("me") // known now

	h.person("+79120002009", func(a *account.Account) { a.Email = account.Contact{} })
	h.clock.Advance(25 * time.Hour)
	h.signIn("+79120002009") // where there is no address there is nothing to ask
	h.person("+79120002010", withTOTP)
	h.clock.Advance(25 * time.Hour)
	h.browser().open("/login").fill("continue", "identifier", "+79120002010").fill("continue", "password", password).on("totp")
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

// TestASignUpSparesNobodyElseTheCodeByMail: an attempt in which somebody signed up may end in another person's sign-in.
func TestASignUpSparesNobodyElseTheCodeByMail(t *testing.T) {
	anna := simple()
	anna.Email = account.Contact{Value: "anna@example.ru", ConfirmedAt: noon}
	own := &login.SignUp{Phone: "+79120000001", Email: "anna@example.ru", PhoneOK: true, EmailOK: true, Created: true}
	others := &login.SignUp{Phone: "+79120000002", Email: "boris@example.ru", PhoneOK: true, EmailOK: true, Created: true}
	for _, row := range []struct {
		what   string
		signUp *login.SignUp
		proofs []account.Proof
		risks  []account.Risk
		want   login.Step
	}{
		{"nothing is unusual", nil, proofs(noon, account.MethodPassword), []account.Risk{account.RiskBrowser}, "open"},
		{"a password in doubt", nil, proofs(noon, account.MethodPassword), []account.Risk{account.RiskTravel}, "mail-code"},
		{"a password and the code", nil, proofs(noon, account.MethodPassword, account.MethodMailCode), []account.Risk{account.RiskTravel}, "open"},
		{"the code alone", nil, proofs(noon, account.MethodMailCode), []account.Risk{account.RiskTravel}, "identify"},
		{"a bank in doubt", nil, proofs(noon, account.MethodBank), []account.Risk{account.RiskTravel}, "open"},
		{"who has just got back in", nil, proofs(noon, account.MethodRecovery, account.MethodPassword), []account.Risk{account.RiskStorm}, "open"},
		{"who has just signed up", own, proofs(noon, account.MethodPassword), []account.Risk{account.RiskStorm}, "open"},
		{"after somebody else signed up", others, proofs(noon, account.MethodPassword), []account.Risk{account.RiskStorm}, "mail-code"},
	} {
		kind := login.KindSignIn
		if row.signUp != nil {
			kind = login.KindSignUp
		}
		a := &login.Attempt{Kind: kind, CreatedAt: noon, Account: "anna", SignUp: row.signUp, Proofs: row.proofs}
		if got := login.Next(a, anna, nil, login.Policy{Now: noon, Risks: row.risks}); got != row.want {
			t.Errorf("%s: %s", row.what, got)
		}
	}
}
