package cms

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// Object identifiers of a message and its attributes.
var (
	oidData               = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidSigningCertificate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
)

// message is a SignedData with its one signer (RFC 5652 §5).
type message struct {
	version      int
	digests      []byte // the set, as it came
	content      []byte // nil: detached
	certificates [][]byte
	signerRaw    []byte
	signer       signerInfo
	attributes   attributes
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version      int
	Digests      []asn1.RawValue `asn1:"set"`
	Content      encapsulated
	Certificates asn1.RawValue   `asn1:"optional,tag:0"`
	Lists        asn1.RawValue   `asn1:"optional,tag:1"`
	Signers      []asn1.RawValue `asn1:"set"`
}

type encapsulated struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"optional,explicit,tag:0"`
}

type signerInfo struct {
	Version    int
	ID         asn1.RawValue
	Digest     pkix.AlgorithmIdentifier
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
	Algorithm  pkix.AlgorithmIdentifier
	Signature  []byte
	Unsigned   asn1.RawValue `asn1:"optional,tag:1"`
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

// parseMessage reads a message of whatever armour, to the point where keys are needed.
func parseMessage(armoured []byte) (*message, error) {
	ber, err := bare(armoured)
	if err != nil {
		return nil, err
	}
	der, err := normalise(ber)
	if err != nil {
		return nil, err
	}
	var info contentInfo
	if !whole(der, &info) || !info.Type.Equal(oidSignedData) {
		return nil, refuse(Malformed, "no SignedData")
	}
	var data signedData
	if !whole(info.Content.Bytes, &data) {
		return nil, refuse(Malformed, "broken SignedData")
	}
	if len(data.Signers) != 1 {
		return nil, refuse(Signers, "%d signers", len(data.Signers))
	}
	m := new(message)
	m.signerRaw, m.version = data.Signers[0].Bytes, data.Version
	for _, each := range data.Digests {
		m.digests = append(m.digests, each.FullBytes...)
	}
	if !whole(data.Signers[0].FullBytes, &m.signer) {
		return nil, refuse(Malformed, "broken SignerInfo")
	}
	if m.content, err = data.Content.bytes(); err != nil {
		return nil, err
	}
	if m.certificates, err = split(data.Certificates.Bytes); err != nil {
		return nil, err
	}
	m.attributes, err = parseAttributes(m.signer.Attributes.Bytes)
	return m, err
}

// attach makes the message again with the content in it (RFC 5652 §5.2: where the content stands changes nothing of what is signed), with
// these certificates, and without attributes that are not signed.
func (m *message) attach(content []byte, certificates []*certificate) []byte {
	var chain []byte
	for _, c := range certificates {
		chain = append(chain, c.Raw...)
	}
	signer := m.signerRaw[:len(m.signerRaw)-len(m.signer.Unsigned.FullBytes)]
	data := value(tagSequence,
		marshal(m.version), value(tagSet, m.digests),
		value(tagSequence, marshal(oidData), value(tagExplicit, value(tagOctets, content))),
		value(tagExplicit, chain), value(tagSet, value(tagSequence, signer)))
	return value(tagSequence, marshal(oidSignedData), value(tagExplicit, data))
}

// whole reads one value that is all there is.
func whole(der []byte, into any) bool {
	rest, err := asn1.Unmarshal(der, into)
	return err == nil && len(rest) == 0
}

// bytes is the attached content, nil when there is none.
func (e encapsulated) bytes() ([]byte, error) {
	if !e.Type.Equal(oidData) {
		return nil, refuse(Malformed, "the content is no data but %s", e.Type)
	}
	if len(e.Content.FullBytes) == 0 { // nothing attached
		return nil, nil
	}
	content := []byte{}
	if !whole(e.Content.Bytes, &content) {
		return nil, refuse(Malformed, "the content is no octet string")
	}
	return content, nil
}

// split takes values apart that stand one after another.
func split(in []byte) ([][]byte, error) {
	var out [][]byte
	for len(in) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(in, &v)
		if err != nil {
			return nil, refuse(Malformed, "broken certificates")
		}
		if len(out) == maxCerts {
			return nil, refuse(TooLarge, "more than %d certificates", maxCerts)
		}
		if v.Class == asn1.ClassUniversal && v.Tag == asn1.TagSequence { // others are attribute certificates
			out = append(out, v.FullBytes)
		}
		in = rest
	}
	return out, nil
}

// isOf reports whether the certificate is the one that the message names.
func (s *signerInfo) isOf(c *certificate) bool {
	if s.ID.Class == asn1.ClassContextSpecific && s.ID.Tag == 0 { // [0] subjectKeyIdentifier
		return len(s.ID.Bytes) > 0 && bytes.Equal(s.ID.Bytes, c.SubjectKeyId)
	}
	var id issuerAndSerial
	return whole(s.ID.FullBytes, &id) && bytes.Equal(id.Issuer.FullBytes, c.RawIssuer) && id.Serial.Cmp(c.SerialNumber) == 0
}

// attributes are the signed ones that are looked at.
type attributes struct {
	digest      []byte
	time        time.Time
	certificate *essCertificate // nil: absent
}

// essCertificate is ESSCertIDv2 (RFC 5035 §4).
type essCertificate struct {
	Algorithm pkix.AlgorithmIdentifier `asn1:"optional"`
	Hash      []byte
	Issuer    asn1.RawValue `asn1:"optional"`
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// parseAttributes reads the signed attributes: without them a signature over some attributes could be
// shown as one over a content that looks like them.
func parseAttributes(in []byte) (attributes, error) {
	var a attributes
	var contentType asn1.ObjectIdentifier
	seen := make(map[string]bool)
	for len(in) > 0 {
		var one attribute
		rest, err := asn1.Unmarshal(in, &one)
		if err != nil || len(one.Values) != 1 || seen[one.Type.String()] {
			return a, refuse(Attributes, "broken, repeated or of several values")
		}
		in, seen[one.Type.String()] = rest, true
		value, ok := one.Values[0].FullBytes, true
		switch {
		case one.Type.Equal(oidContentType):
			ok = whole(value, &contentType)
		case one.Type.Equal(oidMessageDigest):
			ok = whole(value, &a.digest)
		case one.Type.Equal(oidSigningTime):
			ok = whole(value, &a.time)
		case one.Type.Equal(oidSigningCertificate):
			a.certificate, ok = parseSigningCertificate(value)
		}
		if !ok {
			return a, refuse(Attributes, "%s does not parse", one.Type)
		}
	}
	switch {
	case !contentType.Equal(oidData):
		return a, refuse(Attributes, "no content type, or another one than data")
	case len(a.digest) == 0:
		return a, refuse(Attributes, "no message digest")
	case a.time.IsZero():
		return a, refuse(Attributes, "no signing time")
	}
	return a, nil
}

func parseSigningCertificate(der []byte) (*essCertificate, bool) {
	var value struct {
		Certificates []asn1.RawValue
		Policies     asn1.RawValue `asn1:"optional"`
	}
	if !whole(der, &value) || len(value.Certificates) == 0 {
		return nil, false
	}
	first := new(essCertificate)
	return first, whole(value.Certificates[0].FullBytes, first)
}
