package stand

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"
)

// Files of a stand that speaks https, in its data folder.
const (
	fileCA          = "ca.pem"      // the throw-away authority: what a caller has to trust
	fileCertificate = "tls.pem"     // of every listener
	fileKey         = "tls-key.pem" // readable by the owner alone

	fileClient    = "demo-mtls.pem" // of the client demo-mtls, which proves itself by it
	fileClientKey = "demo-mtls-key.pem"
)

// certificateLife is that of the authority and of what it signed; the key of the authority is forgotten at once.
const certificateLife = 365 * 24 * time.Hour

// suites are those of TLS 1.2 that FAPI 2.0 §5.2.2 asks of a protected resource, for the key that the stand has; the provider has the same.
var suites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}

// openTLS makes an authority and one certificate for all listeners, or reads those of the run before.
func (s *Stand) openTLS() error {
	if !s.opt.TLS {
		return nil
	}
	_, absent := os.Stat(s.file(fileClientKey))
	pair, err := tls.LoadX509KeyPair(s.file(fileCertificate), s.file(fileKey))
	if err != nil || absent != nil || time.Until(pair.Leaf.NotAfter) < certificateLife/2 {
		if err := s.makeCertificates(); err != nil {
			return fmt.Errorf("making certificates: %w", err)
		}
		if pair, err = tls.LoadX509KeyPair(s.file(fileCertificate), s.file(fileKey)); err != nil {
			return fmt.Errorf("reading the certificate: %w", err)
		}
	}
	s.certificate = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, CipherSuites: suites, NextProtos: []string{"h2", "http/1.1"}}
	return nil
}

func (s *Stand) makeCertificates() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Vhod stand, not to be trusted elsewhere"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		// It can vouch for nothing but this machine.
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}, {IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)}},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	blocks := map[string]*pem.Block{fileCA: {Type: "CERTIFICATE", Bytes: caDER}}
	for _, leaf := range []struct {
		certificate, key, name string
		use                    x509.ExtKeyUsage
		hosts                  []string
	}{
		{fileCertificate, fileKey, "localhost", x509.ExtKeyUsageServerAuth, []string{"localhost"}},
		{fileClient, fileClientKey, "demo-mtls", x509.ExtKeyUsageClientAuth, nil},
	} {
		template := &x509.Certificate{
			SerialNumber: serial(), Subject: pkix.Name{CommonName: leaf.name}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			DNSNames: leaf.hosts, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{leaf.use},
		}
		if leaf.hosts != nil {
			template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		}
		if blocks[leaf.certificate], blocks[leaf.key], err = issue(template, ca, caKey); err != nil {
			return err
		}
	}
	for name, block := range blocks {
		if err := os.WriteFile(s.file(name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// issue makes a key and signs a certificate for it.
func issue(template, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (certificate, private *pem.Block, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return &pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}, nil
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return n
}

// trusted are the files of authorities by which this stand's provider and portal believe others.
func (s *Stand) trusted() (files []string) {
	if s.opt.TLS {
		files = append(files, s.file(fileCA))
	}
	if s.opt.Trust != "" {
		files = append(files, s.opt.Trust)
	}
	return files
}

// client is a client that believes the same authorities.
func (s *Stand) client() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if files := s.trusted(); len(files) > 0 {
		roots, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("reading the system's certificate authorities: %w", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("reading what to trust: %w", err)
			}
			if !roots.AppendCertsFromPEM(bytes.TrimSpace(text)) {
				return nil, fmt.Errorf("%s has no certificate in PEM", file)
			}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}, nil
}
