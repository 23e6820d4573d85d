package login_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys/cms"
	"github.com/vhod-id/vhod/keys/cms/cmstest"
	"github.com/vhod-id/vhod/op"
)

// noTrust believes nobody.
func noTrust(t *testing.T) *cms.Trust {
	t.Helper()
	trust, err := cms.NewTrust(cms.TrustConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// centre is an authority that the house trusts.
type centre struct {
	h    *house
	root *cmstest.Authority
}

func (h *house) centre() *centre {
	h.t.Helper()
	c := &centre{h, cmstest.Root(h.t, "Учебный УЦ", h.clock.Now())}
	c.publish()
	return c
}

// publish makes a revocation list, and has the house trust the centre by it.
func (c *centre) publish(revoked ...*cmstest.Authority) {
	c.h.t.Helper()
	trust, err := cms.NewTrust(cms.TrustConfig{
		Roots: [][]byte{c.root.Raw()}, Lists: [][]byte{c.root.List(c.h.t, c.h.clock.Now(), revoked...)}, Skew: 5 * time.Minute,
	})
	if err != nil {
		c.h.t.Fatal(err)
	}
	c.h.verify = trust.Verify
}

func (c *centre) anna() *cmstest.Authority {
	return c.root.Issue(c.h.t, cmstest.Named("Смирнова", "Анна Петровна", "11223344595", "990010000072"), c.h.clock.Now(), nil)
}

func (c *centre) boris() *cmstest.Authority {
	return c.root.Issue(c.h.t, cmstest.Named("Борисов", "Борис", "19901000048", "990010000072"), c.h.clock.Now(), nil)
}

// challenge downloads what the open page asks to sign.
func (b *browser) challenge() []byte {
	b.t.Helper()
	link := b.find(func(n *htmlNode) bool { return attr(n, "data-action") == "challenge" })
	if link == nil {
		b.t.Fatalf("the page %s offers nothing to sign:\n%s", b.name(), b.text)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.absolute(attr(link, "href")), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	beside := *b
	text := []byte(beside.do(r).text)
	if !strings.HasPrefix(beside.head.Get("Content-Disposition"), "attachment") {
		b.t.Errorf("the challenge is no download: %v", beside.head)
	}
	return text
}

// form is the open page's upload with a file.
func (b *browser) form(file []byte) *http.Request {
	b.t.Helper()
	button := b.find(func(n *htmlNode) bool { return attr(n, "data-action") == "continue" })
	form := button
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	var body bytes.Buffer
	out := multipart.NewWriter(&body)
	if err := out.WriteField("attempt", b.attempt()); err != nil {
		b.t.Fatal(err)
	}
	part, err := out.CreateFormFile("signature", "challenge.sig")
	if err != nil {
		b.t.Fatal(err)
	}
	_, _ = part.Write(file)
	_ = out.Close()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.absolute(attr(form, "action")), &body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", out.FormDataContentType())
	return r
}

func (b *browser) upload(file []byte) *browser {
	b.t.Helper()
	return b.do(b.form(file))
}

// sign downloads the challenge, signs and sends it.
func (b *browser) sign(by *cmstest.Authority, at time.Time) *browser {
	b.t.Helper()
	return b.upload(cmstest.Sign(b.t, cmstest.Signature{Signer: by, Content: b.challenge(), At: at}))
}

// withAnnas links a certificate.
func withAnnas(by *cmstest.Authority, print string) func(*account.Account) {
	return func(a *account.Account) {
		a.Certificates = []account.Certificate{{Fingerprint: print, Serial: "01", Issuer: "Учебный УЦ", NotAfter: by.Certificate.NotAfter}}
	}
}

// fingerprint is the name of a certificate.
func (c *centre) fingerprint(by *cmstest.Authority) string {
	c.h.t.Helper()
	text := []byte("x")
	signer, err := c.h.verify(cmstest.Sign(c.h.t, cmstest.Signature{Signer: by, Content: text, At: c.h.clock.Now()}), text, c.h.clock.Now())
	if err != nil {
		c.h.t.Fatal(err)
	}
	return signer.Fingerprint
}

// says fails unless the open page points at the signature with the message.
func (b *browser) says(t *testing.T, what string) {
	t.Helper()
	if b.status != http.StatusUnprocessableEntity {
		t.Errorf("the page %s answers %d, want 422", b.name(), b.status)
	}
	said := textOf(b.find(func(n *htmlNode) bool { return attr(n, "id") == "signature-error" }))
	if !strings.Contains(said, what) {
		t.Errorf("the page %s says %q, want %q", b.name(), said, what)
	}
}

func TestPersonLinksACertificateAndSignsInByIt(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	h.person("+79125000001", withTOTP)
	b := h.browser().open("/login").fill("continue", "identifier", "+79125000001").fill("continue", "password", password)
	b.on("totp").fill("continue", "code", h.code(secret)).on("me")
	b.open("/me/security").fill("add-certificate").on("me-esign").sign(anna, h.clock.Now()).on("me-security")
	if !strings.Contains(b.text, "Учебный УЦ") {
		t.Error("the certificate is not listed")
	}

	again := h.browser().open(h.request()).on("identify").fill("esign").on("esign").sign(anna, h.clock.Now())
	again.on("consent").fill("allow").answered()
	auth := h.provider.approvals()[0]
	if auth.Strength != account.PhishingResistant || !slices.Contains(auth.AMR, "sc") || !slices.Contains(auth.AMR, "mfa") {
		t.Errorf("the door vouched for %+v", auth)
	}
	again.open("/me/history").on("me-history")
	if !strings.Contains(again.text, `data-event="certificate-linked"`) {
		t.Error("the link is not in the history")
	}
	sent := slices.ContainsFunc(h.notices(), func(n account.Notice) bool { return n.Template == "certificate-linked" })
	if !sent {
		t.Error("the person was not told that a certificate was linked")
	}

	b.open("/me/security").fill("remove").on("me-factor-remove").fill("continue") // the app stands first, and is the last factor
	b.open("/me/security").fill("remove").on("me-security")
	if a := h.find("+79125000001"); len(a.Certificates) != 0 {
		t.Errorf("%d certificates are left", len(a.Certificates))
	}
	h.browser().open("/login").fill("esign").sign(anna, h.clock.Now()).on("esign").says(t, "не привязана")
}

func TestLinkingACertificateNeedsTwoFreshFactors(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	h.person("+79125000002")
	b := h.signIn("+79125000002").open("/me/security/esign").on("me-esign")
	if b.find(func(n *htmlNode) bool { return attr(n, "data-action") == "challenge" }) != nil {
		t.Error("a person with a password alone may link a certificate")
	}
	if b.upload(nil).on("me-esign"); b.status != http.StatusOK {
		t.Errorf("a post past the page is answered %d", b.status)
	}

	h.person("+79125000003", withTOTP)
	b = h.browser().open("/login").fill("continue", "identifier", "+79125000003").fill("continue", "password", password)
	b.fill("continue", "code", h.code(secret)).on("me").open("/me/security/esign").on("me-esign")
	h.clock.Advance(21 * time.Minute)
	b.open("/me/security/esign").on("password").fill("continue", "password", password).on("totp")
	b.fill("continue", "code", h.code(secret)).on("me-esign").sign(c.anna(), h.clock.Now()).on("me-security")
}

func TestOldSignatureIsNoFreshFactor(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	h.person("+79125000015", withAnnas(anna, c.fingerprint(anna)))
	b := h.browser().open("/login").fill("esign").sign(anna, h.clock.Now()).on("me")
	if b.open("/me/security/esign").on("me-esign"); !strings.Contains(b.text, `data-action="challenge"`) {
		t.Error("a fresh signature is not two factors")
	}
	h.clock.Advance(21 * time.Minute)
	b.open("/me/security/esign").on("password").fill("continue", "password", password).on("me-esign")
	if strings.Contains(b.text, `data-action="challenge"`) {
		t.Error("a fresh password beside an old signature may link a certificate")
	}
}

func TestE01SignatureToLinkACertificateConfirmsNothing(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	h.person("+79125000016", standardAnna(t), withTOTP)
	b := h.browser().open("/login").fill("continue", "identifier", "+79125000016").fill("continue", "password", password)
	b.fill("continue", "code", h.code(secret)).open("/me/security/esign").on("me-esign")
	signature := cmstest.Sign(t, cmstest.Signature{Signer: c.anna(), Content: b.challenge(), At: h.clock.Now()})
	b.open("/level/esign").on("level-esign").upload(signature).on("level-esign").says(t, "Подписан другой файл")
}

func TestLinkedCertificateOpensNoAccountOfAnotherPerson(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	boris := c.boris() // linked while nothing was known of the account, which is proven to be Anna's since
	h.person("+79125000018", standardAnna(t), withAnnas(boris, c.fingerprint(boris)))
	h.browser().open("/login").fill("esign").sign(boris, h.clock.Now()).on("esign").says(t, "не привязана")
}

func TestLockedAccountIsNotOpenedByASignature(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	h.person("+79125000017", withAnnas(anna, c.fingerprint(anna)), func(a *account.Account) { a.Status = account.Locked })
	b := h.browser().open("/login").fill("esign").sign(anna, h.clock.Now()).on("error")
	if b.status != http.StatusForbidden || b.cookie("vhod-session") != "" {
		t.Errorf("answered %d", b.status)
	}
}

func TestCertificateOfAnotherPersonIsNotLinked(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	h.person("+79125000004", withTOTP, func(a *account.Account) {
		a.Level, a.Person = account.Standard, account.Person{FamilyName: "Смирнова", GivenName: "Анна", MiddleName: "Петровна"}
		a.SNILS = snils(t, "11223344595")
	})
	b := h.browser().open("/login").fill("continue", "identifier", "+79125000004").fill("continue", "password", password)
	b.fill("continue", "code", h.code(secret)).open("/me/security/esign")
	b.sign(c.boris(), h.clock.Now()).on("me-esign").says(t, "не совпадает")
	b.open("/me/security/esign").sign(anna, h.clock.Now()).on("me-security")

	h.person("+79125000005", withTOTP)
	other := h.browser().open("/login").fill("continue", "identifier", "+79125000005").fill("continue", "password", password)
	other.fill("continue", "code", h.code(secret)).open("/me/security/esign")
	other.sign(anna, h.clock.Now()).on("me-esign").says(t, "другую учётную запись")
}

func snils(t *testing.T, digits string) account.SNILS {
	t.Helper()
	s, err := account.ParseSNILS(digits)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewcomerSignsUpByASignature(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	b := h.browser().open(h.request()).on("identify").fill("sign-up").on("signup-contact").fill("esign").on("signup-esign")
	b.sign(anna, h.clock.Now()).on("signup-contact")
	if !strings.Contains(b.text, "Смирнова Анна Петровна") {
		t.Error("the page does not say whom the certificate names")
	}
	h.contacts(b, "+79125000006", "anna6@example.ru")
	code, _ := h.sent("+79125000006")
	b.fill("continue", "code", code)
	code, _ = h.sent("anna6@example.ru")
	b.fill("continue", "code", code).fill("continue", "password", password, "password_again", password)
	b.fill("continue", "agree_terms", b.value("agree_terms"), "agree_privacy", b.value("agree_privacy")).on("protect")
	a := h.find("+79125000006")
	app := a.Application
	if a.Level != account.Simplified || app.Person.FamilyName != "Смирнова" || app.SNILS.Reveal() != "11223344595" || app.INN.Reveal() != "990010000072" {
		t.Errorf("the account is %s with the application %+v", a.Level, app.Person)
	}
	if len(a.Certificates) != 1 || a.Person.FamilyName != "" {
		t.Errorf("%d certificates, confirmed name %q", len(a.Certificates), a.Person.FamilyName)
	}
	h.browser().open("/login").fill("esign").sign(anna, h.clock.Now()).on("me")
	h.browser().open("/signup/esign").on("signup-esign").sign(anna, h.clock.Now()).on("signup-esign").says(t, "уже есть учётная запись")
}

func TestNewcomerWhoseSNILSHasAnAccountIsToldSo(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	h.person("+79125000014", standardAnna(t))
	b := h.browser().open("/signup/esign").on("signup-esign")
	b.sign(c.anna(), h.clock.Now()).on("signup-esign").says(t, "СНИЛС уже есть")
	b.fill("sign-in").on("identify").fill("esign").on("esign")
}

func TestSignaturesOfOneNetworkAreBounded(t *testing.T) {
	h := newHouse(t)
	b := h.browser().open("/login").fill("esign").on("esign")
	for i := range 1000 {
		b.upload([]byte("hello")).on("esign")
		if b.status == http.StatusTooManyRequests {
			if i < 100 || b.head.Get("Retry-After") == "" {
				t.Errorf("after %d signatures, Retry-After %q", i, b.head.Get("Retry-After"))
			}
			return
		}
	}
	t.Error("a thousand signatures were verified for one address")
}

func standardAnna(t *testing.T) func(*account.Account) {
	return func(a *account.Account) {
		a.Level, a.SNILS = account.Standard, snils(t, "11223344595")
		a.Person = account.Person{FamilyName: "Смирнова", GivenName: "Анна", MiddleName: "Петровна", Birthdate: account.Date{Year: 1990, Month: 3, Day: 5}}
		a.Passport = account.Passport{Series: "4510", Number: "123456"}
	}
}

func TestSignatureConfirmsAnIdentity(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	h.person("+79125000007", standardAnna(t))
	verified := op.ACR{Level: account.Verified, Strength: account.OneFactor}
	b := h.signIn("+79125000007").open(h.request(func(r *op.AuthRequest) { r.ACR = []op.ACR{verified} })).on("level").fill("continue")
	b.on("level-esign").sign(c.boris(), h.clock.Now()).on("level-esign").says(t, "не совпадает")
	if a := h.find("+79125000007"); a.Level != account.Standard {
		t.Fatalf("another's signature made the account %s", a.Level)
	}
	b.open("/level/esign?attempt="+b.attempt()).sign(c.anna(), h.clock.Now()).on("level-result").fill("continue").on("consent").fill("allow").answered()
	a := h.find("+79125000007")
	e := a.Evidence[len(a.Evidence)-1]
	if a.Level != account.Verified || e.Method != account.ProvenBySignature || e.Issuer != "Учебный УЦ" || e.Record == "" || e.Details["algorithm"] != "ECDSA" {
		t.Errorf("level %s, evidence %+v", a.Level, e)
	}
	if want := []string{"family_name", "given_name", "middle_name", "snils"}; !slices.Equal(e.Matched, want) {
		t.Errorf("matched %v, want %v", e.Matched, want)
	}
}

func TestE01ChallengeIsGoodOnceInItsBrowserForItsPurpose(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	h.person("+79125000008", standardAnna(t), withAnnas(anna, c.fingerprint(anna)))
	now := h.clock.Now()

	b := h.browser().open("/login").fill("esign").on("esign")
	text := b.challenge()
	var said struct {
		Text, Issuer, Purpose, Nonce string
		IssuedAt                     time.Time `json:"issued_at"`
		ExpiresAt                    time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	if said.Issuer != h.url || said.Purpose != "sign-in" || len(said.Nonce) < 43 || !said.IssuedAt.Equal(now) || said.ExpiresAt.Sub(now) != 5*time.Minute ||
		!strings.Contains(said.Text, h.url) || bytes.ContainsAny(text, "\r\n") {
		t.Errorf("the challenge says %s", text)
	}
	signature := cmstest.Sign(t, cmstest.Signature{Signer: anna, Content: text, At: now})

	other := h.browser().open("/login").fill("esign").on("esign")
	other.upload(signature).on("esign").says(t, "Подписан другой файл") // cross-session
	stolen := h.browser().open("/login")
	stolen.at = b.at
	if stolen.upload(signature).on("error"); stolen.status != http.StatusGone {
		t.Errorf("another browser's attempt is answered %d", stolen.status)
	}
	inside := h.signIn("+79125000008").open("/level/esign").on("level-esign")
	inside.upload(signature).on("level-esign").says(t, "Подписан другой файл") // cross-purpose

	if b.upload(signature).on("me").cookie("vhod-session") == "" {
		t.Fatal("the right use of the challenge is refused")
	}
	replay := h.browser().open("/login").fill("esign").on("esign")
	replay.upload(signature).on("esign").says(t, "Подписан другой файл")

	late := h.browser().open("/login").fill("esign").on("esign")
	text = late.challenge()
	h.clock.Advance(5 * time.Minute)
	late.upload(cmstest.Sign(t, cmstest.Signature{Signer: anna, Content: text, At: h.clock.Now()})).on("esign").says(t, "Время вышло")
}

func TestX11OfFiftyUsesOfOneChallengeOneWins(t *testing.T) {
	t.Run("one node", func(t *testing.T) { usesOfOneChallenge(t, newHouse(t)) })
	t.Run("two nodes over PostgreSQL and Redis", func(t *testing.T) {
		nodes := nodesOnServers(t)
		usesOfOneChallenge(t, nodes[:]...)
	})
}

func usesOfOneChallenge(t *testing.T, nodes ...*house) {
	h := nodes[0]
	c := h.centre()
	anna := c.anna()
	h.person("+79125000009", withAnnas(anna, c.fingerprint(anna)))
	b := h.browser().open("/login").fill("esign").on("esign")
	signature := cmstest.Sign(t, cmstest.Signature{Signer: anna, Content: b.challenge(), At: h.clock.Now()})
	requests := make([]*http.Request, 50)
	for i := range requests {
		requests[i] = b.form(signature)
	}
	var gathered sync.WaitGroup // all of them find the signature right before any goes on
	gathered.Add(len(requests))
	verify := h.verify
	for _, node := range nodes {
		node.verify = func(message, content []byte, at time.Time) (*cms.Signer, error) {
			signer, err := verify(message, content, at)
			gathered.Done()
			gathered.Wait()
			return signer, err
		}
	}
	var wait sync.WaitGroup
	status := make([]int, len(requests))
	cookies := make([]bool, len(requests))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for i, r := range requests {
		for _, cookie := range b.http.Jar.Cookies(r.URL) {
			r.AddCookie(cookie)
		}
		to, err := url.Parse(nodes[i%len(nodes)].url)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Host, r.Host = to.Host, ""
		wait.Go(func() {
			response, err := client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = response.Body.Close() }()
			status[i] = response.StatusCode
			cookies[i] = slices.ContainsFunc(response.Cookies(), func(c *http.Cookie) bool { return strings.HasSuffix(c.Name, "vhod-session") && c.Value != "" })
		})
	}
	wait.Wait()
	won := 0
	for i := range cookies {
		if cookies[i] {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of %d uses won: %v", won, len(requests), status)
	}
	sessions, err := h.accounts.Sessions(t.Context(), h.find("+79125000009").ID)
	if err != nil || len(sessions) != 1 {
		t.Errorf("%d sessions, %v", len(sessions), err)
	}
}

func TestRefusedSignatureIsToldToThePersonAndKeptInTheJournal(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	a := h.person("+79125000010", withAnnas(anna, c.fingerprint(anna)))
	c.publish(anna)
	b := h.browser().open("/login").fill("esign").sign(anna, h.clock.Now()).on("esign")
	b.says(t, "отозван")
	if b.cookie("vhod-session") != "" {
		t.Error("a revoked certificate signed in")
	}
	h.accounts.Close() // what is noted later is noted now
	events, err := h.accounts.Journal(t.Context(), a.ID, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if e := events[0]; e.Kind != account.SignatureRefused || e.Details["reason"] != string(cms.Revoked) || !strings.Contains(e.Details["detail"], "Учебный УЦ") {
		t.Errorf("the journal says %s %v", e.Kind, e.Details)
	}
}

func TestServiceThatAsksForAPhishingResistantSignInGetsASignature(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	h.person("+79125000011", withAnnas(anna, c.fingerprint(anna)))
	boris := c.boris()
	h.person("+79125000012", withAnnas(boris, c.fingerprint(boris)))
	phr := op.ACR{Level: account.Simplified, Strength: account.PhishingResistant}
	b := h.signIn("+79125000011").open(h.request(func(r *op.AuthRequest) { r.ACR, r.EssentialACR = []op.ACR{phr}, true })).on("esign")
	b.sign(boris, h.clock.Now()).on("esign").says(t, "другого человека")
	b.open(b.at.Path+"?attempt="+b.attempt()).sign(anna, h.clock.Now()).on("consent").fill("allow").answered()
	if auth := h.provider.approvals()[0]; auth.Strength != account.PhishingResistant {
		t.Errorf("the door vouched for %+v", auth)
	}
}

func TestSignatureFormTakesWhatToolsMakeAndRefusesWhatIsTooMuch(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	h.person("+79125000013", withAnnas(anna, c.fingerprint(anna)))
	b := h.browser().open("/login").fill("esign").on("esign")
	b.upload(nil).on("esign").says(t, "Выберите файл")
	b.upload([]byte("hello")).on("esign").says(t, "не файл подписи")
	b.upload(make([]byte, cms.MaxMessage+1)).on("esign").says(t, "слишком большой")
	if b.upload(make([]byte, 1<<20)).on("error"); b.status != http.StatusBadRequest {
		t.Errorf("a megabyte is answered %d", b.status)
	}
	b.open("/login").fill("esign").on("esign")
	attached := cmstest.Signature{Signer: anna, Content: b.challenge(), Attached: b.challenge(), At: h.clock.Now()}
	b.upload(cmstest.Sign(t, attached)).on("me")
}
