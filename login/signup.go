package login

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// signUp is what a newcomer typed so far. The order is contacts, codes, password, agreements (C38);
// the account exists only after the last.
type signUp struct {
	Phone, Email     string // canonical
	PhoneOK, EmailOK bool   // proven by a code or a link
	Password         []byte // sealed under the browser's flow cookie, which we do not keep
	Created          bool   // the account exists
	Ready            bool   // the last page was seen

	Signature *signUpSignature `json:",omitempty"` // of a sign-up by an electronic signature
}

func (s *signUp) done() bool { return s != nil && s.Created }

// proved reports whether this very sign-up has shown that the address is the person's.
func (s *signUp) proved(to account.Contact) bool { return s.done() && s.EmailOK && s.Email == to.Value }

// nextSignUp says what a newcomer does next.
func nextSignUp(a *attempt) step {
	s := a.SignUp
	switch {
	case s == nil || s.Phone == "" || s.Email == "":
		return stepContact
	case !s.PhoneOK || !s.EmailOK:
		return stepSignUpCode
	case s.Password == nil:
		return stepChoose
	}
	return stepAgreement
}

// channel is the contact that is being proven: the phone first.
func (s *signUp) channel() (channel, to string) {
	if !s.PhoneOK {
		return "sms", s.Phone
	}
	return "mail", s.Email
}

// contactData is what the page signup-contact shows.
type contactData struct {
	Attempt      string
	Phone, Email string
	SignInURL    string
	SignURL      string          // sign up by an electronic signature; empty where none is taken
	BankURL      string          // sign in by a bank, which makes an account for who has none
	Customer     *account.Person // whom the bank names, when one was asked
	Signer       *account.Person // whom the certificate names, when one was shown
}

// showContact begins a sign-up, by itself or out of an attempt that came for a service. A newcomer
// may come back here to correct a contact until the account exists.
func (d *Door) showContact(w http.ResponseWriter, r *http.Request) error {
	if r.FormValue("attempt") == "" {
		a := d.openAttempt(w, r, kindSignUp)
		a.SignUp = &signUp{}
		a.Return = localPath(r.FormValue("return"), "/me")
		if err := d.save(r.Context(), a); err != nil {
			return err
		}
		return seeOther(w, r, at(paths[stepContact], a))
	}
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if !mayBegin(v.attempt) {
		return d.advance(w, r, v)
	}
	return d.renderContact(w, r, v, contactData{}, nil)
}

// signInURL leads a newcomer who has an account to signing in, for the same service.
func signInURL(a *attempt) string {
	if a.Request == "" {
		return "/login"
	}
	return at("/login", a)
}

// mayBegin reports whether the attempt may turn to signing up or recovering: nothing is over yet.
func mayBegin(a *attempt) bool {
	return a.Outcome == nil && !a.SignUp.done() && !a.Recovery.done()
}

func (d *Door) renderContact(w http.ResponseWriter, r *http.Request, v *visit, typed contactData, err error) error {
	a := v.attempt
	typed.Attempt = a.ID
	typed.SignInURL = signInURL(a)
	if s := a.SignUp; s != nil && s.Signature != nil {
		typed.Signer = &s.Signature.Person
	} else if d.cfg.VerifySignature != nil {
		typed.SignURL = at("/signup/esign", a)
	}
	if a.Bank != nil {
		typed.Customer = &a.Bank.Person
		if err == nil && typed.Phone == "" {
			typed.Phone = a.Bank.Phone
		}
	} else {
		typed.BankURL = d.bankURL(a)
	}
	if s := a.SignUp; err == nil && s != nil {
		typed.Phone, typed.Email = s.Phone, s.Email
	}
	page := v.page(d, r, "signup-contact", typed)
	page.Back = typed.SignInURL
	return d.renderForm(w, r, a, page, err)
}

