package records

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vhod-id/vhod/account"
)

// journalHead is the last line of a journal: it is sealed in the account's row, so that a shortened
// journal does not fit its account.
type journalHead struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// line is an event as it is kept. What it says of a person (origin, details) is sealed; digest is a
// keyed hash of that, and the chain runs over the digest, so that details can be sealed anew under
// another master key, or erased with the person, and the chain still proves the rest.
type line struct {
	seq    int64
	at     time.Time
	kind   account.EventKind
	actor  string
	sealed []byte
	digest string
	hash   string
}

// particulars is the sealed part of a line.
type particulars struct {
	Origin  account.Origin    `json:"origin"`
	Details map[string]string `json:"details,omitempty"`
}

// erased is what stands in place of the sealed part once a person was erased.
func (l line) erased() bool { return len(l.sealed) == 0 }

func linePlace(id account.ID, seq int64) string { return fmt.Sprintf("events/%s/%d", id, seq) }

// chain makes the lines that follow head, and the new head. An event without a time gets now.
func (s *Store) chain(id account.ID, head journalHead, events []account.Event, now time.Time) ([]line, journalHead) {
	var lines []line
	for _, e := range events {
		if e.At.IsZero() {
			e.At = now
		}
		l := line{seq: head.Seq + 1, at: e.At.UTC(), kind: e.Kind, actor: e.Actor}
		plain, _ := json.Marshal(particulars{e.Origin, e.Details}) // strings and an address always marshal
		l.sealed = s.sealer.Seal(linePlace(id, l.seq), plain)
		l.digest = s.sealer.Index(linePlace(id, l.seq), string(plain))
		l.hash = l.follow(id, head.Hash)
		head = journalHead{Seq: l.seq, Hash: l.hash}
		lines = append(lines, l)
	}
	return lines, head
}

// follow is the link of the chain: SHA-256 in base64url over the JSON array of the hash of the line
// before (empty for the first), the account, and the line's number, time in nanoseconds, kind, actor
// and digest.
func (l line) follow(id account.ID, before string) string {
	text, _ := json.Marshal([]any{before, id, l.seq, toStore(l.at), l.kind, l.actor, l.digest}) // always marshals
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *Store) insertLines(ctx context.Context, tx runner, id account.ID, lines []line) error {
	if len(lines) == 0 {
		return nil
	}
	var args []any
	for _, l := range lines {
		args = append(args, l.columns(id)...)
	}
	_, err := tx.exec(ctx, addLines+`VALUES `+rows(len(lines), 8), args...)
	return err
}

const addLines = `INSERT INTO events (account_id, seq, happened_at, kind, actor, sealed, digest, hash) `

// columns are the values of a line's row.
func (l line) columns(id account.ID) []any {
	return []any{id, l.seq, toStore(l.at), l.kind, l.actor, l.sealed, l.digest, l.hash}
}

