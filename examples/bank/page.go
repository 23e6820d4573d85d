package bank

import (
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what a page of the bank shows.
type page struct {
	Name, Title, Error string
	Request            string
	Person             string
	Shared             []string
	Bank               string
}

func (b *Bank) show(w http.ResponseWriter, status int, p page) {
	p.Bank = b.cfg.Name
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = pageTemplate.Execute(w, p)
}

func (b *Bank) home(w http.ResponseWriter, _ *http.Request) {
	b.show(w, http.StatusOK, page{Name: "bank-home", Title: b.cfg.Name})
}

func (b *Bank) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write([]byte(strings.ReplaceAll(styleText, "BANK", b.cfg.Colour)))
}

// shared says in words what the scopes release.
func shared(asked []string) []string {
	words := []struct{ scope, text string }{
		{"profile", "Фамилия, имя, отчество, дата рождения и пол"},
		{"phone", "Номер телефона"},
		{"passport", "Паспортные данные"},
		{"snils", "СНИЛС"},
		{"inn", "ИНН"},
	}
	var out []string
	for _, w := range words {
		if slices.Contains(asked, w.scope) {
			out = append(out, w.text)
		}
	}
	return out
}
