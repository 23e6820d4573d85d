package templates_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/templates"
)

var literal = regexp.MustCompile(`\bt "([a-z0-9_.-]+)"|"(?:label|hint|key|change)" "([a-z0-9_.-]+)"`)

// TestEveryWordOfAPageIsInBothCatalogues reads the pages themselves: an id that a page names and a
// catalogue lacks would break the page for one person in a thousand, who took that turn.
func TestEveryWordOfAPageIsInBothCatalogues(t *testing.T) {
	set, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".html") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			id := m[1] + m[2]
			for _, lang := range templates.Languages {
				if !set.Has(lang, id) {
					t.Errorf("%s names %q, which is not in %s", path, id, lang)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
