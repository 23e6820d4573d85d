package journeys_test

import (
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"golang.org/x/oauth2"
)

// foreignClient lives at another site than the stand: 127.0.0.1 is not localhost, so cookies that are SameSite=Lax stay behind with its posts.
const foreignClient = `clients:
  - id: foreign
    secret: foreign-secret
    redirect_uris: [%[1]s/callback]
    post_logout_redirect_uris: [%[1]s/bye]
    scopes: [openid]
    trusted_consent: true
`

// posting is a page of the service with one form to the provider.
var posting = template.Must(template.New("").Parse(`<!doctype html><title>x</title><main data-page="rp-{{.Page}}">{{with .Form}}<form method="post" action="{{$.Action}}">
{{range $name, $values := .}}<input type="hidden" name="{{$name}}" value="{{index $values 0}}">{{end}}<button data-action="post">Go</button></form>{{end}}</main>`))

// relyingSite is a service that asks by forms.
type relyingSite struct {
	*httptest.Server
	codes chan string
	forms map[string]url.Values // of its pages, by path
	to    map[string]string     // where each leads
}

func newRelyingSite(t *testing.T) *relyingSite {
	t.Helper()
	site := &relyingSite{codes: make(chan string, 4), forms: map[string]url.Values{}, to: map[string]string{}}
	site.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			site.codes <- r.FormValue("code")
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = posting.Execute(w, map[string]any{"Page": r.URL.Path[1:], "Form": site.forms[r.URL.Path], "Action": site.to[r.URL.Path]})
	}))
	t.Cleanup(site.Close)
	return site
}

// TestAServiceOfAnotherSiteSignsInAndOutByForms posts to the authorization and to the sign-out endpoint as a service on the internet does: the session is
// used and ended though its cookie stays behind with such a post.
func TestAServiceOfAnotherSiteSignsInAndOutByForms(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			site, file := newRelyingSite(t), filepath.Join(t.TempDir(), "foreign.yaml")
			write(t, file, fmt.Sprintf(foreignClient, site.URL))
			s := startStand(t, "-apply", file)
			p := s.registered("standard")
			c := newCitizen(t, s, p, mode.scripts)
			c.password = p.Password
			c.open(s.url(0, "/login"))
			c.walk("me")

			verifier := oauth2.GenerateVerifier()
			config := oauth2.Config{ClientID: "foreign", ClientSecret: "foreign-secret", RedirectURL: site.URL + "/callback", Scopes: []string{"openid"},
				Endpoint: oauth2.Endpoint{AuthURL: s.url(0, "/authorize"), TokenURL: s.url(0, "/token")}}
			ask, err := url.Parse(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
			if err != nil {
				t.Fatal(err)
			}
			site.forms["/in"], site.to["/in"] = ask.Query(), s.url(0, "/authorize")
			c.open(site.URL + "/in")
			c.press("post")
			if page := c.page(); page != "rp-callback" {
				t.Fatalf("who is signed in was shown %q", page)
			}
			tokens, err := config.Exchange(t.Context(), <-site.codes, oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}

			hint, _ := tokens.Extra("id_token").(string)
			site.forms["/out"], site.to["/out"] = url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {site.URL + "/bye"}}, s.url(0, "/end_session")
			c.open(site.URL + "/out")
			c.press("post")
			c.walk("rp-bye")
			c.open(s.url(0, "/me"))
			c.walk("identify")
			if c.session() {
				t.Error("the session outlived the signing out")
			}
		})
	}
}
