package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A bank stands in a recovery where a trusted person does (vouch.go): the person signs in there, and it says that they are the customer who was linked
// before. Many banks let their customers in by an SMS, so that the contact that was proven and the bank may be one stolen number: the bank's word opens
// nothing, it makes the wait a day.

// bankVisitsInADay bounds how often somebody in a recovery goes to a bank: each time leaves a line in the owner's journal.
const bankVisitsInADay = 10

// VouchingBanks lists the banks that may be asked in a recovery whether it is the person, by their ids: those that are linked and not locked.
func (a *Account) VouchingBanks(now time.Time) []string {
	var ids []string
	for _, b := range a.Banks {
		if a.HasSecondFactor() && a.gateBank(b.Bank, now) == nil && !slices.Contains(ids, b.Bank) {
			ids = append(ids, b.Bank)
		}
	}
	return ids
}

// AskBank reports by a nil error that somebody in a recovery may go to a bank now. ErrConflict where that bank has nothing to say, a ThrottledError when
// they went too often.
func (s *Service) AskBank(ctx context.Context, id ID, channel, bank string) error {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	now := s.now()
	if err := a.GateRecovery(channel, now); err != nil {
		return err
	}
	if !slices.Contains(a.VouchingBanks(now), bank) {
		return ErrConflict
	}
	if s.limit.count(ctx, "bank-asked/"+string(id), 1, 24*time.Hour) > bankVisitsInADay {
		return ThrottledError{"bank", now.Add(24 * time.Hour)}
	}
	return nil
}

// VouchByBank takes a bank's word in a recovery by a contact. It begins the wait that BeginWaiting begins, or goes on with it, and makes it a day. The
// subject must be linked to this very account: ErrWrongCredentials when it is nobody's, or another person's. FieldErrors name what the bank says otherwise
// than the account does; ErrLevelTooLow when its word is worth less than the account's level (F09); a LockedWayError when the person has locked it;
// ErrLocked when the account may not be used; ErrConflict when it was said before. Nothing changes then but the journal.
func (s *Service) VouchByBank(ctx context.Context, id ID, channel string, by BankAnswer, o Origin) error {
	now := s.now()
	var refused error
	err := s.change(ctx, id, func(a *Account) error {
		if err := a.GateRecovery(channel, now); err != nil {
			return err
		}
		w := s.waitBy(a, channel, now)
		if w.Bank != "" || !a.HasSecondFactor() {
			return ErrConflict
		}
		if refused = a.refusesBank(by, now); refused != nil {
			a.note(BankDenied, now, o, "method", string(MethodBank), "bank", by.Link.Bank, "reason", bankReason(refused))
			return nil
		}
		w.Bank = by.Link.identifier().Value
		a.note(BankConfirmed, now, o, "method", string(MethodBank), "bank", by.Link.Bank, "channel", channel)
		s.vouched(a, w, "recovery-bank", now)
		return nil
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return fmt.Errorf("taking a bank's word: %w", err)
	}
	return nil
}

// refusesBank is why a bank's answer says nothing of the person in a recovery, or nil.
func (a *Account) refusesBank(by BankAnswer, now time.Time) error {
	switch {
	case a.Status != Active:
		return ErrLocked
	case !slices.ContainsFunc(a.Banks, func(b BankLink) bool { return b.identifier() == by.Link.identifier() }):
		return ErrWrongCredentials
	}
	if err := a.gateBank(by.Link.Bank, now); err != nil {
		return err
	}
	if wrong := a.differsFromBank(by.Claims); len(wrong) > 0 {
		return wrong
	}
	if by.Level < a.Level {
		return ErrLevelTooLow
	}
	return nil
}

// bankReason is a refusal in the words of the journal.
func bankReason(err error) string {
	var wrong FieldErrors
	switch {
	case errors.As(err, &wrong):
		return "differs: " + wrong.fields()
	case errors.As(err, new(LockedWayError)):
		return "locked by the person"
	case errors.Is(err, ErrWrongCredentials):
		return "not linked"
	case errors.Is(err, ErrLevelTooLow):
		return "too little"
	}
	return err.Error()
}

// DenyBank keeps in the journal that a bank said nothing in a recovery: it was down or slow, its answer did not check, or somebody there said no.
func (s *Service) DenyBank(ctx context.Context, id ID, bank, reason string, o Origin) error {
	now := s.now()
	err := s.change(ctx, id, func(a *Account) error {
		a.note(BankDenied, now, o, "method", string(MethodBank), "bank", bank, "reason", reason)
		return nil
	})
	if err != nil {
		return fmt.Errorf("noting that a bank said nothing: %w", err)
	}
	return nil
}

// keepVouched ends a wait of which a bank has said that it is the owner's, once that bank is linked no more, or locked.
func (a *Account) keepVouched(now time.Time) {
	linked := func(b BankLink) bool {
		return b.identifier().Value == a.Waiting.Bank && a.gateBank(b.Bank, now) == nil
	}
	if a.Waiting.Bank != "" && !slices.ContainsFunc(a.Banks, linked) {
		a.stopWaiting(now, Origin{}, "bank gone")
	}
}
