package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash/crc32"
	"math/big"
	"strings"
)

// Prefixes of the bearer values that people and services keep. A scanner finds a leaked one by its
// prefix and checks it by its checksum, without asking us.
const (
	PrefixClientSecret   = "vhcs" // a client's secret
	PrefixRefreshToken   = "vhrt" // a refresh token
	PrefixActivationCode = "vhac" // an activation code issued for a person
	PrefixAPIKey         = "vhak" // an administrator's API key
	PrefixRegistration   = "vhrg" // an initial or registration access token
)

const (
	base62        = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	tokenBodyLen  = 43 // 43 base-62 digits hold 256 bits
	tokenCheckLen = 6  // 6 base-62 digits hold a CRC-32
)

// NewToken makes a bearer value of 256 random bits: PREFIX_, 43 base-62 digits, and six more that
// hold the CRC-32 of all that stands before them.
func NewToken(prefix string) string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // crypto/rand.Read never fails: it ends the program instead
	return tokenOf(prefix, raw)
}

// TokenAfter makes the bearer value that follows another: the same one each time, which nobody can foretell who lacks the sealer's
// key or the value before it.
func (s *Sealer) TokenAfter(prefix, before string) string {
	return tokenOf(prefix, [32]byte(s.mac("token-after/"+prefix, before)))
}

func tokenOf(prefix string, bits [32]byte) string {
	body := prefix + "_" + encode62(new(big.Int).SetBytes(bits[:]), tokenBodyLen)
	return body + checksum62(body)
}

// CheckToken reports whether s has the form of a token with that prefix and a right checksum. It
// says nothing of whether the token was ever issued.
func CheckToken(prefix, s string) bool {
	if len(s) != len(prefix)+1+tokenBodyLen+tokenCheckLen || !strings.HasPrefix(s, prefix+"_") {
		return false
	}
	cut := len(s) - tokenCheckLen
	return checksum62(s[:cut]) == s[cut:]
}

// RandomID makes an identifier of 128 random bits in 22 characters of base64url. It is an
// identifier, not a secret kept by somebody: it needs no prefix.
func RandomID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// RandomHandle makes a secret handle of 256 random bits in 43 characters of base64url: cookies,
// codes, request URIs.
func RandomHandle() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// Hash is how a bearer value with at least 128 bits of its own is kept: SHA-256 in base64url. Short
// codes go under Sealer.Index instead, whose key an owner of the database does not have.
func Hash(bearer string) string {
	sum := sha256.Sum256([]byte(bearer))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func checksum62(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	return encode62(new(big.Int).SetUint64(uint64(sum)), tokenCheckLen)
}

func encode62(n *big.Int, width int) string {
	out := make([]byte, width)
	base, digit := big.NewInt(62), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}
