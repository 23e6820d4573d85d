package login

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/vhod-id/vhod/account"
)

// recovery is how far a person came in getting back in: by a code to a contact of the account, and
// the second factor where there is one (F09).
type recovery struct {
	Channel string
	Typed   string
	Account account.ID // whom the code would prove; empty when the identifier is nobody's
	Proved  bool
	Asked   bool // trusted people were asked
	Reset   bool

	Banked              bool   `json:",omitzero"` // a bank has said that it is them
	BankTried, BankFail string `json:",omitzero"` // the bank that they went to last, and what went wrong there
}

func (s *recovery) done() bool { return s != nil && s.Reset }

// nextRecovery says what a person does next to get back in.
func nextRecovery(a *attempt, person *account.Account, p policy) step {
	s := a.Recovery
	switch {
	case s == nil || s.Channel == "":
		return stepRecoveryStart
	case !s.Proved:
		return stepRecoveryCode
	case a.Account != s.Account:
		return stepRecoveryStart // what was shown after the code is another person's
	case !pending(a, person, p.Now):
		return stepRecoveryStart // too long ago: the contact is to be proven again
	case lacksSecond(person, a.Proofs, p) && !person.Waited(s.Channel, p.Now):
		return stepSecond
	case p.Strange && !unspeakable(a.Proofs) && !person.Rested(s.Channel, p.Now):
		return stepRecoveryDay
	}
	return stepRecoveryPassword
}

// unspeakable reports whether something is among the proofs that nobody can read out to somebody else.
func unspeakable(proofs []account.Proof) bool {
	return slices.ContainsFunc(proofs, func(p account.Proof) bool {
		return p.Method == account.MethodPasskey || p.Method == account.MethodSecurityKey || p.Method == account.MethodSignature
	})
}

// recoveryData is what the page recovery shows.
type recoveryData struct {
	Attempt    string
	Identifier string
}

func (d *Door) showRecovery(w http.ResponseWriter, r *http.Request) error {
	if r.FormValue("attempt") == "" {
		a := d.openAttempt(w, r, kindRecovery)
		a.Return = localPath(r.FormValue("return"), "/me")
		if err := d.save(r.Context(), a); err != nil {
			return err
		}
		return seeOther(w, r, at(paths[stepRecoveryStart], a))
	}
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if !mayBegin(v.attempt) {
		return d.advance(w, r, v)
	}
	return d.renderRecovery(w, r, v, v.attempt.Typed, nil)
}

func (d *Door) renderRecovery(w http.ResponseWriter, r *http.Request, v *visit, typed string, err error) error {
	page := v.page(d, r, "recovery", recoveryData{Attempt: v.attempt.ID, Identifier: typed})
	page.Back = signInURL(v.attempt)
	return d.renderForm(w, r, v.attempt, page, err)
}

// takeRecovery sends a code to the account's contact. The next page, its time and its words are the
// same when there is no account (G02): the code then goes to nobody.
func (d *Door) takeRecovery(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	a := v.attempt
	if !mayBegin(a) {
		return d.advance(w, r, v)
	}
	typed := clip(r.PostFormValue("identifier"))
	by, err := account.ParseIdentifier(typed)
	if err != nil {
		return d.renderRecovery(w, r, v, typed, asField("identifier", err))
	}
	person, err := d.cfg.Accounts.FindForRecovery(r.Context(), by, d.origin(r))
	if err != nil {
		return d.renderRecovery(w, r, v, typed, err)
	}
	d.turn(a, kindRecovery)
	a.forget()
	a.Identifier, a.Typed = by, typed
	a.Recovery = &recovery{Channel: "sms", Typed: typed}
	if by.Kind == account.ByEmail {
		a.Recovery.Channel = "mail"
	}
	if person != nil {
		a.Recovery.Account = person.ID
	}
	v.person = person
	if err := d.sendRecoveryCode(r, a, person); err != nil {
		return d.renderRecovery(w, r, v, typed, err)
	}
	return d.advance(w, r, v)
}

// sendRecoveryCode sends the code to the contact that was typed, or to the account's phone when the
// identifier is a number of a document.
func (d *Door) sendRecoveryCode(r *http.Request, a *attempt, person *account.Account) error {
	to, silent := a.Identifier.Value, true
	if person != nil {
		to, silent = person.Phone.Value, false
		if a.Recovery.Channel == "mail" {
			to = person.Email.Value
		}
	}
	_, err := d.cfg.Accounts.SendCode(r.Context(), account.CodeRequest{
		Purpose: account.ForRecovery, Channel: a.Recovery.Channel, To: to, Flow: a.ID,
		Lang: d.lang(r, a), Origin: d.origin(r), Browser: a.Browser, Silent: silent || to == "",
	})
	return err
}

