package portal

import (
	"crypto/ecdsa"
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

const (
	cookieName  = "portal-session"
	sessionLife = 12 * time.Hour
	flowLife    = time.Hour // a person may sign up and raise their level on the way
	maxFlows    = 16        // tabs of one browser in the middle of signing in
)

// session is one browser at the portal.
type session struct {
	user  *user // nil before sign-in
	flows map[string]flow
	until time.Time
}

// flow is a sign-in on its way, found again by its state.
type flow struct {
	nonce, verifier string
	key             *ecdsa.PrivateKey // of DPoP proofs; nil when the provider has no DPoP
	need            need
	back            string // path to return to
	began           time.Time
}

// user is who signed in, as the provider said.
type user struct {
	subject string
	sid     string // the provider's session
	acr     string
	idToken string // shown again at sign-out
	access  string
	scheme  string // Bearer or DPoP
	key     *ecdsa.PrivateKey
	expires time.Time // of the access token
	scopes  []string  // asked; a page that asked and got less shows less, it does not ask again
	claims  map[string]any
	asOf    time.Time
}

// sessions keeps the sessions by cookie. Every access copies or changes under the lock.
type sessions struct {
	now func() time.Time
	mu  *sync.Mutex
	all map[string]*session
}

func newSessions(now func() time.Time) sessions {
	return sessions{now: now, mu: &sync.Mutex{}, all: map[string]*session{}}
}

// user returns who is signed in at this browser, or nil.
func (s sessions) user(r *http.Request) *user {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.find(r); found != nil {
		return found.user
	}
	return nil
}

// find is called under the lock.
func (s sessions) find(r *http.Request) *session {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	found := s.all[c.Value]
	if found == nil || s.now().After(found.until) {
		return nil
	}
	return found
}

// begin keeps a flow under its state, in this browser's session; a new session is set as a cookie.
func (s sessions) begin(w http.ResponseWriter, r *http.Request, secure bool, state string, f flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(r)
	if found == nil {
		found = s.open(w, secure)
	}
	if len(found.flows) >= maxFlows {
		clear(found.flows)
	}
	f.began = s.now()
	found.flows[state] = f
}

// take returns a flow of this browser once.
func (s sessions) take(r *http.Request, state string) (flow, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(r)
	if found == nil {
		return flow{}, false
	}
	f, ok := found.flows[state]
	delete(found.flows, state)
	return f, ok && s.now().Before(f.began.Add(flowLife))
}

// signIn puts a user into a fresh session: the cookie changes, the flows of other tabs go on.
func (s sessions) signIn(w http.ResponseWriter, r *http.Request, secure bool, u *user) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.find(r)
	fresh := s.open(w, secure)
	fresh.user = u
	if old != nil {
		fresh.flows = old.flows
	}
	s.forget(r)
}

// learn replaces the claims of a signed-in user.
func (s sessions) learn(r *http.Request, u *user) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.find(r); found != nil && found.user != nil {
		found.user = u
	}
}

// end signs this browser out.
func (s sessions) end(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(r)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// endAll signs out whoever came in a session of the provider, or, without one, a subject.
func (s sessions) endAll(sid, subject string) (ended int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cookie, one := range s.all {
		if one.user != nil && (sid == "" || one.user.sid == sid) && (subject == "" || one.user.subject == subject) {
			delete(s.all, cookie)
			ended++
		}
	}
	return ended
}

func (s sessions) forget(r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		delete(s.all, c.Value)
	}
}

func (s sessions) open(w http.ResponseWriter, secure bool) *session {
	now := s.now()
	for cookie, old := range s.all { // a sample portal has few of them
		if now.After(old.until) {
			delete(s.all, cookie)
		}
	}
	cookie := rand.Text()
	opened := &session{flows: map[string]flow{}, until: now.Add(sessionLife)}
	s.all[cookie] = opened
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: cookie, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode})
	return opened
}
