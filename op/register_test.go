package op_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

var initialTokens = []op.InitialToken{
	{Name: "stand", Hash: keys.Hash("stand"), Profile: op.ProfileOIDC, Scopes: []string{"openid", "profile", "email", "offline_access"}},
	{Name: "compat", Hash: keys.Hash("compat"), Profile: op.ProfileCompat, Scopes: []string{"openid"}},
	{Name: "fapi2", Hash: keys.Hash("fapi2"), Profile: op.ProfileFAPI2, Scopes: []string{"openid"}},
}

// opened makes a house where clients may register, and where documents on this machine are fetched.
func openedHouse(t *testing.T, clients ...op.Client) *house {
	t.Helper()
	return newHouseWith(t, func(c *op.Config) {
		c.Registration = initialTokens
		c.Outbound = neighbours
	}, clients...)
}

// registration sends metadata with a token.
func (h *house) registration(method, path, token string, metadata any) wire {
	h.t.Helper()
	body, err := json.Marshal(metadata)
	must(h.t, err)
	r := httptest.NewRequest(method, path, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return h.do(r)
}

func TestAClientRegistersReadsChangesAndDeletesItself(t *testing.T) {
	h := openedHouse(t)
	made := h.registration(http.MethodPost, "/register", "stand", map[string]any{
		"redirect_uris": []string{"https://rp.example/cb"}, "client_name": "Service", "client_name#en": "Service in English", "contacts": []string{"ops@rp.example"},
		"scope": "openid email snils", "grant_types": []string{"authorization_code", "refresh_token"}, "initiate_login_uri": "https://rp.example/login", "unknown": 1,
	})
	if made.status != http.StatusCreated || made.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", made.status, made.body)
	}
	id, secret, token := made.text("client_id"), made.text("client_secret"), made.text("registration_access_token")
	if !keys.CheckToken(keys.PrefixClientSecret, secret) || !keys.CheckToken(keys.PrefixRegistration, token) || made.text("registration_client_uri") != issuer+"/register/"+id {
		t.Errorf("%v", made.body)
	}
	for name, want := range map[string]string{"scope": "openid email", "token_endpoint_auth_method": "client_secret_basic", "id_token_signed_response_alg": "RS256",
		"subject_type": "pairwise", "application_type": "web", "initiate_login_uri": "https://rp.example/login", "client_name": "Service"} {
		if made.text(name) != want {
			t.Errorf("%s is %q, not %q", name, made.text(name), want)
		}
	}
	if made.body["client_secret_expires_at"] != float64(0) || made.body["unknown"] != nil || made.text("client_name#en") != "Service in English" {
		t.Errorf("%v", made.body)
	}

	// It works at once.
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: id, Scopes: []string{"openid", "email"}}, account.Origin{}))
	code := h.authorize(url.Values{"client_id": {id}, "redirect_uri": {"https://rp.example/cb"}, "response_type": {"code"}, "scope": {"openid email"},
		"code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"}}).back().Get("code")
	tokens := h.redeemAs(id, secret, code, "https://rp.example/cb")
	if tokens.status != http.StatusOK {
		t.Fatalf("%d %v", tokens.status, tokens.body)
	}

	if got := h.userinfo("Bearer " + tokens.text("access_token")); got.status != http.StatusOK {
		t.Fatalf("%d %v", got.status, got.body)
	}

	path := "/register/" + id
	read := h.registration(http.MethodGet, path, token, nil)
	if read.status != http.StatusOK || read.body["client_secret"] != nil || read.text("registration_access_token") != token || read.text("initiate_login_uri") != "https://rp.example/login" {
		t.Errorf("%d %v", read.status, read.body)
	}
	for _, wrong := range []string{"", "stand", made.text("client_secret"), token[:len(token)-1]} {
		if got := h.registration(http.MethodGet, path, wrong, nil); got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("with the token %q: %d", wrong, got.status)
		}
	}
	for name, value := range map[string]string{"client_id": "another", "client_secret": "one of its own choice"} {
		got := h.registration(http.MethodPut, path, token, map[string]any{"redirect_uris": []string{"https://rp.example/other"}, name: value})
		if got.status != http.StatusBadRequest || !strings.Contains(got.text("error_description"), name) {
			t.Errorf("a change of %s: %d %v", name, got.status, got.body)
		}
	}
	changed := h.registration(http.MethodPut, path, token, map[string]any{"redirect_uris": []string{"https://rp.example/other"}, "client_id": id, "client_secret": secret})
	if changed.status != http.StatusOK || changed.body["client_secret"] != nil || changed.text("client_name") != "" {
		t.Errorf("%d %v", changed.status, changed.body)
	}
	next := changed.text("registration_access_token")
	if next == token || h.registration(http.MethodGet, path, token, nil).status != http.StatusUnauthorized {
		t.Error("the token of before the change still works")
	}
	if got := h.registration(http.MethodPut, path, next, map[string]any{"redirect_uris": []string{"http://rp.example/"}}); got.text("error") != "invalid_redirect_uri" {
		t.Errorf("%v", got.body)
	}
	if got := h.registration(http.MethodDelete, path, next, nil); got.status != http.StatusNoContent {
		t.Errorf("%d", got.status)
	}
	if got := h.registration(http.MethodGet, path, next, nil); got.status != http.StatusUnauthorized {
		t.Errorf("a deleted client reads itself: %d", got.status)
	}
	if got := h.userinfo("Bearer " + tokens.text("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("the token of a deleted client still works: %d", got.status)
	}
}

