package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// SMSFactor is the confirmed phone as a second factor: weaker than the others, for a number can be taken over, and
// better than a password alone.
type SMSFactor struct {
	AddedAt time.Time // zero: not used as a factor
	UsedAt  time.Time
}

// HasSMS reports whether codes by SMS are a second factor of the account.
func (a *Account) HasSMS() bool { return !a.SMS.AddedAt.IsZero() && a.Phone.Value != "" }

// SendFactorCode sends a code to the account's phone for a flow: ForSignIn to prove the factor, ForFactor to turn it
// on. ThrottledError at the limits of sending.
func (s *Service) SendFactorCode(ctx context.Context, id ID, p CodePurpose, flow, lang string, o Origin) error {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	if a.Phone.Value == "" {
		return ErrNotFound
	}
	if err := a.Gate(SwitchSMS, s.now()); err != nil {
		return err
	}
	_, err = s.SendCode(ctx, CodeRequest{Purpose: p, Channel: "sms", To: a.Phone.Value, Flow: flow, Lang: lang, Origin: o})
	return err
}

// AddSMS turns codes by SMS on after a right code of the flow. ErrWrongCode, ErrCodeExpired or ErrCodeSpent.
func (s *Service) AddSMS(ctx context.Context, id ID, flow, code string, o Origin) error {
	to, err := s.CheckCode(ctx, ForFactor, "sms", flow, code, o)
	if err != nil {
		return err
	}
	return s.change(ctx, id, func(a *Account) error {
		if a.Phone.Value != to {
			return ErrCodeExpired // the phone changed meanwhile
		}
		if a.HasSMS() {
			return nil
		}
		now := s.now()
		a.SMS = SMSFactor{AddedAt: now}
		a.note(SMSFactorAdded, now, o)
		a.tell("sms-factor-added", now, nil)
		return nil
	})
}

// RemoveSMS turns codes by SMS off, and ends the other sessions.
func (s *Service) RemoveSMS(ctx context.Context, id ID, keepSession string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		if !a.HasSMS() {
			return ErrNotFound
		}
		now := s.now()
		a.SMS = SMSFactor{}
		a.note(SMSFactorRemoved, now, o)
		a.dropSpares()
		a.signOut(now, keepSession)
		a.tell("sms-factor-removed", now, nil)
		return nil
	})
}

// VerifySMS takes a right code of the flow once. Wrong ones count against the account as those of an app do: ErrWrongCode,
// ErrCodeExpired, ErrCodeSpent or ThrottledError.
func (s *Service) VerifySMS(ctx context.Context, id ID, flow, code string, o Origin) error {
	t := tryOf(ofFactor(MethodSMS), string(id), string(id), o)
	if err := s.limit.admit(ctx, t); err != nil {
		return err
	}
	to, err := s.CheckCode(ctx, ForSignIn, "sms", flow, code, o)
	if errors.Is(err, ErrWrongCode) || errors.Is(err, ErrCodeSpent) {
		s.limit.failed(ctx, t)
		s.noteLater(id, FactorFailed, o, "method", string(MethodSMS))
	}
	if err != nil {
		return err
	}
	err = s.change(ctx, id, func(a *Account) error {
		if !a.HasSMS() || a.Phone.Value != to {
			return ErrCodeExpired // turned off, or another phone since
		}
		now := s.now()
		if err := a.Gate(SwitchSMS, now); err != nil {
			return err
		}
		a.SMS.UsedAt = now
		return nil
	})
	if err != nil {
		return err
	}
	s.limit.succeeded(ctx, t)
	return nil
}

// PreferFactor asks for this factor first from now on. ErrNotFound when the account does not have it.
func (s *Service) PreferFactor(ctx context.Context, id ID, m Method) error {
	return s.change(ctx, id, func(a *Account) error {
		if !slices.Contains(a.Factors(), m) {
			return ErrNotFound
		}
		a.Preferred = m
		return nil
	})
}

// Factors lists the kinds of second factors that are set up: the preferred one first, then the surest.
func (a *Account) Factors() []Method {
	var has []Method
	if len(a.Passkeys) > 0 {
		has = append(has, MethodPasskey)
	}
	if len(a.TOTP) > 0 {
		has = append(has, MethodTOTP)
	}
	if a.HasPush() {
		has = append(has, MethodPush)
	}
	if a.HasSMS() {
		has = append(has, MethodSMS)
	}
	if i := slices.Index(has, a.Preferred); i > 0 {
		has = slices.Insert(slices.Delete(has, i, i+1), 0, a.Preferred)
	}
	return has
}
