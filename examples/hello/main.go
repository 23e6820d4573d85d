// Command hello is the smallest honest client of the provider, in one file.
//
// It signs a person in by the authorization code flow with PKCE, checks everything that a client must
// check, and shows what it learned. Start the stand (make run), then
//
//	go run ./examples/hello
//
// and open http://localhost:8090. To use it elsewhere set VHOD_ISSUER, VHOD_CLIENT_ID, VHOD_CLIENT_SECRET and
// VHOD_HOME; the client's registration must have the redirect URI VHOD_HOME/callback.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

func main() {
	home := setting("VHOD_HOME", "http://localhost:8090") // where this client lives
	// The issuer is all that has to be known: endpoints and keys are discovered.
	provider, err := oidc.NewProvider(context.Background(), setting("VHOD_ISSUER", "http://localhost:8080"))
	if err != nil {
		log.Fatal(err)
	}
	h := hello{home, provider, oauth2.Config{
		ClientID:     setting("VHOD_CLIENT_ID", "demo-web"),
		ClientSecret: setting("VHOD_CLIENT_SECRET", "demo-web-secret"),
		Endpoint:     provider.Endpoint(),
		RedirectURL:  home + "/callback",
		Scopes:       []string{oidc.ScopeOpenID, "profile", "email", "level"},
	}}
	http.HandleFunc("GET /{$}", h.start)
	http.HandleFunc("GET /callback", h.callback)
	fmt.Println("open " + home)
	log.Fatal(http.ListenAndServe(strings.TrimPrefix(home, "http://"), nil))
}

type hello struct {
	home     string
	provider *oidc.Provider
	oauth    oauth2.Config
}

// start sends the browser to sign in. Three random values tie the answer to this browser: state (the
// answer belongs to a request that was made here), nonce (so does the ID token) and the PKCE verifier (and
// so does the code).
func (h hello) start(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	keep(w, "state", state)
	keep(w, "nonce", nonce)
	keep(w, "verifier", verifier)
	http.Redirect(w, r, h.oauth.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusSeeOther)
}

// callback takes the answer: compares state and iss, exchanges the code, checks the ID token's
// signature, issuer, audience, expiry (Verify does) and nonce, and asks for the claims.
func (h hello) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if state := kept(r, "state"); state == "" || q.Get("state") != state {
		http.Error(w, "this answer was not asked for by this browser: start again at "+h.home, http.StatusBadRequest)
		return
	}
	if iss := q.Get("iss"); iss != setting("VHOD_ISSUER", "http://localhost:8080") {
		http.Error(w, "the answer is of another issuer: "+iss, http.StatusBadRequest)
		return
	}
	if code := q.Get("error"); code != "" {
		http.Error(w, "not signed in: "+code+": "+q.Get("error_description"), http.StatusForbidden)
		return
	}
	claims, err := h.signIn(r.Context(), q.Get("code"), kept(r, "verifier"), kept(r, "nonce"))
	if err != nil {
		http.Error(w, "not signed in: "+err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(claims)
}

func (h hello) signIn(ctx context.Context, code, verifier, nonce string) (map[string]any, error) {
	tokens, err := h.oauth.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := h.provider.Verifier(&oidc.Config{ClientID: h.oauth.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != nonce {
		return nil, fmt.Errorf("the ID token is of another sign-in")
	}
	info, err := h.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, err
	}
	if info.Subject != id.Subject {
		return nil, fmt.Errorf("the claims are of another person")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil { // who signed in, when and how surely: sub, auth_time, acr
		return nil, err
	}
	return claims, info.Claims(&claims) // what they agreed to tell: name, email, …
}

// keep and kept hold a value in the browser for the length of a sign-in.
func keep(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: "hello-" + name, Value: value, Path: "/callback", HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: int((15 * time.Minute).Seconds())})
}

func kept(r *http.Request, name string) string {
	if c, err := r.Cookie("hello-" + name); err == nil {
		return c.Value
	}
	return ""
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
