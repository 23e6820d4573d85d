package conformance_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestConf_config(t *testing.T) { plan(t, "config", configModules(), "") }

func configModules() []module {
	return []module{
		{"oidcc-discovery-endpoint-verification", "issuer, required members and their types, https addresses, RS256, keys with distinct ids", discoveryVerification},
	}
}

func discoveryVerification(r *run) {
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		got := r.fetch(http.MethodGet, r.op.issuer+path, nil, http.Header{})
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" || got.body["issuer"] != r.op.issuer {
			r.Errorf("%s: %d %s, issuer %v", path, got.status, got.header.Get("Content-Type"), got.body["issuer"])
		}
	}
	meta := r.op.meta
	for name, value := range meta {
		if strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri") {
			if u, err := url.Parse(text(value)); err != nil || u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
				r.Errorf("%s is %v", name, value)
			}
		}
		if list, isList := value.([]any); isList && (len(list) == 0 || len(slices.Compact(texts(list))) != len(list)) {
			r.Errorf("%s is empty or repeats itself: %v", name, list)
		}
	}
	for name, least := range map[string][]string{
		"response_types_supported": {"code"}, "response_modes_supported": {"query", "form_post"}, "subject_types_supported": {"pairwise", "public"},
		"grant_types_supported": {"authorization_code", "refresh_token"}, "id_token_signing_alg_values_supported": {"RS256", "PS256", "ES256"},
		"scopes_supported": {"openid", "profile", "email", "address", "phone"}, "token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post", "private_key_jwt"},
		"code_challenge_methods_supported": {"S256"}, "claims_supported": {"sub", "name", "email", "acr", "auth_time"}, "ui_locales_supported": {"ru", "en"},
		"token_endpoint_auth_signing_alg_values_supported": {"PS256", "ES256"},
	} {
		for _, value := range least {
			if !slices.Contains(texts(meta[name]), value) {
				r.Errorf("%s lacks %s: %v", name, value, meta[name])
			}
		}
	}
	for name, never := range map[string]string{"response_types_supported": "token", "grant_types_supported": "implicit", "code_challenge_methods_supported": "plain", "id_token_signing_alg_values_supported": "none"} {
		if slices.ContainsFunc(texts(meta[name]), func(v string) bool { return slices.Contains(strings.Fields(v), never) }) {
			r.Errorf("%s offers %s", name, never)
		}
	}
	if meta["authorization_response_iss_parameter_supported"] != true || meta["claims_parameter_supported"] != true {
		r.Error("iss in responses or the claims parameter is not announced")
	}
	seen := map[string]bool{}
	for _, key := range r.keys().Keys {
		if seen[key.KeyID] || key.KeyID == "" || !key.Valid() || !key.IsPublic() || key.Use != "sig" {
			r.Errorf("the published key %q", key.KeyID)
		}
		seen[key.KeyID] = true
	}
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, one := range list {
		out = append(out, text(one))
	}
	return out
}
