package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// logoutAge is how old a logout token may be, and so how long its jti is remembered.
	logoutAge = 5 * time.Minute
	maxLogout = 64 << 10
)

// logout is the back-channel logout endpoint (OpenID Connect Back-Channel Logout 1.0 §2.5): the provider says that a session
// is over, and the person is no longer signed in here either. No browser takes part.
func (p *Portal) logout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxLogout)
	token := r.PostFormValue("logout_token")
	over, err := p.client.logoutToken(r.Context(), token)
	if err == nil && !p.told.first(over.ID, p.cfg.Now()) {
		err = errors.New("jti was seen before")
	}
	if err != nil {
		p.cfg.Log.WarnContext(r.Context(), "a logout token is refused", "error", err)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": err.Error()})
		return
	}
	ended := p.sessions.endAll(over.Session, over.Subject)
	p.cfg.Log.InfoContext(r.Context(), "signed out by the provider", "sessions", ended)
	w.WriteHeader(http.StatusOK)
}

// over is what a logout token says.
type over struct {
	Subject string                     `json:"sub"`
	Session string                     `json:"sid"`
	ID      string                     `json:"jti"`
	Events  map[string]json.RawMessage `json:"events"`
	Nonce   *string                    `json:"nonce"`
}

// logoutToken holds a token against §2.6. Issuer, audience, signature and end are checked as those of an ID token.
func (c *client) logoutToken(ctx context.Context, token string) (over, error) {
	var said over
	op, err := c.discover(ctx)
	if err != nil {
		return said, err
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return said, errors.New("this is no token signed by ES256")
	}
	if typ := jws.Signatures[0].Header.ExtraHeaders[jose.HeaderType]; typ != "logout+jwt" {
		return said, fmt.Errorf("typ is %v", typ)
	}
	checked, err := op.verifier.Verify(ctx, token)
	if err != nil {
		return said, err
	}
	if err := checked.Claims(&said); err != nil {
		return said, fmt.Errorf("reading the token: %w", err)
	}
	_, logout := said.Events[logoutEvent]
	switch {
	case !logout:
		return said, errors.New("it tells of no logout")
	case said.Nonce != nil:
		return said, errors.New("it has a nonce") // §2.4: so that nobody passes an ID token off as one
	case said.Subject == "" && said.Session == "":
		return said, errors.New("it names neither a person nor a session")
	case said.ID == "":
		return said, errors.New("it has no jti")
	case c.cfg.Now().Sub(checked.IssuedAt) > logoutAge:
		return said, errors.New("it is old")
	}
	return said, nil
}

// told remembers logout tokens while one could come again.
type told struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// first reports whether this is the first time.
func (t *told) first(id string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]time.Time{}
	}
	for old, at := range t.seen {
		if now.Sub(at) > 2*logoutAge {
			delete(t.seen, old)
		}
	}
	_, again := t.seen[id]
	t.seen[id] = now
	return !again
}
