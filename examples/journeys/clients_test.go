package journeys_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// The client of these tests is demo-web, whose redirect URI is at the port that the stand leaves free.
const demoID, demoSecret = "demo-web", "demo-web-secret"

// signInAs opens an authorization request in a browser and signs in as a seeded person.
func signInAs(t *testing.T, s *stand, p person, address string, until ...string) *citizen {
	t.Helper()
	c := newCitizen(t, s, p, true)
	c.password, c.secret = p.Password, p.TOTPSecret
	c.open(address)
	c.walk(until...)
	return c
}

// npmPackages installs what the lock file names, once.
func npmPackages(t *testing.T) {
	t.Helper()
	if err := npmInstall(); err != nil {
		t.Fatal(err)
	}
}

var npmInstall = sync.OnceValue(func() error {
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = "npm"
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
})

// nodeClient is a client in Node.js that reports its steps in lines of JSON.
type nodeClient struct{ *process }

// report is a line of a client. Which fields it has depends on the step.
type report struct {
	Open       string   `json:"open"`
	Code       string   `json:"code"`
	Step       string   `json:"step"`
	Error      string   `json:"error"`
	Sub        string   `json:"sub"`
	ACR        string   `json:"acr"`
	AMR        []string `json:"amr"`
	Claims     []string `json:"claims"`
	Parameters []string `json:"parameters"`
	Type       string   `json:"type"`
	Rotated    bool     `json:"rotated"`
	Active     bool     `json:"active"`
	Bound      bool     `json:"bound"`
	Done       bool     `json:"done"`
}

func startNode(t *testing.T, script string, args ...string) nodeClient {
	t.Helper()
	npmPackages(t)
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("Node.js is not installed: run make setup")
	}
	return nodeClient{launch(t, node, append([]string{filepath.Join("npm", script)}, args...)...)}
}

// read returns the next line, which must be of this step.
func (n nodeClient) read(step string) (r report) {
	n.t.Helper()
	line := n.next()
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		n.t.Fatalf("%v: %s", err, line)
	}
	if r.Step != step {
		n.t.Fatalf("instead of %q: %s", step, line)
	}
	n.t.Log(line)
	return r
}

func TestOpenIDClientFromNPMSignsInFromDiscoveryAlone(t *testing.T) {
	s := startStand(t)
	n := startNode(t, "openid-client.mjs", s.url(0, ""), demoID, demoSecret, s.url(10, "/callback"))
	signInAs(t, s, s.registered("standard"), n.read("").Open, "callback")

	id := n.read("id_token")
	if id.Sub == "" || id.ACR != "urn:vhod:acr:standard:1fa" || !slices.Equal(id.AMR, []string{"pwd"}) {
		t.Errorf("the ID token: %+v", id)
	}
	if info := n.read("userinfo"); info.Sub != id.Sub || !slices.Contains(info.Claims, "family_name") || !slices.Contains(info.Claims, "email") {
		t.Errorf("userinfo: %+v", info)
	}
	if fresh := n.read("refresh"); !fresh.Rotated {
		t.Errorf("the refresh: %+v", fresh)
	}
	for _, step := range []string{"replayed refresh token", "successor after the replay", "replayed code"} {
		if r := n.read(step); r.Error != "invalid_grant" {
			t.Errorf("%s: %+v", step, r)
		}
	}
	if !n.read("").Done {
		t.Error("it did more than it was asked to")
	}
}

func TestOpenIDClientFromNPMSignsItsRequestAndTakesASignedAnswer(t *testing.T) {
	s, n := startKeyed(t, "openid-client-signed.mjs", `    scopes: [openid, profile]
    require_signed_request_object: true
    request_object_signing_alg: ES256
    authorization_signed_response_alg: ES256
`)
	if signed := n.read("signed"); !slices.Equal(signed.Parameters, []string{"client_id", "request"}) {
		t.Errorf("the request: %+v", signed)
	}
	signInAs(t, s, s.registered("standard"), n.read("").Open, "callback")
	if answered := n.read("answered"); !slices.Equal(answered.Parameters, []string{"response"}) {
		t.Errorf("the answer: %+v", answered)
	}
	if id := n.read("id_token"); id.Sub == "" || id.ACR != "urn:vhod:acr:standard:1fa" {
		t.Errorf("the ID token: %+v", id)
	}
	if !n.read("").Done {
		t.Error("it did more than it was asked to")
	}
}

