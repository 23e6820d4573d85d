package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Switch is one way into the account, or one act that could hurt the person, that they may lock for themselves. A way
// has the name of its Method.
type Switch string

// The switches.
const (
	SwitchPassword  = Switch(MethodPassword)
	SwitchSMS       = Switch(MethodSMS) // codes by SMS prove nothing, whatever they are for
	SwitchApp       = Switch(MethodTOTP)
	SwitchPush      = Switch(MethodPush)
	SwitchBackup    = Switch(MethodBackup)
	SwitchPasskey   = Switch(MethodPasskey)
	SwitchQR        = Switch(MethodQR)
	SwitchSignature = Switch(MethodSignature)
	SwitchBanks     = Switch(MethodBank) // all banks; SwitchBank is one of them
	// SwitchRecovery is getting back in from afar: by a code to a contact.
	SwitchRecovery        = Switch(MethodRecovery)
	SwitchLink     Switch = "link-esign" // a certificate is linked
	SwitchDevice   Switch = "device"     // a device without a browser is let in
	SwitchCall     Switch = "call"       // a service that asks of its own accord is answered
	SwitchSigning  Switch = "signing"    // documents and acts are signed
	// SwitchLater is every way and every act that is offered only after it was locked.
	SwitchLater Switch = "later"
)

// Switches lists all of them, ways before acts, in the order in which a page shows them.
func Switches() []Switch {
	return []Switch{
		SwitchPassword, SwitchPasskey, SwitchApp, SwitchPush, SwitchSMS, SwitchBackup, SwitchQR, SwitchSignature, SwitchBanks,
		SwitchRecovery, SwitchLink, SwitchDevice, SwitchCall, SwitchSigning, SwitchLater,
	}
}

// Switches lists all of them, and one for each bank of the person.
func (a *Account) Switches() []Switch {
	all := Switches()
	for _, b := range a.Banks {
		all = slices.Insert(all, slices.Index(all, SwitchRecovery), SwitchBank(b.Bank))
	}
	return slices.Compact(all)
}

// Act reports whether s is an act, and no way in.
func (s Switch) Act() bool {
	return slices.Contains([]Switch{SwitchLink, SwitchDevice, SwitchCall, SwitchSigning, SwitchLater}, s)
}

// openingAfter is how long a switch stays locked after the person asked to open it from afar: time to notice that it was
// somebody else.
const openingAfter = 24 * time.Hour

// Lock is a switch that the person has locked.
type Lock struct {
	Switch Switch
	At     time.Time
	// OpensAt is when it opens by itself, because the person asked; zero while it stays locked.
	OpensAt time.Time
	// Known is what there was to lock when SwitchLater was locked: all else is locked with it.
	Known []Switch
}

// holds reports whether the lock locks s at a time.
func (l Lock) holds(s Switch, now time.Time) bool {
	if !l.OpensAt.IsZero() && !now.Before(l.OpensAt) {
		return false
	}
	return l.Switch == s || l.Switch == SwitchLater && !slices.Contains(l.Known, s)
}

// LockedWayError says that the person has locked this way in, or this act, for themselves.
type LockedWayError struct{ Switch Switch }

func (e LockedWayError) Error() string { return "locked by the person: " + string(e.Switch) }

// SwitchOf is the switch of a way in.
func SwitchOf(m Method) Switch {
	if m == MethodSecurityKey {
		return SwitchPasskey
	}
	return Switch(m)
}

// Gate is the one place that knows what the person has locked: nil, or a LockedWayError.
func (a *Account) Gate(s Switch, now time.Time) error {
	if slices.ContainsFunc(a.Locks, func(l Lock) bool { return l.holds(s, now) }) {
		return LockedWayError{s}
	}
	return nil
}

// GateRecovery is Gate of getting a new password by a code to a contact, "sms" or "mail": of no use where the password is
// locked, nor by a phone whose codes are.
func (a *Account) GateRecovery(channel string, now time.Time) error {
	if a.owesFactor() { // a centre removed it: whoever holds the phone now shall not be enough
		return LockedWayError{SwitchRecovery}
	}
	needs := []Switch{SwitchRecovery, SwitchPassword}
	if channel == "sms" {
		needs = append(needs, SwitchSMS)
	}
	for _, s := range needs {
		if err := a.Gate(s, now); err != nil {
			return err
		}
	}
	return nil
}

