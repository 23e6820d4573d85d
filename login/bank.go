package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"

	"github.com/vhod-id/vhod/account"
)

// A bank that is slow or down takes at most this much of a person's time, and nothing of anybody
// else's: each has its own client, its own keys and its own cache (L05, L07).
const (
	bankCallLimit  = 5 * time.Second
	bankTotalLimit = 10 * time.Second
	bankMetaLife   = 10 * time.Minute
	bankClockSkew  = 30 * time.Second
	maxBankAnswer  = 64 << 10
)

// errBankRefused says that the bank answered, and its answer must not be believed.
var errBankRefused = errors.New("the bank's answer does not check")

// bankAlgs are the signatures that a bank may use: never none, never a shared secret.
var bankAlgs = []string{"RS256", "ES256", "PS256"}

// bankGate speaks OpenID Connect with one bank.
type bankGate struct {
	Bank
	redirect string
	now      func() time.Time
	http     *http.Client

	mu      sync.Mutex
	meta    *oidc.DiscoveryConfiguration
	keys    oidc.KeySet
	fetched time.Time
}

func newBankGate(bank Bank, cfg Config) *bankGate {
	return &bankGate{
		Bank: bank, redirect: cfg.Issuer + "/level/bank/callback", now: cfg.Now,
		http: &http.Client{
			Transport: cfg.Partners,
			Timeout:   bankCallLimit,
			// An answer is taken from where it was asked, and nowhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// discover returns the bank's metadata, fetched when they are needed and kept for a while: neither our
// start nor another bank waits for this one.
func (g *bankGate) discover(ctx context.Context) (*oidc.DiscoveryConfiguration, oidc.KeySet, error) {
	g.mu.Lock()
	if g.meta != nil && g.now().Sub(g.fetched) < bankMetaLife {
		defer g.mu.Unlock()
		return g.meta, g.keys, nil
	}
	g.mu.Unlock() // two people may both fetch; a dead bank must not make them queue
	meta, err := client.Discover(ctx, g.Issuer, g.http)
	if err != nil {
		return nil, nil, fmt.Errorf("discovering bank %s: %w", g.ID, err)
	}
	keySet := rp.NewRemoteKeySet(g.http, meta.JwksURI)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meta, g.keys, g.fetched = meta, keySet, g.now()
	return meta, keySet, nil
}

// oauth is the code flow with the bank, by the client authentication that the bank takes.
func (g *bankGate) oauth(meta *oidc.DiscoveryConfiguration) *oauth2.Config {
	style := oauth2.AuthStyleInHeader // the default of RFC 8414 §2
	methods := meta.TokenEndpointAuthMethodsSupported
	if len(methods) > 0 && !slices.Contains(methods, oidc.AuthMethodBasic) && slices.Contains(methods, oidc.AuthMethodPost) {
		style = oauth2.AuthStyleInParams
	}
	scopes := g.Scopes
	if len(scopes) == 0 {
		scopes = []string{"openid", "profile", "phone", "snils", "inn", "passport"}
	}
	return &oauth2.Config{
		ClientID: g.ClientID, ClientSecret: g.ClientSecret, RedirectURL: g.redirect, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: meta.AuthorizationEndpoint, TokenURL: meta.TokenEndpoint, AuthStyle: style},
	}
}

// bankVisit is what we remember while a person is at their bank. Its key is the state, which is taken
// once; it holds the bank, so that an answer of another one is seen (L06).
type bankVisit struct {
	Bank     string
	Nonce    string
	Verifier string
	Browser  string // keys.Hash of the flow cookie
	Account  account.ID
	Attempt  string
	At       time.Time
}

// address is where the browser goes at the bank.
func (g *bankGate) address(ctx context.Context, state string, visit bankVisit) (string, error) {
	meta, _, err := g.discover(ctx)
	if err != nil {
		return "", err
	}
	return g.oauth(meta).AuthCodeURL(state,
		oauth2.SetAuthURLParam("nonce", visit.Nonce), oauth2.S256ChallengeOption(visit.Verifier)), nil
}

// bankClaims is the bank's vocabulary, which ends in this file.
type bankClaims struct {
	Subject     string `json:"sub"`
	FamilyName  string `json:"family_name"`
	GivenName   string `json:"given_name"`
	MiddleName  string `json:"middle_name"`
	Birthdate   string `json:"birthdate"`
	Gender      string `json:"gender"`
	PhoneNumber string `json:"phone_number"`
	SNILS       string `json:"snils"`
	INN         string `json:"inn"`
	Passport    struct {
		Series     string `json:"series"`
		Number     string `json:"number"`
		IssuedOn   string `json:"issued_on"`
		IssuedBy   string `json:"issued_by"`
		IssuerCode string `json:"issuer_code"`
	} `json:"passport"`
	ACR string `json:"acr"`
}

// evidence redeems a code and returns what the bank says of the person, checked.
func (g *bankGate) evidence(ctx context.Context, code string, visit bankVisit) (account.Evidence, error) {
	meta, keySet, err := g.discover(ctx)
	if err != nil {
		return account.Evidence{}, err
	}
	token, err := g.oauth(meta).Exchange(context.WithValue(ctx, oauth2.HTTPClient, g.http), code,
		oauth2.VerifierOption(visit.Verifier))
	if err != nil {
		return account.Evidence{}, fmt.Errorf("redeeming the code at bank %s: %w", g.ID, err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := g.verify(ctx, raw, visit.Nonce, keySet)
	if err != nil {
		return account.Evidence{}, fmt.Errorf("%w: %w", errBankRefused, err)
	}
	claims, err := g.userinfo(ctx, meta.UserinfoEndpoint, token.AccessToken)
	if err != nil {
		return account.Evidence{}, err
	}
	if claims.Subject != id.Subject { // OpenID Connect Core §5.3.2
		return account.Evidence{}, fmt.Errorf("%w: userinfo is of another subject", errBankRefused)
	}
	return g.translate(claims, id)
}

// verify checks an ID token (OpenID Connect Core §3.1.3.7) by our own clock.
func (g *bankGate) verify(ctx context.Context, raw, nonce string, keySet oidc.KeySet) (*oidc.IDTokenClaims, error) {
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
	case !now.Before(claims.GetExpiration().Add(bankClockSkew)):
		return nil, oidc.ErrExpired
	case claims.GetIssuedAt().IsZero() || claims.GetIssuedAt().After(now.Add(bankClockSkew)):
		return nil, oidc.ErrIatInFuture
	case now.Sub(claims.GetIssuedAt()) > bankTotalLimit+bankMetaLife:
		return nil, oidc.ErrIatToOld
	}
	return claims, oidc.CheckSignature(ctx, raw, payload, claims, bankAlgs, keySet)
}

func (g *bankGate) userinfo(ctx context.Context, endpoint, token string) (bankClaims, error) {
	var claims bankClaims
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return claims, fmt.Errorf("asking bank %s: %w", g.ID, err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := g.http.Do(r)
	if err != nil {
		return claims, fmt.Errorf("asking bank %s: %w", g.ID, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return claims, fmt.Errorf("asking bank %s: status %d", g.ID, response.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxBankAnswer)).Decode(&claims); err != nil {
		return claims, fmt.Errorf("%w: userinfo does not decode", errBankRefused)
	}
	return claims, nil
}

// translate turns the bank's words into evidence. A value that does not parse is left out, so that it
// differs from the account's and is named.
func (g *bankGate) translate(c bankClaims, id *oidc.IDTokenClaims) (account.Evidence, error) {
	birth, err := account.DateOf(c.Birthdate)
	if err != nil {
		return account.Evidence{}, fmt.Errorf("%w: %w", errBankRefused, err)
	}
	issued, err := account.DateOf(c.Passport.IssuedOn)
	if err != nil {
		return account.Evidence{}, fmt.Errorf("%w: %w", errBankRefused, err)
	}
	claimed := account.Claimed{
		Person: account.Person{
			FamilyName: c.FamilyName, GivenName: c.GivenName, MiddleName: c.MiddleName,
			Birthdate: birth, Gender: account.Gender(c.Gender),
		},
		Phone: c.PhoneNumber, Subject: c.Subject,
	}
	// Series, number and dates are compared as they stand: account matches them with the registries' record.
	claimed.Passport = account.Passport{
		Series: c.Passport.Series, Number: c.Passport.Number, IssuedOn: issued,
		IssuedBy: c.Passport.IssuedBy, IssuerCode: c.Passport.IssuerCode,
	}
	if snils, err := account.ParseSNILS(c.SNILS); err == nil {
		claimed.SNILS = snils
	}
	if inn, err := account.ParseINN(c.INN); err == nil {
		claimed.INN = inn
	}
	details := map[string]string{"acr": id.GetAuthenticationContextClassReference()}
	if at := id.GetAuthTime(); !at.IsZero() {
		details["auth_time"] = at.UTC().Format(time.RFC3339)
	}
	return account.Evidence{
		Method: account.ProvenByBank, At: g.now(), Verifier: g.ID, Issuer: g.Issuer,
		Record: id.JWTID, Document: "passport", Details: details, Claims: claimed, Level: g.MaxLevel,
	}, nil
}

// origins are where forms that lead to this bank may be redirected.
func (g *bankGate) origins() []string {
	out := formAction(g.Issuer)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.meta != nil {
		if u, err := url.Parse(g.meta.AuthorizationEndpoint); err == nil {
			out = append(out, u.Scheme+"://"+u.Host)
		}
	}
	return slices.Compact(out)
}
