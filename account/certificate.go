package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Certificate is a qualified certificate by whose signature the person signs in.
type Certificate struct {
	Fingerprint string // SHA-256 of the certificate, hexadecimal
	Serial      string // hexadecimal
	Issuer      string // the authority that issued it
	Algorithm   string
	NotAfter    time.Time
	AddedAt     time.Time
	UsedAt      time.Time // zero: not yet
}

// Signature is an electronic signature that was verified: by which certificate, and whom it names. The
// caller vouches for it; nothing here looks at the signature itself.
type Signature struct {
	Certificate Certificate
	Claims      Claimed // names, SNILS and INN; a certificate states no more
}

// maxCertificates is how many certificates an account may have: one is renewed every fifteen months.
const maxCertificates = 5

// VerifySignature returns the account to which the signature's certificate is linked. ErrWrongCredentials
// when there is none, or when the account has been proven since to be of another person than the certificate
// names; ErrLocked when the account may not be used.
func (s *Service) VerifySignature(ctx context.Context, by Signature, o Origin) (*Account, error) {
	print := by.Certificate.Fingerprint
	a, err := s.cfg.Store.Find(ctx, Identifier{ByCertificate, print})
	if errors.Is(err, ErrNotFound) {
		return nil, ErrWrongCredentials
	}
	if err != nil {
		return nil, fmt.Errorf("finding the account of a certificate: %w", err)
	}
	if differs := a.differs(by.Claims); len(differs) > 0 {
		s.noteLater(a.ID, SignatureRefused, o, "reason", "differs", "differs", differs.fields())
		return nil, ErrWrongCredentials
	}
	if a.Status != Active {
		return nil, ErrLocked
	}
	if err := s.gate(a, SwitchSignature, o); err != nil {
		return nil, err
	}
	now := s.now()
	s.later <- func(ctx context.Context) {
		err := s.change(ctx, a.ID, func(a *Account) error {
			for i := range a.Certificates {
				if a.Certificates[i].Fingerprint == print {
					a.Certificates[i].UsedAt = now
				}
			}
			return nil
		})
		if err != nil {
			s.cfg.Log.WarnContext(ctx, "noting the use of a certificate", "error", err)
		}
	}
	return a, nil
}

// LinkCertificate lets the person sign in by the signature's certificate. FieldErrors name what the
// certificate says otherwise than the account; TakenError when it signs in to another account; ErrConflict
// when there are too many.
func (s *Service) LinkCertificate(ctx context.Context, id ID, by Signature, o Origin) error {
	var wrong FieldErrors
	err := s.change(ctx, id, func(a *Account) error {
		now := s.now()
		print := by.Certificate.Fingerprint
		if err := a.Gate(SwitchLink, now); err != nil {
			return err
		}
		if wrong = a.differs(by.Claims); len(wrong) > 0 {
			a.note(SignatureRefused, now, o, "reason", "differs", "differs", wrong.fields(), "certificate", by.Certificate.Serial)
			return nil
		}
		if slices.ContainsFunc(a.Certificates, func(c Certificate) bool { return c.Fingerprint == print }) {
			return nil // linked before, or the form was sent twice
		}
		if len(a.Certificates) >= maxCertificates {
			return ErrConflict
		}
		a.link(by.Certificate, now, o)
		a.tell("certificate-linked", now, nil)
		return nil
	})
	if err != nil {
		return fmt.Errorf("linking a certificate: %w", err)
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

func (a *Account) link(c Certificate, now time.Time, o Origin) {
	c.AddedAt, c.UsedAt = now, time.Time{}
	a.Certificates = append(a.Certificates, c)
	a.note(CertificateLinked, now, o, "certificate", c.Serial, "issuer", c.Issuer)
}

// RemoveCertificate ends signing in by a certificate, and the other sessions. ErrNotFound when it is not the person's.
func (s *Service) RemoveCertificate(ctx context.Context, id ID, fingerprint, keepSession string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.Certificates, func(c Certificate) bool { return c.Fingerprint == fingerprint })
		if i < 0 {
			return ErrNotFound
		}
		now, gone := s.now(), a.Certificates[i]
		a.Certificates = slices.Delete(a.Certificates, i, i+1)
		a.note(CertificateRemoved, now, o, "certificate", gone.Serial, "issuer", gone.Issuer)
		a.signOut(now, keepSession)
		a.tell("certificate-removed", now, nil)
		return nil
	})
}

// NoteSignatureRefused keeps in the person's journal that a signature was not believed, and why, in the
// operator's words.
func (s *Service) NoteSignatureRefused(id ID, reason, detail string, o Origin) {
	s.noteLater(id, SignatureRefused, o, "reason", reason, "detail", detail)
}

// NoteRefusedCertificate is NoteSignatureRefused for the account to which the certificate is linked, if
// there is one.
func (s *Service) NoteRefusedCertificate(ctx context.Context, fingerprint, reason, detail string, o Origin) {
	a, err := s.cfg.Store.Find(ctx, Identifier{ByCertificate, fingerprint})
	switch {
	case err == nil:
		s.NoteSignatureRefused(a.ID, reason, detail, o)
	case !errors.Is(err, ErrNotFound):
		s.cfg.Log.WarnContext(ctx, "finding the account of a refused certificate", "error", err)
	}
}

// differs names what a certificate says otherwise than the account: what was proven of the person or,
// below the standard level, what the person has written so far.
func (a *Account) differs(c Claimed) FieldErrors {
	person, snils, inn := a.Person, a.SNILS, a.INN
	if a.Level < Standard {
		person, snils, inn = a.Application.Person, a.Application.SNILS, a.Application.INN
	}
	var d difference
	if person.FamilyName != "" {
		d.text("family_name", person.FamilyName, c.Person.FamilyName)
		d.text("given_name", person.GivenName, c.Person.GivenName)
		if person.MiddleName != "" && c.Person.MiddleName != "" {
			d.text("middle_name", person.MiddleName, c.Person.MiddleName)
		}
	}
	d.exact("snils", snils.IsZero() || snils == c.SNILS)
	d.exact("inn", inn.IsZero() || c.INN.IsZero() || inn == c.INN)
	return d.errors()
}

// errors are what differs as a form shows it.
func (d difference) errors() FieldErrors {
	var wrong FieldErrors
	for _, f := range d.fields {
		wrong = append(wrong, FieldError{Field: f, Message: "error.differs." + f})
	}
	return wrong
}

// application is a draft begun with what a certificate says.
func (c Claimed) application() Application {
	return Application{
		Person: Person{FamilyName: c.Person.FamilyName, GivenName: c.Person.GivenName, MiddleName: c.Person.MiddleName},
		SNILS:  c.SNILS, INN: c.INN,
	}
}

// SignerName splits a certificate's given name, which holds the patronymic too, and reads all parts as a
// passport has them. A FieldError names the part that no passport has.
func SignerName(surname, given string) (Person, error) {
	first, middle, _ := strings.Cut(strings.Join(strings.Fields(given), " "), " ")
	var p Person
	var err error
	if p.FamilyName, err = ParseName("family_name", surname); err != nil {
		return Person{}, err
	}
	if p.GivenName, err = ParseName("given_name", first); err != nil {
		return Person{}, err
	}
	if middle != "" {
		if p.MiddleName, err = ParseName("middle_name", middle); err != nil {
			return Person{}, err
		}
	}
	return p, nil
}
