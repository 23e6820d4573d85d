package op_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// listener is a service's endpoint for security events.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
	status int
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{status: http.StatusAccepted}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/secevent+jwt" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("%v %v", r.Header, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.tokens = append(l.tokens, string(body))
		w.WriteHeader(l.status)
	}))
	t.Cleanup(l.Close)
	return l
}

// heard waits for n tokens and a moment more, and returns their claims.
func (l *listener) heard(t *testing.T, n int) (claims []map[string]any) {
	t.Helper()
	for range 500 {
		l.mu.Lock()
		got := len(l.tokens)
		l.mu.Unlock()
		if got >= n {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, token := range l.tokens {
		if typ := part(t, token, 0)["typ"]; typ != "secevent+jwt" {
			t.Errorf("typ %v", typ)
		}
		claims = append(claims, payload(t, token))
	}
	return claims
}

const (
	caep = "https://schemas.openid.net/secevent/caep/event-type/"
	risc = "https://schemas.openid.net/secevent/risc/event-type/"
)

func TestAServiceHearsWhatItRegisteredFor(t *testing.T) {
	here := account.Origin{}
	for _, row := range []struct {
		what   string
		events []string // registered
		change func(h *logoutRig) error
		want   []string
	}{
		{"a session ends", nil, func(h *logoutRig) error { return h.accounts.EndSession(t.Context(), h.person.ID, h.first.ID, here) }, []string{caep + "session-revoked"}},
		{"a new password", []string{"credential-change"}, func(h *logoutRig) error {
			return h.accounts.ResetPassword(t.Context(), h.person.ID, "Bereza-173-sokol-parus", here)
		}, []string{caep + "credential-change"}},
		{"a block", []string{"account-disabled"}, func(h *logoutRig) error {
			return h.accounts.Lock(t.Context(), h.person.ID, "operator:1", "canary-reason", here)
		}, []string{risc + "account-disabled"}},
		{"a withdrawn consent", nil, func(h *logoutRig) error { return h.accounts.WithdrawGrant(t.Context(), h.person.ID, "web", here) }, []string{"urn:vhod:event:consent-withdrawn"}},
		{"a consent withdrawn from another", nil, func(h *logoutRig) error { return h.accounts.WithdrawGrant(t.Context(), h.person.ID, "other", here) }, nil},
		{"what it did not register for", []string{"assurance-level-change"}, func(h *logoutRig) error {
			return h.accounts.Lock(t.Context(), h.person.ID, "operator:1", "test", here)
		}, nil},
	} {
		t.Run(row.what, func(t *testing.T) {
			l := newListener(t)
			h := newLogoutRig(t, func(c *op.Client) { c.EventsURI, c.Events = l.URL+"/events", row.events })
			must(t, row.change(h))
			h.provider.KickLogouts()
			var got []string
			for _, claims := range l.heard(t, len(row.want)) {
				events, _ := claims["events"].(map[string]any)
				for name := range events {
					got = append(got, name)
				}
				h.signal(claims)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// signal holds a token against RFC 8417 §2.2 and RFC 9493 §3.
func (h *logoutRig) signal(claims map[string]any) {
	h.t.Helper()
	for name := range claims {
		if !slices.Contains([]string{"iss", "aud", "iat", "jti", "sub_id", "events"}, name) {
			h.t.Errorf("the token has a claim %s", name)
		}
	}
	subject, _ := claims["sub_id"].(map[string]any)
	if subject["format"] == "complex" {
		if session, _ := subject["session"].(map[string]any); session["format"] != "opaque" || session["id"] != h.first.ID {
			h.t.Errorf("session: %v", subject)
		}
		subject, _ = subject["user"].(map[string]any)
	}
	if claims["iss"] != issuer || claims["aud"] != "web" || subject["format"] != "iss_sub" || subject["iss"] != issuer || subject["sub"] != h.subject {
		h.t.Errorf("claims: %v", claims)
	}
}

func TestASecurityEventComesAgainUnderItsName(t *testing.T) {
	l := newListener(t)
	l.status = http.StatusServiceUnavailable
	h := newLogoutRig(t, func(c *op.Client) { c.EventsURI = l.URL + "/events" })
	must(t, h.accounts.WithdrawGrant(t.Context(), h.person.ID, "web", account.Origin{}))
	h.provider.KickLogouts()
	l.heard(t, 1)
	h.clock.Advance(time.Minute)
	h.provider.KickLogouts()
	if got := l.heard(t, 2); len(got) != 2 || got[0]["jti"] != got[1]["jti"] {
		t.Errorf("heard %v", got)
	}
	l.mu.Lock()
	l.status = http.StatusBadRequest // RFC 8935 §2.3: it is not sent again
	l.mu.Unlock()
	for n := range 3 {
		h.clock.Advance(8 * time.Hour)
		h.provider.KickLogouts()
		if got := l.heard(t, 3); n == 2 && len(got) != 3 {
			t.Errorf("heard %d times", len(got))
		}
	}
}

func TestEventsSayWhatChangedAndNothingOfWhy(t *testing.T) {
	at := time.Unix(1700000000, 0)
	base := func(more ...any) map[string]any {
		out := map[string]any{"event_timestamp": at.Unix(), "initiating_entity": "user"}
		for i := 0; i < len(more); i += 2 {
			out[more[i].(string)] = more[i+1]
		}
		return out
	}
	for _, row := range []struct {
		kind account.EventKind
		name string
		want map[string]any
	}{
		{account.PasswordChanged, "credential-change", base("credential_type", "password", "change_type", "update")},
		{account.TOTPAdded, "credential-change", base("credential_type", "app", "change_type", "create")},
		{account.TOTPRemoved, "credential-change", base("credential_type", "app", "change_type", "revoke")},
		{account.PushAdded, "credential-change", base("credential_type", "app", "change_type", "create")},
		{account.PushRemoved, "credential-change", base("credential_type", "app", "change_type", "revoke")},
		{account.PasskeyAdded, "credential-change", base("credential_type", "fido2-platform", "change_type", "create")},
		{account.SMSFactorAdded, "credential-change", base("credential_type", "phone-sms", "change_type", "create")},
		{account.SMSFactorRemoved, "credential-change", base("credential_type", "phone-sms", "change_type", "revoke")},
		{account.PasskeyRemoved, "credential-change", base("credential_type", "fido2-platform", "change_type", "revoke")},
		{account.LevelRaised, "assurance-level-change", base("namespace", "urn:vhod:level", "previous_level", "standard", "current_level", "verified", "change_direction", "increase")},
		{account.AccountLocked, "account-disabled", map[string]any{}},
		{account.AccountUnlocked, "account-enabled", map[string]any{}},
		{account.ConsentWithdrawn, "consent-withdrawn", base()},
		{account.SignedIn, "", nil},
	} {
		name, event := op.EventOf(account.Signal{Kind: row.kind, At: at, Person: true, From: "standard", To: "verified"})
		if row.name == "" {
			event = nil
		}
		if diff := cmp.Diff(row.want, event); name != row.name || diff != "" {
			t.Errorf("%s: %s %s", row.kind, name, diff)
		}
	}
}

func TestRegistrationForEventsIsChecked(t *testing.T) {
	for what, row := range map[string]struct {
		uri    string
		events []string
		fine   bool
	}{
		"all":           {"https://rp.example/events", nil, true},
		"one":           {"https://rp.example/events", []string{"session-revoked"}, true},
		"unknown":       {"https://rp.example/events", []string{"signed-in"}, false},
		"nowhere":       {"", []string{"session-revoked"}, false},
		"by plain http": {"http://rp.example/events", nil, false},
	} {
		c := clientOf("web")
		c.EventsURI, c.Events = row.uri, row.events
		if err := c.Check(); (err == nil) != row.fine {
			t.Errorf("%s: %v", what, err)
		}
	}
}
