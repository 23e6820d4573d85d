package portal_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// logoutToken is a good one, with these claims; nil takes one away.
func (s *stage) logoutToken(typ string, changes map[string]any) string {
	s.t.Helper()
	claims := map[string]any{"iss": s.op.url, "aud": "portal", "sub": "s1", "sid": "session-1", "iat": s.now.Unix(), "exp": s.now.Add(2 * time.Minute).Unix(),
		"jti": "t1", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.op.key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// tell posts a logout token as the provider does, without a browser.
func (s *stage) tell(token string) int {
	s.t.Helper()
	resp, err := http.PostForm(s.portal+"/backchannel-logout", url.Values{"logout_token": {token}})
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (s *stage) signedIn() bool {
	s.t.Helper()
	_, html := s.get("/")
	return strings.Contains(html, `data-action="sign-out"`)
}

func TestTheProviderSignsAPersonOut(t *testing.T) {
	for name, row := range map[string]struct {
		typ     string
		changes map[string]any
		out     bool
	}{
		"a session":                     {"logout+jwt", nil, true},
		"a session alone":               {"logout+jwt", map[string]any{"sub": nil}, true},
		"a person":                      {"logout+jwt", map[string]any{"sid": nil}, true},
		"another session":               {"logout+jwt", map[string]any{"sid": "session-2"}, false},
		"another person":                {"logout+jwt", map[string]any{"sub": "s2"}, false},
		"an ID token":                   {"JWT", nil, false},
		"a nonce":                       {"logout+jwt", map[string]any{"nonce": "n"}, false},
		"no event":                      {"logout+jwt", map[string]any{"events": nil}, false},
		"another event":                 {"logout+jwt", map[string]any{"events": map[string]any{"x": map[string]any{}}}, false},
		"neither person nor session":    {"logout+jwt", map[string]any{"sub": nil, "sid": nil}, false},
		"another audience":              {"logout+jwt", map[string]any{"aud": "clinic"}, false},
		"another issuer":                {"logout+jwt", map[string]any{"iss": "https://evil.example"}, false},
		"no jti":                        {"logout+jwt", map[string]any{"jti": nil}, false},
		"one that is over":              {"logout+jwt", map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, false},
		"one made too long ago":         {"logout+jwt", map[string]any{"iat": time.Now().Add(-time.Hour).Unix()}, false},
		"events that are not an object": {"logout+jwt", map[string]any{"events": "logout"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, false)
			s.op.spoil = map[string]any{"sid": "session-1"}
			s.get("/sign-in")
			if !s.signedIn() {
				t.Fatal("not signed in")
			}
			s.tell(s.logoutToken(row.typ, row.changes))
			if s.signedIn() == row.out {
				t.Errorf("signed in: %v", !row.out)
			}
		})
	}
}

func TestALogoutTokenCountsOnce(t *testing.T) {
	s := open(t, false)
	token := s.logoutToken("logout+jwt", nil)
	if first, again := s.tell(token), s.tell(token); first != http.StatusOK || again != http.StatusBadRequest {
		t.Errorf("answered %d, then %d", first, again)
	}
	if status := s.tell(token[:len(token)-4] + "AAAA"); status != http.StatusBadRequest {
		t.Errorf("a changed token is answered by %d", status)
	}
}
