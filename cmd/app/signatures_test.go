package app_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/keys/cms/cmstest"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// authorities is a folder of files that signatures are verified by.
type authorities struct {
	t     *testing.T
	dir   string
	root  *cmstest.Authority
	clock *storagetest.Clock
}

func newAuthorities(t *testing.T) authorities {
	t.Helper()
	clock := storagetest.NewClock()
	a := authorities{t, t.TempDir(), cmstest.Root(t, "Учебный УЦ", clock.Now()), clock}
	a.write("root.cer", a.root.Raw())
	a.write("lists/root.crl", a.root.List(t, clock.Now()))
	return a
}

func (a authorities) write(name string, content []byte) {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		a.t.Fatal(err)
	}
}

func (a authorities) config(cfg *app.Config) {
	cfg.Now = a.clock.Now
	cfg.Signatures = app.Signatures{Roots: []string{filepath.Join(a.dir, "root.cer")}, Lists: []string{filepath.Join(a.dir, "lists")}, Reload: 10 * time.Millisecond}
}

func TestEndOfARevocationListIsSeenBeforeAnybodyIsRefused(t *testing.T) {
	files := newAuthorities(t)
	a, _ := newApp(t, files.config)
	until := map[string]time.Time{}
	for _, d := range a.Dated(t.Context()) {
		until[d.Kind] = d.Until
	}
	if until["signature-root"].IsZero() || !until["signature-list"].Equal(files.clock.Now().Add(24*time.Hour)) {
		t.Errorf("the dated things are %v", until)
	}
	if warn := strings.Join(a.Ready(t.Context()).Warn, "\n"); strings.Contains(warn, "signature") {
		t.Errorf("a current list is warned of: %s", warn)
	}
	files.clock.Advance(25 * time.Hour)
	ready := a.Ready(t.Context())
	if warn := strings.Join(ready.Warn, "\n"); !ready.Ready || !strings.Contains(warn, "signature-list Учебный УЦ ended") {
		t.Errorf("ready %v, warnings %s", ready.Ready, warn)
	}
}

func TestNewRevocationListIsTakenUpAndABrokenOneIsNot(t *testing.T) {
	files := newAuthorities(t)
	a, log := newApp(t, files.config)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx, loopback(t), loopback(t)) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	later := files.clock.Now().Add(12 * time.Hour)
	files.write("lists/root.crl", files.root.List(t, later))
	await(t, func() bool {
		for _, d := range a.Dated(t.Context()) {
			if d.Kind == "signature-list" && d.Until.Equal(later.Add(24*time.Hour)) {
				return true
			}
		}
		return false
	})
	files.write("lists/root.crl", []byte("half a file"))
	await(t, func() bool { return strings.Contains(log.String(), "the ones before stay in force") })
	for _, d := range a.Dated(t.Context()) {
		if d.Kind == "signature-list" && !d.Until.Equal(later.Add(24*time.Hour)) {
			t.Errorf("the broken file changed what is in force: %v", d)
		}
	}
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for range 500 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come to pass")
}

func TestFilesThatDoNotReadStopTheStart(t *testing.T) {
	files := newAuthorities(t)
	files.write("root.cer", []byte("hello"))
	cfg := app.Config{Data: t.TempDir(), Issuer: "https://id.example", LogWriter: &logged{}}
	files.config(&cfg)
	if err := cfg.Complete(); err != nil {
		t.Fatal(err)
	}
	if a, err := app.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "signatures") {
		_ = a.Close()
		t.Errorf("the start ended with %v", err)
	}
}

func TestWithoutATrustedAuthorityThereIsNoSigningIn(t *testing.T) {
	a, _ := newApp(t, nil)
	if page := get(a, "https://id.example/signup/esign", nil); page.Code != 404 {
		t.Errorf("signing up by a signature is answered %d", page.Code)
	}
}

func TestTheVendorsScriptIsServedFromHereToPagesThatAskForASignatureAlone(t *testing.T) {
	files := newAuthorities(t)
	files.write("vendor.js", []byte("window.cadesplugin = Promise.resolve()"))
	a, _ := newApp(t, func(cfg *app.Config) {
		files.config(cfg)
		cfg.Signatures.PluginScript = filepath.Join(files.dir, "vendor.js")
	})
	begun := get(a, "/signup/esign", nil)
	withCookies := func(r *http.Request) {
		for _, c := range begun.Result().Cookies() {
			r.AddCookie(c)
		}
	}
	page := get(a, begun.Header().Get("Location"), withCookies)
	address := regexp.MustCompile(`<script src="(/assets/plugin\.[0-9a-f]+\.js)" defer>`).FindStringSubmatch(page.Body.String())
	if page.Code != http.StatusOK || address == nil {
		t.Fatalf("answered %d:\n%s", page.Code, page.Body)
	}
	if policy := page.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self';") {
		t.Errorf("the policy is %s", policy)
	}
	script := get(a, address[1], nil)
	if got := script.Body.String(); got != "window.cadesplugin = Promise.resolve()" || !strings.HasPrefix(script.Header().Get("Content-Type"), "text/javascript") {
		t.Errorf("answered %d, %v: %s", script.Code, script.Header(), got)
	}
	if other := get(a, "/help", nil).Body.String(); strings.Contains(other, "plugin.") || strings.Contains(other, "cades.") {
		t.Error("a page that asks for no signature loads it too")
	}
}

func TestAVendorsScriptThatIsMissingOrOfNoUseIsAnError(t *testing.T) {
	files := newAuthorities(t)
	cfg := app.Config{Data: t.TempDir(), Issuer: "https://id.example", LogWriter: io.Discard}
	files.config(&cfg)
	cfg.Signatures.PluginScript = filepath.Join(files.dir, "nothing.js")
	if err := cfg.Complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := app.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "signatures.plugin_script") {
		t.Errorf("a missing file: %v", err)
	}
	cfg.Signatures.Roots, cfg.Signatures.Lists = nil, nil
	if err := cfg.Complete(); err == nil || !strings.Contains(err.Error(), "plugin_script without roots") {
		t.Errorf("without anybody who is trusted: %v", err)
	}
}
