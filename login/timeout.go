package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/templates"
)

// attemptMost is how long an attempt waits at most, when its person asks for longer again and again: ten times the usual (WCAG 2.2 §2.2.1).
const attemptMost = 10 * signInLife

// timeoutRoutes put the end of a session or an attempt off. Scripts ask them; who has none goes on to any other page.
func (d *Door) timeoutRoutes() []route {
	return []route{
		{"POST /login/stay", d.stayInAttempt},
		{"POST /me/stay", d.staySignedIn},
	}
}

// sessionTimeout is when a session ends, for the pages on which it is all that there is.
func (d *Door) sessionTimeout(session *account.Session) *templates.Timeout {
	at, whole := d.cfg.Accounts.Ends(session)
	end := &templates.Timeout{Of: "session", At: at, Left: at.Sub(d.cfg.Now()), Whole: whole, StayURL: "/me/stay"}
	if !session.Shared { // whoever sits there next gets nothing of what was typed
		end.Who = keys.Hash("typed by " + string(session.AccountID))
	}
	return end
}

// timeout is what ends first of all that a page of a visit needs: the attempt, the service's request, a first factor that waits for the
// second, the session.
func (d *Door) timeout(v *visit) *templates.Timeout {
	a := v.attempt
	var end *templates.Timeout
	if v.session != nil {
		end = d.sessionTimeout(v.session)
	}
	if a == nil || a.ID == "" || a.Outcome != nil {
		return end
	}
	first := &templates.Timeout{Of: "attempt", At: a.ExpiresAt, Whole: !a.ExpiresAt.Before(a.latest())}
	if v.req != nil && v.req.Until().Before(first.At) {
		first.At, first.Whole = v.req.Until(), v.req.Remote != nil
	}
	if len(a.Proofs) > 0 && pending(a, v.person, d.cfg.Now()) {
		if at := a.Proofs[0].At.Add(proofLife); at.Before(first.At) {
			first.Of, first.At, first.Whole = "proof", at, true
		}
	}
	if end != nil && !first.At.Before(end.At) {
		first.Of, first.At, first.Whole = end.Of, end.At, end.Whole
	}
	if end != nil {
		first.Who = end.Who
	}
	first.Left, first.StayURL = first.At.Sub(d.cfg.Now()), at("/login/stay", a)
	return first
}

// latest is when an attempt ends however often it is put off.
func (a *attempt) latest() time.Time {
	if a.Kind == kindSignUp { // it takes a whole day already
		return a.ExpiresAt
	}
	return a.CreatedAt.Add(attemptMost)
}

// stayInAttempt gives an attempt its usual time anew, and the service's request with it.
func (d *Door) stayInAttempt(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	a := v.attempt
	if a.Outcome != nil {
		return errNoAttempt
	}
	if until := d.cfg.Now().Add(signInLife); until.After(a.ExpiresAt) {
		a.ExpiresAt = until
		if latest := a.latest(); until.After(latest) {
			a.ExpiresAt = latest
		}
	}
	if v.req != nil && v.req.Remote == nil {
		req, err := d.cfg.Provider().Extend(r.Context(), a.Request)
		if errors.Is(err, account.ErrNotFound) {
			return errRequestOver
		}
		if err != nil {
			return fmt.Errorf("extending the waiting request: %w", err)
		}
		v.req = req
		if a.Asked != nil {
			a.Asked = req
		}
	}
	if err := d.save(r.Context(), a); err != nil {
		return err
	}
	return answerStay(w, d.timeout(v))
}

// staySignedIn uses the session, which is all that putting off its end takes.
func (d *Door) staySignedIn(w http.ResponseWriter, r *http.Request) error {
	session, _, err := d.visitor(r)
	if err != nil {
		return err
	}
	if session == nil {
		return errNoAttempt
	}
	return answerStay(w, d.sessionTimeout(session))
}

func answerStay(w http.ResponseWriter, end *templates.Timeout) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(end.Stay())
}
