package login

import (
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// lockedAct is what a request asks the person to do and they have locked for themselves, or nothing.
func lockedAct(req *op.AuthRequest, person *account.Account, now time.Time) account.Switch {
	var acts []account.Switch
	if req.Remote != nil && req.Remote.Kind == op.RemoteDevice {
		acts = append(acts, account.SwitchDevice)
	}
	if req.Remote != nil && req.Remote.Kind == op.RemoteCall {
		acts = append(acts, account.SwitchCall)
	}
	if len(req.Details) > 0 {
		acts = append(acts, account.SwitchSigning)
	}
	for _, which := range acts {
		if !person.Allows(which, now) {
			return which
		}
	}
	return ""
}

// lockedData is what the page locked-act says: what is locked, and the way back to the service.
type lockedData struct {
	Switch    account.Switch
	CancelURL string
}

// showLocked tells a person who has proven themselves that they have locked what the service asks of them.
func (d *Door) showLocked(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepLocked); !ok {
		return err
	}
	return d.render(w, r, v.attempt, v.page(d, r, "locked-act", lockedData{v.policy.Locked, at("/login/cancel", v.attempt)}))
}