func (d *Door) showRecoveryCode(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepRecoveryCode); !ok {
		return err
	}
	return d.renderRecoveryCode(w, r, v, nil)
}

func (d *Door) renderRecoveryCode(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	data, failed := d.codeState(r, account.ForRecovery, v.attempt.Recovery.Channel, v.attempt)
	if failed != nil {
		return failed
	}
	data.To = "" // by the number of a document: to say where would say whose it is
	switch by := v.attempt.Identifier; by.Kind {
	case account.ByPhone:
		data.To = account.FormatPhone(by.Value)
	case account.ByEmail:
		data.To = by.Value
	}
	data.Action, data.ResendURL = "/recovery/code", "/recovery/resend"
	data.ChangeURL = at(paths[stepRecoveryStart], v.attempt)
	page := v.page(d, r, "recovery-code", data)
	page.Back = data.ChangeURL
	return d.renderForm(w, r, v.attempt, page, err)
}

func (d *Door) takeRecoveryCode(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepRecoveryCode); !ok {
		return err
	}
	a := v.attempt
	code := clip(r.PostFormValue("code"))
	if code == "" {
		return d.renderRecoveryCode(w, r, v, account.FieldErrors{{Field: "code", Message: "error.code.empty"}})
	}
	_, err = d.cfg.Accounts.CheckCode(r.Context(), account.ForRecovery, a.Recovery.Channel, a.ID, code, d.origin(r))
	if err == nil && a.Recovery.Account == "" {
		err = account.ErrWrongCode
	}
	if err != nil {
		return d.renderRecoveryCode(w, r, v, codeError(err))
	}
	a.Recovery.Proved = true
	a.prove(a.Recovery.Account, account.MethodRecovery, d.cfg.Now())
	if v, err = d.visit(r, a); err != nil {
		return err
	}
	if err := v.person.GateRecovery(a.Recovery.Channel, d.cfg.Now()); err != nil { // locked while the code was under way
		return err
	}
	return d.advance(w, r, v)
}

func (d *Door) resendRecoveryCode(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepRecoveryCode); !ok {
		return err
	}
	person, err := d.cfg.Accounts.FindForRecovery(r.Context(), v.attempt.Identifier, d.origin(r))
	if err != nil {
		return d.renderRecoveryCode(w, r, v, err)
	}
	if err := d.sendRecoveryCode(r, v.attempt, person); err != nil {
		return d.renderRecoveryCode(w, r, v, err)
	}
	return d.advance(w, r, v)
}

func (d *Door) showNewPassword(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepRecoveryPassword); !ok {
		return err
	}
	return d.renderNewPassword(w, r, v, nil)
}

func (d *Door) renderNewPassword(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	data := choosePasswordData{Attempt: v.attempt.ID, Username: v.attempt.Typed}
	return d.renderForm(w, r, v.attempt, v.page(d, r, "recovery-password", data), err)
}

// takeNewPassword ends a recovery: every session ends, both contacts get a notice, and this browser
// is signed in by what it proved.
func (d *Door) takeNewPassword(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepRecoveryPassword); !ok {
		return err
	}
	a := v.attempt
	password, err := d.newPassword(r, v.person.Phone.Value, v.person.Email.Value,
		v.person.Person.FamilyName, v.person.Person.GivenName)
	if err != nil {
		return d.renderNewPassword(w, r, v, err)
	}
	reset := d.cfg.Accounts.ResetPassword
	if lacksSecond(v.person, a.Proofs, v.policy) { // the wait stood for it
		reset = func(ctx context.Context, id account.ID, password string, o account.Origin) error {
			return d.cfg.Accounts.ResetAfterWaiting(ctx, id, a.Recovery.Channel, password, o)
		}
	}
	if err := reset(r.Context(), v.person.ID, password, d.origin(r)); err != nil {
		return d.renderNewPassword(w, r, v, fmt.Errorf("setting the new password: %w", err))
	}
	a.Recovery.Reset = true
	for i := range a.Proofs { // the reset ends what was proven before it, but for what led to it
		a.Proofs[i].At = d.cfg.Now()
	}
	if provedSecond(a.Proofs) { // a code alone stays one factor, whatever was typed after it
		a.prove(v.person.ID, account.MethodPassword, d.cfg.Now())
	}
	v.session = nil // it ended with the others
	return d.advance(w, r, v)
}
