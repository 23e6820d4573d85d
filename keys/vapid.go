package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"time"
)

// vapidLife is how long a token to a push service lives. It is made anew for every message, so only clocks that differ need any
// of it; a day is the most that is allowed (RFC 8292 §2).
const vapidLife = time.Hour

// VAPID is the key by which push services know this provider (RFC 8292). Browsers subscribe to messages of one key and of no
// other, so it is not rotated: it is derived from the index key, which stays too, and every node has the same.
type VAPID struct {
	signer Signer
	public string
}

// newVAPID derives the key: 384 bits reduced to a scalar of P-256 without a bias that matters (FIPS 186-5 §A.2.1).
func newVAPID(index Secret) (*VAPID, error) {
	seed, err := hkdf.Key(sha256.New, []byte(index.Reveal()), nil, "vhod vapid v1", 48)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of push messages: %w", err)
	}
	one := big.NewInt(1)
	scalar := new(big.Int).SetBytes(seed)
	scalar.Mod(scalar, new(big.Int).Sub(elliptic.P256().Params().N, one)).Add(scalar, one)
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar.FillBytes(make([]byte, 32)))
	if err != nil {
		return nil, fmt.Errorf("deriving the key of push messages: %w", err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("deriving the key of push messages: %w", err)
	}
	signer, err := newSoftSigner(ES256, private)
	return &VAPID{signer: signer, public: base64.RawURLEncoding.EncodeToString(point)}, err
}

// VAPID is the key by which push services know this provider.
func (s *Sealer) VAPID() *VAPID { return s.vapid }

// Public is what a browser subscribes by, applicationServerKey: the uncompressed point in base64url.
func (v *VAPID) Public() string { return v.public }

// Authorization is the header of a message to a push service of this origin, by the scheme vapid (RFC 8292 §3). contact is an
// https or mailto address at which its operators reach ours; empty for none.
func (v *VAPID) Authorization(ctx context.Context, origin, contact string, now time.Time) (string, error) {
	claims, err := json.Marshal(struct {
		Audience string `json:"aud"`
		Expiry   int64  `json:"exp"`
		Contact  string `json:"sub,omitempty"`
	}{origin, now.Add(vapidLife).Unix(), contact})
	if err != nil {
		return "", fmt.Errorf("encoding the claims of a push message: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + encode(claims)
	signature, err := v.signer.Sign(ctx, []byte(input))
	if err != nil {
		return "", fmt.Errorf("signing a push message: %w", err)
	}
	return "vapid t=" + input + "." + encode(signature) + ", k=" + v.public, nil
}
