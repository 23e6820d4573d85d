package records_test

import (
	"database/sql"
	"net/url"
	"testing"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/storage/records"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// A failover ends every connection of a pool. Each may fail one caller, and is then replaced.
func TestConnectionsThatTheDatabaseEndedAreReplaced(t *testing.T) {
	const connections = 4
	address, err := url.Parse(storagetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	name, clock := "ended-"+keys.RandomID(), storagetest.NewClock()
	q := address.Query()
	q.Set("application_name", name)
	address.RawQuery = q.Encode()
	store, err := records.Open(t.Context(), records.Config{URL: address.String(), Sealer: storagetest.Sealer(t), Now: clock.Now, Connections: connections})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	admin, err := sql.Open("pgx", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	var ended int
	err = admin.QueryRowContext(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()`, name).Scan(&ended)
	if err != nil || ended == 0 {
		t.Fatalf("%d connections were ended: %v", ended, err)
	}
	for range connections {
		if err = store.Ping(t.Context()); err == nil {
			break
		}
	}
	if err := store.Ping(t.Context()); err != nil {
		t.Errorf("the pool does not come back: %v", err)
	}
}
