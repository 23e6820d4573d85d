package templates

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Languages that every page speaks; the first is the default.
var Languages = []string{"ru", "en"}

// catalogues hold the words of all pages in all languages. The library has only those that take arguments or a number: it makes a
// template of each.
type catalogues struct {
	localizers map[string]*i18n.Localizer
	plain      map[string]map[string]string // messages without arguments, ready
	ids        map[string]map[string]bool   // language → messages
	matcher    language.Matcher
}

func loadCatalogues(from fs.FS) (*catalogues, error) {
	c := &catalogues{localizers: map[string]*i18n.Localizer{}, plain: map[string]map[string]string{}, ids: map[string]map[string]bool{}}
	bundle := i18n.NewBundle(language.Russian)
	var tags []language.Tag
	for _, lang := range Languages {
		tag := language.Make(lang)
		tags = append(tags, tag)
		c.plain[lang], c.ids[lang] = map[string]string{}, map[string]bool{}
		catalogueFiles, err := fs.Glob(from, "locales/"+lang+"/*.toml")
		if err != nil {
			return nil, err
		}
		for _, file := range catalogueFiles {
			text, err := fs.ReadFile(from, file)
			if err != nil {
				return nil, err
			}
			messages, err := i18n.ParseMessageBytes(text, toml.Unmarshal)
			if err != nil {
				return nil, fmt.Errorf("catalogue %s: %w", file, err)
			}
			for _, m := range messages {
				if c.ids[lang][m.ID] {
					return nil, fmt.Errorf("catalogue %s: %s stands twice", file, m.ID)
				}
				c.ids[lang][m.ID] = true
				if !strings.HasPrefix(m.ID, "message.") {
					bind(m)
				}
				if m.One == "" && m.Few == "" && m.Many == "" && !strings.Contains(m.Other, "{{") {
					c.plain[lang][m.ID] = m.Other
					continue
				}
				if err := bundle.AddMessages(tag, m); err != nil {
					return nil, fmt.Errorf("catalogue %s: %s: %w", file, m.ID, err)
				}
			}
		}
		// One language to a localizer: a message that is missing must be seen, not replaced by another language's.
		c.localizers[lang] = i18n.NewLocalizer(bundle, lang)
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

// counted is a number, or the place of one, before what it counts.
var counted = regexp.MustCompile(`(№|\d|\.(?:Count|Minutes|Seconds|Hours|Left|Tries)}}) `)

// bind keeps a number and what it counts on one line of a page, and no dash begins one. Messages go out as they are written: a text message has one kind of space.
func bind(m *i18n.Message) {
	for _, form := range []*string{&m.One, &m.Few, &m.Many, &m.Other} {
		*form = strings.ReplaceAll(counted.ReplaceAllString(*form, "$1\u00a0"), " — ", "\u00a0— ")
	}
}

// text returns a message; args are pairs of a name and a value, or one map. Count chooses the plural form.
func (c *catalogues) text(lang, id string, args ...any) (string, error) {
	if s, ok := c.plain[lang][id]; ok {
		return s, nil
	}
	var data map[string]any
	if len(args) == 1 {
		var ok bool
		if data, ok = args[0].(map[string]any); !ok {
			return "", fmt.Errorf("message %s: arguments are pairs", id)
		}
	} else {
		var err error
		if data, err = dict(args...); err != nil {
			return "", fmt.Errorf("message %s: %w", id, err)
		}
	}
	if !c.ids[lang][id] {
		return "", fmt.Errorf("%w: %s in %s", errNoMessage, id, lang)
	}
	config := &i18n.LocalizeConfig{MessageID: id, TemplateData: data}
	if n, has := data["Count"]; has {
		config.PluralCount = n
	}
	s, err := c.localizers[lang].Localize(config)
	if err != nil {
		return "", fmt.Errorf("message %s in %s: %w", id, lang, err)
	}
	return s, nil
}

var errNoMessage = errors.New("no such message")

// Text returns a message of the catalogue in a language, or the id when there is none: a page with an odd
// word is better than no page.
func (s *Set) Text(lang, id string, args map[string]any) string {
	if args == nil {
		args = map[string]any{}
	}
	text, err := s.words.text(lang, id, args)
	if err != nil {
		return id
	}
	return text
}

// Has reports whether the catalogue knows a message.
func (s *Set) Has(lang, id string) bool { return s.words.ids[lang][id] }

// Lang is the language of a request: the person's choice (cookie), ui_locales by WithLang, or
// Accept-Language; Russian when none is ours.
func (s *Set) Lang(r *http.Request) string {
	if c, err := r.Cookie(LangCookie); err == nil && slices.Contains(Languages, c.Value) {
		return c.Value
	}
	asked, _ := r.Context().Value(langKey{}).(string)
	if asked == "" {
		asked = r.Header.Get("Accept-Language")
	}
	if asked == "" {
		return Languages[0]
	}
	tags, _, err := language.ParseAcceptLanguage(asked)
	if err != nil || len(tags) == 0 {
		return Languages[0]
	}
	_, i, _ := s.words.matcher.Match(tags...)
	return Languages[i]
}

// moscow is the zone in which times are shown: the country's own for official acts.
var moscow = time.FixedZone("MSK", 3*60*60)

// months in the form that stands after a day.
var months = map[string][]string{
	"ru": {"января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"},
	"en": {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
}

// dated is a calendar day of another package, such as account.Date.
type dated interface{ YMD() (year, month, day int) }

// date writes a day in words, with the Moscow time when clock is set.
func (c *catalogues) date(lang string, v any, clock bool) (string, error) {
	switch d := v.(type) {
	case time.Time:
		if d.IsZero() {
			return "", nil
		}
		d = d.In(moscow)
		day := fmt.Sprintf("%d %s %d", d.Day(), months[lang][d.Month()-1], d.Year())
		if clock {
			day += d.Format(", 15:04")
		}
		return day, nil
	case dated:
		year, month, day := d.YMD()
		if month < 1 || month > 12 {
			return "", nil
		}
		return fmt.Sprintf("%d %s %d", day, months[lang][month-1], year), nil
	}
	return "", fmt.Errorf("%T is no date", v)
}
