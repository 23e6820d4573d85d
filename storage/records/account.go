package records

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/account"
)

// accountColumns are those from which an account is read: row.account.
const accountColumns = `a.id, a.version, a.sealed`

// What accounts.sealed holds is {"head":…,"person":…}: the head of the journal, and the person. The head is
// sealed, so that who can write to the database alone can neither shorten nor rewrite a journal. Both parts are put
// together and taken apart as text, because a person is long: each part is read and written once. The
// head is a number and a word of base64url, so the seam is where it ends.
const (
	headOpens   = `{"head":`
	personOpens = `,"person":`
	bothEnd     = `}`
)

func joinAccount(head journalHead, person []byte) ([]byte, error) {
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(headOpens), text, []byte(personOpens), person, []byte(bothEnd)), nil
}

func splitAccount(plain []byte) (head journalHead, person []byte, err error) {
	rest, ok := bytes.CutPrefix(plain, []byte(headOpens))
	text, rest, found := bytes.Cut(rest, []byte(personOpens))
	person, ends := bytes.CutSuffix(rest, []byte(bothEnd))
	if !ok || !found || !ends {
		return head, nil, errors.New("neither head nor person")
	}
	return head, person, json.Unmarshal(text, &head)
}

// accountRow is a row of accounts on its way in or out.
type accountRow struct {
	id      account.ID
	version int64
	sealed  []byte
}

func (r *accountRow) into() []any { return []any{&r.id, &r.version, &r.sealed} }

func (s *Store) openAccount(r accountRow) (*account.Account, journalHead, error) {
	plain, err := s.sealer.Open(accountPlace(r.id), r.sealed)
	if err != nil {
		return nil, journalHead{}, fmt.Errorf("account %s: %w", r.id, err)
	}
	head, person, err := splitAccount(plain)
	if err != nil {
		return nil, head, fmt.Errorf("account %s does not decode", r.id) // the error may quote it
	}
	a, err := account.Decode(person)
	if err != nil {
		return nil, head, fmt.Errorf("account %s does not decode", r.id)
	}
	a.ID, a.Version = r.id, r.version
	return a, head, nil
}

func (s *Store) sealAccount(a *account.Account, head journalHead) ([]byte, error) {
	person, err := account.Encode(a)
	if err != nil {
		return nil, fmt.Errorf("encoding account %s: %w", a.ID, err)
	}
	plain, err := joinAccount(head, person)
	if err != nil {
		return nil, fmt.Errorf("encoding account %s: %w", a.ID, err)
	}
	return s.sealer.Seal(accountPlace(a.ID), plain), nil
}

func accountPlace(id account.ID) string { return "accounts/" + string(id) }

