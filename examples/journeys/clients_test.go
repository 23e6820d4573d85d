package journeys_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
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

func TestOpenIDClientFromNPMSignsInFromDiscoveryAlone(t *testing.T) {
	s := startStand(t)
	npmPackages(t)
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("Node.js is not installed: run make setup")
	}
	p := launch(t, node, filepath.Join("npm", "openid-client.mjs"), s.url(0, ""), demoID, demoSecret, s.url(10, "/callback"))
	type report struct {
		Open    string   `json:"open"`
		Step    string   `json:"step"`
		Error   string   `json:"error"`
		Sub     string   `json:"sub"`
		ACR     string   `json:"acr"`
		AMR     []string `json:"amr"`
		Claims  []string `json:"claims"`
		Rotated bool     `json:"rotated"`
		Done    bool     `json:"done"`
	}
	read := func() (r report) {
		t.Helper()
		line := p.next()
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		t.Log(line)
		return r
	}
	signInAs(t, s, s.registered("standard"), read().Open, "callback")

	id := read()
	if id.Step != "id_token" || id.Sub == "" || id.ACR != "urn:vhod:acr:standard:1fa" || !slices.Equal(id.AMR, []string{"pwd"}) {
		t.Errorf("the ID token: %+v", id)
	}
	if info := read(); info.Sub != id.Sub || !slices.Contains(info.Claims, "family_name") || !slices.Contains(info.Claims, "email") {
		t.Errorf("userinfo: %+v", info)
	}
	if fresh := read(); !fresh.Rotated {
		t.Errorf("the refresh: %+v", fresh)
	}
	for _, step := range []string{"replayed refresh token", "successor after the replay", "replayed code"} {
		if r := read(); r.Step != step || r.Error != "invalid_grant" {
			t.Errorf("%s: %+v", step, r)
		}
	}
	if !read().Done {
		t.Error("it did more than it was asked to")
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
