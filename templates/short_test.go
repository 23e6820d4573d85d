package templates_test

import (
	"regexp"
	"testing"
)

var (
	sentence = regexp.MustCompile(`[.!?]\s+|\n+`)
	word     = regexp.MustCompile(`[\p{L}\p{N}][\p{L}\p{N}-]*`)
	slot     = regexp.MustCompile(`\{\{.*?\}\}`)
)

// TestSentencesAreShort holds the rule of plain speech for what people read when they are tired: what cannot be said in twenty words is
// two sentences. English, whose little words are words, has a few more.
func TestSentencesAreShort(t *testing.T) {
	for lang, most := range map[string]int{"ru": 20, "en": 30} {
		for id, forms := range catalogue(t, lang) {
			for _, text := range forms {
				for _, s := range sentence.Split(slot.ReplaceAllString(text, "X"), -1) {
					if n := len(word.FindAllString(s, -1)); n > most {
						t.Errorf("%s: %s has a sentence of %d words: %s", lang, id, n, s)
					}
				}
			}
		}
	}
}
