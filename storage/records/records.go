// Package records keeps what lives until someone ends it: accounts and their journals, sessions, token
// families, clients, signing keys and what is owed.
//
// One SQL text serves SQLite and PostgreSQL; what differs stands in a small dialect value. What says
// something of a person is sealed before it reaches a statement, and found again by keyed hashes, so
// that a stolen database or backup tells nothing without the keys. Times are epoch nanoseconds, so that
// what comes out equals what went in, and "born before the sign-out" is exact.
package records

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

// Config is what a Store needs. URL, Sealer and Now must be set.
type Config struct {
	// URL names the database: sqlite:///path/file.db, or postgres://user@host/name?sslmode=… with
	// everything that pgx understands. sqlite takes ?synchronous=full: with the default, normal, an
	// acknowledged write survives the end of the process by any signal, but the last ones may be lost
	// when the machine loses power; with full they survive that too, at about a fifth of the speed.
	URL    string
	Sealer *keys.Sealer
	Now    func() time.Time
	Log    *slog.Logger
	// Connections limits the pool (PostgreSQL) or the readers (SQLite); 0 takes 16 and 8.
	Connections int
	// MigratedAlready refuses to open a database whose migrations are not all applied, instead of
	// applying them: for a node whose database user may not change the schema.
	MigratedAlready bool
	// OnStatement is told every round trip to the database, BEGIN and COMMIT included: the text of
	// the statement, never its values. It must be safe for concurrent use. May be nil.
	OnStatement func(ctx context.Context, statement string)
}

// Store keeps records in one database. It is safe for concurrent use by many goroutines, and many nodes
// may share one PostgreSQL.
type Store struct {
	db     *engine
	seen   seenAccounts
	turns  turns
	sealer *keys.Sealer
	now    func() time.Time
}

var (
	_ account.Store        = (*Store)(nil)
	_ account.SessionStore = (*Store)(nil)
	_ account.Outbox       = (*Store)(nil)
	_ account.CaseStore    = (*Store)(nil)
	_ keys.Store           = (*Store)(nil)
	_ op.ClientStore       = (*Store)(nil)
	_ op.FamilyStore       = (*Store)(nil)
)

// Open opens the database named by the URL and brings its schema up to date. Several nodes may open
// one database at once. The caller closes the store.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Sealer == nil || cfg.Now == nil {
		return nil, errors.New("records need a sealer and a clock")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	db, err := openEngine(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening records: %w", err)
	}
	if err := migrate(ctx, db, cfg); err != nil {
		_ = db.close()
		return nil, fmt.Errorf("migrating records: %w", err)
	}
	return &Store{db: db, turns: newTurns(), sealer: cfg.Sealer, now: cfg.Now}, nil
}

func openEngine(ctx context.Context, cfg Config) (*engine, error) {
	scheme, _, _ := strings.Cut(cfg.URL, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, cfg)
	case "postgres", "postgresql":
		return openPostgres(ctx, cfg)
	}
	return nil, fmt.Errorf("records live in sqlite:// or postgres://, not in %q", scheme)
}

// Close releases the connections.
func (s *Store) Close() error { return s.db.close() }

// Ping asks the database one trivial question: readiness.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.db.reader().row(ctx, `SELECT 1`).Scan(&one); err != nil {
		return fmt.Errorf("asking the records: %w", err)
	}
	return nil
}

// toStore turns a time into its stored form; the zero time is 0.
func toStore(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// fromStore is the reverse of toStore, in UTC.
func fromStore(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
