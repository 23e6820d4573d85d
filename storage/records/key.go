package records

import (
	"context"
	"fmt"
	"slices"

	"github.com/vhod-id/vhod/keys"
)

// SigningKeys returns all keys, the retired ones too, oldest first.
func (s *Store) SigningKeys(ctx context.Context) ([]keys.StoredKey, error) {
	all, err := signingKeys(ctx, s.db.reader())
	if err != nil {
		return nil, fmt.Errorf("reading signing keys: %w", err)
	}
	return all, nil
}

func signingKeys(ctx context.Context, from runner) ([]keys.StoredKey, error) {
	found, err := from.query(ctx, `SELECT id, algorithm, public_key, private_key, created_at, active_from, retired_at, hidden_at
		FROM signing_keys ORDER BY created_at, id`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	var all []keys.StoredKey
	for found.Next() {
		var k keys.StoredKey
		var created, active, retired, hidden int64
		if err := found.Scan(&k.ID, &k.Algorithm, &k.Public, &k.Private, &created, &active, &retired, &hidden); err != nil {
			return nil, err
		}
		k.CreatedAt, k.ActiveFrom = fromStore(created), fromStore(active)
		k.RetiredAt, k.HiddenAt = fromStore(retired), fromStore(hidden)
		all = append(all, k)
	}
	return all, found.Err()
}

// UpdateSigningKeys runs change on the present keys and stores what it returns, in one transaction that
// no other node's change can cross. A key is never forgotten: change must return every key it was given.
func (s *Store) UpdateSigningKeys(ctx context.Context, change func([]keys.StoredKey) ([]keys.StoredKey, error)) error {
	err := s.db.inTx(ctx, func(tx runner) error {
		// The row of the version makes changes of all nodes follow one another.
		if _, err := tx.exec(ctx, `UPDATE versions SET version = version + 1 WHERE name = 'signing-keys'`); err != nil {
			return err
		}
		present, err := signingKeys(ctx, tx)
		if err != nil {
			return err
		}
		next, err := change(slices.Clone(present))
		if err != nil {
			return closureError{err}
		}
		for _, k := range present {
			if !slices.ContainsFunc(next, func(n keys.StoredKey) bool { return n.ID == k.ID }) {
				return fmt.Errorf("signing key %s would be forgotten", k.ID)
			}
		}
		for _, k := range next {
			if err := putSigningKey(ctx, tx, k); err != nil {
				return err
			}
		}
		return nil
	})
	return doing(err, "updating signing keys")
}

func putSigningKey(ctx context.Context, tx runner, k keys.StoredKey) error {
	_, err := tx.exec(ctx, `INSERT INTO signing_keys (id, algorithm, public_key, private_key, created_at, active_from, retired_at, hidden_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET private_key = excluded.private_key, active_from = excluded.active_from,
			retired_at = excluded.retired_at, hidden_at = excluded.hidden_at`,
		k.ID, k.Algorithm, notNil(k.Public), notNil(k.Private), toStore(k.CreatedAt), toStore(k.ActiveFrom), toStore(k.RetiredAt), toStore(k.HiddenAt))
	return err
}
