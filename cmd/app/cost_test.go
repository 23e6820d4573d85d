package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// trips collects the round trips to the stores.
type trips struct {
	mu  sync.Mutex
	all []string
}

func (s *trips) note(_ context.Context, statement string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, strings.Join(strings.Fields(statement), " "))
}

func (s *trips) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// node is the whole product with a person who is signed in and a client that they agreed to.
type node struct {
	testing.TB
	phone  string
	app    *app.App
	cookie string
	trips  *trips
}

const clients = `clients:
  - {id: web, secret: secret, redirect_uris: ['https://rp.example/cb'], grant_types: [authorization_code, refresh_token], scopes: [openid, email, offline_access], id_token_alg: ES256}
  - {id: machine, secret: secret, grant_types: [client_credentials], scopes: [api]}
`

func newNode(t testing.TB, change func(*app.Config)) *node {
	t.Helper()
	n := &node{TB: t, trips: &trips{}}
	cfg := app.Config{Data: t.TempDir(), Issuer: "http://localhost:8080", LogWriter: &logged{}, OnStatement: n.trips.note,
		Log: app.Log{Level: "error"}, Passwords: app.Passwords{MemoryKiB: 64, Iterations: 1}}
	if change != nil {
		change(&cfg)
	}
	ctx := context.Background()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(cfg.Complete())
	var err error
	n.app, err = app.New(ctx, cfg)
	check(err)
	t.Cleanup(func() { _ = n.app.Close() })
	settings, err := app.ReadSettings([]byte(clients))
	check(err)
	_, err = n.app.ApplySettings(ctx, settings)
	check(err)
	now := time.Now()
	scopes := []string{"openid", "email", "offline_access"}
	n.phone = fmt.Sprintf("+7912%07d", now.UnixNano()%1e7)
	person, err := n.app.Accounts().Import(ctx, account.Import{Reason: "test", Password: password, Account: account.Account{Level: account.Verified, Lang: "ru",
		Phone: account.Contact{Value: n.phone, ConfirmedAt: now},
		Email: account.Contact{Value: fmt.Sprintf("p%d@mail.example", now.UnixNano()), ConfirmedAt: now},
		Grants: []account.Grant{
			{ClientID: "web", Scopes: scopes, Since: now.Add(-time.Hour), GrantedAt: now},
			{ClientID: "bank", Scopes: scopes, Since: now.Add(-time.Hour), GrantedAt: now},
		}}})
	check(err)
	n.cookie, _, err = n.app.Accounts().OpenSession(ctx, person.ID, account.Opening{Proofs: []account.Proof{{Method: account.MethodPassword, At: now}}})
	check(err)
	n.code() // the client is known from here on
	n.trips.take()
	return n
}

const password = "Тихая-Гавань7 у моря"

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// serve gives a request to the product.
func (n *node) serve(r *http.Request) *httptest.ResponseRecorder {
	r.Host = "localhost:8080"
	w := httptest.NewRecorder()
	n.app.Handler().ServeHTTP(w, r)
	return w
}

// code asks for a code with the session's cookie: nobody has to act.
func (n *node) code() string {
	n.Helper()
	r := n.authorize()
	r.AddCookie(&http.Cookie{Name: "vhod-session", Value: n.cookie})
	return n.codeOf(n.serve(r))
}

func (n *node) codeOf(w *httptest.ResponseRecorder) string {
	n.Helper()
	back, err := url.Parse(w.Header().Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		n.Fatalf("no code: %d %s", w.Code, w.Header().Get("Location"))
	}
	return back.Query().Get("code")
}

