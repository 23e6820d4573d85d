package op_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

func TestANewClientIsKnownToAllThatComeAtOnce(t *testing.T) {
	h := newRig(t)
	h.clock.Advance(time.Hour)
	fresh := op.Client{ID: "fresh", Auth: []string{op.AuthBasic}, GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"},
		Secrets: []op.ClientSecret{{Hash: keys.Hash("secret")}}}
	if err := h.records.PutClient(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	var coming sync.WaitGroup
	for range 50 {
		coming.Go(func() {
			r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader("grant_type=client_credentials&scope=api"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth("fresh", "secret")
			w := httptest.NewRecorder()
			h.handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	coming.Wait()
}
