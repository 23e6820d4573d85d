package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// secondData is what the pages totp and backup show.
type secondData struct {
	Attempt   string
	Apps      []string // names of the person's authenticator apps
	OtherWays []otherWay
	Remember  bool // the browser may be remembered
	Left      int  // backup codes still unused
}

func (d *Door) showTOTP(w http.ResponseWriter, r *http.Request) error {
	return d.showSecond(w, r, "totp")
}

func (d *Door) showBackup(w http.ResponseWriter, r *http.Request) error {
	return d.showSecond(w, r, "backup")
}

func (d *Door) showSecond(w http.ResponseWriter, r *http.Request, name string) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepSecond); !ok {
		return err
	}
	return d.renderSecond(w, r, v, name, nil)
}

func (d *Door) renderSecond(w http.ResponseWriter, r *http.Request, v *visit, name string, err error) error {
	data := secondData{Attempt: v.attempt.ID, Left: len(v.person.Backup.Hashes)}
	for _, app := range v.person.TOTP {
		data.Apps = append(data.Apps, app.Name)
	}
	data.OtherWays, data.Remember = v.otherWays(account.Method(name)), mayRemember(v) && name != "backup"
	return d.renderForm(w, r, v.attempt, v.secondPage(d, r, name, data), err)
}

func (d *Door) takeTOTP(w http.ResponseWriter, r *http.Request) error {
	return d.takeSecond(w, r, "totp", account.MethodTOTP, d.cfg.Accounts.VerifyTOTP)
}

func (d *Door) takeBackup(w http.ResponseWriter, r *http.Request) error {
	verify := func(ctx context.Context, id account.ID, code string, o account.Origin) error {
		_, err := d.cfg.Accounts.VerifyBackup(ctx, id, code, o)
		return err
	}
	return d.takeSecond(w, r, "backup", account.MethodBackup, verify)
}

type verifier func(ctx context.Context, id account.ID, code string, o account.Origin) error

// takeSecond proves a second factor of the person whom the first one proved (F08).
func (d *Door) takeSecond(w http.ResponseWriter, r *http.Request, name string, m account.Method, verify verifier) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepSecond); !ok {
		return err
	}
	code := clip(r.PostFormValue("code"))
	if code == "" {
		return d.renderSecond(w, r, v, name, account.FieldErrors{{Field: "code", Message: "error.code.empty"}})
	}
	err = verify(r.Context(), v.person.ID, code, d.origin(r))
	if errors.Is(err, account.ErrWrongCode) {
		err = account.FieldErrors{{Field: "code", Message: "error.code.wrong-" + name}}
	}
	if err != nil {
		return d.renderSecond(w, r, v, name, err)
	}
	v.attempt.prove(v.person.ID, m, d.cfg.Now())
	if err := d.remember(w, r, v); err != nil {
		return err
	}
	return d.advance(w, r, v)
}

// mayRemember reports whether the person may ask to remember this browser: in their own sign-in, at their own computer.
func mayRemember(v *visit) bool {
	return v.attempt.Kind == kindSignIn && !v.attempt.Shared && !v.policy.Remembered
}

// remember remembers the browser in which a second factor was just shown, when the person asked for it.
func (d *Door) remember(w http.ResponseWriter, r *http.Request, v *visit) error {
	if r.PostFormValue("remember") == "" || !mayRemember(v) {
		return nil
	}
	cookie := keys.RandomHandle()
	if err := d.cfg.Accounts.RememberDevice(r.Context(), v.person.ID, cookie, d.origin(r)); err != nil {
		return fmt.Errorf("remembering a browser: %w", err)
	}
	d.setCookie(w, cookieDevice, cookie, deviceLife)
	return nil
}