func (n *node) authorize() *http.Request {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {"web"}, "redirect_uri": {"https://rp.example/cb"}, "response_type": {"code"}, "scope": {"openid email offline_access"},
		"state": {"s"}, "nonce": {"n"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	return httptest.NewRequest(http.MethodGet, "/authorize?"+q.Encode(), nil)
}

// visitor is a browser that signs in.
type visitor struct {
	*node
	cookies map[string]string
	at      string // where the last answer sent it
}

func (v *visitor) send(r *http.Request) *httptest.ResponseRecorder {
	v.Helper()
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := v.serve(r)
	for _, c := range w.Result().Cookies() {
		v.cookies[c.Name] = c.Value
	}
	if v.at = w.Header().Get("Location"); w.Code != http.StatusOK && w.Code != http.StatusSeeOther {
		v.Fatalf("%s: %d %s", r.URL.Path, w.Code, w.Body)
	}
	return w
}

func (v *visitor) follow() { v.send(httptest.NewRequest(http.MethodGet, v.at, nil)) }

func (v *visitor) fill(page, field, value string) *httptest.ResponseRecorder {
	v.Helper()
	r := httptest.NewRequest(http.MethodPost, page, strings.NewReader(url.Values{field: {value}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.send(r)
}

func (n *node) posting(path, client string, form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, "secret")
	return r
}

// post sends a form as a client and returns the answer.
func (n *node) post(path, client string, form url.Values) map[string]string {
	n.Helper()
	w := n.serve(n.posting(path, client, form))
	if w.Code != http.StatusOK {
		n.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	var raw map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &raw)
	out := map[string]string{}
	for k, v := range raw {
		out[k] = fmt.Sprint(v)
	}
	return out
}

func (n *node) exchange(code string) map[string]string {
	n.Helper()
	return n.post("/token", "web", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://rp.example/cb"}, "code_verifier": {verifier}})
}

func (n *node) refresh(token string) map[string]string {
	n.Helper()
	return n.post("/token", "web", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (n *node) userinfo(token string) {
	n.Helper()
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if w := n.serve(r); w.Code != http.StatusOK {
		n.Fatalf("userinfo: %d %s", w.Code, w.Body)
	}
}

func (n *node) get(path string) {
	n.Helper()
	if w := n.serve(httptest.NewRequest(http.MethodGet, path, nil)); w.Code != http.StatusOK {
		n.Fatalf("%s: %d", path, w.Code)
	}
}

// stores are the two ways to run: the embedded default, and PostgreSQL with Redis.
func stores(t testing.TB) map[string]func(*app.Config) {
	t.Helper()
	return map[string]func(*app.Config){
		"embedded": nil,
		"postgres+redis": func(c *app.Config) {
			c.Records, c.Ephemera = storagetest.Postgres(t), storagetest.Redis(t)
		},
	}
}

func TestRequestsCostNoMoreRoundTripsThanPromised(t *testing.T) {
	for name, on := range stores(t) {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, on)
			b := newBank(t, n)
			var code, pushed, bound, again string
			var tokens map[string]string
			change := 2 // the account is found, and swapped for its successor together with the session
			if name == "embedded" {
				change = 7
			}
			v, page := &visitor{node: n, cookies: map[string]string{}}, ""
			for _, row := range []struct {
				what              string
				records, ephemera int
				do                func()
			}{
				{"discovery", 0, 0, func() { n.get("/.well-known/openid-configuration") }},
				{"keys", 0, 0, func() { n.get("/jwks") }},
				{"client credentials", 0, 0, func() {
					n.post("/token", "machine", url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}})
				}},
				{"authorize, a stranger", 0, 2, func() { v.send(n.authorize()) }},
				{"the page identify", 0, 1, func() { page = v.at; v.follow() }},
				{"identify", 0, 2, func() { v.fill(page, "identifier", n.phone) }},
				{"the page password", 0, 1, func() { page = v.at; v.follow() }},
				{"password, first time", change, 8, func() { code = n.codeOf(v.fill(page, "password", password)) }},
				{"its code exchange", 1, 1, func() { n.exchange(code) }},
				{"authorize, signed in", 1, 1, func() { code = n.code() }},
				{"code exchange", 1, 1, func() { tokens = n.exchange(code) }},
				{"userinfo", 1, 0, func() { n.userinfo(tokens["access_token"]) }},
				{"introspection", 1, 0, func() { n.post("/introspect", "web", url.Values{"token": {tokens["access_token"]}}) }},
				{"refresh", 1, 0, func() { tokens = n.refresh(tokens["refresh_token"]) }},
				{"push under FAPI 2.0", 0, 3, func() { pushed = b.push() }},
				{"authorize what was pushed", 1, 4, func() { code = n.codeOf(n.serve(b.authorizing(pushed))) }},
				{"code exchange with a proof", 1, 3, func() {
					_, answer := b.answered(b.redeeming(code))
					bound, again = answer.AccessToken, answer.RefreshToken
				}},
				{"userinfo with a proof", 1, 1, func() { n.serve(b.asking(bound)) }},
				{"refresh with a proof", 1, 2, func() { b.answered(b.refreshing(again)) }},
				{"revocation", 1, 0, func() { n.post("/revoke", "web", url.Values{"token": {tokens["refresh_token"]}}) }},
			} {
				n.trips.take()
				row.do()
				var records, ephemera []string
				for _, s := range n.trips.take() {
					if slices.Contains([]string{"put", "get", "take", "once", "count"}, s) {
						ephemera = append(ephemera, s)
					} else {
						records = append(records, s)
					}
				}
				t.Logf("%-22s %d to the records, %d to the ephemera", row.what, len(records), len(ephemera))
				if len(records) > row.records || len(ephemera) > row.ephemera {
					t.Errorf("%s costs more than %d and %d:\n%s\n%s", row.what, row.records, row.ephemera, strings.Join(records, "\n"), strings.Join(ephemera, "\n"))
				}
			}
		})
	}
}

// bench runs a measurement on both kinds of stores; on servers only when they run (make bench).
func bench(b *testing.B, run func(b *testing.B, n *node)) {
	b.Run("embedded", func(b *testing.B) { run(b, newNode(b, nil)) })
	if os.Getenv("VHOD_TEST_POSTGRES") != "" && os.Getenv("VHOD_TEST_REDIS") != "" {
		b.Run("postgres+redis", func(b *testing.B) { run(b, newNode(b, stores(b)["postgres+redis"])) })
	}
}

func BenchmarkDiscovery(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		b.ReportAllocs()
		for b.Loop() {
			n.get("/.well-known/openid-configuration")
		}
	})
}

