// Package templates renders every page and message, in Russian and English.
//
// A page is pages/GROUP/NAME.html and defines "main"; its data is a struct beside its handler. Words are
// in locales/LANG/GROUP.toml, never in a template or a handler: {{t "identify.title"}} or, with arguments,
// {{t "code.sent" "To" .Data.To}}; an argument Count chooses the plural form. Dot is a View: .Data is the
// page's struct, .Err "field" the message at a field.
//
// Partials take a dict whose v is the view:
//
//	{{template "field" (dict "v" . "name" "phone" "type" "tel" "label" "field.phone" "value" .Data.Phone "autocomplete" "tel")}}
//	{{template "password" (dict "v" . "name" "password" "label" "field.password" "autocomplete" "current-password")}}
//	{{template "code" (dict "v" . "label" "field.code")}}
//	{{template "date" (dict "v" . "name" "birthdate" "label" "field.birthdate" "day" .Data.Day "month" .Data.Month "year" .Data.Year "autocomplete" "bday")}}
//	{{template "radio" (dict "v" . "name" "gender" "value" "male" "label" "gender.male" "checked" (eq .Data.Gender "male"))}}
//	{{template "check" (dict "v" . "name" "shared" "label" "identify.shared" "checked" .Data.Shared)}}
//	{{template "button" (dict "v" . "action" "continue" "label" "continue")}}   secondary: "class" "secondary", with "name" and "value" when it tells something
//	{{template "row" (dict "v" . "key" "claim.snils" "value" .SNILS "href" "/level/snils" "change" "change")}}   inside <dl class="summary">
//
// label, hint and key are message ids; "text" instead of "label" is taken as it is. Message ids may not have a segment named
// id, description, hash, zero, one, two, few, many or other: those are the library's own words.
package templates

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"text/template/parse"
	"time"
)

//go:embed pages partials layout.html locales assets messages
var files embed.FS

// Page is what every page has beside its own data.
type Page struct {
	Name       string         // pages/GROUP/NAME.html, and <main data-page="NAME">
	Status     int            // HTTP status, 200 when zero
	Title      string         // message id; NAME.title when empty
	TitleArgs  map[string]any // of the title
	Service    *Service       // the service that sent the person here: the context strip
	User       string         // name in the header, when signed in
	Back       string         // link of "Back", when there is one
	Errors     []FieldError   // error summary and inline messages
	Notice     string         // message id of a banner, such as "notice.saved"
	Refresh    int            // seconds until the page asks again by itself: in silence, or without scripts by loading anew; 0: never
	Live       string         // path of the events that say when this page is out of date; without scripts it asks again every few seconds
	Timeout    *Timeout       // when what the page belongs to ends; nil where nothing does
	Section    string         // active entry of the cabinet's menu; empty outside
	FormAction []string       // origins to which this page's forms lead by a redirect, for the CSP
	FrameSrc   []string       // origins that this page loads in frames, for the CSP; none when empty
	Data       any            // the page's own struct
}

// Service is the context strip.
type Service struct {
	Name, LogoURI, CancelURL string
	Customer                 string // for whom it acts; empty where it acts for itself
	Purpose                  string // what it asks for: sign_in, confirm, link, approve; empty when it does not say
}

// Timeout is when a session ends, or an attempt, and what a person may do about it before: the script timeout.js warns them, and
// without scripts the time stands on the page.
type Timeout struct {
	Of      string // session, attempt, proof: words are under timeout.text-OF, timeout.whole-OF and timeout.until-OF
	At      time.Time
	Left    time.Duration
	Whole   bool   // it cannot be put off
	StayURL string // a post there puts it off; the answer is a Stay
	Who     string // tells one person from another, so that what was typed is given back to nobody else; empty: it is not kept
}

// Stay is how long there is now, as JSON.
type Stay struct {
	Left  int  `json:"left"` // seconds
	Whole bool `json:"whole"`
}

// Stay is the same for a script that asked for more.
func (t *Timeout) Stay() Stay { return Stay{t.Seconds(), t.Whole} }

// Seconds are whole ones, one more than there are: who asks when they are over finds that it has ended.
func (t *Timeout) Seconds() int { return int(max(0, t.Left)/time.Second) + 1 }

// WarnBefore is when a person is warned: WCAG 2.2 asks for twenty seconds (2.2.1), and who has left the room needs more.
const WarnBefore = 150 * time.Second

// WarnSeconds is the same for the script.
func (t *Timeout) WarnSeconds() int { return int(WarnBefore / time.Second) }

// FieldError ties a message of the catalogues to a form field.
type FieldError struct {
	Field   string
	Message string
	Args    map[string]any
}

