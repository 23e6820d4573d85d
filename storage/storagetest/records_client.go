package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

var clientRules = []rule{
	{"a client comes back as it was stored", clientComes},
	{"the version of clients grows with every change", versionGrows},
	{"a deleted client is gone", clientGoes},
}

var keyRules = []rule{
	{"signing keys come back oldest first", keysCome},
	{"of many nodes that make the first key one does", oneMakesTheKey},
	{"a signing key is never forgotten", keyStays},
}

func clientComes(t *testing.T, b bench) {
	now := b.clock.Now()
	want := op.Client{
		ID: "demo-web", Name: map[string]string{"ru": "Портал", "en": "Portal"}, Profile: op.ProfileFAPI2, Auth: []string{op.AuthBasic},
		Secrets: []op.ClientSecret{{Hash: "h", CreatedAt: now, ExpiresAt: now.Add(time.Hour)}}, JWKS: []byte(`{"keys":[]}`),
		RedirectURIs: []string{"http://localhost:9000/cb"}, Scopes: []string{"openid"}, RequirePAR: true, CreatedAt: now, UpdatedAt: now,
	}
	must(t, b.PutClient(t.Context(), want))
	got, err := b.Client(t.Context(), "demo-web")
	must(t, err)
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	want.RequireDPoP = true
	must(t, b.PutClient(t.Context(), want))
	must(t, b.PutClient(t.Context(), op.Client{ID: "alpha"}))
	all, err := b.Clients(t.Context())
	must(t, err)
	if diff := cmp.Diff([]op.Client{{ID: "alpha"}, want}, all); diff != "" {
		t.Error(diff)
	}
}

func versionGrows(t *testing.T, b bench) {
	last, err := b.ClientsVersion(t.Context())
	must(t, err)
	for i, change := range []func() error{
		func() error { return b.PutClient(t.Context(), op.Client{ID: "a"}) },
		func() error { return b.PutClient(t.Context(), op.Client{ID: "a", Native: true}) },
		func() error { return b.DeleteClient(t.Context(), "a") },
	} {
		must(t, change())
		now, err := b.again(t).ClientsVersion(t.Context())
		must(t, err)
		if now <= last {
			t.Errorf("change %d: version %d after %d", i, now, last)
		}
		last = now
	}
	winners(t, 20, func() (bool, error) { return true, b.PutClient(t.Context(), op.Client{ID: keys.RandomID()}) })
	if now, err := b.ClientsVersion(t.Context()); now < last+20 || err != nil {
		t.Errorf("20 changes took the version from %d to %d, %v", last, now, err)
	}
}

func clientGoes(t *testing.T, b bench) {
	must(t, b.PutClient(t.Context(), op.Client{ID: "a"}))
	must(t, b.DeleteClient(t.Context(), "a"))
	must(t, b.DeleteClient(t.Context(), "a"))
	if _, err := b.Client(t.Context(), "a"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func keysCome(t *testing.T, b bench) {
	now := b.clock.Now()
	older := keys.StoredKey{ID: "k1", Algorithm: keys.ES256, Public: []byte{1}, Private: []byte{2}, CreatedAt: now, ActiveFrom: now}
	newer := keys.StoredKey{ID: "k0", Algorithm: keys.RS256, Public: []byte{3}, Private: []byte{}, CreatedAt: now.Add(1), ActiveFrom: now.Add(time.Hour)}
	must(t, b.UpdateSigningKeys(t.Context(), func(present []keys.StoredKey) ([]keys.StoredKey, error) {
		return append(present, newer, older), nil
	}))
	older.RetiredAt, older.HiddenAt, older.Private = now.Add(time.Hour), now.Add(2*time.Hour), []byte{}
	must(t, b.UpdateSigningKeys(t.Context(), func(present []keys.StoredKey) ([]keys.StoredKey, error) {
		present[0] = older
		return present, nil
	}))
	got, err := b.SigningKeys(t.Context())
	must(t, err)
	if diff := cmp.Diff([]keys.StoredKey{older, newer}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func oneMakesTheKey(t *testing.T, b bench) {
	nodes := make(chan keys.Store, 20)
	for i := range 20 {
		if i%2 == 0 {
			nodes <- b.Store
		} else {
			nodes <- b.again(t)
		}
	}
	winners(t, 20, func() (bool, error) {
		return true, (<-nodes).UpdateSigningKeys(t.Context(), func(present []keys.StoredKey) ([]keys.StoredKey, error) {
			if len(present) == 0 {
				present = append(present, keys.StoredKey{ID: keys.RandomID(), Algorithm: keys.ES256, CreatedAt: b.clock.Now()})
			}
			return present, nil
		})
	})
	all, err := b.SigningKeys(t.Context())
	must(t, err)
	if len(all) != 1 {
		t.Errorf("%d keys were made", len(all))
	}
}

func keyStays(t *testing.T, b bench) {
	add := func(present []keys.StoredKey) ([]keys.StoredKey, error) {
		return append(present, keys.StoredKey{ID: fmt.Sprint("k", len(present)), CreatedAt: b.clock.Now()}), nil
	}
	must(t, b.UpdateSigningKeys(t.Context(), add))
	if err := b.UpdateSigningKeys(t.Context(), func([]keys.StoredKey) ([]keys.StoredKey, error) { return nil, nil }); err == nil {
		t.Error("a key was forgotten")
	}
	refused := errors.New("refused")
	if err := b.UpdateSigningKeys(t.Context(), func([]keys.StoredKey) ([]keys.StoredKey, error) { return nil, refused }); err != refused {
		t.Errorf("the error of the closure became %v", err)
	}
	all, err := b.SigningKeys(t.Context())
	must(t, err)
	if len(all) != 1 {
		t.Errorf("%d keys", len(all))
	}
}
