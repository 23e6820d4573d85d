package conformance_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestConf_fapi2(t *testing.T) { plan(t, "fapi2", fapiModules(), "") }

// The same modules with clients that registered themselves by an initial access token of the profile.
func TestFAPIClientsThatRegisteredThemselvesPassThePlan(t *testing.T) {
	plan(t, "fapi2 registered", fapiModules(), "", func(p *provider) {
		r := &run{TB: t, op: p}
		for _, c := range []**client{&p.ids.fapi, &p.ids.fapiTwin, &p.ids.fapiRSA} {
			*c = r.registersUnder(fapiToken, *c)
		}
	})
}

// registersUnder registers a client like this one: with its key, and bound to proofs by the profile of the initial access token.
func (r *run) registersUnder(token string, like *client) *client {
	r.Helper()
	c := *like
	c.kid = like.id
	return r.asClient(&c, r.registrationBy(token, http.MethodPost, "", "token_endpoint_auth_method", c.auth, "token_endpoint_auth_signing_alg", c.alg,
		"jwks", map[string]any{"keys": []any{publicJWK(r, c.key.Public(), c.kid)}}, "redirect_uris", []string{callback, callback + "?dummy1=lorem"},
		"grant_types", []string{"authorization_code", "refresh_token"}, "scope", "openid profile email offline_access", "dpop_bound_access_tokens", true))
}

// fapiModules are those of the plan with private_key_jwt and DPoP, as OpenID Connect.
func fapiModules() []module {
	return slices.Concat(fapiNormal(), fapiProofs(), fapiRequests(), fapiTokens(), fapiPushed())
}

const fapiName = "fapi2-security-profile-final-"

func fapiNormal() []module {
	return []module{
		{fapiName + "discovery-end-point-verification", "PAR, iss in responses, S256 alone, private_key_jwt; neither RS256 nor none for proofs", fapiDiscovery},
		{fapiName + "happy-flow", "two clients, two redirect URIs (one with a query), bound tokens, no RS256", fapiHappy},
		{fapiName + "user-rejects-authentication", "access_denied when the person says no", func(r *run) {
			r.browser.denies = true
			r.refused(r.authorize(r.op.ids.fapiRSA, "scope", "openid email"), "access_denied")
		}},
		{fapiName + "ensure-authorization-request-without-state-success", "no state asked, none answered", func(r *run) {
			if a := r.authorize(r.op.ids.fapi, "state", ""); a.Get("code") == "" || a.Has("state") {
				r.Errorf("%+v", a)
			}
		}},
		{fapiName + "ensure-authorization-request-without-nonce-success", "no nonce asked, none in the ID token", func(r *run) {
			if id := r.signedIn(r.op.ids.fapi, "nonce", ""); id["nonce"] != nil {
				r.Errorf("%v", id)
			}
		}},
		{fapiName + "ensure-authorization-request-with-64-char-nonce-success", "a nonce of 64 characters", func(r *run) {
			long := strings.Repeat("n", 64)
			if id := r.signedIn(r.op.ids.fapi, "nonce", long); id["nonce"] != long {
				r.Errorf("%v", id)
			}
		}},
		{fapiName + "ensure-authorization-request-with-long-nonce", "a nonce of 384 characters comes back whole", func(r *run) {
			long := strings.Repeat("n", 384)
			if id := r.signedIn(r.op.ids.fapi, "nonce", long); id["nonce"] != long {
				r.Errorf("%v", id)
			}
		}},
		{fapiName + "ensure-authorization-request-with-long-state", "a state of 1024 characters comes back whole", func(r *run) { r.code(r.op.ids.fapi, "state", strings.Repeat("s", 1024)) }},
		{fapiName + "ensure-other-scope-order-succeeds", "any order of scopes", func(r *run) { r.signedIn(r.op.ids.fapi, "scope", "offline_access openid") }},
		{fapiName + "test-claims-parameter-identity-claims", "claims asked by name, in the ID token and at userinfo, each where it was asked", fapiClaims},
		{fapiName + "access-token-type-header-case-sensitivity", "the scheme DPoP in any case", func(r *run) {
			c := r.op.ids.fapi
			token := text(r.tokens(c).body["access_token"])
			for _, scheme := range []string{"dpop ", "DPOP ", "dPoP "} {
				if got := r.userinfo(c, token, func(x *call) { x.header.Set("Authorization", scheme+token) }); got.status != http.StatusOK {
					r.Errorf("%s: %d", scheme, got.status)
				}
			}
		}},
		{fapiName + "par-without-duplicate-parameters", "client_id and request_uri alone at the authorization endpoint", func(r *run) { r.signedIn(r.op.ids.fapi) }},
		{fapiName + "refresh-token", "a refresh token is bound to its client and its key, and is not rotated", fapiRefresh},
	}
}

