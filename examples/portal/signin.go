package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// need is what a page must know of a person.
type need struct {
	level  string // least level of the account; empty for any
	scopes []string
}

// everybody is what the portal asks at every sign-in.
var everybody = need{scopes: []string{"openid", "profile", "phone", "email", "level"}}

var levels = []string{"simplified", "standard", "verified"}

// claims asks for an acr that is essential: the provider raises the level or says that it cannot
// (OpenID Connect Core §5.5.1.1).
func (n need) claims() string {
	text, err := json.Marshal(map[string]any{"id_token": map[string]any{
		"acr": map[string]any{"essential": true, "values": []string{"urn:vhod:acr:" + n.level + ":1fa"}},
	}})
	if err != nil {
		return "{}"
	}
	return string(text)
}

// metBy reports whether what is known of a user is enough.
func (n need) metBy(u *user) bool {
	for _, scope := range n.scopes {
		if !slices.Contains(u.scopes, scope) {
			return false
		}
	}
	return rank(u.level()) >= rank(n.level)
}

// with adds the scopes that a user gave before, so that a new token can do what the old one could.
func (n need) with(scopes []string) need {
	n.scopes = slices.Clone(n.scopes)
	for _, scope := range scopes {
		if !slices.Contains(n.scopes, scope) {
			n.scopes = append(n.scopes, scope)
		}
	}
	return n
}

func rank(level string) int { return slices.Index(levels, level) }

// level of the account, by the acr of the ID token: urn:vhod:acr:LEVEL:STRENGTH.
func (u *user) level() string {
	parts := strings.Split(u.acr, ":")
	if len(parts) == 5 && strings.HasPrefix(u.acr, "urn:vhod:acr:") {
		return parts[3]
	}
	return ""
}

// strength of the sign-in, by the same acr: 1fa, 2fa, phr.
func (u *user) strength() string {
	_, strength, _ := strings.Cut(u.acr, u.level()+":")
	return strength
}

// signIn sends the browser to the provider. GET /sign-in?create=1 asks for a new account.
func (p *Portal) signIn(w http.ResponseWriter, r *http.Request) error {
	return p.enter(w, r, everybody, "/me", r.FormValue("create") != "")
}

func (p *Portal) enter(w http.ResponseWriter, r *http.Request, n need, back string, create bool) error {
	if u := p.sessions.user(r); u != nil {
		n = n.with(u.scopes)
	}
	f := flow{need: n, back: back}
	state, address, err := p.client.start(r.Context(), &f, create)
	if err != nil {
		return err
	}
	p.sessions.begin(w, r, p.secure(), state, f)
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

// callback takes the provider's answer.
func (p *Portal) callback(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f, ok := p.sessions.take(r, q.Get("state"))
	if !ok {
		return refusal{Code: "stale", Again: "/sign-in"}
	}
	op, err := p.client.discover(r.Context())
	if err != nil {
		return err
	}
	if iss := q.Get("iss"); iss != p.cfg.Issuer && (iss != "" || op.SaysIss) {
		return errors.New("the answer is of another issuer") // RFC 9207 §2.4
	}
	if code := q.Get("error"); code != "" {
		p.cfg.Log.InfoContext(r.Context(), "sign-in refused", "error", code, "description", q.Get("error_description"))
		return refusal{Code: code, Description: q.Get("error_description"), Again: f.back}
	}
	u, err := p.client.finish(r.Context(), f, q.Get("code"))
	if err != nil {
		return err
	}
	if rank(u.level()) < rank(f.need.level) {
		return refusal{Code: "unmet_authentication_requirements", Again: f.back}
	}
	p.sessions.signIn(w, r, p.secure(), u)
	http.Redirect(w, r, f.back, http.StatusSeeOther)
	return nil
}

// known returns the user of a page when everything that it needs is known; otherwise the browser is on
// its way to the provider and known returns nil. The claims are asked for anew, so that a withdrawn
// consent counts at once.
func (p *Portal) known(w http.ResponseWriter, r *http.Request, n need) (*user, error) {
	u := p.sessions.user(r)
	if u == nil || !n.metBy(u) || p.cfg.Now().After(u.expires) {
		return nil, p.enter(w, r, n, r.URL.Path, false)
	}
	fresh := *u
	switch err := p.client.ask(r.Context(), &fresh); {
	case errors.Is(err, errRevoked):
		p.sessions.end(w, r)
		r.Header.Del("Cookie") // the session is gone: the flow begins in a new one
		return nil, p.enter(w, r, n, r.URL.Path, false)
	case err != nil:
		return nil, err
	}
	p.sessions.learn(r, &fresh)
	return &fresh, nil
}

// signOut forgets the person here; the provider's session lives on.
func (p *Portal) signOut(w http.ResponseWriter, r *http.Request) error {
	p.sessions.end(w, r)
	http.Redirect(w, r, SignedOut, http.StatusSeeOther)
	return nil
}

// signOutEverywhere forgets the person here and takes them to the provider to end the session there.
func (p *Portal) signOutEverywhere(w http.ResponseWriter, r *http.Request) error {
	u := p.sessions.user(r)
	p.sessions.end(w, r)
	if u == nil {
		http.Redirect(w, r, SignedOut, http.StatusSeeOther)
		return nil
	}
	address, err := p.client.logout(r.Context(), u)
	if err != nil {
		return err
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

func (p *Portal) signedOut(w http.ResponseWriter, r *http.Request) error {
	p.show(w, r, http.StatusOK, view{Name: "portal-signed-out", Title: "Вы вышли"})
	return nil
}
