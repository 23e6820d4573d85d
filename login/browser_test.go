package login_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// browser drives the pages as a person without JavaScript does: it follows redirects on our own
// origin, keeps cookies, fills a form by its field names, and presses a button by its data-action.
type browser struct {
	t      *testing.T
	http   *http.Client
	base   string
	at     *url.URL // address of the page that is open
	status int
	head   http.Header
	page   *html.Node
	text   string
	left   *url.URL // where a redirect led out of our origin
	agent  string   // User-Agent, where it matters
	also   []string // other origins that the browser follows to: banks
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, base: base}
	b.http = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		for _, origin := range append(b.also, base) {
			if strings.HasPrefix(r.URL.String(), origin) {
				return nil
			}
		}
		b.left = r.URL
		return http.ErrUseLastResponse
	}}
	return b
}

// open goes to an address.
func (b *browser) open(path string) *browser {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.absolute(path), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

func (b *browser) absolute(ref string) string {
	if b.at != nil {
		u, err := b.at.Parse(ref)
		if err != nil {
			b.t.Fatal(err)
		}
		return u.String()
	}
	if strings.HasPrefix(ref, "http") {
		return ref
	}
	return b.base + ref
}

// post sends a form as it is.
func (b *browser) post(path string, values url.Values, headers ...string) *browser {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, b.absolute(path), strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.do(r)
}

func (b *browser) do(r *http.Request) *browser {
	b.t.Helper()
	b.left = nil
	r.Header.Set("X-Request-Id", "test-request")
	if b.agent != "" {
		r.Header.Set("User-Agent", b.agent)
	}
	response, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.status, b.head, b.at = response.StatusCode, response.Header, response.Request.URL
	b.text = strings.ReplaceAll(string(body), "\u00a0", " ") // as people read it
	b.page, err = html.Parse(strings.NewReader(b.text))
	if err != nil {
		b.t.Fatal(err)
	}
	return b
}

// fill presses the button with that data-action after filling its form; pairs are name and value.
func (b *browser) fill(action string, pairs ...string) *browser {
	b.t.Helper()
	button := b.find(func(n *html.Node) bool { return attr(n, "data-action") == action })
	if button == nil {
		b.t.Fatalf("the page %s has no %q:\n%s", b.name(), action, b.text)
	}
	if button.Data == "a" {
		return b.open(attr(button, "href"))
	}
	form := button
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	values := make(url.Values)
	walk(form, func(n *html.Node) {
		if n.Data != "input" || attr(n, "name") == "" {
			return
		}
		if kind := attr(n, "type"); (kind == "checkbox" || kind == "radio") && !has(n, "checked") {
			return
		}
		values.Add(attr(n, "name"), attr(n, "value")) // as a browser sends it: a field that stands twice comes twice
	})
	for name, twice := range values {
		if len(twice) > 1 {
			b.t.Errorf("the page %s sends %s %d times", b.name(), name, len(twice))
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if field := b.find(func(n *html.Node) bool { return attr(n, "name") == pairs[i] }); field == nil {
			b.t.Fatalf("the page %s has no field %q:\n%s", b.name(), pairs[i], b.text)
		}
		values.Set(pairs[i], pairs[i+1])
	}
	if name := attr(button, "name"); name != "" {
		values.Set(name, attr(button, "value"))
	}
	action = attr(form, "action")
	if to := attr(button, "formaction"); to != "" {
		action = to
	}
	return b.post(action, values)
}

// value returns what stands in a field.
func (b *browser) value(name string) string {
	if n := b.find(func(n *html.Node) bool { return attr(n, "name") == name }); n != nil {
		return attr(n, "value")
	}
	return ""
}

// on fails unless the page with that name is open.
func (b *browser) on(name string) *browser {
	b.t.Helper()
	if b.left != nil {
		b.t.Fatalf("the browser left to %s instead of the page %q", b.left, name)
	}
	if b.name() != name {
		b.t.Fatalf("page %q (%d at %s), want %q:\n%s", b.name(), b.status, b.at, name, b.text)
	}
	return b
}

// name is the data-page of the open page.
func (b *browser) name() string {
	return attr(b.find(func(n *html.Node) bool { return n.Data == "main" }), "data-page")
}

// attempt is the id in the address, or in the form that came back with errors.
func (b *browser) attempt() string {
	if id := b.at.Query().Get("attempt"); id != "" {
		return id
	}
	return b.value("attempt")
}

func (b *browser) cookie(name string) string {
	u, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.http.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (b *browser) find(is func(*html.Node) bool) *html.Node {
	var found *html.Node
	walk(b.page, func(n *html.Node) {
		if found == nil && is(n) {
			found = n
		}
	})
	return found
}

func walk(n *html.Node, visit func(*html.Node)) {
	if n == nil {
		return
	}
	if n.Type == html.ElementNode {
		visit(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, visit)
	}
}

func attr(n *html.Node, name string) string {
	if n != nil && n.Type == html.ElementNode {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

type htmlNode = html.Node

func textOf(n *html.Node) string {
	var out strings.Builder
	var visit func(*html.Node)
	visit = func(n *html.Node) {
		if n == nil {
			return
		}
		if n.Type == html.TextNode {
			out.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			visit(c)
		}
	}
	visit(n)
	return out.String()
}

// markup is the page that is open, as it stands.
func (b *browser) markup() string {
	b.t.Helper()
	var out strings.Builder
	if err := html.Render(&out, b.page); err != nil {
		b.t.Fatal(err)
	}
	return out.String()
}
