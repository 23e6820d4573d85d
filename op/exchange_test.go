package op_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessKind    = "urn:ietf:params:oauth:token-type:access_token"
	clinic        = "https://clinic.example/api"
	archive       = "https://archive.example/api"
)

// delegationRig has a service whose tokens are for a clinic, which asks an archive, which asks the clinic again.
func delegationRig(t *testing.T) *rig {
	t.Helper()
	h := newRig(t)
	web := clientOf("web")
	web.ID, web.Audience, web.DetailTypes = "portal", []string{clinic}, []string{op.DetailAct}
	acting := op.Client{ID: "clinic", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: web.Secrets, GrantTypes: []string{exchangeGrant},
		Scopes: []string{"openid", "email"}, Audience: []string{clinic}, ExchangeAudience: []string{archive}}
	further := acting
	further.ID, further.Audience, further.ExchangeAudience = "archive", []string{archive}, []string{clinic}
	for _, c := range []op.Client{web, acting, further} {
		must(t, c.Check())
		must(t, h.records.PutClient(t.Context(), c))
		if _, err := h.provider.Client(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(2 * time.Second) // unknown clients are looked for once a second
	}
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: "portal", Scopes: web.Scopes}, account.Origin{}))
	h.door.auth.Time = h.clock.Now()
	return h
}

