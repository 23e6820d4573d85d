package records

import (
	"context"
	"fmt"

	"github.com/vhod-id/vhod/account"
)

// sealedTable is a table with a sealed column: how its rows are walked in order, and where a row was sealed for.
type sealedTable struct {
	name  string
	after string // the rows behind a key, in order
	seal  string // replaces a row's sealed value, if it is still the one that was read
	place func(id string, seq int64) string
}

// resealBatch is how many rows are read at a time.
const resealBatch = 500

func sealedTables() []sealedTable {
	simple := func(name string, place func(string) string) sealedTable {
		return sealedTable{
			name:  name,
			after: `SELECT id, 0, sealed FROM ` + name + ` WHERE id > $1 AND $2 >= 0 ORDER BY id LIMIT $3`,
			seal:  `UPDATE ` + name + ` SET sealed = $1 WHERE id = $2 AND $3 = 0 AND sealed = $4`,
			place: func(id string, _ int64) string { return place(id) },
		}
	}
	return []sealedTable{
		simple("accounts", func(id string) string { return accountPlace(account.ID(id)) }),
		simple("sessions", sessionPlace), simple("families", familyPlace), simple("outbox", taskPlace), simple("cases", casePlace),
		{
			name:  "events",
			after: `SELECT account_id, seq, sealed FROM events WHERE account_id > $1 OR (account_id = $1 AND seq > $2) ORDER BY account_id, seq LIMIT $3`,
			seal:  `UPDATE events SET sealed = $1 WHERE account_id = $2 AND seq = $3 AND sealed = $4`,
			place: func(id string, seq int64) string { return linePlace(account.ID(id), seq) },
		},
	}
}

// Reseal seals anew, under the present master key, every row that is under an older one, and returns how many there were. It may
// run beside everything else, and again after it was stopped: a row that changes meanwhile is under the present key anyway.
func (s *Store) Reseal(ctx context.Context) (int, error) {
	total := 0
	for _, table := range sealedTables() {
		n, err := s.reseal(ctx, table)
		total += n
		if err != nil {
			return total, fmt.Errorf("sealing %s anew: %w", table.name, err)
		}
	}
	return total, nil
}

func (s *Store) reseal(ctx context.Context, table sealedTable) (done int, err error) {
	var id string
	var seq int64
	for {
		rows, err := s.sealedRows(ctx, table, id, seq)
		if err != nil || len(rows) == 0 {
			return done, err
		}
		for _, r := range rows {
			id, seq = r.id, r.seq
			if len(r.sealed) == 0 || !s.sealer.Stale(r.sealed) {
				continue
			}
			plain, err := s.sealer.Open(table.place(id, seq), r.sealed)
			if err != nil {
				return done, fmt.Errorf("row %s: %w", id, err)
			}
			if _, err := s.db.writer().exec(ctx, table.seal, s.sealer.Seal(table.place(id, seq), plain), id, seq, r.sealed); err != nil {
				return done, err
			}
			done++
		}
	}
}

type sealedRow struct {
	id     string
	seq    int64
	sealed []byte
}

func (s *Store) sealedRows(ctx context.Context, table sealedTable, id string, seq int64) ([]sealedRow, error) {
	rows, err := s.db.reader().query(ctx, table.after, id, seq, resealBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []sealedRow
	for rows.Next() {
		var r sealedRow
		if err := rows.Scan(&r.id, &r.seq, &r.sealed); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
