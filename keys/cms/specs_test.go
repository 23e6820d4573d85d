package cms_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestSpecsNameOnlyWhatExists(t *testing.T) {
	specs, err := os.ReadFile("SPECS.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, pattern := range []string{"*_test.go", "../gost/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
				tests[string(m[1])] = true
			}
		}
	}
	for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(string(specs), -1) {
		if !tests[name] {
			t.Errorf("SPECS.md names %s, and there is no such test", name)
		}
	}
	for _, name := range regexp.MustCompile(`(?:\.\./)?[a-z/]+\.go\b`).FindAllString(string(specs), -1) {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("SPECS.md names %s, and there is no such file", name)
		}
	}
}
