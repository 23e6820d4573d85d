package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// MethodWait stands for a second factor in a recovery: time, in which the owner can say that it is not them.
const MethodWait Method = "wait"

// Waits is how long a recovery without any second factor waits, by level; and how long it may be finished after that.
type Waits struct{ Simplified, Standard, Verified time.Duration }

// waitedLife is how long a recovery may be finished after its time has come.
const waitedLife = 7 * 24 * time.Hour

func (w Waits) of(l Level) time.Duration {
	switch {
	case l >= Verified:
		return w.Verified
	case l >= Standard:
		return w.Standard
	}
	return w.Simplified
}

// usualWaits are settable; these are long enough for a weekend and for a week away.
var usualWaits = Waits{Simplified: 24 * time.Hour, Standard: 3 * 24 * time.Hour, Verified: 7 * 24 * time.Hour}

// Wait is a recovery by somebody who has proven a contact and has no second factor left, or says so.
type Wait struct {
	Channel   string // of the contact that was proven: "sms" or "mail"
	Whole     bool   // the second factor, where there is one, was proven too: it waits because the browser is new
	StartedAt time.Time
	OpensAt   time.Time
	Cancel    string // keys.Hash of the token that ends it
	// More are those of the later messages of the same wait: each has a link that ends it.
	More [2]string
	// Plea names what trusted people were asked last and have not answered, at AskedAt.
	Plea    string
	AskedAt time.Time
	Vouched string // ID of the Tie by which somebody has said yes
	Bank    string // which BankLink has said yes
}

// cancelledBy adds a token by which the wait is ended: the first and the last two are good.
func (w *Wait) cancelledBy(secret string) {
	if w.Cancel == "" {
		w.Cancel = keys.Hash(secret)
		return
	}
	w.More = [2]string{w.More[1], keys.Hash(secret)}
}

// stops reports whether a token ends the wait.
func (w Wait) stops(secret string) bool {
	hash := keys.NewSecret(keys.Hash(secret))
	return w.Cancel != "" && (hash.Equal(w.Cancel) || hash.Equal(w.More[0]) || hash.Equal(w.More[1]))
}

// over reports whether the wait has been and may still be finished.
func (w Wait) over(now time.Time) bool {
	return !w.OpensAt.IsZero() && !now.Before(w.OpensAt) && now.Sub(w.OpensAt) < waitedLife
}

// under reports whether somebody waits.
func (w Wait) under(now time.Time) bool {
	return !w.OpensAt.IsZero() && now.Sub(w.OpensAt) < waitedLife
}

// Waited reports whether a recovery by a contact may go on without a second factor now.
func (a *Account) Waited(channel string, now time.Time) bool {
	return !a.Waiting.Whole && a.Rested(channel, now)
}

// Rested reports whether a recovery by a contact may go on in a browser that is new, when all that the person has is shown again.
func (a *Account) Rested(channel string, now time.Time) bool {
	return a.Waiting.Channel == channel && a.Waiting.over(now)
}

// Waits reports how long somebody waits already who has no second factor left, by a contact.
func (a *Account) Waits(channel string, now time.Time) (Wait, bool) {
	return a.Waiting, a.Waiting.waits(Wait{Channel: channel}, now)
}

// Rests reports how long somebody waits already because their browser is new, by a contact.
func (a *Account) Rests(channel string, now time.Time) (Wait, bool) {
	return a.Waiting, a.Waiting.waits(Wait{Channel: channel, Whole: true}, now)
}

// endedBy is what a wait ended by: time, or somebody who said that it is the owner's.
func (w Wait) endedBy() Method {
	switch {
	case w.Vouched != "":
		return MethodTrusted
	case w.Bank != "":
		return MethodBank
	}
	return MethodWait
}

// waits reports whether somebody waits for the same reason by the same contact.
func (w Wait) waits(like Wait, now time.Time) bool {
	return w.Channel == like.Channel && w.Whole == like.Whole && w.under(now)
}

// BeginWaiting begins the wait of somebody who has proven a contact and has no second factor left. Every contact hears of it
// at once, with a link that ends it. Asking again changes nothing. ErrConflict where no second factor is asked anyway.
func (s *Service) BeginWaiting(ctx context.Context, id ID, channel string, o Origin) (Wait, error) {
	return s.beginWait(ctx, id, Wait{Channel: channel}, o)
}

// BeginRest begins the day that a recovery in a new browser waits, though all that the person has was shown: codes are read out to whoever asks for
// them well. Every contact hears of it at once, with a link that ends it. Nothing is taken away at its end. Asking again changes nothing.
func (s *Service) BeginRest(ctx context.Context, id ID, channel string, o Origin) (Wait, error) {
	return s.beginWait(ctx, id, Wait{Channel: channel, Whole: true}, o)
}

