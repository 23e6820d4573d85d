package op

import (
	"bytes"
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

// Detail is one thing that the person signs by a simple electronic signature: their password or passkey and a second
// factor, given for this. It travels in the token as it was shown.
type Detail struct {
	Type     string `json:"type"`
	Title    string `json:"title,omitempty"`     // of a document
	Digest   string `json:"digest,omitempty"`    // of a document: SHA-256, base64url without padding
	Text     string `json:"text,omitempty"`      // of an act
	SignedAt int64  `json:"signed_at,omitempty"` // seconds since 1970; ours alone, absent in a request
}

// detailTypes are the types that there are.
var detailTypes = []string{DetailDocument, DetailAct}

// checkDetails reads authorization_details (RFC 9396 §5): everything in it is understood, or the request is refused.
func checkDetails(client *Client, req *AuthRequest, form url.Values) error {
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
	req.Details = details
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
	if d.SignedAt != 0 {
		return errors.New("signed_at is ours to say")
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

// signable reports whether who signs is known well enough: a second factor, proven for this very request, and a name that was
// checked.
func signable(req *AuthRequest, auth Authentication) bool {
	return len(req.Details) == 0 ||
		auth.Strength >= account.TwoFactor && auth.Level >= account.Standard && !auth.Time.Before(req.CreatedAt)
}

// signed returns the details as they go into the tokens.
func (p *Provider) signed(details []Detail) []Detail {
	out := slices.Clone(details)
	for i := range out {
		out[i].SignedAt = p.now().Unix()
	}
	return out
}

// acts are the details as the journal keeps them.
func acts(details []Detail) []account.Act {
	out := make([]account.Act, 0, len(details))
	for _, d := range details {
		out = append(out, account.Act{Type: d.Type, Words: d.Title + d.Text, Digest: d.Digest})
	}
	return out
}
