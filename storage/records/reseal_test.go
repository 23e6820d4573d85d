package records_test

import (
	"context"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/records"
	"github.com/vhod-id/vhod/storage/storagetest"
)

func TestOldMasterKeyIsNotNeededAfterEverythingWasSealedAnew(t *testing.T) {
	for name, url := range map[string]string{"SQLite": storagetest.InFile(t), "PostgreSQL": storagetest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			ctx, clock, index := t.Context(), storagetest.NewClock(), keys.NewMasterKey()
			old := keys.MasterKey{ID: "old", Key: keys.NewMasterKey()}
			fresh := keys.MasterKey{ID: "fresh", Key: keys.NewMasterKey()}
			open := func(masters ...keys.MasterKey) (*records.Store, *keys.Ring) {
				sealer, err := keys.NewSealer(masters, index)
				if err != nil {
					t.Fatal(err)
				}
				store, err := records.Open(ctx, records.Config{URL: url, Sealer: sealer, Now: clock.Now})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = store.Close() })
				ring, err := keys.NewRing(ctx, keys.RingConfig{Store: store, Sealer: sealer, Now: clock.Now, Algorithms: []keys.Algorithm{keys.ES256}})
				if err != nil {
					t.Fatal(err)
				}
				return store, ring
			}
			before, _ := open(old)
			fill(ctx, t, before, clock)
			both, ring := open(fresh, old)
			n, err := both.Reseal(ctx)
			if err != nil || n < 6 {
				t.Fatalf("%d rows sealed anew: %v", n, err)
			}
			if n, err := ring.Reseal(ctx); err != nil || n != 1 {
				t.Fatalf("%d signing keys sealed anew: %v", n, err)
			}
			if n, err := both.Reseal(ctx); err != nil || n != 0 {
				t.Errorf("a second run seals %d rows: %v", n, err)
			}
			after, _ := open(fresh)
			a, err := after.Account(ctx, "anna")
			if err != nil || a.Phone.Value != "+79161234567" {
				t.Errorf("the account does not open under the fresh key alone: %v", err)
			}
			if err := after.VerifyJournal(ctx, "anna"); err != nil {
				t.Errorf("the journal broke: %v", err)
			}
			if events, err := after.Journal(ctx, "anna", account.JournalQuery{Limit: 10}); err != nil || len(events) == 0 {
				t.Errorf("the journal does not open: %v", err)
			}
			if _, _, err := after.SessionByHash(ctx, "hash"); err != nil {
				t.Errorf("the session does not open: %v", err)
			}
			if _, _, err := after.Family(ctx, "family"); err != nil {
				t.Errorf("the family does not open: %v", err)
			}
			if tasks, err := after.Lease(ctx, []account.TaskKind{account.OwedNotice}, clock.Now(), 1, 10); err != nil || len(tasks) != 1 {
				t.Errorf("the outbox does not open: %v", err)
			}
			if c, err := after.Case(ctx, "case"); err != nil || c.Filed.Contact != "anna@mail.example" {
				t.Errorf("the case does not open: %v", err)
			}
		})
	}
}

// fill stores one of everything that is sealed.
func fill(ctx context.Context, t *testing.T, s *records.Store, clock *storagetest.Clock) {
	t.Helper()
	now := clock.Now()
	anna := &account.Account{ID: "anna", Status: account.Active, Level: account.Simplified, CreatedAt: now, Phone: account.Contact{Value: "+79161234567", ConfirmedAt: now}}
	anna.Record(account.Event{At: now, Kind: account.SignedUp, Actor: "person", Details: map[string]string{"a": "b"}})
	for _, err := range []error{
		s.Create(ctx, anna),
		s.CreateSession(ctx, &account.Session{ID: "session", Hash: "hash", AccountID: "anna", CreatedAt: now, SeenAt: now, ExpiresAt: now.AddDate(0, 0, 1)}, func(*account.Account) error { return nil }),
		s.CreateFamily(ctx, &op.Family{ID: "family", AccountID: "anna", ClientID: "c", AuthTime: now, CreatedAt: now, ExpiresAt: now.AddDate(0, 0, 1)}),
		s.Owe(ctx, account.Task{Kind: account.OwedNotice, DueAt: now, Payload: []byte(`{}`)}),
		s.OpenCase(ctx, account.Case{Number: "case", OpenedAt: now, EndsAt: now.AddDate(0, 0, 1), Filed: account.Filing{Contact: "anna@mail.example"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}