// redeemAs exchanges a code with a secret.
func (h *house) redeemAs(id, secret, code, redirect string) wire {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {redirect}, "code_verifier": {verifier}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, secret)
	return h.do(r)
}

func TestARegistrationIsRefusedByTheNameOfItsFault(t *testing.T) {
	h := openedHouse(t)
	sector := httptest.NewTLSServer(http.NotFoundHandler())
	defer sector.Close()
	good := func(changes map[string]any) map[string]any {
		m := map[string]any{"redirect_uris": []string{"https://rp.example/cb"}}
		for k, v := range changes {
			m[k] = v
		}
		return m
	}
	for name, row := range map[string]struct {
		metadata map[string]any
		code     string
		says     string
	}{
		"fragment":          {good(map[string]any{"redirect_uris": []string{"https://rp.example/cb#here"}}), "invalid_redirect_uri", "fragment"},
		"plain http":        {good(map[string]any{"redirect_uris": []string{"http://rp.example/cb"}}), "invalid_redirect_uri", "https"},
		"wildcard":          {good(map[string]any{"redirect_uris": []string{"https://*.example/cb"}}), "invalid_redirect_uri", "wildcards"},
		"none":              {map[string]any{}, "invalid_redirect_uri", "at least one"},
		"implicit":          {good(map[string]any{"response_types": []string{"id_token"}}), "invalid_client_metadata", "response_types"},
		"password grant":    {good(map[string]any{"grant_types": []string{"password"}}), "invalid_client_metadata", "grant_types"},
		"acting for people": {good(map[string]any{"grant_types": []string{"urn:ietf:params:oauth:grant-type:token-exchange"}}), "invalid_client_metadata", "grant_types"},
		"asking people":     {good(map[string]any{"grant_types": []string{"urn:openid:params:grant-type:ciba"}}), "invalid_client_metadata", "grant_types"},
		"both key sets":     {good(map[string]any{"jwks": map[string]any{"keys": []any{}}, "jwks_uri": "https://rp.example/jwks"}), "invalid_client_metadata", "jwks"},
		"no keys":           {good(map[string]any{"token_endpoint_auth_method": "private_key_jwt"}), "invalid_client_metadata", "jwks"},
		"secret jwt":        {good(map[string]any{"token_endpoint_auth_method": "client_secret_jwt"}), "invalid_client_metadata", "auth"},
		"unsigned userinfo": {good(map[string]any{"userinfo_signed_response_alg": "none"}), "invalid_client_metadata", "userinfo_signed_response_alg"},
		"unsigned ID token": {good(map[string]any{"id_token_signed_response_alg": "none"}), "invalid_client_metadata", "id_token_alg"},
		"unknown acr":       {good(map[string]any{"default_acr_values": []string{"urn:mace:incommon:iap:silver"}}), "invalid_client_metadata", "default_acr_values"},
		"plain login uri":   {good(map[string]any{"initiate_login_uri": "http://rp.example/login"}), "invalid_client_metadata", "initiate_login_uri"},
		"script as policy":  {good(map[string]any{"policy_uri": "javascript:alert(1)"}), "invalid_client_metadata", "policy_uri"},
		"file as keys":      {good(map[string]any{"jwks_uri": "file:///etc/passwd"}), "invalid_client_metadata", "jwks_uri"},
		"two hosts":         {good(map[string]any{"redirect_uris": []string{"https://a.example/cb", "https://b.example/cb"}}), "invalid_client_metadata", "sector_identifier_uri"},
		"absent sector":     {good(map[string]any{"sector_identifier_uri": sector.URL + "/sector"}), "invalid_client_metadata", "sector_identifier_uri"},
		"private sector":    {good(map[string]any{"sector_identifier_uri": "https://10.0.0.1/sector"}), "invalid_client_metadata", "not a public one"},
		"statement":         {good(map[string]any{"software_statement": "a.b.c"}), "invalid_software_statement", "statement"},
		"not a list":        {map[string]any{"redirect_uris": "https://rp.example/cb"}, "invalid_client_metadata", "JSON object"},
		"long name":         {good(map[string]any{"client_name": strings.Repeat("x", 600)}), "invalid_client_metadata", "longer"},
	} {
		got := h.registration(http.MethodPost, "/register", "stand", row.metadata)
		if got.status != http.StatusBadRequest || got.text("error") != row.code || !strings.Contains(got.text("error_description"), row.says) {
			t.Errorf("%s: %d %v", name, got.status, got.body)
		}
	}
	for _, token := range []string{"", "other", "stan", "standd"} {
		if got := h.registration(http.MethodPost, "/register", token, good(nil)); got.status != http.StatusUnauthorized {
			t.Errorf("with the initial token %q: %d %v", token, got.status, got.body)
		}
	}
	if got := newHouse(t).registration(http.MethodPost, "/register", "stand", good(nil)); got.status != http.StatusNotFound {
		t.Errorf("where nobody may register: %d", got.status)
	}
}

