package login

import (
	"errors"
	"net/http"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys/cms"
	"github.com/vhod-id/vhod/op"
)

// mostHandedOn is how large a signature may be that a service gets: one with the certificates of its chain takes five kilobytes or so.
const mostHandedOn = 32 << 10

// signed is a qualified signature over what a service asked a person to sign.
type signed struct {
	Account account.ID
	op.Signed
}

// isOf reports whether it is there, and the person's.
func (s *signed) isOf(person *account.Account) bool { return s != nil && s.Account == person.ID }

// mayCertify reports whether the person may sign by their certificate though the service does not ask it of them.
func (v *visit) mayCertify() bool {
	return len(v.req.Details) > 0 && v.req.Signature() == "" && mayCertify(v.person, v.policy)
}

// signData is what the page sign shows: the words and digests above what the tool signs.
type signData struct {
	signatureData
	Signs []op.Detail
}

// serviceSigning is bound to the person beside the attempt: who says in the middle that they are somebody else signs something else.
func (d *Door) serviceSigning(r *http.Request, v *visit) signing {
	return signing{
		purpose: signForOthers, owner: v.attempt.ID + "/" + string(v.person.ID), person: v.person.ID,
		service: inLang(v.client.Name, d.lang(r, v.attempt)), client: v.client.ID, details: certified(v.req.Details),
	}
}

// certified are details as a person signs them by a certificate.
func certified(details []op.Detail) []op.Detail {
	out := make([]op.Detail, 0, len(details))
	for _, detail := range details {
		detail.Signature = op.SignedQualified
		out = append(out, detail)
	}
	return out
}

// signingFor loads an attempt in which something is to be signed by a certificate, or sends it to where it stands.
func (d *Door) signingFor(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if ok, err := d.stands(w, r, v, stepSign); !ok {
		return nil, err
	}
	return v, nil
}

func (d *Door) showSign(w http.ResponseWriter, r *http.Request) error {
	v, err := d.signingFor(w, r)
	if v == nil {
		return err
	}
	return d.renderSign(w, r, v, nil)
}

func (d *Door) renderSign(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	form, failed := d.signaturePage(r, v.attempt, d.serviceSigning(r, v), paths[stepSign])
	if failed != nil {
		return failed
	}
	page := v.page(d, r, "sign", signData{form, v.req.Details})
	page.User = displayName(v.person)
	page.Title, page.TitleArgs = "signs.title-service", map[string]any{"Service": page.Service.Name}
	return d.renderForm(w, r, v.attempt, page, err)
}

func (d *Door) signChallenge(w http.ResponseWriter, r *http.Request) error {
	v, err := d.signingFor(w, r)
	if v == nil {
		return err
	}
	return d.sendChallenge(w, r, v.attempt, d.serviceSigning(r, v))
}

// takeSign takes a signature over what the service asked to be signed, by a certificate that is linked to the person's account. It proves
// nothing else: nobody is signed in by it.
func (d *Door) takeSign(w http.ResponseWriter, r *http.Request) error {
	v, err := d.signingFor(w, r)
	if v == nil {
		return err
	}
	signature, signer, err := d.signed(r, d.serviceSigning(r, v))
	if err != nil {
		return d.renderSign(w, r, v, err)
	}
	if err := d.theirs(r, v, signature, signer); err != nil {
		return d.renderSign(w, r, v, err)
	}
	v.attempt.Signed = &signed{v.person.ID, op.Signed{CMS: signer.Message, Certificate: signer.Serial}}
	return d.advance(w, r, v)
}

// theirs refuses a certificate that does not belong to the account of who signs, and a message that is too large to be handed on.
func (d *Door) theirs(r *http.Request, v *visit, signature account.Signature, signer *cms.Signer) error {
	person, err := d.cfg.Accounts.VerifySignature(r.Context(), signature, d.origin(r))
	switch {
	case errors.Is(err, account.ErrWrongCredentials):
		err = signatureError("not-yours")
	case err == nil && person.ID != v.person.ID:
		err = signatureError("other-person")
	case err == nil && len(signer.Message) > mostHandedOn:
		return signatureError("too-large")
	case err == nil:
		return nil
	}
	d.cfg.Accounts.NoteSignatureRefused(v.person.ID, "not-theirs", "", d.origin(r))
	return err
}

// noCertificateData is what the page no-certificate shows.
type noCertificateData struct {
	LinkURL   string // where a certificate is added; empty where none is taken
	CancelURL string
}

// showNoCertificate tells a person that the service wants a signature that they cannot make.
func (d *Door) showNoCertificate(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepNoCertificate); !ok {
		return err
	}
	data := noCertificateData{CancelURL: at("/login/cancel", v.attempt)}
	if v.policy.Sign {
		data.LinkURL = linkPage
	}
	return d.render(w, r, v.attempt, v.page(d, r, "no-certificate", data))
}
