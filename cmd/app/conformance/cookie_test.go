package conformance_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestS02CookiesAreForThisHostAloneAndSayNothing(t *testing.T) {
	r := attack(t)
	r.code(r.op.ids.web, "scope", "openid email", "prompt", "consent")
	seen := map[string]bool{}
	for _, header := range r.browser.pages {
		for _, c := range (&http.Response{Header: header}).Cookies() {
			seen[c.Name] = true
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Domain != "" || c.Path != "/" || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("the cookie is set by %s", strings.Replace(c.Raw, c.Value, "…", 1))
			}
			if len(c.Value) < 22 { // 128 bits in base64url
				t.Errorf("%s has %d characters", c.Name, len(c.Value))
			}
			for _, said := range []string{phone, strings.TrimPrefix(phone, "+"), "@"} {
				if strings.Contains(c.Value, said) {
					t.Errorf("%s says who its person is", c.Name)
				}
			}
		}
	}
	for _, name := range []string{"__Host-vhod-session", "__Host-vhod-flow", "__Host-vhod-browser"} {
		if !seen[name] {
			t.Errorf("%s is not set", name)
		}
	}
}