func TestAnInitialTokenSaysWhatItsClientsBecome(t *testing.T) {
	h := openedHouse(t)
	made := h.registration(http.MethodPost, "/register", "compat", map[string]any{"redirect_uris": []string{"https://rp.example/cb"}, "scope": "openid email"})
	if made.status != http.StatusCreated || made.text("scope") != "openid" {
		t.Fatalf("%d %v", made.status, made.body)
	}
	ask := url.Values{"client_id": {made.text("client_id")}, "redirect_uri": {"https://rp.example/cb"}, "response_type": {"code"}, "scope": {"openid"}}
	if h.authorize(ask).back().Get("code") == "" {
		t.Error("a client of the profile oidc-compat needs PKCE")
	}
	fapi := map[string]any{"redirect_uris": []string{"https://rp.example/cb"}, "token_endpoint_auth_method": "private_key_jwt",
		"jwks": json.RawMessage(keySet(t, jose.JSONWebKey{Key: ecKey(t).Public(), KeyID: "k1", Use: "sig"}))}
	if got := h.registration(http.MethodPost, "/register", "fapi2", fapi); got.status != http.StatusCreated || got.text("id_token_signed_response_alg") != "PS256" {
		t.Errorf("a client of the profile fapi2: %d %v", got.status, got.body)
	}
	delete(fapi, "token_endpoint_auth_method")
	if got := h.registration(http.MethodPost, "/register", "fapi2", fapi); got.text("error") != "invalid_client_metadata" {
		t.Errorf("a client of the profile fapi2 with a secret: %v", got.body)
	}
	public := h.registration(http.MethodPost, "/register", "compat", map[string]any{"redirect_uris": []string{"https://rp.example/cb"}, "token_endpoint_auth_method": "none"})
	if public.text("error") != "invalid_client_metadata" {
		t.Errorf("a public client without PKCE: %v", public.body)
	}
	strict := h.registration(http.MethodPost, "/register", "stand", map[string]any{"redirect_uris": []string{"https://rp.example/cb"}})
	ask.Set("client_id", strict.text("client_id"))
	if h.authorize(ask).back().Get("error") != "invalid_request" {
		t.Error("a client of the profile oidc gets round PKCE")
	}
}

func TestASectorDocumentNamesEveryRedirectURI(t *testing.T) {
	var listed []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(listed) }))
	defer server.Close()
	h := newHouseWith(t, func(c *op.Config) {
		c.Registration = initialTokens
		c.Outbound = op.Outbound{Allow: neighbours.Allow, Roots: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	})
	uris := []string{"https://a.example/cb", "https://b.example/cb"}
	ask := map[string]any{"redirect_uris": uris, "sector_identifier_uri": server.URL + "/sector"}
	listed = uris[:1]
	if got := h.registration(http.MethodPost, "/register", "stand", ask); got.text("error") != "invalid_client_metadata" || !strings.Contains(got.text("error_description"), "b.example") {
		t.Errorf("%v", got.body)
	}
	listed = uris
	subjects := map[string]bool{}
	for range 2 {
		made := h.registration(http.MethodPost, "/register", "stand", ask)
		if made.status != http.StatusCreated {
			t.Fatalf("%v", made.body)
		}
		code := h.authorize(url.Values{"client_id": {made.text("client_id")}, "redirect_uri": {uris[1]}, "response_type": {"code"}, "scope": {"openid"},
			"code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"}}).back().Get("code")
		token := h.redeemAs(made.text("client_id"), made.text("client_secret"), code, uris[1]).text("id_token")
		subjects[part(t, token, 1)["sub"].(string)] = true
	}
	if len(subjects) != 1 {
		t.Errorf("two clients of one sector know one person by %d names", len(subjects))
	}
}