// takeContact keeps both contacts and sends the first code. A contact that belongs to somebody goes
// the same way in the same time, but nothing is sent to the newcomer and the owner is told (G02).
func (d *Door) takeContact(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	a := v.attempt
	if !mayBegin(a) {
		return d.advance(w, r, v)
	}
	typed := contactData{Phone: clip(r.PostFormValue("phone")), Email: clip(r.PostFormValue("email"))}
	draft, err := parseContacts(typed)
	if err != nil {
		return d.renderContact(w, r, v, typed, err)
	}
	if before := a.SignUp; before != nil { // what was proven and did not change stays proven
		draft.Signature = before.Signature
		draft.PhoneOK = before.PhoneOK && before.Phone == draft.Phone
		draft.EmailOK = before.EmailOK && before.Email == draft.Email
	}
	d.turn(a, kindSignUp)
	a.SignUp = &draft
	if !draft.PhoneOK || !draft.EmailOK {
		if err := d.sendSignUpCode(r, a); err != nil {
			return d.renderContact(w, r, v, typed, err)
		}
	}
	return d.advance(w, r, v)
}

// turn makes the attempt one of another kind; a longer kind waits longer.
func (d *Door) turn(a *attempt, k kind) {
	if a.Kind == k {
		return
	}
	a.Kind = k
	a.forget()
	a.SignUp, a.Recovery = nil, nil
	if k == kindSignUp {
		a.ExpiresAt = d.cfg.Now().Add(signUpLife)
	}
}

func parseContacts(typed contactData) (signUp, error) {
	var wrong account.FieldErrors
	phone, err := account.ParsePhone(typed.Phone)
	if err := collect(&wrong, "phone", err); err != nil {
		return signUp{}, err
	}
	email, err := account.ParseEmail(typed.Email)
	if err := collect(&wrong, "email", err); err != nil {
		return signUp{}, err
	}
	if len(wrong) > 0 {
		return signUp{}, wrong
	}
	return signUp{Phone: phone, Email: email}, nil
}

// collect adds a parser's error to those of the form; any other error is returned.
func collect(wrong *account.FieldErrors, field string, err error) error {
	if err == nil {
		return nil
	}
	var fields account.FieldErrors
	if err := asField(field, err); !errors.As(err, &fields) {
		return err
	}
	*wrong = append(*wrong, fields...)
	return nil
}

// choosePasswordData is what the pages signup-password and recovery-password show.
type choosePasswordData struct {
	Attempt  string
	Username string // hidden, so that password managers keep the pair
}

func (d *Door) showChoosePassword(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepChoose, stepAgreement); !ok {
		return err
	}
	return d.renderChoosePassword(w, r, v, nil)
}

func (d *Door) renderChoosePassword(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	data := choosePasswordData{Attempt: v.attempt.ID, Username: v.attempt.SignUp.Phone}
	page := v.page(d, r, "signup-password", data)
	page.Back = at(paths[stepContact], v.attempt)
	return d.renderForm(w, r, v.attempt, page, err)
}

func (d *Door) takeChosenPassword(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepChoose, stepAgreement); !ok {
		return err
	}
	s := v.attempt.SignUp
	password, err := d.newPassword(r, s.Phone, s.Email)
	if err != nil {
		return d.renderChoosePassword(w, r, v, err)
	}
	sealer, err := d.draftSealer(r)
	if err != nil {
		return err
	}
	s.Password = sealer.Seal(attemptKey(v.attempt.ID), []byte(password))
	return d.advance(w, r, v)
}

// newPassword reads the two password fields and applies the policy.
func (d *Door) newPassword(r *http.Request, contextWords ...string) (string, error) {
	password := r.PostFormValue("password")
	if password == "" {
		return "", account.FieldErrors{{Field: "password", Message: "error.password.empty"}}
	}
	if err := d.cfg.Accounts.CheckPassword(r.Context(), password, contextWords...); err != nil {
		return "", err
	}
	if password != r.PostFormValue("password_again") {
		return "", account.FieldErrors{{Field: "password_again", Message: "error.password_again.differs"}}
	}
	return password, nil
}

// draftSealer seals what waits in an attempt under the browser's own cookie, of which we keep a hash
// only: the stores and the master keys together do not open it.
func (d *Door) draftSealer(r *http.Request) (*keys.Sealer, error) {
	key := keys.NewSecret(keys.Hash("draft " + d.cookie(r, cookieFlow))[:32])
	sealer, err := keys.NewSealer([]keys.MasterKey{{ID: "flow", Key: key}}, key)
	if err != nil {
		return nil, fmt.Errorf("making the draft's key: %w", err)
	}
	return sealer, nil
}

