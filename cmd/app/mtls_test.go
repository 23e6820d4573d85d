package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/cmd/app"
)

// clientCertificate is a self-made certificate of a client, which is its own authority.
func clientCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bank"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour * 24 * 365),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestP25ACertificateInAHeaderCountsFromATrustedProxyAlone(t *testing.T) {
	der := clientCertificate(t)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	file := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := newApp(t, func(c *app.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		c.MTLS = app.MTLS{Origin: "https://mtls.id.example", Authorities: []string{file}, Header: "Client-Cert"}
	})
	settings, err := app.ReadSettings([]byte("clients:\n  - {id: bank, auth: [tls_client_auth], tls_client_auth_subject_dn: 'CN=bank', grant_types: [client_credentials], scopes: [api]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.ApplySettings(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	header := ":" + base64.StdEncoding.EncodeToString(der) + ":"
	for _, row := range []struct {
		what, peer, host string
		headers          []string
		status           int
	}{
		{"RFC 9440", "10.1.1.1:1", "mtls.id.example", []string{header}, http.StatusOK},
		{"percent-encoded PEM", "10.1.1.1:1", "mtls.id.example", []string{url.PathEscape(string(text))}, http.StatusOK},
		{"not from a proxy", "192.0.2.1:1", "mtls.id.example", []string{header}, http.StatusUnauthorized},
		{"under the issuer's name", "10.1.1.1:1", "id.example", []string{header}, http.StatusUnauthorized},
		{"two of them", "10.1.1.1:1", "mtls.id.example", []string{header, header}, http.StatusUnauthorized},
		{"none", "10.1.1.1:1", "mtls.id.example", nil, http.StatusUnauthorized},
		{"no certificate", "10.1.1.1:1", "mtls.id.example", []string{":YWJj:"}, http.StatusUnauthorized},
		{"a key beside it", "10.1.1.1:1", "mtls.id.example", []string{url.PathEscape(string(text) + string(text))}, http.StatusUnauthorized},
	} {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}, "client_id": {"bank"}}
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header["Client-Cert"] = row.headers
		r.Host, r.RemoteAddr = row.host, row.peer
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		if w.Code != row.status {
			t.Errorf("%s: %d %s", row.what, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/login", nil)
	r.Host = "mtls.id.example"
	w := httptest.NewRecorder()
	if a.Handler().ServeHTTP(w, r); w.Code != http.StatusNotFound {
		t.Errorf("a page under the origin for certificates: %d", w.Code)
	}
}
