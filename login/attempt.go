package login

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

// How long an attempt waits for its person. Signing up takes an e-mail link's whole day.
const (
	signInLife = time.Hour
	signUpLife = 24 * time.Hour
	// proofLife is how long a first factor waits for the second (F08: a half sign-in does not keep).
	proofLife = 15 * time.Minute
)

var (
	// errNoAttempt says that the flow is over, expired, or was begun in another browser (S10). One
	// error for all three: the page must not tell a thief of the address which it is.
	errNoAttempt = errors.New("no such attempt in this browser")
	errBadForm   = errors.New("the form does not parse")
)

// kind is what a person came for.
type kind string

const (
	kindSignIn   kind = "sign-in"
	kindSignUp   kind = "sign-up"
	kindRecovery kind = "recovery"
)

// attempt is one way through the front door, from the first page to the answer. It lives in
// ephemera, sealed; its id stands in every address of the flow, so several tabs are several attempts,
// and it opens only in the browser that began it.
type attempt struct {
	ID        string
	Browser   string // keys.Hash of the flow cookie
	Kind      kind
	Lang      string `json:",omitzero"` // of ui_locales; the person's own choice is a cookie and wins
	CreatedAt time.Time
	ExpiresAt time.Time

	Request string          // the provider's waiting request; empty when the person came by themselves
	Asked   *op.AuthRequest `json:",omitempty"` // the request itself, when it came from this browser
	Return  string          `json:",omitzero"`  // local path to end at when there is no request
	Hint    string          `json:",omitzero"`  // prefill of the identifier (login_hint), as it arrived
	Reauth  bool            `json:",omitzero"`  // the cabinet asks for fresh proofs
	Ended   bool            `json:",omitzero"`  // the session that the person had is over
	Apart   bool            `json:",omitzero"`  // the service has a sign-on of its own: each time the person shows who they are

	Identifier account.Identifier `json:",omitzero"` // whom the person says they are
	Typed      string             `json:",omitzero"` // the same, as typed
	Fixed      bool               `json:",omitzero"` // re-authentication: the identifier may not be changed
	Shared     bool               `json:",omitzero"` // "this is a shared computer"
	Chosen     bool               `json:",omitzero"` // the person answered which account (prompt=select_account)

	QR string `json:",omitempty"` // handle of the QR code that is shown

	Account account.ID      `json:",omitzero"` // whom Proofs prove; empty while nothing is proven
	Proofs  []account.Proof `json:",omitzero"` // made here and not yet part of a session

	Without     bool `json:",omitzero"` // the person has nothing surer with them than their number, by their own word
	OwnDevice   bool `json:",omitzero"` // the device that asks is the person's, by their own word
	Consented   bool `json:",omitzero"`
	SkipProtect bool `json:",omitzero"` // "later": goes on without a second factor where the request allows that
	SkipOffer   bool `json:",omitzero"` // "later": no passkey now
	CanPasskey  bool `json:",omitzero"` // the browser said, beside the password, that it can keep passkeys
	SkipLevel   bool `json:",omitzero"` // "later": goes on with the present level where the request allows that

	Toll                   *toll     `json:",omitempty"` // due for the next guess
	Bank                   *customer `json:",omitempty"` // whom a bank knows and we do not yet
	BankTried, BankTrouble string    `json:",omitempty"`
	SignUp                 *signUp   `json:",omitempty"`
	Recovery               *recovery `json:",omitempty"`
	Outcome                *outcome  `json:",omitempty"`
	Certify                bool      `json:",omitempty"` // the person signs for the service by their certificate, though two factors would do
	Signed                 *signed   `json:",omitempty"`
}

// outcome is how an attempt ended. It is kept for as long as the attempt, so that a double click on
// the last button is answered like the first one.
type outcome struct {
	Response *op.Response `json:",omitempty"` // for the service
	Return   string       // otherwise a local path
	At       time.Time
}

// outcomeLife is how long a double click gets the first answer again; an authorization code does not
// live longer.
const outcomeLife = time.Minute

// forget drops what was proven and said, when the person says that they are somebody else.
func (a *attempt) forget() {
	a.Account, a.Proofs, a.Without = "", nil, false
}

// prove adds a proof of an account. A proof of another account starts over.
func (a *attempt) prove(id account.ID, method account.Method, now time.Time) {
	if a.Account != id {
		a.forget()
	}
	a.Account = id
	a.Proofs = append(a.Proofs, account.Proof{Method: method, At: now})
}

func attemptKey(id string) string { return "login/attempt/" + id }

// openAttempt begins an attempt bound to this browser; the caller fills it and saves it.
func (d *Door) openAttempt(w http.ResponseWriter, r *http.Request, k kind) *attempt {
	now := d.cfg.Now().UTC().Truncate(time.Millisecond) // proofs are kept as exactly
	life := signInLife
	if k == kindSignUp {
		life = signUpLife
	}
	return &attempt{
		ID:        keys.RandomHandle(),
		Browser:   keys.Hash(d.flowCookie(w, r)),
		Kind:      k,
		CreatedAt: now,
		ExpiresAt: now.Add(life),
	}
}

// save stores the attempt for the rest of its life.
func (d *Door) save(ctx context.Context, a *attempt) error {
	left := a.ExpiresAt.Sub(d.cfg.Now())
	if left <= 0 {
		return errNoAttempt
	}
	value, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encoding an attempt: %w", err)
	}
	if err := d.cfg.Ephemera.Put(ctx, attemptKey(a.ID), value, left); err != nil {
		return fmt.Errorf("keeping an attempt: %w", err)
	}
	return nil
}

// loadAttempt returns the attempt named by the request if this browser began it, else errNoAttempt.
func (d *Door) loadAttempt(r *http.Request) (*attempt, error) {
	id := r.FormValue("attempt")
	if id == "" {
		return nil, errNoAttempt
	}
	a, err := d.attemptByID(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if !d.begunHere(r, a) {
		return nil, errNoAttempt
	}
	return a, nil
}

func (d *Door) attemptByID(ctx context.Context, id string) (*attempt, error) {
	value, ok, err := d.cfg.Ephemera.Get(ctx, attemptKey(id))
	if err != nil {
		return nil, fmt.Errorf("reading an attempt: %w", err)
	}
	if !ok {
		return nil, errNoAttempt
	}
	a := new(attempt)
	if err := json.Unmarshal(value, a); err != nil {
		return nil, fmt.Errorf("decoding an attempt: %w", err)
	}
	if a.ID != id || !d.cfg.Now().Before(a.ExpiresAt) {
		return nil, errNoAttempt
	}
	return a, nil
}

// begunHere reports whether this browser began the attempt.
func (d *Door) begunHere(r *http.Request, a *attempt) bool {
	browser := d.cookie(r, cookieFlow)
	return browser != "" && subtle.ConstantTimeCompare([]byte(a.Browser), []byte(keys.Hash(browser))) == 1
}
