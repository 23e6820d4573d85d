package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
)

// passkeyRoutes sign in by passkeys and make them. What the browser's script asks is answered in JSON; what the
// authenticator answers comes as a plain form.
func (d *Door) passkeyRoutes() []route {
	return []route{
		{"POST /passkey/ask", d.askPasskey},
		{"GET /login/passkey", d.showPasskey},
		{"POST /login/passkey", d.takePasskey},
		{"GET /login/offer", d.showOffer},
		{"POST /login/offer", d.takeOffer},
		{"POST /passkey/offer", d.offerPasskey},
		{"GET /protect/passkey", d.showMakePasskey},
		{"POST /protect/passkey", d.takeMadePasskey},
	}
}

// passkeySteps are where a passkey may be shown: it proves both factors, so at any of them.
var passkeySteps = []step{stepIdentify, stepPassword, stepSecond}

// maxPasskeyAnswer bounds what an authenticator's answer may hold.
const maxPasskeyAnswer = 16 << 10

// askPasskey gives the browser a challenge. Before anybody is known any passkey may answer: the options are the
// same for whatever was typed, so they do not tell who has passkeys (G02).
func (d *Door) askPasskey(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if !v.mayShowPasskey() {
		return account.ErrConflict
	}
	var whose account.ID
	if v.next() == stepSecond {
		whose = v.person.ID
	}
	options, err := d.cfg.Accounts.AskPasskey(r.Context(), whose, v.attempt.ID)
	if err != nil {
		return fmt.Errorf("asking for a passkey: %w", err)
	}
	return writeJSON(w, options)
}

func (v *visit) mayShowPasskey() bool {
	now := v.next()
	for _, s := range passkeySteps {
		if s == now {
			return true
		}
	}
	return false
}

// passkeyData is what the page passkey shows.
type passkeyData struct {
	Attempt   string
	Second    bool // after a password; otherwise it signs in by itself
	Remember  bool // the browser may be remembered
	OtherWays []otherWay
}

func (d *Door) showPasskey(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, passkeySteps...); !ok {
		return err
	}
	return d.renderPasskey(w, r, v, nil)
}

func (d *Door) renderPasskey(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	data := passkeyData{Attempt: v.attempt.ID, Second: v.next() == stepSecond}
	page := v.secondPage(d, r, "passkey", data)
	if data.Second {
		data.OtherWays, data.Remember = v.otherWays(account.MethodPasskey), mayRemember(v)
		page.Data = data
	} else {
		page.Back = at(v.path(v.next()), v.attempt)
	}
	return d.renderForm(w, r, v.attempt, page, err)
}

// takePasskey proves who the person is by a passkey. It is the person's own choice whose it is, unless they are known
// already: then another's is refused.
func (d *Door) takePasskey(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, passkeySteps...); !ok {
		return err
	}
	second := v.next() == stepSecond
	person, method, err := d.cfg.Accounts.VerifyPasskey(r.Context(), v.attempt.ID, passkeyAnswer(r), d.origin(r))
	if err != nil {
		return d.renderPasskey(w, r, v, passkeyError(err))
	}
	known := second || v.attempt.Fixed
	if known && v.person != nil && v.person.ID != person.ID {
		return d.renderPasskey(w, r, v, account.FieldErrors{{Message: "error.passkey.other-person"}})
	}
	if !second && r.PostFormValue("shared") != "" {
		v.attempt.Shared = true
	}
	v.attempt.prove(person.ID, method, d.cfg.Now())
	v.person = person
	v.policy = d.policyFor(v)
	if second {
		if err := d.remember(w, r, v); err != nil {
			return err
		}
	}
	return d.advance(w, r, v)
}

func passkeyAnswer(r *http.Request) []byte {
	answer := r.PostFormValue("credential")
	if len(answer) > maxPasskeyAnswer {
		return nil
	}
	return []byte(answer)
}

// passkeyError says to the person what they can do about a passkey that was not taken.
func passkeyError(err error) error {
	message := ""
	switch {
	case errors.Is(err, account.ErrUnknownPasskey):
		message = "error.passkey.unknown"
	case errors.Is(err, account.ErrWrongPasskey):
		message = "error.passkey.refused"
	case errors.As(err, new(account.TakenError)):
		message = "error.passkey.taken"
	case errors.Is(err, account.ErrConflict):
		message = "error.passkey.many"
	default:
		return err
	}
	return account.FieldErrors{{Message: message}}
}

