package op_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// deviceRig has a television: a public client of the device grant alone.
func deviceRig(t *testing.T) *rig {
	t.Helper()
	h := newRig(t)
	tv := op.Client{ID: "tv", Profile: op.ProfileOIDC, Auth: []string{op.AuthNone}, GrantTypes: []string{deviceGrant, "refresh_token"},
		Scopes: []string{"openid", "email", "offline_access"}, IDTokenAlg: "ES256"}
	other := tv
	other.ID = "other-tv"
	for _, c := range []op.Client{tv, other} {
		must(t, c.Check())
		must(t, h.records.PutClient(t.Context(), c))
		must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: c.ID, Scopes: c.Scopes}, account.Origin{}))
	}
	return h
}

// send posts a form without a client's credential; headers are pairs.
func (h *rig) send(path string, form url.Values, headers ...string) (int, map[string]any) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return h.do(r)
}

// ask is what a device does first.
func (h *rig) ask(headers ...string) map[string]any {
	h.t.Helper()
	status, answer := h.send("/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid email offline_access"}}, headers...)
	if status != http.StatusOK {
		h.t.Fatalf("device authorization: %d %v", status, answer)
	}
	return answer
}

// poll is what it does then.
func (h *rig) poll(client string, answer map[string]any, headers ...string) (int, map[string]any) {
	h.t.Helper()
	return h.send("/token", url.Values{"grant_type": {deviceGrant}, "client_id": {client}, "device_code": {str(answer["device_code"])}}, headers...)
}

// typed types a code on the page and returns the waiting request.
func (h *rig) typed(code string) string {
	h.t.Helper()
	id, err := h.provider.DeviceRequest(h.t.Context(), code)
	must(h.t, err)
	return id
}

func TestADeviceSignsInByACodeThatItsPersonTypes(t *testing.T) {
	h := deviceRig(t)
	answer := h.ask()
	code := str(answer["user_code"])
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(code) ||
		answer["verification_uri"] != issuer+"/device" || answer["verification_uri_complete"] != issuer+"/device?user_code="+code ||
		answer["expires_in"] != 600.0 || answer["interval"] != 5.0 {
		t.Errorf("the answer: %v", answer)
	}
	if status, got := h.poll("tv", answer); status != http.StatusBadRequest || got["error"] != "authorization_pending" {
		t.Errorf("before the person answered: %d %v", status, got)
	}
	response, err := h.provider.Approve(t.Context(), h.typed(strings.ToLower(code)), *h.door.auth)
	must(t, err)
	if response.Mode != op.ModePage || response.RedirectURI != "" || response.Params["code"] != "" {
		t.Errorf("the browser is given more than a page: %+v", response)
	}
	h.clock.Advance(5 * time.Second)
	status, tokens := h.poll("tv", answer)
	if status != http.StatusOK || payload(t, str(tokens["id_token"]))["aud"] != "tv" || tokens["refresh_token"] == nil {
		t.Fatalf("after the person agreed: %d %v", status, tokens)
	}
	if status, claims := h.userinfo(str(tokens["access_token"])); status != http.StatusOK || claims["email"] != "ivan@mail.example" {
		t.Errorf("userinfo: %d %v", status, claims)
	}
	events, err := h.accounts.Journal(t.Context(), h.person.ID, 0, 1)
	must(t, err)
	if events[0].Kind != account.DeviceConnected || events[0].Details["client"] != "tv" || events[0].Origin.Address != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("the journal: %+v", events[0])
	}
}

func TestADeviceCodeIsSpentOnceAndItsReplayEndsWhatCameOfIt(t *testing.T) {
	h := deviceRig(t)
	answer := h.ask()
	id := h.typed(str(answer["user_code"]))
	_, err := h.provider.Approve(t.Context(), id, *h.door.auth)
	must(t, err)
	if _, err := h.provider.Approve(t.Context(), id, *h.door.auth); err == nil {
		t.Error("one request was approved twice")
	}
	if _, err := h.provider.DeviceRequest(t.Context(), str(answer["user_code"])); err == nil {
		t.Error("a user code lives on after its request was answered")
	}
	_, tokens := h.poll("tv", answer)
	if status, _ := h.userinfo(str(tokens["access_token"])); status != http.StatusOK {
		t.Fatalf("userinfo: %d", status)
	}
	if status, got := h.poll("tv", answer); status != http.StatusBadRequest || got["error"] != "invalid_grant" {
		t.Errorf("a replay: %d %v", status, got)
	}
	if status, _ := h.userinfo(str(tokens["access_token"])); status != http.StatusUnauthorized {
		t.Error("the tokens outlived the replay")
	}
}

