package conformance_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Who integrates follows the link of an error page to what its code means, at the provider itself.
func TestAnErrorPageLeadsToThePageOfItsCode(t *testing.T) {
	p := start(t, 1, nil)
	r := &run{TB: t, op: p, browser: p.browser(t)}
	r.errorPage(r.visit(p.ids.web.request("redirect_uri", callback+"/")))
	link := find(r.browser.page, func(n *html.Node) bool { return n.Data == "a" && strings.HasPrefix(attr(n, "href"), "/docs/errors/") })
	r.browser.open(p.issuer + attr(link, "href"))
	if r.browser.status != http.StatusOK || !strings.HasPrefix(r.browser.body, "# redirect_uri.slash") || !strings.HasPrefix(r.browser.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%d %v %s", r.browser.status, r.browser.header, r.browser.body)
	}
	for _, other := range []string{"no.such", "README", "..%2Fdocs.go", "redirect_uri.slash.md"} {
		if r.browser.open(p.issuer + "/docs/errors/" + other); r.browser.status != http.StatusNotFound {
			t.Errorf("%s: %d", other, r.browser.status)
		}
	}
}
