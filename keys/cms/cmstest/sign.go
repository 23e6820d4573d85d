package cmstest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"
)

// Signature is how a message is made. The zero value with a Signer and a Content is a right, detached one.
type Signature struct {
	Signer   *Authority
	Content  []byte
	At       time.Time // signing time
	Attached []byte    // content to put into the message
	Chain    []*Authority
	Times    int                           // how often the signer stands in it, 0: once; -1: not at all
	Change   func([]Attribute) []Attribute // spoils the signed attributes
	Digest   asn1.ObjectIdentifier         // stated digest, SHA-256 when empty
	Scheme   asn1.ObjectIdentifier         // stated signature algorithm
	Unsigned bool                          // puts the attributes among the unsigned ones
}

// Attribute of a signer.
type Attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// OIDs of the signed attributes, and of algorithms.
var (
	OIDContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	OIDMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	OIDSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	OIDSHA1          = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}

	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidSHA256     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidECDSA      = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidRSA        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
)

// AttributeOf is an attribute of one value.
func AttributeOf(t testing.TB, oid asn1.ObjectIdentifier, value any) Attribute {
	t.Helper()
	return Attribute{oid, []asn1.RawValue{{FullBytes: der(t, value)}}}
}

// Sign makes the message in DER.
func Sign(t testing.TB, s Signature) []byte {
	t.Helper()
	var signers []byte
	times := s.Times
	if times == 0 {
		times = 1
	}
	for range max(0, times) {
		signers = append(signers, s.signerInfo(t)...)
	}
	content := der(t, oidData)
	if s.Attached != nil {
		content = append(content, wrap(0xa0, der(t, s.Attached))...)
	}
	var certificates []byte
	for _, c := range append([]*Authority{s.Signer}, s.Chain...) {
		certificates = append(certificates, c.Raw()...)
	}
	data := slices.Concat(der(t, 1), wrap(0x31, wrap(0x30, der(t, s.digest()))), wrap(0x30, content),
		wrap(0xa0, certificates), wrap(0x31, signers))
	return wrap(0x30, slices.Concat(der(t, oidSignedData), wrap(0xa0, wrap(0x30, data))))
}

func (s Signature) signerInfo(t testing.TB) []byte {
	t.Helper()
	sum := sha256.Sum256(s.Content)
	attributes := []Attribute{
		AttributeOf(t, OIDContentType, oidData),
		AttributeOf(t, OIDMessageDigest, sum[:]),
		AttributeOf(t, OIDSigningTime, s.At.UTC()),
	}
	if s.Change != nil {
		attributes = s.Change(attributes)
	}
	var encoded [][]byte
	for _, a := range attributes {
		encoded = append(encoded, der(t, a))
	}
	slices.SortFunc(encoded, bytes.Compare) // DER of a SET OF
	set := slices.Concat(encoded...)
	sum = sha256.Sum256(wrap(0x31, set))
	signature, err := s.Signer.Key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	scheme := oidECDSA
	if _, ok := s.Signer.Key.(*rsa.PrivateKey); ok {
		scheme = oidRSA
	}
	if s.Scheme != nil {
		scheme = s.Scheme
	}
	id := der(t, struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}{asn1.RawValue{FullBytes: s.Signer.Certificate.RawIssuer}, s.Signer.Certificate.SerialNumber})
	signed, unsigned := wrap(0xa0, set), []byte(nil)
	if s.Unsigned {
		signed, unsigned = nil, wrap(0xa1, set)
	}
	return wrap(0x30, slices.Concat(der(t, 1), id, wrap(0x30, der(t, s.digest())), signed,
		wrap(0x30, der(t, scheme)), der(t, signature), unsigned))
}

func (s Signature) digest() asn1.ObjectIdentifier {
	if s.Digest != nil {
		return s.Digest
	}
	return oidSHA256
}

func der(t testing.TB, value any) []byte {
	t.Helper()
	out, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wrap puts a tag and a length before contents.
func wrap(tag byte, contents []byte) []byte {
	n := len(contents)
	switch {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, contents...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, contents...)
	case n < 0x10000:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, contents...)
	}
	return append([]byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, contents...)
}
