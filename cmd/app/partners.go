package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

// openPartners makes the transport to those whom the configuration names: registries, banks and gateways. It believes the
// system's certificate authorities and those of Config.Trust.
func (a *App) openPartners(context.Context) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if len(a.cfg.Trust) > 0 {
		roots, err := x509.SystemCertPool()
		if err != nil {
			return fmt.Errorf("reading the system's certificate authorities: %w", err)
		}
		for _, file := range a.cfg.Trust {
			text, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("trust: %w", err)
			}
			if !roots.AppendCertsFromPEM(text) {
				return fmt.Errorf("trust: %s has no certificate in PEM", file)
			}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	a.partners = transport
	return nil
}

// roots are the authorities by which others are believed; nil for the system's.
func (a *App) roots() *x509.CertPool {
	if a.partners.TLSClientConfig == nil {
		return nil
	}
	return a.partners.TLSClientConfig.RootCAs
}

// partner is a client to one who is named by the configuration: an answer is taken from where it was asked, and nowhere
// else. The caller limits its time.
func (a *App) partner() *http.Client {
	return &http.Client{Transport: a.partners, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