// Set is all pages and catalogues, parsed once.
type Set struct {
	words  *catalogues
	assets *assets
	shared map[string]*template.Template            // language → partials and the layout's parts
	pages  map[string]map[string]*template.Template // language → name → its main
	mails  map[string]*template.Template            // language → layout of a mail
	pool   sync.Pool
}

// New parses everything embedded.
func New() (*Set, error) {
	s := &Set{shared: map[string]*template.Template{}, pages: map[string]map[string]*template.Template{}, mails: map[string]*template.Template{}}
	s.pool.New = func() any { return new(bytes.Buffer) }
	var err error
	if s.words, err = loadCatalogues(files); err != nil {
		return nil, err
	}
	if s.assets, err = loadAssets(files); err != nil {
		return nil, err
	}
	for _, lang := range Languages {
		if err := s.parse(lang); err != nil {
			return nil, fmt.Errorf("templates in %s: %w", lang, err)
		}
	}
	return s, nil
}

// mainOf is the name of a page's own part among the templates of a language.
func mainOf(page string) string { return "main of " + page }

// The layout's parts before and after a page's own.
const (
	above = "above main"
	below = "below main"
)

// parse makes the templates of one language, whose t speaks it: the partials and the layout's two parts once, and what each page
// defines as "main". A copy of all of them for each page would take twenty times the memory.
func (s *Set) parse(lang string) error {
	all, err := template.New("layout.html").Funcs(s.funcs(lang)).ParseFS(files, "layout.html", "partials/*.html")
	if err == nil {
		err = splitLayout(all)
	}
	if err != nil {
		return err
	}
	s.pages[lang] = map[string]*template.Template{}
	err = fs.WalkDir(files, "pages", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimSuffix(path.Base(file), ".html")
		if _, twice := s.pages[lang][name]; twice {
			return fmt.Errorf("two pages are named %s", name)
		}
		if s.pages[lang][name], err = s.parsePage(all, lang, file, name); err != nil {
			return fmt.Errorf("page %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.shared[lang] = all
	s.fold(all, lang)
	s.mails[lang], err = template.New("mail.html").Funcs(s.funcs(lang)).ParseFS(files, "messages/mail.html")
	return err
}

// parsePage adds what a page defines to the templates of its language, and returns its main.
func (s *Set) parsePage(all *template.Template, lang, file, name string) (*template.Template, error) {
	page, err := template.New(name).Funcs(s.funcs(lang)).ParseFS(files, file)
	if err != nil {
		return nil, err
	}
	for _, t := range page.Templates() {
		as := t.Name()
		switch {
		case t.Tree == nil || as == path.Base(file): // what stands around the definitions
			continue
		case as == "main":
			as = mainOf(name)
		case all.Lookup(as) != nil:
			return nil, fmt.Errorf("%s is defined elsewhere too", as)
		}
		if _, err := all.AddParseTree(as, t.Tree); err != nil {
			return nil, err
		}
	}
	if main := all.Lookup(mainOf(name)); main != nil {
		return main, nil
	}
	return nil, errors.New("it defines no main")
}

// splitLayout makes templates of what stands before and after the block "main" of the layout.
func splitLayout(all *template.Template) error {
	layout := all.Lookup("layout.html").Tree
	for i, node := range layout.Root.Nodes {
		if part, ok := node.(*parse.TemplateNode); !ok || part.Name != "main" {
			continue
		}
		first, second := layout.Copy(), layout.Copy()
		first.Root.Nodes, second.Root.Nodes = first.Root.Nodes[:i], second.Root.Nodes[i+1:]
		if _, err := all.AddParseTree(above, first); err != nil {
			return err
		}
		_, err := all.AddParseTree(below, second)
		return err
	}
	return errors.New("the layout has no block main")
}

func (s *Set) funcs(lang string) template.FuncMap {
	return template.FuncMap{
		"t":     func(id string, args ...any) (string, error) { return s.words.text(lang, id, args...) },
		"dict":  dict,
		"asset": s.assets.url,
		"date":  func(v any) (string, error) { return s.words.date(lang, v, false) },
		"time":  func(v any) (string, error) { return s.words.date(lang, v, true) },
		"list":  func(items ...any) []any { return items },
	}
}

// dict makes a map of its arguments, taken in pairs.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict has a key without a value")
	}
	out := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: key %v is no string", pairs[i])
		}
		out[key] = pairs[i+1]
	}
	return out, nil
}

