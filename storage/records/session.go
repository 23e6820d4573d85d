package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vhod-id/vhod/account"
)

const sessionColumns = `s.id, s.hash, s.account_id, s.created_at, s.seen_at, s.expires_at, s.ended_at, s.sealed`

// sealedSession is what sessions.sealed holds.
type sealedSession struct {
	Proofs  []account.Proof `json:"proofs"`
	Origin  account.Origin  `json:"origin"`
	Shared  bool            `json:"shared,omitempty"`
	Browser string          `json:"browser,omitempty"`
	Client  string          `json:"client,omitempty"`
}

// sessionRow is a row of sessions on its way in or out.
type sessionRow struct {
	session                         account.Session
	created, seen, expires, endedAt int64
	sealed                          []byte
}

func (r *sessionRow) into() []any {
	s := &r.session
	return []any{&s.ID, &s.Hash, &s.AccountID, &r.created, &r.seen, &r.expires, &r.endedAt, &r.sealed}
}

func sessionPlace(id string) string { return "sessions/" + id }

func (s *Store) sealSession(a *account.Session) ([]byte, error) {
	plain, err := json.Marshal(sealedSession{a.Proofs, a.Origin, a.Shared, a.Browser, a.Client})
	if err != nil {
		return nil, fmt.Errorf("encoding session: %w", err)
	}
	return s.sealer.Seal(sessionPlace(a.ID), plain), nil
}

func (s *Store) openSession(r sessionRow) (*account.Session, error) {
	plain, err := s.sealer.Open(sessionPlace(r.session.ID), r.sealed)
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", r.session.ID, err)
	}
	var in sealedSession
	if err := json.Unmarshal(plain, &in); err != nil {
		return nil, fmt.Errorf("session %s does not decode", r.session.ID)
	}
	a := r.session
	a.CreatedAt, a.SeenAt = fromStore(r.created), fromStore(r.seen)
	a.ExpiresAt, a.EndedAt = fromStore(r.expires), fromStore(r.endedAt)
	a.Proofs, a.Origin, a.Shared, a.Browser, a.Client = in.Proofs, in.Origin, in.Shared, in.Browser, in.Client
	return &a, nil
}

// CreateSession stores a new session and changes its account, in one transaction.
func (s *Store) CreateSession(ctx context.Context, a *account.Session, change func(*account.Account) error) error {
	sealed, err := s.sealSession(a)
	if err != nil {
		return err
	}
	return s.updateWith(ctx, a.AccountID, change, &sessionRow{session: *a, sealed: sealed})
}

const addSession = `INSERT INTO sessions (id, hash, account_id, created_at, seen_at, expires_at, ended_at, sealed) `

// columns are the values of a new session's row.
func (r *sessionRow) columns() []any {
	a := r.session
	return []any{a.ID, a.Hash, a.AccountID, toStore(a.CreatedAt), toStore(a.SeenAt), toStore(a.ExpiresAt), toStore(a.EndedAt), r.sealed}
}

func (s *Store) insertSession(ctx context.Context, tx runner, r *sessionRow) error {
	if _, err := tx.exec(ctx, addSession+`VALUES `+rows(1, 8), r.columns()...); err != nil {
		return fmt.Errorf("creating session: %w", err)
	}
	return nil
}

// SessionByHash returns the session of a cookie's hash and its account by one round trip, or
// account.ErrNotFound. It does not judge: an ended session is returned too.
func (s *Store) SessionByHash(ctx context.Context, hash string) (*account.Session, *account.Account, error) {
	var r sessionRow
	var owner accountRow
	known := s.seen.behind("cookies/" + hash)
	err := s.db.reader().row(ctx, `SELECT `+sessionColumns+`, `+accountUnless(2)+`
		FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.hash = $1`, append([]any{hash}, known.columns()...)...).
		Scan(append(r.into(), owner.into()...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, account.ErrNotFound
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading session: %w", err)
	}
	found, err := s.openSession(r)
	if err != nil {
		return nil, nil, err
	}
	a, err := s.viewBehind(known, owner)
	return found, a, err
}

// UpdateSession replaces hash, proofs and times of the session with that ID, if it has not ended and
// its hash is still was; otherwise account.ErrConflict.
func (s *Store) UpdateSession(ctx context.Context, a *account.Session, was string) error {
	sealed, err := s.sealSession(a)
	if err != nil {
		return err
	}
	fits, err := changed(s.db.writer().exec(ctx, `UPDATE sessions SET hash = $1, seen_at = $2, expires_at = $3, sealed = $4
		WHERE id = $5 AND hash = $6 AND ended_at = 0`,
		a.Hash, toStore(a.SeenAt), toStore(a.ExpiresAt), sealed, a.ID, was))
	if err != nil {
		return fmt.Errorf("updating session: %w", err)
	}
	if !fits {
		return account.ErrConflict
	}
	return nil
}

// TouchSession sets SeenAt, never back.
func (s *Store) TouchSession(ctx context.Context, id string, at time.Time) error {
	_, err := s.db.writer().exec(ctx, `UPDATE sessions SET seen_at = $1 WHERE id = $2 AND seen_at < $1`, toStore(at), id)
	if err != nil {
		return fmt.Errorf("touching session: %w", err)
	}
	return nil
}

// EndSession sets EndedAt once; a second call changes nothing.
func (s *Store) EndSession(ctx context.Context, id string, at time.Time) error {
	_, err := s.db.writer().exec(ctx, `UPDATE sessions SET ended_at = $1 WHERE id = $2 AND ended_at = 0`, toStore(at), id)
	if err != nil {
		return fmt.Errorf("ending session: %w", err)
	}
	return nil
}

// Sessions returns the sessions of an account that have not ended or expired, newest first.
func (s *Store) Sessions(ctx context.Context, id account.ID, now time.Time) ([]account.Session, error) {
	found, err := s.db.reader().query(ctx, `SELECT `+sessionColumns+` FROM sessions s
		WHERE s.account_id = $1 AND s.ended_at = 0 AND s.expires_at > $2 ORDER BY s.created_at DESC, s.id`, id, toStore(now))
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	defer func() { _ = found.Close() }()
	var sessions []account.Session
	for found.Next() {
		var r sessionRow
		if err := found.Scan(r.into()...); err != nil {
			return nil, fmt.Errorf("listing sessions: %w", err)
		}
		one, err := s.openSession(r)
		if err != nil {
			return nil, err
		}
		sessions = append(sessions, *one)
	}
	return sessions, found.Err()
}

// Sweep forgets sessions that expired before the given time, token families that ended or expired before its day, and cases that have ended by now. They
// are dead for every question that is asked of them.
func (s *Store) Sweep(ctx context.Context, before time.Time) error {
	if _, err := s.db.writer().exec(ctx, `DELETE FROM sessions WHERE expires_at < $1`, toStore(before)); err != nil {
		return fmt.Errorf("sweeping sessions: %w", err)
	}
	if _, err := s.db.writer().exec(ctx, `DELETE FROM cases WHERE ends_at <= $1`, toStore(s.now())); err != nil {
		return fmt.Errorf("sweeping cases: %w", err)
	}
	// The times are asked too: the release before does not know the day and leaves it at 0.
	_, err := s.db.writer().exec(ctx, `DELETE FROM families WHERE sweep_on < $2 AND (expires_at < $1 OR (ended_at > 0 AND ended_at < $1))`,
		toStore(before), day(before))
	if err != nil {
		return fmt.Errorf("sweeping families: %w", err)
	}
	return nil
}

// day is the day of a time, counted from the epoch.
func day(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }
