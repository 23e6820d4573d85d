package records

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"
)

// layoutVersion is the number of the migration that no file holds, because its statements differ between the engines.
const layoutVersion = 6

// layoutMigration brings rows to where they are cheapest to read and to change. On PostgreSQL, whose pages hold eight kilobytes:
//
// An account stays in its row up to a page. A longer value than two kilobytes would be cut into pieces in a table aside, and
// every change of an account would write all of them anew, with an entry each in that table's index.
//
// Where rows are changed soon and often, a fifth of each page is left for it: a row whose next version lies in the same page
// needs no new entry in any index (heap-only tuples).
func layoutMigration(d dialect) *goose.Migration {
	return goose.NewGoMigration(layoutVersion, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range d.layout {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}}, nil)
}
