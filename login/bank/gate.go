package bank

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"

	"github.com/vhod-id/vhod/account"
)

// algs are the signatures that a bank may use: never none, never a shared secret.
var algs = []string{"RS256", "ES256", "PS256"}

// endpoints are where a bank is asked.
type endpoints struct {
	authorization, token, userinfo string
	auth                           []string
	keys                           oidc.KeySet
}

// metadata is what is kept of a bank's discovery document.
type metadata struct {
	mu      sync.Mutex
	known   *endpoints
	fetched time.Time
}

func (m *metadata) authorization() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		return ""
	}
	return m.known.authorization
}

// headers adds a bank's own headers to every call.
type headers struct {
	values map[string]string
	to     http.RoundTripper
}

// RoundTrip is http.RoundTripper.
func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	to := h.to
	if to == nil {
		to = http.DefaultTransport
	}
	if len(h.values) == 0 {
		return to.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	for name, value := range h.values {
		if strings.Contains(value, "{{hex32}}") {
			id := make([]byte, 16)
			_, _ = rand.Read(id) // it never fails
			value = strings.ReplaceAll(value, "{{hex32}}", hex.EncodeToString(id))
		}
		r.Header.Set(name, value)
	}
	return to.RoundTrip(r)
}

// discover returns the bank's endpoints, fetched when they are needed and kept for a while: neither our
// start nor another bank waits for this one.
func (g *Gate) discover(ctx context.Context) (*endpoints, error) {
	g.meta.mu.Lock()
	if g.meta.known != nil && (g.Authorization != "" || g.now().Sub(g.meta.fetched) < metaLife) {
		defer g.meta.mu.Unlock()
		return g.meta.known, nil
	}
	g.meta.mu.Unlock() // two people may both fetch; a dead bank must not make them queue
	e := &endpoints{authorization: g.Authorization, token: g.Token, userinfo: g.Userinfo}
	keys := g.Keys
	if g.Authorization == "" {
		meta, err := client.Discover(ctx, g.Issuer, g.http)
		if err != nil {
			return nil, fmt.Errorf("discovering bank %s: %w", g.ID, err)
		}
		*e = endpoints{authorization: meta.AuthorizationEndpoint, token: meta.TokenEndpoint, userinfo: meta.UserinfoEndpoint}
		for _, method := range meta.TokenEndpointAuthMethodsSupported {
			e.auth = append(e.auth, string(method))
		}
		keys = meta.JwksURI
	}
	e.keys = rp.NewRemoteKeySet(g.http, keys)
	g.meta.mu.Lock()
	defer g.meta.mu.Unlock()
	g.meta.known, g.meta.fetched = e, g.now()
	return e, nil
}

// auth is how the client authenticates at this bank.
func (g *Gate) auth(e *endpoints) string {
	switch {
	case g.Auth != "":
		return g.Auth
	case len(e.auth) > 0 && !slices.Contains(e.auth, AuthBasic) && slices.Contains(e.auth, AuthPost):
		return AuthPost
	}
	return AuthBasic // the default of RFC 8414 §2
}

// oauth is the code flow with the bank.
func (g *Gate) oauth(e *endpoints) *oauth2.Config {
	cfg := &oauth2.Config{
		ClientID: g.ClientID, ClientSecret: g.ClientSecret, RedirectURL: g.redirect, Scopes: g.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: e.authorization, TokenURL: e.token, AuthStyle: oauth2.AuthStyleInHeader},
	}
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{"openid", "profile", "phone", "snils", "inn", "passport"}
	}
	if g.auth(e) != AuthBasic {
		cfg.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	if g.signer != nil || g.auth(e) == AuthTLS {
		cfg.ClientSecret = ""
	}
	return cfg
}

// Visit is what has to be remembered while a person is at their bank.
type Visit struct {
	Nonce    string
	Verifier string // of PKCE (RFC 7636 §4.1)
}

// Address is where the browser goes at the bank.
func (g *Gate) Address(ctx context.Context, state string, visit Visit) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	e, err := g.discover(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("nonce", visit.Nonce), oauth2.S256ChallengeOption(visit.Verifier)}
	for name, value := range g.Params {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return g.oauth(e).AuthCodeURL(state, options...), nil
}

