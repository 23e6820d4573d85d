package op

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Client authentication methods by certificate (RFC 8705 §2).
const (
	AuthCertificate = "tls_client_auth"             // one that an authority vouches for, known by its subject
	AuthSelfSigned  = "self_signed_tls_client_auth" // one that stands in the client's JWKS
)

// certificateMethods are both.
var certificateMethods = []string{AuthCertificate, AuthSelfSigned}

// MTLS is where callers show certificates (RFC 8705). The zero value offers nothing.
type MTLS struct {
	Origin string         // of the endpoints that ask for a certificate: https://mtls.id.example
	Roots  *x509.CertPool // authorities of tls_client_auth; without them the method is not offered
	// Shown returns the certificate that the caller of a request proved to hold, with what stands behind it; nothing when there
	// is none. It must come from the TLS connection, or from a proxy that is trusted to have looked.
	Shown func(*http.Request) []*x509.Certificate
}

func (m MTLS) offered() bool { return m.Origin != "" && m.Shown != nil }

func (m MTLS) shown(r *http.Request) []*x509.Certificate {
	if !m.offered() {
		return nil
	}
	return m.Shown(r)
}

// mutualEndpoints are those of the origin that asks for certificates, by their names in the metadata.
func mutualEndpoints() map[string]string {
	return map[string]string{
		"token_endpoint": "/token", "pushed_authorization_request_endpoint": "/par", "userinfo_endpoint": "/userinfo",
		"introspection_endpoint": "/introspect", "revocation_endpoint": "/revoke", "device_authorization_endpoint": "/device_authorization",
		"backchannel_authentication_endpoint": "/bc-authorize",
	}
}

// aliases say where the same endpoints take certificates (RFC 8705 §5).
func (m MTLS) aliases() map[string]string {
	aliases := mutualEndpoints()
	for name, path := range aliases {
		aliases[name] = m.Origin + path
	}
	return aliases
}

// methods are those client authentication methods by certificate that work here.
func (m MTLS) methods() []string {
	switch {
	case !m.offered():
		return nil
	case m.Roots == nil:
		return []string{AuthSelfSigned}
	}
	return certificateMethods
}

// MutualPaths are the paths that the origin for certificates serves.
func MutualPaths() []string { return slices.Collect(maps.Values(mutualEndpoints())) }

// CertificateSubject is by what a client's certificate is known; exactly one is set (RFC 8705 §2.1.2).
type CertificateSubject struct {
	DN    string // RFC 4514, as `openssl x509 -subject -nameopt RFC2253` prints it
	DNS   string
	URI   string
	IP    string
	Email string
}

// given lists the members that are set.
func (s CertificateSubject) given() (values []string) {
	for _, v := range []string{s.DN, s.DNS, s.URI, s.IP, s.Email} {
		if v != "" {
			values = append(values, v)
		}
	}
	return values
}

// fits compares with a certificate that an authority vouches for: exactly, without wildcards.
func (s CertificateSubject) fits(cert *x509.Certificate) bool {
	switch {
	case len(s.given()) != 1:
		return false
	case s.DN != "":
		// The subject as it was signed: pkix.Name leaves out attributes that it does not know.
		var subject pkix.RDNSequence
		rest, err := asn1.Unmarshal(cert.RawSubject, &subject)
		return err == nil && len(rest) == 0 && canonicalDN(s.DN) == canonicalDN(subject.String())
	case s.DNS != "":
		return slices.ContainsFunc(cert.DNSNames, func(name string) bool { return strings.EqualFold(name, s.DNS) })
	case s.URI != "":
		return slices.ContainsFunc(cert.URIs, func(u *url.URL) bool { return u.String() == s.URI })
	case s.IP != "":
		want, err := netip.ParseAddr(s.IP)
		return err == nil && slices.ContainsFunc(cert.IPAddresses, func(ip net.IP) bool {
			got, ok := netip.AddrFromSlice(ip)
			return ok && got.Unmap() == want.Unmap()
		})
	}
	return slices.Contains(cert.EmailAddresses, s.Email)
}

// canonicalDN writes a distinguished name (RFC 4514) in one way: without spaces between its parts, types in capitals. What stands
// in the values is left as it is.
func canonicalDN(dn string) string {
	var out strings.Builder
	atStart, inType := true, true
	for i := 0; i < len(dn); i++ {
		c := dn[i]
		switch {
		case atStart && c == ' ':
			continue
		case c == '\\' && i+1 < len(dn):
			out.WriteByte(c)
			i++
			out.WriteByte(dn[i])
			atStart = false
			continue
		case inType && c == '=':
			inType = false
		case !inType && (c == ',' || c == '+'):
			out.WriteByte(c)
			atStart, inType = true, true
			continue
		case inType:
			c = bytes.ToUpper([]byte{c})[0]
		}
		atStart = false
		out.WriteByte(c)
	}
	return out.String()
}

// byCertificate returns the client's method by certificate, or an empty one.
func (c *Client) byCertificate() string {
	for _, method := range c.Auth {
		if slices.Contains(certificateMethods, method) {
			return method
		}
	}
	return ""
}