func TestOfFiftyParallelPollsOneWins(t *testing.T) {
	h := deviceRig(t)
	answer := h.ask()
	_, err := h.provider.Approve(t.Context(), h.typed(str(answer["user_code"])), *h.door.auth)
	must(t, err)
	var wins atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if status, _ := h.poll("tv", answer); status == http.StatusOK {
				wins.Add(1)
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d polls won", wins.Load())
	}
}

func TestADeviceThatAsksTooOftenIsSlowedDown(t *testing.T) {
	h := deviceRig(t)
	answer := h.ask()
	for _, row := range []struct {
		after time.Duration
		want  string
	}{
		{0, "authorization_pending"},
		{time.Second, "slow_down"}, // from now on ten seconds
		{5 * time.Second, "slow_down"},
		{15 * time.Second, "authorization_pending"},
		{10 * time.Second, "slow_down"},
		{20 * time.Second, "authorization_pending"},
	} {
		h.clock.Advance(row.after)
		if _, got := h.poll("tv", answer); got["error"] != row.want {
			t.Errorf("after %s: %v, want %s", row.after, got, row.want)
		}
	}
	// Whoever was impatient is not kept waiting once the person has agreed.
	_, err := h.provider.Approve(t.Context(), h.typed(str(answer["user_code"])), *h.door.auth)
	must(t, err)
	if status, got := h.poll("tv", answer); status != http.StatusOK {
		t.Errorf("agreed: %d %v", status, got)
	}
}

func TestADeviceHearsHowItEnded(t *testing.T) {
	low := func(a op.Authentication) op.Authentication { a.Level = account.Simplified; return a }
	for name, row := range map[string]struct {
		end  func(h *rig, id string) error
		want string
	}{
		"refused": {func(h *rig, id string) error {
			_, err := h.provider.Deny(h.t.Context(), id, "access_denied", "user_deny")
			return err
		}, "access_denied"},
		"not the level": {func(h *rig, id string) error {
			_, err := h.provider.Approve(h.t.Context(), id, low(*h.door.auth))
			return err
		}, "unmet_authentication_requirements"},
		"expired": {func(h *rig, _ string) error { h.clock.Advance(10 * time.Minute); return nil }, "expired_token"},
		"agreed and never fetched": {func(h *rig, id string) error {
			_, err := h.provider.Approve(h.t.Context(), id, *h.door.auth)
			h.clock.Advance(10 * time.Minute)
			return err
		}, "expired_token"},
		"long forgotten": {func(h *rig, _ string) error { h.clock.Advance(21 * time.Minute); return nil }, "invalid_grant"},
		"signed out meanwhile": {func(h *rig, id string) error {
			if _, err := h.provider.Approve(h.t.Context(), id, *h.door.auth); err != nil {
				return err
			}
			return h.accounts.Lock(h.t.Context(), h.person.ID, "person", "", account.Origin{})
		}, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			h := deviceRig(t)
			_, answer := h.send("/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"openid"}, "acr_values": {"urn:vhod:acr:verified"}})
			must(t, row.end(h, h.typed(str(answer["user_code"]))))
			if status, got := h.poll("tv", answer); status != http.StatusBadRequest || got["error"] != row.want {
				t.Errorf("%d %v, want %s", status, got, row.want)
			}
		})
	}
}

func TestADeviceCodeIsRefusedToWhomItWasNotIssued(t *testing.T) {
	h := deviceRig(t)
	answer := h.ask()
	_, err := h.provider.Approve(t.Context(), h.typed(str(answer["user_code"])), *h.door.auth)
	must(t, err)
	if _, got := h.poll("other-tv", answer); got["error"] != "invalid_grant" {
		t.Errorf("another client: %v", got)
	}
	if _, got := h.poll("tv", map[string]any{"device_code": keys.RandomHandle()}); got["error"] != "invalid_grant" {
		t.Errorf("a made up code: %v", got)
	}
	if _, got := h.poll("tv", map[string]any{"device_code": answer["user_code"]}); got["error"] != "invalid_grant" {
		t.Errorf("the user code for a device code: %v", got)
	}
	if status, got := h.poll("tv", answer); status != http.StatusOK {
		t.Errorf("the client itself after that: %d %v", status, got)
	}
}

