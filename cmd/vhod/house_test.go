package main_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/vhod-id/vhod/"

// arrows says which rooms a room may import. Arrows only point down, so there is no circle.
var arrows = map[string][]string{
	"cmd":       {"login", "storage", "op", "notify", "account", "keys", "templates"},
	"login":     {"op", "account", "keys", "templates", "docs"},
	"storage":   {"op", "account", "keys"},
	"op":        {"account", "keys"},
	"notify":    {"account", "templates", "keys"},
	"account":   {"keys"}, // secrets that cannot leak, sealed hashes; nothing of signing
	"keys":      {},
	"templates": {},
	"docs":      {}, // the pages about errors, which the error page leads to
	"examples":  {}, // they speak HTTP; examples/main.go alone imports the wiring
}

// doors says where an outside library may be imported (prefixes of files).
var doors = map[string][]string{
	"github.com/zitadel/oidc/v3":          {"op/server.go", "login/bank", "examples/"},
	"github.com/go-jose/go-jose/v4":       {"keys/", "op/", "examples/", "login/bank"},
	"github.com/jackc/pgx/v5":             {"storage/"},
	"modernc.org/sqlite":                  {"storage/"},
	"github.com/pressly/goose/v3":         {"storage/records/"},
	"github.com/redis/go-redis/v9":        {"storage/"},
	"github.com/pquerna/otp":              {"account/credential/"},
	"github.com/go-webauthn/webauthn":     {"account/credential/"},
	"github.com/nicksnyder/go-i18n/v2":    {"templates/"},
	"github.com/wneessen/go-mail":         {"notify/"},
	"github.com/prometheus/client_golang": {"cmd/"},
	"go.opentelemetry.io":                 {"cmd/"},
}

func TestEveryImportFollowsTheArrowsAndTheDoors(t *testing.T) {
	root := filepath.Join("..", "..")
	for file, imports := range sourceFiles(t, root) {
		room, _, _ := strings.Cut(file, "/")
		test := strings.HasSuffix(file, "_test.go") || strings.Contains(file, "storage/storagetest/") || strings.Contains(file, "examples/journeys/")
		for _, imported := range imports {
			if ours, ok := strings.CutPrefix(imported, module); ok {
				to, _, _ := strings.Cut(ours, "/")
				allowed := room == to || test || slices.Contains(arrows[room], to) || (file == "examples/main.go" && to == "cmd")
				if !allowed {
					t.Errorf("%s imports %s: no arrow from %s to %s", file, imported, room, to)
				}
				continue
			}
			for library, files := range doors {
				if !strings.HasPrefix(imported, library) || test {
					continue
				}
				if !slices.ContainsFunc(files, func(door string) bool { return strings.HasPrefix(file, door) }) {
					t.Errorf("%s imports %s, whose door is %v", file, imported, files)
				}
			}
		}
	}
}

func TestEveryRoomIsInTheHouse(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, known := arrows[e.Name()]; e.IsDir() && !known && !strings.HasPrefix(e.Name(), ".") && e.Name() != "bin" {
			t.Errorf("%s is not a room of the house", e.Name())
		}
	}
}

func TestTimeNowIsReadInCmdAndExamplesOnly(t *testing.T) {
	root := filepath.Join("..", "..")
	for file := range sourceFiles(t, root) {
		if strings.HasPrefix(file, "cmd/") || strings.HasPrefix(file, "examples/") || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "storage/storagetest/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "time.Now(") {
			t.Errorf("%s calls time.Now: rules take the clock from their configuration", file)
		}
	}
}

// sourceFiles returns the imports of every Go file below root, by slash-separated name.
func sourceFiles(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		imports := []string{}
		for _, i := range f.Imports {
			imports = append(imports, strings.Trim(i.Path.Value, `"`))
		}
		found[filepath.ToSlash(rel)] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
