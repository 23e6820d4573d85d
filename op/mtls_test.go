package op_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/op"
)

// authority signs certificates of clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// trusted is the authority that the rigs trust.
var trusted = sync.OnceValue(func() authority { return newAuthority() })

func newAuthority() authority {
	key := must1(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), KeyUsage: x509.KeyUsageCertSign}
	return authority{must1(x509.ParseCertificate(must1(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)))), key}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// issue signs a certificate of a client, changed by change; a nil authority signs nothing: it is self-signed.
func (a *authority) issue(change func(*x509.Certificate)) *x509.Certificate {
	key := must1(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	serial := must1(rand.Int(rand.Reader, big.NewInt(1<<62)))
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "bank", Organization: []string{"Bank, Ltd"}, Country: []string{"RU"}},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	return must1(x509.ParseCertificate(must1(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer))))
}

// rigMTLS takes certificates from the connection, as the listener for them does.
func rigMTLS() op.MTLS {
	roots := x509.NewCertPool()
	roots.AddCert(trusted().cert)
	return op.MTLS{Origin: "https://mtls.id.example", Roots: roots, Shown: func(r *http.Request) []*x509.Certificate {
		if r.TLS == nil {
			return nil
		}
		return r.TLS.PeerCertificates
	}}
}

// postWith posts a form over a connection with a certificate.
func (h *rig) postWith(cert *x509.Certificate, path string, form url.Values, headers ...string) (int, map[string]any) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if cert != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	}
	return h.do(r)
}

func (h *rig) put(c op.Client) {
	h.t.Helper()
	must(h.t, c.Check())
	must(h.t, h.records.PutClient(h.t.Context(), c))
	h.clock.Advance(2 * time.Second) // an unknown client is looked for once a second
	if _, err := h.provider.Client(h.t.Context(), c.ID); err != nil {
		h.t.Fatal(err)
	}
}

// certified is a client that proves itself by a certificate and binds its tokens to it.
func certified(id string, change func(*op.Client)) op.Client {
	c := clientOf("web")
	c.ID, c.Secrets, c.Auth, c.CertificateBound, c.RedirectURIs, c.TrustedConsent = id, nil, []string{op.AuthCertificate}, true, []string{"https://bank.example/cb"}, true
	c.GrantTypes, c.Scopes = append(slices.Clone(c.GrantTypes), "client_credentials"), append(slices.Clone(c.Scopes), "api")
	c.Certificate = op.CertificateSubject{DN: `CN=bank,O=Bank\, Ltd,C=RU`}
	change(&c)
	return c
}

func TestAClientIsKnownByTheSubjectOfItsCertificate(t *testing.T) {
	h := newRig(t)
	ca, stranger := trusted(), newAuthority()
	h.put(certified("by-dn", func(c *op.Client) { c.Certificate.DN = `cn=bank, o=Bank\, Ltd, c=RU` }))
	h.put(certified("by-dns", func(c *op.Client) { c.Certificate = op.CertificateSubject{DNS: "bank.example"} }))
	h.put(certified("by-uri", func(c *op.Client) { c.Certificate = op.CertificateSubject{URI: "https://bank.example/client"} }))
	h.put(certified("by-ip", func(c *op.Client) { c.Certificate = op.CertificateSubject{IP: "192.0.2.7"} }))
	h.put(certified("by-email", func(c *op.Client) { c.Certificate = op.CertificateSubject{Email: "tls@bank.example"} }))
	named := func(c *x509.Certificate) {
		c.DNSNames, c.EmailAddresses, c.IPAddresses = []string{"bank.example"}, []string{"tls@bank.example"}, []net.IP{net.IPv4(192, 0, 2, 7)}
		c.URIs = []*url.URL{{Scheme: "https", Host: "bank.example", Path: "/client"}}
	}
	for _, row := range []struct {
		what, client string
		cert         *x509.Certificate
		refusal      string // diagnosis; empty: accepted
	}{
		{"its subject", "by-dn", ca.issue(nil), ""},
		{"its host name", "by-dns", ca.issue(named), ""},
		{"its URI", "by-uri", ca.issue(named), ""},
		{"its address", "by-ip", ca.issue(named), ""},
		{"its mail address", "by-email", ca.issue(named), ""},
		{"no certificate", "by-dn", nil, "certificate.missing"},
		{"another subject", "by-dn", ca.issue(func(c *x509.Certificate) { c.Subject.CommonName = "bank2" }), "certificate.subject"},
		{"more in the subject, of a kind that Go does not name", "by-dn", ca.issue(func(c *x509.Certificate) {
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: "other"}}
		}), "certificate.subject"},
		{"a wildcard for the host name", "by-dns", ca.issue(func(c *x509.Certificate) { c.DNSNames = []string{"*.example"} }), "certificate.subject"},
		{"the host name as common name", "by-dns", ca.issue(func(c *x509.Certificate) { c.Subject.CommonName = "bank.example" }), "certificate.subject"},
		{"a stranger's signature", "by-dn", stranger.issue(nil), "certificate.untrusted"},
		{"self-signed", "by-dn", (*authority)(nil).issue(nil), "certificate.untrusted"},
		{"a server's certificate", "by-dn", ca.issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "certificate.untrusted"},
		{"one that is over", "by-dn", ca.issue(func(c *x509.Certificate) { c.NotAfter = h.clock.Now().Add(-time.Minute) }), "certificate.expired"},
		{"one that is not yet valid", "by-dn", ca.issue(func(c *x509.Certificate) { c.NotBefore = h.clock.Now().Add(time.Minute) }), "certificate.expired"},
	} {
		status, answer := h.postWith(row.cert, "/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}, "client_id": {row.client}})
		if row.refusal == "" {
			if status != http.StatusOK || answer["token_type"] != "Bearer" {
				t.Errorf("%s: %d %v", row.what, status, answer)
			}
			continue
		}
		if status != http.StatusUnauthorized || answer["error"] != "invalid_client" || !strings.HasPrefix(str(answer["error_description"]), "["+row.refusal+"]") {
			t.Errorf("%s: %d %v", row.what, status, answer)
		}
	}
}

