// Package storagetest holds the stores to their contract: one suite that every store passes, the
// throw-away servers it runs against, and a quick opener for the tests of other rooms.
package storagetest

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/storage"
	"github.com/vhod-id/vhod/storage/ephemera"
	"github.com/vhod-id/vhod/storage/records"
)

// Clock is a clock that a test moves. It starts at a fixed moment, stands still, and is safe for
// concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that stands at noon UTC of 2 March 2026.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)} }

// Now is the Config.Now of what is tested.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward.
func (c *Clock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// Open opens records and ephemera on fresh SQLite files that end with the test. A nil clock is the
// real one.
func Open(t testing.TB, now func() time.Time) (*records.Store, *ephemera.Store, *keys.Sealer) {
	t.Helper()
	if now == nil {
		now = time.Now
	}
	sealer := Sealer(t)
	dir := t.TempDir()
	rec, err := storage.OpenRecords(t.Context(), storage.Config{URL: SQLite(filepath.Join(dir, "records.db")), Sealer: sealer, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rec.Close() })
	eph, err := storage.OpenEphemera(t.Context(), storage.Config{URL: SQLite(filepath.Join(dir, "ephemera.db")), Sealer: sealer, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eph.Close() })
	return rec, eph, sealer
}

// SQLite is the URL of a file.
func SQLite(path string) string { return "sqlite://" + path }

// Sealer makes a sealer under fresh keys.
func Sealer(t testing.TB) *keys.Sealer {
	t.Helper()
	s, err := keys.NewSealer([]keys.MasterKey{{ID: "test", Key: keys.NewMasterKey()}}, keys.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// InFile names a fresh SQLite file.
func InFile(t testing.TB) string {
	t.Helper()
	return SQLite(filepath.Join(t.TempDir(), "store.db"))
}

func openEphemera(t testing.TB, url string, b bench) *ephemera.Store {
	t.Helper()
	s, err := storage.OpenEphemera(t.Context(), storage.Config{URL: url, Sealer: b.sealer, Now: b.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
