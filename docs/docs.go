// Package docs carries the pages about errors into the program, so that who reads a code can open its page where they met it.
package docs

import (
	"embed"
	"path"
	"regexp"
)

//go:embed errors/*.md
var pages embed.FS

var code = regexp.MustCompile(`^[a-z_0-9]+\.[a-z_0-9]+$`)

// Diagnosis is the page of a diagnosis code, as it stands in docs/errors; false for a code that there is not.
func Diagnosis(name string) ([]byte, bool) {
	if !code.MatchString(name) {
		return nil, false
	}
	text, err := pages.ReadFile(path.Join("errors", name+".md"))
	return text, err == nil
}
