package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// touchInterval is how exactly the last use is known; it spares a write per request.
const touchInterval = time.Minute

// bornAt is when the session last showed that it is the person: a date that ends sessions spares the
// ones that proved themselves after it.
func (s *Session) bornAt() time.Time {
	born := s.CreatedAt
	for _, p := range s.Proofs {
		if p.At.After(born) {
			born = p.At
		}
	}
	return born
}

// AuthTime is when the person last proved themselves in this session.
func (s *Session) AuthTime() time.Time { return s.bornAt() }

// Opening is how a session begins.
type Opening struct {
	Proofs  []Proof
	Shared  bool   // "this is a shared computer"
	Browser string // the browser's own cookie, which outlives its sessions; empty when it keeps none
	Client  string // the one service that the session is for; empty: it is the person's single sign-on
	Origin  Origin
}

// OpenSession starts a session with its first proofs and returns the cookie's value. ErrNoSession when a proof is older
// than a date that ended all sessions: a password that was right a minute ago may have been somebody else's.
func (s *Service) OpenSession(ctx context.Context, id ID, with Opening) (cookie string, session *Session, err error) {
	now, o := s.now(), with.Origin
	proofs := truncated(with.Proofs)
	cookie = keys.RandomHandle()
	session = &Session{
		ID: keys.RandomID(), Hash: keys.Hash(cookie), AccountID: id, CreatedAt: now, SeenAt: now, Proofs: proofs, Origin: o, Shared: with.Shared,
		Browser: browserHash(id, with.Browser), Client: with.Client,
	}
	session.ExpiresAt = now.Add(s.LifeOf(session).Whole)
	write := func(change func(*Account) error) error { return s.cfg.Sessions.CreateSession(ctx, session, change) }
	err = s.changeBy(write, func(a *Account) error {
		for _, p := range proofs { // what was proven a moment ago may have been locked since
			if err := a.Gate(SwitchOf(p.Method), now); err != nil {
				return err
			}
			if p.At.Before(a.SignedOutAt) {
				return ErrNoSession
			}
		}
		if StrengthOf(proofs) >= TwoFactor {
			a.haveAll(now, o)
		}
		details := append([]string{"method", methods(proofs), "session", session.ID}, riskDetails(s.Risks(a, with.Browser, o))...)
		a.arrive(with.Browser, now, o)
		a.note(SignedIn, now, o, details...)
		return nil
	})
	if err != nil {
		return "", nil, fmt.Errorf("opening a session: %w", err)
	}
	return cookie, session, nil
}

// Resume returns the live session of a cookie with its account, by one round trip; ErrNoSession when
// it ended, idled out, or was born before SignedOutAt.
func (s *Service) Resume(ctx context.Context, cookie string) (*Session, *Account, error) {
	if cookie == "" {
		return nil, nil, ErrNoSession
	}
	session, a, err := s.cfg.Sessions.SessionByHash(ctx, keys.Hash(cookie))
	if errors.Is(err, ErrNotFound) {
		return nil, nil, ErrNoSession
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading a session: %w", err)
	}
	now := s.now()
	if !s.live(session, a, now) {
		return nil, nil, ErrNoSession
	}
	if now.Sub(session.SeenAt) >= touchInterval {
		if err := s.cfg.Sessions.TouchSession(ctx, session.ID, now); err != nil {
			s.cfg.Log.WarnContext(ctx, "touching a session", "error", err)
		}
		session.SeenAt = now
	}
	return session, a, nil
}

// AddProof adds proofs to a session (step-up, re-authentication) and changes its cookie (S01).
// ErrConflict when another request changed it first.
func (s *Service) AddProof(ctx context.Context, session *Session, proofs []Proof, o Origin) (cookie string, err error) {
	cookie = keys.RandomHandle()
	changed, was, now := *session, session.Hash, s.now()
	changed.Hash, changed.SeenAt = keys.Hash(cookie), now
	for _, p := range truncated(proofs) {
		changed.Proofs = append(withoutMethod(changed.Proofs, p.Method), p)
	}
	changed.ExpiresAt = changed.CreatedAt.Add(s.LifeOf(&changed).Whole)
	if err := s.cfg.Sessions.UpdateSession(ctx, &changed, was); err != nil {
		return "", fmt.Errorf("renewing a session: %w", err)
	}
	err = s.change(ctx, session.AccountID, func(a *Account) error {
		a.note(ProofAdded, now, o, "method", methods(proofs), "session", session.ID)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("noting a proof: %w", err)
	}
	*session = changed
	return cookie, nil
}

// EndSession ends one session by its public id. ErrNotFound when it is
// not this person's.
func (s *Service) EndSession(ctx context.Context, id ID, session string, o Origin) error {
	all, err := s.Sessions(ctx, id)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(x Session) bool { return x.ID == session }) {
		return ErrNotFound
	}
	return s.end(ctx, id, []string{session}, SignedOut, o)
}

