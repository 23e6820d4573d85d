package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/keys/cms"
	"github.com/vhod-id/vhod/op"
)

// How long a challenge lives (E01), how much of its life a page must leave to the person, and how many
// signatures from one network are looked at in a while: each costs some milliseconds.
const (
	challengeLife    = 5 * time.Minute
	challengeLeft    = 2 * time.Minute
	signatureTries   = 600
	signatureWindow  = 10 * time.Minute
	maxSignatureForm = cms.MaxMessage + 32<<10
)

// signPurpose is what a signature is for. It stands in the challenge, so that a signature for one purpose
// is none for another.
type signPurpose string

const (
	signToSignIn  signPurpose = "sign-in"
	signToSignUp  signPurpose = "sign-up"
	signToConfirm signPurpose = "confirm"
	signToLink    signPurpose = "link"
	signForOthers signPurpose = "sign" // documents and acts, for a service
)

// signing is one place where a signature is asked for. Owner is the attempt or the session that it is
// bound to: a challenge is good in the browser that asked for it and nowhere else.
type signing struct {
	purpose signPurpose
	owner   string
	service string // name of the service for which the person signs in, or signs something, or empty
	client  string // its client_id, when they sign something for it
	details []op.Detail
	person  account.ID // whose journal hears of a refusal; empty: the certificate's owner's, if known
}

func (s signing) key() string { return "login/esign/" + string(s.purpose) + "/" + s.owner }

// challenge is what a person signs: it says where, what for and when, in words that the signing tool can
// show. It is one line without an end of line, because some tools rewrite line ends before they sign.
type challenge struct {
	Text      string      `json:"text"` // in the person's language
	Issuer    string      `json:"issuer"`
	Purpose   signPurpose `json:"purpose"`
	Service   string      `json:"service,omitempty"`
	Audience  string      `json:"audience,omitempty"` // client_id of the service for which details are signed
	Details   []op.Detail `json:"details,omitempty"`  // as the service asked (RFC 9396)
	IssuedAt  time.Time   `json:"issued_at"`
	ExpiresAt time.Time   `json:"expires_at"`
	Nonce     string      `json:"nonce"` // 256 bits
}

// challenge returns the bytes to sign: those of before while they live long enough, so that a reload does
// not change them under the person's hands.
func (d *Door) challenge(r *http.Request, lang string, s signing) (text []byte, c challenge, err error) {
	now := d.cfg.Now().UTC().Truncate(time.Second)
	text, ok, err := d.cfg.Ephemera.Get(r.Context(), s.key())
	if err != nil {
		return nil, c, fmt.Errorf("reading a challenge: %w", err)
	}
	if ok && json.Unmarshal(text, &c) == nil && c.ExpiresAt.Sub(now) >= challengeLeft {
		return text, c, nil
	}
	c = challenge{
		Text:   d.cfg.Pages.Text(lang, "esign.challenge-"+string(s.purpose), map[string]any{"Issuer": d.cfg.Issuer, "Service": s.service}),
		Issuer: d.cfg.Issuer, Purpose: s.purpose, Service: s.service, Audience: s.client, Details: s.details, Nonce: keys.RandomHandle(),
		IssuedAt: now, ExpiresAt: now.Add(challengeLife),
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(c); err != nil {
		return nil, c, fmt.Errorf("writing a challenge: %w", err)
	}
	text = bytes.TrimSpace(out.Bytes())
	if err := d.cfg.Ephemera.Put(r.Context(), s.key(), text, challengeLife); err != nil {
		return nil, c, fmt.Errorf("keeping a challenge: %w", err)
	}
	return text, c, nil
}

// signed returns whose signature over the challenge was sent, and spends the challenge: of many that use
// it at one time one wins. FieldErrors of the field signature say what is wrong.
func (d *Door) signed(r *http.Request, s signing) (account.Signature, *cms.Signer, error) {
	none := account.Signature{}
	message, err := sentSignature(r)
	if err != nil {
		return none, nil, err
	}
	if err := d.countSignature(r.Context(), d.clientAddr(r)); err != nil {
		return none, nil, err
	}
	text, ok, err := d.cfg.Ephemera.Get(r.Context(), s.key())
	if err != nil {
		return none, nil, fmt.Errorf("reading a challenge: %w", err)
	}
	if !ok {
		return none, nil, signatureError("expired")
	}
	signer, err := d.cfg.VerifySignature(r.Context(), message, text, d.cfg.Now())
	var signature account.Signature
	if err == nil {
		signature, err = translateSigner(signer)
	}
	var refused cms.Refusal
	if errors.As(err, &refused) {
		return none, nil, d.refusedSignature(r, s, refused)
	}
	if err != nil {
		return none, nil, fmt.Errorf("verifying a signature: %w", err)
	}
	taken, ok, err := d.cfg.Ephemera.Take(r.Context(), s.key())
	if err != nil {
		return none, nil, fmt.Errorf("taking a challenge: %w", err)
	}
	if !ok || !bytes.Equal(taken, text) {
		return none, nil, signatureError("used")
	}
	return signature, signer, nil
}

// sentSignature is the file, or else the text, of the form.
func sentSignature(r *http.Request) ([]byte, error) {
	if file, _, err := r.FormFile("signature"); err == nil {
		defer func() { _ = file.Close() }()
		message, err := io.ReadAll(file)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBadForm, err)
		}
		if len(message) > 0 {
			return message, nil
		}
	}
	if text := r.PostFormValue("signature_text"); text != "" {
		return []byte(text), nil
	}
	return nil, signatureError("empty")
}

