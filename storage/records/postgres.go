package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
)

var postgresDialect = dialect{
	goose:      goose.DialectPostgres,
	forUpdate:  " FOR UPDATE",
	skipLocked: " FOR UPDATE SKIP LOCKED",
	swaps:      true,
	layout: []string{
		`ALTER TABLE accounts SET (toast_tuple_target = 8160)`, // the most that a page takes
		`ALTER TABLE families SET (fillfactor = 80)`,
		`ALTER TABLE sessions SET (fillfactor = 80)`,
	},
	crossed: postgresCrossed,
}

const (
	postgresConnections = 16
	// postgresConnectionLife lets a pool follow a failover and rebalance behind a proxy.
	postgresConnectionLife = 30 * time.Minute
)

// openPostgres opens a pool. Statements are prepared once per connection by pgx.
func openPostgres(ctx context.Context, cfg Config) (*engine, error) {
	settings, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, errors.New("the postgres URL does not parse") // the parser's error may hold the password
	}
	if settings.ConnConfig.RuntimeParams["application_name"] == "" {
		settings.ConnConfig.RuntimeParams["application_name"] = "vhod"
	}
	settings.MaxConns, settings.MaxConnLifetime = postgresConnections, postgresConnectionLife
	if cfg.Connections > 0 {
		settings.MaxConns = int32(cfg.Connections)
	}
	connections, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("postgres at %s: %w", settings.ConnConfig.Host, err)
	}
	if err := connections.Ping(ctx); err != nil {
		connections.Close()
		return nil, fmt.Errorf("postgres at %s: %w", settings.ConnConfig.Host, err)
	}
	db := postgresPool{connections}
	return &engine{write: db, read: db, dialect: postgresDialect, observe: cfg.OnStatement}, nil
}

// postgresCrossed knows serialization failure and deadlock (PostgreSQL, appendix A, class 40).
func postgresCrossed(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

// migrationLock lets one node migrate at a time: an advisory lock of the schema, held by the session,
// so that it ends with a node that dies.
type migrationLock struct{}

const migrationLockKey = `hashtextextended('vhod migrations ' || current_schema(), 0)`

func (migrationLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock(`+migrationLockKey+`)`)
	return err
}

func (migrationLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, `SELECT pg_advisory_unlock(`+migrationLockKey+`)`)
	return err
}
