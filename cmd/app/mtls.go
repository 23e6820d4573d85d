package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/vhod-id/vhod/op"
)

// MTLS is the origin at which clients show certificates (RFC 8705): a listener of its own, so that no browser is ever asked for one,
// or a proxy that looks at them and says so in a header.
type MTLS struct {
	Origin      string   `yaml:"origin"`      // what clients reach it by: https://mtls.id.example
	Listen      string   `yaml:"listen"`      // host:port; its certificate is that of tls
	Authorities []string `yaml:"authorities"` // PEM files: whose certificates prove a client by tls_client_auth
	Header      string   `yaml:"header"`      // in which trusted_proxies hand a certificate over, such as Client-Cert
}

func (m MTLS) check(c *Config, wrong func(format string, args ...any)) {
	if m.Origin == "" {
		if m.Listen != "" || m.Header != "" || len(m.Authorities) > 0 {
			wrong("mtls.origin is missing: where clients reach it")
		}
		return
	}
	u, err := url.Parse(m.Origin)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		wrong("mtls.origin %q is not an https origin, such as https://mtls.id.example", m.Origin)
	} else if u.Host == hostOf(c.Issuer) {
		wrong("mtls.origin is the issuer: browsers would be asked for certificates")
	}
	if (m.Listen == "") == (m.Header == "") {
		wrong("mtls: one of listen and header is needed")
	}
	if m.Listen != "" && c.TLS.Certificate == "" {
		wrong("mtls.listen needs tls.certificate and tls.key")
	}
	if m.Header != "" && len(c.TrustedProxies) == 0 {
		wrong("mtls.header needs trusted_proxies: nobody else's is believed")
	}
}

// mutual is what the provider knows of certificates.
func (a *App) mutual() (op.MTLS, error) {
	cfg := a.cfg.MTLS
	if cfg.Origin == "" {
		return op.MTLS{}, nil
	}
	out := op.MTLS{Origin: cfg.Origin, Shown: a.shown}
	for _, file := range cfg.Authorities {
		text, err := os.ReadFile(file)
		if err != nil {
			return out, fmt.Errorf("mtls.authorities: %w", err)
		}
		if out.Roots == nil {
			out.Roots = x509.NewCertPool() // not the system's: those vouch for servers of the whole world
		}
		if !out.Roots.AppendCertsFromPEM(text) {
			return out, fmt.Errorf("mtls.authorities: %s has no certificate in PEM", file)
		}
	}
	return out, nil
}

// shown is the certificate that the caller of a request proved to hold: on the connection itself, or, behind a proxy, as the proxy
// says. The header counts from a trusted proxy alone and under the origin for certificates alone.
func (a *App) shown(r *http.Request) []*x509.Certificate {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return r.TLS.PeerCertificates
	}
	header := a.cfg.MTLS.Header
	values := r.Header.Values(header)
	if header == "" || len(values) != 1 || !strings.EqualFold(r.Host, hostOf(a.cfg.MTLS.Origin)) || !a.fromProxy(r) {
		return nil
	}
	cert, err := readCertificateHeader(values[0])
	if err != nil {
		a.log.WarnContext(r.Context(), "a proxy hands over what is no certificate", "error", err)
		return nil
	}
	return []*x509.Certificate{cert}
}

// fromProxy reports whether the peer itself is a trusted proxy; what it says of others before it does not count here.
func (a *App) fromProxy(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	at := peer.Addr().Unmap().WithZone("")
	for _, p := range a.cfg.TrustedProxies {
		if p.Contains(at) {
			return true
		}
	}
	return false
}

// readCertificateHeader reads a certificate as proxies write it: :base64 of DER: (RFC 9440 §2.1), or percent-encoded PEM.
func readCertificateHeader(value string) (*x509.Certificate, error) {
	if inner, ok := strings.CutPrefix(value, ":"); ok {
		der, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(inner, ":"))
		if err != nil {
			return nil, fmt.Errorf("reading a certificate of RFC 9440: %w", err)
		}
		return x509.ParseCertificate(der)
	}
	text, err := url.PathUnescape(value) // not QueryUnescape: base64 has plus signs
	if err != nil {
		return nil, fmt.Errorf("reading a percent-encoded certificate: %w", err)
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, fmt.Errorf("reading a percent-encoded certificate: it is not one certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// mutualHandler serves the endpoints for clients with certificates, and nothing for browsers.
func (a *App) mutualHandler() http.Handler {
	mux := http.NewServeMux()
	for _, path := range op.MutualPaths() {
		mux.Handle(path, a.provider.Handler())
	}
	return a.outer(mux, hostOf(a.cfg.MTLS.Origin))
}

// eitherOrigin tells the two origins apart that a proxy leads to one listener.
func (a *App) eitherOrigin(public, mutual http.Handler) http.Handler {
	host := hostOf(a.cfg.MTLS.Origin)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Host, host) {
			mutual.ServeHTTP(w, r)
			return
		}
		public.ServeHTTP(w, r)
	})
}

// mutualServer asks everybody for a certificate and takes whatever comes: the handshake proves that the caller holds its key, the provider
// judges whose it is.
func (a *App) mutualServer() *http.Server {
	s := newServer(a.mutualHandler(), a.log)
	s.TLSConfig = strictTLS()
	s.TLSConfig.ClientAuth = tls.RequestClientCert
	return s
}

// listenMutual opens the listener for certificates; nil when there is none.
func (a *App) listenMutual(ctx context.Context) (net.Listener, error) {
	if a.cfg.MTLS.Listen == "" {
		return nil, nil
	}
	return listen(ctx, nil, a.cfg.MTLS.Listen)
}
