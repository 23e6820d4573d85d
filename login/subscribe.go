package login

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/vhod-id/vhod/account"
)

// subscribePush takes where this device's browser takes messages. The device's cookie is asked for and no session, as for an
// answer: who may answer may be told that there is something to answer.
func (d *Door) subscribePush(w http.ResponseWriter, r *http.Request) error {
	to, err := account.ParsePushSubscription(r.PostFormValue("endpoint"), r.PostFormValue("p256dh"), r.PostFormValue("auth"))
	if err != nil {
		return d.renderApprove(w, r, err)
	}
	return d.switchPush(w, r, "on", d.cfg.Accounts.SubscribePush(r.Context(), d.cookie(r, cookieApprover), to, d.origin(r)))
}

func (d *Door) unsubscribePush(w http.ResponseWriter, r *http.Request) error {
	return d.switchPush(w, r, "off", d.cfg.Accounts.UnsubscribePush(r.Context(), d.cookie(r, cookieApprover), d.origin(r)))
}

func (d *Door) switchPush(w http.ResponseWriter, r *http.Request, done string, err error) error {
	if errors.Is(err, account.ErrNotFound) { // the page says that this browser approves nothing
		return seeOther(w, r, approvePage)
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, approvePage+"?done="+url.QueryEscape(done))
}

// pushWorker serves what runs in the browser when a message comes. Its address stays, for browsers look there whether it has
// changed; it lies in a folder of its own, so that it controls no page.
func (d *Door) pushWorker(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	return d.cfg.Pages.Script(w, r, "push-worker.js")
}