func fapiDiscovery(r *run) {
	meta := r.op.meta
	if !strings.HasPrefix(r.op.endpoint("pushed_authorization_request_endpoint"), "https://") || meta["authorization_response_iss_parameter_supported"] != true {
		r.Error("PAR or iss is not announced")
	}
	if methods := texts(meta["code_challenge_methods_supported"]); !slices.Equal(methods, []string{"S256"}) {
		r.Errorf("code_challenge_methods_supported: %v", methods)
	}
	if !slices.Contains(texts(meta["token_endpoint_auth_methods_supported"]), "private_key_jwt") {
		r.Error("private_key_jwt is not announced")
	}
	for _, alg := range texts(meta["dpop_signing_alg_values_supported"]) {
		if !slices.Contains([]string{"PS256", "ES256", "EdDSA"}, alg) {
			r.Errorf("dpop_signing_alg_values_supported has %s", alg)
		}
	}
	if meta["tls_client_certificate_bound_access_tokens"] == nil && len(texts(meta["dpop_signing_alg_values_supported"])) == 0 {
		r.Error("no way to bind tokens")
	}
}

func fapiHappy(r *run) {
	for _, c := range []*client{r.op.ids.fapi, r.op.ids.fapiTwin, r.op.ids.fapiRSA} {
		got := r.tokens(c)
		id := r.idToken(c, got)
		if id["alg"] == "RS256" || got.body["token_type"] != c.tokenType() || id["nonce"] != "nonce-"+c.id {
			r.Errorf("%s: %v, token_type %v", c.id, id, got.body["token_type"])
		}
		if info := r.userinfo(c, text(got.body["access_token"])); info.status != http.StatusOK || info.body["sub"] != id["sub"] {
			r.Errorf("%s: userinfo %d %s", c.id, info.status, info.raw)
		}
	}
	c := r.op.ids.fapiTwin
	a := r.authorize(c, "redirect_uri", callback+"?dummy1=lorem")
	if a.Get("dummy1") != "lorem" {
		r.Errorf("the query of the redirect URI is lost: %v", a)
	}
	if got := r.exchange(c, a.Get("code"), func(x *call) { x.form.Set("redirect_uri", callback+"?dummy1=lorem") }); got.status != http.StatusOK {
		r.Errorf("%d %s", got.status, got.raw)
	}
}

func fapiClaims(r *run) {
	c := r.op.ids.fapi
	got := r.tokens(c, "claims", `{"id_token":{"given_name":null,"acr":{"value":"urn:vhod:acr:standard:1fa"}},"userinfo":{"email":{"essential":true},"gender":{"value":"no such"}}}`)
	id, info := r.idToken(c, got), r.userinfo(c, text(got.body["access_token"])).body
	if id["given_name"] != "Анна" || id["email"] != nil || id["acr"] != "urn:vhod:acr:standard:1fa" {
		r.Errorf("ID token: %v", id)
	}
	if info["email"] != "anna@mail.example" || info["given_name"] != nil || info["gender"] != nil {
		r.Errorf("userinfo: %v", info)
	}
}

