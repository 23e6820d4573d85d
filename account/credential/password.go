package credential

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/vhod-id/vhod/keys"
)

// Password is a stored password: a PHC string of argon2id and when it was set.
type Password struct {
	Hash  string // $argon2id$v=19$m=…,t=…,p=…,keyid=…$salt$hash; empty when the account has no password
	SetAt time.Time
}

// Errors of hashing.
var (
	ErrBusy = errors.New("too many passwords are being hashed") // answer 503 with Retry-After
	ErrLong = errors.New("password is too long to hash")
	// ErrPepper says that a hash was made with a pepper that is not at hand. Without it nobody knows what is right.
	ErrPepper = errors.New("the password was hashed with a pepper that is not configured")
)

// maxPassword is the longest input that is hashed, in bytes: far above any password, far below an attack.
const maxPassword = 1024

// HasherConfig is the cost of a hash and the size of the pool.
type HasherConfig struct {
	MemoryKiB  uint32      // 19456 when zero (OWASP's least for argon2id with t=2)
	Iterations uint32      // 2 when zero
	Parallel   int         // hashes at one time; the number of cores when zero
	Queue      int         // waiting behind them; 64 when zero
	Pepper     keys.Secret // mixed into every hash; lives outside the database
	// Former are peppers of before, by which hashes are verified until they are made anew.
	Former []keys.Secret
}

// Hasher hashes passwords with argon2id (RFC 9106) in a bounded pool, so that a flood of sign-ins starves
// neither memory nor the token endpoint (G10).
type Hasher struct {
	cfg     HasherConfig
	slots   chan struct{}
	waiting atomic.Int64
	dummy   string                 // a hash of nothing known, checked for unknown identifiers
	peppers map[string]keys.Secret // by their id; that of no pepper is empty
	count   atomic.Int64
}

const (
	saltLen = 16
	hashLen = 32
)

// NewHasher makes a pool.
func NewHasher(cfg HasherConfig) *Hasher {
	if cfg.MemoryKiB == 0 {
		cfg.MemoryKiB = 19 * 1024
	}
	if cfg.Iterations == 0 {
		cfg.Iterations = 2
	}
	if cfg.Parallel == 0 {
		cfg.Parallel = runtime.GOMAXPROCS(0)
	}
	if cfg.Queue == 0 {
		cfg.Queue = 64
	}
	h := &Hasher{cfg: cfg, slots: make(chan struct{}, cfg.Parallel), peppers: map[string]keys.Secret{"": {}}}
	for _, pepper := range append(slices.Clone(cfg.Former), cfg.Pepper) {
		h.peppers[pepperID(pepper)] = pepper
	}
	h.dummy = h.encode(randomBytes(saltLen), randomBytes(hashLen))
	return h
}

// Hash returns the PHC string of a password. It waits for a place in the pool; ErrBusy when the queue is full.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := randomBytes(saltLen)
	sum, err := h.derive(ctx, peppered(h.cfg.Pepper, password), salt, h.cfg.MemoryKiB, h.cfg.Iterations)
	if err != nil {
		return "", err
	}
	return h.encode(salt, sum), nil
}

// Verify reports whether the password is right, and whether its hash should be made anew because the cost
// or the pepper has changed. An empty hash takes as long as any and is never right.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (right, stale bool, err error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	was, err := decode(hash)
	if err != nil {
		return false, false, err
	}
	pepper, there := h.peppers[was.keyID]
	sum, err := h.derive(ctx, peppered(pepper, password), was.salt, was.memory, was.iterations)
	if errors.Is(err, ErrLong) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	if !there {
		return false, false, ErrPepper
	}
	right = subtle.ConstantTimeCompare(sum, was.sum) == 1 && known
	return right, was.memory != h.cfg.MemoryKiB || was.iterations != h.cfg.Iterations || was.keyID != pepperID(h.cfg.Pepper), nil
}

// peppered is what is hashed: the password in one spelling (NFC), mixed with the pepper. What is too long stays too long.
func peppered(pepper keys.Secret, password string) []byte {
	if len(password) > maxPassword {
		return nil
	}
	secret := norm.NFC.Append([]byte{}, []byte(password)...)
	if pepper.IsZero() {
		return secret
	}
	mac := hmac.New(sha256.New, []byte(pepper.Reveal()))
	mac.Write(secret)
	return mac.Sum(nil)
}

// pepperID names a pepper in the hashes that it is mixed into, and tells nothing of it.
func pepperID(pepper keys.Secret) string {
	if pepper.IsZero() {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(pepper.Reveal()))
	mac.Write([]byte("vhod: the id of a pepper"))
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil)[:6])
}

// Count returns how many hashes were computed, for tests and metrics.
func (h *Hasher) Count() int64 { return h.count.Load() }

// derive computes one hash when the pool has a place.
func (h *Hasher) derive(ctx context.Context, secret, salt []byte, memory, iterations uint32) ([]byte, error) {
	if secret == nil {
		return nil, ErrLong
	}
	if h.waiting.Add(1) > int64(h.cfg.Queue+h.cfg.Parallel) {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	h.count.Add(1)
	return argon2.IDKey(secret, salt, iterations, memory, 1, hashLen), nil
}

// stored is a PHC string, taken apart. Its keyid is that of argon2's specification: which pepper was mixed in.
type stored struct {
	memory, iterations uint32
	keyID              string
	salt, sum          []byte
}

func (h *Hasher) encode(salt, sum []byte) string {
	enc, id := base64.RawStdEncoding, pepperID(h.cfg.Pepper)
	if id != "" {
		id = ",keyid=" + id
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1%s$%s$%s", argon2.Version, h.cfg.MemoryKiB, h.cfg.Iterations, id,
		enc.EncodeToString(salt), enc.EncodeToString(sum))
}

// Bounds of a stored cost: what we never write we do not compute, whoever wrote the row.
const (
	maxMemoryKiB  = 1 << 20
	maxIterations = 32
)

func decode(phc string) (s stored, err error) {
	bad := errors.New("stored password hash has an unknown form")
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return stored{}, bad
	}
	cost, id, _ := strings.Cut(parts[3], ",keyid=")
	if _, err := fmt.Sscanf(cost, "m=%d,t=%d,p=1", &s.memory, &s.iterations); err != nil || s.memory > maxMemoryKiB || s.iterations > maxIterations || s.memory < 8 || s.iterations < 1 {
		return stored{}, bad
	}
	s.keyID = id
	var err1, err2 error
	s.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	s.sum, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(s.sum) != hashLen {
		return stored{}, bad
	}
	return s, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
