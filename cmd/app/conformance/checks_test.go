package conformance_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEveryAttackOnTheProtocolHasATest(t *testing.T) {
	const root = "../../.."
	page, err := os.ReadFile(filepath.Join(root, "docs/security-checks.md"))
	must(t, err)
	tests := testNames(t, root)
	rows := map[string]string{}
	for _, line := range strings.Split(string(page), "\n") {
		if cells := strings.Split(line, "|"); len(cells) == 6 {
			rows[strings.TrimSpace(cells[1])] = line
		}
	}
	var ids []string
	for i := range 43 {
		ids = append(ids, fmt.Sprintf("P%02d", i+1))
	}
	for i := range 11 { // guessing
		ids = append(ids, fmt.Sprintf("G%02d", i+1))
	}
	for i := range 7 { // banks
		ids = append(ids, fmt.Sprintf("L%02d", i+1))
	}
	for i := range 11 { // second factors
		ids = append(ids, fmt.Sprintf("F%02d", i+1))
	}
	for i := range 3 { // risk
		ids = append(ids, fmt.Sprintf("K%02d", i+1))
	}
	for _, id := range ids {
		named := regexp.MustCompile(`\bTest\w+`).FindAllString(rows[id], -1)
		if len(named) == 0 && !strings.Contains(rows[id], "is not offered") && !strings.Contains(rows[id], "not held") {
			t.Errorf("%s has no test", id)
		}
		for _, name := range named {
			if !tests[name] {
				t.Errorf("%s names %s, and there is no such test", id, name)
			}
		}
	}
}

// testNames are those of every test in the repository.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	must(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
		return err
	}))
	return names
}
