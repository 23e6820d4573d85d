package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

// logged collects a log that several goroutines write.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}
func (l *logged) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.String() }

func newApp(t *testing.T, change func(*app.Config)) (*app.App, *logged) {
	t.Helper()
	log := &logged{}
	cfg := app.Config{Data: t.TempDir(), Issuer: "https://id.example", LogWriter: log}
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Complete(); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a, log
}

func get(a *app.App, target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "id.example"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	return w
}

func TestUnknownFieldOfTheConfigurationIsAnError(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"unknown field":    {"issuer: https://id.example\nisuer: x\n", "isuer"},
		"unknown inner":    {"log:\n  levl: info\n", "levl"},
		"issuer with path": {"issuer: https://id.example/a\n", "issuer"},
		"plain http":       {"issuer: http://id.example\n", "plain http"},
		"unknown registry": {"registries:\n  cars: {url: https://x.example}\n", "cars"},
		"half of tls":      {"tls: {certificate: a}\n", "tls"},
		"mtls nowhere":     {"mtls: {listen: '127.0.0.1:1'}\n", "mtls.origin"},
		"mtls at issuer":   {"issuer: https://id.example\nmtls: {origin: https://id.example, header: Client-Cert}\ntrusted_proxies: [10.0.0.0/8]\n", "browsers"},
		"mtls twice":       {"mtls: {origin: https://m.example, listen: '127.0.0.1:1', header: Client-Cert}\n", "one of listen and header"},
		"mtls of anybody":  {"mtls: {origin: https://m.example, header: Client-Cert}\n", "trusted_proxies"},
		"level of the log": {"log: {level: loud}\n", "log.level"},
		"bank without id":  {"banks:\n  - {issuer: https://b.example}\n", "banks[0]"},
		"two secrets":      {"sms:\n  - {url: https://s.example, key: a, key_file: b}\n", "keep one"},
		"idle over whole":  {"sessions: {2fa: {idle: 2h, whole: 1h}}\n", "sessions.2fa"},
		"endless session":  {"sessions: {1fa: {whole: 9000h}}\n", "sessions.1fa.whole"},
		"wait for nobody":  {"recovery: {waits: {verified: 1h}}\n", "recovery.waits.verified"},
		"ratio of traces":  {"traces: {ratio: 2}\n", "traces.ratio"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "vhod.yaml")
			if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := app.LoadConfig(file, func(string) string { return "" })
			if err == nil {
				err = cfg.Complete()
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want something about %s", err, row.want)
			}
		})
	}
}

func TestEnvironmentStandsOverTheFileAndSecretsStayHidden(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	file := filepath.Join(dir, "vhod.yaml")
	text := "issuer: https://file.example\nrecords: postgres://vhod:canary-1@db/vhod\nsms:\n  - {url: https://s.example, key: canary-2}\nmail:\n  - {server: mail:587, from: a@b.example, password_file: " + secret + "}\n"
	for path, content := range map[string]string{secret: "canary-3\n", file: text} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := app.LoadConfig(file, func(name string) string { return map[string]string{"VHOD_ISSUER": "https://env.example"}[name] })
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Complete(); err != nil {
		t.Fatal(err)
	}
	if cfg.Issuer != "https://env.example" || cfg.Mail[0].Password.Reveal() != "canary-3" {
		t.Errorf("issuer %s, password from its file: %v", cfg.Issuer, cfg.Mail[0].Password.Reveal() == "canary-3")
	}
	out, err := cfg.Redacted()
	if err != nil || strings.Contains(string(out), "canary") || !strings.Contains(string(out), "vhod:•••@db") {
		t.Errorf("redacted: %v\n%s", err, out)
	}
}

func TestEveryRequestHasAReferenceAndTheLogNoQuery(t *testing.T) {
	a, log := newApp(t, nil)
	w := get(a, "/authorize?client_id=nobody&login_hint=canary%40mail.example", func(r *http.Request) { r.Header.Set("X-Request-Id", "forged") })
	id := w.Header().Get("X-Request-Id")
	if w.Code != http.StatusBadRequest || id == "" || id == "forged" {
		t.Errorf("status %d, reference %q", w.Code, id)
	}
	if !strings.Contains(w.Body.String(), id) {
		t.Error("the error page does not show the reference")
	}
	if !strings.Contains(log.String(), id) || strings.Contains(log.String(), "canary") || strings.Contains(log.String(), "nobody") {
		t.Errorf("log: %s", log)
	}
}

func TestAnotherHostIsMisdirected(t *testing.T) {
	a, _ := newApp(t, nil)
	if w := get(a, "/.well-known/openid-configuration", func(r *http.Request) { r.Host = "evil.example" }); w.Code != http.StatusMisdirectedRequest {
		t.Errorf("another Host: %d", w.Code)
	}
	if w := get(a, "/ssf/stream", nil); w.Code != http.StatusUnauthorized {
		t.Errorf("the stream's endpoint answers %d to nobody", w.Code)
	}
	w := get(a, "/.well-known/openid-configuration", func(r *http.Request) {
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("Forwarded", "host=evil.example")
	})
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "evil") || !strings.Contains(w.Body.String(), `"issuer":"https://id.example"`) {
		t.Errorf("forwarded host: %d %s", w.Code, w.Body)
	}
}

