// Package api is an API of somebody else, which opens to access tokens of the provider: the smallest honest resource server.
//
// It asks the provider of every token by introspection (RFC 7662), so that one that was revoked opens nothing, and takes a token that is bound to a key
// or to a certificate from its holder alone.
package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Scope is what a token needs here.
const Scope = "accounts"

// Config is what the API needs.
type Config struct {
	Origin           string // of the API, as callers name it, and the audience of its tokens
	Issuer           string
	ClientID, Secret string // by which it asks the provider
	HTTP             *http.Client
	Now              func() time.Time
}

// API is the resource server.
type API struct {
	cfg Config

	mu         sync.Mutex
	introspect string               // where tokens are asked of, once it is known
	seen       map[string]time.Time // proofs, until they are too old to come again
}

// New makes an API. It asks the provider where its endpoints are with the first token: the two start together.
func New(cfg Config) *API { return &API{cfg: cfg, seen: map[string]time.Time{}} }

// Handler serves the one resource, by any of the methods that a caller may try.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/accounts", a.accounts)
	return mux
}

func (a *API) accounts(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	token, err := a.authorize(r)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		w.Header().Set("WWW-Authenticate", refused.challenge())
		answer(w, refused.status, map[string]string{"error": refused.code, "error_description": refused.reason})
	case err != nil:
		answer(w, http.StatusBadGateway, map[string]string{"error": "temporarily_unavailable"})
	default:
		answer(w, http.StatusOK, map[string]any{"of": token.Subject, "accounts": []map[string]string{{"id": "1", "currency": "RUB", "balance": "100.00"}}})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refusal is an answer by RFC 6750 §3.1 or RFC 9449 §7.1.
type refusal struct {
	status               int
	scheme, code, reason string
}

func (r *refusal) Error() string { return r.code + ": " + r.reason }

func (r *refusal) challenge() string {
	challenge := r.scheme
	if r.code != "" {
		challenge += fmt.Sprintf(` error="%s", error_description="%s"`, r.code, r.reason)
	}
	if r.scheme == "DPoP" {
		challenge += `, algs="ES256 EdDSA PS256"`
	}
	return challenge
}

// introspection is what the provider says of a token.
type introspection struct {
	Active   bool   `json:"active"`
	Scope    string `json:"scope"`
	Subject  string `json:"sub"`
	Audience any    `json:"aud"`
	Confirm  struct {
		JKT         string `json:"jkt"`
		Certificate string `json:"x5t#S256"`
	} `json:"cnf"`
}

// authorize lets a request in, and says whose token it has.
func (a *API) authorize(r *http.Request) (*introspection, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bound := strings.EqualFold(scheme, "DPoP")
	switch {
	case token == "" || !bound && !strings.EqualFold(scheme, "Bearer"):
		return nil, &refusal{http.StatusUnauthorized, "DPoP", "", ""}
	case bound:
		scheme = "DPoP"
	default:
		scheme = "Bearer"
	}
	t, err := a.ask(r.Context(), token)
	if err != nil {
		return nil, err
	}
	if !t.Active || !t.isFor(a.cfg.Origin) {
		return nil, &refusal{http.StatusUnauthorized, scheme, "invalid_token", "the token is over, or not for this API"}
	}
	if err := a.holder(r, scheme, token, t); err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Fields(t.Scope), Scope) {
		return nil, &refusal{http.StatusForbidden, scheme, "insufficient_scope", "the token lacks the scope " + Scope}
	}
	return t, nil
}

// isFor reports whether a token names this API among its audiences (RFC 7519 §4.1.3: a text or several).
func (t *introspection) isFor(origin string) bool {
	several, _ := t.Audience.([]any)
	return t.Audience == origin || slices.Contains(several, any(origin))
}

// holder checks that a bound token comes from who it is bound to.
func (a *API) holder(r *http.Request, scheme, token string, t *introspection) error {
	switch {
	case t.Confirm.JKT != "":
		if scheme != "DPoP" {
			return &refusal{http.StatusUnauthorized, "DPoP", "invalid_token", "the token is bound to a key: send it as DPoP"}
		}
		return a.prove(r, token, t.Confirm.JKT)
	case scheme == "DPoP":
		return &refusal{http.StatusUnauthorized, "Bearer", "invalid_token", "the token is not bound to a key: send it as Bearer"}
	case t.Confirm.Certificate != "":
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || hash(r.TLS.PeerCertificates[0].Raw) != t.Confirm.Certificate {
			return &refusal{http.StatusUnauthorized, "Bearer", "invalid_token", "the token is bound to another certificate than this connection's"}
		}
	}
	return nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ask asks the provider of a token.
func (a *API) ask(ctx context.Context, token string) (*introspection, error) {
	endpoint, err := a.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		return nil, fmt.Errorf("asking of a token: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(a.cfg.ClientID), url.QueryEscape(a.cfg.Secret))
	var t introspection
	return &t, a.fetch(r, &t)
}

// endpoint learns where tokens are asked of (RFC 8414).
func (a *API) endpoint(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.introspect != "" {
		return a.introspect, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.cfg.Issuer+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		return "", fmt.Errorf("reading the provider's metadata: %w", err)
	}
	var meta struct {
		Issuer   string `json:"issuer"`
		Endpoint string `json:"introspection_endpoint"`
	}
	if err := a.fetch(r, &meta); err != nil {
		return "", err
	}
	if meta.Issuer != a.cfg.Issuer || meta.Endpoint == "" {
		return "", errors.New("the metadata are another issuer's, or name no introspection")
	}
	a.introspect = meta.Endpoint
	return meta.Endpoint, nil
}

func (a *API) fetch(r *http.Request, into any) error {
	resp, err := a.cfg.HTTP.Do(r)
	if err != nil {
		return fmt.Errorf("asking the provider: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the provider: %s", resp.Status)
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(into); err != nil {
		return fmt.Errorf("asking the provider: %w", err)
	}
	return nil
}
