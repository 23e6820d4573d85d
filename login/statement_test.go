package login_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestThePageOfCookiesListsEveryCookieThatTheDoorSets(t *testing.T) {
	source, err := os.ReadFile("cookies.go")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^\tcookie\w+\s+= "([^"]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(names) < 8 {
		t.Fatalf("cookies.go names %d cookies", len(names))
	}
	h := newHouse(t)
	b := h.browser().open("/cookies").on("cookies")
	for _, name := range names {
		if b.find(func(n *htmlNode) bool { return attr(n, "data-cookie") == name[1] }) == nil {
			t.Errorf("the page says nothing of %s", name[1])
		}
	}
	if n := strings.Count(b.text, "data-cookie="); n != len(names) {
		t.Errorf("the page lists %d cookies, and there are %d", n, len(names))
	}
}

func TestEveryPageLeadsToTheStatements(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for _, from := range []string{"/login", "/help", "/nowhere"} {
		for _, to := range []string{"/accessibility", "/cookies"} {
			b.open(from)
			if b.find(func(n *htmlNode) bool { return n.Data == "a" && attr(n, "href") == to }) == nil {
				t.Errorf("%s does not lead to %s", from, to)
			}
			for _, lang := range []string{"ru", "en"} {
				b.open(to).post("/lang", map[string][]string{"lang": {lang}, "return": {to}}).on(strings.TrimPrefix(to, "/"))
			}
		}
	}
}
