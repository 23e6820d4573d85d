package conformance_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// The modules are those of the Security Profile, with every request in a signed object (RFC 9101) and every response signed (JARM); finish
// and signedAnswer make sure of the latter.
func TestConf_fapi2signing(t *testing.T) {
	plan(t, "fapi2signing", signingModules(), "jwt", func(p *provider) {
		p.ids.fapi, p.ids.fapiTwin, p.ids.fapiRSA = p.ids.signed, p.ids.signedTwin, p.ids.signedRSA
	})
}

func signingModules() []module {
	return slices.Concat(fapiModules(), fapiObjects(), []module{
		{"jarm-response-verification", "a signed response has iss, aud, exp, its own typ and no RS256, and is no ID token", jarmResponse},
		{"signed-introspection", "introspection is signed for who asks so (RFC 9701), and names who asked", signedIntrospection},
	})
}

// object is a good request object, yet without the parameters of the request. The first client's has no typ and the second's one in any case, as
// the suite signs them.
func (r *run) object(c *client) *jwt {
	now := r.op.clock.Now().Unix()
	o := &jwt{alg: c.alg, key: c.key, header: map[string]any{"kid": c.keyID(), "typ": "oauth-authz-req+jwt"}, claims: map[string]any{
		"iss": c.id, "client_id": c.id, "aud": r.op.issuer, "jti": rand.Text(), "iat": now, "nbf": now, "exp": now + 300}}
	switch c {
	case r.op.ids.signed, r.op.ids.poll:
		delete(o.header, "typ")
	case r.op.ids.signedTwin, r.op.ids.pollTwin:
		o.header["typ"] = "OautH-auThZ-REQ+jWt"
	}
	return o
}

// signed is the form of a pushed request whose parameters stand in its object.
func (x *call) signed(r *run) url.Values {
	r.Helper()
	for name := range x.form {
		if name != "client_id" && !inForm(name) {
			x.object.claims[name] = x.form.Get(name)
		}
	}
	form := url.Values{"request": {x.object.sign(r)}}
	for name, values := range x.form {
		if name == "client_id" || inForm(name) {
			form[name] = values
		}
	}
	return form
}

// inForm reports whether a parameter stays beside the object: it proves the client.
func inForm(name string) bool {
	return slices.Contains([]string{"client_secret", "client_assertion", "client_assertion_type"}, name)
}

