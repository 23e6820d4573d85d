package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// BankAnswer is what a bank says of a person who came from it. The caller vouches that it is the bank's.
type BankAnswer struct {
	Link   BankLink
	Claims Claimed
	Level  Level // that what it says is worth, by the contract with it
}

// SwitchBank is the switch of one bank, by its id in the configuration; SwitchBanks is that of all.
func SwitchBank(id string) Switch { return SwitchBanks + Switch(":"+id) }

// gateBank refuses a bank that the person has locked, or all of them.
func (a *Account) gateBank(id string, now time.Time) error {
	if err := a.Gate(SwitchBanks, now); err != nil {
		return err
	}
	if !slices.ContainsFunc(a.Locks, func(l Lock) bool { return l.Switch == SwitchBank(id) && l.holds(l.Switch, now) }) {
		return nil
	}
	return LockedWayError{SwitchBanks}
}

// VerifyBank returns the account to which the bank's subject is linked, by issuer and subject and by nothing else (L01):
// ErrWrongCredentials when there is none. FieldErrors name what the bank says otherwise than the account does, which it says
// of another person then; ErrLocked when the account may not be used; a LockedWayError when its person has locked this way.
func (s *Service) VerifyBank(ctx context.Context, by BankAnswer, o Origin) (*Account, error) {
	a, err := s.cfg.Store.Find(ctx, by.Link.identifier())
	if errors.Is(err, ErrNotFound) {
		return nil, ErrWrongCredentials
	}
	if err != nil {
		return nil, fmt.Errorf("finding the account of a bank's customer: %w", err)
	}
	if wrong := a.differsFromBank(by.Claims); len(wrong) > 0 {
		s.noteLater(a.ID, BankRefused, o, "bank", by.Link.Bank, "differs", wrong.fields())
		return nil, wrong
	}
	if a.Status != Active {
		return nil, ErrLocked
	}
	if err := a.gateBank(by.Link.Bank, s.now()); err != nil {
		s.noteLater(a.ID, SignInFailed, o, "method", string(MethodBank), "reason", "locked by the person")
		return nil, err
	}
	return a, nil
}

func (l BankLink) identifier() Identifier { return Identifier{ByBank, l.Issuer + " " + l.Subject} }

// differsFromBank names what a bank says otherwise than what was proven of the person. Below the standard level nothing was.
func (a *Account) differsFromBank(c Claimed) FieldErrors {
	if a.Level < Standard {
		return nil
	}
	if c.Person.FamilyName == "" { // a contract may be for less than a name
		c.Person = a.Person
	}
	wrong := a.differs(c)
	if c.SNILS.IsZero() {
		wrong = slices.DeleteFunc(wrong, func(f FieldError) bool { return f.Field == "snils" })
	}
	if !c.Person.Birthdate.IsZero() && c.Person.Birthdate != a.Person.Birthdate {
		wrong = append(wrong, FieldError{Field: "birthdate", Message: "error.differs.birthdate"})
	}
	return wrong
}

// maxBanks is how many banks an account may be linked to.
const maxBanks = 10

// LinkBank lets the person sign in by the bank. FieldErrors name what the bank says otherwise than the account; TakenError
// when its customer is linked to another account; ErrConflict when there are too many.
func (s *Service) LinkBank(ctx context.Context, id ID, by BankAnswer, o Origin) error {
	var wrong FieldErrors
	err := s.change(ctx, id, func(a *Account) error {
		now := s.now()
		if err := a.gateBank(by.Link.Bank, now); err != nil {
			return err
		}
		if wrong = a.differsFromBank(by.Claims); len(wrong) > 0 {
			a.note(BankRefused, now, o, "bank", by.Link.Bank, "differs", wrong.fields())
			return nil
		}
		if slices.ContainsFunc(a.Banks, func(b BankLink) bool { return b.identifier() == by.Link.identifier() }) {
			return nil // linked before, or the form was sent twice
		}
		if len(a.Banks) >= maxBanks {
			return ErrConflict
		}
		a.linkBank(by.Link, now, o)
		a.tell("bank-linked", now, nil)
		return nil
	})
	if err != nil {
		return fmt.Errorf("linking a bank: %w", err)
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

func (a *Account) linkBank(link BankLink, now time.Time, o Origin) {
	link.LinkedAt = now
	a.Banks = append(a.Banks, link)
	a.note(BankLinked, now, o, "bank", link.Bank)
}

// UnlinkBank ends signing in by a bank, and the other sessions; what it confirmed stays. ErrNotFound when it is not linked, ErrConflict when nothing
// would open the account afterwards.
func (s *Service) UnlinkBank(ctx context.Context, id ID, issuer, subject, keepSession string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.Banks, func(b BankLink) bool { return b.Issuer == issuer && b.Subject == subject })
		if i < 0 {
			return ErrNotFound
		}
		now, gone := s.now(), a.Banks[i]
		a.Banks = slices.Delete(slices.Clone(a.Banks), i, i+1)
		if len(a.Ways(now)) == 0 {
			return ErrConflict
		}
		a.note(BankUnlinked, now, o, "bank", gone.Bank)
		a.signOut(now, keepSession)
		a.tell("bank-unlinked", now, nil)
		return nil
	})
}
