package login

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
)

// codeData is what the pages signup-code and recovery-code show.
type codeData struct {
	Attempt       string
	Channel       string // "sms" or "mail"
	To            string // where the code went, as the person typed it or masked
	Minutes       int    // that the code still lives
	ResendAt      time.Time
	ResendSeconds int // until it may be sent again; 0: now
	SendsLeft     int
	TriesLeft     int
	Action        string
	ResendURL     string
	ChangeURL     string
}

// codeState fills what the service knows of the last code.
func (d *Door) codeState(r *http.Request, p account.CodePurpose, channel string, a *attempt) (codeData, error) {
	state, err := d.cfg.Accounts.CodeState(r.Context(), p, channel, a.ID)
	if err != nil && !errors.Is(err, account.ErrCodeExpired) {
		return codeData{}, fmt.Errorf("reading the state of a code: %w", err)
	}
	now := d.cfg.Now()
	data := codeData{
		Attempt: a.ID, Channel: channel, To: state.Masked,
		ResendAt: state.ResendAt, SendsLeft: state.SendsLeft, TriesLeft: state.TriesLeft,
	}
	if state.ExpiresAt.After(now) {
		data.Minutes = minutesUntil(state.ExpiresAt, now)
	}
	if wait := state.ResendAt.Sub(now); wait > 0 {
		data.ResendSeconds = int((wait + time.Second - 1) / time.Second)
	}
	return data, nil
}

// codeError puts what was wrong with a code into the words of its field.
func codeError(err error) error {
	for known, message := range map[error]string{
		account.ErrWrongCode:   "error.code.wrong",
		account.ErrCodeExpired: "error.code.expired",
		account.ErrCodeSpent:   "error.code.spent",
	} {
		if errors.Is(err, known) {
			return account.FieldErrors{{Field: "code", Message: message}}
		}
	}
	return err
}

// sendSignUpCode sends a code to the contact that is being proven. To a contact that has an account
// nothing goes but a notice to its owner.
func (d *Door) sendSignUpCode(r *http.Request, a *attempt) error {
	ctx := r.Context()
	channel, to := a.SignUp.channel()
	by := account.Identifier{Kind: account.ByPhone, Value: to}
	if channel == "mail" {
		by.Kind = account.ByEmail
	}
	taken, err := d.cfg.Accounts.ContactTaken(ctx, by)
	if err != nil {
		return fmt.Errorf("looking whose contact it is: %w", err)
	}
	_, err = d.cfg.Accounts.SendCode(ctx, account.CodeRequest{
		Purpose: account.ForSignUp, Channel: channel, To: to, Flow: a.ID,
		Lang: d.lang(r, a), Link: d.cfg.Issuer + "/signup/confirm",
		Origin: d.origin(r), Browser: a.Browser, Silent: taken,
	})
	if err != nil {
		return err
	}
	d.cfg.Accounts.WarnOwner(by, d.origin(r)) // to nobody, when the contact is nobody's
	return nil
}

func (d *Door) showSignUpCode(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if err := d.seeOpenedLink(r, v.attempt); err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepSignUpCode); !ok {
		return err
	}
	return d.renderSignUpCode(w, r, v, nil)
}

func (d *Door) renderSignUpCode(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	channel, to := v.attempt.SignUp.channel()
	data, failed := d.codeState(r, account.ForSignUp, channel, v.attempt)
	if failed != nil {
		return failed
	}
	data.To = to // the newcomer typed it a minute ago and must see a slip of the finger
	if channel == "sms" {
		data.To = account.FormatPhone(to)
	}
	data.Action, data.ResendURL = "/signup/code", "/signup/resend"
	data.ChangeURL = at(paths[stepContact], v.attempt)
	page := v.page(d, r, "signup-code", data)
	page.Back = data.ChangeURL
	page.Title = "signup-code.title-" + channel
	return d.renderForm(w, r, v.attempt, page, err)
}

