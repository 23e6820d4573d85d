package account

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/vhod-id/vhod/account/credential"
)

// VerifyPassword is VerifyPasswordIn for who shows nothing for themselves.
func (s *Service) VerifyPassword(ctx context.Context, by Identifier, password string, o Origin) (*Account, error) {
	return s.VerifyPasswordIn(ctx, by, password, Showing{}, o)
}

// VerifyPasswordIn finds the account and checks the password. Unknown identifier and wrong password
// are ErrWrongCredentials alike, in the same time: both look once, hash once and touch the same counters, and the failure
// of a known account is noted after the answer. ThrottledError when too much was tried, TollError in a storm of guesses. A
// locked account is ErrLocked only when the password is right (G03).
func (s *Service) VerifyPasswordIn(ctx context.Context, by Identifier, password string, show Showing, o Origin) (*Account, error) {
	a, err := s.cfg.Store.Find(ctx, by)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("finding an account: %w", err)
	}
	typed := s.cfg.Sealer.Index("try", string(by.Kind)+by.Value)
	whole, hash := typed, ""
	if a != nil {
		whole, hash = string(a.ID), a.Password.Hash
	}
	t := tryOf(ofPassword(), typed, whole, o)
	t.sketch, t.paid = s.sketch(password), show.Paid
	t.spared = a != nil && a.Knows(show.Browser, s.now())
	right, stale, err := s.tryPassword(ctx, t, hash, password)
	if err != nil {
		if errors.As(err, new(TollError)) && a != nil {
			s.tollLater(a.ID, o)
		}
		return nil, err
	}
	if !right {
		if a != nil {
			s.noteLater(a.ID, SignInFailed, o, "method", string(MethodPassword))
		}
		return nil, ErrWrongCredentials
	}
	if a.Status != Active {
		return nil, ErrLocked
	}
	if err := s.gate(a, SwitchPassword, o); err != nil {
		return nil, err
	}
	if stale {
		s.rehashLater(a.ID, a.Password.Hash, password)
	}
	return a, nil
}

// tryPassword counts a try, judges it, and lets the count know.
func (s *Service) tryPassword(ctx context.Context, t *try, hash, password string) (right, stale bool, err error) {
	give, err := s.turns.take(ctx, t.typed+"/"+t.address)
	if err != nil {
		return false, false, fmt.Errorf("waiting for other guesses: %w", err)
	}
	defer give()
	if err := s.limit.admit(ctx, t); err != nil {
		return false, false, err
	}
	right, stale, err = s.cfg.Passwords.Verify(ctx, hash, password)
	switch {
	case err != nil:
		s.limit.withdraw(ctx, t)
		return false, false, fmt.Errorf("verifying a password: %w", err)
	case right:
		s.limit.succeeded(ctx, t)
	default:
		s.limit.failed(ctx, t)
	}
	return right, stale, nil
}

// gate refuses what the person has locked for themselves, and keeps in their journal that it was tried.
func (s *Service) gate(a *Account, which Switch, o Origin) error {
	err := a.Gate(which, s.now())
	if err != nil {
		s.noteLater(a.ID, SignInFailed, o, "method", string(which), "reason", "locked by the person")
	}
	return err
}

// noteLater records a refusal outside the time of the answer.
func (s *Service) noteLater(id ID, kind EventKind, o Origin, details ...string) {
	now := s.now()
	s.later <- func(ctx context.Context) {
		err := s.change(ctx, id, func(a *Account) error {
			a.note(kind, now, o, details...)
			return nil
		})
		if err != nil {
			s.cfg.Log.ErrorContext(ctx, "noting a refusal", "kind", string(kind), "error", err)
		}
	}
}

// rehashLater brings a hash up to the present cost (G11).
func (s *Service) rehashLater(id ID, was, password string) {
	s.later <- func(ctx context.Context) {
		hash, err := s.cfg.Passwords.Hash(ctx, password)
		if err == nil {
			err = s.change(ctx, id, func(a *Account) error {
				if a.Password.Hash == was { // not changed meanwhile
					a.Password.Hash = hash
				}
				return nil
			})
		}
		if err != nil {
			s.cfg.Log.WarnContext(ctx, "renewing a password hash", "error", err)
		}
	}
}

// VerifyTOTP checks an authenticator code; each step once. ErrWrongCode or ThrottledError.
func (s *Service) VerifyTOTP(ctx context.Context, id ID, code string, o Origin) error {
	apps, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	t := tryOf(ofFactor(MethodTOTP), string(id), string(id), o)
	t.weight = int64(max(1, len(apps.TOTP)))
	if err := s.limit.admit(ctx, t); err != nil {
		return err
	}
	accepted := false
	now := s.now()
	err = s.change(ctx, id, func(a *Account) error {
		accepted = false // the closure may run twice
		if err := a.Gate(SwitchApp, now); err != nil {
			return err
		}
		for i := range a.TOTP {
			step, ok := a.TOTP[i].Match(code, now)
			if ok {
				a.TOTP[i].LastStep, a.TOTP[i].UsedAt, accepted = step, now, true
				return nil
			}
		}
		a.note(FactorFailed, now, o, "method", string(MethodTOTP))
		return nil
	})
	if err != nil {
		return fmt.Errorf("checking an authenticator code: %w", err)
	}
	if !accepted {
		s.limit.failed(ctx, t)
		return ErrWrongCode
	}
	s.limit.succeeded(ctx, t)
	return nil
}

// TryBackup reports by a nil error that a code would do, and does not use it up. It is throttled as a use is: ErrWrongCode or ThrottledError.
func (s *Service) TryBackup(ctx context.Context, id ID, code string, o Origin) error {
	t := tryOf(ofFactor(MethodBackup), string(id), string(id), o)
	if err := s.limit.admit(ctx, t); err != nil {
		return err
	}
	hash, now, fits := s.backupHash(credential.CleanBackup(code)), s.now(), false
	err := s.change(ctx, id, func(a *Account) error {
		if err := a.Gate(SwitchBackup, now); err != nil {
			return err
		}
		if fits = a.Backup.Has(hash); fits {
			a.note(BackupTried, now, o)
		} else {
			a.note(FactorFailed, now, o, "method", string(MethodBackup))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("trying a backup code: %w", err)
	}
	if !fits {
		s.limit.failed(ctx, t)
		return ErrWrongCode
	}
	s.limit.succeeded(ctx, t)
	return nil
}

// VerifyBackup uses up a backup code and returns how many are left. ErrWrongCode or ThrottledError.
func (s *Service) VerifyBackup(ctx context.Context, id ID, code string, o Origin) (left int, err error) {
	t := tryOf(ofFactor(MethodBackup), string(id), string(id), o)
	if err := s.limit.admit(ctx, t); err != nil {
		return 0, err
	}
	hash, now, accepted := s.backupHash(credential.CleanBackup(code)), s.now(), false
	err = s.change(ctx, id, func(a *Account) error {
		if err := a.Gate(SwitchBackup, now); err != nil {
			return err
		}
		accepted = a.Backup.Use(hash, now)
		left = len(a.Backup.Hashes)
		if !accepted {
			a.note(FactorFailed, now, o, "method", string(MethodBackup))
			return nil
		}
		a.note(BackupUsed, now, o, "left", strconv.Itoa(left))
		a.tell("backup-used", now, map[string]string{"Left": strconv.Itoa(left)})
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("checking a backup code: %w", err)
	}
	if !accepted {
		s.limit.failed(ctx, t)
		return left, ErrWrongCode
	}
	s.limit.succeeded(ctx, t)
	return left, nil
}
