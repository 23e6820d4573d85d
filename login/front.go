package login

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/templates"
)

// Decide answers for a browser without showing anything, by one session lookup. The dispatcher behind
// the pages decides here too, over an attempt that is not kept, so that the way without a page and the
// way through the pages cannot come to differ.
func (d *Door) Decide(r *http.Request, client *op.Client, req *op.AuthRequest) (*op.Authentication, op.Need, error) {
	if client.Isolated {
		return d.decideApart(r, client)
	}
	session, person, err := d.visitor(r)
	if err != nil {
		return nil, op.NeedNothing, err
	}
	if session == nil {
		return nil, op.NeedLogin, nil
	}
	a := &attempt{Kind: kindSignIn, CreatedAt: d.cfg.Now()}
	v := &visit{attempt: a, session: session, person: person, req: req, client: client, device: d.cookie(r, cookieDevice), browser: d.cookie(r, cookieBrowser)}
	v.policy = d.policyFor(v)
	auth := authentication(session, person)
	switch v.next() {
	case stepDone:
		if d.cfg.Provider().Met(req, auth) {
			return &auth, op.NeedNothing, nil
		}
		return &auth, op.NeedInteraction, nil
	case stepConsent:
		return &auth, op.NeedConsent, nil
	case stepProtect, stepRaise, stepUnreachable, stepSignature, stepLocked, stepLinkBank:
		return &auth, op.NeedInteraction, nil
	}
	if v.policy.Choose {
		return &auth, op.NeedInteraction, nil
	}
	return nil, op.NeedLogin, nil
}

// decideApart says who is signed in at a service with a sign-on of its own, or else in this browser; either way the service
// asks anew.
func (d *Door) decideApart(r *http.Request, client *op.Client) (*op.Authentication, op.Need, error) {
	for _, of := range []*op.Client{client, nil} {
		session, person, err := d.visitorOf(r, of)
		if err != nil {
			return nil, op.NeedNothing, err
		}
		if session != nil {
			auth := authentication(session, person)
			return &auth, op.NeedLogin, nil
		}
	}
	return nil, op.NeedLogin, nil
}

// Enter opens an attempt for the stored request. A browser that is signed in goes straight to the
// page that is missing.
func (d *Door) Enter(w http.ResponseWriter, r *http.Request, client *op.Client, req *op.AuthRequest) (string, error) {
	k := kindSignIn
	if slices.Contains(req.Prompt, "create") {
		k = kindSignUp
	}
	a := d.openAttempt(w, r, k)
	if k == kindSignUp {
		a.SignUp = &signUp{}
	}
	a.Request, a.Asked, a.Hint, a.Apart = req.ID, req, req.LoginHint, client.Isolated
	a.Lang = firstLang(req.UILocales)
	v := &visit{attempt: a, req: req, client: client, device: d.cookie(r, cookieDevice), browser: d.cookie(r, cookieBrowser)}
	var err error
	if v.session, v.person, err = d.visitorOf(r, client); err != nil {
		return "", err
	}
	v.policy = d.policyFor(v)
	d.fixIdentifier(v)
	if err := d.save(r.Context(), a); err != nil {
		return "", err
	}
	path := v.path(v.next())
	if path == "" {
		path = "/login/continue"
	}
	return at(path, a), nil
}

// fixIdentifier asks a known person for a fresh proof without asking who they are; another person may
// still say so where the service did not ask for this one.
func (d *Door) fixIdentifier(v *visit) {
	if v.session == nil || v.policy.Since.IsZero() || v.policy.Choose || v.policy.Other || v.attempt.Kind != kindSignIn {
		return
	}
	by := account.Identifier{Kind: account.ByPhone, Value: v.person.Phone.Value}
	switch {
	case by.Value != "":
	case v.person.Email.Value != "":
		by = account.Identifier{Kind: account.ByEmail, Value: v.person.Email.Value}
	default:
		by = account.Identifier{Kind: account.ByNumber, Value: v.person.Number}
	}
	v.attempt.Identifier, v.attempt.Typed, v.attempt.Fixed = by, by.Value, true
}

