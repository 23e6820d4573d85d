package op_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

// looks counts what a provider asks of its stores.
type looks struct{ families, ephemera atomic.Int64 }

func (l *looks) all() [2]int64 { return [2]int64{l.families.Load(), l.ephemera.Load()} }

type countedFamilies struct {
	op.FamilyStore
	looks *looks
}

func (c countedFamilies) Family(ctx context.Context, id string) (*op.Family, *account.Account, error) {
	c.looks.families.Add(1)
	return c.FamilyStore.Family(ctx, id)
}

func (c countedFamilies) EndFamily(ctx context.Context, id string, at time.Time) (bool, error) {
	c.looks.families.Add(1)
	return c.FamilyStore.EndFamily(ctx, id, at)
}

type countedEphemera struct {
	op.Ephemera
	looks *looks
}

func (c countedEphemera) Get(ctx context.Context, key string) ([]byte, bool, error) {
	c.looks.ephemera.Add(1)
	return c.Ephemera.Get(ctx, key)
}

func (c countedEphemera) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	c.looks.ephemera.Add(1)
	return c.Ephemera.Put(ctx, key, value, ttl)
}

func (c countedEphemera) Once(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	c.looks.ephemera.Add(1)
	return c.Ephemera.Once(ctx, key, ttl)
}

// TestP38AForeignTokenIsNoMoreWorkThanAnUnknownOne counts looks into the stores and compares answers; times are printed and not judged.
func TestP38AForeignTokenIsNoMoreWorkThanAnUnknownOne(t *testing.T) {
	seen := &looks{}
	h := newHouseWith(t, func(c *op.Config) {
		c.Families, c.Ephemera = countedFamilies{c.Families, seen}, countedEphemera{c.Ephemera, seen}
	}, sampleClients()...)
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: "web", Scopes: []string{"openid", "phone", "offline_access"}}, account.Origin{}))
	live := h.exchange("web", h.code("web", "scope", "openid phone offline_access"))
	access, refresh := live.text("access_token"), live.text("refresh_token")
	if access == "" || refresh == "" {
		t.Fatalf("%+v", live)
	}
	parts := strings.Split(refresh, ".")
	parts[0] = keys.NewToken(keys.PrefixRefreshToken)
	tokens := []struct{ what, token string }{
		{"a live access token of another client", access}, {"a live refresh token of another client", refresh},
		{"an access token that nobody signed", access[:strings.LastIndex(access, ".")+1] + strings.Repeat("A", 86)},
		{"a refresh token that nobody issued", strings.Join(parts, ".")}, {"an ID token", live.text("id_token")}, {"nothing of ours", "token"},
	}
	type result struct {
		status int
		body   string
		header http.Header
		looks  [2]int64
	}
	for _, path := range []string{"/introspect", "/revoke"} {
		ask := func(token string) (result, time.Duration) {
			form := url.Values{"token": {token}}
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth("other", "other-secret")
			w := httptest.NewRecorder()
			before, start := seen.all(), time.Now()
			h.provider.Handler().ServeHTTP(w, r)
			took, after := time.Since(start), seen.all()
			return result{w.Code, w.Body.String(), w.Header(), [2]int64{after[0] - before[0], after[1] - before[1]}}, took
		}
		want, _ := ask("nothing")
		if want.status != http.StatusOK || want.looks != [2]int64{} {
			t.Fatalf("%s: %+v", path, want)
		}
		for _, row := range tokens {
			var times []time.Duration
			for range 200 {
				got, took := ask(row.token)
				times = append(times, took)
				if got.status != want.status || got.body != want.body || got.looks != want.looks || len(got.header) != len(want.header) {
					t.Fatalf("%s, %s: %+v, want %+v", path, row.what, got, want)
				}
			}
			slices.Sort(times)
			t.Logf("%-12s %-40s median %v", path, row.what, times[len(times)/2])
		}
	}
	if info := h.post("/introspect", "web", url.Values{"token": {access}}); info.body["active"] != true {
		t.Errorf("another client's asking ended the token: %v", info.body)
	}
}