func (s *Service) beginWait(ctx context.Context, id ID, begun Wait, o Origin) (Wait, error) {
	now := s.now()
	err := s.change(ctx, id, func(a *Account) error {
		if err := a.GateRecovery(begun.Channel, now); err != nil {
			return err
		}
		if !begun.Whole && !a.HasSecondFactor() {
			return ErrConflict
		}
		if a.Waiting.waits(begun, now) {
			begun = a.Waiting
			return nil
		}
		secret, wait, kind := keys.RandomHandle(), s.cfg.Waits.of(a.Level), RecoveryWaits
		if begun.Whole {
			wait, kind = SettleAfter, RecoveryRests
		}
		begun.StartedAt, begun.OpensAt = now, now.Add(wait)
		begun.cancelledBy(secret)
		a.waitFor(begun, now)
		a.note(kind, now, o, "channel", begun.Channel)
		a.tell(string(kind), now, s.stopArgs(a, begun, secret))
		return nil
	})
	if err != nil {
		return Wait{}, fmt.Errorf("beginning to wait: %w", err)
	}
	return begun, nil
}

// waitBy is the wait that is under way by a contact, or else the one that would begin.
func (s *Service) waitBy(a *Account, channel string, now time.Time) Wait {
	if w, waits := a.Waits(channel, now); waits {
		return w
	}
	return Wait{Channel: channel, StartedAt: now, OpensAt: now.Add(s.cfg.Waits.of(a.Level))}
}

// stopArgs is what a message about a wait says: when it is over, and the link that ends it.
func (s *Service) stopArgs(a *Account, w Wait, secret string) map[string]string {
	return map[string]string{
		"Opens": w.OpensAt.In(noticeZone).Format("02.01.2006 15:04"),
		"Link":  s.cfg.Issuer + "/recovery/cancel?token=" + string(a.ID) + "." + secret,
	}
}

// waitFor puts a wait in the place of the one before. What trusted people were asked for that one is asked no more.
func (a *Account) waitFor(w Wait, now time.Time) {
	if before := a.Waiting.Plea; before != "" && before != w.Plea {
		for _, t := range a.Trusted {
			a.send(t, tieOver, now, Plea{ID: before})
		}
	}
	a.Waiting = w
}

// WaitingOf returns the wait that a token would end; ErrNotFound for one that is used, over or made up.
func (s *Service) WaitingOf(ctx context.Context, token string) (Wait, error) {
	id, secret, _ := strings.Cut(token, ".")
	a, err := s.cfg.Store.Account(ctx, ID(id))
	if err != nil {
		return Wait{}, fmt.Errorf("reading whom a token is of: %w", err)
	}
	if !a.Waiting.under(s.now()) || !a.Waiting.stops(secret) {
		return Wait{}, ErrNotFound
	}
	return a.Waiting, nil
}

// CancelWaiting ends a wait by a token of its message, once. ErrNotFound as for WaitingOf.
func (s *Service) CancelWaiting(ctx context.Context, token string, o Origin) error {
	id, secret, _ := strings.Cut(token, ".")
	now := s.now()
	return s.change(ctx, ID(id), func(a *Account) error {
		if !a.Waiting.under(now) || !a.Waiting.stops(secret) {
			return ErrNotFound
		}
		a.stopWaiting(now, o, "link")
		return nil
	})
}

// stopWaiting ends a wait, if there is one: the owner said so, or has shown a second factor.
func (a *Account) stopWaiting(now time.Time, o Origin, why string) {
	if a.Waiting == (Wait{}) {
		return
	}
	if a.Waiting.under(now) {
		a.note(RecoveryCancelled, now, o, "reason", why)
		a.tell("recovery-cancelled", now, nil)
	}
	a.waitFor(Wait{}, now)
}

// ResetAfterWaiting sets a new password at the end of a wait. Everything that opened the account before is gone: whoever has it
// now may not be the owner. A verified account becomes a standard one, and is confirmed anew. ErrConflict when no wait is over.
func (s *Service) ResetAfterWaiting(ctx context.Context, id ID, channel, new string, o Origin) error {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	if err := s.CheckPassword(ctx, new, a.passwordWords()...); err != nil {
		return err
	}
	hash, err := s.cfg.Passwords.Hash(ctx, new)
	if err != nil {
		return fmt.Errorf("hashing a password: %w", err)
	}
	now := s.now()
	err = s.change(ctx, id, func(a *Account) error {
		if !a.Waited(channel, now) {
			return ErrConflict
		}
		if err := a.GateRecovery(channel, now); err != nil {
			return err
		}
		after := a.Waiting.endedBy()
		a.waitFor(Wait{}, now)
		a.Activation = nil
		a.dropSince(time.Time{}, now)
		a.Password = credential.Password{Hash: hash, SetAt: now}
		a.note(PasswordReset, now, o, "after", string(after))
		a.signOut(now, "")
		a.tell("password-reset", now, nil)
		if a.Level > Standard {
			a.lower(Standard, after, now, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.limit.begin(ctx, tryOf(ofPassword(), "", string(id), o))
	return nil
}

// lower takes a level away, and the evidence that gave it.
func (a *Account) lower(to Level, by Method, now time.Time, o Origin) {
	a.note(LevelLowered, now, o, "from", a.Level.String(), "to", to.String(), "by", string(by))
	a.Level = to
	kept := a.Evidence[:0:0]
	for _, e := range a.Evidence {
		if e.Level <= to {
			kept = append(kept, e)
		}
	}
	a.Evidence = kept
	a.tell("level-lowered", now, nil)
}
