package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// maxTOTP is how many authenticator apps an account may have.
const maxTOTP = 5

// HasSecondFactor reports whether the account asks for more than a password. A backup set alone is a
// spare key, not a factor.
func (a *Account) HasSecondFactor() bool { return len(a.Factors()) > 0 }

// dropSpares forgets what stood in for a factor that was removed: remembered devices and, when it was the last one,
// the backup codes.
func (a *Account) dropSpares() {
	a.Devices = nil // the factor that was shown in them may be the one that is gone
	if !a.HasSecondFactor() {
		a.Backup = credential.BackupSet{}
	}
}

// OfferTOTP makes a secret to be shown once as text and QR (otpauth URI). Nothing is stored in the
// account; the caller keeps it in its attempt until AddTOTP.
func (s *Service) OfferTOTP(ctx context.Context, id ID) (secret keys.Secret, uri string, err error) {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return keys.Secret{}, "", fmt.Errorf("reading an account: %w", err)
	}
	name := MaskPhone(a.Phone.Value)
	if a.Phone.Value == "" {
		name = a.Number
	}
	return credential.NewTOTP("Vhod "+s.host(), name)
}

// AddTOTP stores the app after a right code of it. ErrWrongCode, or ErrConflict when there are too many.
func (s *Service) AddTOTP(ctx context.Context, id ID, secret keys.Secret, name, code string, o Origin) error {
	now := s.now()
	app := credential.TOTP{ID: keys.RandomID(), Name: name, Secret: secret, AddedAt: now}
	step, ok := app.Match(code, now)
	if !ok {
		return ErrWrongCode
	}
	app.LastStep = step
	return s.change(ctx, id, func(a *Account) error {
		if len(a.TOTP) >= maxTOTP {
			return ErrConflict
		}
		if slices.ContainsFunc(a.TOTP, func(t credential.TOTP) bool { return t.Secret.Equal(secret.Reveal()) }) {
			return nil // the form was sent twice
		}
		a.TOTP = append(a.TOTP, app)
		a.note(TOTPAdded, now, o, "name", name)
		a.tell("factor-added", now, nil)
		return nil
	})
}

// RemoveTOTP removes an app, and ends the other sessions: who can no longer show it may have opened one. Without any factor the backup
// codes go too: they stood in for it.
func (s *Service) RemoveTOTP(ctx context.Context, id ID, totp, keepSession string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.TOTP, func(t credential.TOTP) bool { return t.ID == totp })
		if i < 0 {
			return ErrNotFound
		}
		now := s.now()
		a.note(TOTPRemoved, now, o, "name", a.TOTP[i].Name)
		a.TOTP = slices.Delete(a.TOTP, i, i+1)
		a.dropSpares()
		a.signOut(now, keepSession)
		a.tell("factor-removed", now, nil)
		return nil
	})
}