// View is what a page's template sees as dot: what a page has, field by field. Were Page embedded, each use of a field would search
// the embedded struct by name, and a page uses dozens.
type View struct {
	Name, User, Back, Notice, Live, Section string
	Service                                 *Service
	Timeout                                 *Timeout
	Errors                                  []FieldError
	Refresh                                 int
	Data                                    any

	Lang, Theme string
	Here        string // path and query of this page, to come back to after the language changed
	title       string // message id
	titleArgs   map[string]any
	form        url.Values // what was sent, where a page answers a form
	set         *Set
}

func (s *Set) viewOf(r *http.Request, lang string, p Page) View {
	view := View{Name: p.Name, User: p.User, Back: p.Back, Notice: p.Notice, Live: p.Live, Section: p.Section, Service: p.Service, Timeout: p.Timeout, Errors: p.Errors,
		Refresh: p.Refresh, Data: p.Data, Lang: lang, Theme: theme(r), Here: r.URL.RequestURI(), title: p.Title, titleArgs: p.TitleArgs, set: s}
	if view.title == "" {
		view.title = p.Name + ".title"
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		view.form = r.PostForm
		view.Here = r.URL.Path // a form that came back with errors: its fields are not in the address
		if attempt := r.PostFormValue("attempt"); attempt != "" {
			view.Here += "?attempt=" + url.QueryEscape(attempt)
		}
	}
	return view
}

// Err returns the message at a field in the page's language, or nothing.
func (v View) Err(field string) string {
	for _, e := range v.Errors {
		if e.Field == field {
			return v.set.Text(v.Lang, e.Message, e.Args)
		}
	}
	return ""
}

// Ticked reports whether a box was ticked in the form that the page answers: what one chose is not chosen twice.
func (v View) Ticked(name string) bool { return v.form.Get(name) != "" }

// ErrText returns the words of one error of the summary.
func (v View) ErrText(e FieldError) string { return v.set.Text(v.Lang, e.Message, e.Args) }

// Heading is the page's title alone, the same as its h1 asks.
func (v View) Heading() string {
	return v.set.Text(v.Lang, v.title, v.titleArgs)
}

// Render writes a page in the request's language, with the security headers of pages. Nothing is written when
// the template fails.
func (s *Set) Render(w http.ResponseWriter, r *http.Request, p Page) error {
	lang := s.Lang(r)
	page, ok := s.pages[lang][p.Name]
	if !ok {
		return fmt.Errorf("there is no page %q", p.Name)
	}
	view := s.viewOf(r, lang, p)
	buf, _ := s.pool.Get().(*bytes.Buffer)
	defer s.pool.Put(buf)
	buf.Reset()
	for _, part := range []*template.Template{s.shared[lang].Lookup(above), page, s.shared[lang].Lookup(below)} {
		if err := part.Execute(buf, view); err != nil {
			return fmt.Errorf("rendering page %s: %w", p.Name, err)
		}
	}
	headers(w.Header(), lang, p)
	if p.Status != 0 {
		w.WriteHeader(p.Status)
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// headers sets what keeps a page to itself: nothing from elsewhere runs in it, frames it or learns its address.
func headers(h http.Header, lang string, p Page) {
	frames := ""
	if origins := sources(p.FrameSrc); origins != "" {
		frames = "frame-src" + origins + "; "
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "+
		"connect-src 'self'; "+frames+"form-action 'self'"+sources(p.FormAction)+"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	h.Add("Vary", "Accept-Language, Cookie")
}

// sources lists origins, without what could end the directive.
func sources(origins []string) string {
	var out strings.Builder
	for _, o := range origins {
		if o != "" && !strings.ContainsAny(o, " ;,'\"\r\n") {
			out.WriteString(" " + o)
		}
	}
	return out.String()
}

// theme is what the person chose: light, dark, or nothing for what the system says.
func theme(r *http.Request) string {
	if c, err := r.Cookie(ThemeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}

// Cookies that remember a choice; they hold nothing personal.
const (
	LangCookie  = "vhod-lang"
	ThemeCookie = "vhod-theme"
)

type langKey struct{}

// WithLang fixes the language for the rest of a request (ui_locales). A language that there is not
// changes nothing.
func WithLang(ctx context.Context, lang string) context.Context {
	return context.WithValue(ctx, langKey{}, lang)
}

// Script serves an asset at an address that stays: browsers ask every time whether it has changed.
func (s *Set) Script(w http.ResponseWriter, r *http.Request, name string) error {
	address, err := s.assets.url(name)
	if err != nil {
		return err
	}
	s.assets.write(w, r, address, "no-cache")
	return nil
}

// Assets serves /assets/…: hashed names that never change, precompressed.
func (s *Set) Assets() http.Handler { return s.assets }
