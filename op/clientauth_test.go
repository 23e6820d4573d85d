package op_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/storagetest"
)

const issuer = "https://id.example"

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// clientBench authenticates clients as the token endpoint does, on a real store.
type clientBench struct {
	clock        *storagetest.Clock
	authenticate func(*http.Request, url.Values) (*op.Client, error)
	ec, otherEC  *ecdsa.PrivateKey
	rsa, weak    *rsa.PrivateKey
}

func newClientBench(t *testing.T) clientBench {
	t.Helper()
	b := clientBench{clock: storagetest.NewClock()}
	rec, eph, _ := storagetest.Open(t, b.clock.Now)
	b.ec, b.otherEC, b.rsa, b.weak = ecKey(t), ecKey(t), rsaKey(t, 2048), rsaKey(t, 1024)
	jwks := keySet(t, jose.JSONWebKey{Key: b.ec.Public(), KeyID: "ec"}, jose.JSONWebKey{Key: b.rsa.Public(), KeyID: "rsa"}, jose.JSONWebKey{Key: b.weak.Public(), KeyID: "weak"})
	past, ahead := b.clock.Now().Add(-time.Second), b.clock.Now().Add(time.Hour)
	for _, c := range []op.Client{
		{ID: "web", Auth: []string{op.AuthBasic, op.AuthPost}, Secrets: []op.ClientSecret{
			{Hash: keys.Hash("old"), ExpiresAt: past}, {Hash: keys.Hash("s:e+c r%t"), ExpiresAt: ahead}, {Hash: keys.Hash("second")}}},
		{ID: "basic", Auth: []string{op.AuthBasic}, Secrets: []op.ClientSecret{{Hash: keys.Hash("secret")}}},
		{ID: "spa", Auth: []string{op.AuthNone}},
		{ID: "portal", Auth: []string{op.AuthPrivateKey}, JWKS: jwks},
		{ID: "bank", Auth: []string{op.AuthPrivateKey}, JWKS: jwks, Profile: op.ProfileFAPI2},
		{ID: "other", Auth: []string{op.AuthPrivateKey}, JWKS: keySet(t, jose.JSONWebKey{Key: b.otherEC.Public(), KeyID: "ec"})},
	} {
		if err := rec.PutClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	b.authenticate = op.ClientAuthenticator(issuer, rec, eph, b.clock.Now)
	return b
}

func (b clientBench) ask(authorization string, form url.Values) (*op.Client, error) {
	r := httptest.NewRequest(http.MethodPost, issuer+"/token", strings.NewReader(form.Encode()))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return b.authenticate(r, form)
}

func TestAClientAuthenticatesByExactlyItsRegisteredMethod(t *testing.T) {
	b := newClientBench(t)
	for _, row := range []struct {
		what, authorization string
		form                url.Values
		client, diagnosis   string
		status              int
	}{
		{what: "basic, form-encoded", authorization: basic("web", url.QueryEscape("s:e+c r%t")), client: "web"},
		{what: "a second secret", authorization: basic("web", "second"), client: "web"},
		{what: "scheme in lower case", authorization: strings.Replace(basic("web", "second"), "Basic", "basic", 1), client: "web"},
		{what: "post", form: url.Values{"client_id": {"web"}, "client_secret": {"second"}}, client: "web"},
		{what: "none", form: url.Values{"client_id": {"spa"}}, client: "spa"},
		{what: "basic with the same client_id", authorization: basic("web", "second"), form: url.Values{"client_id": {"web"}}, client: "web"},
		{what: "wrong secret", authorization: basic("web", "wrong"), diagnosis: "client.secret", status: 401},
		{what: "empty secret", authorization: basic("web", ""), diagnosis: "client.secret", status: 401},
		{what: "expired secret", authorization: basic("web", "old"), diagnosis: "client.secret", status: 401},
		{what: "unknown client", authorization: basic("nobody", "second"), diagnosis: "client.secret", status: 401},
		{what: "the stored hash as secret", authorization: basic("web", keys.Hash("second")), diagnosis: "client.secret", status: 401},
		{what: "confidential client without secret", form: url.Values{"client_id": {"web"}}, diagnosis: "client.method", status: 401},
		{what: "post where basic is registered", form: url.Values{"client_id": {"basic"}, "client_secret": {"secret"}}, diagnosis: "client.method", status: 401},
		{what: "public client with a secret", authorization: basic("spa", "x"), diagnosis: "client.method", status: 401},
		{what: "unknown public client", form: url.Values{"client_id": {"nobody"}}, diagnosis: "client.unknown", status: 401},
		{what: "nobody", diagnosis: "client.missing", status: 401},
		{what: "two methods (P22)", authorization: basic("web", "second"), form: url.Values{"client_secret": {"second"}}, diagnosis: "client.two_methods", status: 400},
		{what: "two ids", authorization: basic("web", "second"), form: url.Values{"client_id": {"basic"}}, diagnosis: "client.two_ids", status: 400},
		{what: "bearer", authorization: "Bearer abc", diagnosis: "client.basic", status: 401},
		{what: "basic without colon", authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte("web")), diagnosis: "client.basic", status: 401},
		{what: "assertion of another type", form: url.Values{"client_assertion_type": {"saml"}, "client_assertion": {"x"}}, diagnosis: "assertion.type", status: 400},
	} {
		client, err := b.ask(row.authorization, row.form)
		checkAnswer(t, row.what, client, err, row.client, row.diagnosis)
		if status, _, _, challenge := op.WireError(err); err != nil && (status != row.status || (row.authorization != "" && status == 401) != (challenge != "")) {
			t.Errorf("%s: status %d, challenge %q", row.what, status, challenge)
		}
	}
}

