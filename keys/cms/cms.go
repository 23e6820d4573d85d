// Package cms verifies an electronic signature: a CMS message over a content that we issued, by a
// qualified certificate that leads to a root that we trust.
//
// A signature is believed only when everything about it is as it should be: one signer, signed attributes,
// algorithms of the allow-list, a chain to a configured root, and a current revocation list of every
// issuer in it. Nothing is fetched while a signature is verified: an address that stands in somebody's
// certificate is never followed. What the package does not do: time stamps, OCSP, delta and indirect
// revocation lists, name constraints (a chain that has them is refused).
//
// Sources: RFC 5652 (CMS), RFC 5035 (the signer's certificate among the signed attributes), RFC 5280
// (chains and revocation lists), RFC 9215 (GOST in certificates), RFC 5126 (CAdES), and the order of the
// Federal Security Service No. 795 of 27.12.2011 (the subject of a qualified certificate).
package cms

import "fmt"

// Limits of what is looked at. A message of a few certificates takes some ten kilobytes.
const (
	MaxMessage = 256 << 10 // bytes, armour included
	maxDepth   = 32        // nesting of ASN.1 values
	maxCerts   = 16        // certificates in a message
	maxPath    = 5         // certificates between the signer and the root, both included
	maxChecks  = 16        // signatures of certificates and lists verified for one message
)

// Reason is why a signature is refused, for whoever has to say it to a person.
type Reason string

// The reasons.
const (
	Malformed      Reason = "malformed"       // no CMS message with a signature
	TooLarge       Reason = "too-large"       // more than MaxMessage
	Signers        Reason = "signers"         // not exactly one signer
	NoCertificate  Reason = "no-certificate"  // the signer's certificate is not in the message
	BadCertificate Reason = "bad-certificate" // a certificate does not parse
	Attributes     Reason = "attributes"      // signed attributes are absent, repeated or wrong
	OtherContent   Reason = "other-content"   // the signature is over something else
	WrongSignature Reason = "wrong-signature" // the signature does not verify
	WeakAlgorithm  Reason = "weak-algorithm"  // an algorithm or key that is not believed
	WrongTime      Reason = "wrong-time"      // the signing time is far from now
	Untrusted      Reason = "untrusted"       // no chain to a trusted root
	Expired        Reason = "expired"         // a certificate of the chain has ended
	NotYetValid    Reason = "not-yet-valid"   // a certificate of the chain has not begun
	Revoked        Reason = "revoked"         // a certificate of the chain is revoked
	UnknownRevoked Reason = "unknown-revoked" // no current revocation list of an issuer
	WrongUsage     Reason = "wrong-usage"     // the certificate is not for signing
	NotQualified   Reason = "not-qualified"   // no policy of a qualified certificate
	WrongSubject   Reason = "wrong-subject"   // the subject's attributes are absent, repeated or malformed
)

// Refusal says why a signature is not believed. Detail is for the operator: it names fields, algorithms
// and issuers, never the person.
type Refusal struct {
	Reason Reason
	Detail string
	// Certificate is the SHA-256 of the signer's certificate, hexadecimal, when its key did sign the
	// content: whoever was refused holds the key. Empty otherwise.
	Certificate string
}

func (r Refusal) Error() string { return "signature refused: " + string(r.Reason) + ": " + r.Detail }

func refuse(reason Reason, format string, args ...any) error {
	return Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
