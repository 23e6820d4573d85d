package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/vhod-id/vhod/account"
)

// smsRoutes prove the phone as a second factor, and turn that on.
func (d *Door) smsRoutes() []route {
	return []route{
		{"GET /login/sms", d.showSMS},
		{"POST /login/sms", d.takeSMS},
		{"GET /login/sms/resend", d.goOn},
		{"POST /login/sms/resend", d.resendSMS},
		{"GET /protect/sms", d.showSetUpSMS},
		{"POST /protect/sms", d.takeSetUpSMS},
		{"GET /protect/sms/resend", d.showSetUpSMS},
		{"POST /protect/sms/resend", d.resendSetUpSMS},
	}
}

// smsData is what the page sms shows.
type smsData struct {
	codeData
	Remember  bool
	Half      bool // a code by e-mail comes after it
	OtherWays []otherWay
}

// showSMS sends the first code of the attempt; a reload sends none.
func (d *Door) showSMS(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterSMS(w, r)
	if v == nil {
		return err
	}
	_, err = d.cfg.Accounts.CodeState(r.Context(), account.ForSignIn, "sms", v.attempt.ID)
	if errors.Is(err, account.ErrCodeExpired) {
		err = d.sendSMS(r, v)
	}
	return d.renderSMS(w, r, v, err)
}

// enterSMS loads an attempt whose person may prove their phone now, or sends it to where it stands.
func (d *Door) enterSMS(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if ok, err := d.stands(w, r, v, stepSecond); !ok {
		return nil, err
	}
	for _, m := range secondsFor(circumstancesOf(v.person, v.policy)) {
		if m == account.MethodSMS {
			return v, nil
		}
	}
	return nil, d.advance(w, r, v)
}

func (d *Door) sendSMS(r *http.Request, v *visit) error {
	return d.cfg.Accounts.SendFactorCode(r.Context(), v.person.ID, account.ForSignIn, v.attempt.ID, d.lang(r, v.attempt), d.origin(r))
}

func (d *Door) renderSMS(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	code, failed := d.codeState(r, account.ForSignIn, "sms", v.attempt)
	if failed != nil {
		return failed
	}
	code.Action, code.ResendURL = "/login/sms", "/login/sms/resend"
	half := circumstancesOf(v.person, v.policy).halved()
	data := smsData{codeData: code, Remember: mayRemember(v) && !half, Half: half, OtherWays: v.otherWays(account.MethodSMS)}
	return d.renderForm(w, r, v.attempt, v.secondPage(d, r, "sms", data), err)
}

func (d *Door) takeSMS(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterSMS(w, r)
	if v == nil {
		return err
	}
	code := clip(r.PostFormValue("code"))
	if code == "" {
		return d.renderSMS(w, r, v, account.FieldErrors{{Field: "code", Message: "error.code.empty"}})
	}
	if err := d.cfg.Accounts.VerifySMS(r.Context(), v.person.ID, v.attempt.ID, code, d.origin(r)); err != nil {
		return d.renderSMS(w, r, v, codeError(err))
	}
	v.attempt.prove(v.person.ID, account.MethodSMS, d.cfg.Now())
	if circumstancesOf(v.person, v.policy).halved() { // a browser is remembered by who has shown all of it
		return d.advance(w, r, v)
	}
	if err := d.remember(w, r, v); err != nil {
		return err
	}
	return d.advance(w, r, v)
}

func (d *Door) resendSMS(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterSMS(w, r)
	if v == nil {
		return err
	}
	return d.renderSMS(w, r, v, d.sendSMS(r, v))
}

// showSetUpSMS sends a code by which the person shows that the phone is still theirs.
func (d *Door) showSetUpSMS(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	_, err = d.cfg.Accounts.CodeState(r.Context(), account.ForFactor, "sms", in.session.ID)
	if errors.Is(err, account.ErrCodeExpired) {
		err = d.sendSetUpSMS(r.Context(), r, in)
	}
	return d.renderSetUpSMS(w, r, in, err)
}

func (d *Door) sendSetUpSMS(ctx context.Context, r *http.Request, in *inside) error {
	return d.cfg.Accounts.SendFactorCode(ctx, in.person.ID, account.ForFactor, in.session.ID, d.lang(r, in.attempt), d.origin(r))
}

func (d *Door) renderSetUpSMS(w http.ResponseWriter, r *http.Request, in *inside, err error) error {
	data, failed := d.codeState(r, account.ForFactor, "sms", &attempt{ID: in.session.ID})
	if failed != nil {
		return failed
	}
	data.Attempt = in.attempt.ID
	data.Action, data.ResendURL = "/protect/sms", "/protect/sms/resend"
	page := in.page(d, r, "protect-sms", smsData{codeData: data})
	page.Back = in.home
	return d.renderForm(w, r, in.attempt, page, err)
}

// takeSetUpSMS turns codes by SMS on; with the first factor come the backup codes.
func (d *Door) takeSetUpSMS(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	code := clip(r.PostFormValue("code"))
	if code == "" {
		return d.renderSetUpSMS(w, r, in, account.FieldErrors{{Field: "code", Message: "error.code.empty"}})
	}
	if err := d.cfg.Accounts.AddSMS(r.Context(), in.person.ID, in.session.ID, code, d.origin(r)); err != nil {
		return d.renderSetUpSMS(w, r, in, codeError(err))
	}
	if err := d.addProofs(w, r, in.session, []account.Proof{{Method: account.MethodSMS, At: d.cfg.Now()}}); err != nil {
		return err
	}
	if len(in.person.Backup.Hashes) == 0 {
		if err := d.printCodes(r, in); err != nil {
			return fmt.Errorf("printing codes: %w", err)
		}
		return seeOther(w, r, in.path("/protect/backup"))
	}
	return d.onward(w, r, in)
}

func (d *Door) resendSetUpSMS(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	return d.renderSetUpSMS(w, r, in, d.sendSetUpSMS(r.Context(), r, in))
}
