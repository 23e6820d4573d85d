package conformance_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// browser is a person without JavaScript: it keeps cookies, follows redirects inside the provider, and knows what to do on
// each page by its name.
type browser struct {
	t      testing.TB
	op     *provider
	http   *http.Client
	at     *url.URL
	status int
	header http.Header
	page   *html.Node
	body   string
	left   *url.URL          // where a redirect led away from the provider
	shown  []string          // the pages that the person saw
	texts  map[string]string // what stood on them last
	denies bool              // on the page of consent
	phone  string            // who sits before it
	steps  []int             // the status of each answer to a post that sends the browser on
	pages  []http.Header     // of every answer
}

func (p *provider) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	b := &browser{t: t, op: p, phone: phone, texts: map[string]string{}}
	b.http = &http.Client{Jar: jar, Transport: &noting{p.transport(), b}, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), p.issuer+"/") {
			return nil
		}
		b.left = r.URL
		return http.ErrUseLastResponse
	}}
	return b
}

// noting writes down what every answer was, of redirects too.
type noting struct {
	http.RoundTripper
	b *browser
}

func (n *noting) RoundTrip(r *http.Request) (*http.Response, error) {
	w, err := n.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost && w.Header.Get("Location") != "" {
		n.b.steps = append(n.b.steps, w.StatusCode)
	}
	if err == nil {
		n.b.pages = append(n.b.pages, w.Header)
	}
	return w, err
}

func (b *browser) open(address string) {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	must(b.t, err)
	b.do(r)
}

func (b *browser) post(address string, form url.Values) {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	must(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.op.issuer)
	b.do(r)
}

func (b *browser) do(r *http.Request) {
	b.t.Helper()
	b.left = nil
	response, err := b.http.Do(r)
	must(b.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(b.t, err)
	b.at, b.status, b.header, b.body = response.Request.URL, response.StatusCode, response.Header, string(body)
	b.page, err = html.Parse(strings.NewReader(b.body))
	must(b.t, err)
}

// walk answers pages until the browser leaves the provider, or a page is shown that asks nothing of the person.
func (b *browser) walk() {
	b.t.Helper()
	for range 10 {
		if b.left != nil {
			return
		}
		page := b.name()
		b.shown = append(b.shown, page)
		b.texts[page] = b.body
		switch page {
		case "identify":
			b.press("continue", "identifier", b.phone)
		case "password":
			b.press("continue", "password", password)
		case "consent":
			if b.denies {
				b.press("deny")
				break
			}
			b.press("allow")
		default:
			return
		}
	}
	b.t.Fatalf("the pages never end: %v", b.shown)
}

// name is the page that is open.
func (b *browser) name() string {
	return attr(find(b.page, func(n *html.Node) bool { return n.Data == "main" }), "data-page")
}

// press fills in a form (pairs of a name and a value) and presses its button.
func (b *browser) press(action string, pairs ...string) {
	b.t.Helper()
	button := find(b.page, func(n *html.Node) bool { return attr(n, "data-action") == action })
	if button == nil {
		b.t.Fatalf("the page %s has no %q: %d %s", b.name(), action, b.status, b.body)
	}
	address, form := b.form(button)
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	if name := attr(button, "name"); name != "" {
		form.Set(name, attr(button, "value"))
	}
	b.post(address, form)
}

// form is where the form of a button goes, and what it holds.
func (b *browser) form(button *html.Node) (string, url.Values) {
	b.t.Helper()
	form := button
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	values := url.Values{}
	each(form, func(n *html.Node) {
		if kind := attr(n, "type"); n.Data == "input" && attr(n, "name") != "" && kind != "checkbox" && kind != "radio" {
			values.Add(attr(n, "name"), attr(n, "value")) // as a browser sends it: a field that stands twice comes twice
		}
	})
	to, err := b.at.Parse(attr(form, "action"))
	must(b.t, err)
	return to.String(), values
}

func find(n *html.Node, is func(*html.Node) bool) *html.Node {
	var found *html.Node
	each(n, func(n *html.Node) {
		if found == nil && is(n) {
			found = n
		}
	})
	return found
}

func each(n *html.Node, visit func(*html.Node)) {
	if n == nil {
		return
	}
	if n.Type == html.ElementNode {
		visit(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, visit)
	}
}

func attr(n *html.Node, name string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