func TestKeysAtAnAddressAreFetchedAndAnUnknownOneIsLookedForAgain(t *testing.T) {
	var served jose.JSONWebKeySet
	visits, broken := 0, false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		visits++
		if broken {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(served)
	}))
	defer server.Close()
	client := op.Client{ID: "remote", Profile: op.ProfileOIDC, Auth: []string{op.AuthPrivateKey}, JWKSURI: server.URL + "/jwks", GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}}
	h := openedHouse(t, client)
	old, fresh := jose.JSONWebKey{Key: ecKey(t), KeyID: "old"}, jose.JSONWebKey{Key: ecKey(t), KeyID: "fresh"}
	served.Keys = []jose.JSONWebKey{old.Public()}
	ask := func(by jose.JSONWebKey) wire {
		assertion := makeJWS(t, "", by.Key, map[string]any{"kid": by.KeyID}, map[string]any{"iss": client.ID, "sub": client.ID, "aud": issuer,
			"exp": h.clock.Now().Add(time.Minute).Unix(), "jti": keys.RandomID()})
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {"api"},
			"client_assertion": {assertion}, "client_assertion_type": {jwtBearer}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return h.do(r)
	}
	wants := func(by jose.JSONWebKey, status, visited int) {
		t.Helper()
		if got := ask(by); got.status != status || visits != visited {
			t.Fatalf("%d after %d visits, not %d after %d: %v", got.status, visits, status, visited, got.body)
		}
	}
	wants(old, 200, 1)
	wants(old, 200, 1) // kept
	wants(fresh, 401, 1)
	h.later(11 * time.Second)
	served.Keys = []jose.JSONWebKey{fresh.Public()}
	wants(fresh, 200, 2)
	wants(old, 401, 2) // not again so soon
	broken = true
	h.later(11 * time.Minute)
	wants(fresh, 200, 3) // the old answer serves
	h.later(25 * time.Hour)
	wants(fresh, 401, 4)
	broken = false
	h.later(11 * time.Second)
	wants(fresh, 200, 5)
}

func TestUserinfoIsSignedForAClientThatRegisteredSo(t *testing.T) {
	client := op.Client{ID: "signed", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: []op.ClientSecret{{Hash: keys.Hash("secret")}}, UserInfoAlg: "RS256", TrustedConsent: true,
		RedirectURIs: []string{"https://rp.example/cb"}, GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid", "email"}}
	h := openedHouse(t, client)
	code := h.authorize(url.Values{"client_id": {client.ID}, "redirect_uri": {"https://rp.example/cb"}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"}}).back().Get("code")
	tokens := h.redeemAs(client.ID, "secret", code, "https://rp.example/cb")
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+tokens.text("access_token"))
	w := httptest.NewRecorder()
	h.provider.Handler().ServeHTTP(w, r)
	if w.Header().Get("Content-Type") != "application/jwt" {
		t.Fatalf("%s: %s", w.Header().Get("Content-Type"), w.Body)
	}
	claims := part(t, w.Body.String(), 1)
	if claims["iss"] != issuer || claims["aud"] != client.ID || claims["sub"] != part(t, tokens.text("id_token"), 1)["sub"] || header(t, w.Body.String())["alg"] != "RS256" {
		t.Errorf("%v", claims)
	}
	// It is no hint of who is signed in.
	if got := h.authorize(url.Values{"client_id": {client.ID}, "redirect_uri": {"https://rp.example/cb"}, "response_type": {"code"}, "scope": {"openid"}, "prompt": {"none"},
		"id_token_hint": {w.Body.String()}, "code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"}}).back(); got.Get("code") != "" {
		t.Error("signed userinfo passes for an ID token")
	}
}

func TestDefaultsOfARegistrationCountWhereARequestSaysNothing(t *testing.T) {
	h := openedHouse(t)
	made := h.registration(http.MethodPost, "/register", "stand", map[string]any{"redirect_uris": []string{"https://rp.example/cb"}, "default_max_age": 60,
		"default_acr_values": []string{"urn:vhod:acr:verified:2fa"}})
	ask := url.Values{"client_id": {made.text("client_id")}, "redirect_uri": {"https://rp.example/cb"}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"}}
	h.front.auth = nil
	h.authorize(ask)
	got := h.front.entered
	if got == nil || got.MaxAge == nil || *got.MaxAge != time.Minute || !slices.Equal(got.ACR, []op.ACR{{Level: account.Verified, Strength: account.TwoFactor}}) {
		t.Fatalf("%+v", got)
	}
	ask.Set("max_age", "5")
	ask.Set("acr_values", "urn:vhod:acr:simplified:1fa")
	h.authorize(ask)
	if got := h.front.entered; *got.MaxAge != 5*time.Second || len(got.ACR) != 1 || got.ACR[0].Level != account.Simplified {
		t.Errorf("%+v", got)
	}
}
