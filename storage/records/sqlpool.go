package records

import (
	"context"
	"database/sql"
	"sync"
)

// sqlPool is a pool of database/sql that prepares each statement once: SQLite would parse it every time.
type sqlPool struct {
	db       *sql.DB
	prepared sync.Map // statement → *sql.Stmt
}

func (p *sqlPool) exec(ctx context.Context, statement string, args []any) (int64, error) {
	if stmt := p.stmt(ctx, statement); stmt != nil {
		return touched(stmt.ExecContext(ctx, args...))
	}
	return touched(p.db.ExecContext(ctx, statement, args...))
}

func (p *sqlPool) query(ctx context.Context, statement string, args []any) (cursor, error) {
	if stmt := p.stmt(ctx, statement); stmt != nil {
		return cursorOf(stmt.QueryContext(ctx, args...))
	}
	return cursorOf(p.db.QueryContext(ctx, statement, args...))
}

func (p *sqlPool) row(ctx context.Context, statement string, args []any) scanner {
	if stmt := p.stmt(ctx, statement); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	return p.db.QueryRowContext(ctx, statement, args...)
}

// stmt returns the prepared form. A statement that does not prepare has none, runs as it is and reports its error there.
func (p *sqlPool) stmt(ctx context.Context, statement string) *sql.Stmt {
	if found, ok := p.prepared.Load(statement); ok {
		return found.(*sql.Stmt)
	}
	stmt, err := p.db.PrepareContext(context.WithoutCancel(ctx), statement)
	if err != nil {
		return nil
	}
	if other, loaded := p.prepared.LoadOrStore(statement, stmt); loaded {
		_ = stmt.Close()
		return other.(*sql.Stmt)
	}
	return stmt
}

func (p *sqlPool) begin(ctx context.Context) (transaction, error) {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &sqlTx{pool: p, tx: tx}, nil
}

func (p *sqlPool) standard() (*sql.DB, func()) { return p.db, func() {} }

func (p *sqlPool) close() error {
	p.prepared.Range(func(_, stmt any) bool { _ = stmt.(*sql.Stmt).Close(); return true })
	return p.db.Close()
}

// sqlTx is a transaction of a sqlPool.
type sqlTx struct {
	pool *sqlPool
	tx   *sql.Tx
	// unprepared are the statements that it met for the first time; they are prepared after it, because its connection may be the
	// only one.
	unprepared []string
}

func (t *sqlTx) exec(ctx context.Context, statement string, args []any) (int64, error) {
	if stmt := t.stmt(ctx, statement); stmt != nil {
		return touched(stmt.ExecContext(ctx, args...))
	}
	return touched(t.tx.ExecContext(ctx, statement, args...))
}

func (t *sqlTx) query(ctx context.Context, statement string, args []any) (cursor, error) {
	if stmt := t.stmt(ctx, statement); stmt != nil {
		return cursorOf(stmt.QueryContext(ctx, args...))
	}
	return cursorOf(t.tx.QueryContext(ctx, statement, args...))
}

func (t *sqlTx) row(ctx context.Context, statement string, args []any) scanner {
	if stmt := t.stmt(ctx, statement); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	return t.tx.QueryRowContext(ctx, statement, args...)
}

func (t *sqlTx) stmt(ctx context.Context, statement string) *sql.Stmt {
	if found, ok := t.pool.prepared.Load(statement); ok {
		return t.tx.StmtContext(ctx, found.(*sql.Stmt))
	}
	t.unprepared = append(t.unprepared, statement)
	return nil
}

func (t *sqlTx) commit(context.Context) error { return t.tx.Commit() }

func (t *sqlTx) rollback(ctx context.Context) {
	_ = t.tx.Rollback()
	for _, statement := range t.unprepared {
		t.pool.stmt(ctx, statement)
	}
}

func touched(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// cursorOf keeps rows that there are not from becoming a cursor that is not nil.
func cursorOf(rows *sql.Rows, err error) (cursor, error) {
	if err != nil {
		return nil, err
	}
	return rows, nil
}