// Journal returns lines of the account, newest first.
func (s *Store) Journal(ctx context.Context, id account.ID, of account.JournalQuery) ([]account.Event, error) {
	where, args := `account_id = $1`, []any{id}
	and := func(condition string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(" AND %s $%d", condition, len(args))
	}
	if of.Before > 0 {
		and("seq <", of.Before)
	}
	if !of.From.IsZero() {
		and("happened_at >=", toStore(of.From))
	}
	if !of.Until.IsZero() {
		and("happened_at <", toStore(of.Until))
	}
	if len(of.Kinds) > 0 {
		where += ` AND kind IN (` + list(len(args)+1, len(of.Kinds)) + `)`
		for _, k := range of.Kinds {
			args = append(args, k)
		}
	}
	lines, err := s.lines(ctx, s.db.reader(), `SELECT seq, happened_at, kind, actor, sealed, digest, hash FROM events
		WHERE `+where+fmt.Sprintf(` ORDER BY seq DESC LIMIT $%d`, len(args)+1), append(args, of.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("reading journal: %w", err)
	}
	var events []account.Event
	for _, l := range lines {
		e := account.Event{Seq: l.seq, At: l.at, Kind: l.kind, Actor: l.actor, Hash: l.hash}
		if !l.erased() {
			p, err := s.openLine(id, l)
			if err != nil {
				return nil, fmt.Errorf("reading journal: %w", err)
			}
			e.Origin, e.Details = p.Origin, p.Details
		}
		events = append(events, e)
	}
	return events, nil
}

func (s *Store) openLine(id account.ID, l line) (particulars, error) {
	var p particulars
	plain, err := s.sealer.Open(linePlace(id, l.seq), l.sealed)
	if err != nil {
		return p, fmt.Errorf("line %d: %w", l.seq, err)
	}
	if s.sealer.Index(linePlace(id, l.seq), string(plain)) != l.digest {
		return p, fmt.Errorf("line %d: the digest is not of these details", l.seq)
	}
	if err := json.Unmarshal(plain, &p); err != nil {
		return p, fmt.Errorf("line %d does not decode", l.seq)
	}
	return p, nil
}

func (s *Store) lines(ctx context.Context, from runner, statement string, args ...any) ([]line, error) {
	found, err := from.query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	var lines []line
	for found.Next() {
		var l line
		var at int64
		if err := found.Scan(&l.seq, &at, &l.kind, &l.actor, &l.sealed, &l.digest, &l.hash); err != nil {
			return nil, err
		}
		l.at = fromStore(at)
		lines = append(lines, l)
	}
	return lines, found.Err()
}

// VerifyJournal recomputes the chain of one account and compares its end with the head sealed in the
// account's row. The error names the first line that does not fit.
func (s *Store) VerifyJournal(ctx context.Context, id account.ID) error {
	const page = 500
	before, head, err := s.headOf(ctx, id)
	if err != nil {
		return err
	}
	at := journalHead{}
	for at.Seq < before.Seq {
		lines, err := s.lines(ctx, s.db.reader(), `SELECT seq, happened_at, kind, actor, sealed, digest, hash FROM events
			WHERE account_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4`, id, at.Seq, before.Seq, page)
		if err != nil {
			return fmt.Errorf("reading journal: %w", err)
		}
		if len(lines) == 0 {
			return fmt.Errorf("journal of %s: line %d is missing", id, at.Seq+1)
		}
		for _, l := range lines {
			if err := s.verifyLine(id, at, l, head.Status); err != nil {
				return fmt.Errorf("journal of %s: %w", id, err)
			}
			at = journalHead{Seq: l.seq, Hash: l.hash}
		}
	}
	if at != before {
		return fmt.Errorf("journal of %s: line %d is not the one that the account remembers", id, at.Seq)
	}
	return s.nothingBeyond(ctx, id, before.Seq)
}

func (s *Store) verifyLine(id account.ID, before journalHead, l line, status account.Status) error {
	if l.seq != before.Seq+1 {
		return fmt.Errorf("line %d is missing", before.Seq+1)
	}
	if l.hash != l.follow(id, before.Hash) {
		return fmt.Errorf("line %d does not follow the one before it", l.seq)
	}
	if l.erased() {
		if status != account.Deleted {
			return fmt.Errorf("line %d was emptied", l.seq)
		}
		return nil
	}
	_, err := s.openLine(id, l)
	return err
}

// headOf returns the head of the journal and the account that remembers it.
func (s *Store) headOf(ctx context.Context, id account.ID) (journalHead, *account.Account, error) {
	var r accountRow
	err := s.db.reader().row(ctx, `SELECT `+accountColumns+` FROM accounts a WHERE a.id = $1`, id).Scan(r.into()...)
	if errors.Is(err, sql.ErrNoRows) {
		return journalHead{}, nil, account.ErrNotFound
	}
	if err != nil {
		return journalHead{}, nil, fmt.Errorf("reading account: %w", err)
	}
	a, head, err := s.openAccount(r)
	return head, a, err
}

// nothingBeyond refuses lines after the head, unless the account grew meanwhile.
func (s *Store) nothingBeyond(ctx context.Context, id account.ID, head int64) error {
	var last sql.NullInt64
	if err := s.db.reader().row(ctx, `SELECT MAX(seq) FROM events WHERE account_id = $1`, id).Scan(&last); err != nil {
		return fmt.Errorf("reading journal: %w", err)
	}
	if last.Int64 <= head {
		return nil
	}
	now, _, err := s.headOf(ctx, id)
	if err == nil && last.Int64 > now.Seq {
		err = fmt.Errorf("journal of %s: line %d is not the account's", id, now.Seq+1)
	}
	return err
}