// Allows reports whether nothing locks s.
func (a *Account) Allows(s Switch, now time.Time) bool { return a.Gate(s, now) == nil }

// Lock returns how s is locked, and whether it is.
func (a *Account) Lock(s Switch, now time.Time) (Lock, bool) {
	i := slices.IndexFunc(a.Locks, func(l Lock) bool { return l.holds(s, now) })
	if i < 0 {
		return Lock{}, false
	}
	return a.Locks[i], true
}

// unlock forgets the lock of s and those that have opened by themselves.
func (a *Account) unlock(s Switch, now time.Time) {
	a.Locks = slices.DeleteFunc(slices.Clone(a.Locks), func(l Lock) bool {
		return l.Switch == s || !l.OpensAt.IsZero() && !now.Before(l.OpensAt)
	})
}

// LockSwitch locks s at once, and ends the other sessions that were opened by it. A switch that was about to open stays
// locked. ErrNotFound for what is no switch; ErrConflict when the account could not be opened by anything afterwards.
func (s *Service) LockSwitch(ctx context.Context, id ID, which Switch, keepSession string, o Origin) error {
	now := s.now()
	err := s.change(ctx, id, func(a *Account) error {
		if !slices.Contains(a.Switches(), which) {
			return ErrNotFound
		}
		if lock, ok := a.Lock(which, now); ok && lock.Switch == which && lock.OpensAt.IsZero() {
			return nil // the form was sent twice
		}
		a.unlock(which, now)
		lock := Lock{Switch: which, At: now}
		if which == SwitchLater {
			lock.Known = a.Switches()
		}
		a.Locks = append(a.Locks, lock)
		if !slices.ContainsFunc(a.Ways(now), func(w Way) bool { return w.First != MethodActivation }) { // which is over in three days
			return ErrConflict
		}
		a.note(WayLocked, now, o, "switch", string(which))
		a.tell("way-locked", now, nil)
		return nil
	})
	if err != nil {
		return fmt.Errorf("locking a way: %w", err)
	}
	return s.endOpenedBy(ctx, id, which, keepSession, o)
}

// endOpenedBy ends the sessions that a locked way has opened, but one.
func (s *Service) endOpenedBy(ctx context.Context, id ID, which Switch, keep string, o Origin) error {
	all, err := s.Sessions(ctx, id)
	if err != nil {
		return err
	}
	var gone []string
	for _, x := range all {
		by := slices.ContainsFunc(x.Proofs, func(p Proof) bool {
			return SwitchOf(p.Method) == which || p.Method == MethodBank && strings.HasPrefix(string(which), string(SwitchBanks)+":")
		})
		if by && x.ID != keep {
			gone = append(gone, x.ID)
		}
	}
	return s.end(ctx, id, gone, SessionsEnded, o)
}

// OpenSwitch begins to open s: it stays locked for a day more, and every contact hears of it. Asking again changes
// nothing. ErrNotFound when s itself is not locked.
func (s *Service) OpenSwitch(ctx context.Context, id ID, which Switch, o Origin) error {
	now := s.now()
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.Locks, func(l Lock) bool { return l.Switch == which && l.holds(which, now) })
		if i < 0 {
			return ErrNotFound
		}
		if !a.Locks[i].OpensAt.IsZero() {
			return nil
		}
		a.Locks[i].OpensAt = now.Add(openingAfter)
		a.note(WayOpening, now, o, "switch", string(which))
		a.tell("way-opening", now, map[string]string{"Opens": a.Locks[i].OpensAt.In(noticeZone).Format("02.01.2006 15:04")})
		return nil
	})
}

// OpenSwitchAtCentre opens s at once: an operator has seen the person and their passport. ErrNotFound when s is not locked.
func (s *Service) OpenSwitchAtCentre(ctx context.Context, id ID, which Switch, operator, reason string) error {
	now := s.now()
	return s.change(ctx, id, func(a *Account) error {
		if lock, ok := a.Lock(which, now); !ok || lock.Switch != which {
			return ErrNotFound
		}
		a.unlock(which, now)
		a.note(WayOpened, now, Origin{}, "switch", string(which), "actor", operator, "reason", reason)
		a.tell("way-opened", now, nil)
		return nil
	})
}
