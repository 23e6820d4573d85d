package portal

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sort"
	"strings"
)

//go:embed page.html style.css
var files embed.FS

var pageTemplate = template.Must(template.ParseFS(files, "page.html"))

// view is what a page shows.
type view struct {
	Name, Title string
	User        string // name in the header
	SignedIn    bool
	Cabinet     string // the person's own room at the provider
	Data        any
}

func (p *Portal) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	if u := p.sessions.user(r); u != nil {
		v.SignedIn, v.User = true, text(u.claims["name"])
		if v.User == "" {
			v.User = text(u.claims["phone_number"])
		}
	}
	v.Cabinet = p.cfg.Issuer + "/me"
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := pageTemplate.Execute(w, v); err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "rendering", "page", v.Name, "error", err)
	}
}

func style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "style.css")
}

// row is a claim in words.
type row struct{ Claim, Label, Value string }

var labels = []struct{ claim, label string }{
	{"name", "Фамилия, имя, отчество"}, {"birthdate", "Дата рождения"}, {"gender", "Пол"},
	{"phone_number", "Телефон"}, {"email", "Почта"}, {"snils", "СНИЛС"}, {"inn", "ИНН"},
	{"id_doc", "Документ"}, {"address", "Адрес"}, {"account_level", "Уровень учётной записи"}, {"sub", "Ваш номер у портала"},
}

// rows writes claims in words; the named ones, or all that portals people care about.
func rows(claims map[string]any, only ...string) []row {
	var out []row
	for _, l := range labels {
		value := text(claims[l.claim])
		if value == "" || len(only) > 0 && !slices.Contains(only, l.claim) {
			continue
		}
		out = append(out, row{l.claim, l.label, words(l.claim, value)})
	}
	return out
}

func words(claim, value string) string {
	switch claim {
	case "gender":
		return map[string]string{"male": "мужской", "female": "женский"}[value]
	case "account_level":
		return levelWords[value]
	case "birthdate":
		if parts := strings.Split(value, "-"); len(parts) == 3 {
			return parts[2] + "." + parts[1] + "." + parts[0]
		}
	case "snils":
		if len(value) == 11 {
			return value[:3] + "-" + value[3:6] + "-" + value[6:9] + " " + value[9:]
		}
	}
	return value
}

// text writes a claim; an object is written value by value, in the order of its names.
func text(claim any) string {
	switch c := claim.(type) {
	case nil:
		return ""
	case string:
		return c
	case map[string]any:
		if formatted := text(c["formatted"]); formatted != "" {
			return formatted
		}
		names := make([]string, 0, len(c))
		for name := range c {
			names = append(names, name)
		}
		sort.Strings(names)
		values := make([]string, 0, len(c))
		for _, name := range names {
			values = append(values, text(c[name]))
		}
		return strings.Join(values, ", ")
	}
	return fmt.Sprint(claim)
}

var levelWords = map[string]string{"simplified": "упрощённый", "standard": "стандартный", "verified": "подтверждённый"}

var strengthWords = map[string]string{"1fa": "один фактор", "2fa": "два фактора", "phr": "защищённый от подделки страниц"}