func fapiRefresh(r *run) {
	c, twin := r.op.ids.fapi, r.op.ids.fapiTwin
	first := r.tokens(c)
	token := text(first.body["refresh_token"])
	r.want(r.refresh(twin, token), http.StatusBadRequest, "invalid_grant")
	r.want(r.refresh(c, token, func(x *call) { x.proof = r.proof(twin, http.MethodPost, x.proofTarget()) }), http.StatusBadRequest, "invalid_grant")
	r.want(r.refresh(c, token, func(x *call) { x.proof = nil }), http.StatusBadRequest, "invalid_dpop_proof")
	r.want(r.refresh(c, token, func(x *call) { x.assertion = nil }), http.StatusUnauthorized, "invalid_client")
	for range 3 {
		got := r.refresh(c, token)
		if got.status != http.StatusOK || got.body["refresh_token"] != nil && got.body["refresh_token"] != token {
			r.Fatalf("%d %s", got.status, got.raw)
		}
		r.idToken(c, got)
		if info := r.userinfo(c, text(got.body["access_token"])); info.status != http.StatusOK {
			r.Errorf("userinfo: %d %s", info.status, info.raw)
		}
	}
}

// proofTarget is where the proof of a call was made for.
func (x *call) proofTarget() string { return text(x.proof.claims["htu"]) }

func fapiRequests() []module {
	unacceptable := func(codes []string, changes ...string) func(*run) {
		return func(r *run) {
			r.want(r.push(r.op.ids.fapi, r.op.ids.fapi.request(changes...)), http.StatusBadRequest, codes...)
		}
	}
	invalid := []string{"invalid_request"}
	return []module{
		{fapiName + "ensure-registered-redirect-uri", "an unknown redirect_uri is refused when it is pushed", unacceptable(invalid, "redirect_uri", callback+"/other")},
		{fapiName + "ensure-redirect-uri-in-authorization-request", "a missing redirect_uri is refused, also where one alone is registered", unacceptable(invalid, "redirect_uri", "")},
		{fapiName + "ensure-unsigned-authorization-request-without-using-par-fails", "a request that was not pushed ends on the error page", func(r *run) {
			r.errorPage(r.visit(r.op.ids.fapi.request()))
		}},
		{fapiName + "ensure-response-type-code-idtoken-fails", "response_type=code id_token is refused", unacceptable([]string{"unsupported_response_type", "unauthorized_client", "invalid_request"}, "response_type", "code id_token")},
		{fapiName + "ensure-response-type-token-fails", "response_type=token is refused", unacceptable([]string{"unsupported_response_type", "unauthorized_client", "invalid_request"}, "response_type", "token")},
		{fapiName + "state-only-outside-request-object-not-used", "a state beside the pushed request is not used", func(r *run) {
			c := r.op.ids.fapi
			pushed := r.push(c, c.request("state", ""))
			a := r.visit(url.Values{"client_id": {c.id}, "request_uri": {text(pushed.body["request_uri"])}, "state": {"outside"}, "nonce": {"outside"}, "scope": {"openid email"}})
			if a.Get("code") == "" || a.Has("state") {
				r.Errorf("%+v", a)
			}
			if id := r.idToken(c, r.exchange(c, a.Get("code"))); id["nonce"] != "nonce-"+c.id {
				r.Errorf("nonce %v", id["nonce"])
			}
		}},
	}
}

