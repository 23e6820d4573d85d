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
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/vhod-id/vhod/keys"
)

// Password is a stored password: a PHC string of argon2id and when it was set.
type Password struct {
	Hash  string // $argon2id$v=19$m=…,t=…,p=…$salt$hash; empty when the account has no password
	SetAt time.Time
}

// Errors of hashing.
var (
	ErrBusy = errors.New("too many passwords are being hashed") // answer 503 with Retry-After
	ErrLong = errors.New("password is too long to hash")
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
}

// Hasher hashes passwords with argon2id (RFC 9106) in a bounded pool, so that a flood of sign-ins starves
// neither memory nor the token endpoint (G10).
type Hasher struct {
	cfg     HasherConfig
	slots   chan struct{}
	waiting atomic.Int64
	dummy   string // a hash of nothing known, checked for unknown identifiers
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
	h := &Hasher{cfg: cfg, slots: make(chan struct{}, cfg.Parallel)}
	h.dummy = h.encode(randomBytes(saltLen), randomBytes(hashLen))
	return h
}

// Hash returns the PHC string of a password. It waits for a place in the pool; ErrBusy when the queue is full.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := randomBytes(saltLen)
	sum, err := h.derive(ctx, password, salt, h.cfg.MemoryKiB, h.cfg.Iterations)
	if err != nil {
		return "", err
	}
	return h.encode(salt, sum), nil
}

// Verify reports whether the password is right, and whether its hash should be made anew because the cost
// has changed. An empty hash takes as long as any and is never right.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (right, stale bool, err error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	memory, iterations, salt, want, err := decode(hash)
	if err != nil {
		return false, false, err
	}
	sum, err := h.derive(ctx, password, salt, memory, iterations)
	if errors.Is(err, ErrLong) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	right = subtle.ConstantTimeCompare(sum, want) == 1 && known
	return right, memory != h.cfg.MemoryKiB || iterations != h.cfg.Iterations, nil
}

// Count returns how many hashes were computed, for tests and metrics.
func (h *Hasher) Count() int64 { return h.count.Load() }

// derive computes one hash when the pool has a place.
func (h *Hasher) derive(ctx context.Context, password string, salt []byte, memory, iterations uint32) ([]byte, error) {
	if len(password) > maxPassword {
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
	secret := []byte(norm.NFC.String(password))
	if !h.cfg.Pepper.IsZero() {
		mac := hmac.New(sha256.New, []byte(h.cfg.Pepper.Reveal()))
		mac.Write(secret)
		secret = mac.Sum(nil)
	}
	return argon2.IDKey(secret, salt, iterations, memory, 1, hashLen), nil
}

func (h *Hasher) encode(salt, sum []byte) string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, h.cfg.MemoryKiB, h.cfg.Iterations,
		enc.EncodeToString(salt), enc.EncodeToString(sum))
}

// Bounds of a stored cost: what we never write we do not compute, whoever wrote the row.
const (
	maxMemoryKiB  = 1 << 20
	maxIterations = 32
)

func decode(phc string) (memory, iterations uint32, salt, sum []byte, err error) {
	bad := fmt.Errorf("stored password hash has an unknown form")
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return 0, 0, nil, nil, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=1", &memory, &iterations); err != nil || memory > maxMemoryKiB || iterations > maxIterations || memory < 8 || iterations < 1 {
		return 0, 0, nil, nil, bad
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(sum) != hashLen {
		return 0, 0, nil, nil, bad
	}
	return memory, iterations, salt, sum, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