// makePasskeyData is what the page protect-passkey shows.
type makePasskeyData struct {
	Attempt  string
	Label    string // what the passkey will be called, unless the person says otherwise
	OtherURL string // for who cannot make one
}

func (d *Door) showMakePasskey(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	return d.renderMakePasskey(w, r, in, account.Origin{UserAgent: r.UserAgent()}.Device(), nil)
}

func (d *Door) renderMakePasskey(w http.ResponseWriter, r *http.Request, in *inside, label string, err error) error {
	if !d.cfg.Accounts.HasPasskeys() {
		return account.ErrNotFound
	}
	data := makePasskeyData{Attempt: in.attempt.ID, Label: label}
	if len(in.person.TOTP) == 0 {
		data.OtherURL = in.path("/protect/totp")
	}
	page := in.page(d, r, "protect-passkey", data)
	page.Back = in.home
	if in.inFlow() {
		page.Back = at(in.visit.path(in.next()), in.attempt)
	}
	return d.renderForm(w, r, in.attempt, page, err)
}

// offerPasskey gives the browser what a new passkey is made of. Only a session that has just shown all that its
// person has may add one (F10).
func (d *Door) offerPasskey(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	options, err := d.cfg.Accounts.OfferPasskey(r.Context(), in.person.ID, in.session.ID)
	if err != nil {
		return fmt.Errorf("offering a passkey: %w", err)
	}
	return writeJSON(w, options)
}

// takeMadePasskey stores a new passkey. Making it showed the passkey too, so the session gains its proof; with the
// first factor come the backup codes, for the day when the device is lost.
func (d *Door) takeMadePasskey(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	label := clip(r.PostFormValue("passkey_name"))
	verified, err := d.cfg.Accounts.AddPasskey(r.Context(), in.person.ID, in.session.ID, label, passkeyAnswer(r), d.origin(r))
	if err != nil {
		return d.renderMakePasskey(w, r, in, label, passkeyError(err))
	}
	method := account.MethodSecurityKey
	if verified {
		method = account.MethodPasskey
	}
	if err := d.addProofs(w, r, in.session, []account.Proof{{Method: method, At: d.cfg.Now()}}); err != nil {
		return err
	}
	if len(in.person.Backup.Hashes) == 0 {
		if err := d.printCodes(r, in); err != nil {
			return err
		}
		return seeOther(w, r, in.path("/protect/backup"))
	}
	if in.inFlow() {
		if in.visit, err = d.visit(r, in.attempt); err != nil {
			return err
		}
	}
	in.home = securityPage + "?done=passkey"
	return d.onward(w, r, in)
}

// How seldom a passkey is offered: who has just signed up was asked then.
const (
	offerAfter = 7 * 24 * time.Hour
	offerEvery = 30 * 24 * time.Hour
)

// mayOffer reports whether to offer a passkey to a person who has just typed a password into a browser that can keep one.
func mayOffer(a *attempt, person *account.Account, now time.Time) bool {
	return a.CanPasskey && !a.Shared && person != nil && len(person.Passkeys) == 0 &&
		now.Sub(person.CreatedAt) >= offerAfter && now.Sub(person.PasskeyOfferedAt) >= offerEvery
}

// offerData is what the page offer-passkey shows.
type offerData struct{ Attempt string }

func (d *Door) showOffer(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepOffer); !ok {
		return err
	}
	return d.render(w, r, v.attempt, v.page(d, r, "offer-passkey", offerData{v.attempt.ID}))
}

// takeOffer goes on to make a passkey, or does not ask again for a month.
func (d *Door) takeOffer(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepOffer); !ok {
		return err
	}
	if r.PostFormValue("choice") != "later" {
		return seeOther(w, r, at("/protect/passkey", v.attempt))
	}
	if err := d.cfg.Accounts.PasskeyDeclined(r.Context(), v.person.ID); err != nil {
		return fmt.Errorf("keeping that a passkey was offered: %w", err)
	}
	v.attempt.SkipOffer = true
	return d.advance(w, r, v)
}

// writeJSON answers a script of ours.
func writeJSON(w http.ResponseWriter, value json.RawMessage) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, err := w.Write(value)
	return err
}
