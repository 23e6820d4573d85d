package storagetest

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/storage"
	"github.com/vhod-id/vhod/storage/records"
)

// bench is one store under test, with what stands around it.
type bench struct {
	*records.Store
	url        string
	clock      *Clock
	sealer     *keys.Sealer
	statements *atomic.Int64 // round trips so far
}

// again opens the same database as another node would.
func (b bench) again(t testing.TB) *records.Store {
	t.Helper()
	s, err := storage.OpenRecords(t.Context(), storage.Config{URL: b.url, Sealer: b.sealer, Now: b.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// trips returns how many round trips work takes, once its statements are prepared.
func (b bench) trips(work func()) int64 {
	before := b.statements.Load()
	work()
	return b.statements.Load() - before
}

type rule struct {
	name  string
	holds func(*testing.T, bench)
}

// Records is the contract of the records: account.Store, account.SessionStore, account.Outbox,
// account.CaseStore, keys.Store, op.ClientStore and op.FamilyStore. database names a fresh, empty database.
func Records(t *testing.T, database func(testing.TB) string) {
	rules := slices.Concat(accountRules, journalRules, outboxRules, sessionRules, caseRules, familyRules, clientRules, keyRules, databaseRules)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.holds(t, newBench(t, database(t)))
		})
	}
}

func newBench(t testing.TB, url string) bench {
	t.Helper()
	b := bench{url: url, clock: NewClock(), sealer: Sealer(t), statements: new(atomic.Int64)}
	var err error
	b.Store, err = storage.OpenRecords(t.Context(), storage.Config{URL: url, Sealer: b.sealer, Now: b.clock.Now,
		OnStatement: func(context.Context, string) { b.statements.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// person makes an account that is stored nowhere yet.
func person(phone string) *account.Account {
	return &account.Account{
		ID: account.ID(keys.RandomID()), Status: account.Active, Level: account.Simplified, Lang: "ru",
		Phone: account.Contact{Value: phone}, Email: account.Contact{Value: phone[1:] + "@example.ru"},
	}
}

func (b bench) create(t testing.TB, phone string) *account.Account {
	t.Helper()
	a := person(phone)
	a.Record(account.Event{At: b.clock.Now(), Kind: "signed-up", Actor: "person"})
	must(t, b.Create(t.Context(), a))
	return a
}
