package records

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

// Migrations are numbered, only go forward, and only add: code of the release before works on the new
// schema (docs/storage.md).
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// ErrNotMigrated says that the database lacks migrations and Config.MigratedAlready forbids applying them.
var ErrNotMigrated = errors.New("the database is not migrated: run vhod migrate")

func migrate(ctx context.Context, db *engine, cfg Config) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(layoutMigration(db.dialect))}
	if db.dialect.goose == goose.DialectPostgres {
		options = append(options, goose.WithSessionLocker(migrationLock{}))
	}
	over, done := db.write.standard()
	defer done()
	provider, err := goose.NewProvider(db.dialect.goose, over, files, options...)
	if err != nil {
		return err
	}
	if cfg.MigratedAlready {
		pending, err := provider.HasPending(ctx)
		if err == nil && pending {
			err = ErrNotMigrated
		}
		return err
	}
	return apply(ctx, provider, cfg)
}

// apply brings the schema up. On SQLite a node that loses the race for a migration finds it applied when it looks again.
func apply(ctx context.Context, provider *goose.Provider, cfg Config) error {
	const tries = 10
	for try := 1; ; try++ {
		results, err := provider.Up(ctx)
		for _, r := range results {
			if r.Error == nil {
				cfg.Log.InfoContext(ctx, "migration applied", "version", r.Source.Version, "took", r.Duration)
			}
		}
		if err == nil {
			return nil
		}
		if try == tries {
			return fmt.Errorf("after %d tries: %w", tries, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * 20 * time.Millisecond):
		}
	}
}

// SchemaVersion is the number of the newest migration that was applied.
func (s *Store) SchemaVersion(ctx context.Context) (int64, error) {
	var version int64
	err := s.db.reader().row(ctx, `SELECT max(version_id) FROM goose_db_version`).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("reading the schema's version: %w", err)
	}
	return version, nil
}
