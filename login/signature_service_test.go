package login_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys/cms"
	"github.com/vhod-id/vhod/keys/cms/cmstest"
	"github.com/vhod-id/vhod/op"
)

// certified asks for two signatures by a certificate.
func certified(req *op.AuthRequest) {
	signing(req)
	for i := range req.Details {
		req.Details[i].Signature = op.SignedQualified
	}
}

// notary is a person of the standard level with a certificate, signed in by their password alone.
func (h *house) notary(phone string) (b *browser, c *centre, anna *cmstest.Authority, person *account.Account) {
	h.t.Helper()
	c = h.centre()
	anna = c.anna()
	person = h.person(phone, standardAnna(h.t), withAnnas(anna, c.fingerprint(anna)))
	return h.signIn(phone), c, anna, person
}

func TestAPersonSignsForAServiceByTheirCertificate(t *testing.T) {
	h := newHouse(t)
	b, _, anna, person := h.notary("+79125000021")
	h.clock.Advance(10 * time.Minute)
	b.open(h.request(certified)).on("consent")
	for _, want := range []string{"Договор № 7", "Согласен &lt;b&gt;со всем&lt;/b&gt;", "имя, СНИЛС и ИНН", ">Подписать сертификатом<"} {
		if !strings.Contains(b.text, want) {
			t.Errorf("the page does not say %q:\n%s", want, b.text)
		}
	}
	if strings.Contains(b.text, "узнает только, что это вы") {
		t.Error("the page says that the service learns nothing of them")
	}
	b.fill("allow").on("sign")
	if !strings.Contains(b.text, "Договор № 7") || !strings.Contains(b.text, "Согласен &lt;b&gt;со всем&lt;/b&gt;") {
		t.Errorf("the page does not show what is signed:\n%s", b.text)
	}
	text := b.challenge()
	b.sign(anna, h.clock.Now()).answered()
	auth := h.provider.approvals()
	if len(auth) != 1 || auth[0].AccountID != person.ID || auth[0].Signed == nil || auth[0].Signed.Certificate == "" {
		t.Fatalf("%+v", auth)
	}
	if auth[0].Strength != account.OneFactor {
		t.Errorf("a signature over a document signed the person in: %v", auth[0].AMR)
	}
	signer, err := h.verify(auth[0].Signed.CMS, text, h.clock.Now())
	if err != nil || signer.Subject.SNILS != "11223344595" || !bytes.Contains(auth[0].Signed.CMS, text) {
		t.Errorf("what the service gets: %v", err)
	}
}

// said is what the content of a signature says to who verifies it.
type said struct {
	Text, Issuer, Purpose, Service, Audience, Nonce string
	Details                                         []op.Detail
	IssuedAt                                        time.Time `json:"issued_at"`
	ExpiresAt                                       time.Time `json:"expires_at"`
}

func TestE01WhatIsSignedForAServiceNamesItAllAndIsGoodOnceForItAlone(t *testing.T) {
	h := newHouse(t)
	b, _, anna, _ := h.notary("+79125000022")
	now := h.clock.Now()
	one := h.request(certified)
	b.open(one).fill("allow").on("sign")
	text := b.challenge()
	var got said
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := said{Text: got.Text, Issuer: h.url, Purpose: "sign", Service: "Лавка", Audience: "shop", Nonce: got.Nonce, IssuedAt: now, ExpiresAt: now.Add(5 * time.Minute)}
	request := &op.AuthRequest{}
	certified(request)
	want.Details = request.Details
	if d := cmp.Diff(want, got); d != "" || len(got.Nonce) < 43 || !strings.Contains(got.Text, "«Лавка»") || bytes.ContainsAny(text, "\r\n") {
		t.Errorf("%s\n%s", text, d)
	}
	by := func(text []byte) []byte {
		return cmstest.Sign(t, cmstest.Signature{Signer: anna, Content: text, At: now})
	}
	signature := by(text)

	// Neither another request, nor another digest, nor another purpose, nor another browser takes it.
	other := h.home("+79125000022").open(h.request(certified)).fill("continue", "identifier", "+79125000022").fill("continue", "password", password)
	other.on("consent").fill("allow").on("sign").upload(signature).on("sign").says(t, "Подписан другой файл")
	forged := bytes.Replace(text, []byte("n4bQgYhMfWWaL"), []byte("n4bQgYhMfWWaM"), 1)
	b.upload(by(forged)).on("sign").says(t, "Подписан другой файл")
	door := h.browser().open("/login").fill("esign").on("esign")
	door.upload(signature).on("esign").says(t, "Подписан другой файл")
	b.upload(by(door.challenge())).on("sign").says(t, "Подписан другой файл") // and a signature to sign in signs nothing
	stolen := h.browser().open("/login")
	stolen.at = b.at
	if stolen.upload(signature).on("error"); stolen.status != http.StatusGone {
		t.Errorf("another browser's attempt is answered %d", stolen.status)
	}

	if len(h.provider.approvals()) != 0 {
		t.Fatalf("signed before the right signature came: %+v", h.provider.approvals())
	}
	b.upload(signature).answered()
	b.open(h.request(certified)).fill("allow").on("sign").upload(signature).on("sign").says(t, "Подписан другой файл") // replay
	text = b.challenge()
	h.clock.Advance(5 * time.Minute)
	b.upload(cmstest.Sign(t, cmstest.Signature{Signer: anna, Content: text, At: h.clock.Now()})).on("sign").says(t, "Время вышло")
	if n := len(h.provider.approvals()); n != 1 {
		t.Errorf("%d signatures were taken", n)
	}
}

