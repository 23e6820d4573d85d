package op

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/account"
)

// signOut is a request to sign out, as far as it is believed.
type signOut struct {
	client   *Client // nil when nobody vouches for one
	session  string  // sid of the hint; empty without a hint of ours
	hinted   bool    // the hint is an ID token of ours for the client
	redirect string  // registered by the client and hinted; empty otherwise
	state    string
}

// endSession is OpenID Connect RP-Initiated Logout 1.0 §2. With an ID token of ours for the session of this very browser
// the person is signed out; otherwise they are asked, because a picture on a foreign page could bring them here as well. Where to go
// after that is believed only with such a hint, and only as registered.
func (p *Provider) endSession(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	err := p.serveSignOut(w, r)
	var b *badRequest
	switch {
	case errors.As(err, &b):
		p.showRefusal(w, r, nil, b)
	case err != nil:
		p.refuseTo(w, r, &Client{}, nil, err)
	}
}

func (p *Provider) serveSignOut(w http.ResponseWriter, r *http.Request) error {
	form, err := frontForm(r)
	if err != nil {
		return err
	}
	if againByGet(w, r, form) {
		return nil
	}
	ask, err := p.readSignOut(r, form)
	if err != nil {
		return err
	}
	sure, err := p.maySignOut(r, form, ask)
	if err != nil {
		return err
	}
	if !sure {
		return p.cfg.Front().ConfirmSignOut(w, r, ask.client, keptFields(form))
	}
	ended, err := p.cfg.Front().SignOut(w, r)
	if err != nil {
		return err
	}
	return p.farewell(w, r, ask, ended)
}

// farewell leads the browser on: straight to where the client wants it, or over our page, when services hear of the end by
// the browser or nobody says where to go.
func (p *Provider) farewell(w http.ResponseWriter, r *http.Request, ask signOut, ended EndedSession) error {
	var bye Farewell
	var err error
	if bye.Frames, err = p.Farewells(r.Context(), ended); err != nil {
		return err
	}
	if ask.redirect != "" {
		if bye.Continue, err = withQuery(ask.redirect, ask.state); err != nil {
			return err
		}
	}
	app := bye.Continue != "" && !strings.HasPrefix(bye.Continue, "http") // a page may not link into an app
	if bye.Continue == "" || len(bye.Frames) > 0 && !app {
		return p.cfg.Front().SignedOut(w, r, bye)
	}
	http.Redirect(w, r, bye.Continue, http.StatusSeeOther)
	return nil
}

// frontForm reads the parameters of an endpoint that browsers come to by GET or POST; none may stand twice.
func frontForm(r *http.Request) (url.Values, error) {
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return nil, refuse("invalid_request", "form.broken", "the body is not a form")
		}
		form = r.PostForm
	}
	if name := repeated(form); name != "" {
		return nil, refuse("invalid_request", "form.repeated", "the parameter "+name+" stands more than once")
	}
	return form, nil
}

// readSignOut believes what can be believed. A hint of whatever age counts: the person may have been signed in for long. One that
// is not ours counts for nothing, and with it neither does the address to go to.
func (p *Provider) readSignOut(r *http.Request, form url.Values) (signOut, error) {
	ask := signOut{state: form.Get("state")}
	ask.client = p.clients.client(r.Context(), form.Get("client_id"))
	hint := form.Get("id_token_hint")
	if hint == "" {
		return ask, nil
	}
	token, err := p.readIDToken(hint)
	if err != nil {
		ask.client = nil
		return ask, nil
	}
	if ask.client == nil && len(token.Audience) == 1 {
		ask.client = p.clients.client(r.Context(), token.Audience[0])
	}
	if ask.client == nil || !slices.Contains(token.Audience, ask.client.ID) {
		return signOut{}, refuse("invalid_request", "id_token_hint.foreign", "id_token_hint was not issued to this client_id")
	}
	ask.hinted, ask.session = true, token.Session
	if to := form.Get("post_logout_redirect_uri"); to != "" {
		if !slices.Contains(ask.client.PostLogoutRedirectURIs, to) {
			return signOut{}, addressRefusal(ask.client, to, ask.client.PostLogoutRedirectURIs, "post_logout_redirect_uri")
		}
		ask.redirect = to
	}
	return ask, nil
}

// maySignOut: the hint names the session of this browser, nobody is signed in here, or the person said yes on our own page.
func (p *Provider) maySignOut(r *http.Request, form url.Values, ask signOut) (bool, error) {
	foreign := foreignPost(r)
	if r.Method == http.MethodPost && form.Get("confirm") == "yes" && !foreign {
		return true, nil
	}
	if !ask.hinted || foreign { // whose session there is does not show in a foreign post
		return false, nil
	}
	auth, _, err := p.cfg.Front().Decide(r, ask.client, &AuthRequest{ClientID: ask.client.ID})
	if errors.Is(err, account.ErrNoSession) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return auth == nil || auth.SessionID == ask.session, nil
}

// keptFields are those that the page carries on; the hint with them, because it vouches for the address.
func keptFields(form url.Values) map[string]string {
	fields := map[string]string{"confirm": "yes"}
	for _, name := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"} {
		if v := form.Get(name); v != "" {
			fields[name] = v
		}
	}
	return fields
}

// withQuery adds state to a registered address.
func withQuery(address, state string) (string, error) {
	if state == "" {
		return address, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	q := url.Values{"state": {state}}.Encode()
	if u.RawQuery != "" {
		q = u.RawQuery + "&" + q
	}
	u.RawQuery = q
	return u.String(), nil
}