// firstLang returns the first of these language tags (RFC 5646) that we speak, whatever its region.
func firstLang(locales []string) string {
	for _, locale := range locales {
		if lang, _, _ := strings.Cut(strings.ToLower(locale), "-"); lang == "ru" || lang == "en" {
			return lang
		}
	}
	return ""
}

// SignOut ends the browser's session, and those of services with a sign-on of their own, and takes their cookies away.
func (d *Door) SignOut(w http.ResponseWriter, r *http.Request) (op.EndedSession, error) {
	var ended op.EndedSession
	for _, cookie := range []string{cookieApart, cookieSession} {
		session, _, err := d.sessionOf(r, cookie)
		if err != nil {
			return ended, err
		}
		if session != nil {
			if err := d.cfg.Accounts.EndHere(r.Context(), session, d.origin(r)); err != nil {
				return ended, fmt.Errorf("ending a session: %w", err)
			}
			ended = op.EndedSession{Account: session.AccountID, ID: session.ID}
		}
		if d.cookie(r, cookie) != "" || cookie == cookieSession {
			d.dropCookie(w, cookie)
		}
	}
	return ended, nil
}

// signOutData is what the page logout asks.
type signOutData struct {
	Action  string
	Fields  []field
	Service string
}

// ConfirmSignOut asks whether to sign out; the form posts the fields back to /end_session.
func (d *Door) ConfirmSignOut(w http.ResponseWriter, r *http.Request, client *op.Client, fields map[string]string) error {
	data := signOutData{Action: "/end_session", Fields: fieldsOf(fields)}
	page := templates.Page{Name: "sign-out", Data: data}
	if client != nil {
		data.Service = inLang(client.Name, d.cfg.Pages.Lang(r))
		page.Data = data
		for _, uri := range client.PostLogoutRedirectURIs {
			page.FormAction = append(page.FormAction, formAction(uri)...)
		}
	}
	return d.cfg.Pages.Render(w, r, page)
}

// signedOutData is what the page signed-out says, and loads out of sight.
type signedOutData struct {
	Frames   []string
	Continue string
}

// SignedOut shows the page after signing out.
func (d *Door) SignedOut(w http.ResponseWriter, r *http.Request, bye op.Farewell) error {
	page := templates.Page{Name: "signed-out", Data: signedOutData{bye.Frames, bye.Continue}}
	for _, frame := range bye.Frames {
		page.FrameSrc = append(page.FrameSrc, formAction(frame)...)
	}
	return d.cfg.Pages.Render(w, r, page)
}

func (d *Door) showSignOut(w http.ResponseWriter, r *http.Request) error {
	session, _, err := d.visitor(r)
	if err != nil {
		return err
	}
	if session == nil {
		return d.SignedOut(w, r, op.Farewell{})
	}
	return d.cfg.Pages.Render(w, r, templates.Page{Name: "sign-out", Data: signOutData{Action: "/logout"}})
}

// takeSignOut signs out. Where services hear of it by the browser, the answer is the page that loads them; a reload finds nobody signed in.
func (d *Door) takeSignOut(w http.ResponseWriter, r *http.Request) error {
	ended, err := d.SignOut(w, r)
	if err != nil {
		return err
	}
	frames, err := d.cfg.Provider().Farewells(r.Context(), ended)
	if err != nil {
		return err
	}
	if len(frames) > 0 {
		return d.SignedOut(w, r, op.Farewell{Frames: frames})
	}
	return seeOther(w, r, "/logout")
}

// takeLang keeps the person's language, from the switch on every page.
func (d *Door) takeLang(w http.ResponseWriter, r *http.Request) error {
	if lang := r.PostFormValue("lang"); lang == "ru" || lang == "en" {
		d.setCookie(w, cookieLang, lang, choiceLife)
	}
	return seeOther(w, r, localPath(r.PostFormValue("return"), "/"))
}

// takeTheme keeps the person's theme; "auto" follows the device again.
func (d *Door) takeTheme(w http.ResponseWriter, r *http.Request) error {
	switch theme := r.PostFormValue("theme"); theme {
	case "light", "dark":
		d.setCookie(w, cookieTheme, theme, choiceLife)
	default:
		d.dropCookie(w, cookieTheme)
	}
	return seeOther(w, r, localPath(r.PostFormValue("return"), "/"))
}
