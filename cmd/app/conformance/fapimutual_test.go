package conformance_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestConf_fapi2mtls(t *testing.T) {
	plan(t, "fapi2mtls", mutualModules(), "", func(p *provider) {
		p.ids.fapi, p.ids.fapiTwin, p.ids.fapiRSA = p.ids.mutual, p.ids.mutualTwin, p.ids.mutualRSA
	})
}

func TestConf_fapi2mtlsmtls(t *testing.T) {
	plan(t, "fapi2mtlsmtls", certificateModules(), "", func(p *provider) {
		p.ids.fapi, p.ids.fapiTwin, p.ids.fapiRSA = p.ids.shown, p.ids.shownTwin, p.ids.shownSelf
	})
}

// mutualModules are those that do not speak of proofs, and those that speak of certificates in their place.
func mutualModules() []module {
	modules := slices.DeleteFunc(slices.Concat(fapiNormal(), fapiRequests(), fapiTokens(), fapiPushed()), func(m module) bool {
		for _, about := range []string{"dpop", "holder-of-key", "refresh-token", "case-sensitivity"} {
			if strings.Contains(m.name, about) {
				return true
			}
		}
		return false
	})
	return append(modules,
		module{fapiName + "ensure-holder-of-key-required", "without a certificate there are no tokens", func(r *run) {
			c := r.op.ids.fapi
			r.want(r.exchange(c, r.code(c), func(x *call) { x.shown = &client{} }), http.StatusBadRequest, "invalid_request", "invalid_grant", "invalid_client")
		}},
		module{fapiName + "refresh-token", "a refresh token is bound to its client and needs a certificate; it is not rotated", mutualRefresh},
		module{"certificate-bound-access-token", "a bound token opens nothing without its certificate, or by another, or as DPoP", mutualBound})
}

// certificateModules are those that do not speak of assertions either, and those by which a certificate proves a client.
func certificateModules() []module {
	modules := slices.DeleteFunc(mutualModules(), func(m module) bool {
		for _, about := range []string{"assertion", "-audience-", "refresh-token", "holder-of-key"} {
			if strings.Contains(m.name, about) {
				return true
			}
		}
		return false
	})
	invalid := func(spoil func(r *run, x *call)) func(*run) {
		return func(r *run) {
			c := r.op.ids.fapi
			r.want(r.push(c, c.request(), func(x *call) { spoil(r, x) }), http.StatusUnauthorized, "invalid_client")
			r.want(r.exchange(c, r.code(c), func(x *call) { spoil(r, x) }), http.StatusUnauthorized, "invalid_client")
		}
	}
	return append(modules,
		module{fapiName + "refresh-token", "a refresh token is bound to its client, which proves itself by its certificate each time", certificateRefresh},
		module{fapiName + "ensure-holder-of-key-required", "without a certificate the client is nobody, at /par and at /token", invalid(func(_ *run, x *call) { x.shown = &client{} })},
		module{"client-certificate-of-another-client", "the certificate of another client proves nothing, though the same authority vouches for it", invalid(func(r *run, x *call) { x.shown = r.op.ids.fapiTwin })},
		module{"client-certificate-of-no-authority", "nor does one that nobody vouches for, with the right name in it", invalid(func(r *run, x *call) {
			x.shown = &client{certificate: certificate(r, r.op.ids.fapi.id)}
		})},
		module{"client-certificate-in-a-header", "nor one in a header that no proxy of ours wrote", invalid(func(r *run, x *call) {
			x.shown = &client{}
			x.header.Set("Client-Cert", ":"+encodedBytes(r.op.ids.fapi.certificate.Certificate[0])+":")
		})},
		module{"client-certificate-beside-a-secret", "a secret does not stand in for it", invalid(func(_ *run, x *call) {
			x.shown = &client{}
			x.form.Set("client_secret", "secret")
		})})
}

func certificateRefresh(r *run) {
	c, twin := r.op.ids.fapi, r.op.ids.fapiTwin
	token := text(r.tokens(c).body["refresh_token"])
	r.want(r.refresh(twin, token), http.StatusBadRequest, "invalid_grant")
	r.want(r.refresh(c, token, func(x *call) { x.shown = &client{} }), http.StatusUnauthorized, "invalid_client")
	r.want(r.refresh(c, token, func(x *call) { x.shown = twin }), http.StatusUnauthorized, "invalid_client")
	for range 2 {
		got := r.refresh(c, token)
		if got.status != http.StatusOK || got.body["refresh_token"] != nil && got.body["refresh_token"] != token {
			r.Fatalf("%d %s", got.status, got.raw)
		}
	}
}

func mutualRefresh(r *run) {
	c, twin := r.op.ids.fapi, r.op.ids.fapiTwin
	token := text(r.tokens(c).body["refresh_token"])
	r.want(r.refresh(twin, token), http.StatusBadRequest, "invalid_grant")
	r.want(r.refresh(c, token, func(x *call) { x.shown = &client{} }), http.StatusBadRequest, "invalid_request", "invalid_grant")
	r.want(r.refresh(c, token, func(x *call) { x.assertion = nil }), http.StatusUnauthorized, "invalid_client")
	for range 2 {
		got := r.refresh(c, token)
		if got.status != http.StatusOK || got.body["refresh_token"] != nil && got.body["refresh_token"] != token {
			r.Fatalf("%d %s", got.status, got.raw)
		}
		if info := r.userinfo(c, text(got.body["access_token"])); info.status != http.StatusOK {
			r.Errorf("userinfo: %d %s", info.status, info.raw)
		}
	}
}

func mutualBound(r *run) {
	c := r.op.ids.fapi
	token := text(r.tokens(c).body["access_token"])
	cnf, _ := payload(r, token)["cnf"].(map[string]any)
	if text(cnf["x5t#S256"]) == "" {
		r.Errorf("the token is bound to nothing: %v", cnf)
	}
	for what, spoil := range map[string]func(*call){
		"no certificate":      func(x *call) { x.shown = &client{} },
		"another certificate": func(x *call) { x.shown = r.op.ids.fapiTwin },
		"a header in its place": func(x *call) {
			x.shown = &client{}
			x.header.Set("Client-Cert", ":"+encodedBytes(c.certificate.Certificate[0])+":")
		},
		"as DPoP": func(x *call) { x.header.Set("Authorization", "DPoP "+token) },
	} {
		if got := r.userinfo(c, token, spoil); got.status != http.StatusUnauthorized {
			r.Errorf("%s: %d %s", what, got.status, got.raw)
		}
	}
}
