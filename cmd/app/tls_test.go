package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vhod-id/vhod/cmd/app"
)

// serverCertificate makes a certificate for loopback with this key, and returns its files.
func serverCertificate(t *testing.T, key any, public any) app.TLS {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"id.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour * 24 * 365)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := app.TLS{Certificate: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem")}
	for file, block := range map[string]*pem.Block{files.Certificate: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestListenersSpeakTLSAsFAPIAsks(t *testing.T) {
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]app.TLS{"ECDSA": serverCertificate(t, elliptical, elliptical.Public()), "RSA": serverCertificate(t, old, old.Public())} {
		a, _ := newApp(t, func(c *app.Config) { c.TLS = files })
		ctx, stop := context.WithCancel(t.Context())
		public, operations, ended := loopback(t), loopback(t), make(chan error, 1)
		go func() { ended <- a.Run(ctx, public, operations) }()
		dial := func(cfg *tls.Config) (uint16, error) {
			cfg.InsecureSkipVerify = true // what is tested is which handshakes there are
			conn, err := tls.Dial("tcp", public.Addr().String(), cfg)
			if err != nil {
				return 0, err
			}
			defer conn.Close()
			return conn.ConnectionState().Version, nil
		}
		if version, err := dial(&tls.Config{}); err != nil || version != tls.VersionTLS13 {
			t.Errorf("%s: %x %v", name, version, err)
		}
		if _, err := dial(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Errorf("%s: there is TLS 1.1", name)
		}
		taken := 0
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if suite.ID == tls.TLS_AES_128_GCM_SHA256 || suite.ID == tls.TLS_AES_256_GCM_SHA384 || suite.ID == tls.TLS_CHACHA20_POLY1305_SHA256 {
				continue // of TLS 1.3
			}
			if _, err := dial(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}}); err == nil {
				taken++
				if suite.ID != tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 && suite.ID != tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 &&
					suite.ID != tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 && suite.ID != tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 {
					t.Errorf("%s: there is %s", name, suite.Name)
				}
			}
		}
		if taken != 2 {
			t.Errorf("%s: %d suites of TLS 1.2", name, taken)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