// Create stores a new account with its identifiers, journal lines and tasks in one transaction. It
// returns an account.TakenError when an identifier belongs to another account.
func (s *Store) Create(ctx context.Context, a *account.Account) error {
	events, tasks := a.Drain()
	now := s.now().UTC()
	if a.CreatedAt.IsZero() {
		a.CreatedAt = now
	}
	a.Version, a.UpdatedAt = 1, now
	lines, head := s.chain(a.ID, journalHead{}, events, now)
	sealed, err := s.sealAccount(a, head)
	if err != nil {
		return err
	}
	err = s.db.inTx(ctx, func(tx runner) error {
		_, err := tx.exec(ctx, `INSERT INTO accounts (id, version, status, level, signed_out_at, spared, created_at, updated_at, sealed)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			a.ID, a.Version, a.Status, a.Level.String(), toStore(a.SignedOutAt), a.Spared, toStore(a.CreatedAt), toStore(a.UpdatedAt), sealed)
		if err != nil {
			return err
		}
		if err := s.claim(ctx, tx, a.ID, s.hashed(a.Identifiers())); err != nil {
			return err
		}
		return s.append(ctx, tx, a.ID, lines, tasks)
	})
	return doing(err, "creating account")
}

// Account returns an account, or account.ErrNotFound.
func (s *Store) Account(ctx context.Context, id account.ID) (*account.Account, error) {
	known := s.seen.known(id)
	return s.oneAccount(ctx, known, `SELECT `+accountUnless(2)+` FROM accounts a WHERE a.id = $1`, append([]any{id}, known.columns()...)...)
}

// Find returns the account with this identifier, or account.ErrNotFound.
func (s *Store) Find(ctx context.Context, by account.Identifier) (*account.Account, error) {
	hash := s.identifierHash(by)
	known := s.seen.behind("identifiers/" + hash)
	return s.oneAccount(ctx, known, `SELECT `+accountUnless(3)+` FROM identifiers i JOIN accounts a ON a.id = i.account_id
		WHERE i.kind = $1 AND i.hash = $2`, append([]any{by.Kind, hash}, known.columns()...)...)
}

func (s *Store) oneAccount(ctx context.Context, known knownAccount, statement string, args ...any) (*account.Account, error) {
	var r accountRow
	err := s.db.reader().row(ctx, statement, args...).Scan(r.into()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, account.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading account: %w", err)
	}
	return s.viewBehind(known, r)
}

// Update is the only write to an account; see account.Store. Where the engine can, what this node saw last is changed and swapped
// in by one statement; otherwise, and where that was not the latest, the row is locked, changed and written.
func (s *Store) Update(ctx context.Context, id account.ID, change func(*account.Account) error) error {
	return s.updateWith(ctx, id, change, nil)
}

// updateWith is Update with a new session in its transaction; begins may be nil.
func (s *Store) updateWith(ctx context.Context, id account.ID, change func(*account.Account) error, begins *sessionRow) error {
	if s.db.dialect.swaps {
		give, err := s.turns.take(ctx, id)
		if err != nil {
			return fmt.Errorf("updating account: %w", err)
		}
		defer give()
		if done, err := s.swap(ctx, id, change, begins); done || err != nil {
			return doing(err, "updating account")
		}
	}
	var written changedAccount
	err := s.db.inTx(ctx, func(tx runner) (err error) {
		if written, err = s.update(ctx, tx, id, change); err != nil || begins == nil {
			return err
		}
		return s.insertSession(ctx, tx, begins)
	})
	if err == nil {
		s.remember(written)
	}
	return doing(err, "updating account")
}

// closureError carries an error of the closure through unwrapped.
type closureError struct{ error }

// update returns what it wrote, which counts once the transaction is committed, or nothing when nothing changed.
func (s *Store) update(ctx context.Context, tx runner, id account.ID, change func(*account.Account) error) (changedAccount, error) {
	var r accountRow
	err := tx.row(ctx, `SELECT `+accountColumns+` FROM accounts a WHERE a.id = $1`+s.db.dialect.forUpdate, id).Scan(r.into()...)
	if errors.Is(err, sql.ErrNoRows) {
		return changedAccount{}, account.ErrNotFound
	}
	if err != nil {
		return changedAccount{}, err
	}
	a, head, err := s.openAccount(r)
	if err != nil {
		return changedAccount{}, err
	}
	held := a.Identifiers()
	if err := change(a); err != nil {
		return changedAccount{}, closureError{err}
	}
	events, tasks := a.Drain()
	if len(events) == 0 && len(tasks) == 0 {
		if same, err := s.unchanged(r, a); same || err != nil {
			return changedAccount{}, err
		}
	}
	w, err := s.changed(a, head, events, tasks)
	if err != nil {
		return w, err
	}
	return w, s.write(ctx, tx, w, held)
}

// unchanged says whether an account is still what its row says.
func (s *Store) unchanged(r accountRow, a *account.Account) (bool, error) {
	was, _, err := s.openAccount(r)
	if err != nil {
		return false, err
	}
	before, err := account.Encode(was)
	if err != nil {
		return false, fmt.Errorf("encoding account %s: %w", a.ID, err)
	}
	after, err := account.Encode(a)
	if err != nil {
		return false, fmt.Errorf("encoding account %s: %w", a.ID, err)
	}
	return bytes.Equal(before, after), nil
}

// changedAccount is an account after a change, ready to be written.
type changedAccount struct {
	account *account.Account
	head    journalHead
	sealed  []byte
	lines   []line
	tasks   []account.Task
}

// changed makes what is written of a changed account.
func (s *Store) changed(a *account.Account, head journalHead, events []account.Event, tasks []account.Task) (w changedAccount, err error) {
	a.Version, a.UpdatedAt = a.Version+1, s.now().UTC().Round(0) // without the clock reading that a row does not keep
	w = changedAccount{account: a, tasks: tasks}
	w.lines, w.head = s.chain(a.ID, head, events, a.UpdatedAt)
	w.sealed, err = s.sealAccount(a, w.head)
	return w, err
}

// columns are the values of a changed row, in the order of columns that every statement over it names.
func (w changedAccount) columns() []any {
	a := w.account
	return []any{a.Version, a.Status, a.Level.String(), toStore(a.SignedOutAt), a.Spared, toStore(a.UpdatedAt), w.sealed, a.ID}
}

const changeAccount = `UPDATE accounts SET version = $1, status = $2, level = $3, signed_out_at = $4, spared = $5, updated_at = $6, sealed = $7 WHERE id = $8`

func (s *Store) write(ctx context.Context, tx runner, w changedAccount, held []account.Identifier) error {
	if _, err := tx.exec(ctx, changeAccount, w.columns()...); err != nil {
		return err
	}
	if err := s.moveIdentifiers(ctx, tx, w.account, held); err != nil {
		return err
	}
	return s.append(ctx, tx, w.account.ID, w.lines, w.tasks)
}

// remember keeps a committed change for the next reader on this node.
func (s *Store) remember(w changedAccount) {
	if w.account != nil {
		s.seen.keep(accountRow{w.account.ID, w.account.Version, w.sealed}, w.account, w.head)
	}
}

// moveIdentifiers releases what the account no longer has, and claims what it has now.
func (s *Store) moveIdentifiers(ctx context.Context, tx runner, a *account.Account, held []account.Identifier) error {
	if slices.Equal(held, a.Identifiers()) {
		return nil
	}
	had, has := s.hashed(held), s.hashed(a.Identifiers())
	if err := s.release(ctx, tx, a.ID, without(had, has)); err != nil {
		return err
	}
	return s.claim(ctx, tx, a.ID, without(has, had))
}

// append stores journal lines and tasks of a change.
func (s *Store) append(ctx context.Context, tx runner, id account.ID, lines []line, tasks []account.Task) error {
	if err := s.insertLines(ctx, tx, id, lines); err != nil {
		return err
	}
	return s.insertTasks(ctx, tx, tasks)
}

// EachAccount calls visit with the id of every account until it errs. No connection is held meanwhile.
func (s *Store) EachAccount(ctx context.Context, visit func(account.ID) error) error {
	const page = 500
	for after := account.ID(""); ; {
		ids, err := s.accountIDs(ctx, after, page)
		if err != nil {
			return fmt.Errorf("listing accounts: %w", err)
		}
		for _, id := range ids {
			if err := visit(id); err != nil {
				return err
			}
		}
		if len(ids) < page {
			return nil
		}
		after = ids[len(ids)-1]
	}
}

func (s *Store) accountIDs(ctx context.Context, after account.ID, limit int) ([]account.ID, error) {
	found, err := s.db.reader().query(ctx, `SELECT id FROM accounts WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	var ids []account.ID
	for found.Next() {
		var id account.ID
		if err := found.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, found.Err()
}

// doing wraps an error with what was being done; an error of a closure and the sentinels that callers
// tell apart pass as they are.
func doing(err error, what string) error {
	var fromClosure closureError
	var taken account.TakenError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fromClosure):
		return fromClosure.error
	case errors.As(err, &taken), errors.Is(err, account.ErrNotFound), errors.Is(err, account.ErrConflict):
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// identifierRow is an identifier as it is kept: its kind, and the keyed hash of its value.
type identifierRow struct {
	kind account.IdentifierKind
	hash string
}

func (s *Store) identifierHash(i account.Identifier) string {
	return s.sealer.Index("identifiers/"+string(i.Kind), i.Value)
}

// hashed returns identifiers in one order everywhere, so that two accounts that claim the same ones do not wait for
// each other.
func (s *Store) hashed(identifiers []account.Identifier) []identifierRow {
	var found []identifierRow
	for _, i := range identifiers {
		found = append(found, identifierRow{i.Kind, s.identifierHash(i)})
	}
	slices.SortFunc(found, func(x, y identifierRow) int {
		return strings.Compare(string(x.kind)+"/"+x.hash, string(y.kind)+"/"+y.hash)
	})
	return slices.Compact(found)
}

func without(all, some []identifierRow) []identifierRow {
	return slices.DeleteFunc(slices.Clone(all), func(i identifierRow) bool { return slices.Contains(some, i) })
}

// claim makes identifiers this account's, or returns an account.TakenError for the first that is another's.
func (s *Store) claim(ctx context.Context, tx runner, id account.ID, wanted []identifierRow) error {
	if len(wanted) == 0 {
		return nil
	}
	var args []any
	for _, i := range wanted {
		args = append(args, i.kind, i.hash, id)
	}
	got, err := tx.query(ctx, `INSERT INTO identifiers (kind, hash, account_id) VALUES `+rows(len(wanted), 3)+`
		ON CONFLICT (kind, hash) DO NOTHING RETURNING kind, hash`, args...)
	if err != nil {
		return err
	}
	defer func() { _ = got.Close() }()
	missed := wanted
	for got.Next() {
		var i identifierRow
		if err := got.Scan(&i.kind, &i.hash); err != nil {
			return err
		}
		missed = without(missed, []identifierRow{i})
	}
	if err := got.Err(); err != nil {
		return err
	}
	if len(missed) > 0 {
		return account.TakenError{Kind: missed[0].kind}
	}
	return nil
}

func (s *Store) release(ctx context.Context, tx runner, id account.ID, old []identifierRow) error {
	for _, i := range old {
		if _, err := tx.exec(ctx, `DELETE FROM identifiers WHERE kind = $1 AND hash = $2 AND account_id = $3`, i.kind, i.hash, id); err != nil {
			return err
		}
	}
	return nil
}