func TestASelfSignedCertificateIsOneOfThoseRegistered(t *testing.T) {
	h := newRig(t)
	mine, other := (*authority)(nil).issue(nil), (*authority)(nil).issue(nil)
	jwk := jose.JSONWebKey{Key: mine.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig", Certificates: []*x509.Certificate{mine}}
	bare := jose.JSONWebKey{Key: other.PublicKey, KeyID: "2", Algorithm: "ES256", Use: "sig"} // a key without a certificate lets no certificate in
	h.put(certified("self", func(c *op.Client) {
		c.Auth, c.Certificate, c.JWKS = []string{op.AuthSelfSigned}, op.CertificateSubject{}, keySet(t, jwk, bare)
	}))
	form := func() url.Values {
		return url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}, "client_id": {"self"}}
	}
	if status, answer := h.postWith(mine, "/token", form()); status != http.StatusOK {
		t.Errorf("its own: %d %v", status, answer)
	}
	ca := trusted()
	for what, cert := range map[string]*x509.Certificate{"another": other, "an authority's": ca.issue(nil), "none": nil} {
		if status, answer := h.postWith(cert, "/token", form()); status != http.StatusUnauthorized || answer["error"] != "invalid_client" {
			t.Errorf("%s: %d %v", what, status, answer)
		}
	}
	secret := form()
	secret.Set("client_secret", "secret")
	if status, _ := h.postWith(mine, "/token", secret); status != http.StatusUnauthorized {
		t.Errorf("a secret beside the certificate: %d", status)
	}
}

func TestP25ATokenIsBoundToItsCertificate(t *testing.T) {
	h := newRig(t)
	ca := trusted()
	client := certified("bank", func(*op.Client) {})
	h.put(client)
	mine, other := ca.issue(nil), ca.issue(func(c *x509.Certificate) { c.Subject.CommonName = "other" })
	form := url.Values{"grant_type": {"authorization_code"}, "code": {h.code(client)}, "redirect_uri": client.RedirectURIs, "code_verifier": {flowVerifier}, "client_id": {"bank"}}
	status, tokens := h.postWith(mine, "/token", form)
	if status != http.StatusOK || tokens["token_type"] != "Bearer" {
		t.Fatalf("%d %v", status, tokens)
	}
	access := str(tokens["access_token"])
	sum := sha256.Sum256(mine.Raw)
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	if cnf, _ := payload(t, access)["cnf"].(map[string]any); len(cnf) != 1 || cnf["x5t#S256"] != want {
		t.Errorf("cnf: %v", payload(t, access)["cnf"])
	}
	if _, seen := h.postWith(mine, "/introspect", url.Values{"token": {access}, "client_id": {"bank"}}); seen["active"] != true || seen["token_type"] != "Bearer" ||
		seen["cnf"].(map[string]any)["x5t#S256"] != want {
		t.Errorf("introspection: %v", seen)
	}
	for _, row := range []struct {
		what   string
		cert   *x509.Certificate
		scheme string
		status int
	}{
		{"its certificate", mine, "Bearer", http.StatusOK},
		{"another certificate", other, "Bearer", http.StatusUnauthorized},
		{"no certificate", nil, "Bearer", http.StatusUnauthorized},
		{"its certificate, as DPoP", mine, "DPoP", http.StatusUnauthorized},
	} {
		status, answer := h.postWith(row.cert, "/userinfo", nil, "Authorization", row.scheme+" "+access, "Content-Type", "")
		if status != row.status || status != http.StatusOK && answer["error"] != "invalid_token" {
			t.Errorf("%s: %d %v", row.what, status, answer)
		}
	}
	refresh := func(cert *x509.Certificate) (int, map[string]any) {
		return h.postWith(cert, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {str(tokens["refresh_token"])}, "client_id": {"bank"}})
	}
	if status, answer := refresh(other); status != http.StatusUnauthorized {
		t.Errorf("another subject refreshes: %d %v", status, answer)
	}
	fresh := ca.issue(nil) // the same client after the certificate was renewed
	status, next := refresh(fresh)
	if status != http.StatusOK {
		t.Fatalf("after renewal: %d %v", status, next)
	}
	if status, _ := h.postWith(fresh, "/userinfo", nil, "Authorization", "Bearer "+str(next["access_token"]), "Content-Type", ""); status != http.StatusOK {
		t.Errorf("the new token under the new certificate: %d", status)
	}
}

