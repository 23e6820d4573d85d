package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/vhod-id/vhod/account"
)

func casePlace(number string) string { return "cases/" + number }

// OpenCase keeps a new case.
func (s *Store) OpenCase(ctx context.Context, c account.Case) error {
	filed, err := account.EncodeFiling(c.Filed)
	if err != nil {
		return err
	}
	_, err = s.db.writer().exec(ctx, `INSERT INTO cases (id, opened_at, ends_at, answered_at, sealed) VALUES ($1, $2, $3, $4, $5)`,
		c.Number, toStore(c.OpenedAt), toStore(c.EndsAt), toStore(c.AnsweredAt), s.sealer.Seal(casePlace(c.Number), filed))
	if err != nil {
		return fmt.Errorf("keeping a case: %w", err)
	}
	return nil
}

// Case returns a case that has not ended, or account.ErrNotFound.
func (s *Store) Case(ctx context.Context, number string) (account.Case, error) {
	c, err := s.scanCase(s.db.reader().row(ctx, `SELECT id, opened_at, ends_at, answered_at, sealed FROM cases WHERE id = $1 AND ends_at > $2`,
		number, toStore(s.now())))
	if errors.Is(err, sql.ErrNoRows) {
		return c, account.ErrNotFound
	}
	if err != nil {
		return c, fmt.Errorf("reading case %s: %w", number, err)
	}
	return c, nil
}

// Cases returns cases that have not ended, the oldest first, at most limit. What was filed stays sealed.
func (s *Store) Cases(ctx context.Context, limit int) ([]account.Case, error) {
	found, err := s.db.reader().query(ctx, `SELECT id, opened_at, ends_at, answered_at FROM cases WHERE ends_at > $1 ORDER BY ends_at, id LIMIT $2`,
		toStore(s.now()), limit)
	if err != nil {
		return nil, fmt.Errorf("listing cases: %w", err)
	}
	defer func() { _ = found.Close() }()
	var cases []account.Case
	for found.Next() {
		var c caseRow
		if err := found.Scan(c.times()...); err != nil {
			return nil, fmt.Errorf("listing cases: %w", err)
		}
		cases = append(cases, c.open())
	}
	return cases, found.Err()
}

// caseRow is a row as it is read.
type caseRow struct {
	number                 string
	opened, ends, answered int64
}

func (r *caseRow) times() []any { return []any{&r.number, &r.opened, &r.ends, &r.answered} }

func (r *caseRow) open() account.Case {
	return account.Case{Number: r.number, OpenedAt: fromStore(r.opened), EndsAt: fromStore(r.ends), AnsweredAt: fromStore(r.answered)}
}

func (s *Store) scanCase(from scanner) (account.Case, error) {
	var r caseRow
	var sealed []byte
	if err := from.Scan(append(r.times(), &sealed)...); err != nil {
		return account.Case{}, err
	}
	c := r.open()
	filed, err := s.sealer.Open(casePlace(c.Number), sealed)
	if err != nil {
		return account.Case{}, fmt.Errorf("case %s: %w", c.Number, err)
	}
	c.Filed, err = account.DecodeFiling(filed)
	return c, err
}

// AnswerCase sets when a case was answered; account.ErrNotFound when there is none.
func (s *Store) AnswerCase(ctx context.Context, number string, at time.Time) error {
	return s.oneCase(ctx, "answering", number, `UPDATE cases SET answered_at = $2 WHERE id = $1 AND ends_at > $3`, toStore(at), toStore(s.now()))
}

// CloseCase removes a case; account.ErrNotFound when there is none.
func (s *Store) CloseCase(ctx context.Context, number string) error {
	return s.oneCase(ctx, "closing", number, `DELETE FROM cases WHERE id = $1 AND ends_at > $2`, toStore(s.now()))
}

func (s *Store) oneCase(ctx context.Context, doing, number, statement string, more ...any) error {
	done, err := changed(s.db.writer().exec(ctx, statement, append([]any{number}, more...)...))
	switch {
	case err != nil:
		return fmt.Errorf("%s case %s: %w", doing, number, err)
	case !done:
		return account.ErrNotFound
	}
	return nil
}
