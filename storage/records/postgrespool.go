package records

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresPool speaks to pgx without database/sql between them, which would take a tenth of a read: it converts every value twice and
// starts a goroutine for each answer. pgx prepares statements by itself, once for each connection.
type postgresPool struct{ *pgxpool.Pool }

// fresh runs a statement again while its connection turns out to be dead before anything was sent over it. database/sql does so too.
func fresh(do func() error) (err error) {
	for range 3 {
		if err = do(); err == nil || !pgconn.SafeToRetry(err) {
			return err
		}
	}
	return err
}

func (p postgresPool) exec(ctx context.Context, statement string, args []any) (touched int64, err error) {
	err = fresh(func() error {
		tag, err := p.Exec(ctx, statement, args...)
		touched = tag.RowsAffected()
		return err
	})
	return touched, err
}

func (p postgresPool) query(ctx context.Context, statement string, args []any) (found cursor, err error) {
	err = fresh(func() error {
		rows, err := p.Query(ctx, statement, args...)
		found = postgresRows{rows}
		return err
	})
	return found, err
}

func (p postgresPool) row(ctx context.Context, statement string, args []any) scanner {
	found, err := p.query(ctx, statement, args)
	return firstRow{found, err}
}

func (p postgresPool) begin(ctx context.Context) (tx transaction, err error) {
	err = fresh(func() error {
		begun, err := p.Begin(ctx)
		tx = postgresTx{begun}
		return err
	})
	return tx, err
}

func (p postgresPool) standard() (*sql.DB, func()) {
	db := stdlib.OpenDBFromPool(p.Pool)
	return db, func() { _ = db.Close() }
}

func (p postgresPool) close() error {
	p.Close()
	return nil
}

// postgresTx is a transaction of a postgresPool.
type postgresTx struct{ pgx.Tx }

func (t postgresTx) exec(ctx context.Context, statement string, args []any) (int64, error) {
	tag, err := t.Exec(ctx, statement, args...)
	return tag.RowsAffected(), err
}

func (t postgresTx) query(ctx context.Context, statement string, args []any) (cursor, error) {
	rows, err := t.Query(ctx, statement, args...)
	return postgresRows{rows}, err
}

func (t postgresTx) row(ctx context.Context, statement string, args []any) scanner {
	found, err := t.query(ctx, statement, args)
	return firstRow{found, err}
}

func (t postgresTx) commit(ctx context.Context) error { return t.Commit(ctx) }

// rollback gives the connection back whatever became of the request.
func (t postgresTx) rollback(ctx context.Context) { _ = t.Rollback(context.WithoutCancel(ctx)) }

type postgresRows struct{ pgx.Rows }

func (r postgresRows) Close() error {
	r.Rows.Close()
	return r.Err()
}

// firstRow is the first of rows, or why there are none.
type firstRow struct {
	rows cursor
	err  error
}

func (r firstRow) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	defer func() { _ = r.rows.Close() }()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(into...); err != nil {
		return err
	}
	return r.rows.Close()
}
