package templates_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/vhod-id/vhod/templates"
)

var sentenceEnd = regexp.MustCompile(`[.!?]\s+|\n+`)

// TestNoSentenceOfAPageIsLongerThanTwentyWords holds pages to what a tired person reads once.
func TestNoSentenceOfAPageIsLongerThanTwentyWords(t *testing.T) {
	for _, lang := range templates.Languages {
		for id, forms := range catalogue(t, lang) {
			if strings.HasPrefix(id, "message.") {
				continue
			}
			for _, text := range forms {
				for _, sentence := range sentenceEnd.Split(text, -1) {
					if n := words(sentence); n > 20 {
						t.Errorf("%s in %s has a sentence of %d words: %s", id, lang, n, sentence)
					}
				}
			}
		}
	}
}

// words counts what is read: a dash is none.
func words(sentence string) int {
	n := 0
	for _, word := range strings.Fields(sentence) {
		if strings.IndexFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) >= 0 {
			n++
		}
	}
	return n
}

// TestRussianIsWrittenOneWay keeps to ё, to quotes and dashes of the language, and to words of everyday speech.
func TestRussianIsWrittenOneWay(t *testing.T) {
	wrong := map[string]*regexp.Regexp{
		"a dash":          regexp.MustCompile(` [–-] |\.\.\.`),
		"quotes":          regexp.MustCompile(`["“”]`),
		"е in place of ё": regexp.MustCompile(`(?i)(^|[^а-яё])(еще|ее|нее|учетн[а-я]*|счет|остается|дает|придет|пойдет|найдет|войдет|идет|берет|прошел|вошел|причем|подтвержден|отключен|изменен|удален|введен|черн[а-я]+|темн[а-я]+)([^а-яё]|$)`),
		"officialese":     regexp.MustCompile(`(?i)авторизац|аутентификац|идентификац|осуществ|является|в целях|данный |в случае если|необходимо`),
	}
	for id, forms := range catalogue(t, "ru") {
		for _, text := range forms {
			for what, pattern := range wrong {
				if found := pattern.FindString(text); found != "" {
					t.Errorf("%s has %s: %q in %s", id, what, found, text)
				}
			}
		}
	}
}
