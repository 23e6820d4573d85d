// Package cmstest makes authorities, certificates and signatures for tests: right ones, and ones with
// whatever fault a test needs. Nothing but tests imports it.
package cmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

// Authority is a certificate with its key.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Person is what a certificate says of its owner. Attributes of the same OID may stand several times.
type Person []pkix.AttributeTypeAndValue

// OIDs of the subject of a qualified certificate.
var (
	OIDSurname   = asn1.ObjectIdentifier{2, 5, 4, 4}
	OIDGivenName = asn1.ObjectIdentifier{2, 5, 4, 42}
	OIDSNILS     = asn1.ObjectIdentifier{1, 2, 643, 100, 3}
	OIDINN       = asn1.ObjectIdentifier{1, 2, 643, 3, 131, 1, 1}
)

// Text is an attribute of UTF8String or PrintableString, as Go chooses.
func Text(oid asn1.ObjectIdentifier, value string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: value}
}

// Digits is an attribute of NumericString, as authorities write numbers.
func Digits(oid asn1.ObjectIdentifier, value string) pkix.AttributeTypeAndValue {
	return Typed(oid, asn1.TagNumericString, []byte(value))
}

// Typed is an attribute of any string type.
func Typed(oid asn1.ObjectIdentifier, tag int, value []byte) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: asn1.RawValue{Tag: tag, Bytes: value}}
}

// Named is a person with the attributes of a qualified certificate.
func Named(surname, given, snils, inn string) Person {
	return Person{Text(OIDSurname, surname), Text(OIDGivenName, given), Digits(OIDSNILS, snils), Digits(OIDINN, inn)}
}

// Root makes a self-signed authority, valid from a year before now until ten years after.
func Root(t testing.TB, name string, now time.Time) *Authority {
	t.Helper()
	return issue(t, nil, newKey(t), authority(name, now))
}

// Sub makes an authority under this one; change spoils the template.
func (a *Authority) Sub(t testing.TB, name string, now time.Time, change func(*x509.Certificate)) *Authority {
	t.Helper()
	template := authority(name, now)
	if change != nil {
		change(template)
	}
	return issue(t, a, newKey(t), template)
}

// Issue makes a qualified certificate for signing; change spoils the template.
func (a *Authority) Issue(t testing.TB, person Person, now time.Time, change func(*x509.Certificate)) *Authority {
	t.Helper()
	return a.IssueTo(t, newKey(t), person, now, change)
}

// IssueTo is Issue for a key of the test's.
func (a *Authority) IssueTo(t testing.TB, key crypto.Signer, person Person, now time.Time, change func(*x509.Certificate)) *Authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{ExtraNames: person},
		NotBefore: now.AddDate(0, -6, 0), NotAfter: now.AddDate(0, 6, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection},
		Policies:    []x509.OID{oid(t, 1, 2, 643, 100, 113, 1)},
	}
	if change != nil {
		change(template)
	}
	return issue(t, a, key, template)
}

// List makes the authority's revocation list from an hour before now until a day after.
func (a *Authority) List(t testing.TB, now time.Time, revoked ...*Authority) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: serial(t), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour)}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.Certificate.SerialNumber, RevocationTime: now.Add(-2 * time.Hour)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.Certificate, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Raw is the certificate in DER.
func (a *Authority) Raw() []byte { return a.Certificate.Raw }

func authority(name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// issue signs a template by an authority, or by itself.
func issue(t testing.TB, by *Authority, key crypto.Signer, template *x509.Certificate) *Authority {
	t.Helper()
	if template.SerialNumber == nil {
		template.SerialNumber = serial(t)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Certificate, by.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Authority{c, key}
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1))
}

func oid(t testing.TB, arcs ...uint64) x509.OID {
	t.Helper()
	id, err := x509.OIDFromInts(arcs)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
