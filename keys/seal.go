package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"strconv"
	"sync"
)

// ErrSealed says that a sealed value does not open: it was changed, belongs elsewhere, or its
// master key is not among ours.
var ErrSealed = errors.New("sealed value does not open")

// MasterKey is one key of the sealing keyring: an id of 1 to 32 characters and 32 random bytes.
type MasterKey struct {
	ID  string
	Key Secret // 32 raw bytes
}

// Sealer keeps personal data and private keys at rest: authenticated encryption under a keyring of
// named master keys, and keyed hashes by which a sealed value is found again.
//
// The first master key seals; every one opens, so a new key is put first and the old stays until the
// rows were sealed anew. The index key is separate and is not rotated: rows are found by it.
type Sealer struct {
	current string
	aeads   map[string]cipher.AEAD
	macs    sync.Pool // of hash.Hash under the index key, whose preparation costs as much as its use
	vapid   *VAPID
}

// NewSealer derives the working keys from the masters and the index key (each 32 bytes).
func NewSealer(masters []MasterKey, index Secret) (*Sealer, error) {
	if len(masters) == 0 {
		return nil, errors.New("sealing needs at least one master key")
	}
	if len(index.Reveal()) != 32 {
		return nil, fmt.Errorf("the index key has %d bytes, not 32", len(index.Reveal()))
	}
	s := &Sealer{current: masters[0].ID, aeads: make(map[string]cipher.AEAD, len(masters))}
	for _, m := range masters {
		if len(m.ID) == 0 || len(m.ID) > 32 {
			return nil, fmt.Errorf("master key id %q: 1 to 32 characters", m.ID)
		}
		if len(m.Key.Reveal()) != 32 {
			return nil, fmt.Errorf("master key %s has %d bytes, not 32", m.ID, len(m.Key.Reveal()))
		}
		if _, twice := s.aeads[m.ID]; twice {
			return nil, fmt.Errorf("master key %s is named twice", m.ID)
		}
		working, err := hkdf.Key(sha256.New, []byte(m.Key.Reveal()), nil, "vhod seal v1", 32)
		if err != nil {
			return nil, fmt.Errorf("deriving from master key %s: %w", m.ID, err)
		}
		block, err := aes.NewCipher(working)
		if err != nil {
			return nil, fmt.Errorf("master key %s: %w", m.ID, err)
		}
		if s.aeads[m.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("master key %s: %w", m.ID, err)
		}
	}
	key, err := hkdf.Key(sha256.New, []byte(index.Reveal()), nil, "vhod index v1", 32)
	if err != nil {
		return nil, err
	}
	s.macs.New = func() any { return hmac.New(sha256.New, key) }
	s.vapid, err = newVAPID(index)
	return s, err
}

// Format hides the keys under every verb.
func (s *Sealer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the keys from slog.
func (s *Sealer) LogValue() slog.Value { return slog.StringValue(hidden) }

// Seal encrypts plain with AES-256-GCM under the current master key. The place (table, column, row)
// is bound in: what was sealed for one place does not open in another. The form is one byte of
// key-id length, the key id, and the nonce with the ciphertext.
func (s *Sealer) Seal(place string, plain []byte) []byte {
	head := append([]byte{byte(len(s.current))}, s.current...)
	return s.aeads[s.current].Seal(head, nil, plain, []byte(place))
}

// Open returns what was sealed for that place, or ErrSealed.
func (s *Sealer) Open(place string, sealed []byte) ([]byte, error) {
	id, body, ok := splitSealed(sealed)
	if !ok {
		return nil, ErrSealed
	}
	aead, known := s.aeads[id]
	if !known {
		return nil, fmt.Errorf("%w: master key %q is not ours", ErrSealed, id)
	}
	plain, err := aead.Open(nil, nil, body, []byte(place))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Stale reports whether a sealed value is under another than the current master key, so that it
// should be sealed anew.
func (s *Sealer) Stale(sealed []byte) bool {
	id, _, ok := splitSealed(sealed)
	return !ok || id != s.current
}

// Index is the keyed hash by which a personal value or a short code is found: HMAC-SHA-256 over the
// place and the value, in base64url.
func (s *Sealer) Index(place, value string) string {
	return base64.RawURLEncoding.EncodeToString(s.mac(place, value))
}

func (s *Sealer) mac(place, value string) []byte {
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	mac.Write([]byte(strconv.Itoa(len(place)) + ":" + place + ":" + value))
	return mac.Sum(nil)
}

// NewMasterKey makes a fresh key of 32 random bytes.
func NewMasterKey() Secret {
	var raw [32]byte
	_, _ = rand.Read(raw[:])
	return NewSecret(string(raw[:]))
}

func splitSealed(sealed []byte) (id string, body []byte, ok bool) {
	if len(sealed) < 2 || len(sealed) < 1+int(sealed[0]) {
		return "", nil, false
	}
	n := 1 + int(sealed[0])
	return string(sealed[1:n]), sealed[n:], true
}
