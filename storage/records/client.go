package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// Clients returns all registered clients, by id.
func (s *Store) Clients(ctx context.Context) ([]op.Client, error) {
	found, err := s.db.reader().query(ctx, `SELECT document FROM clients ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("listing clients: %w", err)
	}
	defer func() { _ = found.Close() }()
	var clients []op.Client
	for found.Next() {
		c, err := scanClient(found)
		if err != nil {
			return nil, fmt.Errorf("listing clients: %w", err)
		}
		clients = append(clients, *c)
	}
	return clients, found.Err()
}

// Client returns a client, or account.ErrNotFound.
func (s *Store) Client(ctx context.Context, id string) (*op.Client, error) {
	c, err := scanClient(s.db.reader().row(ctx, `SELECT document FROM clients WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, account.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading client: %w", err)
	}
	return c, nil
}

func scanClient(from scanner) (*op.Client, error) {
	var document string
	if err := from.Scan(&document); err != nil {
		return nil, err
	}
	var c op.Client
	if err := json.Unmarshal([]byte(document), &c); err != nil {
		return nil, fmt.Errorf("a client does not decode: %w", err)
	}
	return &c, nil
}

// PutClient stores a client over any with its ID. The version of all clients grows in the same transaction.
func (s *Store) PutClient(ctx context.Context, c op.Client) error {
	document, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding client %s: %w", c.ID, err)
	}
	err = s.changeClients(ctx, func(tx runner) error {
		_, err := tx.exec(ctx, `INSERT INTO clients (id, document, created_at, updated_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at`,
			c.ID, string(document), toStore(c.CreatedAt), toStore(c.UpdatedAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("storing client %s: %w", c.ID, err)
	}
	return nil
}

// DeleteClient forgets a client; for an unknown one it does nothing.
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	err := s.changeClients(ctx, func(tx runner) error {
		_, err := tx.exec(ctx, `DELETE FROM clients WHERE id = $1`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("deleting client %s: %w", id, err)
	}
	return nil
}

// changeClients bumps the version first: its row makes changes follow one another, so that who reads a
// version has all the changes before it.
func (s *Store) changeClients(ctx context.Context, change func(tx runner) error) error {
	return s.db.inTx(ctx, func(tx runner) error {
		if _, err := tx.exec(ctx, `UPDATE versions SET version = version + 1 WHERE name = 'clients'`); err != nil {
			return err
		}
		return change(tx)
	})
}

// ClientsVersion changes whenever any client changed: one indexed read of one row.
func (s *Store) ClientsVersion(ctx context.Context) (int64, error) {
	var version int64
	if err := s.db.reader().row(ctx, `SELECT version FROM versions WHERE name = 'clients'`).Scan(&version); err != nil {
		return 0, fmt.Errorf("reading the clients' version: %w", err)
	}
	return version, nil
}
