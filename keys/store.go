package keys

import (
	"context"
	"time"
)

// Algorithm is a JWS signature algorithm that we issue with (RFC 7518 §3.1, RFC 8037).
type Algorithm string

// The algorithms of the ring.
const (
	RS256 Algorithm = "RS256"
	PS256 Algorithm = "PS256"
	ES256 Algorithm = "ES256"
	EdDSA Algorithm = "EdDSA"
)

// StoredKey is one signing key at rest. Its state follows from its dates: next before ActiveFrom,
// current until RetiredAt, retired after it, and never forgotten, so that old signatures can be checked.
type StoredKey struct {
	ID         string    // the JWK thumbprint (RFC 7638), the kid of tokens
	Algorithm  Algorithm //
	Public     []byte    // PKIX, DER
	Private    []byte    // PKCS #8, DER, sealed; empty when a hardware module holds it or once it is retired and destroyed
	CreatedAt  time.Time
	ActiveFrom time.Time // signs from here on
	RetiredAt  time.Time // signs no more; zero while it is next or current
	HiddenAt   time.Time // no longer in the JWKS (still known to Historic); zero while published
}

// Store keeps the ring. Every node reads the same one.
type Store interface {
	// SigningKeys returns all keys, the retired ones too, oldest first.
	SigningKeys(ctx context.Context) ([]StoredKey, error)
	// UpdateSigningKeys runs change on the present keys and stores what it returns, in one
	// transaction that no other node's change can cross. The closure may run twice and does no I/O.
	UpdateSigningKeys(ctx context.Context, change func([]StoredKey) ([]StoredKey, error)) error
}
