package login

import (
	"errors"
	"net/http"

	"github.com/vhod-id/vhod/account"
)

// mailCodeRoutes confirm an unusual sign-in of a person who has no second factor, or has shown their number alone.
func (d *Door) mailCodeRoutes() []route {
	return []route{
		{"GET /login/mail-code", d.showMailCode},
		{"POST /login/mail-code", d.takeMailCode},
		{"GET /login/mail-code/resend", d.goOn},
		{"POST /login/mail-code/resend", d.resendMailCode},
	}
}

// mailCodeData is what the page mail-code shows.
type mailCodeData struct {
	codeData
	RecoveryURL string // by the phone, for who no longer reads that mail
	Half        bool   // a code by SMS went before it
}

// showMailCode sends the first code of the attempt; a reload sends none.
func (d *Door) showMailCode(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterMailCode(w, r)
	if v == nil {
		return err
	}
	_, err = d.cfg.Accounts.CodeState(r.Context(), account.ForSignIn, "mail", v.attempt.ID)
	if errors.Is(err, account.ErrCodeExpired) {
		err = d.sendMailCode(r, v)
	}
	return d.renderMailCode(w, r, v, err)
}

// enterMailCode loads an attempt that waits for the code, or sends it to where it stands.
func (d *Door) enterMailCode(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if ok, err := d.stands(w, r, v, stepMailCode); !ok {
		return nil, err
	}
	return v, nil
}

func (d *Door) sendMailCode(r *http.Request, v *visit) error {
	return d.cfg.Accounts.SendMailCode(r.Context(), v.person.ID, v.attempt.ID, d.lang(r, v.attempt), d.origin(r))
}

func (d *Door) renderMailCode(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	code, failed := d.codeState(r, account.ForSignIn, "mail", v.attempt)
	if failed != nil {
		return failed
	}
	code.Action, code.ResendURL = "/login/mail-code", "/login/mail-code/resend"
	data := mailCodeData{codeData: code, RecoveryURL: at(paths[stepRecoveryStart], v.attempt), Half: v.person.HasSecondFactor()}
	return d.renderForm(w, r, v.attempt, v.secondPage(d, r, "mail-code", data), err)
}

func (d *Door) takeMailCode(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterMailCode(w, r)
	if v == nil {
		return err
	}
	code := clip(r.PostFormValue("code"))
	if code == "" {
		return d.renderMailCode(w, r, v, account.FieldErrors{{Field: "code", Message: "error.code.empty"}})
	}
	if err := d.cfg.Accounts.VerifyMailCode(r.Context(), v.person.ID, v.attempt.ID, code, d.origin(r)); err != nil {
		return d.renderMailCode(w, r, v, codeError(err))
	}
	v.attempt.prove(v.person.ID, account.MethodMailCode, d.cfg.Now())
	return d.advance(w, r, v)
}

func (d *Door) resendMailCode(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterMailCode(w, r)
	if v == nil {
		return err
	}
	return d.renderMailCode(w, r, v, d.sendMailCode(r, v))
}
