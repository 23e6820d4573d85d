package conformance_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// The variants plain_oauth of the FAPI plans: no scope openid, so neither an ID token nor userinfo. What the tokens open is an API of somebody else, which asks
// introspection (RFC 7662); that stands in for it here.

func TestConf_fapi2oauth(t *testing.T) {
	plan(t, "fapi2oauth", oauthModules(fapiModules()), "", func(p *provider) { withoutIdentity(p, p.ids.fapi, p.ids.fapiTwin, p.ids.fapiRSA) })
}

func TestConf_fapi2oauthmtls(t *testing.T) {
	plan(t, "fapi2oauthmtls", oauthModules(mutualModules()), "", func(p *provider) { withoutIdentity(p, p.ids.mutual, p.ids.mutualTwin, p.ids.mutualRSA) })
}

func TestConf_fapi2oauthmtlsmtls(t *testing.T) {
	plan(t, "fapi2oauthmtlsmtls", oauthModules(certificateModules()), "", func(p *provider) { withoutIdentity(p, p.ids.shown, p.ids.shownTwin, p.ids.shownSelf) })
}

// withoutIdentity lets the clients of a plan ask for an API alone.
func withoutIdentity(p *provider, clients ...*client) {
	for i, to := range []**client{&p.ids.fapi, &p.ids.fapiTwin, &p.ids.fapiRSA} {
		c := *clients[i]
		c.scope = "accounts offline_access"
		*to = &c
	}
}

// oauthModules are those of a plan that speak neither of ID tokens nor of userinfo, and the others with introspection in its place.
func oauthModules(of []module) []module {
	replaced := oauthReplaced()
	modules := slices.DeleteFunc(slices.Clone(of), func(m module) bool {
		for _, about := range []string{"nonce-success", "long-nonce", "claims-parameter", "case-sensitivity", "without-duplicate", "dpop-proof-nbf", "dpopproof-", "dpop-negative",
			"-bound-access-token"} {
			if strings.Contains(m.name, about) {
				return true
			}
		}
		return slices.ContainsFunc(replaced, func(other module) bool { return other.name == m.name })
	})
	return append(modules, replaced...)
}

func oauthReplaced() []module {
	return []module{
		{fapiName + "discovery-end-point-verification", "the metadata of RFC 8414, at its own address", oauthDiscovery},
		{fapiName + "happy-flow", "two clients and a third, bound tokens, no ID token, and nothing at userinfo", oauthHappy},
		{fapiName + "user-rejects-authentication", "access_denied when the person says no", func(r *run) {
			r.browser.denies = true
			r.refused(r.authorize(r.op.ids.fapiRSA, "prompt", "consent"), "access_denied")
		}},
		{fapiName + "ensure-other-scope-order-succeeds", "any order of scopes", func(r *run) { r.withoutIDToken(r.op.ids.fapi, "scope", "offline_access accounts") }},
		{fapiName + "state-only-outside-request-object-not-used", "a state beside the pushed request is not used, nor is a scope", func(r *run) {
			c := r.op.ids.fapi
			pushed := r.push(c, c.request("state", ""))
			a := r.visit(url.Values{"client_id": {c.id}, "request_uri": {text(pushed.body["request_uri"])}, "state": {"outside"}, "scope": {"openid"}})
			if got := r.exchange(c, a.Get("code")); a.Has("state") || got.status != http.StatusOK || got.body["id_token"] != nil {
				r.Errorf("%+v: %d %s", a, got.status, got.raw)
			}
		}},
		{fapiName + "refresh-token", "a refresh token is bound to its client, is not rotated, and makes bound tokens", func(r *run) {
			c := r.op.ids.fapi
			token := text(r.withoutIDToken(c).body["refresh_token"])
			r.want(r.refresh(r.op.ids.fapiTwin, token), http.StatusBadRequest, "invalid_grant")
			for range 2 {
				got := r.refresh(c, token)
				if got.status != http.StatusOK || got.body["id_token"] != nil || got.body["refresh_token"] != nil && got.body["refresh_token"] != token {
					r.Fatalf("%d %s", got.status, got.raw)
				}
				r.boundTo(c, text(got.body["access_token"]))
			}
		}},
	}
}

func oauthDiscovery(r *run) {
	got := r.fetch(http.MethodGet, r.op.issuer+"/.well-known/oauth-authorization-server", nil, http.Header{})
	if got.status != http.StatusOK || got.body["issuer"] != r.op.issuer || text(got.body["introspection_endpoint"]) == "" {
		r.Errorf("%d %s", got.status, got.raw)
	}
	fapiDiscovery(r)
}

func oauthHappy(r *run) {
	for _, c := range []*client{r.op.ids.fapi, r.op.ids.fapiTwin, r.op.ids.fapiRSA} {
		token := text(r.withoutIDToken(c).body["access_token"])
		r.boundTo(c, token)
		if info := r.userinfo(c, token); info.status != http.StatusForbidden || info.err() != "insufficient_scope" {
			r.Errorf("%s: userinfo %d %s", c.id, info.status, info.raw)
		}
	}
}

// withoutIDToken is the whole flow, which must succeed and say nothing of the person.
func (r *run) withoutIDToken(c *client, changes ...string) reply {
	r.Helper()
	got := r.tokens(c, append([]string{"nonce", ""}, changes...)...)
	if got.body["id_token"] != nil || got.body["token_type"] != c.tokenType() {
		r.Errorf("%s: %s", c.id, got.raw)
	}
	return got
}

// boundTo fails unless an API would hear that a token is alive and bound to the key, or the certificate, of its client.
func (r *run) boundTo(c *client, token string) {
	r.Helper()
	got := r.post(c, r.op.endpointOf(c, "introspection_endpoint"), url.Values{"token": {token}}, func(x *call) { x.proof = nil })
	cnf, _ := got.body["cnf"].(map[string]any)
	var bound bool
	if c.proof != nil {
		bound = cnf["jkt"] == thumbprint(r, c)
	} else {
		bound = cnf["x5t#S256"] == s256(string(c.certificate.Certificate[0]))
	}
	if got.body["active"] != true || !bound || !strings.Contains(text(got.body["scope"]), "accounts") || strings.Contains(text(got.body["scope"]), "openid") {
		r.Errorf("%s: %d %s", c.id, got.status, got.raw)
	}
}
