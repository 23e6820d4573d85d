package op

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vhod-id/vhod/account"
)

// The types of authorization_details (RFC 9396 §2).
const (
	// DetailDocument is a document that the person signs: the service shows it, we show its title and the digest that
	// the signature is over.
	DetailDocument = "sign_document"
	// DetailAct is an act that the person states in these very words: we show them and sign them.
	DetailAct = "confirm_act"
)

// Limits of authorization_details: what a person reads on one page, and what a token still carries.
const (
	mostDetails = 5
	mostTitle   = 200
	mostText    = 1000
	maxDetails  = 4 << 10 // bytes of the parameter
)

// Detail is one thing that the person signs. It travels in the token as it was shown.
type Detail struct {
	Type      string `json:"type"`
	Title     string `json:"title,omitempty"`     // of a document
	Digest    string `json:"digest,omitempty"`    // of a document: SHA-256, base64url without padding
	Text      string `json:"text,omitempty"`      // of an act
	Signature string `json:"signature,omitempty"` // SignedSimply or SignedQualified; absent in a request that leaves it to the person
	// What follows is ours alone, and absent in a request.
	SignedAt  int64  `json:"signed_at,omitempty"`  // seconds since 1970
	CMSDigest string `json:"cms_digest,omitempty"` // of a qualified signature: SHA-256 of the message, base64url without padding
	CMS       string `json:"cms,omitempty"`        // the message, DER in base64; in the first token response alone, being kilobytes
}

// How a person signs: by their password or passkey and a second factor, given for this, or by their qualified certificate.
const (
	SignedSimply    = "simple"
	SignedQualified = "qualified"
)

// Signed is a qualified signature, which the front door has verified: a CMS message in DER whose content, in it, names the client and
// every detail, and the serial number of the certificate.
type Signed struct {
	CMS         []byte
	Certificate string
}

// Signature is how the request wants its details signed; empty when the person may choose, or there are none.
func (r *AuthRequest) Signature() string {
	if len(r.Details) == 0 {
		return ""
	}
	return r.Details[0].Signature
}

// detailTypes are the types that there are.
var detailTypes = []string{DetailDocument, DetailAct}

// checkDetails reads authorization_details (RFC 9396 §5): everything in it is understood, or the request is refused.
func (p *Provider) checkDetails(client *Client, req *AuthRequest, form url.Values) error {
	raw := form.Get("authorization_details")
	if raw == "" {
		return nil
	}
	details, err := parseDetails(raw)
	if err != nil {
		return refuse("invalid_authorization_details", "details.form", "authorization_details: "+err.Error())
	}
	for _, d := range details {
		if !slices.Contains(client.DetailTypes, d.Type) {
			return refuse("invalid_authorization_details", "details.not_granted", "the type "+printable(d.Type)+" is not one that this client may ask for")
		}
		if err := d.check(); err != nil {
			return refuse("invalid_authorization_details", "details.field", d.Type+": "+err.Error())
		}
	}
	if err := p.checkSignature(client, details); err != nil {
		return err
	}
	req.Details = details
	return nil
}

// checkSignature holds that a request is signed in one way, and by a certificate only where one is taken and may be shown: it names the
// person's SNILS and INN. What is left open then is a simple signature.
func (p *Provider) checkSignature(client *Client, details []Detail) error {
	certificates := p.cfg.Certificates && !client.Pseudonymous
	for i := range details {
		if details[i].Signature != details[0].Signature {
			return refuse("invalid_authorization_details", "details.mixed", "signature differs: a person signs all of a request in one way")
		}
	}
	switch {
	case certificates:
	case details[0].Signature == SignedQualified:
		return refuse("invalid_authorization_details", "details.certificate", "signature qualified is not offered to this client, or not here at all")
	default:
		for i := range details {
			details[i].Signature = SignedSimply
		}
	}
	return nil
}