// delegate exchanges a token; pairs change the form, an empty value removes.
func (h *rig) delegate(client, token string, changes ...string) (int, map[string]any) {
	h.t.Helper()
	form := url.Values{"grant_type": {exchangeGrant}, "subject_token": {token}, "subject_token_type": {accessKind}, "audience": {archive}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return h.post("/token", client, form)
}

func (h *rig) inspected(client, token string) map[string]any {
	h.t.Helper()
	_, seen := h.post("/introspect", client, url.Values{"token": {token}})
	return seen
}

func portal() op.Client { c := clientOf("web"); c.ID = "portal"; return c }

func TestAServiceActsForAPersonByAnExchangedToken(t *testing.T) {
	h := delegationRig(t)
	original := h.tokens(portal(), "scope", "openid email phone offline_access")
	h.clock.Advance(4 * time.Minute)
	status, got := h.delegate("clinic", str(original["access_token"]))
	if status != http.StatusOK || got["issued_token_type"] != accessKind || got["token_type"] != "Bearer" || got["expires_in"] != 360.0 ||
		got["scope"] != "openid email" || got["refresh_token"] != nil || got["id_token"] != nil {
		t.Fatalf("%d %v", status, got)
	}
	before, after := payload(t, str(original["access_token"])), payload(t, str(got["access_token"]))
	for _, same := range []string{"exp", "acr", "auth_time", "sid", "grant"} {
		if before[same] == nil || before[same] != after[same] {
			t.Errorf("%s was %v and is %v", same, before[same], after[same])
		}
	}
	if after["aud"] != archive || after["client_id"] != "clinic" || after["act"].(map[string]any)["sub"] != "clinic" || after["sub"] == before["sub"] {
		t.Errorf("the token says %v", after)
	}
	if seen := h.inspected("archive", str(got["access_token"])); seen["active"] != true || seen["act"].(map[string]any)["sub"] != "clinic" {
		t.Errorf("the archive sees %v", seen)
	}
	if seen := h.inspected("other", str(got["access_token"])); seen["active"] != false {
		t.Errorf("another service sees %v", seen)
	}
	if status, _ := h.userinfo(str(got["access_token"])); status != http.StatusUnauthorized {
		t.Errorf("userinfo takes a token for the archive: %d", status)
	}
	// The archive asks on, and who stands behind it stays known.
	_, third := h.delegate("archive", str(got["access_token"]), "audience", "", "resource", clinic, "scope", "email")
	act, _ := payload(t, str(third["access_token"]))["act"].(map[string]any)
	if act["sub"] != "archive" || act["act"].(map[string]any)["sub"] != "clinic" || third["scope"] != "email" {
		t.Errorf("the chain: %v", act)
	}
}

func TestAnExchangeGivesNothingThatWasNotThere(t *testing.T) {
	h := delegationRig(t)
	tokens := h.tokens(portal(), "scope", "openid email")
	access := str(tokens["access_token"])
	foreign := str(h.tokens(clientOf("other"))["access_token"])
	_, machine := h.post("/token", "machine", url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}})
	for name, row := range map[string]struct {
		client, token, want string
		changes             []string
	}{
		"a client that may not":      {"web", access, "unauthorized_client", nil},
		"another target":             {"clinic", access, "invalid_target", []string{"audience", "https://bank.example"}},
		"the provider as the target": {"clinic", access, "invalid_target", []string{"audience", issuer}},
		"no target":                  {"clinic", access, "invalid_target", []string{"audience", ""}},
		"two targets":                {"clinic", access, "invalid_target", []string{"resource", archive}},
		"more scope":                 {"clinic", access, "invalid_scope", []string{"scope", "openid phone"}},
		"scope that it is not registered for": {"clinic", str(h.tokens(portal(), "scope", "openid phone")["access_token"]), "invalid_scope",
			[]string{"scope", "phone"}},
		"a token of another service": {"clinic", foreign, "invalid_request", nil},
		"a machine's token":          {"clinic", str(machine["access_token"]), "invalid_request", nil},
		"an ID token":                {"clinic", str(tokens["id_token"]), "invalid_request", nil},
		"an ID token by its name": {"clinic", str(tokens["id_token"]), "invalid_request",
			[]string{"subject_token_type", "urn:ietf:params:oauth:token-type:id_token"}},
		"a refresh token in return": {"clinic", access, "invalid_request",
			[]string{"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}},
		"an actor token": {"clinic", access, "invalid_request", []string{"actor_token", access, "actor_token_type", accessKind}},
		"nothing":        {"clinic", "", "invalid_request", nil},
	} {
		if status, got := h.delegate(row.client, row.token, row.changes...); status != http.StatusBadRequest || got["error"] != row.want {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
}

func TestADelegatedTokenDiesWithItsGrant(t *testing.T) {
	for name, row := range map[string]struct {
		end  func(h *rig, original, delegated string)
		both bool
	}{
		"the service revokes": {func(h *rig, original, _ string) { h.post("/revoke", "portal", url.Values{"token": {original}}) }, true},
		"the person withdraws": {func(h *rig, _, _ string) {
			must(h.t, h.accounts.WithdrawGrant(h.t.Context(), h.person.ID, "portal", account.Origin{}))
		}, true},
		"who acts revokes its own": {func(h *rig, _, delegated string) { h.post("/revoke", "clinic", url.Values{"token": {delegated}}) }, false},
		"time":                     {func(h *rig, _, _ string) { h.clock.Advance(10 * time.Minute) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := delegationRig(t)
			original := str(h.tokens(portal(), "scope", "openid email")["access_token"])
			_, got := h.delegate("clinic", original)
			delegated := str(got["access_token"])
			if h.inspected("archive", delegated)["active"] != true {
				t.Fatal("it never lived")
			}
			row.end(h, original, delegated)
			if h.inspected("archive", delegated)["active"] != false {
				t.Error("the delegated token lives on")
			}
			if status, _ := h.delegate("archive", delegated, "audience", clinic); status == http.StatusOK {
				t.Error("and is exchanged on")
			}
			if dead := h.inspected("portal", original)["active"] == false; dead != row.both {
				t.Errorf("the original is dead: %v", dead)
			}
		})
	}
}

func TestAChainOfServicesEnds(t *testing.T) {
	h := delegationRig(t)
	token := str(h.tokens(portal(), "scope", "openid email")["access_token"])
	var last map[string]any
	for i, step := range [][2]string{{"clinic", archive}, {"archive", clinic}, {"clinic", archive}, {"archive", clinic}, {"clinic", archive}} {
		status, got := h.delegate(step[0], token, "audience", step[1])
		if ok := i < 4; ok != (status == http.StatusOK) {
			t.Fatalf("step %d: %d %v", i, status, got)
		}
		token, last = str(got["access_token"]), got
	}
	if !strings.HasPrefix(str(last["error_description"]), "[exchange.depth]") {
		t.Errorf("%v", last)
	}
}

func TestAnExchangeKeepsATokenBound(t *testing.T) {
	h := delegationRig(t)
	key, acting := ecKey(t), ecKey(t)
	proof := func(of any, public map[string]any) string {
		return makeJWS(t, "", of, map[string]any{"typ": "dpop+jwt", "jwk": public},
			map[string]any{"jti": keys.RandomID(), "htm": "POST", "htu": issuer + "/token", "iat": h.clock.Now().Unix()})
	}
	redeem := func(client string, form url.Values, proofs ...string) map[string]any {
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(client, "secret")
		for _, p := range proofs {
			r.Header.Set("DPoP", p)
		}
		_, got := h.do(r)
		return got
	}
	bound := redeem("portal", url.Values{"grant_type": {"authorization_code"}, "code": {h.code(portal(), "scope", "openid email")},
		"redirect_uri": {portal().RedirectURIs[0]}, "code_verifier": {flowVerifier}}, proof(key, publicJWK(t, key.Public())))
	if bound["token_type"] != "DPoP" {
		t.Fatal(bound)
	}
	form := url.Values{"grant_type": {exchangeGrant}, "subject_token": {str(bound["access_token"])}, "subject_token_type": {accessKind}, "audience": {archive}}
	if got := redeem("clinic", form); got["error"] != "invalid_dpop_proof" {
		t.Errorf("a bound token was exchanged for a bearer token: %v", got)
	}
	got := redeem("clinic", form, proof(acting, publicJWK(t, acting.Public())))
	if got["token_type"] != "DPoP" || h.inspected("archive", str(got["access_token"]))["cnf"] == nil {
		t.Errorf("%v", got)
	}
}

func TestWhoMayExchangeIsSaidInTheRegistration(t *testing.T) {
	good := op.Client{ID: "c", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: []op.ClientSecret{{Hash: "h"}},
		GrantTypes: []string{exchangeGrant}, ExchangeAudience: []string{archive}}
	public := good
	public.Auth, public.Secrets = []string{op.AuthNone}, nil
	nowhere := good
	nowhere.ExchangeAudience = nil
	quietly := good
	quietly.GrantTypes = []string{"client_credentials"}
	must(t, good.Check())
	for name, c := range map[string]op.Client{"public": public, "no target": nowhere, "targets without the grant": quietly} {
		if err := c.Check(); err == nil {
			t.Errorf("%s: %v passes", name, slices.Concat(c.Auth, c.GrantTypes))
		}
	}
}
