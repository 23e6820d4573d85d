package conformance_test

import (
	"crypto"
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func fapiPushed() []module {
	spoilt := func(status int, codes []string, spoil func(r *run, x *call)) func(*run) {
		return func(r *run) {
			c := r.op.ids.fapi
			r.want(r.push(c, c.request(), func(x *call) { spoil(r, x) }), status, codes...)
		}
	}
	client := []string{"invalid_client"}
	return []module{
		{fapiName + "ensure-reused-request-uri-prior-to-auth-completion-succeeds", "a pushed request may be opened again until a person completed it", func(r *run) {
			form := r.pushed(r.op.ids.fapi)
			r.browser.open(r.op.endpoint("authorization_endpoint") + "?" + form.Encode())
			if a := r.visit(form); a.Get("code") == "" {
				r.Errorf("%+v", a)
			}
		}},
		{fapiName + "par-attempt-reuse-request_uri", "once completed it is over", func(r *run) {
			form := r.pushed(r.op.ids.fapi)
			if a := r.visit(form); a.Get("code") == "" {
				r.Fatalf("%+v", a)
			}
			r.errorPage(r.visit(form))
		}},
		{fapiName + "par-attempt-to-use-expired-request_uri", "it ends when it said", func(r *run) {
			c := r.op.ids.fapi
			got := r.push(c, c.request())
			r.op.later(time.Duration(number(got.body["expires_in"])) * time.Second)
			r.errorPage(r.visit(url.Values{"client_id": {c.id}, "request_uri": {text(got.body["request_uri"])}}))
		}},
		{fapiName + "par-attempt-to-use-request_uri-for-different-client", "it is its client's alone", func(r *run) {
			form := r.pushed(r.op.ids.fapi)
			form.Set("client_id", r.op.ids.fapiTwin.id)
			r.errorPage(r.visit(form))
		}},
		{fapiName + "par-authorization-request-containing-request_uri-form-param", "a pushed request refers to no other", spoilt(400, []string{"invalid_request", "invalid_request_uri", "invalid_request_object"}, func(r *run, x *call) {
			x.form.Set("request_uri", r.pushed(r.op.ids.fapiTwin).Get("request_uri"))
		})},
		{fapiName + "par-attempt-invalid-http-method", "by POST alone", func(r *run) {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				if got := r.fetch(method, r.op.endpoint("pushed_authorization_request_endpoint"), nil, http.Header{}); got.status != http.StatusMethodNotAllowed {
					r.Errorf("%s: %d", method, got.status)
				}
			}
		}},
		{fapiName + "par-ensure-pkce-required", "without a challenge it is refused", spoilt(400, []string{"invalid_request"}, func(_ *run, x *call) {
			x.form.Del("code_challenge")
			x.form.Del("code_challenge_method")
		})},
		{fapiName + "par-plain-pkce-rejected", "so with plain", spoilt(400, []string{"invalid_request"}, func(_ *run, x *call) {
			x.form.Set("code_challenge", verifier)
			x.form.Set("code_challenge_method", "plain")
		})},
		{fapiName + "par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted", "a clock a little ahead", func(r *run) {
			c := r.op.ids.fapi
			got := r.push(c, c.request(), func(x *call) {
				x.assertion.claims["nbf"] = r.op.clock.Now().Unix() + 8
				x.assertion.claims["iat"] = r.op.clock.Now().Unix() + 8
			})
			if got.status != http.StatusCreated {
				r.Errorf("%d %s", got.status, got.raw)
			}
		}},
		{fapiName + "par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails", "and one too far ahead", spoilt(401, client, func(r *run, x *call) {
			x.assertion.claims["nbf"] = r.op.clock.Now().Unix() + 70
			x.assertion.claims["exp"] = r.op.clock.Now().Unix() + 130
		})},
		{fapiName + "par-test-array-as-audience-fails", "aud of an assertion is one string", spoilt(401, client, func(r *run, x *call) { x.assertion.claims["aud"] = []string{r.op.issuer} })},
		{fapiName + "par-test-par-endpoint-url-as-audience-fails", "and it is not the address of this endpoint", spoilt(401, client, func(r *run, x *call) {
			x.assertion.claims["aud"] = r.op.endpoint("pushed_authorization_request_endpoint")
		})},
		{fapiName + "par-test-token-endpoint-url-as-audience-fails", "nor that of the token endpoint", spoilt(401, client, func(r *run, x *call) { x.assertion.claims["aud"] = r.op.endpoint("token_endpoint") })},
		{fapiName + "ensure-mismatched-dpop-jkt-fails", "dpop_jkt of another key than the proof's is refused", spoilt(400, []string{"invalid_dpop_proof", "invalid_request"}, func(r *run, x *call) {
			x.form.Set("dpop_jkt", thumbprint(r, r.op.ids.fapiTwin))
		})},
		{fapiName + "ensure-dpopproof-at-par-endpoint-binding-success", "a proof with the pushed request, and of the same key with the code", func(r *run) { r.signedIn(r.op.ids.fapi) }},
		{fapiName + "ensure-dpop-auth-code-binding-success", "dpop_jkt in the pushed request, and a proof of that key with the code", func(r *run) {
			c := r.op.ids.fapi
			a := r.pushedWithout(c, "dpop_jkt", thumbprint(r, c))
			if got := r.exchange(c, a.Get("code")); got.status != http.StatusOK || got.body["token_type"] != "DPoP" {
				r.Errorf("%d %s", got.status, got.raw)
			}
		}},
	}
}

// pushed pushes a good request and returns what the browser takes to the authorization endpoint.
func (r *run) pushed(c *client) url.Values {
	r.Helper()
	got := r.push(c, c.request())
	if got.status != http.StatusCreated || text(got.body["request_uri"]) == "" || number(got.body["expires_in"]) < 5 || number(got.body["expires_in"]) >= 600 {
		r.Fatalf("%d %s", got.status, got.raw)
	}
	return url.Values{"client_id": {c.id}, "request_uri": {text(got.body["request_uri"])}}
}

// thumbprint is RFC 7638 of a client's DPoP key.
func thumbprint(t testing.TB, c *client) string {
	t.Helper()
	sum, err := (&jose.JSONWebKey{Key: c.proof.Public()}).Thumbprint(crypto.SHA256)
	must(t, err)
	return base64.RawURLEncoding.EncodeToString(sum)
}
