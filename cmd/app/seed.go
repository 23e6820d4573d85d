package app

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// Person is an account to be made ready at once, for a stand or a move from another system. It is plain
// data: the rules of signing up and proofing are not asked.
type Person struct {
	Phone, Email string // canonical; both count as confirmed
	Password     string
	Lang         string // ru when empty
	Level        string // simplified, standard, verified
	Method       string // what the verified level rests on: bank, centre, letter, signature, video
	Verifier     string // who verified: a bank's id, a centre
	Status       string // active when empty; locked, deletion-pending

	FamilyName, GivenName, MiddleName                                                      string
	Birthdate, Birthplace, Gender                                                          string // YYYY-MM-DD; male or female
	PassportSeries, PassportNumber, PassportIssuedOn, PassportIssuedBy, PassportIssuerCode string
	SNILS, INN                                                                             string // digits; INN may be empty
	Region, City, Street, House, Flat, Postcode                                            string
	TOTPSecret                                                                             string            // base32; no app when empty
	BackupCodes                                                                            []string          // as printed
	Agreements                                                                             map[string]string // accepted: document → version
	Draft                                                                                  bool              // the papers are typed in, not confirmed
	Unseen                                                                                 bool              // the first browser in which they sign in is taken for their own: for a stand, where nobody was before
}

// SeedPeople makes the accounts that are not there yet: a person whose contact is taken is left as they are, so
// that a stand may start again on its data.
func SeedPeople(ctx context.Context, accounts *account.Service, now time.Time, people []Person) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU()) // hashing passwords is what takes the time
	for _, p := range people {
		group.Go(func() error {
			taken, err := accounts.ContactTaken(ctx, account.Identifier{Kind: account.ByPhone, Value: p.Phone})
			if err != nil || taken {
				return err
			}
			a, err := p.account(accounts, now)
			if err != nil {
				return fmt.Errorf("seeding %s: %w", account.MaskPhone(p.Phone), err)
			}
			_, err = accounts.Import(ctx, account.Import{Account: a, Password: p.Password, Reason: "seed"})
			if other := (account.TakenError{}); errors.As(err, &other) { // another node was faster
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// account turns plain data into an account.
func (p Person) account(accounts *account.Service, now time.Time) (account.Account, error) {
	level, err := account.ParseLevel(p.Level)
	if err != nil {
		return account.Account{}, err
	}
	a := account.Account{
		Level: level, Status: account.Status(p.Status), Lang: p.Lang, Unseen: p.Unseen,
		Phone: account.Contact{Value: p.Phone, ConfirmedAt: now}, Email: account.Contact{Value: p.Email, ConfirmedAt: now},
	}
	for document, version := range p.Agreements {
		a.Agreements = append(a.Agreements, account.Agreement{Document: document, Version: version, At: now})
	}
	if a.Lang == "" {
		a.Lang = "ru"
	}
	if level == account.Simplified && !p.Draft {
		return p.factors(a, accounts, now), nil
	}
	papers, err := p.papers()
	if err != nil {
		return a, err
	}
	a.Application = papers
	if level >= account.Standard {
		a.Person, a.Passport, a.SNILS, a.INN, a.Address = papers.Person, papers.Passport, papers.SNILS, papers.INN, papers.Address
		matched := strings.Fields("family_name given_name middle_name birthdate gender passport_number snils")
		if !papers.INN.IsZero() {
			matched = append(matched, "inn")
		}
		a.Evidence = append(a.Evidence, account.Evidence{ID: keys.RandomID(), Method: account.ProvenByRegistries, At: now,
			Verifier: "registries", Record: "seed", Document: "passport", Level: account.Standard, Matched: matched})
	}
	if level == account.Verified {
		a.Evidence = append(a.Evidence, account.Evidence{ID: keys.RandomID(), Method: account.ProofingMethod(p.Method), At: now,
			Verifier: p.Verifier, Record: "seed", Document: "passport", Level: account.Verified,
			Matched: strings.Fields("family_name given_name middle_name birthdate passport_number")})
	}
	return p.factors(a, accounts, now), nil
}

func (p Person) factors(a account.Account, accounts *account.Service, now time.Time) account.Account {
	if p.TOTPSecret != "" {
		a.TOTP = []credential.TOTP{{ID: keys.RandomID(), Name: "Приложение", Secret: keys.NewSecret(p.TOTPSecret), AddedAt: now}}
	}
	if len(p.BackupCodes) > 0 {
		a.Backup = accounts.BackupSetOf(p.BackupCodes)
	}
	return a
}

func (p Person) papers() (account.Application, error) {
	var problems []error
	date := func(iso string) account.Date {
		d, err := account.DateOf(iso)
		problems = append(problems, err)
		return d
	}
	snils, err := account.ParseSNILS(p.SNILS)
	problems = append(problems, err)
	app := account.Application{
		Person: account.Person{FamilyName: p.FamilyName, GivenName: p.GivenName, MiddleName: p.MiddleName, Birthdate: date(p.Birthdate),
			Birthplace: p.Birthplace, Gender: account.Gender(p.Gender)},
		NoMiddle: p.MiddleName == "",
		Passport: account.Passport{Series: p.PassportSeries, Number: p.PassportNumber, IssuedOn: date(p.PassportIssuedOn),
			IssuedBy: p.PassportIssuedBy, IssuerCode: p.PassportIssuerCode},
		SNILS: snils, NoINN: p.INN == "",
		Address: account.Address{Region: p.Region, City: p.City, Street: p.Street, House: p.House, Flat: p.Flat, Postcode: p.Postcode},
	}
	if p.INN != "" {
		app.INN, err = account.ParseINN(p.INN)
		problems = append(problems, err)
	}
	return app, errors.Join(problems...)
}
