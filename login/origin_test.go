package login_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/login"
)

// TestForwardedAddressIsBelievedFromOurProxiesOnly holds G07: who writes a header of their own does not
// move their tries to another address.
func TestForwardedAddressIsBelievedFromOurProxiesOnly(t *testing.T) {
	h := newHouse(t)
	for _, row := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:5000", "", "192.0.2.1"},
		{"192.0.2.1:5000", "198.51.100.7", "192.0.2.1"},
		{"10.0.0.2:5000", "198.51.100.7", "198.51.100.7"},
		{"10.0.0.2:5000", "203.0.113.9, 198.51.100.7", "198.51.100.7"},
		{"10.0.0.2:5000", "203.0.113.9, 198.51.100.7, 10.1.1.1", "198.51.100.7"},
		{"10.0.0.2:5000", "nonsense, 198.51.100.7", "198.51.100.7"},
		{"10.0.0.2:5000", "198.51.100.7, nonsense", "10.0.0.2"},
		{"10.0.0.2:5000", "", "10.0.0.2"},
		{"[fd00::2]:5000", "2001:db8::1", "2001:db8::1"},
		{"[::ffff:10.0.0.2]:5000", "198.51.100.7", "198.51.100.7"},
	} {
		r := httptest.NewRequest("GET", "/login", nil)
		r.RemoteAddr = row.peer
		if row.forwarded != "" {
			r.Header.Set("X-Forwarded-For", row.forwarded)
		}
		if got := h.door.Origin(r).Address.String(); got != row.want {
			t.Errorf("%s forwarding %q is %s, want %s", row.peer, row.forwarded, got, row.want)
		}
	}
}

func FuzzReturnPathsStayOnOurOrigin(f *testing.F) {
	for _, seed := range []string{"/me", "//evil", `/\evil`, "https:evil", "/%0d%0a", "/me?x=//y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := login.LocalPath(path, "/safe")
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t") {
			t.Errorf("%q leads to %q", path, got)
		}
	})
}