func parseDetails(raw string) ([]Detail, error) {
	if len(raw) > maxDetails || !utf8.ValidString(raw) {
		return nil, fmt.Errorf("at most %d bytes of UTF-8", maxDetails)
	}
	in := json.NewDecoder(bytes.NewReader([]byte(raw)))
	in.DisallowUnknownFields()
	var details []Detail
	if err := in.Decode(&details); err != nil {
		return nil, errors.New("not a JSON array of objects with the fields of their type")
	}
	if _, err := in.Token(); err != io.EOF {
		return nil, errors.New("something stands behind the JSON array")
	}
	if len(details) == 0 || len(details) > mostDetails {
		return nil, fmt.Errorf("from one to %d objects", mostDetails)
	}
	return details, nil
}

// check holds a detail to its type: all its fields, and no others.
func (d Detail) check() error {
	if d.SignedAt != 0 || d.CMS != "" || d.CMSDigest != "" {
		return errors.New("signed_at, cms and cms_digest are ours to say")
	}
	if d.Signature != "" && d.Signature != SignedSimply && d.Signature != SignedQualified {
		return errors.New("signature is " + SignedSimply + " or " + SignedQualified)
	}
	switch d.Type {
	case DetailDocument:
		sum, err := base64.RawURLEncoding.Strict().DecodeString(d.Digest)
		switch {
		case d.Text != "":
			return errors.New("text belongs to " + DetailAct)
		case !readable(d.Title, mostTitle, false):
			return fmt.Errorf("title is one line of 1 to %d characters that can be seen", mostTitle)
		case err != nil || len(sum) != 32:
			return errors.New("digest is a SHA-256 in base64url without padding, 43 characters")
		}
	case DetailAct:
		switch {
		case d.Title != "" || d.Digest != "":
			return errors.New("title and digest belong to " + DetailDocument)
		case !readable(d.Text, mostText, true):
			return fmt.Errorf("text is 1 to %d characters that can be seen", mostText)
		}
	default:
		return errors.New("there is no such type")
	}
	return nil
}

// readable reports whether a person sees all of a text as it is signed: nothing that hides, turns or reorders what stands
// beside it, and something else than space.
func readable(s string, most int, lines bool) bool {
	if n := utf8.RuneCountInString(s); n == 0 || n > most || strings.TrimSpace(s) == "" {
		return false
	}
	for _, c := range s {
		if c == '\n' && lines {
			continue
		}
		if c == utf8.RuneError || !unicode.IsPrint(c) && !unicode.Is(unicode.Zs, c) {
			return false
		}
	}
	return true
}

// signable reports whether who signs is known well enough: a name that was checked, and a second factor proven for this very request, or
// a certificate's signature over it.
func signable(req *AuthRequest, auth Authentication) bool {
	switch {
	case len(req.Details) == 0:
		return true
	case auth.Level < account.Standard:
		return false
	case auth.Signed != nil:
		return req.Signature() != SignedSimply
	}
	return req.Signature() != SignedQualified && auth.Strength >= account.TwoFactor && !auth.Time.Before(req.CreatedAt)
}

// signed returns the details as they go into the tokens.
func (p *Provider) signed(details []Detail, by *Signed) []Detail {
	out := slices.Clone(details)
	for i := range out {
		out[i].Signature, out[i].SignedAt, out[i].CMSDigest = SignedSimply, p.now().Unix(), by.digest()
		if by != nil {
			out[i].Signature = SignedQualified
		}
	}
	return out
}

func (s *Signed) digest() string {
	if s == nil {
		return ""
	}
	sum := sha256.Sum256(s.CMS)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// attach returns the details with the message in each, for the answer in which a service gets it.
func (s *Signed) attach(details []Detail) []Detail {
	if s == nil {
		return details
	}
	out := slices.Clone(details)
	for i := range out {
		out[i].CMS = base64.StdEncoding.EncodeToString(s.CMS)
	}
	return out
}

// acts are the details as the journal keeps them.
func acts(details []Detail, by *Signed) []account.Act {
	out := make([]account.Act, 0, len(details))
	for _, d := range details {
		act := account.Act{Type: d.Type, Words: d.Title + d.Text, Digest: d.Digest}
		if by != nil {
			act.Certificate, act.CMS = by.Certificate, by.digest()
		}
		out = append(out, act)
	}
	return out
}
