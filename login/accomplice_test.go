package login_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// accomplice is somebody on the telephone with a citizen who reads out to them, at once, all that can be read out: the password, every
// message, what the app shows, backup codes, the number of every paper, the password of the bank. They have browsers, an authenticator, a certificate
// and an account at the bank of their own; the citizen's browser, devices, passkeys and signature they do not have.
type accomplice struct {
	*owner
	key    *storagetest.Authenticator
	spares []string // backup codes that nobody has used yet
}

// othersPassword is one of the accomplice's.
const othersPassword = "Chuzhoy-Parol-9-slov"

func newAccomplice(t *testing.T) *accomplice {
	t.Helper()
	o := newOwner(t)
	x := &accomplice{owner: o, key: o.house.key(), spares: spares()}
	o.change(func(a *account.Account) { a.Backup = o.accounts.BackupSetOf(spares()) })
	if _, err := o.accounts.AddPush(t.Context(), o.id, "Телефон", account.Origin{}); err != nil {
		t.Fatal(err)
	}
	x.house.person("+79140000099") // the accomplice has an account too, with a passkey
	x.addPasskey(x.signIn("+79140000099"), x.key)
	x.change(func(a *account.Account) { // the citizen is signed in nowhere, and their own browsers are old
		a.SignedOutAt, a.Arrivals = x.clock.Now().Add(time.Second), nil
	})
	x.clock.Advance(2 * time.Hour)
	return x
}

// fresh is a browser of the accomplice's, in which nobody was.
func (x *accomplice) fresh() *browser {
	x.clock.Advance(90 * time.Second) // the app shows another code
	x.notices()
	b := x.browser()
	b.also = x.begin().also
	return b
}

// half has shown the password.
func (x *accomplice) half(to string) *browser {
	return x.fresh().open(to).fill("continue", "identifier", x.phone).fill("continue", "password", password)
}

// in has shown the password and what the app shows.
func (x *accomplice) in(to string) *browser {
	b := x.half(to)
	if b.name() != "totp" {
		b.open("/login/totp?attempt=" + b.attempt())
	}
	return b.on("totp").fill("continue", "code", x.code(secret))
}

// lost has shown a code to the phone, and what the app shows, to get a new password.
func (x *accomplice) lost() *browser {
	b := x.fresh().open("/recovery").fill("continue", "identifier", x.phone).on("recovery-code")
	b.fill("continue", "code", x.dictated())
	if b.name() != "totp" {
		b.open("/login/totp?attempt=" + b.attempt())
	}
	return b.on("totp").fill("continue", "code", x.code(secret))
}

// dictated is the last code that the citizen was sent.
func (x *accomplice) dictated() string {
	code := ""
	for _, n := range x.notices() {
		if n.Args["Code"] != "" {
			code = n.Args["Code"]
		}
	}
	return code
}

// linkIn is the link of the last message of a kind.
func (x *accomplice) linkIn(template string) string {
	link := ""
	for _, n := range x.notices() {
		if n.Template == template && n.Args["Link"] != "" {
			link = n.Args["Link"]
		}
	}
	u, err := url.Parse(link)
	if err != nil || link == "" {
		x.t.Fatalf("no %s was sent: %v", template, err)
	}
	return u.RequestURI()
}

