package op

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// clientAuth finds out which client a back-channel request comes from (OpenID Connect Core §9).
type clientAuth struct {
	issuer   string
	find     func(ctx context.Context, id string) (*Client, error) // account.ErrNotFound
	ephemera Ephemera
	mtls     MTLS
	now      func() time.Time
	keys     *keySets
	proofs   *dpopVerifier
}

// credentials are what a request brought to say who it is.
type credentials struct {
	method    string // AuthNone, AuthBasic, …
	id        string
	secret    string
	assertion string
}

// authenticateClient finds out which client a back-channel request comes from.
func (p *Provider) authenticateClient(r *http.Request, form url.Values) (*Client, error) {
	return p.auth.authenticate(r, form)
}

// authenticate returns the client of the request. It takes exactly one method, the one that the client registered;
// all failures are invalid_client with status 401 (RFC 6749 §5.2).
func (a *clientAuth) authenticate(r *http.Request, form url.Values) (*Client, error) {
	given, err := readCredentials(r, form)
	var client *Client
	if err == nil {
		client, err = a.prove(r, given)
	}
	var wire *wireError
	if errors.As(err, &wire) && wire.code == "invalid_client" {
		wire.status = http.StatusUnauthorized
		if given.method == AuthBasic {
			wire.challenge = fmt.Sprintf("Basic realm=%q", a.issuer)
		}
	}
	return client, err
}

// readCredentials finds the one method of a request. Two at once are refused: which of them counts would be a guess.
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	var found []credentials
	if header := r.Header.Get("Authorization"); header != "" {
		id, secret, ok := basicCredentials(header)
		if !ok {
			return credentials{method: AuthBasic}, diagnosed("invalid_client", "client.basic",
				"the Authorization header is not Basic with a form-encoded id and secret (RFC 6749 §2.3.1)")
		}
		found = append(found, credentials{method: AuthBasic, id: id, secret: secret})
	}
	if form.Has("client_secret") {
		found = append(found, credentials{method: AuthPost, id: form.Get("client_id"), secret: form.Get("client_secret")})
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		if form.Get("client_assertion_type") != assertionType {
			return credentials{}, diagnosed("invalid_request", "assertion.type", "client_assertion_type must be %s", assertionType)
		}
		found = append(found, credentials{method: AuthPrivateKey, id: form.Get("client_id"), assertion: form.Get("client_assertion")})
	}
	switch {
	case len(found) > 1:
		return credentials{}, diagnosed("invalid_request", "client.two_methods", "the client authenticated by two methods at once (RFC 6749 §2.3)")
	case len(found) == 0 && form.Get("client_id") == "":
		return credentials{}, diagnosed("invalid_client", "client.missing", "the request does not say which client it comes from")
	case len(found) == 0:
		return credentials{method: AuthNone, id: form.Get("client_id")}, nil
	}
	if named := form.Get("client_id"); named != "" && found[0].method == AuthBasic && named != found[0].id {
		return credentials{}, diagnosed("invalid_request", "client.two_ids", "client_id in the form is not the one in the Authorization header")
	}
	return found[0], nil
}

// basicCredentials reads RFC 7617 with the form-encoding of RFC 6749 §2.3.1.
func basicCredentials(header string) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", "", false
	}
	rawID, rawSecret, ok := strings.Cut(string(plain), ":")
	if !ok {
		return "", "", false
	}
	id, err = url.QueryUnescape(rawID)
	if err != nil {
		return "", "", false
	}
	secret, err = url.QueryUnescape(rawSecret)
	return id, secret, err == nil && id != ""
}

func (a *clientAuth) prove(r *http.Request, given credentials) (*Client, error) {
	if given.method == AuthPrivateKey {
		return a.proveByAssertion(r, given)
	}
	client, err := a.find(r.Context(), given.id)
	if errors.Is(err, account.ErrNotFound) {
		if given.method == AuthNone {
			return nil, diagnosed("invalid_client", "client.unknown", "no client has this client_id here")
		}
		_ = secretFits(nil, given.secret, a.now())
		return nil, wrongSecret()
	}
	if err != nil {
		return nil, fmt.Errorf("finding client: %w", err)
	}
	if given.method == AuthNone && client.byCertificate() != "" {
		return a.proveByCertificate(r, client)
	}
	if !slices.Contains(client.Auth, given.method) {
		return nil, diagnosed("invalid_client", "client.method", "this client is registered for %s, not for %s", strings.Join(client.Auth, " or "), given.method)
	}
	if given.method != AuthNone && !secretFits(client.Secrets, given.secret, a.now()) {
		return nil, wrongSecret()
	}
	return client, nil
}

// wrongSecret says the same of an unknown client as of a wrong secret.
func wrongSecret() *wireError {
	return diagnosed("invalid_client", "client.secret", "the client is unknown or its secret is wrong or has expired")
}

// secretFits compares by hash and in constant time. Secrets have 256 bits of their own, so the hash need not be slow.
func secretFits(known []ClientSecret, given string, now time.Time) bool {
	hash, fits := []byte(keys.Hash(given)), 0
	for _, s := range known {
		same := subtle.ConstantTimeCompare(hash, []byte(s.Hash))
		if s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt) {
			fits |= same
		}
	}
	return fits == 1
}
