package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// paths is where each step that has a page begins.
var paths = map[step]string{
	stepIdentify:         "/login",
	stepPassword:         "/login/password",
	stepSecond:           "/login/totp",
	stepMailCode:         "/login/mail-code",
	stepSignature:        "/login/esign",
	stepProtect:          "/protect",
	stepUnreachable:      "/login/unreachable",
	stepRaise:            "/level",
	stepConsent:          "/login/consent",
	stepNoCertificate:    "/login/no-certificate",
	stepSign:             "/login/sign",
	stepOffer:            "/login/offer",
	stepDevice:           "/device/confirm",
	stepUnknownCustomer:  "/login/bank/unknown",
	stepLinkBank:         "/login/bank/link",
	stepLocked:           "/login/locked",
	stepContact:          "/signup",
	stepSignUpCode:       "/signup/code",
	stepChoose:           "/signup/password",
	stepAgreement:        "/signup/agreement",
	stepReady:            "/signup/ready",
	stepRecoveryStart:    "/recovery",
	stepRecoveryCode:     "/recovery/code",
	stepRecoveryDay:      "/recovery/day",
	stepRecoveryPassword: "/recovery/password",
}

// advance saves the attempt and sends the browser to what follows: the next page, or out.
func (d *Door) advance(w http.ResponseWriter, r *http.Request, v *visit) error {
	s := v.next()
	if s == stepOpen {
		if err := d.openSession(w, r, v); err != nil {
			return err
		}
		s = v.next()
	}
	switch s {
	case stepDone:
		return d.finish(w, r, v)
	case stepOver:
		return d.answerAgain(w, r, v.attempt)
	}
	if err := d.save(r.Context(), v.attempt); err != nil {
		return err
	}
	return seeOther(w, r, at(v.path(s), v.attempt))
}

// stands reports whether the attempt waits at one of the steps; when it does not, the browser was
// sent on to where it does.
func (d *Door) stands(w http.ResponseWriter, r *http.Request, v *visit, steps ...step) (bool, error) {
	now := v.next()
	for _, s := range steps {
		if s == now {
			return true, nil
		}
	}
	return false, d.advance(w, r, v)
}

// openSession turns the attempt's proofs into a session: a new one, or a renewal of the browser's
// session when that is the same person's. Either way the cookie changes (S01).
func (d *Door) openSession(w http.ResponseWriter, r *http.Request, v *visit) error {
	a, ctx := v.attempt, r.Context()
	if v.session != nil && v.session.AccountID == a.Account {
		if err := d.addProofs(w, r, v.session, a.Proofs); err != nil {
			return err
		}
	} else {
		if v.session != nil { // another person's: the browser leaves it, so it must not live on
			if err := d.cfg.Accounts.EndSession(ctx, v.session.AccountID, v.session.ID, d.origin(r)); err != nil {
				return fmt.Errorf("ending the session before: %w", err)
			}
		}
		cookie, session, err := d.cfg.Accounts.OpenSession(ctx, a.Account, account.Opening{
			Proofs: a.Proofs, Shared: a.Shared, Browser: d.browser(w, r, a.Shared), Client: isolated(v.client), Origin: d.origin(r),
		})
		if err != nil {
			return fmt.Errorf("opening a session: %w", err)
		}
		d.setCookie(w, sessionCookie(v.client), cookie, 0)
		v.session = session
	}
	a.Proofs, a.Account = nil, ""
	a.Chosen = true
	v.policy = d.policyFor(v)
	if v.policy.Other { // the right password of the wrong person: ask again who they are
		a.Identifier, a.Typed, a.Fixed = account.Identifier{}, "", false
	}
	return nil
}

// addProofs joins proofs to a session and gives the browser its new cookie.
func (d *Door) addProofs(w http.ResponseWriter, r *http.Request, session *account.Session, proofs []account.Proof) error {
	cookie, err := d.cfg.Accounts.AddProof(r.Context(), session, proofs, d.origin(r))
	if err != nil {
		return fmt.Errorf("adding proofs to the session: %w", err)
	}
	name := cookieSession
	if session.Client != "" {
		name = cookieApart
	}
	d.setCookie(w, name, cookie, 0)
	return nil
}

// finish answers the service by the browser's session, or goes to the return path.
func (d *Door) finish(w http.ResponseWriter, r *http.Request, v *visit) error {
	a := v.attempt
	if a.Request == "" {
		a.Outcome = &outcome{Return: localPath(a.Return, "/me"), At: d.cfg.Now()}
		if err := d.save(r.Context(), a); err != nil {
			return err
		}
		return seeOther(w, r, a.Outcome.Return)
	}
	auth := authentication(v.session, v.person)
	proofs := counted(v.session.Proofs, v.policy)
	auth.AMR, auth.Strength, auth.Origin = account.AMR(proofs), account.StrengthOf(proofs), d.origin(r)
	if a.Signed.isOf(v.person) {
		auth.Signed = &a.Signed.Signed
	}
	response, err := d.cfg.Provider().Approve(r.Context(), a.Request, auth)
	return d.leave(w, r, a, response, err)
}

// refuse answers the service with an error (RFC 6749 §4.1.2.1).
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, a *attempt, code, description string) error {
	response, err := d.cfg.Provider().Deny(r.Context(), a.Request, code, description)
	return d.leave(w, r, a, response, err)
}

// leave keeps the answer, for a double click, and sends it.
func (d *Door) leave(w http.ResponseWriter, r *http.Request, a *attempt, response op.Response, err error) error {
	if errors.Is(err, account.ErrNotFound) {
		twin, err := d.awaitOutcome(r.Context(), a.ID)
		if err != nil {
			return err
		}
		return d.answerAgain(w, r, twin)
	}
	if err != nil {
		return fmt.Errorf("answering the service: %w", err)
	}
	a.Outcome = &outcome{Response: &response, At: d.cfg.Now()}
	if err := d.save(r.Context(), a); err != nil {
		return err
	}
	return d.respond(w, r, a)
}

// awaitOutcome waits a moment for the answer of a request that was faster with the same attempt: of
// two clicks on "Allow" the browser shows only the second's answer (S08).
func (d *Door) awaitOutcome(ctx context.Context, id string) (*attempt, error) {
	for range 20 {
		a, err := d.attemptByID(ctx, id)
		if err != nil {
			return nil, err
		}
		if a.Outcome != nil {
			return a, nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, errRequestOver
}

// answerAgain gives the kept answer while it is of use.
func (d *Door) answerAgain(w http.ResponseWriter, r *http.Request, a *attempt) error {
	if a.Outcome.Response == nil {
		return seeOther(w, r, localPath(a.Outcome.Return, "/me"))
	}
	if d.cfg.Now().Sub(a.Outcome.At) > outcomeLife {
		return errRequestOver
	}
	return d.respond(w, r, a)
}

// authentication is what the door vouches for.
func authentication(session *account.Session, person *account.Account) op.Authentication {
	auth := op.Authentication{
		AccountID: person.ID,
		SessionID: session.ID,
		Time:      authTime(session),
		AMR:       account.AMR(session.Proofs),
		Strength:  account.StrengthOf(session.Proofs),
		Level:     person.Level,
	}
	if session.Shared { // nothing that was begun there outlives it
		auth.Until = session.ExpiresAt
	}
	return auth
}

// seeOther redirects so that the next request is a GET, whatever this one was (RFC 9700 §4.12).
func seeOther(w http.ResponseWriter, r *http.Request, to string) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
