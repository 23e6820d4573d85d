package op_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// What a provider built on the library's own server was seen to do. Each stays a test, so that neither an upgrade of the library nor
// a convenience of ours brings it back.

// trapHouse has clients of every kind that a trap was seen with.
func trapHouse(t *testing.T) *house {
	t.Helper()
	clients := sampleClients()
	clients = append(clients,
		op.Client{ID: "compat", Profile: op.ProfileCompat, Auth: []string{op.AuthBasic}, Secrets: []op.ClientSecret{{Hash: keys.Hash("compat-secret")}},
			RedirectURIs: []string{callback}, GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid"}},
		op.Client{ID: "native", Profile: op.ProfileOIDC, Native: true, Auth: []string{op.AuthNone}, RedirectURIs: []string{"http://127.0.0.1/callback", "com.example.app:/cb"},
			GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid"}})
	h := newHouse(t, clients...)
	for _, c := range clients {
		must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: c.ID, Scopes: c.Scopes}, account.Origin{}))
	}
	return h
}

func (h *house) code(client string, changes ...string) string {
	h.t.Helper()
	code := h.authorize(codeRequest(client, changes...)).back().Get("code")
	if code == "" {
		h.t.Fatalf("no code for %s: %+v", client, h.front.shown)
	}
	return code
}

func TestTrap1NobodyGetsRoundPKCE(t *testing.T) {
	h := trapHouse(t)
	for _, client := range []string{"web", "spa"} {
		for what, changes := range map[string][]string{
			"no challenge":               {"code_challenge", "", "code_challenge_method", ""},
			"plain":                      {"code_challenge", verifier, "code_challenge_method", "plain"},
			"a challenge without method": {"code_challenge_method", ""},
			"S256 in lower case":         {"code_challenge_method", "s256"},
		} {
			back := h.authorize(codeRequest(client, changes...)).back()
			if back.Get("code") != "" || back.Get("error") != "invalid_request" || !strings.HasPrefix(back.Get("error_description"), "[pkce.") {
				t.Errorf("%s, %s: %v", client, what, back)
			}
		}
		for what, given := range map[string]string{"no verifier": "", "another": strings.Repeat("x", 43), "short": verifier[:42], "long": strings.Repeat("x", 129), "the challenge": s256(verifier)} {
			form := url.Values{"grant_type": {"authorization_code"}, "code": {h.code(client)}, "redirect_uri": {callback}}
			if given != "" {
				form.Set("code_verifier", given)
			}
			if got := h.post("/token", client, form); got.status != 400 || got.text("error") != "invalid_grant" {
				t.Errorf("%s, %s: %d %v", client, what, got.status, got.body)
			}
		}
	}
	// The profile that may do without is not cheated by a verifier out of nowhere.
	code := h.code("compat", "scope", "openid", "code_challenge", "", "code_challenge_method", "")
	if got := h.exchange("compat", code); got.text("error") != "invalid_grant" {
		t.Errorf("a verifier without a challenge: %d %v", got.status, got.body)
	}
}

func TestTrap2P27OneTokenIsNeverTakenForAnother(t *testing.T) {
	h := trapHouse(t)
	tokens := h.exchange("web", h.code("web"))
	access, id := tokens.text("access_token"), tokens.text("id_token")
	if header(t, access)["typ"] != "at+jwt" || header(t, id)["typ"] == "at+jwt" || header(t, access)["kid"] == header(t, id)["kid"] {
		t.Errorf("headers %v and %v", header(t, access), header(t, id))
	}
	if got := h.userinfo("Bearer " + id); got.status != http.StatusUnauthorized {
		t.Errorf("an ID token at userinfo: %d", got.status)
	}
	if got := h.userinfo("Bearer " + access); got.status != http.StatusOK {
		t.Errorf("an access token at userinfo: %d %v", got.status, got.body)
	}
	for what, row := range map[string]struct {
		client, token string
		active        bool
	}{
		"its own access token":      {"web", access, true},
		"an ID token":               {"web", id, false},
		"another's access token":    {"other", access, false},
		"a token that is not there": {"web", "abc", false},
	} {
		got := h.post("/introspect", row.client, url.Values{"token": {row.token}})
		if got.status != 200 || got.body["active"] != row.active || !row.active && len(got.body) != 1 {
			t.Errorf("%s: %d %v", what, got.status, got.body)
		}
	}
	if back := h.authorize(codeRequest("web", "id_token_hint", access)).back(); back.Get("code") != "" {
		t.Error("an access token passed as id_token_hint")
	}
	h.post("/revoke", "web", url.Values{"token": {access}})
	if got := h.userinfo("Bearer " + access); got.status != http.StatusUnauthorized {
		t.Errorf("a revoked token still opens: %d", got.status)
	}
}

