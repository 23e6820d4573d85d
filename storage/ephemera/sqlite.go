package ephemera

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// The file forgets by a sweeper; a row past its time is dead before that.
const (
	sweepEvery  = 30 * time.Second
	sweepAtMost = 5000 // rows at once, so that nobody waits long for the writer
)

const schema = `CREATE TABLE IF NOT EXISTS ephemera (
	key        TEXT   PRIMARY KEY,
	value      BYTEA  NOT NULL,
	sum        BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ephemera_by_expiry ON ephemera (expires_at)`

const (
	putStatement = `INSERT INTO ephemera (key, value, sum, expires_at) VALUES ($1, $2, 0, $3)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`
	getStatement  = `SELECT value FROM ephemera WHERE key = $1 AND expires_at > $2`
	takeStatement = `DELETE FROM ephemera WHERE key = $1 RETURNING value`
	onceStatement = `INSERT INTO ephemera (key, value, sum, expires_at) VALUES ($1, x'', 0, $3)
		ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at WHERE ephemera.expires_at <= $2`
	readStatement  = `SELECT sum FROM ephemera WHERE key = $1 AND expires_at > $2`
	countStatement = `INSERT INTO ephemera (key, value, sum, expires_at) VALUES ($1, x'', $4, $3)
		ON CONFLICT (key) DO UPDATE SET
			sum        = CASE WHEN ephemera.expires_at <= $2 THEN excluded.sum ELSE ephemera.sum + excluded.sum END,
			expires_at = CASE WHEN ephemera.expires_at <= $2 THEN excluded.expires_at ELSE ephemera.expires_at END
		RETURNING sum`
	sweepStatement = `DELETE FROM ephemera WHERE key IN (SELECT key FROM ephemera WHERE expires_at <= $1 LIMIT $2)`
)

// sqliteEngine is one file in WAL mode: one connection writes, several read.
type sqliteEngine struct {
	write, read                 *sql.DB
	putting, taking, onceing    *sql.Stmt
	counting, getting, readingN *sql.Stmt
	stop                        context.CancelFunc
	swept                       sync.WaitGroup
}

func openSQLite(ctx context.Context, cfg Config) (engine, error) {
	path, ok := strings.CutPrefix(cfg.URL, "sqlite://")
	if !ok || path == "" || path == ":memory:" || strings.Contains(path, "?") {
		return nil, fmt.Errorf("%q is not sqlite:///path/file.db", cfg.URL)
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	e := &sqliteEngine{}
	var err error
	if e.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate")); err != nil {
		return nil, err
	}
	if e.read, err = sql.Open("sqlite", dsn(path, "_pragma=query_only(1)")); err != nil {
		return nil, err
	}
	e.write.SetMaxOpenConns(1)
	e.read.SetMaxOpenConns(4)
	e.read.SetMaxIdleConns(4)
	if err := e.prepare(ctx); err != nil {
		_ = errors.Join(e.write.Close(), e.read.Close())
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	e.swept.Go(func() { e.sweep(sweeping, cfg) })
	return e, nil
}

func dsn(path, more string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)&" + more
}

// createPrivate makes the directory and an empty file that only the owner may read.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (e *sqliteEngine) prepare(ctx context.Context) error {
	if _, err := e.write.ExecContext(ctx, schema); err != nil {
		return err
	}
	for _, p := range []struct {
		into      **sql.Stmt
		db        *sql.DB
		statement string
	}{
		{&e.putting, e.write, putStatement},
		{&e.taking, e.write, takeStatement},
		{&e.onceing, e.write, onceStatement},
		{&e.counting, e.write, countStatement},
		{&e.getting, e.read, getStatement},
		{&e.readingN, e.read, readStatement},
	} {
		var err error
		if *p.into, err = p.db.PrepareContext(ctx, p.statement); err != nil {
			return err
		}
	}
	return nil
}

func (e *sqliteEngine) put(ctx context.Context, key string, value []byte, _, until int64) error {
	_, err := e.putting.ExecContext(ctx, key, value, until)
	return err
}

func (e *sqliteEngine) get(ctx context.Context, key string, now int64) ([]byte, bool, error) {
	return value(e.getting.QueryRowContext(ctx, key, now))
}

func (e *sqliteEngine) take(ctx context.Context, key string, _ int64) ([]byte, bool, error) {
	return value(e.taking.QueryRowContext(ctx, key)) // the expiry within the seal is judged above
}

func value(row *sql.Row) ([]byte, bool, error) {
	var v []byte
	err := row.Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return v, err == nil, err
}

func (e *sqliteEngine) once(ctx context.Context, key string, now, until int64) (bool, error) {
	result, err := e.onceing.ExecContext(ctx, key, now, until)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func (e *sqliteEngine) count(ctx context.Context, key string, by, now, until int64) (sum int64, err error) {
	if by == 0 {
		err = e.readingN.QueryRowContext(ctx, key, now).Scan(&sum)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		return sum, err
	}
	err = e.counting.QueryRowContext(ctx, key, now, until, by).Scan(&sum)
	return sum, err
}

func (e *sqliteEngine) getAll(ctx context.Context, keys []string, now int64) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		var err error
		if values[i], _, err = e.get(ctx, key, now); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (e *sqliteEngine) countAll(ctx context.Context, counts []increment, now, until int64) ([]int64, error) {
	sums := make([]int64, len(counts))
	for i, c := range counts {
		var err error
		if sums[i], err = e.count(ctx, c.key, c.by, now, until); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

func (e *sqliteEngine) ping(ctx context.Context) error { return e.read.PingContext(ctx) }

func (e *sqliteEngine) close() error {
	e.stop()
	e.swept.Wait()
	return errors.Join(e.read.Close(), e.write.Close())
}

func (e *sqliteEngine) sweep(ctx context.Context, cfg Config) {
	ticks := time.NewTicker(sweepEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		for {
			result, err := e.write.ExecContext(ctx, sweepStatement, cfg.Now().UnixMilli(), sweepAtMost)
			if err != nil {
				if ctx.Err() == nil {
					cfg.Log.WarnContext(ctx, "sweeping ephemera", "error", err)
				}
				break
			}
			if n, err := result.RowsAffected(); err != nil || n < sweepAtMost {
				break
			}
		}
	}
}
