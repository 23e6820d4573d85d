package op_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// receiver is a service's back-channel logout endpoint.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
	tries  atomic.Int64
	answer func(w http.ResponseWriter, r *http.Request)
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	got := &receiver{answer: func(http.ResponseWriter, *http.Request) {}}
	got.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.tries.Add(1)
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || len(r.PostForm) != 1 || len(r.URL.RawQuery) != 0 {
			t.Errorf("%s %s: %v %v", r.Method, r.URL, r.PostForm, err)
		}
		got.mu.Lock()
		got.tokens = append(got.tokens, r.PostForm.Get("logout_token"))
		got.mu.Unlock()
		got.answer(w, r)
	}))
	t.Cleanup(got.Close)
	return got
}

// arrived waits for n logout tokens and returns those that came.
func (got *receiver) arrived(n int) []string {
	for range 500 {
		got.mu.Lock()
		tokens := slices.Clone(got.tokens)
		got.mu.Unlock()
		if len(tokens) >= n {
			return tokens
		}
		time.Sleep(10 * time.Millisecond)
	}
	return got.tokens
}

// logoutRig is a rig that pays what it owes, with a person who has two sessions at the service web, and one at the service
// silent, which has no logout endpoint.
type logoutRig struct {
	*rig
	receiver        *receiver
	first, second   *account.Session
	subject         string
	hint, otherHint string
}

