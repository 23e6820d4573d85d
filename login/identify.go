package login

import (
	"errors"
	"net/http"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// identifyData is what the page identify shows.
type identifyData struct {
	Attempt    string
	Identifier string // as typed before, or the service's hint
	Shared     bool
	Known      string // who is signed in already, when the service asks which account
	SignUpURL  string
	Passkeys   bool   // this site can have passkeys
	SignURL    string // sign in by an electronic signature; empty where none is taken
	BankURL    string // sign in by a bank; empty where there is none
}

// showIdentify asks who the person is. Without an attempt it begins one that ends in the cabinet, or
// at ?return=; a person who is signed in goes there at once, unless the cabinet asks for fresh proofs.
func (d *Door) showIdentify(w http.ResponseWriter, r *http.Request) error {
	if r.FormValue("attempt") == "" {
		return d.beginSignIn(w, r)
	}
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if a := v.attempt; r.FormValue("again") != "" && a.Kind == kindSignIn && a.Outcome == nil && !a.Fixed { // back from a second factor
		a.forget()
		if err := d.save(r.Context(), a); err != nil {
			return err
		}
	}
	if ok, err := d.stands(w, r, v, stepIdentify, stepPassword); !ok {
		return err
	}
	if v.attempt.Fixed {
		return seeOther(w, r, at(paths[stepPassword], v.attempt))
	}
	return d.renderIdentify(w, r, v, nil)
}

func (d *Door) beginSignIn(w http.ResponseWriter, r *http.Request) error {
	session, person, err := d.visitor(r)
	if err != nil {
		return err
	}
	back := localPath(r.FormValue("return"), "/me")
	reauth := r.FormValue("reauth") != "" && session != nil
	if session != nil && !reauth {
		return seeOther(w, r, back)
	}
	a := d.openAttempt(w, r, kindSignIn)
	a.Return, a.Reauth = back, reauth
	a.Ended = session == nil && r.FormValue("return") != "" && d.cookie(r, cookieSession) != ""
	v := &visit{attempt: a, session: session, person: person, device: d.cookie(r, cookieDevice), browser: d.cookie(r, cookieBrowser)}
	v.policy = d.policyFor(v)
	d.fixIdentifier(v)
	return d.advance(w, r, v)
}

func (d *Door) renderIdentify(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	a := v.attempt
	data := identifyData{
		Attempt: a.ID, Identifier: a.Typed, Shared: a.Shared,
		SignUpURL: at(paths[stepContact], a), Passkeys: d.cfg.Accounts.HasPasskeys(),
	}
	if data.Identifier == "" {
		data.Identifier = a.Hint
	}
	data.SignURL, data.BankURL = d.signURL(a), d.bankURL(a)
	if v.session != nil && v.policy.Choose && !a.Chosen {
		data.Known = displayName(v.person)
	}
	page := v.page(d, r, "identify", data)
	if v.policy.Other && v.session != nil {
		page.Notice = "notice.other-account"
	}
	if a.Ended && v.session == nil {
		page.Notice = "notice.session-ended"
	}
	return d.renderForm(w, r, a, page, err)
}

func (d *Door) takeIdentifier(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepIdentify, stepPassword); !ok {
		return err
	}
	a := v.attempt
	if a.Fixed {
		return d.advance(w, r, v)
	}
	a.Typed = clip(r.PostFormValue("identifier"))
	a.Shared = r.PostFormValue("shared") != ""
	by, err := account.ParseIdentifier(a.Typed)
	if err != nil {
		return d.renderIdentify(w, r, v, asField("identifier", err))
	}
	a.Identifier = by
	a.forget()
	a.Chosen = false
	if v, err = d.visit(r, a); err != nil {
		return err
	}
	return d.advance(w, r, v)
}

// takeSamePerson goes on with the account that is signed in (prompt=select_account).
func (d *Door) takeSamePerson(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if v.session != nil && v.attempt.Kind == kindSignIn {
		v.attempt.Chosen = true
		v.attempt.Identifier, v.attempt.Typed = account.Identifier{}, ""
		d.fixAfterChoice(v)
	}
	return d.advance(w, r, v)
}

