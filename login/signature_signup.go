package login

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/vhod-id/vhod/account"
)

// signUpSignature is what a newcomer's certificate says, kept until the account exists. The numbers stand
// as they are, since the attempt is sealed.
type signUpSignature struct {
	Certificate account.Certificate
	Person      account.Person
	SNILS, INN  string
}

func keepSignature(s account.Signature) *signUpSignature {
	return &signUpSignature{s.Certificate, s.Claims.Person, s.Claims.SNILS.Reveal(), s.Claims.INN.Reveal()}
}

// signature is what was kept, as account knows it; nil when the person signs up without one.
func (k *signUpSignature) signature() (*account.Signature, error) {
	if k == nil {
		return nil, nil
	}
	s := &account.Signature{Certificate: k.Certificate, Claims: account.Claimed{Person: k.Person}}
	var err error
	if s.Claims.SNILS, err = account.ParseSNILS(k.SNILS); err != nil {
		return nil, err
	}
	if k.INN != "" {
		if s.Claims.INN, err = account.ParseINN(k.INN); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// signingUp loads an attempt that may begin signing up, or opens one.
func (d *Door) signingUp(w http.ResponseWriter, r *http.Request) (*visit, error) {
	if r.FormValue("attempt") == "" {
		a := d.openAttempt(w, r, kindSignUp)
		a.SignUp, a.Return = &signUp{}, localPath(r.FormValue("return"), "/me")
		if err := d.save(r.Context(), a); err != nil {
			return nil, err
		}
		return nil, seeOther(w, r, at("/signup/esign", a))
	}
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if !mayBegin(v.attempt) {
		return nil, d.advance(w, r, v)
	}
	return v, nil
}

func signUpSigning(v *visit) signing { return signing{purpose: signToSignUp, owner: v.attempt.ID} }

func (d *Door) showSignUpSignature(w http.ResponseWriter, r *http.Request) error {
	v, err := d.signingUp(w, r)
	if v == nil {
		return err
	}
	return d.renderSignUpSignature(w, r, v, nil)
}

func (d *Door) renderSignUpSignature(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	data, failed := d.signaturePage(r, v.attempt, signUpSigning(v), "/signup/esign")
	if failed != nil {
		return failed
	}
	data.OtherURL = signInURL(v.attempt)
	page := v.page(d, r, "signup-esign", data)
	page.Back = at(paths[stepContact], v.attempt)
	return d.renderForm(w, r, v.attempt, page, err)
}

func (d *Door) signUpChallenge(w http.ResponseWriter, r *http.Request) error {
	v, err := d.signingUp(w, r)
	if v == nil {
		return err
	}
	return d.sendChallenge(w, r, v.attempt, signUpSigning(v))
}

// takeSignUpSignature begins a sign-up with what the certificate says; contacts and the rest follow as for
// everybody (R008).
func (d *Door) takeSignUpSignature(w http.ResponseWriter, r *http.Request) error {
	v, err := d.signingUp(w, r)
	if v == nil {
		return err
	}
	signature, _, err := d.signed(r, signUpSigning(v))
	if err != nil {
		return d.renderSignUpSignature(w, r, v, err)
	}
	_, err = d.cfg.Accounts.VerifySignature(r.Context(), signature, d.origin(r))
	if !errors.Is(err, account.ErrWrongCredentials) { // somebody signs in by it, and it is the person here
		if err == nil || errors.Is(err, account.ErrLocked) {
			err = signatureError("has-account")
		}
		return d.renderSignUpSignature(w, r, v, err)
	}
	taken, err := d.cfg.Accounts.ContactTaken(r.Context(), account.Identifier{Kind: account.BySNILS, Value: signature.Claims.SNILS.Reveal()})
	if err != nil {
		return fmt.Errorf("looking for an account of the certificate's SNILS: %w", err)
	}
	if taken { // the person showed that the SNILS is theirs, so it is no secret to them
		return d.renderSignUpSignature(w, r, v, signatureError("has-snils"))
	}
	before := v.attempt.SignUp
	d.turn(v.attempt, kindSignUp)
	v.attempt.SignUp = &signUp{Signature: keepSignature(signature)}
	if before != nil {
		v.attempt.SignUp.Phone, v.attempt.SignUp.Email = before.Phone, before.Email
		v.attempt.SignUp.PhoneOK, v.attempt.SignUp.EmailOK = before.PhoneOK, before.EmailOK
	}
	return d.advance(w, r, v)
}