// NewBackupCodes prints a new set of ten and kills the old one.
func (s *Service) NewBackupCodes(ctx context.Context, id ID, o Origin) ([]string, error) {
	now := s.now()
	codes, set := credential.NewBackupCodes(s.backupHash, now)
	err := s.change(ctx, id, func(a *Account) error {
		a.Backup = set
		a.note(BackupPrinted, now, o, "count", strconv.Itoa(len(codes)))
		a.tell("backup-printed", now, nil)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("storing backup codes: %w", err)
	}
	return codes, nil
}

// ChangePassword sets a new password after the old one was checked, and ends the other sessions. The
// kept session counts as proved anew. ErrWrongCredentials when the old one is wrong, FieldErrors for the new.
func (s *Service) ChangePassword(ctx context.Context, id ID, old, new, keepSession string, o Origin) error {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	t := tryOf(ofPassword(), string(id), string(id), o)
	right, _, err := s.tryPassword(ctx, t, a.Password.Hash, old)
	if err != nil {
		return err
	}
	if !right {
		s.noteLater(id, FactorFailed, o, "method", string(MethodPassword))
		return ErrWrongCredentials
	}
	if err := s.setPassword(ctx, a, new, PasswordChanged, "password-changed", o); err != nil {
		return err
	}
	return s.renew(ctx, id, keepSession)
}

// ResetPassword sets a new password at the end of a recovery: all sessions end, both contacts get a
// notice.
func (s *Service) ResetPassword(ctx context.Context, id ID, new string, o Origin) error {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	if err := a.GateRecovery("mail", s.now()); err != nil { // that the phone was proven is the caller's to know
		return err
	}
	if err := s.setPassword(ctx, a, new, PasswordReset, "password-reset", o); err != nil {
		return err
	}
	s.limit.begin(ctx, tryOf(ofPassword(), "", string(id), o)) // what strangers guessed at was the old one
	return nil
}

func (s *Service) setPassword(ctx context.Context, a *Account, new string, kind EventKind, notice string, o Origin) error {
	if err := s.CheckPassword(ctx, new, a.passwordWords()...); err != nil {
		return err
	}
	hash, err := s.cfg.Passwords.Hash(ctx, new)
	if err != nil {
		return fmt.Errorf("hashing a password: %w", err)
	}
	return s.change(ctx, a.ID, func(a *Account) error {
		now := s.now()
		a.Password = credential.Password{Hash: hash, SetAt: now}
		if kind == PasswordReset {
			a.Waiting = Wait{}
		}
		a.Activation = nil // who sets a password needs no code of a centre
		a.note(kind, now, o)
		a.signOut(now, "")
		a.tell(notice, now, nil)
		return nil
	})
}

// renew lets one session outlive a date that ended the others.
func (s *Service) renew(ctx context.Context, id ID, session string) error {
	if session == "" {
		return nil
	}
	all, err := s.cfg.Sessions.Sessions(ctx, id, s.now())
	if err != nil {
		return fmt.Errorf("reading sessions: %w", err)
	}
	for _, kept := range all {
		if kept.ID != session {
			continue
		}
		kept.Proofs = append(withoutMethod(kept.Proofs, MethodPassword), Proof{MethodPassword, s.now()})
		if err := s.cfg.Sessions.UpdateSession(ctx, &kept, kept.Hash); err != nil && !errors.Is(err, ErrConflict) {
			return fmt.Errorf("renewing the session: %w", err)
		}
	}
	return nil
}

// FindForRecovery returns the account of an identifier, or nil when there is none; it takes as long. Too many
// from one address are throttled.
func (s *Service) FindForRecovery(ctx context.Context, by Identifier, o Origin) (*Account, error) {
	typed := s.cfg.Sealer.Index("try", string(by.Kind)+by.Value)
	t := tryOf(ofRecovery(), typed, typed, o)
	if err := s.limit.admit(ctx, t); err != nil {
		return nil, err
	}
	s.limit.failed(ctx, t) // each beginning counts: a recovery is asked for seldom
	a, err := s.cfg.Store.Find(ctx, by)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding an account: %w", err)
	}
	now := s.now()
	channel := "sms"
	if by.Kind == ByEmail {
		channel = "mail"
	}
	if a.GateRecovery(channel, now) != nil {
		s.refuseRecoveryLater(a.ID, o)
		return nil, nil // whoever asks sees what they would see of nobody
	}
	s.noteLater(a.ID, RecoveryStarted, o)
	return a, nil
}

// refuseRecoveryLater tells the owner, once a day, that somebody tried to get back in by a way that they have locked.
func (s *Service) refuseRecoveryLater(id ID, o Origin) {
	now := s.now()
	s.later <- func(ctx context.Context) {
		first, err := s.cfg.Ephemera.Once(ctx, "recovery-locked/"+string(id), 24*time.Hour)
		if err == nil {
			err = s.change(ctx, id, func(a *Account) error {
				reason := "locked by the person"
				if a.owesFactor() {
					reason = "no second factor since a service centre let the person in"
				}
				a.note(RecoveryStarted, now, o, "reason", reason)
				if first && !a.owesFactor() { // the message says that they locked it
					a.tell("recovery-locked", now, nil)
				}
				return nil
			})
		}
		if err != nil {
			s.cfg.Log.ErrorContext(ctx, "noting a refused recovery", "error", err)
		}
	}
}
