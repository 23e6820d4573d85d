package op_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// puller is a service that takes its events itself.
type puller struct {
	*logoutRig
	token string
}

func newPuller(t *testing.T, change func(*op.Client)) *puller {
	t.Helper()
	h := &puller{logoutRig: newLogoutRig(t, func(c *op.Client) {
		c.GrantTypes = append(c.GrantTypes, "client_credentials")
		c.Scopes = append(c.Scopes, "ssf.read", "ssf.manage")
		change(c)
	})}
	h.token = h.own("web", "ssf.manage")
	return h
}

// own is a client's own token.
func (h *puller) own(client, scope string) string {
	h.t.Helper()
	status, answer := h.post("/token", client, url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
	if status != http.StatusOK {
		h.t.Fatalf("%d %v", status, answer)
	}
	return str(answer["access_token"])
}

// call sends JSON to an endpoint of the stream.
func (h *puller) call(method, path string, body any, token string) (int, map[string]any) {
	h.t.Helper()
	text, err := json.Marshal(body)
	must(h.t, err)
	var in io.Reader = strings.NewReader(string(text))
	if body == nil {
		in = nil
	}
	r := httptest.NewRequest(method, path, in)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return h.do(r)
}

// pull takes what waits, and returns the tokens by name.
func (h *puller) pull(body map[string]any) map[string]string {
	h.t.Helper()
	body["returnImmediately"] = true
	status, answer := h.call(http.MethodPost, "/ssf/poll", body, h.token)
	if status != http.StatusOK {
		h.t.Fatalf("%d %v", status, answer)
	}
	out := map[string]string{}
	sets, _ := answer["sets"].(map[string]any)
	for name, token := range sets {
		out[name] = str(token)
	}
	return out
}

// spread waits until a change has come to the services.
func (h *puller) spread(want int) map[string]string {
	h.t.Helper()
	h.provider.KickLogouts()
	for range 500 {
		if sets := h.pull(map[string]any{}); len(sets) >= want {
			return sets
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.t.Fatal("no event waits")
	return nil
}

func TestServiceTakesItsEventsAndAcknowledgesThem(t *testing.T) {
	h := newPuller(t, func(c *op.Client) { c.EventsPoll, c.Events = true, []string{op.SignalDisabled, op.SignalConsent} })
	must(t, h.accounts.Lock(t.Context(), h.person.ID, "operator:1", "test", account.Origin{}))
	sets := h.spread(1)
	name := slices.Collect(maps.Keys(sets))[0]
	claims := payload(t, sets[name])
	if part(t, sets[name], 0)["typ"] != "secevent+jwt" || claims["jti"] != name {
		t.Errorf("the token says %v under the name %s", claims["jti"], name)
	}
	h.signal(claims)
	if again := h.pull(map[string]any{}); len(again) != 0 {
		t.Error("what was given a moment ago is given again")
	}
	h.clock.Advance(2 * time.Minute)
	h.token = h.own("web", "ssf.manage")
	if again := h.pull(map[string]any{}); again[name] == "" {
		t.Errorf("what was not acknowledged does not come again: %v", again)
	}
	for _, of := range []string{"", ".", name + "x", strings.Split(name, ".")[0], strings.Split(name, ".")[0] + ".AAAAAAAAAAAAAAAAAAAAAA"} {
		h.pull(map[string]any{"ack": []string{of}})
	}
	h.clock.Advance(2 * time.Minute)
	if again := h.pull(map[string]any{}); again[name] == "" {
		t.Error("an event was acknowledged under a name that is not its own")
	}
	if left := h.pull(map[string]any{"ack": []string{name}, "maxEvents": 0}); len(left) != 0 {
		t.Error("who only acknowledges is given events")
	}
	h.clock.Advance(2 * time.Minute)
	if again := h.pull(map[string]any{}); len(again) != 0 {
		t.Error("an acknowledged event comes again")
	}
}

func TestEventsThatAServiceRefusesComeNoMore(t *testing.T) {
	h := newPuller(t, func(c *op.Client) { c.EventsPoll, c.Events = true, []string{op.SignalDisabled, op.SignalConsent} })
	must(t, h.accounts.Lock(t.Context(), h.person.ID, "operator:1", "test", account.Origin{}))
	name := slices.Collect(maps.Keys(h.spread(1)))[0]
	h.pull(map[string]any{"setErrs": map[string]any{name: map[string]string{"err": "authentication_failed", "description": "…"}}})
	h.clock.Advance(2 * time.Minute)
	h.token = h.own("web", "ssf.read")
	if again := h.pull(map[string]any{}); len(again) != 0 {
		t.Error("a refused event comes again")
	}
}

func TestOfManyPollsOneGetsAnEvent(t *testing.T) {
	h := newPuller(t, func(c *op.Client) { c.EventsPoll, c.Events = true, []string{op.SignalDisabled, op.SignalConsent} })
	must(t, h.accounts.WithdrawGrant(t.Context(), h.person.ID, "web", account.Origin{}))
	h.spread(1)
	h.clock.Advance(2 * time.Minute)
	h.token = h.own("web", "ssf.read")
	var mu sync.Mutex
	got := 0
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			r := httptest.NewRequest(http.MethodPost, "/ssf/poll", strings.NewReader(`{"returnImmediately":true}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+h.token)
			w := httptest.NewRecorder()
			h.handler.ServeHTTP(w, r)
			var answer struct{ Sets map[string]string }
			_ = json.Unmarshal(w.Body.Bytes(), &answer)
			mu.Lock()
			defer mu.Unlock()
			got += len(answer.Sets)
		})
	}
	all.Wait()
	if got != 1 {
		t.Errorf("one event was given %d times at once", got)
	}
}

func TestServiceManagesItsStream(t *testing.T) {
	h := newPuller(t, func(*op.Client) {})
	if status, _ := h.call(http.MethodPost, "/ssf/poll", map[string]any{}, h.token); status != http.StatusBadRequest {
		t.Errorf("polling without a stream: %d", status)
	}
	status, made := h.call(http.MethodPost, "/ssf/stream", map[string]any{
		"events_requested": []string{risc + "account-disabled", "urn:somebody:event"}, "delivery": map[string]string{"method": "urn:ietf:rfc:8936"},
	}, h.token)
	delivery, _ := made["delivery"].(map[string]any)
	delivered, _ := made["events_delivered"].([]any)
	if status != http.StatusCreated || made["aud"] != "web" || delivery["endpoint_url"] != issuer+"/ssf/poll" || len(delivered) != 1 {
		t.Fatalf("made: %d %v", status, made)
	}
	id := str(made["stream_id"])
	if status, _ := h.call(http.MethodPost, "/ssf/stream", map[string]any{}, h.token); status != http.StatusConflict {
		t.Errorf("a second stream: %d", status)
	}
	status, verified := h.call(http.MethodPost, "/ssf/verify", map[string]any{"stream_id": id, "state": "hello"}, h.token)
	if status != http.StatusNoContent {
		t.Fatalf("verification: %d %v", status, verified)
	}
	if status, _ := h.call(http.MethodPost, "/ssf/verify", map[string]any{"stream_id": id}, h.token); status != http.StatusTooManyRequests {
		t.Errorf("a verification at once after another: %d", status)
	}
	for name, token := range h.spread(1) {
		claims := payload(t, token)
		events, _ := claims["events"].(map[string]any)
		event, _ := events["https://schemas.openid.net/secevent/ssf/event-type/verification"].(map[string]any)
		if subject, _ := claims["sub_id"].(map[string]any); event["state"] != "hello" || subject["id"] != id {
			t.Errorf("the verification says %v", claims)
		}
		h.pull(map[string]any{"ack": []string{name}})
	}
	must(t, h.accounts.WithdrawGrant(t.Context(), h.person.ID, "web", account.Origin{})) // not asked for

	if status, changed := h.call(http.MethodPost, "/ssf/status", map[string]any{"stream_id": id, "status": "paused"}, h.token); status != http.StatusOK || changed["status"] != "paused" {
		t.Errorf("paused: %d %v", status, changed)
	}
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: "web", Scopes: []string{"openid"}}, account.Origin{}))
	must(t, h.accounts.Lock(t.Context(), h.person.ID, "operator:1", "test", account.Origin{}))
	h.provider.KickLogouts()
	time.Sleep(300 * time.Millisecond)
	if sets := h.pull(map[string]any{}); len(sets) != 0 {
		t.Error("a paused stream gives events")
	}
	h.call(http.MethodPost, "/ssf/status", map[string]any{"stream_id": id, "status": "enabled"}, h.token)
	if sets := h.spread(1); len(sets) != 1 {
		t.Errorf("after the pause %d events wait", len(sets))
	}
	status, changed := h.call(http.MethodPatch, "/ssf/stream", map[string]any{"stream_id": id, "events_requested": []string{caep + "session-revoked"}}, h.token)
	if delivered, _ := changed["events_delivered"].([]any); status != http.StatusOK || len(delivered) != 1 || delivered[0] != caep+"session-revoked" {
		t.Errorf("changed: %d %v", status, changed)
	}
	if status, _ := h.call(http.MethodDelete, "/ssf/stream?stream_id="+id, nil, h.token); status != http.StatusNoContent {
		t.Errorf("deleted: %d", status)
	}
	if status, _ := h.call(http.MethodGet, "/ssf/stream?stream_id="+id, nil, h.token); status != http.StatusNotFound {
		t.Errorf("a deleted stream answers %d", status)
	}
}

func TestStreamIsItsClientsAlone(t *testing.T) {
	h := newPuller(t, func(c *op.Client) { c.EventsPoll, c.Events = true, []string{op.SignalDisabled, op.SignalConsent} })
	_, mine := h.call(http.MethodGet, "/ssf/stream?stream_id=x", nil, h.token)
	if mine["error"] == nil {
		t.Error("a made-up stream is read")
	}
	other := clientOf("other")
	other.ID, other.EventsPoll = "stranger", true
	other.GrantTypes, other.Scopes = append(other.GrantTypes, "client_credentials"), append(other.Scopes, "ssf.manage", "api")
	h.put(other)
	foreign, weak := h.own("stranger", "ssf.manage"), h.own("stranger", "api")
	persons := str(h.tokens(clientOf("web"))["access_token"])
	for name, row := range map[string]struct {
		token string
		want  int
	}{
		"nobody's":                  {"", http.StatusUnauthorized},
		"garbage":                   {"x.y.z", http.StatusUnauthorized},
		"a person's":                {persons, http.StatusUnauthorized},
		"without the scope":         {weak, http.StatusForbidden},
		"of the client whose it is": {h.token, http.StatusOK},
	} {
		if status, _ := h.call(http.MethodPost, "/ssf/poll", map[string]any{"returnImmediately": true}, row.token); status != row.want {
			t.Errorf("a token %s is answered %d, not %d", name, status, row.want)
		}
	}
	reading := h.own("web", "ssf.read")
	if status, _ := h.call(http.MethodPost, "/ssf/verify", map[string]any{}, reading); status != http.StatusForbidden {
		t.Errorf("who may read asks for a verification: %d", status)
	}
	must(t, h.accounts.Lock(t.Context(), h.person.ID, "operator:1", "test", account.Origin{}))
	name := slices.Collect(maps.Keys(h.spread(1)))[0]
	h.call(http.MethodPost, "/ssf/poll", map[string]any{"returnImmediately": true, "ack": []string{name}}, foreign)
	h.clock.Advance(2 * time.Minute)
	h.token = h.own("web", "ssf.read")
	if again := h.pull(map[string]any{}); again[name] == "" {
		t.Error("another client acknowledged the event")
	}
}

func TestEventsThatNobodyTakesAreDroppedAfterAWeek(t *testing.T) {
	h := newPuller(t, func(c *op.Client) { c.EventsPoll, c.Events = true, []string{op.SignalDisabled, op.SignalConsent} })
	must(t, h.accounts.Lock(t.Context(), h.person.ID, "operator:1", "test", account.Origin{}))
	h.spread(1)
	for range 5 { // a leap of the clock while the event is still being spread spreads it once more
		h.clock.Advance(8 * 24 * time.Hour)
		must(t, h.provider.DropStale(t.Context()))
		h.token = h.own("web", "ssf.read")
		if len(h.pull(map[string]any{})) == 0 {
			return
		}
	}
	t.Error("events of last week wait")
}

func TestWhatNobodyMayTakeAnyMoreIsForgotten(t *testing.T) {
	for what, row := range map[string]struct {
		method, path string
		body         any
	}{
		"disabled": {http.MethodPost, "/ssf/status", map[string]any{"stream_id": "", "status": "disabled"}},
		"pushed":   {http.MethodPatch, "/ssf/stream", map[string]any{"stream_id": "", "delivery": map[string]string{"method": "urn:ietf:rfc:8935", "endpoint_url": "https://rp.example/events"}}},
		"deleted":  {http.MethodDelete, "/ssf/stream?stream_id=", nil},
	} {
		h := newPuller(t, func(c *op.Client) { c.EventsPoll, c.Events = true, []string{op.SignalConsent} })
		must(t, h.accounts.WithdrawGrant(t.Context(), h.person.ID, "web", account.Origin{}))
		h.spread(1)
		id := h.streamID()
		if body, is := row.body.(map[string]any); is {
			body["stream_id"] = id
		} else {
			row.path += id
		}
		if status, answer := h.call(row.method, row.path, row.body, h.token); status/100 != 2 {
			t.Fatalf("%s: %d %v", what, status, answer)
		}
		web, err := h.records.Client(t.Context(), "web")
		must(t, err)
		web.EventsPoll, web.EventsURI, web.EventsStatus = true, "", op.StreamEnabled
		h.put(*web)
		h.clock.Advance(2 * time.Minute)
		if again := h.pull(map[string]any{}); len(again) != 0 {
			t.Errorf("%s, and then polled: %d events wait", what, len(again))
		}
	}
}

func TestAStreamIsNotGivenASecretToKeep(t *testing.T) {
	h := newPuller(t, func(*op.Client) {})
	status, answer := h.call(http.MethodPost, "/ssf/stream", map[string]any{"delivery": map[string]string{
		"method": "urn:ietf:rfc:8935", "endpoint_url": "https://rp.example/events", "authorization_header": "Bearer x"}}, h.token)
	if status != http.StatusBadRequest || !strings.HasPrefix(str(answer["error_description"]), "[stream.delivery]") {
		t.Errorf("%d %v", status, answer)
	}
}

func TestOneRequestOfAServiceWaitsAndOthersAreAnsweredAtOnce(t *testing.T) {
	h := newPuller(t, func(c *op.Client) { c.EventsPoll, c.Events = true, []string{op.SignalConsent} })
	done := make(chan map[string]any)
	go func() {
		_, answer := h.call(http.MethodPost, "/ssf/poll", map[string]any{}, h.token)
		done <- answer
	}()
	time.Sleep(200 * time.Millisecond)
	if status, answer := h.call(http.MethodPost, "/ssf/poll", map[string]any{}, h.token); status != http.StatusOK {
		t.Errorf("a second one: %d %v", status, answer)
	}
	select {
	case <-done:
		t.Fatal("the one that waits was answered first")
	default:
	}
	must(t, h.accounts.WithdrawGrant(t.Context(), h.person.ID, "web", account.Origin{}))
	h.provider.KickLogouts()
	if sets, _ := (<-done)["sets"].(map[string]any); len(sets) != 1 {
		t.Errorf("the one that waited got %v", sets)
	}
}

// streamID is the id of the service's stream.
func (h *puller) streamID() string {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/ssf/stream", nil)
	r.Header.Set("Authorization", "Bearer "+h.token)
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	var all []struct {
		ID string `json:"stream_id"`
	}
	must(h.t, json.Unmarshal(w.Body.Bytes(), &all))
	if len(all) != 1 {
		h.t.Fatalf("streams: %s", w.Body)
	}
	return all[0].ID
}

func TestTransmitterSaysWhereItsStreamsAre(t *testing.T) {
	h := newRig(t)
	status, meta := h.do(httptest.NewRequest(http.MethodGet, "/.well-known/ssf-configuration", nil))
	if status != http.StatusOK || meta["issuer"] != issuer || meta["jwks_uri"] != issuer+"/jwks" {
		t.Fatalf("%d %v", status, meta)
	}
	for _, name := range []string{"configuration_endpoint", "status_endpoint", "verification_endpoint"} {
		if u, _ := strings.CutPrefix(str(meta[name]), issuer); u == "" {
			t.Errorf("%s is %v", name, meta[name])
		} else if status, _ := h.do(httptest.NewRequest(http.MethodPost, u, nil)); status != http.StatusUnauthorized {
			t.Errorf("%s answers %d to nobody", u, status)
		}
	}
}