func BenchmarkClientCredentials(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}}
		b.ReportAllocs()
		for b.Loop() {
			n.post("/token", "machine", form)
		}
	})
}

// BenchmarkCodeExchange is single sign-on: authorize with a session's cookie, code, tokens.
func BenchmarkCodeExchange(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		b.ReportAllocs()
		for b.Loop() {
			n.exchange(n.code())
		}
	})
}

func BenchmarkRefresh(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		token := n.exchange(n.code())["refresh_token"]
		b.ReportAllocs()
		for b.Loop() {
			token = n.refresh(token)["refresh_token"]
		}
	})
}

func BenchmarkUserInfo(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		token := n.exchange(n.code())["access_token"]
		b.ReportAllocs()
		for b.Loop() {
			n.userinfo(token)
		}
	})
}

func BenchmarkIntrospection(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		form := url.Values{"token": {n.exchange(n.code())["access_token"]}}
		b.ReportAllocs()
		for b.Loop() {
			n.post("/introspect", "web", form)
		}
	})
}

func BenchmarkRevocation(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			form := url.Values{"token": {n.exchange(n.code())["access_token"]}}
			b.StartTimer()
			if w := n.serve(n.posting("/revoke", "web", form)); w.Code != http.StatusOK {
				b.Fatalf("revocation: %d %s", w.Code, w.Body)
			}
		}
	})
}

// BenchmarkSignIn is a person who comes back by password in their own browser, and the exchange of their code.
func BenchmarkSignIn(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		v := &visitor{node: n, cookies: map[string]string{}}
		b.ReportAllocs()
		for b.Loop() {
			delete(v.cookies, "vhod-session")
			v.send(n.authorize())
			page := v.at
			v.follow()
			v.fill(page, "identifier", n.phone)
			page = v.at
			v.follow()
			n.exchange(n.codeOf(v.fill(page, "password", password)))
		}
	})
}
