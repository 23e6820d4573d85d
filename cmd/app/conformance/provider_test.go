// Package conformance_test asks of the whole product, by HTTPS and as a stranger, what the OpenID Foundation's suite
// asks of a provider: one subtest per module, named as the suite names it.
package conformance_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// The person of these tests, and another one.
const (
	phone      = "+79123456789"
	otherPhone = "+79123456780"
	password   = "Тихая-Гавань7 у моря"
)

// callback is where every client of these tests is answered; nothing listens there.
const callback = "https://rp.example/cb"

// provider is the product behind a TLS listener on loopback, with a clock that tests move. Of several nodes each takes a request in
// its turn.
type provider struct {
	nodes  []*app.App
	turn   atomic.Uint64
	issuer string
	server *httptest.Server
	mutual *httptest.Server // asks clients for certificates
	clock  *storagetest.Clock
	ids    *identities
	meta   map[string]any
	rp     *site

	authorities []string // files of who vouches for clients' certificates
}

// start opens nodes of the product on these stores (nil: the embedded ones) and fills in the person and the clients.
func start(t *testing.T, nodes int, stores func(*app.Config)) *provider {
	t.Helper()
	vouches := newAuthority(t)
	p := &provider{clock: storagetest.NewClock(), rp: newSite(t), authorities: []string{vouches.file}}
	p.ids = newIdentities(t, vouches, p.rp)
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.nodes[p.turn.Add(1)%uint64(len(p.nodes))].Handler().ServeHTTP(w, r)
	}))
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	p.issuer = p.server.URL
	p.mutual = httptest.NewUnstartedServer(p.server.Config.Handler)
	p.mutual.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	p.mutual.StartTLS()
	t.Cleanup(p.mutual.Close)
	dir := t.TempDir()
	for range nodes {
		p.nodes = append(p.nodes, p.node(t, dir, stores))
	}
	now := p.clock.Now()
	snils, err := account.ParseSNILS("112-233-445 95")
	must(t, err)
	_, err = p.nodes[0].Accounts().Import(t.Context(), account.Import{Reason: "test", Password: password, Account: account.Account{
		Level: account.Standard, Lang: "en",
		Phone:   account.Contact{Value: phone, ConfirmedAt: now},
		Email:   account.Contact{Value: "anna@mail.example", ConfirmedAt: now},
		Address: account.Address{Region: "Тверская область", City: "Тверь", Street: "Советская улица", House: "7", Postcode: "170100"},
		Person: account.Person{FamilyName: "Петрова", GivenName: "Анна", MiddleName: "Сергеевна",
			Birthdate: account.Date{Year: 1990, Month: 3, Day: 5}, Gender: account.Female},
		SNILS: snils,
		Evidence: []account.Evidence{{ID: "1", Method: account.ProvenByRegistries, At: now, Verifier: "registries", Level: account.Standard,
			Matched: []string{"family_name", "given_name", "middle_name", "birthdate", "gender", "snils"}}},
	}})
	must(t, err)
	_, err = p.nodes[0].Accounts().Import(t.Context(), account.Import{Reason: "test", Password: password, Account: account.Account{
		Level: account.Simplified, Lang: "en", Phone: account.Contact{Value: otherPhone, ConfirmedAt: now}}})
	must(t, err)
	settings, err := app.ReadSettings([]byte(p.ids.settings))
	must(t, err)
	_, err = p.nodes[0].ApplySettings(t.Context(), settings)
	must(t, err)
	p.meta = p.document(t, "/.well-known/openid-configuration")
	return p
}

// node opens one node of the product and lets it do its work beside the requests.
func (p *provider) node(t *testing.T, dir string, stores func(*app.Config)) *app.App {
	t.Helper()
	cfg := app.Config{Data: dir, Issuer: p.issuer, LogWriter: io.Discard, Now: p.clock.Now, NewBrowsers: "tell", Passwords: app.Passwords{MemoryKiB: 64, Iterations: 1},
		Keys: app.Rotation{Refresh: 50 * time.Millisecond}, Trust: []string{p.rp.authority},
		MTLS:           app.MTLS{Origin: p.mutual.URL, Header: "Client-Cert", Authorities: p.authorities},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, // nobody: what is shown is shown on the connection itself
		Outbound:       app.Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		Registration: []app.InitialToken{{Name: "suite", Token: keys.NewSecret(initialToken), Profile: "oidc-compat"},
			{Name: "suite-fapi2", Token: keys.NewSecret(fapiToken), Profile: "fapi2"}}}
	if stores != nil {
		stores(&cfg)
	}
	must(t, cfg.Complete())
	a, err := app.New(t.Context(), cfg)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	public, operations := loopback(t), loopback(t)
	go func() {
		defer close(ended)
		if err := a.Run(ctx, public, operations); err != nil {
			t.Errorf("the product ended: %v", err)
		}
	}()
	t.Cleanup(func() { stop(); <-ended; _ = a.Close() })
	return a
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	return l
}

// transport trusts the provider's certificate.
func (p *provider) transport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS12}}
}

// endpoint is an address out of the metadata.
func (p *provider) endpoint(name string) string { return text(p.meta[name]) }

// endpointOf is where a client calls it: those with a certificate go where one is asked for (RFC 8705 §5).
func (p *provider) endpointOf(c *client, name string) string {
	if aliases, _ := p.meta["mtls_endpoint_aliases"].(map[string]any); c.certificate != nil {
		return text(aliases[name])
	}
	return p.endpoint(name)
}

// as is an HTTP client that shows the client's certificate, if it has one.
func (p *provider) as(c *client) *http.Client {
	transport := p.transport()
	transport.DisableKeepAlives = true
	if c.certificate != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{*c.certificate}
	}
	return &http.Client{Transport: transport}
}

func (p *provider) document(t *testing.T, path string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.issuer+path, nil)
	must(t, err)
	response, err := p.server.Client().Do(r)
	must(t, err)
	defer response.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", path, response.StatusCode, err)
	}
	return out
}

// later moves the clock.
func (p *provider) later(d time.Duration) { p.clock.Advance(d) }

// onStores runs a test on the embedded default and, where servers are named, on two nodes over PostgreSQL with Redis.
func onStores(t *testing.T, test func(t *testing.T, p *provider)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, start(t, 1, nil)) })
	if os.Getenv("VHOD_TEST_POSTGRES") == "" || os.Getenv("VHOD_TEST_REDIS") == "" {
		t.Log("VHOD_TEST_POSTGRES and VHOD_TEST_REDIS are not set: embedded stores alone (make test names both)")
		return
	}
	t.Run("servers", func(t *testing.T) {
		records, ephemera := storagetest.Postgres(t), storagetest.Redis(t)
		test(t, start(t, 2, func(c *app.Config) { c.Records, c.Ephemera = records, ephemera }))
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func text(v any) string { s, _ := v.(string); return s }
