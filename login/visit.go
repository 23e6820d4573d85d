package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/templates"
)

// visit is one request inside an attempt, with everything that next looks at.
type visit struct {
	attempt *attempt
	session *account.Session // the browser's live session, or nil
	person  *account.Account // of the attempt's proofs, or else of the session; or nil
	req     *op.AuthRequest  // the waiting request, or nil
	client  *op.Client
	policy  policy
	device  string // the cookie by which a remembered browser is known
	browser string // the cookie by which a browser is known in which somebody signed in
	origin  account.Origin
}

// enter loads the attempt of a request with what belongs to it: errNoAttempt when it is not this
// browser's or over, errRequestOver when the service's request has been answered or expired.
func (d *Door) enter(r *http.Request) (*visit, error) {
	a, err := d.loadAttempt(r)
	if err != nil {
		return nil, err
	}
	v, err := d.visit(r, a)
	if errors.Is(err, errRequestOver) {
		// A faster twin of this click may be answering just now.
		if a, err = d.awaitOutcome(r.Context(), a.ID); err != nil {
			return nil, err
		}
		return d.visit(r, a)
	}
	return v, err
}

// visit completes an attempt to a visit.
func (d *Door) visit(r *http.Request, a *attempt) (*visit, error) {
	v := &visit{attempt: a, device: d.cookie(r, cookieDevice), browser: d.cookie(r, cookieBrowser), origin: d.origin(r)}
	var err error
	if a.Request != "" && a.Outcome == nil {
		v.req, v.client, err = d.cfg.Provider().Request(r.Context(), a.Request, a.Asked)
		if errors.Is(err, account.ErrNotFound) && a.Kind != kindSignIn {
			// Who signs up or gets back in finishes that, though the service no longer waits.
			a.Request, a.Asked, err = "", nil, nil
		}
		if errors.Is(err, account.ErrNotFound) {
			return nil, errRequestOver
		}
		if err != nil {
			return nil, fmt.Errorf("reading the waiting request: %w", err)
		}
	}
	v.session, v.person, err = d.visitorOf(r, v.client)
	if err != nil {
		return nil, err
	}
	if a.Account != "" && (v.person == nil || v.person.ID != a.Account) {
		v.person, err = d.cfg.Accounts.Read(r.Context(), a.Account, account.Look{Who: "person", Why: "signing in"})
		if err != nil {
			return nil, fmt.Errorf("reading who signs in: %w", err)
		}
	}
	v.policy = d.policyFor(v)
	return v, nil
}

// policyFor completes what the request asks with what only the provider knows: whether the person's
// consents cover it, and whether the session is of the person that the service means.
func (d *Door) policyFor(v *visit) policy {
	p := policyOf(v.attempt, v.req, v.person, d.cfg.Now())
	p.Remembered = v.attempt.Kind == kindSignIn && v.person != nil && v.person.Remembers(v.device, p.Now)
	p.Seen = v.person != nil && v.person.Knows(v.browser, p.Now)
	p.Recovering = v.attempt.Kind == kindRecovery && !v.attempt.Recovery.done()
	p.Strange = p.Recovering && v.person != nil && !v.person.AtHome(v.browser, p.Now)
	p.NoSMS = v.attempt.Recovery != nil && v.attempt.Recovery.Channel == "sms"
	if v.person != nil && v.attempt.Account == v.person.ID { // only while they sign in: a session has passed that
		p.Risks = d.cfg.Accounts.Risks(v.person, v.browser, v.origin)
	}
	p.Confirm = d.cfg.ConfirmNewBrowsers
	p.New = v.session != nil && v.person != nil && v.person.MayChange(v.session, p.Now) != nil
	p.Passkeys = d.cfg.Accounts.HasPasskeys()
	p.Sign = d.cfg.VerifySignature != nil
	if v.req == nil || v.person == nil {
		return p
	}
	p.Locked = lockedAct(v.req, v.person, p.Now)
	if !d.cfg.Provider().Covered(v.client, v.req, v.person) {
		p.Consent = true
	}
	p.Other = d.isOther(v)
	return p
}

// isOther asks the provider whether the person is another than the one that the service means
// (id_token_hint): only the provider knows by what name the service knows them. Everything else that
// it compares is at its best in this question.
func (d *Door) isOther(v *visit) bool {
	best := op.Authentication{AccountID: v.person.ID, Time: d.cfg.Now(), Level: account.Verified, Strength: account.PhishingResistant}
	if v.policy.Certified {
		best.Signed = &op.Signed{}
	}
	return v.req.HintSubject != "" && !d.cfg.Provider().Met(v.req, best)
}

// visitor returns the browser's live session with its account, or nils.
func (d *Door) visitor(r *http.Request) (*account.Session, *account.Account, error) {
	return d.visitorOf(r, nil)
}

// visitorOf is visitor for a service: one with a sign-on of its own sees its own session alone, and no other sees that.
func (d *Door) visitorOf(r *http.Request, client *op.Client) (*account.Session, *account.Account, error) {
	session, person, err := d.sessionOf(r, sessionCookie(client))
	if session != nil && session.Client != isolated(client) {
		return nil, nil, nil
	}
	return session, person, err
}

