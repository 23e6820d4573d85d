package login

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/templates"
)

// requestsPage is where a person finds what services ask of them.
const requestsPage = "/me/requests"

// asked lists the requests that wait for a person.
func (d *Door) asked(ctx context.Context, id account.ID) ([]op.Asking, error) {
	return d.cfg.Provider().Asked(ctx, id)
}

// takeAsked takes the person's answer to a service that asked them out of its own accord (CIBA). A yes goes the way of any
// sign-in: the service may need a higher level, a second factor or a consent.
func (d *Door) takeAsked(w http.ResponseWriter, r *http.Request) error {
	_, person, err := d.visitor(r)
	if err != nil {
		return err
	}
	if person == nil {
		return seeOther(w, r, "/login?return="+requestsPage)
	}
	asked, err := d.asked(r.Context(), person.ID)
	if err != nil {
		return fmt.Errorf("reading what a person is asked: %w", err)
	}
	id := r.PostFormValue("request")
	n := slices.IndexFunc(asked, func(a op.Asking) bool { return a.ID == id })
	if n < 0 { // answered, over, or somebody else's
		return errRequestOver
	}
	a := d.openAttempt(w, r, kindSignIn)
	a.Request = id
	answer := r.PostFormValue("answer")
	if answer == "allow" {
		v, err := d.visit(r, a)
		if err != nil {
			return err
		}
		return d.advance(w, r, v)
	}
	client, stranger := asked[n].Client.ID, answer == "stranger"
	if err := d.cfg.Accounts.RequestRefused(r.Context(), person.ID, client, stranger, d.origin(r)); err != nil {
		return fmt.Errorf("journalling a refusal: %w", err)
	}
	if stranger {
		if err := d.cfg.Provider().Hush(r.Context(), person.ID, client); err != nil {
			return err
		}
	}
	return d.refuse(w, r, a, "access_denied", op.Refused)
}

// showAskedDone tells the person how it ended.
func (d *Door) showAskedDone(w http.ResponseWriter, r *http.Request) error {
	allowed, a, err := d.ended(r)
	if err != nil {
		return err
	}
	page := templates.Page{Name: "asked-done", Data: doneData{allowed}}
	if !allowed {
		page.Title = "asked-done.title-refused"
	}
	return d.render(w, r, a, page)
}

// ended reports how an attempt ended that answered a request from elsewhere.
func (d *Door) ended(r *http.Request) (allowed bool, a *attempt, err error) {
	if a, err = d.loadAttempt(r); err != nil {
		return false, nil, err
	}
	if a.Outcome == nil || a.Outcome.Response == nil {
		return false, nil, errNoAttempt
	}
	return a.Outcome.Response.Params["error"] == "", a, nil
}

// doneData is what the pages device-done and asked-done say.
type doneData struct{ Allowed bool }

// donePath is where a person reads how such an attempt ended.
func donePath(response op.Response) string {
	if response.Params["kind"] == string(op.RemoteCall) {
		return "/asked/done"
	}
	return "/device/done"
}