func TestOpenIDClientFromNPMPushesItsRequestAndBindsItsTokens(t *testing.T) {
	s, n := startKeyed(t, "openid-client-fapi.mjs", `    grant_types: [authorization_code, refresh_token]
    scopes: [openid, profile, email, offline_access]
    require_par: true
    require_dpop: true
`)
	if pushed := n.read("pushed"); !slices.Equal(pushed.Parameters, []string{"client_id", "request_uri"}) {
		t.Errorf("pushed: %+v", pushed)
	}
	c := signInAs(t, s, s.registered("totp"), n.read("").Open, "callback")
	id := n.read("id_token")
	if id.Type != "dpop" || id.ACR != "urn:vhod:acr:standard:2fa" {
		t.Errorf("the tokens: %+v", id)
	}
	if info := n.read("userinfo"); info.Sub != id.Sub {
		t.Errorf("userinfo: %+v", info)
	}
	if r := n.read("userinfo without the key"); r.Error != "invalid_token" {
		t.Errorf("a bound token without its key: %+v", r)
	}
	if fresh := n.read("refresh"); !fresh.Rotated || fresh.Type != "dpop" {
		t.Errorf("the refresh: %+v", fresh)
	}
	if r := n.read("introspection"); !r.Active || !r.Bound || r.Type != "DPoP" {
		t.Errorf("introspection: %+v", r)
	}
	if r := n.read("introspection after the revocation"); r.Active {
		t.Errorf("a revoked token lives: %+v", r)
	}
	c.open(n.read("sign-out").Open)
	c.walk("signed-out")
	if !n.read("").Done {
		t.Error("it did more than it was asked to")
	}
}

// startKeyed starts a stand with a client that proves itself by a key of its own, and the script that is that client. settings
// are further lines of its registration.
func startKeyed(t *testing.T, script, settings string) (*stand, nodeClient) {
	t.Helper()
	private, public := clientKey(t)
	keyFile, clients := filepath.Join(t.TempDir(), "key.json"), filepath.Join(t.TempDir(), "clients.yaml")
	write(t, keyFile, private)
	base := freeBlock(t)
	redirect := fmt.Sprintf("http://localhost:%d/callback", base+10)
	write(t, clients, `clients:
  - id: keyed
    name: {ru: Сайт с ключом, en: Site with a key}
    auth: [private_key_jwt]
    jwks: {"keys":[`+public+`]}
    redirect_uris: [`+redirect+`]
`+settings)
	s := startStandAt(t, base, "-apply", clients)
	return s, startNode(t, script, s.url(0, ""), "keyed", keyFile, redirect)
}

// clientKey makes a key of a client and returns both halves as JWK.
func clientKey(t *testing.T) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	whole := jose.JSONWebKey{Key: key, KeyID: "k1", Algorithm: "ES256", Use: "sig"}
	var halves [2]string
	for i, half := range []jose.JSONWebKey{whole, whole.Public()} {
		text, err := json.Marshal(half)
		if err != nil {
			t.Fatal(err)
		}
		halves[i] = string(text)
	}
	return halves[0], halves[1]
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestGoOIDCSignsInFromDiscoveryAlone(t *testing.T) {
	ctx, s := t.Context(), startStand(t)
	provider, err := oidc.NewProvider(ctx, s.url(0, ""))
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: demoID, ClientSecret: demoSecret, Endpoint: provider.Endpoint(), RedirectURL: s.url(10, "/callback"),
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", "level", oidc.ScopeOfflineAccess},
	}
	codes := make(chan string, 1)
	listen(t, s.base+10, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><title>done</title><main data-page="callback">done</main>`))
		if r.URL.Path != "/callback" {
			return
		}
		if q := r.URL.Query(); q.Get("state") != "a-state" || q.Get("iss") != s.url(0, "") {
			t.Errorf("the answer: %v", q)
		}
		codes <- r.URL.Query().Get("code")
	}))
	verifier := oauth2.GenerateVerifier()
	c := signInAs(t, s, s.registered("totp"), config.AuthCodeURL("a-state", oauth2.S256ChallengeOption(verifier), oidc.Nonce("a-nonce")), "callback")
	code := <-codes

	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: demoID}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		ACR string `json:"acr"`
	}
	if err := id.Claims(&claims); err != nil || claims.ACR != "urn:vhod:acr:standard:2fa" || id.Nonce != "a-nonce" {
		t.Errorf("the ID token: %+v %+v %v", id, claims, err)
	}
	if err := id.VerifyAccessToken(tokens.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil || info.Subject != id.Subject || info.Email == "" || !info.EmailVerified {
		t.Errorf("userinfo: %+v %v", info, err)
	}

	// go-oidc leaves refreshing to oauth2, which refreshes what has no access token.
	refresh := func(token string) (*oauth2.Token, error) {
		return config.TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
	}
	fresh, err := refresh(tokens.RefreshToken)
	if err != nil || fresh.RefreshToken == tokens.RefreshToken {
		t.Fatalf("the refresh token was not rotated: %v", err)
	}
	_, err = refresh(tokens.RefreshToken)
	invalidGrant(t, "a replayed refresh token", err)
	_, err = refresh(fresh.RefreshToken)
	invalidGrant(t, "its successor", err)
	_, err = config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	invalidGrant(t, "a replayed code", err)
	c.secrets = map[string]string{
		"code": code, "verifier": verifier, "ID token": raw, "access token": tokens.AccessToken, "refresh token": tokens.RefreshToken,
		"second access token": fresh.AccessToken, "second refresh token": fresh.RefreshToken,
	}
}

func invalidGrant(t *testing.T, what string, err error) {
	t.Helper()
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("%s: %v", what, err)
	}
}