// EndHere ends a session and all others of its person in the same browser: whoever signs out there is signed out of
// services with a sign-on of their own as well.
func (s *Service) EndHere(ctx context.Context, session *Session, o Origin) error {
	all, err := s.Sessions(ctx, session.AccountID)
	if err != nil {
		return err
	}
	here := []string{session.ID}
	for _, x := range all {
		if x.ID != session.ID && x.Browser != "" && x.Browser == session.Browser {
			here = append(here, x.ID)
		}
	}
	return s.end(ctx, session.AccountID, here, SignedOut, o)
}

// EndOtherSessions ends all but one, and remembers no browser any more: a second factor is asked in each of them again.
func (s *Service) EndOtherSessions(ctx context.Context, id ID, keep string, o Origin) error {
	all, err := s.Sessions(ctx, id)
	if err != nil {
		return err
	}
	var others []string
	for _, x := range all {
		if x.ID != keep {
			others = append(others, x.ID)
		}
	}
	return s.end(ctx, id, others, SessionsEnded, o)
}

// EndAllSessions ends every session by one date, this one too, and remembers no browser any more.
func (s *Service) EndAllSessions(ctx context.Context, id ID, o Origin) error {
	now := s.now()
	return s.change(ctx, id, func(a *Account) error {
		a.note(SessionsEnded, now, o, "count", "all")
		a.signOut(now, "")
		return nil
	})
}

func (s *Service) end(ctx context.Context, id ID, sessions []string, kind EventKind, o Origin) error {
	now := s.now()
	for _, session := range sessions {
		if err := s.cfg.Sessions.EndSession(ctx, session, now); err != nil {
			return fmt.Errorf("ending a session: %w", err)
		}
	}
	if len(sessions) == 0 && kind != SessionsEnded {
		return nil
	}
	return s.change(ctx, id, func(a *Account) error {
		if kind == SessionsEnded {
			a.Devices = nil
		}
		if len(sessions) == 0 {
			return nil
		}
		a.note(kind, now, o, "count", fmt.Sprint(len(sessions)))
		a.over(now, sessions...)
		return nil
	})
}

// Sessions lists the live sessions of a person, newest first.
func (s *Service) Sessions(ctx context.Context, id ID) ([]Session, error) {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading an account: %w", err)
	}
	now := s.now()
	all, err := s.cfg.Sessions.Sessions(ctx, id, now)
	if err != nil {
		return nil, fmt.Errorf("reading sessions: %w", err)
	}
	return slices.DeleteFunc(all, func(x Session) bool { return !s.live(&x, a, now) }), nil
}

// Lock closes the account: sessions end, nobody signs in, until Unlock. The actor is "person", or who it was.
func (s *Service) Lock(ctx context.Context, id ID, actor, reason string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		now := s.now()
		a.Status, a.Activation = Locked, nil
		a.note(AccountLocked, now, o, "actor", actor, "reason", reason)
		a.signOut(now, "")
		return nil
	})
}

// Unlock opens a locked account.
func (s *Service) Unlock(ctx context.Context, id ID, actor, reason string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		if a.Status != Locked {
			return ErrConflict
		}
		a.Status = Active
		a.note(AccountUnlocked, s.now(), o, "actor", actor, "reason", reason)
		return nil
	})
}

func withoutMethod(proofs []Proof, m Method) []Proof {
	var out []Proof
	for _, p := range proofs {
		if p.Method != m {
			out = append(out, p)
		}
	}
	return out
}

// truncated brings the times of proofs to the precision of the stores.
func truncated(proofs []Proof) []Proof {
	out := make([]Proof, len(proofs))
	for i, p := range proofs {
		out[i] = Proof{p.Method, p.At.UTC().Truncate(time.Millisecond)}
	}
	return out
}

func methods(proofs []Proof) string {
	out := ""
	for i, p := range proofs {
		if i > 0 {
			out += "+"
		}
		out += string(p.Method)
	}
	return out
}