func TestP21AClientAssertionIsCheckedWithoutLeniency(t *testing.T) {
	b := newClientBench(t)
	now := b.clock.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for _, row := range []struct {
		what      string
		client    string // portal when empty
		claims    map[string]any
		header    map[string]any
		key       any // the registered EC key when nil
		alg       string
		diagnosis string // accepted when empty
	}{
		{what: "as it should be"},
		{what: "under FAPI", client: "bank"},
		{what: "RS256", key: b.rsa, alg: "RS256"},
		{what: "PS256", key: b.rsa, alg: "PS256", client: "bank"},
		{what: "the endpoint as audience", claims: map[string]any{"aud": issuer + "/token"}},
		{what: "an array of one audience", claims: map[string]any{"aud": []string{issuer}}},
		{what: "issued 10 s ahead", claims: map[string]any{"iat": at(10 * time.Second), "nbf": at(10 * time.Second)}},
		{what: "its own typ", header: map[string]any{"typ": "client-authentication+jwt"}},
		{what: "without kid", header: map[string]any{"kid": nil}},

		{what: "RS256 under FAPI", client: "bank", key: b.rsa, alg: "RS256", diagnosis: "assertion.alg"},
		{what: "the endpoint as audience under FAPI", client: "bank", claims: map[string]any{"aud": issuer + "/token"}, diagnosis: "assertion.audience"},
		{what: "an array under FAPI", client: "bank", claims: map[string]any{"aud": []string{issuer}}, diagnosis: "assertion.audience"},
		{what: "two audiences", claims: map[string]any{"aud": []string{issuer, "https://evil.example"}}, diagnosis: "assertion.audience"},
		{what: "another audience", claims: map[string]any{"aud": "https://evil.example"}, diagnosis: "assertion.audience"},
		{what: "no audience", claims: map[string]any{"aud": nil}, diagnosis: "assertion.audience"},
		{what: "expired", claims: map[string]any{"exp": at(-11 * time.Second)}, diagnosis: "assertion.expired"},
		{what: "no exp", claims: map[string]any{"exp": nil}, diagnosis: "assertion.lifetime"},
		{what: "far exp", claims: map[string]any{"exp": at(10 * time.Minute)}, diagnosis: "assertion.lifetime"},
		{what: "absurd exp", claims: map[string]any{"exp": 1e300}, diagnosis: "assertion.lifetime"},
		{what: "exp as text", claims: map[string]any{"exp": "soon"}, diagnosis: "assertion.malformed"},
		{what: "a clock an hour ahead", claims: map[string]any{"iat": at(time.Hour), "exp": at(time.Hour + time.Minute)}, diagnosis: "assertion.clock"},
		{what: "issued 60 s ahead", claims: map[string]any{"iat": at(61 * time.Second)}, diagnosis: "assertion.clock"},
		{what: "not before 60 s ahead", claims: map[string]any{"nbf": at(61 * time.Second)}, diagnosis: "assertion.clock"},
		{what: "no jti", claims: map[string]any{"jti": nil}, diagnosis: "assertion.jti"},
		{what: "iss is not sub", claims: map[string]any{"iss": "bank"}, diagnosis: "assertion.subject"},
		{what: "unknown client", client: "nobody", diagnosis: "client.unknown"},
		{what: "client without the method", client: "web", diagnosis: "client.method"},
		{what: "unknown kid", header: map[string]any{"kid": "../../etc/passwd"}, diagnosis: "assertion.kid"},
		{what: "key of another client", key: b.otherEC, diagnosis: "assertion.signature"},
		{what: "weak key", key: b.weak, alg: "RS256", header: map[string]any{"kid": "weak"}, diagnosis: "assertion.kid"},
		{what: "EC kid with RSA alg", key: b.rsa, alg: "RS256", header: map[string]any{"kid": "ec"}, diagnosis: "assertion.kid"},
		{what: "alg none", alg: "none", diagnosis: "assertion.alg"},
		{what: "alg None", alg: "None", diagnosis: "assertion.alg"},
		{what: "HS256 with the public key", alg: "HS256", diagnosis: "assertion.alg"},
		{what: "psychic signature", alg: "psychic", diagnosis: "assertion.signature"},
		{what: "jku", header: map[string]any{"jku": "https://evil.example/jwks"}, diagnosis: "assertion.header"},
		{what: "x5u", header: map[string]any{"x5u": "https://evil.example/cert"}, diagnosis: "assertion.header"},
		{what: "crit", header: map[string]any{"crit": []string{"b64"}}, diagnosis: "assertion.header"},
		{what: "access token", header: map[string]any{"typ": "at+jwt"}, diagnosis: "assertion.typ"},
		{what: "request object", header: map[string]any{"typ": "oauth-authz-req+jwt"}, diagnosis: "assertion.typ"},
		{what: "DPoP proof", header: map[string]any{"typ": "dpop+jwt"}, diagnosis: "assertion.typ"},
	} {
		id := row.client
		if id == "" {
			id = "portal"
		}
		claims := map[string]any{"iss": id, "sub": id, "aud": issuer, "iat": at(0), "exp": at(time.Minute), "jti": keys.RandomID()}
		header := map[string]any{"typ": "JWT", "kid": "ec"}
		key := row.key
		if key == nil {
			key = b.ec
		}
		if key == b.rsa {
			header["kid"] = "rsa"
		}
		merge(claims, row.claims)
		merge(header, row.header)
		assertion := makeJWS(t, row.alg, key, header, claims)
		client, err := b.ask("", url.Values{"client_assertion_type": {jwtBearer}, "client_assertion": {assertion}})
		want := id
		if row.diagnosis != "" {
			want = ""
		}
		checkAnswer(t, row.what, client, err, want, row.diagnosis)
		if status, code, _, _ := op.WireError(err); err != nil && (status != 401 || code != "invalid_client") {
			t.Errorf("%s: %d %s", row.what, status, code)
		}
	}
}

