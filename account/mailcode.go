package account

import (
	"context"
	"errors"
	"fmt"
)

// A code by e-mail confirms a sign-in that is unusual, where the person has set up no second factor. It is no factor itself:
// a mailbox is most often behind a password too, and opens in the same browser.

// SendMailCode sends a code to the confirmed address of an account for a flow. ErrNotFound when there is none; ThrottledError at the
// limits of sending.
func (s *Service) SendMailCode(ctx context.Context, id ID, flow, lang string, o Origin) error {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	if a.Email.ConfirmedAt.IsZero() {
		return ErrNotFound
	}
	_, err = s.SendCode(ctx, CodeRequest{Purpose: ForSignIn, Channel: "mail", To: a.Email.Value, Flow: flow, Lang: lang, Origin: o})
	return err
}

// VerifyMailCode takes a right code of the flow once. Wrong ones count against the account as those of a factor do: ErrWrongCode,
// ErrCodeExpired, ErrCodeSpent or ThrottledError.
func (s *Service) VerifyMailCode(ctx context.Context, id ID, flow, code string, o Origin) error {
	t := tryOf(ofFactor(MethodMailCode), string(id), string(id), o)
	if err := s.limit.admit(ctx, t); err != nil {
		return err
	}
	to, err := s.CheckCode(ctx, ForSignIn, "mail", flow, code, o)
	if errors.Is(err, ErrWrongCode) || errors.Is(err, ErrCodeSpent) {
		s.limit.failed(ctx, t)
		s.noteLater(id, FactorFailed, o, "method", string(MethodMailCode))
	}
	if err != nil {
		return err
	}
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	if a.Email.ConfirmedAt.IsZero() || a.Email.Value != to {
		return ErrCodeExpired // another address since
	}
	s.limit.succeeded(ctx, t)
	return nil
}
