package keys

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of a ring, each with its reason.
const (
	defaultRotateEvery = 90 * 24 * time.Hour
	defaultAhead       = 24 * time.Hour   // the next key is published a day before it signs: caches of a JWKS live shorter
	defaultLead        = 10 * time.Minute // the same for a rotation by hand: longer than the five minutes for which /jwks may be kept
	defaultOverlap     = 25 * time.Hour   // a retired key stays published longer than any token that it signed lives
	defaultRefresh     = 5 * time.Second  // how soon a node sees another node's rotation
	missRefresh        = 1 * time.Second  // at most one look at the store per second for unknown kids
	maxTokenBytes      = 16 << 10         // no token of ours is longer
)

// Errors of a ring.
var (
	ErrNoKey        = errors.New("no key signs with that algorithm")
	ErrBadSignature = errors.New("token was not signed by us, or not as this kind of token")
)

// Signer makes signatures with one private key. A software key is one; a hardware module implements the same.
// Sign gets the whole JWS signing input and returns the signature in JWS form (RFC 7518 §3).
type Signer interface {
	Public() crypto.PublicKey
	Sign(ctx context.Context, input []byte) ([]byte, error)
}

// RingConfig is what a Ring needs. Store, Sealer and Now must be set.
type RingConfig struct {
	Store       Store
	Sealer      *Sealer
	Now         func() time.Time
	Log         *slog.Logger
	Algorithms  []Algorithm   // all four when empty
	RotateEvery time.Duration // how long a key signs
	Ahead       time.Duration // how long before it signs a key is published
	Lead        time.Duration // the same for a key that is rotated in by hand
	Overlap     time.Duration // how long after it signed last a key stays published
	Refresh     time.Duration // how often the store is read
	// Hardware returns the signer of a key whose private part is not in the store. May be nil.
	Hardware func(StoredKey) (Signer, error)
}

// Ring is the signing keys of the provider: for each algorithm a next, a current and retired ones, by
// their dates. Every node reads the same ring from the store; parsed keys and the JWKS are kept in memory,
// so that no request parses a key.
type Ring struct {
	cfg      RingConfig
	view     atomic.Pointer[ringView]
	mu       sync.Mutex // one reload at a time
	lastMiss atomic.Int64
}

// ringView is one reading of the store, never changed after it was made.
type ringView struct {
	keys   map[string]*ringKey
	sorted []*ringKey // as stored, oldest first
	jwks   []byte
	etag   string
}

// ringKey is a stored key, parsed.
type ringKey struct {
	StoredKey
	public crypto.PublicKey
	signer Signer   // nil when its private part is gone
	header sync.Map // typ → encoded header
}

// NewRing opens the ring and makes what is missing: on an empty store every algorithm gets a key that signs at once.
func NewRing(ctx context.Context, cfg RingConfig) (*Ring, error) {
	if cfg.Store == nil || cfg.Sealer == nil || cfg.Now == nil {
		return nil, errors.New("a ring needs a store, a sealer and a clock")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []Algorithm{RS256, PS256, ES256, EdDSA}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&cfg.RotateEvery, defaultRotateEvery}, {&cfg.Ahead, defaultAhead}, {&cfg.Lead, defaultLead}, {&cfg.Overlap, defaultOverlap}, {&cfg.Refresh, defaultRefresh}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	cfg.Ahead = min(cfg.Ahead, cfg.RotateEvery) // one key ahead is enough, however short it signs
	r := &Ring{cfg: cfg}
	if err := r.maintain(ctx); err != nil {
		return nil, fmt.Errorf("opening the ring: %w", err)
	}
	return r, nil
}

// Run reads the ring anew and rotates by schedule until ctx ends.
func (r *Ring) Run(ctx context.Context) error {
	tick := time.NewTicker(r.cfg.Refresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := r.maintain(ctx); err != nil && ctx.Err() == nil {
				r.cfg.Log.ErrorContext(ctx, "reading the signing keys", "error", err)
			}
		}
	}
}

// maintain reloads, and changes the store only when the schedule asks for it.
func (r *Ring) maintain(ctx context.Context) error {
	stored, err := r.reload(ctx)
	if err != nil {
		return err
	}
	if due := r.due(stored); len(due) > 0 {
		return r.rotate(ctx, due, false)
	}
	return nil
}

// reload reads the store and makes a view of it, reusing what was parsed before. One at a time from reading to
// showing, so that an older reading never replaces a younger one.
func (r *Ring) reload(ctx context.Context) ([]StoredKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stored, err := r.cfg.Store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading signing keys: %w", err)
	}
	before := r.view.Load()
	view := &ringView{keys: make(map[string]*ringKey, len(stored))}
	for _, s := range stored {
		k, err := r.parse(s, before)
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", s.ID, err)
		}
		view.keys[s.ID] = k
		view.sorted = append(view.sorted, k)
	}
	if err := view.publish(r.cfg.Now()); err != nil {
		return nil, err
	}
	r.view.Store(view)
	return stored, nil
}

// current returns the key that signs with an algorithm now.
func (v *ringView) current(alg Algorithm, now time.Time) *ringKey {
	for i := len(v.sorted) - 1; i >= 0; i-- {
		k := v.sorted[i]
		if k.Algorithm == alg && k.signer != nil && !k.ActiveFrom.After(now) && (k.RetiredAt.IsZero() || k.RetiredAt.After(now)) {
			return k
		}
	}
	return nil
}

// Dated lists when each signing key stops, for doctor and readiness. A key that signs past its time says
// that rotation does not run.
func (r *Ring) Dated() []Dated {
	var out []Dated
	now := r.cfg.Now()
	v := r.view.Load()
	for _, alg := range r.cfg.Algorithms {
		if k := v.current(alg, now); k != nil {
			// A day past its time is still no reason to stop: rotation runs when a node looks.
			out = append(out, Dated{Kind: "signing-key", Name: string(alg) + " " + k.ID,
				Until: k.ActiveFrom.Add(r.cfg.RotateEvery + defaultAhead), Note: "rotates by itself while a node runs"})
			continue
		}
		out = append(out, Dated{Kind: "signing-key", Name: string(alg), Until: now, Note: "no key signs: vhod keys rotate " + string(alg)})
	}
	return out
}