// agreementData is what the page signup-agreement shows.
type agreementData struct {
	Attempt        string
	Terms, Privacy string // current versions
}

func (d *Door) showAgreement(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepAgreement); !ok {
		return err
	}
	return d.renderAgreement(w, r, v, nil)
}

func (d *Door) renderAgreement(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	data := agreementData{
		Attempt: v.attempt.ID,
		Terms:   d.cfg.Agreements["terms"], Privacy: d.cfg.Agreements["privacy"],
	}
	page := v.page(d, r, "signup-agreement", data)
	page.Back = at(paths[stepChoose], v.attempt)
	return d.renderForm(w, r, v.attempt, page, err)
}

// takeAgreement creates the account. The tick's value is the version that the person saw.
func (d *Door) takeAgreement(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepAgreement); !ok {
		return err
	}
	agreements, err := d.agreed(r)
	if err != nil {
		return d.renderAgreement(w, r, v, err)
	}
	person, err := d.createAccount(r, v.attempt, agreements)
	var taken account.TakenError
	if errors.As(err, &taken) {
		// The newcomer proved the contact, so it is no secret to them whose it is.
		return d.renderTaken(w, r, v)
	}
	if err != nil {
		return d.renderAgreement(w, r, v, err)
	}
	v.attempt.prove(person.ID, account.MethodPassword, d.cfg.Now())
	v.person = person
	return d.advance(w, r, v)
}

// agreed reads the two ticks.
func (d *Door) agreed(r *http.Request) ([]account.Agreement, error) {
	var wrong account.FieldErrors
	var out []account.Agreement
	for _, document := range []string{"terms", "privacy"} {
		version := d.cfg.Agreements[document]
		if name := "agree_" + document; r.PostFormValue(name) != version {
			wrong = append(wrong, account.FieldError{Field: name, Message: "error." + name + ".missing"})
		}
		out = append(out, account.Agreement{Document: document, Version: version, At: d.cfg.Now()})
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return out, nil
}

func (d *Door) createAccount(r *http.Request, a *attempt, agreements []account.Agreement) (*account.Account, error) {
	sealer, err := d.draftSealer(r)
	if err != nil {
		return nil, err
	}
	password, err := sealer.Open(attemptKey(a.ID), a.SignUp.Password)
	if err != nil {
		return nil, fmt.Errorf("opening the draft: %w", err)
	}
	signature, err := a.SignUp.Signature.signature()
	if err != nil {
		return nil, fmt.Errorf("reading the kept certificate: %w", err)
	}
	var by *account.BankAnswer
	if a.Bank != nil && a.Bank.Choice == "new" {
		answer := a.Bank.answer()
		by = &answer
	}
	person, err := d.cfg.Accounts.SignUp(r.Context(), account.SignUp{
		Signature: signature, Bank: by,
		Phone: a.SignUp.Phone, Email: a.SignUp.Email, Password: string(password),
		Agreements: agreements, Lang: d.lang(r, a), Origin: d.origin(r),
	})
	if err != nil {
		return nil, err
	}
	a.SignUp.Created, a.SignUp.Password, a.SignUp.Signature, a.Bank = true, nil, nil, nil
	return person, nil
}

// readyData is what the page signup-ready shows.
type readyData struct {
	Attempt  string
	Level    string
	Service  string // empty without one
	RaiseURL string
}

func (d *Door) showReady(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepReady); !ok {
		return err
	}
	data := readyData{Attempt: v.attempt.ID, Level: v.person.Level.String(), RaiseURL: at(paths[stepRaise], v.attempt)}
	if v.client != nil {
		data.Service = inLang(v.client.Name, d.lang(r, v.attempt))
	}
	return d.render(w, r, v.attempt, v.page(d, r, "signup-ready", data))
}

func (d *Door) takeReady(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepReady); !ok {
		return err
	}
	v.attempt.SignUp.Ready = true
	if r.PostFormValue("raise") == "" {
		return d.advance(w, r, v)
	}
	if err := d.save(r.Context(), v.attempt); err != nil {
		return err
	}
	return seeOther(w, r, at(paths[stepRaise], v.attempt))
}

const mailLinkLife = 24 * time.Hour // how long an opened link counts for the first screen (C8)