func TestReadinessTellsTheTruth(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	a, _ := newApp(t, func(c *app.Config) { c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now } })
	if answer := a.Ready(t.Context()); !answer.Ready || len(answer.Warn) != 0 {
		t.Fatalf("a fresh node: %+v", answer)
	}
	mu.Lock()
	now = now.Add(80 * 24 * time.Hour)
	mu.Unlock()
	if answer := a.Ready(t.Context()); !answer.Ready || len(answer.Warn) == 0 {
		t.Errorf("keys that end within a month are not warned of: %+v", answer)
	}
	mu.Lock()
	now = now.Add(30 * 24 * time.Hour) // nothing ran that would have rotated
	mu.Unlock()
	if answer := a.Ready(t.Context()); answer.Ready {
		t.Errorf("keys have ended and the node says that it is ready: %+v", answer)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if answer := a.Ready(t.Context()); answer.Checks["records"] == "ok" {
		t.Errorf("closed stores are ready: %+v", answer)
	}
}

func TestApplyingSaysWhatChangesAndADryRunChangesNothing(t *testing.T) {
	a, _ := newApp(t, nil)
	settings := func(text string) app.Settings {
		t.Helper()
		s, err := app.ReadSettings([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := settings("clients:\n  - {id: web, secret: s3cret, redirect_uris: ['https://rp.example/cb'], scopes: [openid]}\n")
	apply := func(s app.Settings, dry bool) app.Change {
		t.Helper()
		changes, err := app.Apply(context.Background(), a.Records(), s, time.Now(), dry)
		if err != nil || len(changes) != 1 {
			t.Fatalf("%v %v", changes, err)
		}
		return changes[0]
	}
	if c := apply(first, true); c.Kind != "new" {
		t.Errorf("dry run: %+v", c)
	}
	if c := apply(first, false); c.Kind != "new" {
		t.Errorf("the dry run stored the client: %+v", c)
	}
	if c := apply(first, false); c.Kind != "same" {
		t.Errorf("again: %+v", c)
	}
	streaming, err := a.Records().Client(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	streaming.EventsPoll, streaming.Events = true, []string{op.SignalSession}
	if err := a.Records().PutClient(t.Context(), *streaming); err != nil {
		t.Fatal(err)
	}
	second := settings("clients:\n  - {id: web, secret: other, redirect_uris: ['https://rp.example/cb2'], scopes: [openid]}\n")
	if c := apply(second, false); c.Kind != "changed" || strings.Join(c.Fields, " ") != "Secrets RedirectURIs" {
		t.Errorf("changed: %+v", c)
	}
	stored, err := a.Records().Client(t.Context(), "web")
	if err != nil || stored.Secrets[0].Hash != keys.Hash("other") {
		t.Errorf("%v", err)
	}
	if !stored.EventsPoll || len(stored.Events) != 1 {
		t.Error("a stream that the service set up itself was lost")
	}
	if _, err := app.ReadSettings([]byte("clients:\n  - {id: web, redirect_uri: x}\n")); err == nil || !strings.Contains(err.Error(), "redirect_uri") {
		t.Errorf("an unknown field of a client is accepted: %v", err)
	}
	if _, err := app.Apply(t.Context(), a.Records(), settings("clients:\n  - {id: bad, redirect_uris: ['http://rp.example/cb']}\n"), time.Now(), false); err == nil {
		t.Error("a client with a plain http redirect URI is stored")
	}
}

func TestTracesSayTheRouteAndNeverTheQuery(t *testing.T) {
	var mu sync.Mutex
	var got bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got.Write(body)
	}))
	defer collector.Close()
	a, _ := newApp(t, func(c *app.Config) { c.Traces.Endpoint = collector.URL + "/v1/traces" })
	get(a, "/authorize?client_id=nobody&login_hint=canary", nil)
	if err := a.Close(); err != nil { // flushes
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(got.String(), "GET /authorize") || strings.Contains(got.String(), "canary") {
		t.Errorf("spans of %d bytes: route %v, query %v", got.Len(), strings.Contains(got.String(), "GET /authorize"), strings.Contains(got.String(), "canary"))
	}
}

func TestOperationsAreNotOnThePublicListener(t *testing.T) {
	a, _ := newApp(t, nil)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		if w := get(a, path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
	var ready app.Ready
	if err := json.Unmarshal(get(a, "/readyz", nil).Body.Bytes(), &ready); err != nil || !ready.Ready {
		t.Errorf("readyz: %+v %v", ready, err)
	}
}
