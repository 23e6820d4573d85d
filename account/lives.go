package account

import "time"

// Life is how long a session lasts.
type Life struct {
	Idle  time.Duration // without use
	Whole time.Duration // from its first proof on, however it is used
}

// Lives are those of sessions, by how surely they show who the person is.
type Lives struct{ OneFactor, TwoFactor, PhishingResistant, Shared Life }

// usualLives: who showed one factor alone shows it anew every working day. NIST SP 800-63B-4 §2.2.3 asks for two factors every 24 hours,
// and after an hour without use. On a shared computer somebody else sits there next.
var usualLives = Lives{
	OneFactor:         Life{Idle: time.Hour, Whole: 12 * time.Hour},
	TwoFactor:         Life{Idle: time.Hour, Whole: 24 * time.Hour},
	PhishingResistant: Life{Idle: time.Hour, Whole: 24 * time.Hour},
	Shared:            Life{Idle: 10 * time.Minute, Whole: 30 * time.Minute},
}

// orUsual puts the usual in the place of what is not set.
func (l Lives) orUsual() Lives {
	pairs := map[*Life]Life{
		&l.OneFactor: usualLives.OneFactor, &l.TwoFactor: usualLives.TwoFactor, &l.PhishingResistant: usualLives.PhishingResistant, &l.Shared: usualLives.Shared,
	}
	for set, usual := range pairs {
		if set.Idle == 0 {
			set.Idle = usual.Idle
		}
		if set.Whole == 0 {
			set.Whole = usual.Whole
		}
	}
	return l
}

// of returns the life of a session: on a shared computer what it has shown makes no difference.
func (l Lives) of(s *Session) Life {
	if s.Shared {
		return l.Shared
	}
	switch StrengthOf(s.Proofs) {
	case PhishingResistant:
		return l.PhishingResistant
	case TwoFactor:
		return l.TwoFactor
	}
	return l.OneFactor
}

// LifeOf returns how long a session may last: a further factor lengthens it.
func (s *Service) LifeOf(session *Session) Life { return s.cfg.Lives.of(session) }

// Ends returns when a session ends if nobody uses it before, and whether it ends then however it is used.
func (s *Service) Ends(session *Session) (at time.Time, whole bool) {
	life := s.cfg.Lives.of(session)
	at = session.CreatedAt.Add(life.Whole)
	if session.ExpiresAt.Before(at) {
		at = session.ExpiresAt
	}
	if idle := session.SeenAt.Add(life.Idle); idle.Before(at) {
		return idle, false
	}
	return at, true
}

// live reports whether a session still counts for its account.
func (s *Service) live(session *Session, a *Account, now time.Time) bool {
	life := s.cfg.Lives.of(session)
	return session.EndedAt.IsZero() && now.Before(session.ExpiresAt) && now.Sub(session.CreatedAt) < life.Whole && now.Sub(session.SeenAt) < life.Idle &&
		a.Status == Active && !a.SignedOut(session.ID, session.bornAt())
}