func signatureError(what string) error {
	return account.FieldErrors{{Field: "signature", Message: "error.esign." + what}}
}

// countSignature bounds how many signatures a network has verified.
func (d *Door) countSignature(ctx context.Context, from netip.Addr) error {
	bits := 32
	if from.Is6() {
		bits = 64 // the least that one customer has (G07)
	}
	network, _ := from.Prefix(bits)
	sum, err := d.cfg.Ephemera.Count(ctx, "login/esign/tries/"+network.String(), 1, signatureWindow)
	if err != nil {
		return fmt.Errorf("counting signatures: %w", err)
	}
	if sum > signatureTries {
		return account.ThrottledError{What: "signature", Until: d.cfg.Now().Add(signatureWindow)}
	}
	return nil
}

// refusedSignature tells the operator, and the journal of the person whom it concerns, why a signature was
// not believed; the person is told what they can do about it.
func (d *Door) refusedSignature(r *http.Request, s signing, refused cms.Refusal) error {
	d.cfg.Log.InfoContext(r.Context(), "signature refused", slog.String("purpose", string(s.purpose)),
		slog.String("reason", string(refused.Reason)), slog.String("detail", refused.Detail))
	switch {
	case s.person != "":
		d.cfg.Accounts.NoteSignatureRefused(s.person, string(refused.Reason), refused.Detail, d.origin(r))
	case refused.Certificate != "":
		d.cfg.Accounts.NoteRefusedCertificate(r.Context(), refused.Certificate, string(refused.Reason), refused.Detail, d.origin(r))
	}
	if refused.Reason == cms.Expired { // the page's own "expired" is about the challenge
		return signatureError("expired-certificate")
	}
	return signatureError(string(refused.Reason))
}

// translateSigner reads a certificate's subject as account knows people. A number or a name that no person
// has is a refusal: a Latin letter in a Cyrillic name is somebody else's name.
func translateSigner(signer *cms.Signer) (account.Signature, error) {
	wrong := func(what string) (account.Signature, error) {
		return account.Signature{}, cms.Refusal{Reason: cms.WrongSubject, Detail: what, Certificate: signer.Fingerprint}
	}
	s := signer.Subject
	person, err := account.SignerName(s.Surname, s.GivenName)
	if err != nil {
		return wrong("a part of the name that no passport has")
	}
	claims := account.Claimed{Person: person, Subject: signer.Fingerprint}
	if claims.SNILS, err = account.ParseSNILS(s.SNILS); err != nil {
		return wrong("the check digits of SNILS")
	}
	if s.INN != "" {
		if claims.INN, err = account.ParseINN(s.INN); err != nil {
			return wrong("the check digits of INN")
		}
	}
	return account.Signature{Claims: claims, Certificate: account.Certificate{
		Fingerprint: signer.Fingerprint, Serial: signer.Serial, Issuer: signer.Issuer,
		Algorithm: signer.Algorithm, NotAfter: signer.NotAfter,
	}}, nil
}

// signatureEvidence is what a signature proves of an identity.
func (d *Door) signatureEvidence(s account.Signature, signer *cms.Signer) account.Evidence {
	details := map[string]string{
		"algorithm": signer.Algorithm, "digest": signer.Digest, "fingerprint": signer.Fingerprint,
		"valid_until": signer.NotAfter.UTC().Format(time.RFC3339), "signed_at": signer.SignedAt.UTC().Format(time.RFC3339),
	}
	if ogrn := signer.Subject.OGRN; ogrn != "" {
		details["ogrn"] = ogrn
	}
	return account.Evidence{
		Method: account.ProvenBySignature, At: d.cfg.Now(), Verifier: signer.Issuer, Issuer: signer.Issuer,
		Record: signer.Serial, Document: "certificate", Details: details, Claims: s.Claims, Level: account.Verified,
	}
}
