package journeys_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// At the portal nobody presses anything in these tests: the provider tells it that a session is over.

func TestSigningOutAtTheProviderSignsOutOfTheService(t *testing.T) {
	s := startStand(t, "-tls")
	c := signInAs(t, s, s.registered("standard"), s.url(1, "/sign-in"), "portal-me")
	c.open(s.url(0, "/logout"))
	c.walk("sign-out")
	c.press("continue")
	c.walk("signed-out")
	c.signedOutOfThePortal()
}

func TestEndingAnotherSessionSignsOutOfTheServiceThere(t *testing.T) {
	s := startStand(t)
	p := s.registered("standard")
	there := signInAs(t, s, p, s.url(1, "/sign-in"), "portal-me")
	here := signInAs(t, s, p, s.url(1, "/sign-in"), "portal-me")
	here.open(s.url(0, "/me/sessions"))
	here.click(`form button[name="session"][value="others"]`)
	there.signedOutOfThePortal()
	if here.open(s.url(1, "/")); !here.has(`[data-action="sign-out"]`) {
		t.Error("the session that was kept is signed out too")
	}
}

// signedOutOfThePortal waits until the portal does not know this browser.
func (c *citizen) signedOutOfThePortal() {
	c.t.Helper()
	for range 50 {
		if c.open(c.stand.url(1, "/")); c.has(`[data-action="sign-in"]`) && !c.has(`[data-action="sign-out"]`) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Errorf("the portal still knows who it is\n%s", c.where())
}

// frontClient hears of the end of sessions in a frame. It lives where the stand leaves a port free.
const frontClient = `clients:
  - id: framed
    secret: framed-secret
    redirect_uris: [%[1]s/callback]
    post_logout_redirect_uris: [%[1]s/bye]
    frontchannel_logout_uri: %[1]s/gone
    scopes: [openid]
    trusted_consent: true
`

func TestABrowserThatSignsOutTellsTheServiceInAFrame(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			base := freeBlock(t)
			origin := fmt.Sprintf("http://localhost:%d", base+10)
			file := filepath.Join(t.TempDir(), "framed.yaml")
			write(t, file, fmt.Sprintf(frontClient, origin))
			s := startStandAt(t, base, "-apply", file)
			codes, gone := make(chan string, 1), make(chan url.Values, 4)
			listen(t, s.base+10, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = fmt.Fprintf(w, `<!doctype html><title>x</title><main data-page="rp%s"></main>`, strings.ReplaceAll(r.URL.Path, "/", "-"))
				switch r.URL.Path {
				case "/callback":
					codes <- r.URL.Query().Get("code")
				case "/gone":
					gone <- r.URL.Query()
				}
			}))
			verifier := oauth2.GenerateVerifier()
			config := oauth2.Config{ClientID: "framed", ClientSecret: "framed-secret", RedirectURL: origin + "/callback", Scopes: []string{"openid"},
				Endpoint: oauth2.Endpoint{AuthURL: s.url(0, "/authorize"), TokenURL: s.url(0, "/token")}}
			p := s.registered("standard")
			c := newCitizen(t, s, p, mode.scripts)
			c.password = p.Password
			c.open(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
			c.walk("rp-callback")
			tokens, err := config.Exchange(t.Context(), <-codes, oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			hint, _ := tokens.Extra("id_token").(string)
			c.open(s.url(0, "/end_session?"+url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {origin + "/bye"}}.Encode()))
			if !mode.scripts {
				c.press("continue")
			}
			select {
			case q := <-gone:
				if q.Get("iss") != s.url(0, "") || q.Get("sid") == "" {
					t.Errorf("the frame was loaded with %v", q)
				}
			case <-time.After(10 * time.Second):
				t.Error("the frame was not loaded")
			}
			for range 50 {
				if c.location() == origin+"/bye" {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
			t.Errorf("the browser stays at %s", c.location())
		})
	}
}
