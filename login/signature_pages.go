package login

import (
	"errors"
	"net/http"
	"slices"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// signatureRoutes are the pages that ask for an electronic signature; there are none where no authority
// is trusted.
func (d *Door) signatureRoutes() []route {
	if d.cfg.VerifySignature == nil {
		return nil
	}
	return []route{
		{"GET /login/esign", d.showSignInSignature},
		{"POST /login/esign", d.takeSignInSignature},
		{"GET /login/esign/challenge", d.signInChallenge},
		{"GET /signup/esign", d.showSignUpSignature},
		{"POST /signup/esign", d.takeSignUpSignature},
		{"GET /signup/esign/challenge", d.signUpChallenge},
		{"GET /level/esign", d.showConfirmSignature},
		{"POST /level/esign", d.takeConfirmSignature},
		{"GET /level/esign/challenge", d.confirmChallenge},
		{"GET /login/sign", d.showSign},
		{"POST /login/sign", d.takeSign},
		{"GET /login/sign/challenge", d.signChallenge},
		{"GET " + linkPage, d.showLinkSignature},
		{"POST " + linkPage, d.takeLinkSignature},
		{"GET " + linkPage + "/challenge", d.linkChallenge},
	}
}

const linkPage = "/me/security/esign"

// uploads are the routes whose forms carry a file.
var uploads = []string{"POST /login/esign", "POST /signup/esign", "POST /level/esign", "POST /login/sign", "POST " + linkPage}

// signURL leads to signing in by a signature, empty where none is taken.
func (d *Door) signURL(a *attempt) string {
	if d.cfg.VerifySignature == nil {
		return ""
	}
	return at(paths[stepSignature], a)
}

// confirmURL leads to confirming an identity by a signature, empty where that cannot be.
func (d *Door) confirmURL(in *inside) string {
	if d.cfg.VerifySignature == nil || in.person.Level != account.Standard {
		return ""
	}
	return in.path("/level/esign")
}

// signatureData is what every page that asks for a signature shows.
type signatureData struct {
	Attempt      string
	Action       string // where the form goes
	ChallengeURL string
	Challenge    string // what is signed, to be read
	Minutes      int
	OtherURL     string // another way
	PluginURL    string // script by which a plug-in is reached; empty: only one that offers itself is
	NeedsFactor  bool   // linking: the person has no second factor yet
}

// signaturePage fills in what the pages have in common.
func (d *Door) signaturePage(r *http.Request, a *attempt, s signing, action string) (signatureData, error) {
	text, c, err := d.challenge(r, d.lang(r, a), s)
	data := signatureData{
		Attempt: a.ID, Action: action, ChallengeURL: action + "/challenge", Challenge: string(text),
		Minutes: minutesUntil(c.ExpiresAt, d.cfg.Now()), PluginURL: d.cfg.PluginScript,
	}
	if a.ID != "" {
		data.ChallengeURL = at(data.ChallengeURL, a)
	}
	return data, err
}

// sendChallenge gives the bytes to sign as a file.
func (d *Door) sendChallenge(w http.ResponseWriter, r *http.Request, a *attempt, s signing) error {
	text, _, err := d.challenge(r, d.lang(r, a), s)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="vhod-`+string(s.purpose)+`.json"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, err = w.Write(text)
	return err
}

// signInSteps are where a signature may stand for everything else, or be the last thing missing.
var signInSteps = []step{stepIdentify, stepPassword, stepSecond, stepSignature}

func (d *Door) signInSigning(r *http.Request, v *visit) signing {
	s := signing{purpose: signToSignIn, owner: v.attempt.ID}
	if v.client != nil {
		s.service = inLang(v.client.Name, d.lang(r, v.attempt))
	}
	return s
}

// signingIn loads an attempt that may go on by a signature, or sends it to where it stands.
func (d *Door) signingIn(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if ok, err := d.stands(w, r, v, signInSteps...); !ok {
		return nil, err
	}
	return v, nil
}

func (d *Door) showSignInSignature(w http.ResponseWriter, r *http.Request) error {
	v, err := d.signingIn(w, r)
	if v == nil {
		return err
	}
	return d.renderSignInSignature(w, r, v, nil)
}

func (d *Door) renderSignInSignature(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	data, failed := d.signaturePage(r, v.attempt, d.signInSigning(r, v), paths[stepSignature])
	if failed != nil {
		return failed
	}
	page := v.page(d, r, "esign", data)
	if v.next() != stepSignature {
		page.Back = at("/login", v.attempt)
	}
	return d.renderForm(w, r, v.attempt, page, err)
}

func (d *Door) signInChallenge(w http.ResponseWriter, r *http.Request) error {
	v, err := d.signingIn(w, r)
	if v == nil {
		return err
	}
	return d.sendChallenge(w, r, v.attempt, d.signInSigning(r, v))
}

// takeSignInSignature signs in whoever the certificate is linked to. It counts as two factors (C26).
func (d *Door) takeSignInSignature(w http.ResponseWriter, r *http.Request) error {
	v, err := d.signingIn(w, r)
	if v == nil {
		return err
	}
	signature, _, err := d.signed(r, d.signInSigning(r, v))
	if err != nil {
		return d.renderSignInSignature(w, r, v, err)
	}
	person, err := d.cfg.Accounts.VerifySignature(r.Context(), signature, d.origin(r))
	if errors.Is(err, account.ErrWrongCredentials) {
		err = signatureError("not-linked")
	}
	asked := v.attempt.Fixed || v.next() == stepSignature // the person is known already
	if err == nil && asked && v.session != nil && v.session.AccountID != person.ID {
		err = signatureError("other-person")
	}
	if err != nil {
		return d.renderSignInSignature(w, r, v, err)
	}
	v.attempt.prove(person.ID, account.MethodSignature, d.cfg.Now())
	v.person = person
	return d.advance(w, r, v)
}

// inSignature lets in who may confirm an identity by a signature: a standard account.
func (d *Door) inSignature(w http.ResponseWriter, r *http.Request) (*inside, error) {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return nil, err
	}
	if in.person.Level != account.Standard {
		return nil, seeOther(w, r, in.path(d.upward(in)))
	}
	return in, nil
}

