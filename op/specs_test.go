package op_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpecsNameOnlyWhatExists(t *testing.T) {
	specs, err := os.ReadFile("SPECS.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"../cmd/app/conformance", "../notify", "../keys"} {
		others, err := filepath.Glob(room + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, others...)
	}
	tests := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
	}
	for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(string(specs), -1) {
		if !tests[name] {
			t.Errorf("SPECS.md names %s, and there is no such test", name)
		}
	}
	for _, name := range regexp.MustCompile(`(?:\.\./[a-z]+/|\b)[a-z]+\.go\b`).FindAllString(string(specs), -1) {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("SPECS.md names %s, and there is no such file", name)
		}
	}
}

// metadata is the provider's discovery document.
func (h *rig) metadata() map[string]any {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil))
	var meta map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &meta); err != nil {
		h.t.Fatal(err)
	}
	return meta
}

func TestGoldenMetadataIsWhatItWas(t *testing.T) {
	h := newRig(t)
	text, err := json.MarshalIndent(h.metadata(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	const golden = "testdata/metadata.golden.json"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("metadata changed (make golden, and read the difference as clients do):\n%s", diff)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/oauth-authorization-server", nil))
	var oauth map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &oauth); err != nil || !cmp.Equal(oauth, h.metadata()) {
		t.Error("the two documents differ")
	}
}

// registered are the names of the IANA registry of authorization server metadata that we may use, and of OpenID Connect Discovery §3.
var registered = strings.Fields(`issuer authorization_endpoint token_endpoint userinfo_endpoint jwks_uri registration_endpoint scopes_supported
	response_types_supported response_modes_supported grant_types_supported acr_values_supported subject_types_supported
	id_token_signing_alg_values_supported userinfo_signing_alg_values_supported id_token_encryption_alg_values_supported
	id_token_encryption_enc_values_supported userinfo_encryption_alg_values_supported userinfo_encryption_enc_values_supported token_endpoint_auth_methods_supported
	token_endpoint_auth_signing_alg_values_supported introspection_endpoint introspection_endpoint_auth_methods_supported
	introspection_endpoint_auth_signing_alg_values_supported revocation_endpoint revocation_endpoint_auth_methods_supported
	revocation_endpoint_auth_signing_alg_values_supported display_values_supported claim_types_supported claims_supported service_documentation
	claims_locales_supported ui_locales_supported claims_parameter_supported request_parameter_supported request_uri_parameter_supported
	require_request_uri_registration op_policy_uri op_tos_uri code_challenge_methods_supported end_session_endpoint prompt_values_supported
	authorization_response_iss_parameter_supported pushed_authorization_request_endpoint require_pushed_authorization_requests
	dpop_signing_alg_values_supported device_authorization_endpoint authorization_details_types_supported backchannel_authentication_endpoint
	backchannel_token_delivery_modes_supported backchannel_user_code_parameter_supported backchannel_logout_supported backchannel_logout_session_supported
	frontchannel_logout_supported frontchannel_logout_session_supported mtls_endpoint_aliases tls_client_certificate_bound_access_tokens
	authorization_signing_alg_values_supported introspection_signing_alg_values_supported request_object_signing_alg_values_supported
	require_signed_request_object backchannel_authentication_request_signing_alg_values_supported verified_claims_supported trust_frameworks_supported evidence_supported documents_supported
	documents_check_methods_supported electronic_records_supported claims_in_verified_claims_supported`)

func TestWhatTheMetadataNamesWorks(t *testing.T) {
	h := newRig(t)
	meta := h.metadata()
	for name, value := range meta {
		if !slices.Contains(registered, name) {
			t.Errorf("%s is in no registry of metadata", name)
		}
		if address := str(value); strings.HasSuffix(name, "_endpoint") || name == "jwks_uri" {
			u, err := url.Parse(address)
			if err != nil || !strings.HasPrefix(address, issuer+"/") {
				t.Fatalf("%s: %v", name, value)
			}
			w := httptest.NewRecorder()
			h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, u.Path, nil))
			if w.Code == http.StatusNotFound {
				t.Errorf("%s answers 404", name)
			}
		}
	}
	for _, endpoint := range []string{"token", "introspection", "revocation"} { // RFC 8414 §2: one is not there without the other
		methods, algs := endpoint+"_endpoint_auth_methods_supported", endpoint+"_endpoint_auth_signing_alg_values_supported"
		if !slices.Contains(list(meta[methods]), "private_key_jwt") || len(list(meta[algs])) == 0 {
			t.Errorf("%s: %v, %s: %v", methods, meta[methods], algs, meta[algs])
		}
	}
	for _, mode := range list(meta["response_modes_supported"]) {
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/authorize?"+request(clientOf("web"), "response_mode", mode).Encode(), nil))
		if answer := w.Header().Get("Location") + w.Body.String(); !strings.Contains(answer, "code") && !strings.Contains(answer, "response") || strings.Contains(answer, "error") {
			t.Errorf("response_mode=%s gives no code: %d", mode, w.Code)
		}
	}
	for _, prompt := range list(meta["prompt_values_supported"]) {
		if q := h.authorize(request(clientOf("web"), "prompt", prompt)); q.Get("error") != "" && q.Get("error") != "consent_required" {
			t.Errorf("prompt=%s: %v", prompt, q)
		}
	}
	for _, grant := range list(meta["grant_types_supported"]) {
		if _, answer := h.post("/token", "web", url.Values{"grant_type": {grant}}); answer["error"] == "unsupported_grant_type" {
			t.Errorf("grant %s: %v", grant, answer)
		}
	}
	for _, acr := range list(meta["acr_values_supported"]) {
		if q := h.authorize(request(clientOf("web"), "acr_values", acr)); q.Get("code") == "" && q.Get("error") != "unmet_authentication_requirements" {
			t.Errorf("acr %s: %v", acr, q)
		}
	}
	for _, alg := range list(meta["id_token_signing_alg_values_supported"]) {
		c := clientOf("web")
		c.ID, c.IDTokenAlg = "alg-"+alg, alg
		if err := h.records.PutClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := c.Check(); err != nil {
			t.Errorf("id_token_signing_alg %s: %v", alg, err)
		}
	}
}

func list(v any) []string {
	var out []string
	items, _ := v.([]any)
	for _, i := range items {
		out = append(out, str(i))
	}
	return out
}

func TestFormPostCarriesTheAnswerInABody(t *testing.T) {
	h := newRig(t)
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/authorize?"+request(clientOf("web"), "response_mode", "form_post", "state", `"><script>alert(1)</script>`).Encode(), nil))
	body := w.Body.String()
	if w.Code != http.StatusOK || w.Header().Get("Location") != "" || !strings.Contains(body, `name="code"`) || !strings.Contains(body, `name="iss" value="`+issuer) {
		t.Errorf("%d %s", w.Code, body)
	}
	if strings.Contains(body, "<script>alert") {
		t.Error("state is not escaped")
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'sha256-") || !strings.Contains(policy, "form-action https://rp.example;") {
		t.Errorf("policy: %s", policy)
	}
}
