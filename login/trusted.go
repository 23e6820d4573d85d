package login

import (
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
)

// trustedData is what the page recovery-trusted shows.
type trustedData struct {
	Attempt string
	State   string    // empty: nobody was asked; "asked", "silent", "vouched", or "stopped" when it is over before its time
	Ends    time.Time // until when they may answer
	Opens   time.Time // when the wait is over
	Lowers  bool
}

// trustedState says how far a recovery came that asks the people whom its owner trusts.
func (v *visit) trustedState(now time.Time) trustedData {
	w, waits := v.person.Waits(v.attempt.Recovery.Channel, now)
	data := trustedData{Attempt: v.attempt.ID, Opens: w.OpensAt, Ends: w.AskedAt.Add(account.PleaLife), Lowers: v.person.Level > account.Standard}
	switch {
	case waits && w.Vouched != "":
		data.State = "vouched"
	case waits && w.Asks(now):
		data.State = "asked"
	case waits && w.Unanswered(now):
		data.State = "silent"
	case v.attempt.Recovery.Asked && !waits:
		data.State = "stopped"
	}
	return data
}

// lookAgain is how often the page looks for an answer by itself, in seconds.
const lookAgain = 15

// showTrusted offers to ask trusted people, or says what they answered.
func (d *Door) showTrusted(w http.ResponseWriter, r *http.Request) error {
	v, err := d.losing(w, r)
	if v == nil {
		return err
	}
	now := d.cfg.Now()
	data := v.trustedState(now)
	if data.State == "" && !v.person.MayAsk(now) {
		return seeOther(w, r, at("/recovery/ways", v.attempt))
	}
	page := v.page(d, r, "recovery-trusted", data)
	page.Back = at("/recovery/ways", v.attempt)
	if data.State == "asked" {
		page.Refresh = lookAgain
	}
	return d.render(w, r, v.attempt, page)
}

// takeTrusted asks them. The person comes back by the same contact when the time has come, as after any wait.
func (d *Door) takeTrusted(w http.ResponseWriter, r *http.Request) error {
	v, err := d.losing(w, r)
	if v == nil {
		return err
	}
	if _, err := d.cfg.Accounts.AskTrusted(r.Context(), v.person.ID, v.attempt.Recovery.Channel, d.origin(r)); err != nil {
		return err
	}
	v.attempt.Recovery.Asked = true
	if err := d.save(r.Context(), v.attempt); err != nil {
		return err
	}
	return seeOther(w, r, at("/recovery/trusted", v.attempt))
}
