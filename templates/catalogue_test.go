package templates_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/templates"
)

// plurals are the forms of one message.
var plurals = []string{"one", "few", "many", "other"}

// catalogue reads a language's files: id → its forms.
func catalogue(t *testing.T, lang string) map[string]map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("locales", lang, "*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no catalogue of %s: %v", lang, err)
	}
	found := map[string]map[string]string{}
	for _, file := range files {
		var tree map[string]any
		if _, err := toml.DecodeFile(file, &tree); err != nil {
			t.Fatal(err)
		}
		flatten("", tree, found)
	}
	return found
}

func flatten(prefix string, tree map[string]any, into map[string]map[string]string) {
	for name, value := range tree {
		id := strings.TrimPrefix(prefix+"."+name, ".")
		switch v := value.(type) {
		case string:
			into[id] = map[string]string{"other": v}
		case map[string]any:
			if other, plural := v["other"].(string); plural {
				forms := map[string]string{"other": other}
				for _, form := range plurals {
					if text, ok := v[form].(string); ok {
						forms[form] = text
					}
				}
				into[id] = forms
				continue
			}
			flatten(id, v, into)
		}
	}
}

var argument = regexp.MustCompile(`\{\{\s*\.(\w+)`)

func TestBothCataloguesSayTheSameWithTheSameArguments(t *testing.T) {
	ru, en := catalogue(t, "ru"), catalogue(t, "en")
	names := func(c map[string]map[string]string) []string {
		var all []string
		for id := range c {
			all = append(all, id)
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff(names(ru), names(en)); diff != "" {
		t.Fatalf("one catalogue has what the other lacks (-ru +en):\n%s", diff)
	}
	arguments := func(forms map[string]string) []string {
		var all []string
		for _, m := range argument.FindAllStringSubmatch(forms["other"], -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	for id, forms := range ru {
		if len(forms) > 1 {
			for _, form := range plurals {
				if forms[form] == "" {
					t.Errorf("%s has no Russian form %q", id, form)
				}
			}
		}
		if strings.TrimSpace(forms["other"]) == "" || strings.TrimSpace(en[id]["other"]) == "" {
			t.Errorf("%s is empty", id)
		}
		if diff := cmp.Diff(arguments(forms), arguments(en[id])); diff != "" {
			t.Errorf("%s takes other arguments in the other language:\n%s", id, diff)
		}
	}
}

func TestACodeFitsOneSMSAndIsBoundToItsHost(t *testing.T) {
	set, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	const segment = 70 // characters of UCS-2, which Russian needs
	for id := range catalogue(t, "ru") {
		name, isSMS := strings.CutSuffix(strings.TrimPrefix(id, "message."), ".sms")
		if !isSMS || !strings.HasPrefix(id, "message.") {
			continue
		}
		args := map[string]string{"Code": "123456", "Minutes": "10", "Host": "id.example.ru", "Left": "9", "At": "23 ноября, 10:00", "Service": "Портал услуг", "Name": "Ключ"}
		for _, lang := range templates.Languages {
			m, err := set.Message(name, "sms", lang, args)
			if err != nil {
				t.Errorf("%s: %v", id, err)
				continue
			}
			words, binding, hasCode := strings.Cut(m.Text, "\n\n@")
			if n := utf8.RuneCountInString(words); n > 2*segment {
				t.Errorf("%s in %s has %d characters: two segments are the most", id, lang, n)
			}
			if strings.HasPrefix(name, "code-") {
				if n := utf8.RuneCountInString(words); lang == "ru" && n > segment {
					t.Errorf("%s has %d characters before its last line, and a segment has %d: %s", id, n, segment, words)
				}
				if !hasCode || binding != "id.example.ru #123456" || !strings.Contains(words, "123456") {
					t.Errorf("%s in %s: %q", id, lang, m.Text)
				}
			}
		}
	}
}
