package login

import (
	"errors"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// lostData is what the pages recovery-wait and recovery-day say: what waiting means, or until when somebody waits already.
type lostData struct {
	Attempt string
	Waits   bool
	Opens   time.Time
	Lowers  bool // the account is verified, and will not be after that
}

// losing loads a recovery whose person is asked for a second factor.
func (d *Door) losing(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if !v.policy.Recovering || v.next() != stepSecond {
		return nil, d.advance(w, r, v)
	}
	return v, nil
}

func (d *Door) showLost(w http.ResponseWriter, r *http.Request) error {
	v, err := d.losing(w, r)
	if v == nil {
		return err
	}
	return d.renderLost(w, r, v)
}

func (d *Door) renderLost(w http.ResponseWriter, r *http.Request, v *visit) error {
	waiting, waits := v.person.Waits(v.attempt.Recovery.Channel, d.cfg.Now())
	data := lostData{Attempt: v.attempt.ID, Waits: waits, Opens: waiting.OpensAt, Lowers: v.person.Level > account.Standard}
	page := v.page(d, r, "recovery-wait", data)
	page.Back = at("/recovery/ways", v.attempt)
	return d.render(w, r, v.attempt, page)
}

// takeLost begins to wait. The person comes back by the same contact when the time has come.
func (d *Door) takeLost(w http.ResponseWriter, r *http.Request) error {
	v, err := d.losing(w, r)
	if v == nil {
		return err
	}
	if _, err := d.cfg.Accounts.BeginWaiting(r.Context(), v.person.ID, v.attempt.Recovery.Channel, d.origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, at("/recovery/lost", v.attempt))
}

// showDay says that a recovery in a browser that is new waits a day, or until when it does.
func (d *Door) showDay(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepRecoveryDay); !ok {
		return err
	}
	waiting, waits := v.person.Rests(v.attempt.Recovery.Channel, d.cfg.Now())
	data := lostData{Attempt: v.attempt.ID, Waits: waits, Opens: waiting.OpensAt}
	return d.render(w, r, v.attempt, v.page(d, r, "recovery-day", data))
}

// takeDay begins the day. The person comes back by the same contact when it is over.
func (d *Door) takeDay(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepRecoveryDay); !ok {
		return err
	}
	if _, err := d.cfg.Accounts.BeginRest(r.Context(), v.person.ID, v.attempt.Recovery.Channel, d.origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, at("/recovery/day", v.attempt))
}

// cancelData is what the page recovery-cancel asks.
type cancelData struct {
	Token        string
	Whole        bool // all that the person has was shown
	Since, Opens time.Time
}

// showCancelWaiting asks whether to end a wait. Opening the link ends nothing: scanners of mail open links too.
func (d *Door) showCancelWaiting(w http.ResponseWriter, r *http.Request) error {
	token := clip(r.FormValue("token"))
	waiting, err := d.cfg.Accounts.WaitingOf(r.Context(), token)
	if err != nil {
		return cancelError(err)
	}
	return d.render(w, r, nil, templates.Page{Name: "recovery-cancel", Data: cancelData{token, waiting.Whole, waiting.StartedAt, waiting.OpensAt}})
}

func (d *Door) takeCancelWaiting(w http.ResponseWriter, r *http.Request) error {
	if err := d.cfg.Accounts.CancelWaiting(r.Context(), clip(r.PostFormValue("token")), d.origin(r)); err != nil {
		return cancelError(err)
	}
	return d.render(w, r, nil, templates.Page{Name: "recovery-cancelled"})
}

func cancelError(err error) error {
	if errors.Is(err, account.ErrNotFound) {
		return errOldAlert
	}
	return err
}
