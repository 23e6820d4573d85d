package login

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"rsc.io/qr"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// qrRecent is how young the phone's own sign-in must be to let another screen in: the confirmation is fresh.
const qrRecent = 5 * time.Minute

// qrRoutes sign in by a phone that is signed in already: the computer's pages, and the phone's.
func (d *Door) qrRoutes() []route {
	return []route{
		{"GET /login/qr", d.showQR},
		{"POST /login/qr", d.beginQR},
		{"GET /login/qr/image", d.drawQR},
		{"GET /login/qr/events", d.watchQR},
		{"GET /login/qr/continue", d.goOn},
		{"POST /login/qr/continue", d.takeQR},
		{"GET /qr", d.scanQR},
		{"GET /qr/confirm", d.showQRConfirm},
		{"POST /qr/confirm", d.takeQRConfirm},
	}
}

// qrData is what the page qr shows.
type qrData struct {
	Attempt string
	QR      template.URL
	Image   string // address of the picture of each second
	Number  int
	State   string // "open" while nobody scanned it, then an account.Verdict
	Shared  bool
}

// beginQR shows a new code. The person has not said who they are: the phone will.
func (d *Door) beginQR(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterQR(w, r)
	if v == nil {
		return err
	}
	a := v.attempt
	if a.QR, err = d.cfg.Accounts.BeginQR(r.Context()); err != nil {
		return err
	}
	a.Shared = r.PostFormValue("shared") != ""
	if err := d.save(r.Context(), a); err != nil {
		return err
	}
	return seeOther(w, r, at("/login/qr", a))
}

// enterQR loads an attempt that may still learn who the person is, or sends it to where it stands. A re-authentication knows
// who that is, and asks for their own proof.
func (d *Door) enterQR(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if ok, err := d.stands(w, r, v, stepIdentify, stepPassword); !ok {
		return nil, err
	}
	if v.attempt.Fixed {
		return nil, d.advance(w, r, v)
	}
	return v, nil
}

// qrPage is what the phone must know of this page.
func (d *Door) qrPage(r *http.Request, v *visit) account.QRPage {
	p := account.QRPage{Handle: v.attempt.QR, Origin: d.origin(r)}
	if v.client != nil {
		p.Service = v.client.Name
	}
	return p
}

func (d *Door) qrAddress(code string) string { return d.cfg.Issuer + "/qr?c=" + url.QueryEscape(code) }

// showQR shows the code of this second, or, once it was scanned, the number to choose on the phone.
func (d *Door) showQR(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterQR(w, r)
	if v == nil {
		return err
	}
	if v.attempt.QR == "" {
		return seeOther(w, r, at(paths[stepIdentify], v.attempt))
	}
	state, number, err := d.qrState(r, v.attempt.QR)
	if err != nil {
		return err
	}
	data := qrData{Attempt: v.attempt.ID, State: state, Number: number, Shared: v.attempt.Shared, Image: at("/login/qr/image", v.attempt)}
	page := v.page(d, r, "qr", data)
	page.Back = at(paths[stepIdentify], v.attempt)
	if state == qrOpen {
		code, err := d.cfg.Accounts.QRCode(r.Context(), d.qrPage(r, v))
		if err != nil {
			return err
		}
		if data.QR, err = qrImage(d.qrAddress(code)); err != nil {
			return err
		}
		page.Data = data
	}
	if state == qrOpen || state == string(account.Waiting) {
		page.Live = at("/login/qr/events", v.attempt) + "&seen=" + state
		if err := d.cfg.Accounts.LiveQR(r.Context(), d.qrPage(r, v)); err != nil {
			return err
		}
	}
	return d.render(w, r, v.attempt, page)
}

const qrOpen = "open"

func (d *Door) qrState(r *http.Request, handle string) (state string, number int, err error) {
	ask, verdict, err := d.cfg.Accounts.AskOf(r.Context(), handle)
	if errors.Is(err, account.ErrNotFound) {
		return qrOpen, 0, nil
	}
	return string(verdict), ask.Number, err
}

// drawQR is the picture of this second.
func (d *Door) drawQR(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterQR(w, r)
	if v == nil {
		return err
	}
	if v.attempt.QR == "" {
		return account.ErrNotFound
	}
	code, err := d.cfg.Accounts.QRCode(r.Context(), d.qrPage(r, v))
	if err != nil {
		return err
	}
	picture, err := qr.Encode(d.qrAddress(code), qr.M)
	if err != nil {
		return fmt.Errorf("drawing a QR code: %w", err)
	}
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(picture.PNG())
	return nil
}

// watchQR tells the page's script when a phone has scanned the code or its person has answered, and keeps the page alive.
func (d *Door) watchQR(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	page := d.qrPage(r, v)
	return d.stream(w, r, func() (string, error) {
		if err := d.cfg.Accounts.LiveQR(r.Context(), page); err != nil {
			return "", err
		}
		state, _, err := d.qrState(r, page.Handle)
		return state, err
	})
}

