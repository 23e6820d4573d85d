package app_test

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/keys"
)

func opened(t *testing.T, trust ...string) (*app.App, error) {
	t.Helper()
	cfg := app.Config{Data: t.TempDir(), Issuer: "http://localhost:8080", LogWriter: &logged{}, Log: app.Log{Level: "error"}, Trust: trust}
	if err := cfg.Complete(); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(context.Background(), cfg)
	if err == nil {
		t.Cleanup(func() { _ = a.Close() })
	}
	return a, err
}

func TestAnAuthorityThatDoesNotReadIsRefusedByItsName(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, filepath.Join(t.TempDir(), "absent.pem")} {
		if _, err := opened(t, file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestTheEndOfATrustedAuthorityIsKnown(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, append(block, block...), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := opened(t, file)
	if err != nil {
		t.Fatal(err)
	}
	var found []keys.Dated
	for _, d := range a.Dated(t.Context()) {
		if d.Name == file {
			found = append(found, d)
		}
	}
	if len(found) != 2 || !found[0].Until.Equal(server.Certificate().NotAfter) || found[0].Until.Before(time.Now()) {
		t.Errorf("%+v", found)
	}
}
