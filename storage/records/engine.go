package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// engine runs statements. On SQLite one connection writes and several read; on PostgreSQL both are
// the same pool.
type engine struct {
	write, read pool
	dialect     dialect
	observe     func(ctx context.Context, statement string)
}

// pool is the connections to a database: sqlPool over database/sql, or postgresPool.
type pool interface {
	queries
	begin(ctx context.Context) (transaction, error)
	// standard is the pool as database/sql has it, for the library of the migrations; done when that is done.
	standard() (db *sql.DB, done func())
	close() error
}

// transaction is the statements of one change. A rollback after its commit does nothing.
type transaction interface {
	queries
	commit(ctx context.Context) error
	rollback(ctx context.Context)
}

// queries runs statements, each by one round trip.
type queries interface {
	// exec returns how many rows the statement touched.
	exec(ctx context.Context, statement string, args []any) (int64, error)
	query(ctx context.Context, statement string, args []any) (cursor, error)
	// row is query of the first row; its Scan returns sql.ErrNoRows when there is none.
	row(ctx context.Context, statement string, args []any) scanner
}

// scanner is a row or rows.
type scanner interface{ Scan(into ...any) error }

// cursor is rows, of which one at a time is scanned. Whoever asked closes it.
type cursor interface {
	scanner
	Next() bool
	Err() error
	Close() error
}

// runner runs statements on a pool, or inside a transaction, and tells of each.
type runner struct {
	e  *engine
	on queries
}

func (e *engine) reader() runner { return runner{e, e.read} }
func (e *engine) writer() runner { return runner{e, e.write} }

func (r runner) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	r.e.tell(ctx, statement)
	return r.on.exec(ctx, statement, args)
}

func (r runner) query(ctx context.Context, statement string, args ...any) (cursor, error) {
	r.e.tell(ctx, statement)
	return r.on.query(ctx, statement, args)
}

func (r runner) row(ctx context.Context, statement string, args ...any) scanner {
	r.e.tell(ctx, statement)
	return r.on.row(ctx, statement, args)
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
	e.tell(ctx, "BEGIN")
	tx, err := e.write.begin(ctx)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer tx.rollback(ctx)
	if err := work(runner{e, tx}); err != nil {
		e.tell(ctx, "ROLLBACK")
		return err
	}
	e.tell(ctx, "COMMIT")
	if err := tx.commit(ctx); err != nil {
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
	if e.read == e.write {
		return e.write.close()
	}
	return errors.Join(e.read.close(), e.write.close())
}

// changed reports whether a statement touched a row.
func changed(touched int64, err error) (bool, error) { return touched > 0, err }
