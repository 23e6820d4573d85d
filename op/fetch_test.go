package op_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/op"
)

// trapHost counts who comes to a private address.
func trapHost(t *testing.T) (port string, visits *atomic.Int64) {
	t.Helper()
	visits = &atomic.Int64{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			visits.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	_, port, err = net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port, visits
}

func TestP29P30NothingIsFetchedFromAnAddressThatIsNotPublic(t *testing.T) {
	port, visits := trapHost(t)
	f := op.NewFetcher(op.Outbound{})
	for _, address := range []string{
		"http://127.0.0.1", "https://127.0.0.1", "https://localhost", "https://localhost.", "https://[::1]", "https://[::ffff:127.0.0.1]", "https://[::127.0.0.1]",
		"https://2130706433", "https://0x7f000001", "https://0177.0.0.1", "https://127.1", "https://0", "https://[::]", "https://10.0.0.1", "https://192.168.0.1", "https://172.16.0.1",
		"https://169.254.169.254", "https://100.64.0.1", "https://[fe80::1]", "https://[fc00::1]", "https://[64:ff9b::7f00:1]", "https://[2002:7f00:1::]", "https://224.0.0.1", "https://255.255.255.255",
		"https://user@127.0.0.1", "file:///etc/passwd?", "gopher://127.0.0.1", "ftp://127.0.0.1", "//127.0.0.1", "https:127.0.0.1", "",
	} {
		raw := address
		if strings.HasPrefix(address, "http") && !strings.HasPrefix(address, "https:1") {
			raw += ":" + port + "/jwks"
		}
		if body, err := f.Get(t.Context(), raw); err == nil {
			t.Errorf("%s was fetched: %s", raw, body)
		}
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("%d connections came to a private address", n)
	}
}

func TestP29OnlyHostsOfTheInternetArePublic(t *testing.T) {
	for address, public := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "1.1.1.1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.31.255.255": false, "192.168.1.1": false, "169.254.1.1": false, "100.127.0.1": false, "0.1.2.3": false, "192.0.0.8": false,
		"198.19.0.1": false, "203.0.113.9": false, "240.0.0.1": false, "255.255.255.255": false, "224.0.0.251": false, "::": false, "::1": false, "::7f00:1": false, "fe80::1": false,
		"fd00::1": false, "fec0::1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "2001::1": false, "2001:db8::1": false, "ff02::1": false, "100::1": false,
	} {
		if got := op.PublicAddress(netip.MustParseAddr(address)); got != public {
			t.Errorf("%s is public: %v", address, got)
		}
	}
}

func TestP29AnAllowedNeighbourIsFetchedWithinLimits(t *testing.T) {
	port, visits := trapHost(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" {
			t.Error("a fetch brings credentials")
		}
		_, _ = w.Write([]byte("a document"))
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.2:"+port+"/", http.StatusFound)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 10<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := fmt.Fprint(w, " "); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	f := op.NewFetcher(op.Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if body, err := f.Get(t.Context(), server.URL+"/ok"); err != nil || string(body) != "a document" {
		t.Errorf("%q %v", body, err)
	}
	for _, path := range []string{"/redirect", "/large", "/slow", "/absent"} {
		_, err := f.Get(t.Context(), server.URL+path)
		if err == nil || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := f.Get(t.Context(), "http://127.0.0.2:"+port+"/"); err == nil || visits.Load() != 0 {
		t.Errorf("a neighbour of the allowed one was visited %d times: %v", visits.Load(), err)
	}
}

func TestAPosterGoesNowhereInside(t *testing.T) {
	port, visits := trapHost(t)
	post := op.NewPoster(op.Outbound{})
	for _, address := range []string{"http://127.0.0.1:", "https://127.0.0.1:", "https://localhost:", "https://[::ffff:127.0.0.1]:", "https://user@127.0.0.1:"} {
		status, err := post(t.Context(), address+port+"/push/secret", []byte("a message"), http.Header{"Ttl": {"60"}})
		if err == nil || status != 0 || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %d, %v", address, status, err)
		}
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("%d came", n)
	}
}