// post sends a form that holds the attempt, whatever page is open.
func (x *accomplice) post(b *browser, path string, pairs ...string) *browser {
	form := url.Values{"attempt": {b.attempt()}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.post(path, form)
}

// made is what an authenticator of the accomplice's answers to what a script is given; empty where it is given nothing.
func (x *accomplice) made(b *browser, path string) string {
	script := &browser{t: x.t, http: b.http, base: b.base}
	script.post(path, url.Values{"attempt": {b.attempt()}})
	if script.head.Get("Content-Type") != "application/json" {
		return ""
	}
	if path == "/passkey/offer" {
		return string(x.key.Make(x.t, []byte(script.text)))
	}
	return string(x.key.Show(x.t, []byte(script.text)))
}

// belongings are what may not become another's.
type belongings struct {
	Phone, Email, Password      string
	Apps, Keys, Devices, Papers []string
	SMS, Backup                 time.Time
	Banks                       []string
	Ties                        []string // whom they trust, and who trusts them
}

func belongingsOf(a *account.Account) belongings {
	b := belongings{Phone: a.Phone.Value, Email: a.Email.Value, Password: a.Password.Hash, SMS: a.SMS.AddedAt, Backup: a.Backup.MadeAt}
	for _, app := range a.TOTP {
		b.Apps = append(b.Apps, app.ID)
	}
	for _, key := range a.Passkeys {
		b.Keys = append(b.Keys, key.ID)
	}
	for _, d := range a.PushDevices {
		b.Devices = append(b.Devices, d.ID)
	}
	for _, c := range a.Certificates {
		b.Papers = append(b.Papers, c.Fingerprint)
	}
	for _, bank := range a.Banks {
		b.Banks = append(b.Banks, bank.Issuer+" "+bank.Subject)
	}
	for _, tie := range slices.Concat(a.Trusted, a.Trusting) {
		if !tie.AcceptedAt.IsZero() || tie.Label != "" {
			b.Ties = append(b.Ties, tie.ID)
		}
	}
	return b
}

// harm says what an accomplice has got; empty: nothing.
func (x *accomplice) harm(before belongings) string {
	if d := cmp.Diff(before, belongingsOf(x.person())); d != "" {
		return "what opens the account is not what it was:\n" + d
	}
	return x.resistant()
}

// resistant says which session or answer counts as one that cannot be phished.
func (x *accomplice) resistant() string {
	sessions, err := x.accounts.Sessions(x.t.Context(), x.id)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, s := range sessions {
		if account.StrengthOf(s.Proofs) >= account.PhishingResistant {
			return fmt.Sprintf("a session by %v", s.Proofs)
		}
	}
	for _, auth := range x.provider.approvals() {
		if auth.Strength >= account.PhishingResistant && auth.AccountID == x.id {
			return fmt.Sprintf("an answer by %v", auth.AMR)
		}
	}
	return ""
}

// signs gives the open page a signature by the accomplice's certificate, where it asks for one.
func (x *accomplice) signs(b *browser) {
	if b.find(func(n *htmlNode) bool { return attr(n, "data-action") == "challenge" }) == nil {
		return
	}
	c := x.house.centre()
	c.h = x.house
	b.sign(c.boris(), x.clock.Now())
}

// atBank signs in at the bank with what the citizen read out.
func (x *accomplice) atBank(b *browser, customer string) {
	if b.find(func(n *htmlNode) bool { return attr(n, "name") == "bank" }) != nil {
		b.atBank("green", customer)
	}
}

func TestNothingThatCanBeReadOutIsEnough(t *testing.T) {
	x := newAccomplice(t)
	tried := acts()
	for _, pattern := range x.door.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if method == http.MethodGet {
			continue // TestNoPageOpenedByAnAccompliceChangesAnything
		}
		act, ok := tried[pattern]
		if !ok {
			t.Errorf("%s has no verdict: what does somebody get there who is read out everything?", pattern)
			continue
		}
		delete(tried, pattern)
		t.Run(strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", " "), func(t *testing.T) {
			x.t = t
			x.house.t = t
			x.clock.Advance(2 * time.Hour) // what may be sent and guessed in a while begins anew
			x.change(func(a *account.Account) { a.Activation, a.Waiting, a.Locks, a.Grants = nil, account.Wait{}, nil, nil })
			before := belongingsOf(x.person())
			act(x, path)
			if harm := x.harm(before); harm != "" {
				t.Errorf("%s: %s", pattern, harm)
				x.change(func(a *account.Account) { a.SignedOutAt = x.clock.Now() })
			}
		})
	}
	for _, pattern := range slices.Sorted(maps.Keys(tried)) {
		t.Errorf("%s is not in the route table", pattern)
	}
}

// A page that only shows something is opened from everywhere where an accomplice gets: signed in, half signed in, half recovered, and from outside.
func TestNoPageOpenedByAnAccompliceChangesAnything(t *testing.T) {
	x := newAccomplice(t)
	places := map[string]*browser{"outside": x.fresh().open("/login"), "half": x.half("/login"), "recovering": x.lost(), "in a flow": x.in(x.request()), "in": x.in("/login")}
	attempts := map[string]string{}
	for place, b := range places {
		attempts[place] = b.attempt()
	}
	before := belongingsOf(x.person())
	for _, pattern := range x.door.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if method != http.MethodGet || strings.HasSuffix(path, "/events") { // which do not end, and only tell of something
			continue
		}
		path = strings.NewReplacer("{$}", "", "{document}", "terms").Replace(path)
		for place, b := range places {
			if path == "/login/cancel" {
				continue // it ends the attempt
			}
			b.open(path + "?attempt=" + attempts[place])
			if b.status >= http.StatusInternalServerError {
				t.Errorf("%s %s answers %d", place, path, b.status)
			}
		}
		if harm := x.harm(before); harm != "" {
			t.Fatalf("%s: %s", pattern, harm)
		}
	}
}