// takeQR goes on as who approved.
func (d *Door) takeQR(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enterQR(w, r)
	if v == nil {
		return err
	}
	a := v.attempt
	person, err := d.cfg.Accounts.VerifyQR(r.Context(), a.QR)
	if errors.Is(err, account.ErrWrongCode) || errors.Is(err, account.ErrCodeExpired) || errors.Is(err, account.ErrCodeSpent) {
		return seeOther(w, r, at("/login/qr", a)) // the page says how it stands
	}
	if err != nil {
		return err
	}
	a.QR, a.Identifier, a.Typed = "", account.Identifier{}, ""
	a.prove(person.ID, account.MethodQR, d.cfg.Now())
	v.person = person
	v.policy = d.policyFor(v)
	return d.advance(w, r, v)
}

// scanQR is where the picture leads. The phone claims the code at once, while it is fresh: signing in may take longer.
func (d *Door) scanQR(w http.ResponseWriter, r *http.Request) error {
	ask, err := d.cfg.Accounts.ClaimQR(r.Context(), clip(r.FormValue("c")), d.flowCookie(w, r))
	if err != nil {
		return qrError(err)
	}
	return seeOther(w, r, "/qr/confirm?claim="+url.QueryEscape(ask.ID))
}

// qrError says that a scanned code is over.
func qrError(err error) error {
	if errors.Is(err, account.ErrCodeExpired) || errors.Is(err, account.ErrCodeSpent) || errors.Is(err, account.ErrNotFound) {
		return errOldQR
	}
	return err
}

// qrConfirmData is what the page qr-confirm asks.
type qrConfirmData struct {
	Claim string
	Ask   askLine
	Weak  bool // the person has no second factor, and so may let nobody in
}

// showQRConfirm names what is approved before anything is.
func (d *Door) showQRConfirm(w http.ResponseWriter, r *http.Request) error {
	person, ask, err := d.enterQRConfirm(w, r)
	if person == nil {
		return err
	}
	_, here := around(d.clientAddr(r))
	_, there := around(ask.Origin.Address)
	data := qrConfirmData{Claim: ask.ID, Weak: !d.mayLetIn(person), Ask: askLine{
		Ask: ask, Name: inLang(ask.Service, d.lang(r, nil)), Browser: ask.Origin.Device(), From: d.cfg.Accounts.From(ask.Origin), Elsewhere: here != there,
	}}
	page := (&visit{}).page(d, r, "qr-confirm", data)
	page.User = displayName(person)
	return d.render(w, r, nil, page)
}

// mayLetIn reports whether a person has what two factors take.
func (d *Door) mayLetIn(person *account.Account) bool {
	return hasSecond(person) || hasCertificate(person, d.cfg.Now())
}

// enterQRConfirm lets in the phone that claimed the code, with a person who showed two factors of late; others show them first.
func (d *Door) enterQRConfirm(w http.ResponseWriter, r *http.Request) (*account.Account, account.Ask, error) {
	claim := clip(r.FormValue("claim"))
	ask, err := d.cfg.Accounts.ClaimedQR(r.Context(), claim, d.cookie(r, cookieFlow))
	if err != nil {
		return nil, ask, qrError(err)
	}
	session, person, err := d.visitor(r)
	if err != nil {
		return nil, ask, err
	}
	back := url.QueryEscape("/qr/confirm?claim=" + url.QueryEscape(claim))
	if session == nil {
		return nil, ask, seeOther(w, r, "/login?return="+back)
	}
	fresh := d.cfg.Now().Sub(authTime(session)) <= qrRecent && account.StrengthOf(session.Proofs) >= account.TwoFactor
	if !fresh && d.mayLetIn(person) {
		return nil, ask, seeOther(w, r, "/login?reauth=1&return="+back)
	}
	return person, ask, nil
}

// takeQRConfirm takes the person's word.
func (d *Door) takeQRConfirm(w http.ResponseWriter, r *http.Request) error {
	person, ask, err := d.enterQRConfirm(w, r)
	if person == nil {
		return err
	}
	answer := account.Answer{Number: numberOf(r.PostFormValue("answer"))}
	if answer.Number == 0 || !d.mayLetIn(person) {
		answer = account.Answer{Verdict: account.Refused}
	}
	verdict, err := d.cfg.Accounts.AnswerQR(r.Context(), person.ID, ask.ID, d.cookie(r, cookieFlow), answer, d.origin(r))
	if err != nil {
		return qrError(err)
	}
	page := templates.Page{Name: "qr-done", Data: qrDoneData{verdict}, User: displayName(person), Title: "qr-done.title-" + string(verdict)}
	return d.render(w, r, nil, page)
}

// qrDoneData is what the page qr-done says.
type qrDoneData struct{ Verdict account.Verdict }