// isolated is the id of a service with a sign-on of its own; empty for all others.
func isolated(client *op.Client) string {
	if client != nil && client.Isolated {
		return client.ID
	}
	return ""
}

func sessionCookie(client *op.Client) string {
	if isolated(client) != "" {
		return cookieApart
	}
	return cookieSession
}

func (d *Door) sessionOf(r *http.Request, cookie string) (*account.Session, *account.Account, error) {
	value := d.cookie(r, cookie)
	if value == "" {
		return nil, nil, nil
	}
	session, person, err := d.cfg.Accounts.Resume(r.Context(), value)
	if errors.Is(err, account.ErrNoSession) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("resuming a session: %w", err)
	}
	return session, person, nil
}

// next asks the dispatcher.
func (v *visit) next() step { return next(v.attempt, v.person, v.session, v.policy) }

// page starts a page of this visit: it carries the service's strip, and allows the last form of the
// flow to be redirected to the service.
func (v *visit) page(d *Door, r *http.Request, name string, data any) templates.Page {
	p := templates.Page{Name: name, Data: data, Timeout: d.timeout(v)}
	if v.client != nil {
		p.Service = &templates.Service{
			Name:      inLang(v.client.Name, d.lang(r, v.attempt)),
			LogoURI:   d.ownPicture(v.client.LogoURI),
			CancelURL: at("/login/cancel", v.attempt),
			Customer:  v.client.CustomerName(v.req.Customer, d.lang(r, v.attempt)),
			Purpose:   string(v.req.Purpose),
		}
		p.FormAction = formAction(v.req.RedirectURI)
	}
	return p
}

// secondPage is page of a second factor, which says what is unusual.
func (v *visit) secondPage(d *Door, r *http.Request, name string, data any) templates.Page {
	p := v.page(d, r, name, data)
	p.Back = v.backFromSecond()
	if len(v.policy.Risks) > 0 {
		p.Notice = "risk." + string(v.policy.Risks[0])
	}
	return p
}

// backFromSecond is where "Back" leads from a second factor: to who they are, where the person may still say so.
func (v *visit) backFromSecond() string {
	a := v.attempt
	switch {
	case a.Kind == kindRecovery:
		return at(paths[stepRecoveryStart], a)
	case a.Kind == kindSignIn && a.Account != "" && !a.Fixed:
		return at(paths[stepIdentify], a) + "&again=1"
	case a.Request == "":
		return "/me"
	}
	return v.backOut()
}

// backOut is where "Back" leads where nothing before is undone: to the service that sent the person, as "Return to the service" does.
// Whom no page of a service sent is not there to go back to.
func (v *visit) backOut() string {
	if v.req == nil || v.req.Remote != nil {
		return ""
	}
	return at("/login/cancel", v.attempt)
}

// backTo is where "Back" leads from a page beside the flow, opened at the step that it is for or at another.
func (v *visit) backTo(own step) string {
	if now := v.next(); now != own && v.path(now) != "" {
		return at(v.path(now), v.attempt)
	}
	return v.backOut()
}

// ownPicture returns the address of a picture of ours, and nothing for any other: a page of a flow loads nothing from elsewhere, where
// it would tell who signs in (P16), and the pages' policy would refuse it.
func (d *Door) ownPicture(address string) string {
	if strings.HasPrefix(address, d.cfg.Issuer+"/") || strings.HasPrefix(address, "data:image/") {
		return address
	}
	return ""
}

// formAction is the source that the page's Content-Security-Policy adds to form-action: Chromium
// holds it against every redirect that follows a post, and the last one leads to the service.
func formAction(redirectURI string) []string {
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil || u.Scheme == "":
		return nil
	case u.Host == "":
		return []string{u.Scheme + ":"} // a native app's own scheme (RFC 8252 §7.1)
	}
	return []string{u.Scheme + "://" + u.Host}
}

// at is a path of the flow with the attempt in it.
func at(path string, a *attempt) string { return path + "?attempt=" + url.QueryEscape(a.ID) }

// inLang picks a localised name, Russian when there is none in lang.
func inLang(names map[string]string, lang string) string {
	if name := names[lang]; name != "" {
		return name
	}
	return names["ru"]
}

// render writes a page in the attempt's language, unless the person chose another.
func (d *Door) render(w http.ResponseWriter, r *http.Request, a *attempt, p templates.Page) error {
	return d.cfg.Pages.Render(w, d.speak(r, a), p)
}

// speak fixes the language that the service asked for (ui_locales).
func (d *Door) speak(r *http.Request, a *attempt) *http.Request {
	if a == nil || a.Lang == "" {
		return r
	}
	return r.WithContext(templates.WithLang(r.Context(), a.Lang))
}

func (d *Door) lang(r *http.Request, a *attempt) string { return d.cfg.Pages.Lang(d.speak(r, a)) }
