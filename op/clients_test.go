package op_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

func TestAClientOfAnotherNodeIsKnownThoughAStrangerAskedJustBefore(t *testing.T) {
	h := newRig(t)
	for _, id := range []string{"one", "two", "three"} {
		h.post("/token", "nobody-"+id, url.Values{"grant_type": {"client_credentials"}})
		must(t, h.records.PutClient(t.Context(), op.Client{ID: id, Auth: []string{op.AuthBasic}, GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"},
			Secrets: []op.ClientSecret{{Hash: keys.Hash("secret")}}}))
		if status, answer := h.post("/token", id, url.Values{"grant_type": {"client_credentials"}}); status != http.StatusOK {
			t.Errorf("%s: %d %v", id, status, answer)
		}
	}
}

// looked counts how often the store of clients is asked whether something changed.
type looked struct {
	op.ClientStore
	times atomic.Int64
}

func (l *looked) ClientsVersion(ctx context.Context) (int64, error) {
	l.times.Add(1)
	return l.ClientStore.ClientsVersion(ctx)
}

func TestWhoMakesUpClientIDsAsksTheStoreSeldom(t *testing.T) {
	store := &looked{}
	h := newHouseWith(t, func(c *op.Config) { store.ClientStore, c.Clients = c.Clients, store }, sampleClients()...)
	store.times.Store(0)
	for i := range 500 {
		h.authorize(codeRequest("made-up-" + strconv.Itoa(i)))
	}
	if n := store.times.Load(); n == 0 || n > 60 {
		t.Errorf("500 made up ids asked the store %d times within a moment", n)
	}
	h.later(time.Second)
	before := store.times.Load()
	h.authorize(codeRequest("made-up"))
	if store.times.Load() == before {
		t.Error("a second later nobody is looked for")
	}
}
