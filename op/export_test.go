package op

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// ClientAuthenticator lets tests ask which client a request comes from, without an endpoint around it.
func ClientAuthenticator(issuer string, clients ClientStore, ephemera Ephemera, now func() time.Time) func(*http.Request, url.Values) (*Client, error) {
	return (&clientAuth{issuer: issuer, find: clients.Client, ephemera: ephemera, now: now,
		keys: &keySets{fetch: newFetcher(Outbound{}), now: now, log: slog.New(slog.DiscardHandler)}}).authenticate
}

// WireError returns what a relying party sees of an error.
func WireError(err error) (status int, code, description, challenge string) {
	var wire *wireError
	if !errors.As(err, &wire) {
		return 0, "", "", ""
	}
	return wire.status, wire.code, wire.description, wire.challenge
}

// ProofVerifier lets tests check proofs of possession without an endpoint around them.
type ProofVerifier struct{ d dpopVerifier }

// NewProofVerifier makes one.
func NewProofVerifier(issuer string, ephemera Ephemera, sealer *keys.Sealer, now func() time.Time) *ProofVerifier {
	return &ProofVerifier{dpopVerifier{issuer: issuer, ephemera: ephemera, sealer: sealer, now: now}}
}

// Verify is dpopVerifier.verify.
func (v *ProofVerifier) Verify(w http.ResponseWriter, r *http.Request, token string, needNonce bool) (string, error) {
	return v.d.verify(w, r, dpopUse{token, needNonce})
}

// Guard is dpopVerifier.guard.
func (v *ProofVerifier) Guard(w http.ResponseWriter, r *http.Request, scheme, token, boundTo string) error {
	return v.d.guard(w, r, scheme, token, boundTo)
}

// ParseDetails is parseDetails with the check of each.
func ParseDetails(raw string) ([]Detail, error) {
	details, err := parseDetails(raw)
	for _, d := range details {
		err = errors.Join(err, d.check())
	}
	return details, err
}

// Fetcher is the way out to addresses that others named.
type Fetcher struct{ f *fetcher }

func NewFetcher(cfg Outbound) Fetcher { return Fetcher{newFetcher(cfg)} }

func (f Fetcher) Get(ctx context.Context, raw string) ([]byte, error) {
	return f.f.get(ctx, raw, "application/json")
}

var PublicAddress = publicAddress

// EventOf is eventOf.
func EventOf(s account.Signal) (string, map[string]any) { return eventOf(s) }

// CanonicalDN is canonicalDN.
func CanonicalDN(dn string) string { return canonicalDN(dn) }

// Subject is subject.
func (p *Provider) Subject(c *Client, id account.ID) string { return p.subject(c, id) }

// DropStale is dropStale.
func (p *Provider) DropStale(ctx context.Context) error { return p.dropStale(ctx) }

// ParseClaims is parseClaims.
func ParseClaims(client *Client, raw string) (*ClaimsRequest, error) { return parseClaims(client, raw) }

// VerifiedClaims is verifiedClaims.
func VerifiedClaims(a *account.Account, asked []VerifiedRequest, now time.Time) any {
	return verifiedClaims(a, asked, now)
}

// SignedRequest is Provider.signedRequest.
func SignedRequest(p *Provider, client *Client, form url.Values) (url.Values, error) {
	return p.signedRequest(context.Background(), client, form)
}
