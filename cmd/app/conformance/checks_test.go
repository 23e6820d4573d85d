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

// root is where the repository begins.
const root = "../../.."

// attackRows are the rows of docs/security-checks.md by the names of their attacks.
func attackRows(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs/security-checks.md"))
	must(t, err)
	rows := map[string]string{}
	for _, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		if name := strings.TrimSpace(cells[1]); attackName.MatchString(name) {
			rows[name] += line
		}
	}
	return rows
}

var attackName = regexp.MustCompile(`^[A-Z][0-9]{2}$`)

func TestEveryAttackOnTheProtocolHasATest(t *testing.T) {
	tests, rows := testHomes(t), attackRows(t)
	var ids []string
	for i := range 43 {
		ids = append(ids, fmt.Sprintf("P%02d", i+1))
	}
	for i := range 11 { // guessing
		ids = append(ids, fmt.Sprintf("G%02d", i+1))
	}
	for i := range 11 { // banks and levels
		ids = append(ids, fmt.Sprintf("L%02d", i+1))
	}
	for i := range 10 { // sessions and browsers
		ids = append(ids, fmt.Sprintf("S%02d", i+1))
	}
	for i := range 7 { // electronic signatures
		ids = append(ids, fmt.Sprintf("E%02d", i+1))
	}
	for i := range 12 { // second factors
		ids = append(ids, fmt.Sprintf("F%02d", i+1))
	}
	for i := range 4 { // risk
		ids = append(ids, fmt.Sprintf("K%02d", i+1))
	}
	for _, id := range ids {
		named := regexp.MustCompile(`\bTest\w+`).FindAllString(rows[id], -1)
		if len(named) == 0 && !strings.Contains(rows[id], "is not offered") && !strings.Contains(rows[id], "not held") {
			t.Errorf("%s has no test", id)
		}
		for _, name := range named {
			if tests[name] == "" {
				t.Errorf("%s names %s, and there is no such test", id, name)
			}
		}
	}
}

// testHomes are the folders of every test in the repository, by the test's name.
func testHomes(t *testing.T) map[string]string {
	t.Helper()
	homes := map[string]string{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	must(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		home, _ := filepath.Rel(root, filepath.Dir(path))
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			homes[m[1]] = "./" + home
		}
		return err
	}))
	return homes
}
