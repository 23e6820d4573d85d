package journeys_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// mutual is what discovery says of certificates.
type mutual struct {
	Aliases map[string]string `json:"mtls_endpoint_aliases"`
	Bound   bool              `json:"tls_client_certificate_bound_access_tokens"`
	Issuer  string            `json:"issuer"`
}

func TestAClientProvesItselfByACertificate(t *testing.T) {
	s := startStand(t, "-tls")
	var found mutual
	s.get(s.url(0, "/.well-known/openid-configuration"), &found)
	if !found.Bound || found.Aliases["token_endpoint"] == "" || found.Issuer != s.url(0, "") {
		t.Fatalf("discovery: %+v", found)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(s.dir, "demo-mtls.pem"), filepath.Join(s.dir, "demo-mtls-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	bare := s.client.Transport.(*http.Transport)
	holder := bare.Clone()
	holder.TLSClientConfig.Certificates = []tls.Certificate{pair}
	defer holder.CloseIdleConnections()
	ask := func(transport *http.Transport, endpoint string) (int, string) {
		resp, err := (&http.Client{Transport: transport}).PostForm(endpoint, url.Values{"grant_type": {"client_credentials"}, "scope": {"stand"}, "client_id": {"demo-mtls"}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct {
			Access string `json:"access_token"`
			Error  string `json:"error"`
		}
		_ = json.NewDecoder(resp.Body).Decode(&answer)
		return resp.StatusCode, answer.Access + answer.Error
	}
	if status, got := ask(holder, found.Aliases["token_endpoint"]); status != http.StatusOK || got == "" {
		t.Errorf("with its certificate: %d %s", status, got)
	}
	if status, got := ask(bare, found.Aliases["token_endpoint"]); status != http.StatusUnauthorized || got != "invalid_client" {
		t.Errorf("without one: %d %s", status, got)
	}
	if status, got := ask(holder, s.url(0, "/token")); status != http.StatusUnauthorized || got != "invalid_client" {
		t.Errorf("where no certificate is asked for: %d %s", status, got)
	}
	resp, err := (&http.Client{Transport: holder}).Get(strings.TrimSuffix(found.Aliases["token_endpoint"], "/token") + "/login")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("a page for browsers at the origin for certificates: %d", resp.StatusCode)
	}
}
