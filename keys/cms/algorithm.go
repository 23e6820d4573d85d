package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"hash"

	"github.com/vhod-id/vhod/keys/gost"
)

// Sizes of RSA keys that are believed, in bits: below it is weak, above it only costs time.
const (
	leastRSA = 2048
	mostRSA  = 8192
)

// digest is a hash of the allow-list.
type digest struct {
	name   string
	new    func() hash.Hash
	crypto crypto.Hash // for RSA
}

// digests by object identifier. SHA-1, MD5 and GOST R 34.11-94 are not among them.
var digests = map[string]digest{
	gost.OIDDigest256.String(): {"Streebog-256", gost.New256, 0},
	gost.OIDDigest512.String(): {"Streebog-512", gost.New512, 0},
	oidSHA256:                  {"SHA-256", sha256.New, crypto.SHA256},
	"2.16.840.1.101.3.4.2.2":   {"SHA-384", sha512.New384, crypto.SHA384},
	"2.16.840.1.101.3.4.2.3":   {"SHA-512", sha512.New, crypto.SHA512},
}

const oidSHA256 = "2.16.840.1.101.3.4.2.1"

// family of a signature algorithm.
type family string

const (
	familyGOST256 family = "GOST R 34.10-2012 256"
	familyGOST512 family = "GOST R 34.10-2012 512"
	familyRSA     family = "RSA"
	familyECDSA   family = "ECDSA"
)

// scheme is a signature algorithm: its keys and, where its name says so, its digest.
type scheme struct {
	family family
	digest string // object identifier; empty: the message says it
}

// schemes by object identifier. RSA is PKCS #1 v1.5, as qualified certificates have it.
var schemes = map[string]scheme{
	gost.OIDKey256.String(): {familyGOST256, ""},
	gost.OIDKey512.String(): {familyGOST512, ""},
	"1.2.643.7.1.1.3.2":     {familyGOST256, gost.OIDDigest256.String()},
	"1.2.643.7.1.1.3.3":     {familyGOST512, gost.OIDDigest512.String()},
	"1.2.840.113549.1.1.1":  {familyRSA, ""},
	"1.2.840.113549.1.1.11": {familyRSA, oidSHA256},
	"1.2.840.113549.1.1.12": {familyRSA, "2.16.840.1.101.3.4.2.2"},
	"1.2.840.113549.1.1.13": {familyRSA, "2.16.840.1.101.3.4.2.3"},
	"1.2.840.10045.4.3.2":   {familyECDSA, oidSHA256},
	"1.2.840.10045.4.3.3":   {familyECDSA, "2.16.840.1.101.3.4.2.2"},
	"1.2.840.10045.4.3.4":   {familyECDSA, "2.16.840.1.101.3.4.2.3"},
}

// algorithmOf says which digest an algorithm signs; stated is the digest of the message, empty in a
// certificate, whose algorithm always names its own.
func algorithmOf(signature asn1.ObjectIdentifier, stated string) (scheme, digest, error) {
	s, known := schemes[signature.String()]
	if !known {
		return s, digest{}, refuse(WeakAlgorithm, "signature algorithm %s", signature)
	}
	if s.digest == "" {
		s.digest = stated
	}
	if stated != "" && s.digest != stated {
		return s, digest{}, refuse(WeakAlgorithm, "signature algorithm %s over digest %s", signature, stated)
	}
	d, known := digests[s.digest]
	if !known {
		return s, digest{}, refuse(WeakAlgorithm, "digest %s", s.digest)
	}
	return s, d, nil
}

// publicKey is a key of a certificate that is believed.
type publicKey struct {
	family family
	verify func(d digest, signed, signature []byte) bool
}

// publicKeyOf reads the key of a certificate; der is its SubjectPublicKeyInfo, parsed what crypto/x509 made of it.
func publicKeyOf(der []byte, parsed any) (publicKey, error) {
	switch key := parsed.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < leastRSA || bits > mostRSA {
			return publicKey{}, refuse(WeakAlgorithm, "RSA key of %d bits", bits)
		}
		return publicKey{familyRSA, func(d digest, signed, signature []byte) bool {
			return d.crypto != 0 && rsa.VerifyPKCS1v15(key, d.crypto, sum(d, signed), signature) == nil
		}}, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			return publicKey{}, refuse(WeakAlgorithm, "curve P-224")
		}
		return publicKey{familyECDSA, func(d digest, signed, signature []byte) bool {
			return d.crypto != 0 && ecdsa.VerifyASN1(key, sum(d, signed), signature)
		}}, nil
	}
	key, err := gost.ParsePublicKey(der)
	if err != nil {
		return publicKey{}, refuse(WeakAlgorithm, "public key: %v", err)
	}
	f := familyGOST256
	if key.Size() == gost.Size512 {
		f = familyGOST512
	}
	return publicKey{f, func(d digest, signed, signature []byte) bool {
		return d.crypto == 0 && key.Verify(sum(d, signed), signature)
	}}, nil
}

func sum(d digest, message []byte) []byte {
	h := d.new()
	_, _ = h.Write(message)
	return h.Sum(nil)
}