func TestTheDayOfARecoveryInANewBrowserEnds(t *testing.T) {
	x := newAccomplice(t)
	b := x.lost().on("recovery-day").fill("continue").on("recovery-day")
	told := 0
	for _, n := range x.notices() {
		if n.Template == "recovery-rests" {
			told++
		}
	}
	if told != 2 || !has(b.find(func(n *htmlNode) bool { return n.Data == "p" && has(n, "data-waits") }), "data-waits") {
		t.Errorf("%d contacts were told, and the page says %s", told, textOf(b.page))
	}
	x.clock.Advance(account.SettleAfter)
	before := belongingsOf(x.person())
	x.lost().on("recovery-password").fill("continue", "password", othersPassword, "password_again", othersPassword).on("me")
	after := belongingsOf(x.person())
	if after.Password == before.Password {
		t.Error("the password is the old one")
	}
	after.Password = before.Password
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("more than the password changed:\n%s", d)
	}
	if _, waits := x.person().Rests("sms", x.clock.Now()); waits {
		t.Error("the wait is not over")
	}
}

func TestAtHomeAndByAKeyThereIsNothingToWaitFor(t *testing.T) {
	x := newAccomplice(t)
	x.notices()
	home := x.begin().open("/recovery").fill("continue", "identifier", x.mail).on("recovery-code").fill("continue", "code", x.dictated())
	home.open("/login/totp?attempt="+home.attempt()).on("totp").fill("continue", "code", x.code(secret)).on("recovery-password")
	key := x.owner.key
	b := x.fresh().open("/recovery").fill("continue", "identifier", x.mail).on("recovery-code").fill("continue", "code", x.dictated()).on("passkey")
	b.fill("continue", "credential", string(key.Show(t, b.ask("/passkey/ask")))).on("recovery-password")
	b = x.in("/login").on("me").open("/protect/totp").on("error")
	if b.status != http.StatusForbidden || !strings.Contains(b.text, "data-until") {
		t.Errorf("a new browser is answered %d without a date", b.status)
	}
	x.clock.Advance(time.Minute)
	b.fill("continue").on("password").open("/login/passkey?attempt=" + b.attempt()).on("passkey")
	b.fill("continue", "credential", string(key.Show(t, b.ask("/passkey/ask")))).on("me-security").open("/protect/totp").on("protect-totp")
}

func TestABrowserOfADayMayChangeWhatANewOneMayNot(t *testing.T) {
	h := newHouse(t)
	h.person("+79147000001")
	h.signIn("+79147000001")
	b := h.browser().open("/login").fill("continue", "identifier", "+79147000001").fill("continue", "password", password).on("me")
	b.open("/protect/totp").on("error")
	h.clock.Advance(account.SettleAfter)
	b.open("/protect/totp").on("identify").fill("continue", "identifier", "+79147000001").fill("continue", "password", password).on("protect-totp")
	shared := h.browser().open("/login").fill("continue", "identifier", "+79147000001", "shared", "1").fill("continue", "password", password).on("me")
	if shared.open("/protect/totp").on("error"); strings.Contains(shared.text, "data-until") {
		t.Error("a browser that is not kept is told that it will do some day")
	}
}

func TestAServiceThatAsksForTwoFactorsIsRefusedRatherThanASecondFactorSetUpInANewBrowser(t *testing.T) {
	h := newHouse(t)
	h.person("+79147000002")
	h.signIn("+79147000002")
	b := h.browser().open(h.request(func(r *op.AuthRequest) {
		r.ACR = []op.ACR{{Level: account.Simplified, Strength: account.TwoFactor}}
	})).fill("continue", "identifier", "+79147000002").fill("continue", "password", password).on("unreachable")
	if b.find(func(n *htmlNode) bool { return attr(n, "data-action") == "protect" }) != nil {
		t.Error("the page offers what is refused")
	}
	if got := b.fill("return").answered().Get("error"); got != "unmet_authentication_requirements" {
		t.Errorf("the service got %q", got)
	}
}
