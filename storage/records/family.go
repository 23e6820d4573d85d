package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

const familyColumns = `id, account_id, client_id, session_id, auth_time, created_at, expires_at, ended_at,
	refresh_hash, generation, rotated_at, sealed`

// sealedFamily is what families.sealed holds.
type sealedFamily struct {
	Scopes    []string          `json:"scopes,omitempty"`
	Claims    *op.ClaimsRequest `json:"claims,omitempty"`
	Details   []op.Detail       `json:"details,omitempty"`
	Resources []string          `json:"resources,omitempty"`
	AMR       []string          `json:"amr,omitempty"`
	ACR       string            `json:"acr,omitempty"`
	Nonce     string            `json:"nonce,omitempty"`
	JKT       string            `json:"jkt,omitempty"`
	Customer  string            `json:"customer,omitempty"`
}

// familyRow is a row of families on its way out.
type familyRow struct {
	family                                     op.Family
	authTime, created, expires, ended, rotated int64
	sealed                                     []byte
}

func (r *familyRow) into() []any {
	f := &r.family
	return []any{&f.ID, &f.AccountID, &f.ClientID, &f.SessionID, &r.authTime, &r.created, &r.expires, &r.ended,
		&f.RefreshHash, &f.Generation, &r.rotated, &r.sealed}
}

func familyPlace(id string) string { return "families/" + id }

func (s *Store) openFamily(r familyRow) (*op.Family, error) {
	plain, err := s.sealer.Open(familyPlace(r.family.ID), r.sealed)
	if err != nil {
		return nil, fmt.Errorf("family %s: %w", r.family.ID, err)
	}
	var in sealedFamily
	if err := json.Unmarshal(plain, &in); err != nil {
		return nil, fmt.Errorf("family %s does not decode", r.family.ID)
	}
	f := r.family
	f.AuthTime, f.CreatedAt, f.ExpiresAt = fromStore(r.authTime), fromStore(r.created), fromStore(r.expires)
	f.EndedAt, f.RotatedAt = fromStore(r.ended), fromStore(r.rotated)
	f.Scopes, f.Claims, f.Details, f.Resources, f.AMR, f.ACR, f.Nonce, f.JKT, f.Customer = in.Scopes, in.Claims, in.Details, in.Resources, in.AMR, in.ACR, in.Nonce, in.JKT, in.Customer
	return &f, nil
}

// CreateFamily stores a family if its account is active and was not signed out since AuthTime, by one
// statement; otherwise account.ErrLocked. A family of no account is stored always.
func (s *Store) CreateFamily(ctx context.Context, f *op.Family) error {
	plain, err := json.Marshal(sealedFamily{f.Scopes, f.Claims, f.Details, f.Resources, f.AMR, f.ACR, f.Nonce, f.JKT, f.Customer})
	if err != nil {
		return fmt.Errorf("encoding family: %w", err)
	}
	bearer := 0
	if f.JKT == "" {
		bearer = 1
	}
	// The column successor is of no use any more; it goes when no node runs that writes it.
	done, err := changed(s.db.writer().exec(ctx, `INSERT INTO families (`+familyColumns+`, sweep_on, bearer, successor)
		SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT), CAST($6 AS BIGINT), CAST($7 AS BIGINT),
			CAST($8 AS BIGINT), CAST($9 AS TEXT), CAST($10 AS BIGINT), CAST($11 AS BIGINT), $12, CAST($13 AS BIGINT), CAST($14 AS BIGINT), CAST('' AS BYTEA)
		WHERE $2 = '' OR EXISTS (SELECT 1 FROM accounts WHERE id = $2 AND status = 'active' AND (signed_out_at <= $5 OR ($4 <> '' AND spared = $4)))`,
		f.ID, f.AccountID, f.ClientID, f.SessionID, toStore(f.AuthTime), toStore(f.CreatedAt), toStore(f.ExpiresAt), toStore(f.EndedAt),
		f.RefreshHash, f.Generation, toStore(f.RotatedAt), s.sealer.Seal(familyPlace(f.ID), plain), day(f.ExpiresAt), bearer))
	if err != nil {
		return fmt.Errorf("creating family: %w", err)
	}
	if !done {
		return account.ErrLocked
	}
	return nil
}

// Family returns a family with its account (nil for none) by one round trip, or account.ErrNotFound.
func (s *Store) Family(ctx context.Context, id string) (*op.Family, *account.Account, error) {
	var r familyRow
	var owner struct {
		id      sql.NullString
		version sql.NullInt64
		sealed  []byte
	}
	known := s.seen.behind(familyPlace(id))
	err := s.db.reader().row(ctx, `SELECT f.id, f.account_id, f.client_id, f.session_id, f.auth_time, f.created_at, f.expires_at, f.ended_at,
			f.refresh_hash, f.generation, f.rotated_at, f.sealed, `+accountUnless(2)+`
		FROM families f LEFT JOIN accounts a ON a.id = f.account_id WHERE f.id = $1`, append([]any{id}, known.columns()...)...).
		Scan(append(r.into(), &owner.id, &owner.version, &owner.sealed)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, account.ErrNotFound
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading family: %w", err)
	}
	f, err := s.openFamily(r)
	if err != nil || !owner.id.Valid {
		return f, nil, err
	}
	a, err := s.viewBehind(known, accountRow{account.ID(owner.id.String), owner.version.Int64, owner.sealed})
	return f, a, err
}