func newLogoutRig(t *testing.T, change func(*op.Client)) *logoutRig {
	t.Helper()
	h := &logoutRig{rig: newRig(t), receiver: newReceiver(t)}
	web := clientOf("web")
	web.BackchannelLogoutURI = h.receiver.URL + "/logout"
	change(&web)
	must(t, web.Check())
	must(t, h.records.PutClient(t.Context(), web))
	h.refreshClients()
	open := func() *account.Session {
		_, session, err := h.accounts.OpenSession(t.Context(), h.person.ID, account.Opening{Proofs: []account.Proof{{Method: account.MethodPassword, At: h.clock.Now()}}})
		must(t, err)
		return session
	}
	tokens := func(s *account.Session, client string) string {
		h.door.auth.SessionID, h.door.auth.Time = s.ID, h.clock.Now()
		return str(h.tokens(clientOf(client))["id_token"])
	}
	h.first, h.second = open(), open()
	tokens(h.first, "other") // it has no logout endpoint
	h.otherHint = tokens(h.second, "web")
	h.hint = tokens(h.first, "web")
	h.subject = str(payload(t, h.hint)["sub"])
	h.clock.Advance(time.Second)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.provider.PayLogouts(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return h
}

// refreshClients makes the provider see changed clients now.
func (h *rig) refreshClients() {
	h.t.Helper()
	ctx, stop := context.WithCancel(h.t.Context())
	done := make(chan error)
	go func() { done <- h.provider.Run(ctx) }()
	for range 400 {
		if slices.ContainsFunc(h.provider.Services(), func(c op.Client) bool { return c.BackchannelLogoutURI != "" }) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	<-done
}

func TestEveryEndingOfASessionTellsItsServices(t *testing.T) {
	here := account.Origin{}
	for _, row := range []struct {
		what     string
		required bool // the client wants every session named
		end      func(h *logoutRig) error
		sessions func(h *logoutRig) []string // "" is a token without sid
	}{
		{"signing out", false, func(h *logoutRig) error { return h.accounts.EndSession(t.Context(), h.person.ID, h.first.ID, here) },
			func(h *logoutRig) []string { return []string{h.first.ID} }},
		{"ending the other sessions", false, func(h *logoutRig) error {
			return h.accounts.EndOtherSessions(t.Context(), h.person.ID, h.first.ID, here)
		},
			func(h *logoutRig) []string { return []string{h.second.ID} }},
		{"a block", false, func(h *logoutRig) error { return h.accounts.Lock(t.Context(), h.person.ID, "operator:1", "test", here) },
			func(*logoutRig) []string { return []string{""} }},
		{"a new password, sessions named", true, func(h *logoutRig) error {
			return h.accounts.ResetPassword(t.Context(), h.person.ID, "Bereza-173-sokol-parus", here)
		}, func(h *logoutRig) []string { return []string{h.first.ID, h.second.ID} }},
	} {
		t.Run(row.what, func(t *testing.T) {
			h := newLogoutRig(t, func(c *op.Client) { c.BackchannelSession = row.required })
			must(t, row.end(h))
			h.provider.KickLogouts()
			want := row.sessions(h)
			var got []string
			for _, token := range h.receiver.arrived(len(want)) {
				claims := h.logoutToken(token)
				sid, _ := claims["sid"].(string)
				got = append(got, sid)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("told of %q, want %q", got, want)
			}
		})
	}
}

// logoutToken holds a token against OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6.
func (h *logoutRig) logoutToken(token string) map[string]any {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/jwks", nil))
	var set jose.JSONWebKeySet
	must(h.t, json.Unmarshal(w.Body.Bytes(), &set))
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	must(h.t, err)
	if typ := part(h.t, token, 0)["typ"]; typ != "logout+jwt" {
		h.t.Errorf("typ %v", typ)
	}
	keys := set.Key(jws.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		h.t.Fatal("the token's key is not published")
	}
	if _, err := jws.Verify(keys[0].Key); err != nil {
		h.t.Error(err)
	}
	claims := payload(h.t, token)
	events, _ := claims["events"].(map[string]any)
	if body, ok := events[logoutEvent].(map[string]any); !ok || len(events) != 1 || len(body) != 0 {
		h.t.Errorf("events: %v", claims["events"])
	}
	if claims["iss"] != issuer || claims["aud"] != "web" || claims["sub"] != h.subject || claims["jti"] == "" {
		h.t.Errorf("claims: %v", claims)
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life <= 0 || life > 120 {
		h.t.Errorf("the token lives for %v s", life)
	}
	for name := range claims {
		if !slices.Contains([]string{"iss", "aud", "sub", "sid", "iat", "exp", "jti", "events"}, name) {
			h.t.Errorf("the token has a claim %s", name)
		}
	}
	return claims
}

func TestP27ALogoutTokenIsNoHintAndNoAccessToken(t *testing.T) {
	h := newLogoutRig(t, func(*op.Client) {})
	must(t, h.accounts.EndSession(t.Context(), h.person.ID, h.first.ID, account.Origin{}))
	h.provider.KickLogouts()
	tokens := h.receiver.arrived(1)
	if len(tokens) != 1 {
		t.Fatalf("%d tokens", len(tokens))
	}
	if status, _ := h.userinfo(tokens[0]); status != http.StatusUnauthorized {
		t.Errorf("userinfo: %d", status)
	}
	if q := h.authorize(request(clientOf("web"), "id_token_hint", tokens[0])); q.Get("error") != "invalid_request" {
		t.Errorf("as a hint: %v", q)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/end_session?"+url.Values{"id_token_hint": {tokens[0]}}.Encode(), nil))
	if w.Body.String() != "confirm" {
		t.Errorf("as a hint at sign-out: %s", w.Body)
	}
}

func TestP31AServiceThatDoesNotAnswerIsTriedThriceAndHoldsNobodyUp(t *testing.T) {
	elsewhere := newReceiver(t)
	for _, row := range []struct {
		what   string
		answer func(h *logoutRig) func(http.ResponseWriter, *http.Request)
	}{
		{"an error", func(*logoutRig) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
		}},
		{"a redirect", func(*logoutRig) func(http.ResponseWriter, *http.Request) {
			return func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			}
		}},
	} {
		t.Run(row.what, func(t *testing.T) {
			h := newLogoutRig(t, func(*op.Client) {})
			h.receiver.answer = row.answer(h)
			must(t, h.accounts.EndSession(t.Context(), h.person.ID, h.first.ID, account.Origin{}))
			for try := range 6 {
				h.provider.KickLogouts()
				h.receiver.arrived(min(try+1, 3))
				time.Sleep(50 * time.Millisecond) // the failure is being noted
				h.clock.Advance(2 * time.Minute)
			}
			if n := h.receiver.tries.Load(); n != 3 {
				t.Errorf("%d tries", n)
			}
		})
	}
	if n := elsewhere.tries.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

func TestP31ASlowServiceIsCutOffAndDelaysNoSignOut(t *testing.T) {
	h := newLogoutRig(t, func(*op.Client) {})
	released := make(chan struct{}, 8)
	h.receiver.answer = func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		chunk := bytes.Repeat([]byte("x"), 1<<10)
		for range 3 { // less than is read, then silence
			_, _ = w.Write(chunk)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
		released <- struct{}{}
	}
	must(t, h.accounts.EndSession(t.Context(), h.person.ID, h.first.ID, account.Origin{}))
	h.provider.KickLogouts()
	select {
	case <-released:
		t.Error("signing out waited for the service")
	default:
	}
	select {
	case <-released:
	case <-time.After(time.Minute):
		t.Error("the connection is held for a minute")
	}
}

func TestALogoutEndpointIsCheckedAtRegistration(t *testing.T) {
	for address, fine := range map[string]bool{
		"": true, "https://rp.example/logout": true, "http://127.0.0.1:8090/logout": true,
		"http://rp.example/logout": false, "https://rp.example/logout#x": false, "https://a:b@rp.example/": false, "/logout": false,
	} {
		c := clientOf("web")
		c.BackchannelLogoutURI = address
		if err := c.Check(); (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "backchannel_logout_uri") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
