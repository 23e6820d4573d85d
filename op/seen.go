package op

import (
	"crypto/sha256"
	"sync"
)

// seenTokens are access tokens that were signed here or whose signature was verified before: a token is used many times in its ten
// minutes, and a verification costs more than all the rest of a request. Only what can never change is kept, that we signed it; whether it
// has expired and its grant stands is asked each time. Two generations of bounded size take turns.
type seenTokens struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]accessToken
}

// seenMost is how many tokens a generation holds.
const seenMost = 8192

func (s *seenTokens) find(token string) (accessToken, bool) {
	key := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.young[key]
	if !ok {
		if t, ok = s.old[key]; ok {
			s.put(key, t)
		}
	}
	return t, ok
}

func (s *seenTokens) keep(token string, t accessToken) {
	key := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key, t)
}

func (s *seenTokens) put(key [sha256.Size]byte, t accessToken) {
	if s.young == nil || len(s.young) >= seenMost {
		s.old, s.young = s.young, make(map[[sha256.Size]byte]accessToken, 64)
	}
	s.young[key] = t
}
