package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// engine runs statements. On SQLite one connection writes and several read; on PostgreSQL both are
// the same pool.
type engine struct {
	write, read *sql.DB
	dialect     dialect
	observe     func(ctx context.Context, statement string)
	prepared    sync.Map // preparedKey → *sql.Stmt
}

type preparedKey struct {
	db        *sql.DB
	statement string
}

// runner runs statements on a pool, or inside a transaction when tx is set.
type runner struct {
	e  *engine
	db *sql.DB
	tx *sql.Tx
	// unprepared gathers the statements that a transaction met for the first time; they are prepared
	// after it, because its connection may be the only one.
	unprepared *[]string
}

func (e *engine) reader() runner { return runner{e: e, db: e.read} }
func (e *engine) writer() runner { return runner{e: e, db: e.write} }

func (r runner) exec(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	r.e.tell(ctx, statement)
	if stmt := r.stmt(ctx, statement); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	if r.tx != nil {
		return r.tx.ExecContext(ctx, statement, args...)
	}
	return r.db.ExecContext(ctx, statement, args...)
}

func (r runner) query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	r.e.tell(ctx, statement)
	if stmt := r.stmt(ctx, statement); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	if r.tx != nil {
		return r.tx.QueryContext(ctx, statement, args...)
	}
	return r.db.QueryContext(ctx, statement, args...)
}

func (r runner) row(ctx context.Context, statement string, args ...any) *sql.Row {
	r.e.tell(ctx, statement)
	if stmt := r.stmt(ctx, statement); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	if r.tx != nil {
		return r.tx.QueryRowContext(ctx, statement, args...)
	}
	return r.db.QueryRowContext(ctx, statement, args...)
}

// stmt returns the prepared form, or nil when there is none: pgx prepares by itself.
func (r runner) stmt(ctx context.Context, statement string) *sql.Stmt {
	if !r.e.dialect.prepares {
		return nil
	}
	key := preparedKey{r.db, statement}
	if found, ok := r.e.prepared.Load(key); ok {
		if r.tx != nil {
			return r.tx.StmtContext(ctx, found.(*sql.Stmt))
		}
		return found.(*sql.Stmt)
	}
	if r.tx != nil {
		*r.unprepared = append(*r.unprepared, statement)
		return nil
	}
	return r.e.prepare(ctx, key)
}

// prepare keeps the prepared form of a statement. A statement that does not prepare runs as it is and
// reports its error there.
func (e *engine) prepare(ctx context.Context, key preparedKey) *sql.Stmt {
	stmt, err := key.db.PrepareContext(context.WithoutCancel(ctx), key.statement)
	if err != nil {
		return nil
	}
	if other, loaded := e.prepared.LoadOrStore(key, stmt); loaded {
		_ = stmt.Close()
		return other.(*sql.Stmt)
	}
	return stmt
}

// inTx runs work in one transaction and commits it when work returns nil. When the engine refuses
// because another transaction crossed (a deadlock, a busy file), everything runs again.
func (e *engine) inTx(ctx context.Context, work func(tx runner) error) error {
	const tries = 8
	for try := 1; ; try++ {
		err := e.once(ctx, work)
		if err == nil || try == tries || ctx.Err() != nil || !e.dialect.crossed(err) {
			return err
		}
	}
}

func (e *engine) once(ctx context.Context, work func(tx runner) error) error {
	var unprepared []string
	e.tell(ctx, "BEGIN")
	tx, err := e.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer func() {
		_ = tx.Rollback() // after Commit it does nothing
		for _, statement := range unprepared {
			key := preparedKey{e.write, statement}
			if _, known := e.prepared.Load(key); !known {
				e.prepare(ctx, key)
			}
		}
	}()
	if err := work(runner{e: e, db: e.write, tx: tx, unprepared: &unprepared}); err != nil {
		e.tell(ctx, "ROLLBACK")
		return err
	}
	e.tell(ctx, "COMMIT")
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

func (e *engine) tell(ctx context.Context, statement string) {
	if e.observe != nil {
		e.observe(ctx, statement)
	}
}

func (e *engine) close() error {
	e.prepared.Range(func(_, stmt any) bool { _ = stmt.(*sql.Stmt).Close(); return true })
	if e.read == e.write {
		return e.write.Close()
	}
	return errors.Join(e.read.Close(), e.write.Close())
}

// scanner is a row or rows.
type scanner interface{ Scan(into ...any) error }

// changed reports whether a statement touched a row.
func changed(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