// proveByCertificate checks the certificate of a request against the one that the client registered (RFC 8705 §2).
func (a *clientAuth) proveByCertificate(r *http.Request, client *Client) (*Client, error) {
	chain := a.mtls.shown(r)
	if len(chain) == 0 {
		return nil, diagnosed("invalid_client", "certificate.missing", "this client proves itself by a certificate: use the endpoints under mtls_endpoint_aliases (RFC 8705 §5)")
	}
	leaf, now := chain[0], a.now()
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return nil, diagnosed("invalid_client", "certificate.expired", "the certificate is valid from %s to %s alone", leaf.NotBefore.UTC(), leaf.NotAfter.UTC())
	}
	if client.byCertificate() == AuthSelfSigned {
		return client, a.registeredCertificate(r.Context(), client, leaf)
	}
	if a.mtls.Roots == nil {
		return nil, diagnosed("invalid_client", "certificate.untrusted", "the provider trusts no authority of client certificates")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	// CurrentTime is the provider's clock, ExtKeyUsageClientAuth keeps certificates of servers out.
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: a.mtls.Roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return nil, diagnosed("invalid_client", "certificate.untrusted", "no authority that is trusted here vouches for the certificate as a client's")
	}
	if !client.Certificate.fits(leaf) {
		return nil, diagnosed("invalid_client", "certificate.subject", "the certificate's subject is not the one that the client registered")
	}
	return client, nil
}

// registeredCertificate holds RFC 8705 §2.2: the certificate is one of those in the client's key set, whoever signed it. One that is not there
// may be new at the client's jwks_uri, so it is looked for once more after a fetch.
func (a *clientAuth) registeredCertificate(ctx context.Context, client *Client, leaf *x509.Certificate) error {
	for _, kid := range []string{"", certificateMark + certificateThumbprint(leaf)} {
		known, err := a.keys.of(ctx, client, kid)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(known, func(k jose.JSONWebKey) bool { return len(k.Certificates) > 0 && k.Certificates[0].Equal(leaf) }) {
			return nil
		}
	}
	return diagnosed("invalid_client", "certificate.unregistered", "the certificate is not in x5c of any key that the client registered")
}

// certificateMark stands before the thumbprint of a certificate where otherwise that of a DPoP key stands.
const certificateMark = "x5t#S256:"

// certificateBinding is what tokens are bound to by the certificate of this request (RFC 8705 §3); empty without one.
func (p *Provider) certificateBinding(r *http.Request) string {
	chain := p.cfg.MTLS.shown(r)
	if len(chain) == 0 {
		return ""
	}
	return certificateMark + certificateThumbprint(chain[0])
}

func certificateThumbprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// confirm writes a binding into a token: the thumbprint of a DPoP key, or of a certificate.
func confirm(binding string) *confirmation {
	if certificate, ok := strings.CutPrefix(binding, certificateMark); ok {
		return &confirmation{Certificate: certificate}
	}
	return &confirmation{JKT: binding}
}

// renewed reports whether a grant that was bound to a certificate is used under another one of a client that has proven itself: certificates end,
// and a grant lives longer (RFC 8705 §7.1).
func renewed(client *Client, was, now string) bool {
	return strings.HasPrefix(was, certificateMark) && strings.HasPrefix(now, certificateMark) && !client.public()
}

// guardCertificate checks at a resource that a token comes over a connection with the certificate that it is bound to (RFC 8705 §3).
func (p *Provider) guardCertificate(r *http.Request, scheme, thumbprint string) error {
	if scheme != "Bearer" {
		return bearerFault(http.StatusUnauthorized, "Bearer", "invalid_token", "[certificate.bound] the access token is bound to a certificate, not to a DPoP key: send it as Bearer")
	}
	if p.certificateBinding(r) != certificateMark+thumbprint {
		return bearerFault(http.StatusUnauthorized, "Bearer", "invalid_token", "[certificate.bound] the access token is bound to another certificate than this connection's")
	}
	return nil
}

// checkCertificates says what is wrong with a registration that has to do with certificates.
func (c *Client) checkCertificates(wrong func(format string, args ...any)) {
	method, subject := c.byCertificate(), len(c.Certificate.given())
	switch {
	case method == AuthCertificate && subject != 1:
		wrong("auth tls_client_auth: exactly one of tls_client_auth_subject_dn, _san_dns, _san_uri, _san_ip and _san_email is needed (RFC 8705 §2.1.2)")
	case method != AuthCertificate && subject > 0:
		wrong("tls_client_auth_…: is for the method tls_client_auth alone")
	case method == AuthSelfSigned && len(c.JWKS) == 0 && c.JWKSURI == "":
		wrong("auth self_signed_tls_client_auth: jwks or jwks_uri with the certificate in x5c is needed (RFC 8705 §2.2)")
	}
	if method != "" && len(c.Auth) > 1 {
		wrong("auth %s: a client with a certificate has no other method", method)
	}
	if _, err := netip.ParseAddr(c.Certificate.IP); err != nil && c.Certificate.IP != "" {
		wrong("tls_client_auth_san_ip %q is no address", c.Certificate.IP)
	}
}

// bindToken returns what the tokens of this request are bound to: the key of a DPoP proof, else the certificate of a client that asks for it.
func (p *Provider) bindToken(r *http.Request, client *Client, jkt string) (string, error) {
	switch {
	case jkt != "":
		return jkt, nil
	case client.CertificateBound && !client.RequireDPoP:
		binding := p.certificateBinding(r)
		if binding == "" {
			return "", diagnosed("invalid_request", "certificate.missing", "this client's tokens are bound to its certificate: use the endpoints under mtls_endpoint_aliases (RFC 8705 §5)")
		}
		return binding, nil
	case client.mustBind():
		return "", badProof("proof.missing", "this client's tokens are bound to a key: send the header DPoP")
	}
	return "", nil
}