func TestTrap3P06OfManyExchangesOneWinsAndTheReplayEndsIt(t *testing.T) {
	h := trapHouse(t)
	for range 3 {
		code := h.code("web")
		var won atomic.Int64
		var access atomic.Value
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := h.exchange("web", code); got.status == http.StatusOK {
					won.Add(1)
					access.Store(got.text("access_token"))
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d exchanges of one code won", won.Load())
		}
		h.exchange("web", code) // once more, when the winner's grant surely stands
		token, _ := access.Load().(string)
		if got := h.userinfo("Bearer " + token); got.status != http.StatusUnauthorized {
			t.Errorf("the token of a replayed code still opens: %d", got.status)
		}
	}
}

func TestTrap4ACodeIsNotTouchedBeforeTheClientIsKnown(t *testing.T) {
	h := trapHouse(t)
	code := h.code("web")
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("web", "guess")
	if got := h.do(r); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
		t.Fatalf("%d %v", got.status, got.body)
	}
	if got := h.exchange("web", code); got.status != http.StatusOK {
		t.Errorf("a stranger burnt the code: %d %v", got.status, got.body)
	}
	if got := h.exchange("other", h.code("web")); got.text("error") != "invalid_grant" { // P07
		t.Errorf("another client redeemed the code: %v", got.body)
	}
}

func TestTrap5HandlesAreRandomAndNothingElse(t *testing.T) {
	h := trapHouse(t)
	seen := map[string]bool{}
	for range 50 {
		code := h.code("web")
		if len(code) < 43 || seen[code] {
			t.Fatalf("code %q", code)
		}
		seen[code] = true
		for _, changed := range []string{code[:42] + flip(code[42]), flip(code[0]) + code[1:], code + "A", code[:len(code)-1]} {
			if got := h.exchange("web", changed); got.text("error") != "invalid_grant" {
				t.Errorf("a changed code: %v", got.body)
			}
		}
	}
}

func TestTrap6AnApprovalGivesOneCode(t *testing.T) {
	h := trapHouse(t)
	person := h.front.auth
	h.front.auth = nil
	h.authorize(codeRequest("web"))
	id := h.front.entered.ID
	var codes atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if response, err := h.provider.Approve(t.Context(), id, *person); err == nil && response.Params["code"] != "" {
				codes.Add(1)
			}
		})
	}
	all.Wait()
	if codes.Load() != 1 {
		t.Errorf("%d codes for one approval", codes.Load())
	}
}

func TestTrap7P01ARedirectURIIsComparedExactly(t *testing.T) {
	h := trapHouse(t)
	for _, row := range []struct {
		client, uri string
		fits        bool
	}{
		{"web", callback, true},
		{"native", "http://127.0.0.1:51004/callback", true},
		{"native", "http://127.0.0.1/callback", true},
		{"native", "com.example.app:/cb", true},
		{"native", "http://localhost:51004/callback", false},
		{"native", "http://127.0.0.2:51004/callback", false},
		{"native", "http://[::1]:51004/callback", false},
		{"native", "https://127.0.0.1:51004/callback", false},
		{"native", "http://user@127.0.0.1:51004/callback", false},
		{"native", "http://127.0.0.1:51004@evil.example/callback", false},
		{"native", "http://127.0.0.1:51004/callback#x", false},
		{"native", "http://127.0.0.1:51004/callback?x=1", false},
		{"native", "http://127.0.0.1:51004/callback/", false},
		{"native", "http://127.0.0.1:51004/%63allback", false},
		{"native", "http://127.0.0.1:0/callback", false},
		{"native", "http://127.0.0.1:99999/callback", false},
		{"native", "http://127.0.0.1:/callback", false},
		{"native", "http://127.0.0.1.evil.example/callback", false},
		{"native", "http://127.0.0.1:51004\\@evil.example/callback", false},
		{"native", "com.example.app:/other", false},
		{"web", "http://localhost:8091/callback", false},
		{"web", "https://localhost:8090/callback", false},
		{"web", "http://LOCALHOST:8090/callback", false},
		{"web", "http://localhost:8090/callback/", false},
		{"web", "http://localhost:8090/%63allback", false},
		{"web", "http://localhost:8090/callback%2e", false},
		{"web", "http://localhost:8090/x/../callback", false},
		{"web", "http://localhost:8090/callback?a=b", false},
		{"web", "http://localhost:8090/callback#a", false},
		{"web", "http://localhost:8090@evil.example/callback", false},
		{"web", "http://localhost:8090.evil.example/callback", false},
		{"web", "//localhost:8090/callback", false},
		{"web", "javascript:alert(1)", false},
		{"web", "http://localhost:8090/callback\r\nSet-Cookie: a=b", false},
		{"web", "http://localhost：8090/callback", false},
	} {
		got := h.authorize(codeRequest(row.client, "redirect_uri", row.uri, "scope", "openid"))
		gone := got.header.Get("Location") != ""
		if gone != row.fits || !row.fits && got.status != http.StatusBadRequest {
			t.Errorf("%s %s: %d %s", row.client, row.uri, got.status, got.header.Get("Location"))
		}
	}
}