// Renew replaces the live refresh token of a grant that no key binds, if the grant lives, is this client's and its account is active
// and was not signed out since, by one statement; otherwise account.ErrConflict. It returns the family as stored, and its account.
func (s *Store) Renew(ctx context.Context, of op.Renewal) (*op.Family, *account.Account, error) {
	var r familyRow
	owner := accountRow{}
	known := s.seen.behind(familyPlace(of.ID))
	args := append([]any{of.Next, toStore(of.At), of.ID, of.ClientID, of.Was}, known.columns()...)
	err := s.db.writer().row(ctx, `UPDATE families SET refresh_hash = $1, rotated_at = $2, generation = generation + 1
		WHERE id = $3 AND client_id = $4 AND refresh_hash = $5 AND bearer = 1 AND ended_at = 0 AND expires_at > $2
			AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = account_id AND a.status = 'active'
				AND (a.signed_out_at <= auth_time OR (session_id <> '' AND a.spared = session_id)))
		RETURNING `+familyColumns+`, (SELECT a.version FROM accounts a WHERE a.id = account_id),
			(SELECT `+sealedUnless(6)+` FROM accounts a WHERE a.id = account_id)`, args...).
		Scan(append(r.into(), &owner.version, &owner.sealed)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, account.ErrConflict
	}
	if err != nil {
		return nil, nil, fmt.Errorf("renewing a grant: %w", err)
	}
	f, err := s.openFamily(r)
	if err != nil {
		return nil, nil, err
	}
	owner.id = f.AccountID
	a, err := s.viewBehind(known, owner)
	return f, a, err
}

// Rotate replaces the live refresh token by one conditional statement: only if the family lives, has
// not expired and its RefreshHash is still was. It returns the family as stored, or account.ErrConflict.
func (s *Store) Rotate(ctx context.Context, id, was string, next op.Rotation) (*op.Family, error) {
	var r familyRow
	err := s.db.writer().row(ctx, `UPDATE families SET refresh_hash = $1, rotated_at = $2, expires_at = $3, sweep_on = $6, generation = generation + 1
		WHERE id = $4 AND refresh_hash = $5 AND ended_at = 0 AND expires_at > $2 RETURNING `+familyColumns,
		next.Hash, toStore(next.At), toStore(next.ExpiresAt), id, was, day(next.ExpiresAt)).Scan(r.into()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, account.ErrConflict
	}
	if err != nil {
		return nil, fmt.Errorf("rotating refresh token: %w", err)
	}
	return s.openFamily(r)
}

// EndFamily ends a family once and says whether this call did it.
func (s *Store) EndFamily(ctx context.Context, id string, at time.Time) (bool, error) {
	ended, err := changed(s.db.writer().exec(ctx, `UPDATE families SET ended_at = $1, sweep_on = $3 WHERE id = $2 AND ended_at = 0`, toStore(at), id, day(at)))
	if err != nil {
		return false, fmt.Errorf("ending family: %w", err)
	}
	return ended, nil
}

// EndFamilies ends the families of an account, at one client or (empty) at all.
func (s *Store) EndFamilies(ctx context.Context, id account.ID, clientID string, at time.Time) error {
	_, err := s.db.writer().exec(ctx, `UPDATE families SET ended_at = $1, sweep_on = $4
		WHERE account_id = $2 AND ended_at = 0 AND ($3 = '' OR client_id = $3)`, toStore(at), id, clientID, day(at))
	if err != nil {
		return fmt.Errorf("ending families: %w", err)
	}
	return nil
}

// Visits returns to which services these sessions of an account led, or, without any, its sessions in which the person proved
// themselves before the time and that did not end by themselves since; the newest first.
func (s *Store) Visits(ctx context.Context, id account.ID, sessions []string, before time.Time) ([]op.Visit, error) {
	where, args := `f.auth_time < $2 AND f.session_id <> '' AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.id = f.session_id AND s.ended_at > 0)`,
		[]any{id, toStore(before)}
	if len(sessions) > 0 {
		where, args = `f.session_id IN (`+list(2, len(sessions))+`)`, []any{id}
		for _, one := range sessions {
			args = append(args, one)
		}
	}
	found, err := s.db.reader().query(ctx, `SELECT f.client_id, f.session_id FROM families f
		WHERE f.account_id = $1 AND `+where+` GROUP BY f.client_id, f.session_id ORDER BY max(f.created_at) DESC, f.client_id, f.session_id`, args...)
	if err != nil {
		return nil, fmt.Errorf("listing visits: %w", err)
	}
	defer func() { _ = found.Close() }()
	var visits []op.Visit
	for found.Next() {
		var v op.Visit
		if err := found.Scan(&v.ClientID, &v.SessionID); err != nil {
			return nil, fmt.Errorf("listing visits: %w", err)
		}
		visits = append(visits, v)
	}
	return visits, found.Err()
}

// notNil is for columns that are never NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