func fapiTokens() []module {
	spoilt := func(status int, codes []string, spoil func(r *run, x *call)) func(*run) {
		return func(r *run) {
			c := r.op.ids.fapi
			r.want(r.exchange(c, r.code(c), func(x *call) { spoil(r, x) }), status, codes...)
		}
	}
	client, grant := []string{"invalid_client"}, []string{"invalid_grant"}
	return []module{
		{fapiName + "ensure-client-id-in-token-endpoint", "the id of another client beside the assertion is refused", spoilt(401, client, func(r *run, x *call) { x.form.Set("client_id", r.op.ids.fapiTwin.id) })},
		{fapiName + "ensure-holder-of-key-required", "without a proof there are no tokens", spoilt(400, []string{"invalid_dpop_proof", "invalid_request"}, func(_ *run, x *call) { x.proof = nil })},
		{fapiName + "ensure-authorization-code-is-bound-to-client", "another client does not redeem the code", func(r *run) {
			r.want(r.exchange(r.op.ids.fapiTwin, r.code(r.op.ids.fapi)), 400, grant...)
		}},
		{fapiName + "attempt-reuse-authorization-code-after-one-second", "a code is redeemed once", func(r *run) {
			c := r.op.ids.fapi
			code := r.code(c)
			if got := r.exchange(c, code); got.status != http.StatusOK {
				r.Fatalf("%d %s", got.status, got.raw)
			}
			r.op.later(time.Second)
			r.want(r.exchange(c, code), 400, grant...)
		}},
		{fapiName + "ensure-token-endpoint-fails-with-expired-auth-code", "a code ends after 60 s", func(r *run) {
			code := r.code(r.op.ids.fapi)
			r.op.later(61 * time.Second)
			r.want(r.exchange(r.op.ids.fapi, code), 400, grant...)
		}},
		{fapiName + "ensure-signed-client-assertion-with-RS256-fails", "an assertion by RS256 is refused, though the key fits", func(r *run) {
			c := r.op.ids.fapiRSA
			r.want(r.exchange(c, r.code(c), func(x *call) { x.assertion.alg = "RS256" }), 401, client...)
		}},
		{fapiName + "ensure-client-assertion-in-token-endpoint", "without an assertion the client is nobody", spoilt(401, client, func(_ *run, x *call) { x.assertion = nil })},
		{fapiName + "ensure-client-assertion-with-exp-is-5-minutes-in-past-fails", "an assertion that ended is refused", spoilt(401, client, func(r *run, x *call) { x.assertion.claims["exp"] = r.op.clock.Now().Unix() - 300 })},
		{fapiName + "ensure-client-assertion-with-wrong-aud-fails", "an assertion for another audience is refused", spoilt(401, client, func(_ *run, x *call) { x.assertion.claims["aud"] = "https://other.example" })},
		{fapiName + "ensure-client-assertion-with-no-sub-fails", "an assertion without sub is refused", spoilt(401, client, func(_ *run, x *call) { delete(x.assertion.claims, "sub") })},
		{fapiName + "ensure-pkce-code-verifier-required", "without the verifier the code is worth nothing", spoilt(400, grant, func(_ *run, x *call) { x.form.Del("code_verifier") })},
		{fapiName + "incorrect-pkce-code-verifier-rejected", "so with another verifier", spoilt(400, grant, func(_ *run, x *call) { x.form.Set("code_verifier", strings.Repeat("v", 43)) })},
		{fapiName + "ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt", "a code pushed with a proof is bound to its key", func(r *run) {
			c := r.op.ids.fapi
			r.want(r.exchange(c, r.code(c), func(x *call) { x.proof = r.proof(r.op.ids.fapiTwin, http.MethodPost, x.proofTarget()) }), 400, "invalid_grant", "invalid_dpop_proof")
		}},
		{fapiName + "ensure-token-endpoint-fails-with-mismatched-dpop-jkt", "a code pushed with dpop_jkt is bound to that key", func(r *run) {
			c := r.op.ids.fapi
			a := r.pushedWithout(c, "dpop_jkt", thumbprint(r, r.op.ids.fapiTwin))
			r.want(r.exchange(c, a.Get("code")), 400, "invalid_grant", "invalid_dpop_proof")
		}},
	}
}

// pushedWithout pushes without a proof of possession, and completes.
func (r *run) pushedWithout(c *client, changes ...string) answer {
	r.Helper()
	pushed := r.push(c, c.request(changes...), func(x *call) { x.proof = nil })
	if pushed.status != http.StatusCreated {
		r.Fatalf("%d %s", pushed.status, pushed.raw)
	}
	return r.visit(url.Values{"client_id": {c.id}, "request_uri": {text(pushed.body["request_uri"])}})
}