func TestTrap8ARequestObjectThatNobodySignedIsRefusedWhole(t *testing.T) {
	h := trapHouse(t)
	unsignedRequest := "eyJhbGciOiJub25lIn0.eyJjbGllbnRfaWQiOiJ3ZWIiLCJzY29wZSI6Im9wZW5pZCJ9."
	for name, row := range map[string]struct{ value, want string }{
		"request":     {unsignedRequest, "request_not_supported"}, // the client has no keys; what signers hear is TestP28ASpoiltRequestObjectIsRefused
		"request_uri": {"https://rp.example/request.jwt", "request_uri_not_supported"},
		// Nobody registers by a request either (OpenID Connect Core §3.1.2.6).
		"registration": {`{"client_name":"RP"}`, "registration_not_supported"},
	} {
		if back := h.authorize(codeRequest("web", name, row.value)).back(); back.Get("error") != row.want || back.Get("iss") != issuer || back.Get("state") != "state" {
			t.Errorf("%s: %v", name, back)
		}
	}
}

func TestTrap9P42TheWireIsStrict(t *testing.T) {
	h := trapHouse(t)
	tokens := h.exchange("web", h.code("web"))
	if c := tokens.header.Get("Cache-Control"); !strings.Contains(c, "no-store") {
		t.Errorf("tokens may be kept: %q", c)
	}
	access := tokens.text("access_token")
	if c := h.userinfo("Bearer " + access).header.Get("Cache-Control"); !strings.Contains(c, "no-store") {
		t.Errorf("userinfo may be kept: %q", c)
	}
	// RFC 6750 §3.1: where nothing was asked with, no error is named, in a body as little as in the challenge.
	if none := h.userinfo(""); none.status != http.StatusUnauthorized || none.body != nil || strings.Contains(none.header.Get("WWW-Authenticate"), "error") {
		t.Errorf("userinfo without a token: %d %v %v", none.status, none.header, none.body)
	}
	basicAuth := []string{"Authorization", basic("web", "web-secret")}
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for _, row := range []struct {
		what, method, target, body string
		header                     []string
		status                     int
	}{
		{"GET at the token endpoint", "GET", "/token?grant_type=client_credentials&client_id=web&client_secret=web-secret", "", nil, 405},
		{"a secret in the query", "POST", "/token?client_secret=web-secret", "grant_type=client_credentials&client_id=web", form, 400},
		{"an access token in the query", "GET", "/userinfo?access_token=" + access, "", nil, 400},
		{"a parameter twice", "POST", "/token", "grant_type=refresh_token&grant_type=authorization_code", append(form, basicAuth...), 400},
		{"a parameter twice in the request", "GET", "/authorize?" + codeRequest("web").Encode() + "&scope=openid", "", nil, 400},
		{"JSON", "POST", "/token", `{"grant_type":"client_credentials"}`, append([]string{"Content-Type", "application/json"}, basicAuth...), 400},
		{"a token in header and body", "POST", "/userinfo", "access_token=" + access, append(form, "Authorization", "Bearer "+access), 400},
		{"DELETE at userinfo", "DELETE", "/userinfo", "", nil, 405},
	} {
		r := httptest.NewRequest(row.method, row.target, strings.NewReader(row.body))
		for i := 0; i+1 < len(row.header); i += 2 {
			r.Header.Set(row.header[i], row.header[i+1])
		}
		if got := h.do(r); got.status != row.status || got.header.Get("Location") != "" {
			t.Errorf("%s: %d %v", row.what, got.status, got.body)
		}
	}
}

func TestAParameterWithoutAValueIsAsIfItWereOmitted(t *testing.T) {
	h := trapHouse(t)
	code := h.authorize(codeRequest("web", "prompt", "")).back().Get("code")
	ask := codeRequest("web")
	for _, name := range []string{"prompt", "max_age", "claims", "request", "request_uri", "response_mode", "id_token_hint", "authorization_details"} {
		ask.Set(name, "")
	}
	if got := h.authorize(ask).back().Get("code"); got == "" {
		t.Error("an authorization request with empty parameters has no code")
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
		"client_secret": {""}, "client_assertion": {""}, "client_assertion_type": {""}, "resource": {""}, "scope": {""}}
	if got := h.post("/token", "web", form); got.status != http.StatusOK {
		t.Errorf("%d %v", got.status, got.body)
	}
}

