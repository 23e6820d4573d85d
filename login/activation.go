package login

import (
	"errors"
	"net/http"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// activationData is what the page recovery-activation shows.
type activationData struct {
	Attempt, Username string // none: the code says whose account it is
	Code              string
}

// showActivation asks for the code of a service centre and a new password. Opening the link changes nothing.
func (d *Door) showActivation(w http.ResponseWriter, r *http.Request) error {
	return d.renderActivation(w, r, nil)
}

func (d *Door) renderActivation(w http.ResponseWriter, r *http.Request, err error) error {
	page := templates.Page{Name: "recovery-activation", Back: "/recovery", Data: activationData{Code: clip(r.FormValue("code"))}}
	return d.renderForm(w, r, nil, page, err)
}

// takeActivation sets the new password. It signs nobody in: the person shows on the next page that they know it.
func (d *Door) takeActivation(w http.ResponseWriter, r *http.Request) error {
	code := clip(r.PostFormValue("code"))
	if code == "" {
		return d.renderActivation(w, r, account.FieldErrors{{Field: "code", Message: "error.code.empty"}})
	}
	password, err := d.newPassword(r)
	if err == nil {
		err = d.cfg.Accounts.Activate(r.Context(), account.Activating{
			Code: code, Password: password, Browser: d.browser(w, r, false), Origin: d.origin(r),
		})
	}
	var early account.NewBrowserError
	switch {
	case errors.Is(err, account.ErrWrongCode):
		err = account.FieldErrors{{Field: "code", Message: "error.activation.wrong"}}
	case errors.As(err, &early):
		hours := (minutesUntil(early.Until, d.cfg.Now()) + 59) / 60
		err = account.FieldErrors{{Field: "code", Message: "error.activation.early", Args: map[string]any{"Hours": hours}}}
	}
	if err != nil {
		return d.renderActivation(w, r, err)
	}
	d.dropCookie(w, cookieSession)
	return seeOther(w, r, "/recovery/activation/done")
}

func (d *Door) showActivated(w http.ResponseWriter, r *http.Request) error {
	return d.render(w, r, nil, templates.Page{Name: "recovery-activated"})
}

// activationCancelData is what the page activation-cancel asks.
type activationCancelData struct{ Token string }

// showActivationCancel asks whether the code shall be cancelled. Opening it changes nothing: scanners of mail open links too.
func (d *Door) showActivationCancel(w http.ResponseWriter, r *http.Request) error {
	token := clip(r.FormValue("token"))
	if err := d.cfg.Accounts.PeekActivation(r.Context(), token); err != nil {
		return cancelError(err)
	}
	return d.render(w, r, nil, templates.Page{Name: "activation-cancel", Data: activationCancelData{token}})
}

func (d *Door) takeActivationCancel(w http.ResponseWriter, r *http.Request) error {
	if err := d.cfg.Accounts.CancelActivation(r.Context(), clip(r.PostFormValue("token")), d.origin(r)); err != nil {
		return cancelError(err)
	}
	return d.render(w, r, nil, templates.Page{Name: "activation-cancelled"})
}