func TestACertificateBoundClientGetsNoLooseToken(t *testing.T) {
	h := newRig(t)
	c := clientOf("web")
	c.ID, c.CertificateBound, c.TrustedConsent = "bound", true, true
	h.put(c)
	if status, answer := h.redeem(c, h.code(c)); status != http.StatusBadRequest || !strings.HasPrefix(str(answer["error_description"]), "[certificate.missing]") {
		t.Errorf("%d %v", status, answer)
	}
}

func TestRegistrationWithACertificateNamesEachFault(t *testing.T) {
	for want, change := range map[string]func(*op.Client){
		"exactly one":    func(c *op.Client) { c.Certificate = op.CertificateSubject{} },
		"exactly one of": func(c *op.Client) { c.Certificate.DNS = "bank.example" },
		"no other method": func(c *op.Client) {
			c.Auth = []string{op.AuthCertificate, op.AuthPrivateKey}
			c.JWKS = []byte(`{"keys":[]}`)
		},
		"x5c":           func(c *op.Client) { c.Auth, c.Certificate = []string{op.AuthSelfSigned}, op.CertificateSubject{} },
		"is no address": func(c *op.Client) { c.Certificate = op.CertificateSubject{IP: "bank.example"} },
		"alone":         func(c *op.Client) { c.Auth, c.JWKS = []string{op.AuthPrivateKey}, []byte(`{"keys":[]}`) },
	} {
		c := certified("bank", change)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	fapi := certified("bank", func(c *op.Client) { c.Profile, c.IDTokenAlg = op.ProfileFAPI2, "PS256" })
	if err := fapi.Check(); err != nil {
		t.Errorf("fapi2 by certificate: %v", err)
	}
}

func TestTheMetadataNamesTheEndpointsForCertificates(t *testing.T) {
	h := newRig(t)
	aliases, _ := h.metadata()["mtls_endpoint_aliases"].(map[string]any)
	for _, path := range op.MutualPaths() {
		if !slices.ContainsFunc(slices.Collect(values(aliases)), func(v string) bool { return v == "https://mtls.id.example"+path }) {
			t.Errorf("%s has no alias in %v", path, aliases)
		}
	}
	if len(aliases) != len(op.MutualPaths()) {
		t.Errorf("aliases: %v", aliases)
	}
}

func values(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(str(v)) {
				return
			}
		}
	}
}

func FuzzDistinguishedNamesHaveOneSpelling(f *testing.F) {
	for _, dn := range []string{`CN=a, O=b\, c`, `cn=a+ou=b,C=RU`, `=`, `\`, `CN=\20a`, ` , =`} {
		f.Add(dn)
	}
	f.Fuzz(func(t *testing.T, dn string) {
		once := op.CanonicalDN(dn)
		if twice := op.CanonicalDN(once); once != twice {
			t.Errorf("%q becomes %q and then %q", dn, once, twice)
		}
	})
}

func TestAClientRegistersItsCertificateWhereCertificatesAreTaken(t *testing.T) {
	metadata := map[string]any{"redirect_uris": []string{"https://bank.example/cb"}, "token_endpoint_auth_method": "tls_client_auth",
		"tls_client_auth_san_dns": "bank.example", "tls_client_certificate_bound_access_tokens": true}
	taken := newHouseWith(t, func(c *op.Config) { c.Registration, c.MTLS = initialTokens, rigMTLS() })
	got := taken.registration(http.MethodPost, "/register", "stand", metadata)
	if got.status != http.StatusCreated || got.text("tls_client_auth_san_dns") != "bank.example" || got.body["tls_client_certificate_bound_access_tokens"] != true || got.body["client_secret"] != nil {
		t.Errorf("%d %v", got.status, got.body)
	}
	if got := openedHouse(t).registration(http.MethodPost, "/register", "stand", metadata); got.text("error") != "invalid_client_metadata" {
		t.Errorf("where none is taken: %d %v", got.status, got.body)
	}
}
