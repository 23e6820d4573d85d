package storagetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/storage"
	"github.com/vhod-id/vhod/storage/records"
)

var databaseRules = []rule{
	{"the store answers a ping until it is closed", pingAnswers},
	{"what one node wrote another reads", nodesShare},
	{"code of this release works on the schema of the next", newerSchema},
	{"a row moved to another place does not open", movedRow},
}

// Migrations is the contract of opening: nodes that start together on an empty database bring it up
// once, and none fails.
func Migrations(t *testing.T, database func(testing.TB) string) {
	url, sealer, clock := database(t), Sealer(t), NewClock()
	_, err := storage.OpenRecords(t.Context(), storage.Config{URL: url, Sealer: sealer, Now: clock.Now, MigratedAlready: true})
	if !errors.Is(err, records.ErrNotMigrated) {
		t.Fatalf("an empty database was opened as migrated: %v", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			s, err := storage.OpenRecords(t.Context(), storage.Config{URL: url, Sealer: sealer, Now: clock.Now})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			if _, err := s.ClientsVersion(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s, err := storage.OpenRecords(t.Context(), storage.Config{URL: url, Sealer: sealer, Now: clock.Now, MigratedAlready: true})
	must(t, err)
	must(t, s.Close())
}

func pingAnswers(t *testing.T, b bench) {
	must(t, b.Ping(t.Context()))
	must(t, b.Close())
	if err := b.Ping(t.Context()); err == nil {
		t.Error("a closed store answers")
	}
}

func nodesShare(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	got, err := b.again(t).Account(t.Context(), a.ID)
	must(t, err)
	wantSame(t, a, got)
}

// newerSchema is what a node of the release before sees while the next one is rolled out: a migration
// that it does not know, and a column that it does not write.
func newerSchema(t *testing.T, b bench) {
	db := raw(t, b.url)
	for _, statement := range []string{
		`ALTER TABLE accounts ADD COLUMN added_later TEXT NOT NULL DEFAULT ''`,
		`CREATE TABLE added_later (id TEXT PRIMARY KEY)`,
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	}
	node := b.again(t)
	a := person("+79161234567")
	must(t, node.Create(t.Context(), a))
	must(t, node.Update(t.Context(), a.ID, func(a *account.Account) error { a.Level = account.Standard; return nil }))
}

func movedRow(t *testing.T, b bench) {
	mine, theirs := b.create(t, "+79161234567"), b.create(t, "+79161234568")
	b.tamper(t, `UPDATE accounts SET sealed = (SELECT sealed FROM accounts WHERE id = $1) WHERE id = $2`, theirs.ID, mine.ID)
	if _, err := b.Account(t.Context(), mine.ID); err == nil {
		t.Error("one person's row opened as another's")
	}
}
