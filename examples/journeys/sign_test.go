package journeys_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const signedAct = "Прошу перечислить пособие на мой счёт.\nС условиями согласна."

// signatory is a service that has people sign things (RFC 9396).
type signatory struct {
	t        *testing.T
	config   oauth2.Config
	verifier string
	codes    chan string
}

func newSignatory(t *testing.T, s *stand) *signatory {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), s.url(0, ""))
	if err != nil {
		t.Fatal(err)
	}
	n := &signatory{t: t, verifier: oauth2.GenerateVerifier(), codes: make(chan string, 1), config: oauth2.Config{
		ClientID: demoID, ClientSecret: demoSecret, Endpoint: provider.Endpoint(), RedirectURL: s.url(10, "/callback"), Scopes: []string{oidc.ScopeOpenID},
	}}
	listen(t, s.base+10, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><title>done</title><main data-page="callback">done</main>`))
		if r.URL.Path == "/callback" {
			n.codes <- r.URL.Query().Get("code")
		}
	}))
	return n
}

// asks is the address that leads to signing the details.
func (n *signatory) asks(details ...map[string]string) string {
	n.t.Helper()
	text, err := json.Marshal(details)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.config.AuthCodeURL("a-state", oauth2.S256ChallengeOption(n.verifier), oauth2.SetAuthURLParam("authorization_details", string(text)))
}

// gets is what it is told that the person signed.
func (n *signatory) gets() (details []map[string]any, token *oauth2.Token) {
	n.t.Helper()
	token, err := n.config.Exchange(n.t.Context(), <-n.codes, oauth2.VerifierOption(n.verifier))
	if err != nil {
		n.t.Fatal(err)
	}
	signed, _ := token.Extra("authorization_details").([]any)
	for _, d := range signed {
		detail, _ := d.(map[string]any)
		details = append(details, detail)
	}
	return details, token
}

func TestPersonSignsAnActForAService(t *testing.T) {
	s := startStand(t)
	n := newSignatory(t, s)
	c := signInAs(t, s, s.registered("totp"), n.asks(map[string]string{"type": "confirm_act", "text": signedAct}), "consent")
	c.says("Прошу перечислить пособие на мой счёт.", "С условиями согласна.")
	c.photograph("consent-signs")
	c.press("allow")
	c.walk("callback")
	signed, _ := n.gets()
	if len(signed) != 1 {
		t.Fatalf("signed: %v", signed)
	}
	if got := signed[0]; got["text"] != signedAct || got["type"] != "confirm_act" || got["signed_at"] == nil || got["signature"] != "simple" {
		t.Errorf("signed: %v", got)
	}
	c.open(s.url(0, "/me/history"))
	c.says("Прошу перечислить пособие на мой счёт.")
	c.secrets = map[string]string{"what was signed": "Прошу перечислить пособие"}
}

// documentOf is a contract as a service asks a certificate's signature for it.
func documentOf(text string) map[string]string {
	sum := sha256.Sum256([]byte(text))
	return map[string]string{
		"type": "sign_document", "title": "Договор купли-продажи квартиры", "digest": base64.RawURLEncoding.EncodeToString(sum[:]), "signature": "qualified",
	}
}

func TestPersonSignsADocumentByTheirCertificateAndTheServiceVerifiesIt(t *testing.T) {
	s := startStand(t)
	p := s.registered("totp")
	by := newSigner(t, s, p, 0) // GOST, 256 bits
	n := newSignatory(t, s)
	document := documentOf("Продавец продаёт, а покупатель покупает квартиру.")

	c := signInAs(t, s, p, n.asks(document), "no-certificate")
	c.photograph("no-certificate")
	c.press("add-certificate")
	c.walk("me-esign")
	c.sign(by)
	c.walk("me-security")

	c.open(n.asks(document))
	c.walk("consent")
	c.says("Договор купли-продажи квартиры", document["digest"])
	c.photograph("consent-certified")
	c.press("allow")
	c.walk("sign")
	c.photograph("sign")
	c.sign(by)
	c.walk("callback")
	signed, token := n.gets()
	if len(signed) != 1 || signed[0]["signature"] != "qualified" || signed[0]["digest"] != document["digest"] {
		t.Fatalf("signed: %v", signed)
	}
	verifySignature(t, s, by, document, signed[0])
	if len(token.AccessToken) > 2<<10 {
		t.Errorf("the access token has %d bytes", len(token.AccessToken))
	}
	c.open(s.url(0, "/me/history"))
	c.says("Договор купли-продажи квартиры", by.serial)
}

// verifySignature does what the service does: openssl verifies the message by the authority that the service trusts, and the content
// names the service, the document and the purpose.
func verifySignature(t *testing.T, s *stand, by *signer, document map[string]string, signed map[string]any) {
	t.Helper()
	text, _ := signed["cms"].(string)
	message, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(message) == 0 {
		t.Fatalf("no signature in %v: %v", signed, err)
	}
	if sum := sha256.Sum256(message); signed["cms_digest"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
		t.Errorf("cms_digest is %v", signed["cms_digest"])
	}
	if err := os.WriteFile(by.file("got.p7s"), message, 0o600); err != nil {
		t.Fatal(err)
	}
	by.openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", by.file("got.p7s"), "-purpose", "any",
		"-CAfile", filepath.Join(s.dir, "authority", "root.pem"), "-signer", by.file("who.pem"), "-out", by.file("content.json"))
	content, err := os.ReadFile(by.file("content.json"))
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Issuer, Purpose, Audience string
		Details                   []map[string]string
	}
	if err := json.Unmarshal(content, &said); err != nil {
		t.Fatal(err)
	}
	if said.Issuer != s.url(0, "") || said.Purpose != "sign" || said.Audience != demoID || len(said.Details) != 1 || !maps.Equal(said.Details[0], document) {
		t.Errorf("what was signed: %s", content)
	}
	who, err := os.ReadFile(by.file("who.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if own, err := os.ReadFile(by.file("certificate.pem")); err != nil || !bytes.Equal(bytes.TrimSpace(who), bytes.TrimSpace(own)) {
		t.Errorf("signed by another certificate: %v", err)
	}
}
