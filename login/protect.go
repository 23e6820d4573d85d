package login

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"rsc.io/qr"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// How long what is shown while a second factor is set up is kept, and how fresh the person's proof
// must be to set one up from the cabinet.
const (
	offerLife  = 30 * time.Minute
	codesLife  = 15 * time.Minute
	recentLife = 20 * time.Minute
)

// protectRoutes are the pages that set up a second factor: in a flow, after signing up or when a
// service asks for it, and without an attempt from the cabinet.
func (d *Door) protectRoutes() []route {
	return []route{
		{"GET /protect", d.showProtect},
		{"POST /protect", d.takeProtect},
		{"GET /protect/totp", d.showSetUp},
		{"POST /protect/totp", d.takeSetUp},
		{"GET /protect/backup", d.showBackupCodes},
		{"POST /protect/backup", d.takeBackupCodes},
	}
}

// inside is a request of a person who is signed in, within an attempt or without one.
type inside struct {
	*visit
	home string // where it ends without an attempt
}

// comeIn lets a person who is signed in to the rooms beside the flow. Without a session, or when
// fresh proofs are wanted and the last is old, it sends the browser to sign in first and returns nil. What wants fresh proofs changes how
// the person signs in, and is refused in a browser that is new to them.
func (d *Door) comeIn(w http.ResponseWriter, r *http.Request, home string, recent bool) (*inside, error) {
	v, err := d.enter(r)
	switch {
	case errors.Is(err, errNoAttempt) || errors.Is(err, errRequestOver):
		// Raising a level may outlive its attempt: the person goes on and ends at home.
		v = &visit{attempt: &attempt{}}
		if v.session, v.person, err = d.visitor(r); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	in := &inside{visit: v, home: home}
	if in.inFlow() {
		switch v.next() {
		case stepProtect, stepRaise, stepReady, stepConsent, stepOffer, stepDone, stepUnreachable, stepSignature, stepLocked,
			stepNoCertificate, stepSign:
			if !recent {
				return in, nil
			}
			if d.provedRecently(v.session, v.person) {
				return d.change(in)
			}
			v.attempt.Reauth = true // an old session may sign in, but not change how one signs in
			v.policy = d.policyFor(v)
			d.fixIdentifier(v)
		}
		return nil, d.advance(w, r, v)
	}
	if v.session == nil {
		return nil, seeOther(w, r, "/login?return="+url.QueryEscape(r.URL.Path))
	}
	if recent && !d.provedRecently(v.session, v.person) {
		return nil, seeOther(w, r, "/login?reauth=1&return="+url.QueryEscape(r.URL.Path))
	}
	if recent {
		return d.change(in)
	}
	return in, nil
}

// change lets in who may change how the person signs in; to others it is a NewBrowserError.
func (d *Door) change(in *inside) (*inside, error) {
	if err := in.person.MayChange(in.session, d.cfg.Now()); err != nil {
		return nil, err
	}
	return in, nil
}

// provedRecently reports whether the session may change how its person signs in: it has shown all that they have,
// and not long ago (F10).
func (d *Door) provedRecently(session *account.Session, person *account.Account) bool {
	return d.cfg.Now().Sub(authTime(session)) <= recentLife && (!hasSecond(person) || provedSecond(session.Proofs))
}

func (in *inside) inFlow() bool { return in.attempt.ID != "" && in.attempt.Outcome == nil }

// back is where "Back" leads from the page of a step that has rooms of its own.
func (in *inside) back(own step) string {
	if in.inFlow() {
		return in.backTo(own)
	}
	return in.home
}

// path keeps the attempt in an address, when there is one.
func (in *inside) path(path string) string {
	if in.inFlow() {
		return at(path, in.attempt)
	}
	return path
}

// onward goes on by the dispatcher, or home.
func (d *Door) onward(w http.ResponseWriter, r *http.Request, in *inside) error {
	if in.inFlow() {
		return d.advance(w, r, in.visit)
	}
	return seeOther(w, r, in.home)
}

const securityPage = "/me/security"

// protectData is what the page protect shows.
type protectData struct {
	Attempt   string
	Must      bool // the service asks for it: there is no "later"
	Essential bool
	Passkeys  bool // this site can have passkeys
	Resistant bool // only a passkey will do
}

func (d *Door) showProtect(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	resistant := in.policy.Strength == account.PhishingResistant && !hasPasskey(in.person, in.policy.Now)
	if hasSecond(in.person) && !resistant {
		return d.onward(w, r, in)
	}
	data := protectData{
		Attempt: in.attempt.ID, Passkeys: d.cfg.Accounts.HasPasskeys(), Resistant: resistant,
		Must: in.policy.Strength >= account.TwoFactor, Essential: in.policy.Essential,
	}
	page := in.page(d, r, "protect", data)
	page.Back = in.back(stepProtect)
	return d.render(w, r, in.attempt, page)
}

// takeProtect goes on to the set-up, or leaves it for later.
func (d *Door) takeProtect(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	if r.PostFormValue("choice") == "later" {
		in.attempt.SkipProtect = true
		return d.onward(w, r, in)
	}
	if r.PostFormValue("choice") == "passkey" {
		return seeOther(w, r, in.path("/protect/passkey"))
	}
	return seeOther(w, r, in.path("/protect/totp"))
}

// setUpData is what the page protect-totp shows.
type setUpData struct {
	Attempt string
	QR      template.URL // an image of the otpauth address
	Secret  string       // the same secret, to be typed
}

func (d *Door) showSetUp(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	return d.renderSetUp(w, r, in, nil)
}

func (d *Door) renderSetUp(w http.ResponseWriter, r *http.Request, in *inside, err error) error {
	o, failed := d.offer(r, in)
	if failed != nil {
		return failed
	}
	image, failed := qrImage(o.URI)
	if failed != nil {
		return failed
	}
	data := setUpData{Attempt: in.attempt.ID, QR: image, Secret: grouped(o.Secret)}
	page := in.page(d, r, "protect-totp", data)
	page.Back = in.path("/protect")
	if !in.inFlow() {
		page.Back = in.home
	}
	return d.renderForm(w, r, in.attempt, page, err)
}

// totpOffer is the secret that the person is about to put into an app. It is bound to the session.
type totpOffer struct{ Secret, URI string }

func offerKey(session *account.Session) string { return "login/totp-offer/" + session.ID }

// offer returns the secret shown before, so that a reload does not change it under the person's hands.
func (d *Door) offer(r *http.Request, in *inside) (totpOffer, error) {
	var o totpOffer
	value, ok, err := d.cfg.Ephemera.Get(r.Context(), offerKey(in.session))
	if err != nil {
		return o, fmt.Errorf("reading the offered secret: %w", err)
	}
	if ok {
		return o, json.Unmarshal(value, &o)
	}
	secret, uri, err := d.cfg.Accounts.OfferTOTP(r.Context(), in.person.ID)
	if err != nil {
		return o, fmt.Errorf("offering an app's secret: %w", err)
	}
	o = totpOffer{secret.Reveal(), uri}
	if value, err = json.Marshal(o); err != nil {
		return o, err
	}
	return o, d.cfg.Ephemera.Put(r.Context(), offerKey(in.session), value, offerLife)
}

// takeSetUp stores the app after a right code. The code proves the app in this session too, so that
// the person is not asked for the next one half a minute later.
func (d *Door) takeSetUp(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	code := clip(r.PostFormValue("code"))
	if code == "" {
		return d.renderSetUp(w, r, in, account.FieldErrors{{Field: "code", Message: "error.code.empty"}})
	}
	o, err := d.offer(r, in)
	if err != nil {
		return err
	}
	name := d.cfg.Pages.Text(d.lang(r, in.attempt), "protect-totp.app-name", nil)
	err = d.cfg.Accounts.AddTOTP(r.Context(), in.person.ID, keys.NewSecret(o.Secret), name, code, d.origin(r))
	if errors.Is(err, account.ErrWrongCode) {
		err = account.FieldErrors{{Field: "code", Message: "error.code.wrong-totp"}}
	}
	if err != nil {
		return d.renderSetUp(w, r, in, err)
	}
	if _, _, err := d.cfg.Ephemera.Take(r.Context(), offerKey(in.session)); err != nil {
		return fmt.Errorf("forgetting the offered secret: %w", err)
	}
	proof := []account.Proof{{Method: account.MethodTOTP, At: d.cfg.Now()}}
	if err := d.addProofs(w, r, in.session, proof); err != nil {
		return err
	}
	if err := d.printCodes(r, in); err != nil {
		return err
	}
	return seeOther(w, r, in.path("/protect/backup"))
}

func codesKey(session *account.Session) string { return "login/backup-codes/" + session.ID }

// printCodes makes a new set of backup codes and keeps it for the page that shows it.
func (d *Door) printCodes(r *http.Request, in *inside) error {
	codes, err := d.cfg.Accounts.NewBackupCodes(r.Context(), in.person.ID, d.origin(r))
	if err != nil {
		return fmt.Errorf("making backup codes: %w", err)
	}
	value, err := json.Marshal(codes)
	if err != nil {
		return err
	}
	return d.cfg.Ephemera.Put(r.Context(), codesKey(in.session), value, codesLife)
}

// backupCodesData is what the page protect-backup shows.
type backupCodesData struct {
	Attempt string
	Codes   []string
}

// showBackupCodes shows the codes until the person says that they are kept.
func (d *Door) showBackupCodes(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	value, ok, err := d.cfg.Ephemera.Get(r.Context(), codesKey(in.session))
	if err != nil {
		return fmt.Errorf("reading the printed codes: %w", err)
	}
	if !ok {
		return d.onward(w, r, in)
	}
	data := backupCodesData{Attempt: in.attempt.ID}
	if err := json.Unmarshal(value, &data.Codes); err != nil {
		return fmt.Errorf("decoding the printed codes: %w", err)
	}
	return d.render(w, r, in.attempt, in.page(d, r, "protect-backup", data))
}

// takeBackupCodes forgets the shown codes and goes on; from the cabinet it may print a new set.
func (d *Door) takeBackupCodes(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	if r.PostFormValue("choice") == "new" && hasSecond(in.person) {
		if err := d.printCodes(r, in); err != nil {
			return err
		}
		return seeOther(w, r, in.path("/protect/backup"))
	}
	if _, _, err := d.cfg.Ephemera.Take(r.Context(), codesKey(in.session)); err != nil {
		return fmt.Errorf("forgetting the printed codes: %w", err)
	}
	return d.onward(w, r, in)
}

// qrImage draws an address as a picture within the page: our policy allows images from data: alone
// beside our own.
func qrImage(text string) (template.URL, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("drawing a QR code: %w", err)
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())), nil //nolint:gosec // our own picture
}

// grouped writes a secret in fours, as apps show it.
func grouped(secret string) string {
	var out []byte
	for i := range len(secret) {
		if i > 0 && i%4 == 0 {
			out = append(out, ' ')
		}
		out = append(out, secret[i])
	}
	return string(out)
}
