package login

import (
	"errors"
	"net/http"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
)

// passwordData is what the page password shows.
type passwordData struct {
	Attempt    string
	Identifier string
	Username   string // for password managers
	ChangeURL  string // empty when the identifier is fixed
	ForgotURL  string
	PasskeyURL string // empty where there are none
	Reauth     bool   // the person is signed in and shows again that it is them
	SignURL    string
	BankURL    string
	Toll       *tollData // what a guess costs just now; nil: nothing
}

func (d *Door) showPassword(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepPassword); !ok {
		return err
	}
	return d.renderPassword(w, r, v, nil)
}

func (d *Door) renderPassword(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	a := v.attempt
	err, refused := tollError(err)
	due, failed := d.askToll(r, v, refused)
	if failed != nil {
		return failed
	}
	data := passwordData{
		Toll:       due,
		Attempt:    a.ID,
		Identifier: a.shown(),
		Username:   a.Typed,
		ForgotURL:  at(paths[stepRecoveryStart], a),
		Reauth:     a.Fixed,
		SignURL:    d.signURL(a),
		BankURL:    d.bankURL(a),
	}
	if d.cfg.Accounts.HasPasskeys() {
		data.PasskeyURL = at("/login/passkey", a)
	}
	if !a.Fixed {
		data.ChangeURL = at(paths[stepIdentify], a)
	}
	page := v.page(d, r, "password", data)
	if a.Fixed {
		page.Title = "password.title-reauth"
	} else {
		page.Back = data.ChangeURL
	}
	return d.renderForm(w, r, a, page, err)
}

// shown is what the person typed to say who they are, with a telephone number as people read it.
func (a *attempt) shown() string {
	if a.Identifier.Kind == account.ByPhone {
		return account.FormatPhone(a.Identifier.Value)
	}
	return a.Typed
}

// takePassword proves the first factor. Unknown identifier, wrong password and a locked account before
// the right password are one text, one status, one page (G01, G03).
func (d *Door) takePassword(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepPassword); !ok {
		return err
	}
	password := r.PostFormValue("password")
	if password == "" {
		return d.renderPassword(w, r, v, account.FieldErrors{{Field: "password", Message: "error.password.empty"}})
	}
	show, err := d.showing(r, v.attempt)
	if err != nil {
		return d.renderPassword(w, r, v, err)
	}
	person, err := d.cfg.Accounts.VerifyPasswordIn(r.Context(), v.attempt.Identifier, password, show, d.origin(r))
	if errors.Is(err, account.ErrWrongCredentials) || errors.Is(err, credential.ErrLong) {
		err = account.FieldErrors{{Field: "password", Message: "error.password.wrong"}}
	}
	if err != nil {
		return d.renderPassword(w, r, v, err)
	}
	v.attempt.CanPasskey = r.PostFormValue("passkeys") != ""
	v.attempt.prove(person.ID, account.MethodPassword, d.cfg.Now())
	v.person = person
	v.policy = d.policyFor(v)
	return d.advance(w, r, v)
}
