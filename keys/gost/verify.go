package gost

import (
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
)

// Algorithm identifiers of keys and digests (RFC 9215 §2, RFC 7836 §5).
var (
	OIDKey256    = asn1.ObjectIdentifier{1, 2, 643, 7, 1, 1, 1, 1}
	OIDKey512    = asn1.ObjectIdentifier{1, 2, 643, 7, 1, 1, 1, 2}
	OIDDigest256 = asn1.ObjectIdentifier{1, 2, 643, 7, 1, 1, 2, 2}
	OIDDigest512 = asn1.ObjectIdentifier{1, 2, 643, 7, 1, 1, 2, 3}
)

// What may be wrong with a public key.
var (
	ErrNotGOST = errors.New("gost: not a key of GOST R 34.10-2012")
	ErrKey     = errors.New("gost: malformed public key")
	ErrCurve   = errors.New("gost: curve that is not of the standard")
)

// PublicKey verifies signatures of one key. It is made by ParsePublicKey.
type PublicKey struct {
	curve *curve
	point *point
}

// Size is 32 for a key of 256 bits and 64 for one of 512: the length of the digests that it signs.
func (k *PublicKey) Size() int { return k.curve.size }

type subjectPublicKeyInfo struct {
	Algorithm struct {
		Algorithm  asn1.ObjectIdentifier
		Parameters struct {
			Curve  asn1.ObjectIdentifier
			Digest asn1.ObjectIdentifier `asn1:"optional"`
		} `asn1:"optional"`
	}
	Key asn1.BitString
}

// ParsePublicKey reads a DER SubjectPublicKeyInfo of a certificate (RFC 9215 §4). It returns ErrNotGOST for
// another algorithm, ErrCurve for a parameter set that we do not know, one of the wrong size or with
// another digest, and ErrKey for what is no point of the prime order group.
func ParsePublicKey(der []byte) (*PublicKey, error) {
	var outer struct {
		Algorithm struct {
			Algorithm  asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Key asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 {
		return nil, ErrKey
	}
	size, digest := Size256, OIDDigest256
	switch {
	case outer.Algorithm.Algorithm.Equal(OIDKey256):
	case outer.Algorithm.Algorithm.Equal(OIDKey512):
		size, digest = Size512, OIDDigest512
	default:
		return nil, ErrNotGOST
	}
	var info subjectPublicKeyInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, ErrKey
	}
	parameters := info.Algorithm.Parameters
	c, known := curves[parameters.Curve.String()]
	if !known || c.size != size || (len(parameters.Digest) > 0 && !parameters.Digest.Equal(digest)) {
		return nil, ErrCurve
	}
	return newPublicKey(c, info.Key)
}

// newPublicKey reads X and Y, each with the lowest byte first, out of an OCTET STRING in the BIT STRING.
func newPublicKey(c *curve, bits asn1.BitString) (*PublicKey, error) {
	var raw []byte
	if rest, err := asn1.Unmarshal(bits.Bytes, &raw); err != nil || len(rest) > 0 || bits.BitLength%8 != 0 || len(raw) != 2*c.size {
		return nil, ErrKey
	}
	x, y := little(raw[:c.size]), little(raw[c.size:])
	if x.Cmp(c.p) >= 0 || y.Cmp(c.p) >= 0 || !c.has(x, y) {
		return nil, ErrKey
	}
	p := affine(x, y)
	if c.cofactor != 1 && !c.combine(c.q, p, new(big.Int), p).isInfinity() { // outside of the subgroup
		return nil, ErrKey
	}
	return &PublicKey{curve: c, point: p}, nil
}

// Verify reports whether signature is the key's over a digest (RFC 7091 §6.2). The digest is what Streebog
// of the key's size gives, the signature is s and then r, each with the highest byte first, as certificates
// and CMS carry it.
func (k *PublicKey) Verify(digest, signature []byte) bool {
	c := k.curve
	if len(digest) != c.size || len(signature) != 2*c.size {
		return false
	}
	s, r := new(big.Int).SetBytes(signature[:c.size]), new(big.Int).SetBytes(signature[c.size:])
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(c.q) >= 0 || s.Cmp(c.q) >= 0 {
		return false
	}
	e := little(digest)
	if e.Mod(e, c.q).Sign() == 0 {
		e.SetInt64(1)
	}
	v := e.ModInverse(e, c.q)
	z1 := new(big.Int).Mul(s, v)
	z2 := new(big.Int).Mul(new(big.Int).Neg(r), v)
	sum := c.combine(z1.Mod(z1, c.q), affine(c.x, c.y), z2.Mod(z2, c.q), k.point)
	if sum.isInfinity() {
		return false
	}
	x := c.affineX(sum)
	return x.Mod(x, c.q).Cmp(r) == 0
}

// little reads a number whose lowest byte stands first.
func little(raw []byte) *big.Int {
	turned := slices.Clone(raw)
	slices.Reverse(turned)
	return new(big.Int).SetBytes(turned)
}