func confirmSigning(in *inside) signing {
	return signing{purpose: signToConfirm, owner: in.session.ID, person: in.person.ID}
}

func (d *Door) showConfirmSignature(w http.ResponseWriter, r *http.Request) error {
	in, err := d.inSignature(w, r)
	if in == nil {
		return err
	}
	return d.renderConfirmSignature(w, r, in, nil)
}

func (d *Door) renderConfirmSignature(w http.ResponseWriter, r *http.Request, in *inside, err error) error {
	data, failed := d.signaturePage(r, in.attempt, confirmSigning(in), "/level/esign")
	if failed != nil {
		return failed
	}
	if len(d.cfg.Banks) > 0 {
		data.OtherURL = in.path("/level/bank")
	}
	page := in.page(d, r, "level-esign", data)
	page.Back = in.path("/level")
	return d.renderForm(w, r, in.attempt, page, asSignature(err))
}

// asSignature shows at the field of the signature what its certificate says otherwise than the account.
func asSignature(err error) error {
	var wrong account.FieldErrors
	if !errors.As(err, &wrong) {
		return err
	}
	wrong = slices.Clone(wrong)
	for i := range wrong {
		wrong[i].Field = "signature"
	}
	return wrong
}

func (d *Door) confirmChallenge(w http.ResponseWriter, r *http.Request) error {
	in, err := d.inSignature(w, r)
	if in == nil {
		return err
	}
	return d.sendChallenge(w, r, in.attempt, confirmSigning(in))
}

// takeConfirmSignature raises the level by a signature whose certificate names the person of the account.
func (d *Door) takeConfirmSignature(w http.ResponseWriter, r *http.Request) error {
	in, err := d.inSignature(w, r)
	if in == nil {
		return err
	}
	signature, signer, err := d.signed(r, confirmSigning(in))
	if err != nil {
		return d.renderConfirmSignature(w, r, in, err)
	}
	person, err := d.cfg.Accounts.Confirm(r.Context(), in.person.ID, d.signatureEvidence(signature, signer), d.origin(r))
	if err != nil {
		return d.renderConfirmSignature(w, r, in, err)
	}
	if err := d.forgetTrouble(r.Context(), in.person.ID); err != nil {
		return err
	}
	in.person = person
	return seeOther(w, r, in.path("/level/result"))
}

// inLink lets in who may add a certificate: a person who has just shown two factors (C26). Who has no
// second factor yet sees the page, and on it how to get one.
func (d *Door) inLink(w http.ResponseWriter, r *http.Request) (*inside, error) {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return nil, err
	}
	if !d.mayLink(in) && hasSecond(in.person) {
		return nil, seeOther(w, r, "/login?reauth=1&return="+linkPage)
	}
	return in, nil
}

// mayLink reports whether the person has shown two factors of late.
func (d *Door) mayLink(in *inside) bool {
	var recent []account.Proof
	for _, p := range in.session.Proofs {
		if d.cfg.Now().Sub(p.At) <= recentLife {
			recent = append(recent, p)
		}
	}
	return account.StrengthOf(recent) >= account.TwoFactor
}

func linkSigning(in *inside) signing {
	return signing{purpose: signToLink, owner: in.session.ID, person: in.person.ID}
}

func (d *Door) showLinkSignature(w http.ResponseWriter, r *http.Request) error {
	in, err := d.inLink(w, r)
	if in == nil {
		return err
	}
	return d.renderLinkSignature(w, r, in, nil)
}

func (d *Door) renderLinkSignature(w http.ResponseWriter, r *http.Request, in *inside, err error) error {
	data := signatureData{NeedsFactor: true}
	if d.mayLink(in) {
		var failed error
		if data, failed = d.signaturePage(r, in.attempt, linkSigning(in), linkPage); failed != nil {
			return failed
		}
	}
	page := templates.Page{Name: "me-esign", Section: "me-security", User: displayName(in.person), Back: securityPage, Timeout: d.sessionTimeout(in.session), Data: data}
	return d.renderForm(w, r, in.attempt, page, asSignature(err))
}

func (d *Door) linkChallenge(w http.ResponseWriter, r *http.Request) error {
	in, err := d.inLink(w, r)
	if in == nil {
		return err
	}
	if !d.mayLink(in) {
		return seeOther(w, r, linkPage)
	}
	return d.sendChallenge(w, r, in.attempt, linkSigning(in))
}

func (d *Door) takeLinkSignature(w http.ResponseWriter, r *http.Request) error {
	in, err := d.inLink(w, r)
	if in == nil {
		return err
	}
	if !d.mayLink(in) {
		return seeOther(w, r, linkPage)
	}
	signature, _, err := d.signed(r, linkSigning(in))
	if err != nil {
		return d.renderLinkSignature(w, r, in, err)
	}
	err = d.cfg.Accounts.LinkCertificate(r.Context(), in.person.ID, signature, d.origin(r))
	var taken account.TakenError
	switch {
	case errors.As(err, &taken):
		err = signatureError("taken")
	case errors.Is(err, account.ErrConflict):
		err = signatureError("too-many")
	}
	if err != nil {
		return d.renderLinkSignature(w, r, in, err)
	}
	return seeOther(w, r, securityPage+"?done=certificate")
}
