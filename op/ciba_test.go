package op_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

const cibaGrant = "urn:openid:params:grant-type:ciba"

// callRig has a call centre, which asks people who are on the telephone.
func callRig(t *testing.T) *rig {
	t.Helper()
	h := newRig(t)
	centre := op.Client{ID: "centre", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: clientOf("web").Secrets,
		GrantTypes: []string{cibaGrant, "refresh_token"}, Scopes: []string{"openid", "phone", "offline_access"}, IDTokenAlg: "ES256"}
	must(t, centre.Check())
	must(t, h.records.PutClient(t.Context(), centre))
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: "centre", Scopes: centre.Scopes}, account.Origin{}))
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.provider.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return h
}

// ring asks a person; pairs change the form, an empty value removes.
func (h *rig) ring(changes ...string) (int, map[string]any) {
	h.t.Helper()
	return h.ringAs("centre", changes...)
}

func (h *rig) ringAs(client string, changes ...string) (int, map[string]any) {
	h.t.Helper()
	form := url.Values{"scope": {"openid phone"}, "login_hint": {"+7 912 345-67-89"}, "binding_message": {"Заявка 4417"}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return h.post("/bc-authorize", client, form)
}

// waiting returns what waits for the person, once that many do; the person is looked for after the service was answered.
func (h *rig) waiting(id account.ID, n int) []op.Asking {
	h.t.Helper()
	for range 200 {
		asked, err := h.provider.Asked(h.t.Context(), id)
		must(h.t, err)
		if len(asked) == n {
			return asked
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.t.Fatalf("there are never %d requests", n)
	return nil
}

func (h *rig) answered(answer map[string]any) (int, map[string]any) {
	h.t.Helper()
	return h.answeredTo("centre", answer)
}

func (h *rig) answeredTo(client string, answer map[string]any) (int, map[string]any) {
	h.t.Helper()
	return h.post("/token", client, url.Values{"grant_type": {cibaGrant}, "auth_req_id": {str(answer["auth_req_id"])}})
}

func TestAnOperatorAsksAPersonWhoIsOnTheTelephone(t *testing.T) {
	h := callRig(t)
	status, answer := h.ring("requested_expiry", "120")
	if status != http.StatusOK || len(str(answer["auth_req_id"])) != 43 || answer["expires_in"] != 120.0 || answer["interval"] != 5.0 {
		t.Fatalf("%d %v", status, answer)
	}
	asked := h.waiting(h.person.ID, 1)[0]
	if asked.Client.ID != "centre" || asked.Message != "Заявка 4417" || asked.Until.Sub(asked.At) != 2*time.Minute {
		t.Errorf("%+v", asked)
	}
	if _, got := h.answered(answer); got["error"] != "authorization_pending" {
		t.Errorf("before the answer: %v", got)
	}
	if _, got := h.answered(answer); got["error"] != "slow_down" {
		t.Errorf("in a hurry: %v", got)
	}
	_, err := h.provider.Approve(t.Context(), asked.ID, *h.door.auth)
	must(t, err)
	h.waiting(h.person.ID, 0)
	status, tokens := h.answered(answer)
	if status != http.StatusOK || payload(t, str(tokens["id_token"]))["aud"] != "centre" {
		t.Fatalf("%d %v", status, tokens)
	}
	if _, got := h.answered(answer); got["error"] != "invalid_grant" {
		t.Errorf("a second time: %v", got)
	}
	if status, _ := h.userinfo(str(tokens["access_token"])); status != http.StatusUnauthorized {
		t.Error("the tokens outlived the replay of their handle")
	}
	events, err := h.accounts.Journal(t.Context(), h.person.ID, 0, 10)
	must(t, err)
	kinds := map[account.EventKind]string{}
	for _, e := range events {
		kinds[e.Kind] = e.Actor
	}
	if kinds[account.RequestReceived] != "client:centre" || kinds[account.RequestApproved] != "person" {
		t.Errorf("the journal: %v", kinds)
	}
}

func TestNobodyLearnsByAskingWhoHasAnAccount(t *testing.T) {
	h := callRig(t)
	must(t, h.accounts.Lock(t.Context(), h.person.ID, "person", "", account.Origin{}))
	for name, hint := range map[string]string{"locked": "+79123456789", "unknown": "+79990000000", "nonsense": "nobody"} {
		status, answer := h.ring("login_hint", hint)
		if status != http.StatusOK || len(answer) != 3 {
			t.Errorf("%s: %d %v", name, status, answer)
		}
		if status, got := h.answered(answer); status != http.StatusBadRequest || got["error"] != "authorization_pending" {
			t.Errorf("%s: %d %v", name, status, got)
		}
		h.clock.Advance(5 * time.Minute)
		if _, got := h.answered(answer); got["error"] != "expired_token" {
			t.Errorf("%s, later: %v", name, got)
		}
	}
}

func TestAPersonIsNotFloodedWithRequests(t *testing.T) {
	h := callRig(t)
	for range 6 {
		if status, answer := h.ring(); status != http.StatusOK || len(answer) != 3 {
			t.Fatalf("%d %v", status, answer)
		}
	}
	asked := h.waiting(h.person.ID, 3)
	time.Sleep(50 * time.Millisecond)
	h.waiting(h.person.ID, 3)
	_, err := h.provider.Deny(t.Context(), asked[0].ID, "access_denied", "user_deny")
	must(t, err)
	_, _ = h.ring() // a place that was freed by a refusal is not free for a new try
	time.Sleep(50 * time.Millisecond)
	h.waiting(h.person.ID, 2)

	h.clock.Advance(5 * time.Minute)
	_, _ = h.ring()
	h.waiting(h.person.ID, 1)
	must(t, h.provider.Hush(t.Context(), h.person.ID, "centre"))
	h.clock.Advance(5 * time.Minute)
	_, _ = h.ring()
	time.Sleep(50 * time.Millisecond)
	h.waiting(h.person.ID, 0)
	h.clock.Advance(24 * time.Hour)
	_, _ = h.ring()
	h.waiting(h.person.ID, 1)
}

func TestACallIsAnsweredByItsPersonAlone(t *testing.T) {
	h := callRig(t)
	stranger, err := h.accounts.Import(t.Context(), account.Import{Account: account.Account{Level: account.Verified, Lang: "ru",
		Phone: account.Contact{Value: "+79120000001", ConfirmedAt: h.clock.Now()}}, Reason: "test"})
	must(t, err)
	_, answer := h.ring()
	asked := h.waiting(h.person.ID, 1)[0]
	h.waiting(stranger.ID, 0)
	auth := *h.door.auth
	auth.AccountID = stranger.ID
	response, err := h.provider.Approve(t.Context(), asked.ID, auth)
	must(t, err)
	if response.Params["error"] == "" {
		t.Error("a stranger answered for the person")
	}
	if status, got := h.answered(answer); status != http.StatusBadRequest || got["access_token"] != nil {
		t.Errorf("%d %v", status, got)
	}
}

func TestACallAsksWhatItMayAndAsItShould(t *testing.T) {
	h := callRig(t)
	for name, row := range map[string]struct {
		changes []string
		want    string
	}{
		"without openid":        {[]string{"scope", "offline_access"}, "invalid_scope"},
		"a scope of others":     {[]string{"scope", "openid snils"}, "invalid_scope"},
		"nobody":                {[]string{"login_hint", ""}, "invalid_request"},
		"by an ID token":        {[]string{"id_token_hint", "x"}, "invalid_request"},
		"no message":            {[]string{"binding_message", ""}, "invalid_binding_message"},
		"a message that hides":  {[]string{"binding_message", "Заявка\u202e1"}, "invalid_binding_message"},
		"a long message":        {[]string{"binding_message", strings.Repeat("а", 61)}, "invalid_binding_message"},
		"for a day":             {[]string{"requested_expiry", "86400"}, "invalid_request"},
		"for a moment":          {[]string{"requested_expiry", "1"}, "invalid_request"},
		"an acr out of nowhere": {[]string{"claims", `{"id_token":{"acr":{"essential":true,"value":"gold"}}}`}, "unmet_authentication_requirements"},
	} {
		if status, got := h.ring(row.changes...); status != http.StatusBadRequest || got["error"] != row.want {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	if _, got := h.post("/bc-authorize", "web", url.Values{}); got["error"] != "unauthorized_client" {
		t.Errorf("a client that may not: %v", got)
	}
	// The handle of one way is no handle of the other.
	_, answer := h.ring()
	both := clientOf("web")
	both.ID, both.GrantTypes = "both", []string{cibaGrant, deviceGrant}
	must(t, h.records.PutClient(t.Context(), both))
	h.clock.Advance(2 * time.Second) // unknown clients are looked for once a second
	if _, got := h.post("/token", "both", url.Values{"grant_type": {deviceGrant}, "device_code": {str(answer["auth_req_id"])}}); !strings.HasPrefix(str(got["error_description"]), "[poll.unknown]") {
		t.Errorf("as a device code: %v", got)
	}
	public := both
	public.Auth, public.Secrets = []string{op.AuthNone}, nil
	if public.Check() == nil {
		t.Error("a public client may ask people")
	}
}