// fixAfterChoice asks for the password of the chosen account when its session is not fresh enough.
func (d *Door) fixAfterChoice(v *visit) {
	v.policy.Choose = false
	d.fixIdentifier(v)
	v.policy = d.policyFor(v)
}

// goOn is where rooms aside (levels, protection) hand the person back.
func (d *Door) goOn(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	return d.advance(w, r, v)
}

// cancel returns to the service with the reason, or to the start page.
func (d *Door) cancel(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	a := v.attempt
	switch {
	case a.Outcome != nil:
		return d.answerAgain(w, r, a)
	case a.Request == "":
		return seeOther(w, r, "/")
	case v.next() == stepUnreachable || v.next() == stepNoCertificate || (v.next() == stepRaise && v.policy.Essential):
		return d.refuse(w, r, a, "unmet_authentication_requirements", "the person cannot or will not reach what the request asks")
	}
	return d.refuse(w, r, a, "access_denied", "user_cancel")
}

// unreachableData is what the page says that a service asks and this person cannot give.
type unreachableData struct {
	Level, Strength string
	CancelURL       string
	LevelURL        string
	ProtectURL      string
}

func (d *Door) showUnreachable(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepUnreachable); !ok {
		return err
	}
	data := unreachableData{
		Level:     v.policy.Level.String(),
		CancelURL: at("/login/cancel", v.attempt),
	}
	if v.policy.Strength > account.StrengthOf(v.session.Proofs) {
		data.Strength = v.policy.Strength.String()
	}
	if v.person.Level < v.policy.Level {
		data.LevelURL = at(paths[stepRaise], v.attempt)
	}
	if v.policy.Strength == account.TwoFactor && !hasSecond(v.person) && !v.policy.New {
		data.ProtectURL = at(paths[stepProtect], v.attempt)
	}
	return d.render(w, r, v.attempt, v.page(d, r, "unreachable", data))
}

// renderForm renders a page with what was wrong about its form: 422 for wrong fields, 429 when there
// were too many tries. Any other error is not the form's.
func (d *Door) renderForm(w http.ResponseWriter, r *http.Request, a *attempt, page templates.Page, err error) error {
	if err == nil {
		return d.render(w, r, a, page)
	}
	var fields account.FieldErrors
	var one account.FieldError
	var throttled account.ThrottledError
	var locked account.LockedWayError
	page.Status = http.StatusUnprocessableEntity
	switch {
	case errors.As(err, &locked):
		fields = account.FieldErrors{{Message: "error.locked-way." + string(locked.Switch)}}
	case errors.As(err, &fields):
	case errors.As(err, &one):
		fields = account.FieldErrors{one}
	case errors.As(err, &throttled):
		page.Status = http.StatusTooManyRequests
		d.retryAfter(w, throttled.Until)
		fields = account.FieldErrors{{
			Message: "error.throttled",
			Args:    map[string]any{"Minutes": minutesUntil(throttled.Until, d.cfg.Now())},
		}}
	default:
		return err
	}
	for _, f := range fields {
		page.Errors = append(page.Errors, templates.FieldError{Field: f.Field, Message: f.Message, Args: f.Args})
	}
	return d.render(w, r, a, page)
}

// asField names the form field of a parser's error.
func asField(field string, err error) error {
	var one account.FieldError
	if !errors.As(err, &one) {
		return err
	}
	one.Field = field
	return account.FieldErrors{one}
}

// displayName is a short name for the person's own eyes: "Анна П.", or a masked contact.
func displayName(person *account.Account) string {
	if name := []rune(person.Person.FamilyName); len(name) > 0 {
		return person.Person.GivenName + " " + string(name[:1]) + "."
	}
	if person.Phone.Value != "" {
		return account.MaskPhone(person.Phone.Value)
	}
	return account.MaskEmail(person.Email.Value)
}

// clip bounds what a field may hold before anything looks at it.
func clip(s string) string {
	const most = 320 // the longest e-mail address
	if len(s) > most {
		return s[:most]
	}
	return s
}
