package account

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// MethodTrusted stands for a second factor in a recovery: somebody whom the owner named beforehand has said, in an account of their own, that it is them.
// It says no more than that time is enough: the owner still has a day to say that it is not.
const MethodTrusted Method = "trusted"

const (
	// PleaLife is how long trusted people may answer.
	PleaLife = 24 * time.Hour
	// VouchedWait is how long a recovery waits after one of them did: even who knows the voice may be deceived.
	VouchedWait = 24 * time.Hour
	// pleasInADay bounds how often they are asked: who is asked again and again says yes to have peace.
	pleasInADay = 3
)

// Asks reports whether an answer of trusted people is awaited.
func (w Wait) Asks(now time.Time) bool { return w.Plea != "" && now.Sub(w.AskedAt) < PleaLife }

// Unanswered reports whether nobody has answered in time.
func (w Wait) Unanswered(now time.Time) bool { return w.Plea != "" && !w.Asks(now) }

// MayAsk reports whether there are trusted people who could be asked in a recovery.
func (a *Account) MayAsk(now time.Time) bool { return a.HasSecondFactor() && a.helped(now) }

// AskTrusted asks all whom the person trusts to say that it is them. Who they are is told to nobody here. It begins the wait that BeginWaiting begins, and
// every contact hears of it at once: when nobody answers the wait goes on, when one says yes it is over in a day, when one says no it is stopped. Asking
// again within PleaLife changes nothing. ErrConflict where there is nobody to ask, a ThrottledError when they were asked too often.
func (s *Service) AskTrusted(ctx context.Context, id ID, channel string, o Origin) (Wait, error) {
	now, secret, plea := s.now(), keys.RandomHandle(), Plea{ID: keys.RandomID(), Origin: o, At: s.now(), Ends: s.now().Add(PleaLife)}
	plea.Origin.RequestID = "" // stands in the journal
	if a, err := s.cfg.Store.Account(ctx, id); err != nil {
		return Wait{}, fmt.Errorf("reading an account: %w", err)
	} else if w, waits := a.Waits(channel, now); waits && (w.Asks(now) || w.Vouched != "") {
		return w, nil
	}
	if s.limit.count(ctx, "tie-asked/"+string(id), 1, 24*time.Hour) > pleasInADay {
		return Wait{}, ThrottledError{"trusted", now.Add(24 * time.Hour)}
	}
	var asked Wait
	err := s.change(ctx, id, func(a *Account) error {
		if err := a.GateRecovery(channel, now); err != nil {
			return err
		}
		if !a.MayAsk(now) {
			return ErrConflict
		}
		w := s.waitBy(a, channel, now)
		if w.Asks(now) || w.Vouched != "" { // the form was sent twice
			asked = w
			return nil
		}
		w.Plea, w.AskedAt = plea.ID, now
		w.cancelledBy(secret)
		a.waitFor(w, now)
		asked = w
		for _, t := range a.Trusted {
			if t.Helps(now) {
				a.send(t, tieAsked, now, plea)
			}
		}
		a.note(TrustAsked, now, o, "channel", channel)
		a.tell("recovery-asks", now, s.stopArgs(a, w, secret))
		return nil
	})
	if err != nil {
		return Wait{}, fmt.Errorf("asking trusted people: %w", err)
	}
	return asked, nil
}

// AnswerPlea is the answer of a trusted person, from their own account, to a plea; the first answer counts, once. ErrNotFound when nothing is asked any more,
// ErrLevelTooLow when they are nobody to be trusted now. A yes changes nothing but the time: it is a day from now.
func (s *Service) AnswerPlea(ctx context.Context, id ID, tie, plea string, yes bool, o Origin) error {
	me, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	now := s.now()
	i := slices.IndexFunc(me.Trusting, func(t Tie) bool { return t.ID == tie && t.Plea.ID == plea && t.Asked(now) })
	switch {
	case i < 0:
		return ErrNotFound
	case yes && !me.Vouches():
		return ErrLevelTooLow
	}
	err = s.change(ctx, me.Trusting[i].With, func(a *Account) error {
		trusted := slices.ContainsFunc(a.Trusted, func(t Tie) bool { return t.ID == tie && t.With == id && t.Helps(now) })
		if !trusted || a.Waiting.Plea != plea || !a.Waiting.Asks(now) || a.GateRecovery(a.Waiting.Channel, now) != nil {
			return ErrNotFound
		}
		if !yes {
			a.denied(now)
			return nil
		}
		w := a.Waiting
		w.Plea, w.Vouched = "", tie
		a.note(TrustConfirmed, now, Origin{}, "actor", "trusted")
		s.vouched(a, w, "recovery-vouched", now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("answering a plea: %w", err)
	}
	return s.change(ctx, id, func(a *Account) error {
		a.Trusting = replaced(a.Trusting, func(t Tie) bool { return t.Plea.ID == plea }, func(t *Tie) { t.Plea = Plea{} })
		if !yes {
			a.note(TrustDenied, now, o)
			return nil
		}
		a.note(TrustConfirmed, now, o)
		a.tell("trust-confirmed", now, nil)
		return nil
	})
}

// vouched makes a wait of which somebody has said that it is the owner's end in a day, unless it ends sooner. Every contact hears of it, with a link that
// ends it.
func (s *Service) vouched(a *Account, w Wait, template string, now time.Time) {
	if until := now.Add(VouchedWait); until.Before(w.OpensAt) {
		w.OpensAt = until
	}
	secret := keys.RandomHandle()
	w.cancelledBy(secret)
	a.waitFor(w, now)
	a.tell(template, now, s.stopArgs(a, w, secret))
}

// denied ends a recovery: somebody whom the owner trusts says that it is not them.
func (a *Account) denied(now time.Time) {
	a.waitFor(Wait{}, now)
	a.note(TrustDenied, now, Origin{}, "actor", "trusted")
	a.tell("recovery-denied", now, nil)
}
