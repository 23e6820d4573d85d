package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vhod-id/vhod/keys"
)

// maxLabel is the longest name that a person gives to whom they trust.
const maxLabel = 40

// NameTrusted names somebody who may help the person back in, and has it offered to them if they are here. Whether they are is looked for later: the
// answer, its time and what the person sees afterwards are the same. FieldErrors say what is wrong with the label or the identifier; ErrConflict when
// there are too many, or when no second factor would be asked in a recovery; a ThrottledError when too many were named in a day.
func (s *Service) NameTrusted(ctx context.Context, id ID, label string, by Identifier, o Origin) error {
	label = strings.Join(strings.Fields(label), " ")
	switch {
	case label == "":
		return FieldErrors{{Field: "trusted_label", Message: "error.trusted.label"}}
	case utf8.RuneCountInString(label) > maxLabel:
		return FieldErrors{{Field: "trusted_label", Message: "error.trusted.label-long"}}
	}
	if s.limit.count(ctx, "tie-named/"+string(id), 1, 24*time.Hour) > namedInADay {
		return ThrottledError{"trusted", s.now().Add(24 * time.Hour)}
	}
	now, t := s.now(), Tie{ID: keys.RandomID(), Label: label, Typed: by.masked(), At: s.now()}
	err := s.change(ctx, id, func(a *Account) error {
		if slices.Contains(a.Identifiers(), by) {
			return FieldErrors{{Field: "identifier", Message: "error.trusted.self"}}
		}
		kept := slices.DeleteFunc(slices.Clone(a.Trusted), func(t Tie) bool { return t.AcceptedAt.IsZero() && !t.Waits(now) })
		if !a.HasSecondFactor() || len(kept) >= maxTrusted {
			return ErrConflict
		}
		a.Trusted = append(kept, t)
		a.owe(OwedTie, now, tieMessage{What: tieNamed, Tie: t.ID, By: by, At: now})
		a.note(TrustNamed, now, o)
		a.tell("trust-named", now, nil)
		return nil
	})
	if err != nil {
		return fmt.Errorf("naming a trusted person: %w", err)
	}
	return nil
}

// MayName reports whether one more may be named.
func (a *Account) MayName(now time.Time) bool {
	n := 0
	for _, t := range a.Trusted {
		if !t.AcceptedAt.IsZero() || t.Waits(now) {
			n++
		}
	}
	return n < maxTrusted && a.HasSecondFactor()
}

// masked shows an identifier to who has typed it.
func (i Identifier) masked() string {
	switch i.Kind {
	case ByPhone:
		return MaskPhone(i.Value)
	case ByEmail:
		return MaskEmail(i.Value)
	}
	return hidden + i.Value[max(0, len(i.Value)-2):]
}

// AcceptTrust is the person saying yes to an offer. ErrNotFound when there is none, or not any more; ErrLevelTooLow when they are nobody to be trusted yet.
func (s *Service) AcceptTrust(ctx context.Context, id ID, tie string, o Origin) error {
	now := s.now()
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.Trusting, func(t Tie) bool { return t.ID == tie && t.Waits(now) })
		switch {
		case i < 0:
			return ErrNotFound
		case !a.Vouches():
			return ErrLevelTooLow
		}
		a.Trusting = replaced(a.Trusting, func(t Tie) bool { return t.ID == tie }, func(t *Tie) {
			t.AcceptedAt = now
			a.send(*t, tieAccepted, now, Plea{})
		})
		a.note(TrustAccepted, now, o)
		return nil
	})
}

// DeclineTrust is the person saying no to an offer. Who made it is not told: to them it looks as if nobody were there. ErrNotFound as for AcceptTrust.
func (s *Service) DeclineTrust(ctx context.Context, id ID, tie string, o Origin) error {
	now := s.now()
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.Trusting, func(t Tie) bool { return t.ID == tie && t.AcceptedAt.IsZero() })
		if i < 0 {
			return ErrNotFound
		}
		a.Trusting = slices.Delete(slices.Clone(a.Trusting), i, i+1)
		a.note(TrustDeclined, now, o)
		return nil
	})
}

// EndTrust ends a tie from the side of who trusts.
func (s *Service) EndTrust(ctx context.Context, id ID, tie string, o Origin) error {
	return s.endTie(ctx, id, o, func(a *Account) *[]Tie { return &a.Trusted }, func(t Tie) bool { return t.ID == tie })
}

// LeaveTrust ends a tie from the side of who is trusted.
func (s *Service) LeaveTrust(ctx context.Context, id ID, tie string, o Origin) error {
	return s.endTie(ctx, id, o, func(a *Account) *[]Tie { return &a.Trusting }, func(t Tie) bool { return t.ID == tie && !t.AcceptedAt.IsZero() })
}

func (s *Service) endTie(ctx context.Context, id ID, o Origin, list func(*Account) *[]Tie, which func(Tie) bool) error {
	return s.change(ctx, id, func(a *Account) error {
		if !a.endTies(list(a), s.now(), o, "person", which) {
			return ErrNotFound
		}
		return nil
	})
}
