package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// SignUp is a person who proved both contacts and accepted the agreements.
type SignUp struct {
	Phone, Email string // canonical and confirmed
	Password     string
	Agreements   []Agreement
	Lang         string
	Origin       Origin
	Signature    *Signature  // by which the person signed up, nil without one
	Bank         *BankAnswer // through which they came, nil without one
}

// SignUp creates a simplified account (R067). TakenError when a contact belongs to another account;
// FieldErrors when the password breaks the policy or something is missing.
func (s *Service) SignUp(ctx context.Context, in SignUp) (*Account, error) {
	if err := s.CheckPassword(ctx, in.Password, in.Phone, in.Email); err != nil {
		return nil, err
	}
	if in.Phone == "" || in.Email == "" {
		return nil, FieldErrors{{Field: "phone", Message: "error.contacts.both"}}
	}
	if len(in.Agreements) == 0 {
		return nil, FieldErrors{{Field: "agree_terms", Message: "error.agreement.missing"}}
	}
	hash, err := s.cfg.Passwords.Hash(ctx, in.Password)
	if err != nil {
		return nil, fmt.Errorf("hashing a password: %w", err)
	}
	now := s.now()
	a := &Account{
		ID: ID(keys.RandomID()), Number: newNumber(), Status: Active, Level: Simplified, CreatedAt: now, UpdatedAt: now, Lang: in.Lang,
		Phone: Contact{in.Phone, now}, Email: Contact{in.Email, now},
		Password: credential.Password{Hash: hash, SetAt: now}, Agreements: in.Agreements, Unseen: true,
	}
	a.note(SignedUp, now, in.Origin)
	for _, g := range in.Agreements {
		a.note(AgreementAccepted, now, in.Origin, "document", g.Document, "version", g.Version)
	}
	if in.Signature != nil {
		a.link(in.Signature.Certificate, now, in.Origin)
		a.Application = in.Signature.Claims.application()
	}
	if in.Bank != nil { // its words fill the form, and prove nothing yet
		a.linkBank(in.Bank.Link, now, in.Origin)
		a.Application = in.Bank.Claims.application()
		a.Application.Passport = in.Bank.Claims.Passport
		a.Application.Person.Birthdate, a.Application.Person.Gender = in.Bank.Claims.Person.Birthdate, in.Bank.Claims.Person.Gender
	}
	if err := s.cfg.Store.Create(ctx, a); err != nil {
		return nil, fmt.Errorf("creating an account: %w", err)
	}
	return a, nil
}

// newNumber makes the login of an account: twelve digits, the first no zero, so that it is neither a phone nor a SNILS.
func newNumber() string {
	n, err := rand.Int(rand.Reader, big.NewInt(900_000_000_000))
	if err != nil { // crypto/rand ends the program before it errs
		panic(err)
	}
	return fmt.Sprint(n.Int64() + 100_000_000_000)
}

// ContactTaken reports whether the identifier belongs to an account. Pages never show it: the owner gets
// a notice and the newcomer the same next page (G02).
func (s *Service) ContactTaken(ctx context.Context, by Identifier) (bool, error) {
	_, err := s.cfg.Store.Find(ctx, by)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// warnOwnerEvery is how often the owner of a contact hears that somebody tries to sign up with it.
const warnOwnerEvery = 24 * time.Hour

// WarnOwner tells the owner of a contact that somebody tried to sign up with it, once a day at most. It
// works after the answer, so that the time of the answer says nothing of whether there is an owner (G02).
func (s *Service) WarnOwner(by Identifier, o Origin) {
	s.later <- func(ctx context.Context) {
		if err := s.warnOwner(ctx, by, o); err != nil {
			s.cfg.Log.ErrorContext(ctx, "warning the owner of a contact", "error", err)
		}
	}
}

func (s *Service) warnOwner(ctx context.Context, by Identifier, o Origin) error {
	a, err := s.cfg.Store.Find(ctx, by)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("finding the owner of a contact: %w", err)
	}
	if first, err := s.cfg.Ephemera.Once(ctx, "warned/"+string(a.ID), warnOwnerEvery); err != nil || !first {
		return err
	}
	return s.change(ctx, a.ID, func(a *Account) error {
		now := s.now()
		a.note(SignUpRepeated, now, o, "actor", "somebody")
		a.tell("sign-up-attempt", now, nil)
		return nil
	})
}

// CheckPassword applies the password policy with context words and returns FieldErrors for field
// "password", or nil.
func (s *Service) CheckPassword(_ context.Context, password string, contextWords ...string) error {
	var words []string
	for _, w := range contextWords {
		words = append(words, w)
		if local, _, isAddress := strings.Cut(w, "@"); isAddress {
			words = append(words, local)
		}
		if digits, _ := onlyDigits(w); len(digits) >= 10 {
			words = append(words, digits[len(digits)-10:])
		}
	}
	if reason := s.cfg.Policy.Check(password, words...); reason != "" {
		return FieldErrors{{Field: "password", Message: string(reason)}}
	}
	return nil
}

// passwordWords are what a person's password may not be made of (R159).
func (a *Account) passwordWords() []string {
	words := []string{a.Phone.Value, a.Email.Value}
	for _, p := range []Person{a.Person, a.Application.Person} {
		words = append(words, p.FamilyName, p.GivenName, p.MiddleName)
		if d := p.Birthdate; !d.IsZero() {
			words = append(words, fmt.Sprintf("%02d%02d%04d", d.Day, d.Month, d.Year), fmt.Sprintf("%02d.%02d.%04d", d.Day, d.Month, d.Year))
		}
	}
	return words
}

// Import is an account made elsewhere and brought in whole: a migration, or the people of a stand. The caller vouches
// for what it says.
type Import struct {
	Account  Account // ID, Number, Status, Level, Lang and times may be empty
	Password string
	Reason   string // for the journal
}

// Import stores an account as given, with an event that says so. TakenError as for SignUp.
func (s *Service) Import(ctx context.Context, in Import) (*Account, error) {
	a, now := in.Account, s.now()
	if a.ID == "" {
		a.ID = ID(keys.RandomID())
	}
	if a.Number == "" {
		a.Number = newNumber()
	}
	if a.Status == "" {
		a.Status = Active
	}
	if a.Level == 0 {
		a.Level = Simplified
	}
	if a.Lang == "" {
		a.Lang = "ru"
	}
	if a.CreatedAt.IsZero() {
		a.CreatedAt = now
	}
	if in.Password != "" {
		hash, err := s.cfg.Passwords.Hash(ctx, in.Password)
		if err != nil {
			return nil, fmt.Errorf("hashing a password: %w", err)
		}
		a.Password = credential.Password{Hash: hash, SetAt: now}
	}
	a.note(Imported, now, Origin{}, "actor", "system", "reason", in.Reason, "level", a.Level.String())
	if err := s.cfg.Store.Create(ctx, &a); err != nil {
		return nil, fmt.Errorf("importing an account: %w", err)
	}
	return &a, nil
}

// BackupSetOf makes a set of known codes, for Import.
func (s *Service) BackupSetOf(codes []string) credential.BackupSet {
	set := credential.BackupSet{MadeAt: s.now()}
	for _, c := range codes {
		set.Hashes = append(set.Hashes, s.backupHash(credential.CleanBackup(c)))
	}
	return set
}

func (s *Service) backupHash(code string) string { return s.cfg.Sealer.Index("backup-code", code) }
