package records_test

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/storage/records"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// schema.sql is for people to read and review: the schema that all migrations make. make golden writes it.
func TestSchemaIsTheOneThatMigrationsMake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.db")
	s, err := records.Open(t.Context(), records.Config{URL: storagetest.SQLite(path), Sealer: storagetest.Sealer(t), Now: storagetest.NewClock().Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dumped := "-- Dumped from a freshly migrated SQLite database by make golden. Not applied by anything.\n\n" + dumpSchema(t, path)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("schema.sql", []byte(dumped), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), dumped); diff != "" {
		t.Errorf("schema.sql is out of date: run make golden and review the difference (-kept +dumped):\n%s", diff)
	}
}

func dumpSchema(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	found, err := db.QueryContext(t.Context(), `SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'
		ORDER BY tbl_name, type DESC, name`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	var b strings.Builder
	for found.Next() {
		var statement string
		if err := found.Scan(&statement); err != nil {
			t.Fatal(err)
		}
		b.WriteString(statement + ";\n\n")
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// breaking is what code of the release before would stumble over while nodes are replaced one by one,
// and what differs between the engines.
var breaking = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`(?i)\bDROP\s+(TABLE|COLUMN)`), "the release before still reads it: drop it a release after the last use, in a file named *_drop.sql"},
	{regexp.MustCompile(`(?i)\bRENAME\b`), "the release before knows the old name: add the new one beside it"},
	{regexp.MustCompile(`(?i)\bALTER\s+COLUMN\b`), "SQLite has none, and the release before writes the old type"},
	{regexp.MustCompile(`(?i)ADD\s+(COLUMN\s+)?\w+\s+\w+[^,;]*NOT\s+NULL(?:[^,;]*)`), "a default is needed: the release before does not write the column"},
	{regexp.MustCompile(`(?i)\b(TIMESTAMPTZ?|JSONB?|SERIAL|BOOLEAN|AUTOINCREMENT)\b`), "it is not the same in both engines: BIGINT, TEXT and BYTEA are"},
	{regexp.MustCompile(`(?i)\+goose\s+Down`), "migrations only go forward: restore a backup, or add another"},
}

func TestMigrationsOnlyAdd(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(os.DirFS("."), filepath.ToSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		for _, complaint := range complaints(file, string(text)) {
			t.Errorf("%s: %s", file, complaint)
		}
	}
}

func complaints(file, text string) (all []string) {
	for _, b := range breaking {
		for _, found := range b.pattern.FindAllString(text, -1) {
			dropsLater := strings.HasSuffix(file, "_drop.sql") && strings.HasPrefix(strings.ToUpper(found), "DROP")
			if !dropsLater && !strings.Contains(strings.ToUpper(found), "DEFAULT") {
				all = append(all, found+": "+b.why)
			}
		}
	}
	return all
}

func TestABreakingMigrationIsRefused(t *testing.T) {
	for _, row := range []struct {
		statement string
		refused   bool
	}{
		{"ALTER TABLE a ADD COLUMN b TEXT NOT NULL DEFAULT '';", false},
		{"ALTER TABLE a ADD COLUMN b TEXT;", false},
		{"CREATE TABLE c (id TEXT NOT NULL);", false},
		{"ALTER TABLE a ADD COLUMN b TEXT NOT NULL;", true},
		{"ALTER TABLE a ADD b BIGINT NOT NULL;", true},
		{"ALTER TABLE a DROP COLUMN b;", true},
		{"DROP TABLE a;", true},
		{"ALTER TABLE a RENAME COLUMN b TO c;", true},
		{"ALTER TABLE a ALTER COLUMN b TYPE TEXT;", true},
		{"CREATE TABLE a (at TIMESTAMPTZ);", true},
	} {
		if got := len(complaints("00002_x.sql", row.statement)) > 0; got != row.refused {
			t.Errorf("%s refused: %v", row.statement, got)
		}
	}
}
