package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// failer is a test, or one of many who work for it at once.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// browser is a browser without scripts: it follows links and submits forms.
type browser struct {
	t      failer
	client *http.Client
	url    *url.URL
	page   string // data-page of the present page
	text   string // its words
	doc    *html.Node
	trail  []string // the pages seen, oldest first

	arrived func(page string) // hears of every page; may be nil
}

func newBrowser(t failer) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

func (b *browser) open(address string) {
	b.t.Helper()
	b.read(b.client.Get(b.resolve(address)))
}

func (b *browser) resolve(address string) string {
	if b.url == nil {
		return address
	}
	u, err := b.url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	return u.String()
}

func (b *browser) read(resp *http.Response, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	b.url = resp.Request.URL
	if b.doc, err = html.Parse(io.LimitReader(resp.Body, 4<<20)); err != nil {
		b.t.Fatal(err)
	}
	b.page, b.text = "", ""
	if main := find(b.doc, func(n *html.Node) bool { return n.Data == "main" }); main != nil {
		b.page, b.text = attr(main, "data-page"), words(main)
	}
	b.trail = append(b.trail, b.page)
	if b.arrived != nil {
		b.arrived(b.page)
	}
}

// want fails unless the browser is at this page.
func (b *browser) want(page string) {
	b.t.Helper()
	if b.page != page {
		b.t.Fatalf("at %q (%s), want %q; came by %v\n%s", b.page, b.url, page, b.trail, b.text)
	}
}

// follow takes the link with this data-action.
func (b *browser) follow(action string) {
	b.t.Helper()
	link := find(b.doc, func(n *html.Node) bool { return n.Data == "a" && attr(n, "data-action") == action })
	if link == nil {
		b.t.Fatalf("no link %q at %q\n%s", action, b.page, b.text)
	}
	b.open(attr(link, "href"))
}

// submit fills in and sends the form whose button has this data-action.
func (b *browser) submit(action string, fields map[string]string) {
	b.t.Helper()
	button := find(b.doc, func(n *html.Node) bool { return n.Data == "button" && attr(n, "data-action") == action })
	if button == nil {
		b.t.Fatalf("no button %q at %q (%s)\n%s", action, b.page, b.url, b.text)
	}
	form := button
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		b.t.Fatalf("button %q of %q is in no form", action, b.page)
	}
	values := fill(form, fields)
	if name := attr(button, "name"); name != "" {
		values.Set(name, attr(button, "value"))
	}
	target := b.url.String()
	if to := attr(form, "action"); to != "" {
		target = b.resolve(to)
	}
	b.read(b.client.PostForm(target, values))
}

// fill returns what a form sends: what stands in it, and the given fields that it has.
func fill(form *html.Node, fields map[string]string) url.Values {
	values := url.Values{}
	each(form, func(n *html.Node) {
		name, value := attr(n, "name"), attr(n, "value")
		if name == "" || n.Data != "input" && n.Data != "select" && n.Data != "textarea" {
			return
		}
		given, ok := fields[name]
		switch kind := attr(n, "type"); {
		case kind == "radio":
			if ok && given == value || !ok && has(n, "checked") {
				values.Set(name, value)
			}
		case kind == "checkbox":
			if ok || has(n, "checked") {
				values.Set(name, value)
			}
		case ok:
			values.Set(name, given)
		default:
			values.Set(name, value)
		}
	})
	return values
}

func each(n *html.Node, f func(*html.Node)) {
	if n.Type == html.ElementNode {
		f(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, f)
	}
}

func find(n *html.Node, match func(*html.Node) bool) (found *html.Node) {
	each(n, func(e *html.Node) {
		if found == nil && match(e) {
			found = e
		}
	})
	return found
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
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

func words(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

// getJSON reads an answer of the outside world.
func getJSON(t failer, address string, into any) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", address, err))
	}
}
