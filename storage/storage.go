// Package storage opens the stores named by URLs.
//
// Records live until someone ends them, ephemera expire: two lifetimes, two contracts, two stores.
// Both default to SQLite files; PostgreSQL and Redis take their places by URL, and the suite of
// storagetest holds all four to one contract.
package storage

import (
	"context"
	"log/slog"
	"time"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/storage/ephemera"
	"github.com/vhod-id/vhod/storage/records"
)

// Config names a store. URL, Sealer and Now must be set.
type Config struct {
	// URL of records: sqlite:///path/file.db or postgres://…; of ephemera: sqlite:///path/file.db
	// (another file) or redis://…. See records.Config and ephemera.Config for what may follow.
	URL    string
	Sealer *keys.Sealer
	Now    func() time.Time
	Log    *slog.Logger
	// MigratedAlready refuses to open records that lack migrations, instead of applying them.
	MigratedAlready bool
	// OnStatement is told every round trip: the text of a statement or the name of a verb, never
	// values. It must be safe for concurrent use. May be nil.
	OnStatement func(ctx context.Context, statement string)
}

// OpenRecords opens the store of what lives until someone ends it, and brings its schema up to date.
func OpenRecords(ctx context.Context, cfg Config) (*records.Store, error) {
	return records.Open(ctx, records.Config{
		URL: cfg.URL, Sealer: cfg.Sealer, Now: cfg.Now, Log: cfg.Log,
		MigratedAlready: cfg.MigratedAlready, OnStatement: cfg.OnStatement,
	})
}

// OpenEphemera opens the store of what expires.
func OpenEphemera(ctx context.Context, cfg Config) (*ephemera.Store, error) {
	return ephemera.Open(ctx, ephemera.Config{
		URL: cfg.URL, Sealer: cfg.Sealer, Now: cfg.Now, Log: cfg.Log, OnCall: cfg.OnStatement,
	})
}