// signedAnswer verifies a signed authorization response as JARM §2.4 asks of a client, and returns what stands in it.
func (r *run) signedAnswer(query url.Values) url.Values {
	r.Helper()
	token := query.Get("response")
	for _, name := range []string{"code", "state", "error", "iss"} {
		if query.Has(name) {
			r.Errorf("%s travels beside the signed response", name)
		}
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
	must(r, err)
	set := r.keys()
	var payload []byte
	for _, key := range set.Key(jws.Signatures[0].Header.KeyID) {
		payload, err = jws.Verify(key.Key)
	}
	if err != nil || payload == nil {
		r.Fatalf("no published key verifies the response: %v", err)
	}
	var claims map[string]any
	must(r, json.Unmarshal(payload, &claims))
	now := float64(r.op.clock.Now().Unix())
	if exp := number(claims["exp"]); claims["iss"] != r.op.issuer || text(claims["aud"]) == "" || exp <= now || exp > now+600 {
		r.Errorf("iss, aud or exp of the response: %v", claims)
	}
	out := url.Values{}
	for name, value := range claims {
		if s := text(value); s != "" {
			out.Set(name, s)
		}
	}
	for name, values := range query { // of the redirect URI itself
		if name != "response" {
			out[name] = values
		}
	}
	return out
}

func fapiObjects() []module {
	seconds := func(name string, from int64) func(*run, *jwt) {
		return func(r *run, o *jwt) { o.claims[name] = r.op.clock.Now().Unix() + from }
	}
	without := func(name string) func(*run, *jwt) { return func(_ *run, o *jwt) { delete(o.claims, name) } }
	push := func(r *run, spoil func(*run, *jwt)) reply {
		c := r.op.ids.fapiRSA
		return r.push(c, c.request(), func(x *call) { spoil(r, x.object) })
	}
	taken := func(spoil func(*run, *jwt)) func(*run) {
		return func(r *run) {
			got := push(r, spoil)
			if got.status != http.StatusCreated {
				r.Fatalf("%d %s", got.status, got.raw)
			}
			if a := r.visit(url.Values{"client_id": {r.op.ids.fapiRSA.id}, "request_uri": {text(got.body["request_uri"])}}); a.Get("code") == "" {
				r.Errorf("%+v", a)
			}
		}
	}
	refused := func(spoil func(*run, *jwt)) func(*run) {
		return func(r *run) { r.want(push(r, spoil), http.StatusBadRequest, "invalid_request_object") }
	}
	const name = fapiName + "ensure-request-object-"
	return []module{
		{name + "with-multiple-aud-succeeds", "the issuer among several audiences", taken(func(r *run, o *jwt) { o.claims["aud"] = []string{"https://other.example", r.op.issuer} })},
		{name + "with-nbf-8-seconds-in-the-future-is-accepted", "a clock a little ahead", taken(seconds("nbf", 8))},
		{name + "without-exp-fails", "exp is needed", refused(without("exp"))},
		{name + "without-nbf-fails", "nbf is needed", refused(without("nbf"))},
		{name + "with-bad-aud-fails", "an object for another audience is refused", refused(func(_ *run, o *jwt) { o.claims["aud"] = "https://other.example" })},
		{fapiName + "ensure-expired-request-object-fails", "one that ended is refused", refused(seconds("exp", -120))},
		{name + "with-exp-over-60-fails", "so is one that ends in more than an hour", refused(seconds("exp", 70*60))},
		{name + "with-nbf-over-60-fails", "and one that began more than an hour ago", refused(seconds("nbf", -70*60))},
		{fapiName + "ensure-signed-request-object-with-RS256-fails", "an object by RS256 is refused, though the key fits", refused(func(_ *run, o *jwt) { o.alg = "RS256" })},
		{name + "signature-algorithm-is-not-none", "so is one that nobody signed", refused(func(_ *run, o *jwt) { o.alg = "none" })},
		{name + "with-invalid-signature-fails", "and one that another key signed under this key's name", refused(func(r *run, o *jwt) {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			must(r, err)
			o.key = key
		})},
		{fapiName + "ensure-matching-key-in-authorization-request", "the object of another client is refused, by its own key and whole", func(r *run) {
			c, twin := r.op.ids.fapiRSA, r.op.ids.fapiTwin
			r.want(r.push(c, c.request(), func(x *call) { x.object.key, x.object.alg, x.object.header["kid"] = twin.key, twin.alg, twin.keyID() }), http.StatusBadRequest, "invalid_request_object")
			r.want(r.push(c, c.request(), func(x *call) { x.object = r.object(twin) }), http.StatusBadRequest, "invalid_request_object")
		}},
		{name + "without-redirect-uri-fails", "a redirect URI beside the object does not count", func(r *run) {
			c := r.op.ids.fapiRSA
			got := r.push(c, c.request("redirect_uri", ""), func(x *call) {
				signed := x.signed(r)
				x.object, x.form = nil, signed
				x.form.Set("redirect_uri", callback)
			})
			r.want(got, http.StatusBadRequest, "invalid_request", "invalid_request_object")
		}},
		{fapiName + "ensure-unsigned-request-at-par-endpoint-fails", "a client that signs is held to it", func(r *run) {
			c := r.op.ids.fapiRSA
			r.want(r.push(c, c.request(), func(x *call) { x.object = nil }), http.StatusBadRequest, "invalid_request", "invalid_request_object")
		}},
		{fapiName + "par-authorization-request-containing-request_uri", "an object refers to no other request", refused(func(r *run, o *jwt) { o.claims["request_uri"] = "urn:ietf:params:oauth:request_uri:x" })},
		{fapiName + "ensure-different-state-and-nonce-inside-and-outside-request-object", "what stands beside the object does not count", func(r *run) {
			c := r.op.ids.fapiRSA
			got := r.push(c, c.request(), func(x *call) {
				signed := x.signed(r)
				x.object, x.form = nil, signed
				x.form.Set("state", "outside")
				x.form.Set("nonce", "outside")
			})
			if got.status != http.StatusCreated {
				r.Fatalf("%d %s", got.status, got.raw)
			}
			a := r.visit(url.Values{"client_id": {c.id}, "request_uri": {text(got.body["request_uri"])}})
			id := r.idToken(c, r.exchange(c, a.Get("code")))
			if a.Get("state") != "state-"+c.id || id["nonce"] != "nonce-"+c.id {
				r.Errorf("state %q, nonce %v", a.Get("state"), id["nonce"])
			}
		}},
	}
}

func jarmResponse(r *run) {
	c := r.op.ids.fapi
	form := r.pushed(c)
	r.visit(form)
	token := r.browser.left.Query().Get("response")
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
	must(r, err)
	if typ := jws.Signatures[0].Header.ExtraHeaders[jose.HeaderType]; typ == "JWT" || typ == nil || payload(r, token)["aud"] != c.id {
		r.Errorf("typ %v, %v", typ, payload(r, token))
	}
	r.want(r.push(c, c.request("id_token_hint", token)), http.StatusBadRequest, "invalid_request")
	r.browser.denies = true
	denied := r.authorize(r.op.ids.fapiRSA, "scope", "openid email")
	r.refused(denied, "access_denied")
}

func signedIntrospection(r *run) {
	c := r.op.ids.fapi
	token := text(r.tokens(c).body["access_token"])
	ask := func(caller *client, token string) map[string]any {
		r.Helper()
		got := r.post(caller, r.op.endpointOf(caller, "introspection_endpoint"), url.Values{"token": {token}}, func(x *call) {
			x.header.Set("Accept", "application/token-introspection+jwt")
		})
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/token-introspection+jwt" {
			r.Fatalf("%d %s %s", got.status, got.header.Get("Content-Type"), got.raw)
		}
		jws, err := jose.ParseSignedCompact(got.raw, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.EdDSA})
		must(r, err)
		set := r.keys()
		claims, err := jws.Verify(set.Key(jws.Signatures[0].Header.KeyID)[0].Key)
		must(r, err)
		var out map[string]any
		must(r, json.Unmarshal(claims, &out))
		if out["iss"] != r.op.issuer || out["aud"] != caller.id || out["exp"] != nil || out["sub"] != nil {
			r.Errorf("%v", out)
		}
		inner, _ := out["token_introspection"].(map[string]any)
		return inner
	}
	if got := ask(c, token); got["active"] != true || got["client_id"] != c.id {
		r.Errorf("%v", got)
	}
	if got := ask(r.op.ids.fapiTwin, token); got["active"] != false || len(got) != 1 {
		r.Errorf("another client learns %v", got)
	}
}
