package login

import (
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/docs"
	"github.com/vhod-id/vhod/templates"
)

// statementRoutes are the short pages that every page's footer leads to, and those that an error page does.
func (d *Door) statementRoutes() []route {
	return []route{
		{"GET /help", d.showHelp},
		{"GET /accessibility", d.showAccessibility},
		{"GET /cookies", d.showCookies},
		{"GET /agreement/{document}", d.showDocument},
		{"GET /docs/errors/{code}", d.showDiagnosis},
	}
}

// accessibilityData is what the page accessibility says in numbers.
type accessibilityData struct{ Warning int } // minutes

func (d *Door) showAccessibility(w http.ResponseWriter, r *http.Request) error {
	data := accessibilityData{Warning: int(templates.WarnBefore.Minutes())}
	return d.cfg.Pages.Render(w, r, templates.Page{Name: "accessibility", Data: data})
}

// cookieLine is what the page cookies says of one.
type cookieLine struct {
	Name string // as the browser lists it
	For  string // its words are under cookies.FOR
	Days int    // zero: until the browser is closed
}

// cookieLives are all cookies that the front door sets, with the longest that a browser keeps each.
var cookieLives = []struct {
	name, purpose string
	life          time.Duration
}{
	{cookieSession, "session", 0},
	{cookieApart, "apart", 0},
	{cookieFlow, "flow", 0},
	{cookieBrowser, "browser", account.BrowserLife},
	{cookieDevice, "device", deviceLife},
	{cookieApprover, "approver", account.BrowserLife},
	{cookieLang, "lang", choiceLife},
	{cookieTheme, "theme", choiceLife},
}

func (d *Door) showCookies(w http.ResponseWriter, r *http.Request) error {
	var lines []cookieLine
	for _, c := range cookieLives {
		lines = append(lines, cookieLine{d.cookieName(c.name), c.purpose, int(c.life / (24 * time.Hour))})
	}
	return d.cfg.Pages.Render(w, r, templates.Page{Name: "cookies", Data: lines})
}

// showDiagnosis shows what a code on an error page means, to who integrates a service.
func (d *Door) showDiagnosis(w http.ResponseWriter, r *http.Request) error {
	text, ok := docs.Diagnosis(r.PathValue("code"))
	if !ok {
		return account.ErrNotFound
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write(text)
	return err
}