// Who looks for a fault of a clock reads which way it is off, and a fault of another kind is not taken for one.
func TestWhatIsWrongWithAnAssertionIsSaidSoThatItCanBeMended(t *testing.T) {
	b := newClientBench(t)
	now := b.clock.Now()
	for says, changes := range map[string]map[string]any{
		"the client's clock is ahead by 3600 s": {"iat": now.Add(time.Hour).Unix(), "exp": now.Add(time.Hour + time.Minute).Unix()},
		"expired 3540 s ago":                    {"iat": now.Add(-time.Hour).Unix(), "exp": now.Add(time.Minute - time.Hour).Unix()},
		"iat is in milliseconds":                {"iat": now.UnixMilli(), "exp": now.Add(time.Minute).UnixMilli()},
		"another type than RFC 7519 says":       {"exp": "60"},
		"aud is '" + issuer + "/'":              {"aud": issuer + "/"},
	} {
		claims := map[string]any{"iss": "portal", "sub": "portal", "aud": issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": keys.RandomID()}
		merge(claims, changes)
		_, err := b.ask("", url.Values{"client_assertion_type": {jwtBearer}, "client_assertion": {makeJWS(t, "", b.ec, map[string]any{"kid": "ec"}, claims)}})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
	}
}

func TestP21AReplayedAssertionIsRefused(t *testing.T) {
	b := newClientBench(t)
	form := b.assertionForm(t, "portal")
	var accepted atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := b.ask("", form); err == nil {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	if n := accepted.Load(); n != 1 {
		t.Errorf("one assertion was accepted %d times", n)
	}
	b.clock.Advance(59 * time.Second)
	_, err := b.ask("", form)
	if _, _, description, _ := op.WireError(err); !strings.Contains(description, "[assertion.replayed]") {
		t.Errorf("near its end: %v", err)
	}
	if _, err := b.ask("", b.assertionForm(t, "bank")); err != nil {
		t.Errorf("another assertion: %v", err)
	}
}

func TestAnAssertionUnderAnotherClientIDIsRefused(t *testing.T) {
	b := newClientBench(t)
	form := b.assertionForm(t, "portal")
	form.Set("client_id", "bank")
	_, err := b.ask("", form)
	if _, _, description, _ := op.WireError(err); !strings.Contains(description, "[assertion.subject]") {
		t.Error(err)
	}
}

func (b clientBench) assertionForm(t *testing.T, id string) url.Values {
	t.Helper()
	now := b.clock.Now()
	assertion := makeJWS(t, "", b.ec, map[string]any{"kid": "ec"},
		map[string]any{"iss": id, "sub": id, "aud": issuer, "exp": now.Add(time.Minute).Unix(), "jti": keys.RandomID()})
	return url.Values{"client_assertion_type": {jwtBearer}, "client_assertion": {assertion}}
}

func FuzzClientAssertion(f *testing.F) {
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb3J0YWwifQ.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, assertion string) {
		r := httptest.NewRequest(http.MethodPost, issuer+"/token", nil)
		clients := fixedClient{op.Client{ID: "portal", Auth: []string{op.AuthPrivateKey}, JWKS: []byte(`{"keys":[]}`)}}
		ask := op.ClientAuthenticator(issuer, clients, nil, storagetest.NewClock().Now)
		if _, err := ask(r, url.Values{"client_assertion_type": {jwtBearer}, "client_assertion": {assertion}}); err == nil {
			t.Errorf("%q was accepted", assertion)
		}
	})
}

func checkAnswer(t *testing.T, what string, client *op.Client, err error, want, diagnosis string) {
	t.Helper()
	switch _, _, description, _ := op.WireError(err); {
	case want != "" && (err != nil || client.ID != want):
		t.Errorf("%s: %v", what, err)
	case want == "" && (client != nil || !strings.HasPrefix(description, "["+diagnosis+"] ")):
		t.Errorf("%s: want [%s], got %v", what, diagnosis, err)
	case strings.ContainsAny(description, "\"\\\n"):
		t.Errorf("%s: %q has characters that error_description may not have", what, description)
	}
}
