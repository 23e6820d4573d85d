package cms

import (
	"bytes"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"time"
)

// Signer is who signed, as a certificate that leads to a trusted root says it.
type Signer struct {
	Subject     Subject
	Issuer      string // common name of the authority that issued the certificate
	Serial      string // serial number, hexadecimal
	Fingerprint string // SHA-256 of the certificate, hexadecimal
	Algorithm   string // "GOST R 34.10-2012 256", "RSA", …
	Digest      string // "Streebog-256", "SHA-256", …
	NotBefore   time.Time
	NotAfter    time.Time
	SignedAt    time.Time // as the signer's own clock has it
	CAdES       bool      // the certificate is among the signed attributes
	// Message is the signature in DER with the content in it, so that anybody can verify it again: the certificates of the chain that came
	// with it, and nothing that was not signed beside them.
	Message []byte
}

// Verify returns who signed the content: message is a CMS SignedData in DER, BER, PEM or base64, with the
// content attached or not. What is attached is compared with content, and never used instead of it. Any
// doubt is a Refusal.
func (t *Trust) Verify(message, content []byte, at time.Time) (*Signer, error) {
	m, err := parseMessage(message)
	if err != nil {
		return nil, err
	}
	signer, others, err := m.parties(t.known)
	if err != nil {
		return nil, err
	}
	d, err := m.signed(signer, content)
	if err != nil {
		return nil, err
	}
	print := hex.EncodeToString(signer.print[:])
	subject, err := t.judge(m, signer, others, at)
	if err != nil {
		var refused Refusal
		if errors.As(err, &refused) {
			refused.Certificate = print
			return nil, refused
		}
		return nil, err
	}
	return &Signer{
		Subject: subject, Issuer: signer.Issuer.CommonName, Serial: hex.EncodeToString(signer.SerialNumber.Bytes()),
		Fingerprint: print, Algorithm: string(signer.key.family), Digest: d.name,
		NotBefore: signer.NotBefore, NotAfter: signer.NotAfter, SignedAt: m.attributes.time, CAdES: m.attributes.certificate != nil,
		Message: m.attach(content, append([]*certificate{signer}, others...)),
	}, nil
}

// judge decides whether a signer is believed whose key did sign the content, and reads who it is.
func (t *Trust) judge(m *message, signer *certificate, others []*certificate, at time.Time) (Subject, error) {
	if err := t.attributes(m, signer, at); err != nil {
		return Subject{}, err
	}
	if err := signer.maySignIn(); err != nil {
		return Subject{}, err
	}
	if err := t.chain(signer, others, at); err != nil {
		return Subject{}, err
	}
	return parseSubject(signer.RawSubject)
}

// parties finds the signer's certificate among those of the message and the known ones. Another one of the
// message that we cannot use is passed over: it may be of a chain that we do not need.
func (m *message) parties(known []*certificate) (signer *certificate, others []*certificate, err error) {
	var unusable error = refuse(NoCertificate, "the signer's certificate is not in the message")
	for _, der := range m.certificates {
		c, err := parseCertificate(der)
		switch {
		case err != nil:
			unusable = err
		case signer == nil && m.signer.isOf(c):
			signer = c
		default:
			others = append(others, c)
		}
	}
	for _, c := range known {
		if signer == nil && m.signer.isOf(c) {
			signer = c
		}
	}
	if signer == nil {
		return nil, nil, unusable
	}
	return signer, others, nil
}

// signed checks that the signer's key signed this content: its digest stands among the signed attributes,
// and the signature is over them (RFC 5652 §5.4).
func (m *message) signed(signer *certificate, content []byte) (digest, error) {
	if m.content != nil && !bytes.Equal(m.content, content) {
		return digest{}, refuse(OtherContent, "the attached content is another one")
	}
	s, d, err := algorithmOf(m.signer.Algorithm.Algorithm, m.signer.Digest.Algorithm.String())
	if err != nil {
		return d, err
	}
	if s.family != signer.key.family {
		return d, refuse(WeakAlgorithm, "a signature of %s by a key of %s", s.family, signer.key.family)
	}
	if subtle.ConstantTimeCompare(m.attributes.digest, sum(d, content)) != 1 {
		return d, refuse(OtherContent, "the digest is of another content")
	}
	signed := bytes.Clone(m.signer.Attributes.FullBytes)
	signed[0] = 0x31 // SET OF in place of [0]: what is signed is the set itself
	if !signer.key.verify(d, signed, m.signer.Signature) {
		return d, refuse(WrongSignature, "by %s over %s", s.family, d.name)
	}
	return d, nil
}

// attributes checks the signed attributes by our clock and policy.
func (t *Trust) attributes(m *message, signer *certificate, at time.Time) error {
	a := m.attributes
	if off := at.Sub(a.time).Abs(); t.skew > 0 && off > t.skew {
		return refuse(WrongTime, "signed %s away from now", off.Round(time.Second))
	}
	if a.certificate == nil {
		if t.cades {
			return refuse(Attributes, "the certificate is not among the signed attributes")
		}
		return nil
	}
	oid := oidSHA256
	if len(a.certificate.Algorithm.Algorithm) > 0 {
		oid = a.certificate.Algorithm.Algorithm.String()
	}
	d, known := digests[oid]
	if !known || !bytes.Equal(a.certificate.Hash, sum(d, signer.Raw)) {
		return refuse(Attributes, "the signed attributes name another certificate")
	}
	return nil
}