func TestTrap9P40OtherOriginsGetNoCredentials(t *testing.T) {
	h := trapHouse(t)
	for path, open := range map[string]bool{"/token": true, "/userinfo": true, "/jwks": true, "/.well-known/openid-configuration": true,
		"/authorize": false, "/introspect": false, "/end_session": false, "/par": false} {
		r := httptest.NewRequest(http.MethodOptions, path, nil)
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		got := h.do(r)
		if allowed := got.header.Get("Access-Control-Allow-Origin"); (allowed == "*") != open || allowed == "https://evil.example" || got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: origin %q, credentials %q", path, allowed, got.header.Get("Access-Control-Allow-Credentials"))
		}
	}
}

// broken is a store whose failures say what nobody outside should read.
type broken struct{ op.FamilyStore }

var errBroken = errors.New(`pq: relation "families" at 10.0.0.7 with password hunter2`)

func (broken) CreateFamily(context.Context, *op.Family) error { return errBroken }

func (broken) Family(context.Context, string) (*op.Family, *account.Account, error) {
	return nil, nil, errBroken
}

func TestTrap9AndTrap10NeitherClientsNorLogsReadWhatTheyShouldNot(t *testing.T) {
	clock := storagetest.NewClock()
	rec, eph, sealer := storagetest.Open(t, clock.Now)
	ring, err := keys.NewRing(t.Context(), keys.RingConfig{Store: rec, Sealer: sealer, Now: clock.Now, Algorithms: []keys.Algorithm{keys.RS256, keys.ES256}})
	must(t, err)
	accounts, err := account.New(account.Config{Store: rec, Sessions: rec, Outbox: rec, Cases: rec, Ephemera: eph, Sealer: sealer, Issuer: issuer, Now: clock.Now,
		Passwords: credential.NewHasher(credential.HasherConfig{MemoryKiB: 64, Iterations: 1}), Policy: credential.NewPolicy(credential.PolicyConfig{})})
	must(t, err)
	for _, c := range sampleClients() {
		must(t, rec.PutClient(t.Context(), c))
	}
	var log bytes.Buffer
	f := &front{auth: &op.Authentication{AccountID: "a", SessionID: "s1", Time: clock.Now(), Strength: account.OneFactor, Level: account.Standard}}
	h := &house{t: t, clock: clock, front: f, accounts: accounts}
	h.provider, err = op.New(t.Context(), op.Config{Issuer: issuer, Accounts: accounts, Clients: rec, Families: broken{rec}, Ephemera: eph, Outbox: rec, Ring: ring,
		Sealer: sealer, Front: func() op.Front { return f }, Now: clock.Now, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	must(t, err)
	code := h.code("web", "state", "canary-state", "nonce", "canary-nonce")
	got := h.exchange("web", code)
	if got.status != http.StatusInternalServerError || got.text("error") != "server_error" {
		t.Fatalf("%d %v", got.status, got.body)
	}
	for _, secret := range []string{"hunter2", "10.0.0.7", "families", "pq:"} {
		if strings.Contains(got.text("error_description"), secret) {
			t.Errorf("the client reads %q", secret)
		}
	}
	for _, secret := range []string{code, "canary-state", "canary-nonce", verifier, "web-secret"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
	if !strings.Contains(log.String(), "hunter2") { // what the operator needs is there
		t.Error("the log does not say what failed")
	}
}

func TestTrap10ARefreshedIDTokenSaysAsMuchAsTheFirst(t *testing.T) {
	h := trapHouse(t)
	first := h.exchange("web", h.code("web", "scope", "openid offline_access"))
	h.clock.Advance(1e9)
	second := h.post("/token", "web", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.text("refresh_token")}})
	if second.status != http.StatusOK {
		t.Fatalf("%d %v", second.status, second.body)
	}
	was, is := payload(t, first.text("id_token")), payload(t, second.text("id_token"))
	for _, name := range []string{"iss", "sub", "aud", "acr", "amr", "auth_time", "sid", "nonce"} {
		a, _ := json.Marshal(was[name])
		b, _ := json.Marshal(is[name])
		if was[name] == nil || !bytes.Equal(a, b) {
			t.Errorf("%s was %s and is %s", name, a, b)
		}
	}
	if was["iat"] == is["iat"] {
		t.Error("the second is the first")
	}
}

func (h *house) userinfo(authorization string) wire {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", authorization)
	return h.do(r)
}

func header(t *testing.T, token string) map[string]any { return part(t, token, 0) }

func flip(b byte) string {
	if b == 'A' {
		return "B"
	}
	return "A"
}
