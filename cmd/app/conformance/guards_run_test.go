//go:build guards

package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var fallen = regexp.MustCompile(`(?m)^--- FAIL: (Test\w+)`)

// TestWithoutItsGuardAnAttackIsSeen takes every guard away in turn and wants a test of its attack to fall. The tests that fall are printed as the
// table of docs/security-checks.md. It compiles the house some hundred times, so it runs by `make guards`.
func TestWithoutItsGuardAnAttackIsSeen(t *testing.T) {
	base, err := filepath.Abs(root)
	must(t, err)
	rows, homes := attackRows(t), testHomes(t)
	only := os.Getenv("VHOD_GUARD") // one attack alone
	for _, g := range guards {
		if only != "" && g.attack != only {
			continue
		}
		t.Run(g.attack, func(t *testing.T) {
			names := regexp.MustCompile(`\bTest\w+`).FindAllString(rows[g.attack], -1)
			out := runWithout(t, base, g, names, homes)
			var fell []string
			for _, m := range fallen.FindAllStringSubmatch(out, -1) {
				if !slices.Contains(fell, m[1]) {
					fell = append(fell, m[1])
				}
			}
			if len(fell) == 0 {
				t.Errorf("%s: without %q nothing falls:\n%s", g.file, g.stands, out)
				return
			}
			fmt.Printf("| %s | %s | `%s` | %s |\n", g.attack, g.file, strings.ReplaceAll(g.stands, "|", `\|`), strings.Join(fell, " "))
		})
	}
}

// runWithout runs the named tests with a guard taken away, and returns what they printed.
func runWithout(t *testing.T, base string, g guard, names []string, homes map[string]string) string {
	t.Helper()
	file := filepath.Join(base, g.file)
	text, err := os.ReadFile(file)
	must(t, err)
	dir := t.TempDir()
	spoilt, overlay := filepath.Join(dir, "spoilt.go"), filepath.Join(dir, "overlay.json")
	must(t, os.WriteFile(spoilt, bytes.Replace(text, []byte(g.stands), []byte(g.without), 1), 0o600))
	raw, err := json.Marshal(map[string]any{"Replace": map[string]string{file: spoilt}})
	must(t, err)
	must(t, os.WriteFile(overlay, raw, 0o600))
	args := []string{"test", "-vet=off", "-count=1", "-timeout=5m", "-overlay=" + overlay, "-run=^(" + strings.Join(names, "|") + ")$"}
	var rooms []string
	for _, name := range names {
		if home := homes[name]; !slices.Contains(rooms, home) {
			rooms = append(rooms, home)
		}
	}
	cmd := exec.Command("go", append(args, rooms...)...)
	cmd.Dir = base
	out, _ := cmd.CombinedOutput() // that it fails is what is wanted
	if bytes.Contains(out, []byte("[build failed]")) {
		t.Errorf("%s: what is left does not compile", g.file)
	}
	return string(out)
}