func TestADeviceSaysWhatItsTokensAreFor(t *testing.T) {
	h := deviceRig(t)
	tv := op.Client{ID: "listening-tv", Profile: op.ProfileOIDC, Auth: []string{op.AuthNone}, GrantTypes: []string{deviceGrant},
		Scopes: []string{"openid", "email"}, Audience: []string{clinic, archive}}
	must(t, h.records.PutClient(t.Context(), tv))
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: tv.ID, Scopes: tv.Scopes}, account.Origin{}))
	h.clock.Advance(2 * time.Second) // unknown clients are looked for once a second
	h.door.auth.Time = h.clock.Now()
	_, answer := h.send("/device_authorization", url.Values{"client_id": {tv.ID}, "scope": {"openid email"}, "resource": {clinic}})
	_, err := h.provider.Approve(t.Context(), h.typed(str(answer["user_code"])), *h.door.auth)
	must(t, err)
	status, tokens := h.poll(tv.ID, answer)
	if aud := asJSON(t, payload(t, str(tokens["access_token"]))["aud"]); status != http.StatusOK || aud != asJSON(t, []string{issuer, clinic}) {
		t.Errorf("%d %s", status, aud)
	}
}

func TestADeviceAsksOnlyWhatItsClientMay(t *testing.T) {
	h := deviceRig(t)
	for name, row := range map[string]struct {
		form url.Values
		want string
	}{
		"no client":            {url.Values{"scope": {"openid"}}, "invalid_client"},
		"not this grant":       {url.Values{"client_id": {"spa"}, "scope": {"openid"}}, "unauthorized_client"},
		"a scope of others":    {url.Values{"client_id": {"tv"}, "scope": {"openid snils"}}, "invalid_scope"},
		"no scope":             {url.Values{"client_id": {"tv"}}, "invalid_scope"},
		"a resource of others": {url.Values{"client_id": {"tv"}, "scope": {"openid"}, "resource": {archive}}, "invalid_target"},
		"an acr out of nowhere": {url.Values{"client_id": {"tv"}, "scope": {"openid"},
			"claims": {`{"id_token":{"acr":{"essential":true,"value":"gold"}}}`}}, "unmet_authentication_requirements"},
	} {
		if status, got := h.send("/device_authorization", row.form); status == http.StatusOK || got["error"] != row.want {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	if _, got := h.poll("spa", h.ask()); got["error"] != "unauthorized_client" {
		t.Errorf("polling without the grant: %v", got)
	}
}

func TestADevicesKeyBindsItsCodeAndItsTokens(t *testing.T) {
	h := deviceRig(t)
	key, thief := ecKey(t), ecKey(t)
	proof := func(k any, path string) string {
		private := k
		public := publicJWK(t, key.Public())
		if k == thief {
			public = publicJWK(t, thief.Public())
		}
		return makeJWS(t, "", private, map[string]any{"typ": "dpop+jwt", "jwk": public},
			map[string]any{"jti": keys.RandomID(), "htm": "POST", "htu": issuer + path, "iat": h.clock.Now().Unix()})
	}
	answer := h.ask("DPoP", proof(key, "/device_authorization"))
	_, err := h.provider.Approve(t.Context(), h.typed(str(answer["user_code"])), *h.door.auth)
	must(t, err)
	for name, headers := range map[string][]string{"no proof": nil, "another key": {"DPoP", proof(thief, "/token")}} {
		if _, got := h.poll("tv", answer, headers...); got["error"] != "invalid_grant" {
			t.Errorf("%s: %v", name, got)
		}
	}
	status, tokens := h.poll("tv", answer, "DPoP", proof(key, "/token"))
	if status != http.StatusOK || tokens["token_type"] != "DPoP" {
		t.Fatalf("%d %v", status, tokens)
	}
	if cnf, _ := payload(t, str(tokens["access_token"]))["cnf"].(map[string]any); cnf["jkt"] == nil {
		t.Error("the access token is not bound")
	}
}

func TestAUserCodeIsReadAsPeopleTypeIt(t *testing.T) {
	for typed, want := range map[string]string{
		"BCKM-TPXH": "BCKM-TPXH", "bckm tpxh": "BCKM-TPXH", " bckmtpxh\n": "BCKM-TPXH", "ВСКМ-ТРХН": "BCKM-TPXH", "вскм–трхн": "BCKM-TPXH",
		"BCKM-TPX": "", "BCKM-TPXHH": "", "ACKM-TPXH": "", "BCKM-TPXЯ": "", "BCK0-TPXH": "", "": "", "----": "", strings.Repeat("B", 300): "",
	} {
		if got, ok := op.ParseUserCode(typed); got != want || ok != (want != "") {
			t.Errorf("%q reads as %q", typed, got)
		}
	}
}

func FuzzParseUserCode(f *testing.F) {
	f.Add("вскм–трхн")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := op.ParseUserCode(typed)
		if again, same := op.ParseUserCode(code); ok && (!same || again != code) {
			t.Errorf("%q reads as %q, and that as %q", typed, code, again)
		}
	})
}
