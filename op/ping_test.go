package op_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// heard is what came to a notification endpoint.
type heard struct{ authorization, contentType, handle string }

// pingedRig is a call centre with a notification endpoint, which answers as answers say, the last one for ever.
func pingedRig(t *testing.T, answers ...int) (*rig, chan heard) {
	t.Helper()
	h, calls := callRig(t), make(chan heard, 10)
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Handle string `json:"auth_req_id"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		calls <- heard{r.Header.Get("Authorization"), r.Header.Get("Content-Type"), body.Handle}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(answers[min(int(n.Add(1)), len(answers))-1])
	}))
	t.Cleanup(server.Close)
	centre := op.Client{ID: "pinged", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: clientOf("web").Secrets,
		GrantTypes: []string{cibaGrant}, Scopes: []string{"openid", "phone"}, IDTokenAlg: "ES256", NotifyURI: server.URL + "/ping"}
	must(t, centre.Check())
	must(t, h.records.PutClient(t.Context(), centre))
	h.clock.Advance(2 * time.Second) // unknown clients are looked for once a second
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: "pinged", Scopes: centre.Scopes}, account.Origin{}))
	h.door.auth.Time = h.clock.Now()
	return h, calls
}

const notificationToken = "8d67dc78-7faa-4d41-aabd-67707b374255"

func TestAServiceIsPingedWhenItsPersonAnswered(t *testing.T) {
	for name, answers := range map[string][]int{"at once": {http.StatusNoContent}, "the second time": {http.StatusBadGateway, http.StatusOK}} {
		t.Run(name, func(t *testing.T) {
			h, calls := pingedRig(t, answers...)
			if _, got := h.ringAs("pinged"); !strings.HasPrefix(str(got["error_description"]), "[call.ping]") {
				t.Errorf("without a token: %v", got)
			}
			_, answer := h.ringAs("pinged", "client_notification_token", notificationToken)
			asked := h.waiting(h.person.ID, 1)[0]
			select {
			case early := <-calls:
				t.Fatalf("pinged before the answer: %v", early)
			case <-time.After(50 * time.Millisecond):
			}
			_, err := h.provider.Approve(t.Context(), asked.ID, *h.door.auth)
			must(t, err)
			for range answers {
				want := heard{"Bearer " + notificationToken, "application/json", str(answer["auth_req_id"])}
				select {
				case got := <-calls:
					if got != want {
						t.Errorf("heard %v, want %v", got, want)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("no ping")
				}
			}
			if status, got := h.answeredTo("pinged", answer); status != http.StatusOK {
				t.Errorf("%d %v", status, got)
			}
		})
	}
}

func TestAPingGoesNowhereElse(t *testing.T) {
	h, calls := pingedRig(t, http.StatusTemporaryRedirect)
	_, _ = h.ringAs("pinged", "client_notification_token", notificationToken)
	_, err := h.provider.Deny(t.Context(), h.waiting(h.person.ID, 1)[0].ID, "access_denied", "user_deny")
	must(t, err)
	<-calls // a refusal is an answer too
	select {
	case again := <-calls:
		t.Errorf("a redirect was followed, or tried again: %v", again)
	case <-time.After(2500 * time.Millisecond):
	}
	for _, uri := range []string{"http://rp.example/ping", "https://rp.example/ping#part", "https://user@rp.example/ping", "ping"} {
		c := clientOf("web")
		c.NotifyURI = uri
		if c.Check() == nil {
			t.Errorf("%s may be registered", uri)
		}
	}
	for _, token := range []string{"short", strings.Repeat("x", 1025), notificationToken + "\r\nX: y", "with spaces in it is no token"} {
		if _, got := h.ringAs("pinged", "client_notification_token", token); !strings.HasPrefix(str(got["error_description"]), "[call.ping]") {
			t.Errorf("%q: %v", token, got)
		}
	}
}
