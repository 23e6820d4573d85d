package op_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

// signer is a house with a client that signs its requests.
type signer struct {
	*house
	key    any
	client op.Client
}

func newSigner(t *testing.T, change func(*op.Client)) *signer {
	t.Helper()
	key := ecKey(t)
	client := sampleClients()[0]
	client.ID, client.TrustedConsent = "signer", true
	client.Secrets = []op.ClientSecret{{Hash: keys.Hash("signer-secret")}}
	client.JWKS = keySet(t, jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Use: "sig"})
	change(&client)
	return &signer{newHouse(t, client), key, client}
}

// object signs a good request with these changes of header and claims; nil removes.
func (s *signer) object(alg string, inHeader, inClaims map[string]any) string {
	s.t.Helper()
	now := s.clock.Now().Unix()
	claims := map[string]any{"iss": s.client.ID, "aud": issuer, "nbf": now, "exp": now + 300}
	for name := range codeRequest(s.client.ID) {
		claims[name] = codeRequest(s.client.ID).Get(name)
	}
	head := map[string]any{"typ": "oauth-authz-req+jwt", "kid": "k1"}
	merge(head, inHeader)
	merge(claims, inClaims)
	return makeJWS(s.t, alg, s.key, head, claims)
}

func (s *signer) ask(object string, more ...string) url.Values {
	s.t.Helper()
	form := url.Values{"client_id": {s.client.ID}, "request": {object}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return s.authorize(form).back()
}

func TestASignedRequestIsWhatTheClientSignedAndNothingElse(t *testing.T) {
	s := newSigner(t, func(*op.Client) {})
	back := s.ask(s.object("", nil, map[string]any{"max_age": 600, "claims": map[string]any{"userinfo": map[string]any{"email": nil}}}),
		"state", "of the address bar", "scope", "openid snils", "redirect_uri", "https://evil.example/", "response_mode", "form_post", "prompt", "none")
	if back.Get("state") != "state" || back.Get("code") == "" {
		t.Fatalf("what stood beside the object counted: %v", back)
	}
	if tokens := s.exchange(s.client.ID, back.Get("code")); tokens.status != http.StatusOK || tokens.text("scope") != "openid phone" {
		t.Errorf("%d %v", tokens.status, tokens.body)
	}
	pushed := s.post("/par", s.client.ID, url.Values{"request": {s.object("", nil, nil)}, "scope": {"openid snils"}})
	if pushed.status != http.StatusCreated {
		t.Fatalf("%d %v", pushed.status, pushed.body)
	}
	if back := s.authorize(opened(s.client.ID, pushed.text("request_uri"))).back(); back.Get("code") == "" || back.Get("state") != "state" {
		t.Errorf("a signed request that was pushed: %v", back)
	}
	for what, claims := range map[string]map[string]any{"an array as audience": {"aud": []string{issuer}}, "without nbf": {"nbf": nil}} {
		if back := s.ask(s.object("", nil, claims)); back.Get("code") == "" {
			t.Errorf("%s: %v", what, back)
		}
	}
	for what, head := range map[string]map[string]any{"as in OpenID Connect": {"typ": nil}, "typ JWT": {"typ": "JWT"}, "without kid": {"kid": nil}} {
		if back := s.ask(s.object("", head, nil)); back.Get("code") == "" {
			t.Errorf("%s: %v", what, back)
		}
	}
}

func TestP28ASpoiltRequestObjectIsRefused(t *testing.T) {
	s := newSigner(t, func(*op.Client) {})
	now := s.clock.Now().Unix()
	good := s.object("", nil, nil)
	for what, row := range map[string]struct{ object, says string }{
		"none":                       {s.object("none", nil, nil), "request.alg"},
		"None":                       {s.object("None", nil, nil), "request.alg"},
		"the public key as a secret": {s.object("HS256", nil, nil), "request.alg"},
		"a signature of zeros":       {s.object("psychic", nil, nil), "request.key"},
		"another kid":                {s.object("", map[string]any{"kid": "k2"}, nil), "request.key"},
		"another key":                {makeJWS(t, "", ecKey(t), map[string]any{"typ": "oauth-authz-req+jwt"}, part(t, good, 1)), "request.key"},
		"other claims, old signature": {strings.Split(good, ".")[0] + "." + encodeJSON(t, map[string]any{"iss": s.client.ID}) + "." + strings.Split(good, ".")[2],
			"request.key"},
		"a key of its own":          {s.object("", map[string]any{"jwk": map[string]any{}}, nil), "request.header"},
		"an address of keys":        {s.object("", map[string]any{"jku": "https://evil.example/"}, nil), "request.header"},
		"a critical header":         {s.object("", map[string]any{"crit": []string{"b64"}, "b64": false}, nil), "request.header"},
		"an ID token's typ":         {s.object("", map[string]any{"typ": "at+jwt"}, nil), "request.typ"},
		"a proof's typ":             {s.object("", map[string]any{"typ": "dpop+jwt"}, nil), "request.typ"},
		"another issuer":            {s.object("", nil, map[string]any{"iss": "other"}), "request.client"},
		"another client":            {s.object("", nil, map[string]any{"client_id": "other"}), "request.client"},
		"no client":                 {s.object("", nil, map[string]any{"client_id": nil}), "request.client"},
		"a client assertion":        {s.object("", map[string]any{"typ": "JWT"}, map[string]any{"sub": s.client.ID}), "request.client"},
		"another audience":          {s.object("", nil, map[string]any{"aud": "https://other.example"}), "request.audience"},
		"no audience":               {s.object("", nil, map[string]any{"aud": nil}), "request.audience"},
		"no end":                    {s.object("", nil, map[string]any{"exp": nil}), "request.time"},
		"expired":                   {s.object("", nil, map[string]any{"exp": now - 60}), "request.time"},
		"a long life":               {s.object("", nil, map[string]any{"exp": now + 2*3600}), "request.time"},
		"not yet":                   {s.object("", nil, map[string]any{"nbf": now + 120}), "request.time"},
		"from long ago":             {s.object("", nil, map[string]any{"nbf": now - 2*3600}), "request.time"},
		"an object in an object":    {s.object("", nil, map[string]any{"request": good}), "request.malformed"},
		"an address in an object":   {s.object("", nil, map[string]any{"request_uri": "urn:x"}), "request.malformed"},
		"a claim of another type":   {s.object("", nil, map[string]any{"exp": "soon"}), "request.malformed"},
		"no JWT":                    {"ey..", "request.malformed"},
		"five parts":                {"a.b.c.d.e", "request.malformed"},
		"too long":                  {s.object("", nil, map[string]any{"state": strings.Repeat("s", 20<<10)}), "request.malformed"},
		"a redirect URI of another": {s.object("", nil, map[string]any{"redirect_uri": "https://evil.example/cb"}), "redirect_uri"},
	} {
		got := s.post("/par", s.client.ID, url.Values{"request": {row.object}})
		if got.status != http.StatusBadRequest || !strings.Contains(got.text("error_description"), "["+row.says) {
			t.Errorf("%s, pushed: %d %v", what, got.status, got.body)
		}
		answer := s.authorize(url.Values{"client_id": {s.client.ID}, "request": {row.object}})
		if back := answer.back(); back.Get("code") != "" || strings.HasPrefix(answer.header.Get("Location"), "https://evil.example") {
			t.Errorf("%s led to %s", what, answer.header.Get("Location"))
		}
	}
	early := s.object("", nil, map[string]any{"nbf": now + 3600, "exp": now + 3660})
	if back := s.ask(early); !strings.Contains(back.Get("error_description"), "clock is ahead by 3600 s") {
		t.Errorf("by a clock that is an hour ahead: %v", back)
	}
	s.later(time.Hour)
	if back := s.ask(good); back.Get("code") != "" || back.Get("error") != "invalid_request_object" {
		t.Errorf("an hour later: %v", back)
	}
}

func TestAClientThatSignsIsHeldToIt(t *testing.T) {
	s := newSigner(t, func(c *op.Client) { c.RequireSigned, c.RequestAlg = true, "ES256" })
	if back := s.authorize(codeRequest(s.client.ID)).back(); back.Get("error") != "invalid_request" || !strings.Contains(back.Get("error_description"), "request.required") {
		t.Errorf("unsigned: %v", back)
	}
	if got := s.post("/par", s.client.ID, codeRequest(s.client.ID)); got.status != http.StatusBadRequest {
		t.Errorf("unsigned, pushed: %d", got.status)
	}
	if back := s.ask(s.object("", nil, nil)); back.Get("code") == "" {
		t.Errorf("signed: %v", back)
	}
	uri := s.post("/par", s.client.ID, url.Values{"request": {s.object("", nil, nil)}}).text("request_uri")
	if back := s.authorize(opened(s.client.ID, uri)).back(); back.Get("code") == "" {
		t.Errorf("signed and pushed: %v", back)
	}
	other := newSigner(t, func(c *op.Client) { c.RequestAlg = "PS256" })
	if back := other.ask(other.object("", nil, nil)); back.Get("error") != "invalid_request_object" {
		t.Errorf("another algorithm than the registered one: %v", back)
	}
}

func TestTheProfileFAPI2TakesNoRequestObjectWithoutABeginning(t *testing.T) {
	s := newSigner(t, func(c *op.Client) { c.Profile, c.Auth, c.Secrets = op.ProfileFAPI2, []string{op.AuthPrivateKey}, nil })
	push := func(object string) wire {
		now := s.clock.Now().Unix()
		assertion := makeJWS(t, "", s.key, map[string]any{"kid": "k1"}, map[string]any{"iss": s.client.ID, "sub": s.client.ID, "aud": issuer, "exp": now + 60, "jti": keys.RandomID()})
		r := httptest.NewRequest(http.MethodPost, "/par", strings.NewReader(url.Values{"request": {object}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return s.do(r)
	}
	for what, typ := range map[string]any{"of its own": "oauth-authz-req+jwt", "in another case": "OAuth-Authz-Req+JWT", "of any JWT": "JWT", "none": nil} {
		if got := push(s.object("", map[string]any{"typ": typ}, nil)); got.status != http.StatusCreated {
			t.Errorf("a good one, its typ %s: %d %v", what, got.status, got.body)
		}
	}
	for says, object := range map[string]string{
		"request.client": s.object("", map[string]any{"typ": nil}, map[string]any{"sub": s.client.ID}),
		"request.typ":    s.object("", map[string]any{"typ": "dpop+jwt"}, nil),
		"request.time":   s.object("", nil, map[string]any{"nbf": nil}),
	} {
		if got := push(object); got.text("error") != "invalid_request_object" || !strings.Contains(got.text("error_description"), "["+says) {
			t.Errorf("%s: %d %v", says, got.status, got.body)
		}
	}
	loose := s.client
	loose.ResponseAlg = "RS256"
	if err := loose.Check(); err == nil || !strings.Contains(err.Error(), "authorization_signed_response_alg") {
		t.Errorf("RS256 in the profile: %v", err)
	}
}