// Evidence redeems a code and returns what the bank says of the person, checked; its Claims.Subject is the person's name at
// the bank. An answer that must not be believed is ErrRefused; any other error is a bank that did not answer.
func (g *Gate) Evidence(ctx context.Context, code string, visit Visit) (account.Evidence, error) {
	select {
	case g.seats <- struct{}{}:
		defer func() { <-g.seats }()
	default:
		return account.Evidence{}, fmt.Errorf("bank %s: %w", g.ID, ErrBusy)
	}
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	e, err := g.discover(ctx)
	if err != nil {
		return account.Evidence{}, err
	}
	token, err := g.exchange(ctx, e, code, visit)
	if err != nil {
		return account.Evidence{}, fmt.Errorf("redeeming the code at bank %s: %w", g.ID, err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := g.verify(ctx, raw, visit.Nonce, e.keys)
	if err != nil {
		return account.Evidence{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	answer, err := g.ask(ctx, e, token.AccessToken)
	if err != nil {
		return account.Evidence{}, err
	}
	return g.translate(answer, id)
}

func (g *Gate) exchange(ctx context.Context, e *endpoints, code string, visit Visit) (*oauth2.Token, error) {
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(visit.Verifier)}
	if g.signer != nil {
		assertion, err := client.SignedJWTProfileAssertion(g.ClientID, []string{e.token}, callLimit+clockSkew, g.signer)
		if err != nil {
			return nil, err
		}
		options = append(options, client.ClientAssertionCodeOptions(assertion)...)
	}
	return g.oauth(e).Exchange(context.WithValue(ctx, oauth2.HTTPClient, g.http), code, options...)
}

// verify checks an ID token (OpenID Connect Core §3.1.3.7) by our own clock.
func (g *Gate) verify(ctx context.Context, raw, nonce string, keySet oidc.KeySet) (*oidc.IDTokenClaims, error) {
	claims := new(oidc.IDTokenClaims)
	payload, err := oidc.ParseToken(raw, claims)
	if err != nil {
		return nil, err
	}
	now := g.now()
	for _, check := range []error{
		oidc.CheckSubject(claims),
		oidc.CheckIssuerWithISSVerifier(claims, g.Issuer, nil),
		oidc.CheckAudience(claims, g.ClientID),
		oidc.CheckAuthorizedParty(claims, g.ClientID),
		oidc.CheckNonce(claims, nonce),
	} {
		if check != nil {
			return nil, check
		}
	}
	switch {
	case !now.Before(claims.GetExpiration().Add(clockSkew)):
		return nil, oidc.ErrExpired
	case claims.GetIssuedAt().IsZero() || claims.GetIssuedAt().After(now.Add(clockSkew)):
		return nil, oidc.ErrIatInFuture
	case now.Sub(claims.GetIssuedAt()) > Limit+metaLife:
		return nil, oidc.ErrIatToOld
	}
	if g.Unsigned {
		return claims, nil
	}
	return claims, oidc.CheckSignature(ctx, raw, payload, claims, algs, keySet)
}

// ask puts all questions to the bank and joins the answers.
func (g *Gate) ask(ctx context.Context, e *endpoints, token string) (map[string]any, error) {
	method, form := http.MethodGet, url.Values(nil)
	if g.UserinfoPost {
		method, form = http.MethodPost, url.Values{"client_id": {g.ClientID}, "client_secret": {g.ClientSecret}}
	}
	answer, err := g.call(ctx, method, e.userinfo, form, token)
	if err != nil {
		return nil, err
	}
	for _, further := range g.Further {
		more, err := g.call(ctx, http.MethodGet, further.URL, nil, token)
		if err != nil {
			return nil, err
		}
		answer[further.Into] = more
	}
	return answer, nil
}

func (g *Gate) call(ctx context.Context, method, address string, form url.Values, token string) (map[string]any, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, fmt.Errorf("asking bank %s: %w", g.ID, err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := g.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking bank %s: %w", g.ID, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking bank %s: status %d", g.ID, response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("asking bank %s: %w", g.ID, err)
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrRefused, maxAnswer)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // digits of a document are no float
	var answer map[string]any
	if err := decoder.Decode(&answer); err != nil || answer == nil {
		return nil, fmt.Errorf("%w: it is no JSON object", ErrRefused)
	}
	return answer, nil
}

// translate turns the bank's words into evidence.
func (g *Gate) translate(answer map[string]any, id *oidc.IDTokenClaims) (account.Evidence, error) {
	claimed := g.claimed(answer)
	if claimed.Subject != id.Subject { // OpenID Connect Core §5.3.2
		return account.Evidence{}, fmt.Errorf("%w: userinfo is of another subject", ErrRefused)
	}
	acr := id.GetAuthenticationContextClassReference()
	details := map[string]string{"acr": acr}
	if at := id.GetAuthTime(); !at.IsZero() {
		details["auth_time"] = at.UTC().Format(time.RFC3339)
	}
	return account.Evidence{
		Method: account.ProvenByBank, At: g.now(), Verifier: g.ID, Issuer: g.Issuer,
		Record: id.JWTID, Document: "passport", Details: details, Claims: claimed, Level: g.level(answer, acr),
	}, nil
}

// IsDown reports whether an error means that the bank did not answer, and not that it answered wrongly.
func IsDown(err error) bool { return err != nil && !errors.Is(err, ErrRefused) }
