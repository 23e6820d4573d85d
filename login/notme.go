package login

import (
	"errors"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// notMeData is what the page not-me asks: whether these sign-ins were the person's own.
type notMeData struct {
	Token    string
	Arrivals []arrivalLine
}

// arrivalLine is one of them.
type arrivalLine struct {
	At     time.Time
	Device string
	From   string // place and address
}

// showNotMe shows what a mailed link would disown. Opening it changes nothing: scanners of mail open links too.
func (d *Door) showNotMe(w http.ResponseWriter, r *http.Request) error {
	token := clip(r.FormValue("token"))
	arrivals, err := d.cfg.Accounts.Arrivals(r.Context(), token)
	if err != nil {
		return notMeError(err)
	}
	data := notMeData{Token: token}
	for _, a := range arrivals {
		data.Arrivals = append(data.Arrivals, arrivalLine{a.At, a.Origin.Device(), d.cfg.Accounts.From(a.Origin)})
	}
	return d.render(w, r, nil, templates.Page{Name: "not-me", Data: data})
}

// takeNotMe disowns them. Whoever holds the link shuts strangers out with it, and lets nobody in.
func (d *Door) takeNotMe(w http.ResponseWriter, r *http.Request) error {
	if err := d.cfg.Accounts.Disown(r.Context(), clip(r.PostFormValue("token")), d.origin(r)); err != nil {
		return notMeError(err)
	}
	d.dropCookie(w, cookieSession)
	return d.render(w, r, nil, templates.Page{Name: "not-me-done"})
}

func notMeError(err error) error {
	if errors.Is(err, account.ErrNotFound) {
		return errOldAlert
	}
	return err
}
