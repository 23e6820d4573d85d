package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var sqliteDialect = dialect{goose: goose.DialectSQLite3, crossed: sqliteCrossed}

// sqliteReaders is how many connections read beside the one that writes: reading is CPU-bound, more
// than a few per core gain nothing.
const sqliteReaders = 8

// openSQLite opens a file in WAL mode: one connection writes, several read a consistent snapshot
// meanwhile. The file is readable by its owner alone.
func openSQLite(ctx context.Context, cfg Config) (*engine, error) {
	path, synchronous, err := parseSQLiteURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	write, err := sql.Open("sqlite", sqliteDSN(path, synchronous, false))
	if err != nil {
		return nil, err
	}
	read, err := sql.Open("sqlite", sqliteDSN(path, synchronous, true))
	if err != nil {
		return nil, err
	}
	e := &engine{write: &sqlPool{db: write}, read: &sqlPool{db: read}, dialect: sqliteDialect, observe: cfg.OnStatement}
	readers := cfg.Connections
	if readers == 0 {
		readers = sqliteReaders
	}
	write.SetMaxOpenConns(1)
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	if err := write.PingContext(ctx); err != nil { // the first connection turns WAL on
		_ = e.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

// parseSQLiteURL reads sqlite:///absolute/path or sqlite://relative/path, with ?synchronous=normal
// (the default) or full.
func parseSQLiteURL(raw string) (path, synchronous string, err error) {
	rest, ok := strings.CutPrefix(raw, "sqlite://")
	if !ok {
		return "", "", fmt.Errorf("%q is not sqlite://path", raw)
	}
	path, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil || path == "" || path == ":memory:" {
		return "", "", fmt.Errorf("%q does not name a file", raw)
	}
	synchronous = "normal"
	for name, value := range values {
		if name != "synchronous" || (value[0] != "normal" && value[0] != "full") {
			return "", "", fmt.Errorf("%q: only synchronous=normal and synchronous=full are known", raw)
		}
		synchronous = value[0]
	}
	return path, synchronous, nil
}

func sqliteDSN(path, synchronous string, readOnly bool) string {
	q := url.Values{"_pragma": {
		"busy_timeout(10000)", // first, so that the others wait for a node that is opening too
		"journal_mode(wal)",
		"synchronous(" + synchronous + ")",
		"foreign_keys(1)",
	}}
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Set("_txlock", "immediate") // take the write lock at BEGIN: a later upgrade could not wait
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// createPrivate makes the directory and an empty file that only the owner may read.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func sqliteCrossed(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	primary := e.Code() & 0xff
	return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_LOCKED
}