func TestOnlyTheirOwnLinkedCertificateSignsForAPerson(t *testing.T) {
	h := newHouse(t)
	b, c, anna, person := h.notary("+79125000023")
	boris := c.boris()
	h.person("+79125000024", withAnnas(boris, c.fingerprint(boris)))
	b.open(h.request(certified)).fill("allow").on("sign")
	b.sign(boris, h.clock.Now()).on("sign").says(t, "другого человека")
	b.sign(c.anna(), h.clock.Now()).on("sign").says(t, "не добавлен") // of the same person, and of no account
	c.publish(anna)
	b.sign(anna, h.clock.Now()).on("sign").says(t, "отозван")
	if len(h.provider.approvals()) != 0 {
		t.Error("signed")
	}
	h.accounts.Close() // what is noted later is noted now
	events, err := h.accounts.Journal(t.Context(), person.ID, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, why := range []string{string(cms.Revoked), "not-theirs", "not-theirs"} {
		if e := events[i]; e.Kind != account.SignatureRefused || e.Details["reason"] != why {
			t.Errorf("the journal says %s %v, want %s", e.Kind, e.Details, why)
		}
	}
}

func TestWhoHasNoCertificateIsToldThatTheServiceWantsOne(t *testing.T) {
	h := newHouse(t)
	h.centre()
	h.person("+79125000025") // of a level that would have to be raised for nothing
	b := h.signIn("+79125000025").open(h.request(certified)).on("no-certificate")
	if !strings.Contains(b.text, `href="/me/security/esign"`) {
		t.Errorf("the page says nothing of how to get one:\n%s", b.text)
	}
	if b.post("/login/sign", url.Values{"attempt": {b.attempt()}}).on("no-certificate"); len(h.provider.approvals()) != 0 {
		t.Error("signed")
	}
	b.open("/login/cancel?attempt=" + b.attempt())
	if b.answered().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("%v", b.answered())
	}
}

func TestAPersonMayChooseTheirCertificate(t *testing.T) {
	h := newHouse(t)
	c := h.centre()
	anna := c.anna()
	h.person("+79125000026", standardAnna(t), withTOTP, withAnnas(anna, c.fingerprint(anna)))
	consent := func(change func(*op.AuthRequest)) *browser {
		b := h.home("+79125000026").open(h.request(change)).on("identify").fill("continue", "identifier", "+79125000026")
		b.fill("continue", "password", password).on("totp").fill("continue", "code", h.code(secret)).on("consent")
		h.clock.Advance(time.Minute)
		return b
	}
	consent(signing).fill("allow").answered()
	consent(signing).fill("certify").on("sign").sign(anna, h.clock.Now()).answered()
	b := consent(func(r *op.AuthRequest) {
		certified(r)
		for i := range r.Details {
			r.Details[i].Signature = op.SignedSimply
		}
	})
	if strings.Contains(b.text, `data-action="certify"`) {
		t.Error("a certificate is offered where the service wants none")
	}
	b.post("/login/consent", url.Values{"attempt": {b.attempt()}, "answer": {"certify"}}).answered()
	for i, certified := range []bool{false, true, false} {
		if got := h.provider.approvals()[i]; (got.Signed != nil) != certified {
			t.Errorf("answer %d: %+v", i, got)
		}
	}
}

func TestASignatureTooLargeToBeHandedOnIsRefused(t *testing.T) {
	h := newHouse(t)
	b, _, anna, _ := h.notary("+79125000027")
	b.open(h.request(certified)).fill("allow").on("sign")
	chain := make([]*cmstest.Authority, 15)
	for i := range chain {
		chain[i] = cmstest.Root(t, strings.Repeat("x", 3000), h.clock.Now())
	}
	b.upload(cmstest.Sign(t, cmstest.Signature{Signer: anna, Content: b.challenge(), At: h.clock.Now(), Chain: chain})).on("sign").says(t, "слишком большой")
}
