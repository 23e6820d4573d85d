package cms

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
)

// certificate is a parsed certificate with what crypto/x509 leaves out for GOST: its key and signature.
type certificate struct {
	*x509.Certificate
	key   publicKey
	print [sha256.Size]byte
	sealed
}

// sealed is the signature over a certificate or a revocation list: what was signed, how, and the signature.
type sealed struct {
	signed    []byte
	scheme    scheme
	digest    digest
	signature []byte
}

// parseCertificate reads DER. A key or signature that we do not believe is refused here.
func parseCertificate(der []byte) (*certificate, error) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refuse(BadCertificate, "%v", err)
	}
	s, err := parseSealed(der)
	if err != nil {
		return nil, err
	}
	key, err := publicKeyOf(parsed.RawSubjectPublicKeyInfo, parsed.PublicKey)
	if err != nil {
		return nil, err
	}
	return &certificate{parsed, key, sha256.Sum256(der), s}, nil
}

// parseSealed reads the outer SEQUENCE of a certificate or a list (RFC 5280 §4.1, §5.1).
func parseSealed(der []byte) (sealed, error) {
	var outer struct {
		Signed    asn1.RawValue
		Algorithm struct {
			Algorithm  asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 || outer.Signature.BitLength%8 != 0 {
		return sealed{}, refuse(BadCertificate, "no signed structure")
	}
	s, d, err := algorithmOf(outer.Algorithm.Algorithm, "")
	if err != nil {
		return sealed{}, err
	}
	return sealed{outer.Signed.FullBytes, s, d, outer.Signature.Bytes}, nil
}

// by reports whether the key made the signature.
func (s sealed) by(key publicKey) bool {
	return s.scheme.family == key.family && key.verify(s.digest, s.signed, s.signature)
}

// maySign reports whether the certificate may issue others: an authority with keyCertSign (RFC 5280 §4.2.1.9).
func (c *certificate) maySign() bool {
	return c.BasicConstraintsValid && c.IsCA && c.KeyUsage&x509.KeyUsageCertSign != 0
}

// issued reports whether the names and key identifiers of an issuer and a certificate fit. Names are
// compared as they are encoded: two spellings of one name are two names.
func (c *certificate) issued(child []byte, authority []byte) bool {
	return bytes.Equal(c.RawSubject, child) && (len(authority) == 0 || len(c.SubjectKeyId) == 0 || bytes.Equal(authority, c.SubjectKeyId))
}

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// understood refuses what the certificate demands and we do not check.
func (c *certificate) understood() error {
	for _, e := range c.Extensions {
		if e.Id.Equal(oidNameConstraints) {
			return refuse(Untrusted, "name constraints in the certificate of %q", c.Subject.CommonName)
		}
	}
	if len(c.UnhandledCriticalExtensions) > 0 {
		return refuse(Untrusted, "critical extension %s is unknown", c.UnhandledCriticalExtensions[0])
	}
	return nil
}