// takeSignUpCode proves a contact; the code of the second contact goes out when the first is proven.
func (d *Door) takeSignUpCode(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	a := v.attempt
	if err := d.seeOpenedLink(r, a); err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepSignUpCode); !ok {
		return err
	}
	code := clip(r.PostFormValue("code"))
	if code == "" {
		return d.renderSignUpCode(w, r, v, account.FieldErrors{{Field: "code", Message: "error.code.empty"}})
	}
	channel, want := a.SignUp.channel()
	to, err := d.cfg.Accounts.CheckCode(r.Context(), account.ForSignUp, channel, a.ID, code, d.origin(r))
	if err == nil && to != want { // a code of a contact that was changed since
		err = account.ErrWrongCode
	}
	if err != nil {
		return d.renderSignUpCode(w, r, v, codeError(err))
	}
	if channel == "mail" {
		a.SignUp.EmailOK = true
		return d.advance(w, r, v)
	}
	a.SignUp.PhoneOK = true
	return d.proveMail(w, r, v)
}

// proveMail goes on to the e-mail address. Limits may keep its code back: the page then says when.
func (d *Door) proveMail(w http.ResponseWriter, r *http.Request, v *visit) error {
	if v.attempt.SignUp.EmailOK {
		return d.advance(w, r, v)
	}
	err := d.sendSignUpCode(r, v.attempt)
	if saved := d.save(r.Context(), v.attempt); saved != nil {
		return saved
	}
	if err != nil {
		return d.renderSignUpCode(w, r, v, err)
	}
	return d.advance(w, r, v)
}

func (d *Door) resendSignUpCode(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepSignUpCode); !ok {
		return err
	}
	if err := d.sendSignUpCode(r, v.attempt); err != nil {
		return d.renderSignUpCode(w, r, v, err)
	}
	return d.advance(w, r, v)
}

// --- the mailed link

// mailLinkData is what the page signup-confirm shows.
type mailLinkData struct {
	Token string
	To    string // masked: the device that opened the link may be another person's
}

// showMailLink asks for a click: a GET never confirms, so that a mail scanner cannot (C8).
func (d *Door) showMailLink(w http.ResponseWriter, r *http.Request) error {
	token := r.FormValue("token")
	_, masked, err := d.cfg.Accounts.PeekLink(r.Context(), account.ForSignUp, token)
	if err != nil {
		return linkError(err)
	}
	page := (&visit{attempt: &attempt{}}).page(d, r, "signup-confirm", mailLinkData{Token: token, To: masked})
	return d.render(w, r, nil, page)
}

// takeMailLink confirms the address. In the browser that signs up it goes on; on another device it
// says to return to the first screen, which then goes on by itself.
func (d *Door) takeMailLink(w http.ResponseWriter, r *http.Request) error {
	flow, to, err := d.cfg.Accounts.CheckLink(r.Context(), account.ForSignUp, r.PostFormValue("token"))
	if err != nil {
		return linkError(err)
	}
	if err := d.cfg.Ephemera.Put(r.Context(), openedLinkKey(flow), []byte(to), mailLinkLife); err != nil {
		return fmt.Errorf("keeping that a link was opened: %w", err)
	}
	if a, err := d.attemptByID(r.Context(), flow); err == nil && d.begunHere(r, a) {
		return seeOther(w, r, at(paths[stepSignUpCode], a))
	}
	page := (&visit{attempt: &attempt{}}).page(d, r, "signup-confirmed", nil)
	return d.render(w, r, nil, page)
}

func openedLinkKey(flow string) string { return "login/opened-link/" + flow }

// seeOpenedLink marks the address as proven when its link was opened somewhere.
func (d *Door) seeOpenedLink(r *http.Request, a *attempt) error {
	s := a.SignUp
	if s == nil || s.Email == "" || s.EmailOK || s.Created {
		return nil
	}
	to, ok, err := d.cfg.Ephemera.Get(r.Context(), openedLinkKey(a.ID))
	if err != nil {
		return fmt.Errorf("looking whether the link was opened: %w", err)
	}
	s.EmailOK = ok && string(to) == s.Email
	return nil
}

// linkError makes every dead link look the same.
func linkError(err error) error {
	for _, dead := range []error{account.ErrWrongCode, account.ErrCodeExpired, account.ErrCodeSpent, account.ErrNotFound} {
		if errors.Is(err, dead) {
			return errDeadLink
		}
	}
	return err
}

// renderTaken says, to who proved the contact, that it has an account already.
func (d *Door) renderTaken(w http.ResponseWriter, r *http.Request, v *visit) error {
	d.showError(w, r, http.StatusConflict, errorData{
		Kind: "taken", Reference: r.Header.Get("X-Request-Id"),
		Action: "error-page.recover", ActionURL: at(paths[stepRecoveryStart], v.attempt),
	})
	return nil
}
