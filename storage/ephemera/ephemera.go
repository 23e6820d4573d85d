// Package ephemera keeps what expires: codes, tries, limits, sign-in attempts, seen proofs.
//
// A few verbs over SQLite (the default, so that limits survive a restart) or Redis (for several nodes).
// Keys are kept as keyed hashes and values sealed, so that a dump tells nothing. Expiry follows the
// configured clock; Redis is also told a time to live, by which it forgets what nobody asks for.
package ephemera

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// Config is what a Store needs. URL, Sealer and Now must be set.
type Config struct {
	// URL is sqlite:///path/file.db, or redis://user:password@host:port/db (rediss:// for TLS) with
	// everything that go-redis understands and ?prefix=, the beginning of our keys ("vhod"). A cluster is
	// redis+cluster://host:port?addr=host2:port2.
	URL    string
	Sealer *keys.Sealer
	Now    func() time.Time
	Log    *slog.Logger
	// OnCall is told every round trip. It must be safe for concurrent use. May be nil.
	OnCall func(ctx context.Context, verb string)
}

// Store keeps ephemera in one engine. It is safe for concurrent use.
type Store struct {
	engine engine
	cfg    Config
}

var _ account.Ephemera = (*Store)(nil)

// increment is one of several counts, under its hashed key.
type increment struct {
	key string
	by  int64
}

// engine is the verbs over hashed keys and sealed values, each in one round trip. Times are of
// the configured clock, in milliseconds: Redis counts in them.
type engine interface {
	put(ctx context.Context, key string, value []byte, now, until int64) error
	get(ctx context.Context, key string, now int64) ([]byte, bool, error)
	take(ctx context.Context, key string, now int64) ([]byte, bool, error)
	once(ctx context.Context, key string, now, until int64) (bool, error)
	getAll(ctx context.Context, keys []string, now int64) ([][]byte, error)
	countAll(ctx context.Context, counts []increment, now, until int64) ([]int64, error)
	ping(ctx context.Context) error
	close() error
}

// errTTL is a programmer's mistake: what lives for no time is not put.
var errTTL = errors.New("the time to live must be at least a millisecond")

// Open opens the engine named by the URL. The caller closes the store.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Sealer == nil || cfg.Now == nil {
		return nil, errors.New("ephemera need a sealer and a clock")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e, err := openEngine(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening ephemera: %w", err)
	}
	return &Store{engine: e, cfg: cfg}, nil
}

func openEngine(ctx context.Context, cfg Config) (engine, error) {
	scheme, _, _ := strings.Cut(cfg.URL, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, cfg)
	case "redis", "rediss", "redis+cluster", "rediss+cluster":
		return openRedis(ctx, cfg)
	}
	return nil, fmt.Errorf("ephemera live in sqlite://, redis://, rediss://, redis+cluster:// or rediss+cluster://, not in %q", scheme)
}

// Put stores value until ttl from now, over any value before.
func (s *Store) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl < time.Millisecond {
		return errTTL
	}
	s.tell(ctx, "put")
	now, until := s.span(ttl)
	hash := s.hash("value", key)
	plain := append(binary.BigEndian.AppendUint64(nil, uint64(until)), value...)
	if err := s.engine.put(ctx, hash, s.cfg.Sealer.Seal(place(hash), plain), now, until); err != nil {
		return fmt.Errorf("putting ephemera: %w", err)
	}
	return nil
}

// Get returns the value; ok is false when there is none or it expired.
func (s *Store) Get(ctx context.Context, key string) (value []byte, ok bool, err error) {
	s.tell(ctx, "get")
	hash, now := s.hash("value", key), s.now()
	sealed, ok, err := s.engine.get(ctx, hash, now)
	return s.open(hash, now, sealed, ok, err)
}

// Take returns the value and removes it, at once: of many callers one gets it.
func (s *Store) Take(ctx context.Context, key string) (value []byte, ok bool, err error) {
	s.tell(ctx, "take")
	hash, now := s.hash("value", key), s.now()
	sealed, ok, err := s.engine.take(ctx, hash, now)
	return s.open(hash, now, sealed, ok, err)
}

// Once returns true to the first caller with this key within ttl.
func (s *Store) Once(ctx context.Context, key string, ttl time.Duration) (first bool, err error) {
	if ttl < time.Millisecond {
		return false, errTTL
	}
	s.tell(ctx, "once")
	now, until := s.span(ttl)
	if first, err = s.engine.once(ctx, s.hash("once", key), now, until); err != nil {
		return false, fmt.Errorf("marking ephemera: %w", err)
	}
	return first, nil
}

// Count adds by (0 to read) to a counter that ends window after its first addition, and returns the
// sum. The sum itself is kept in the clear: a number under a hashed key.
func (s *Store) Count(ctx context.Context, key string, by int64, window time.Duration) (sum int64, err error) {
	sums, err := s.CountAll(ctx, window, account.Increment{Key: key, By: by})
	if err != nil {
		return 0, err
	}
	return sums[0], nil
}

// CountAll is Count of several keys by one round trip. Each is at once by itself, not all together.
func (s *Store) CountAll(ctx context.Context, window time.Duration, counts ...account.Increment) (sums []int64, err error) {
	if window < time.Millisecond {
		return nil, errTTL
	}
	s.tell(ctx, "count")
	now, until := s.span(window)
	hashed := make([]increment, len(counts))
	for i, c := range counts {
		hashed[i] = increment{s.hash("count", c.Key), c.By}
	}
	if sums, err = s.engine.countAll(ctx, hashed, now, until); err != nil {
		return nil, fmt.Errorf("counting ephemera: %w", err)
	}
	return sums, nil
}

// GetAll is Get of several keys by one round trip; a value is nil where there is none.
func (s *Store) GetAll(ctx context.Context, keys ...string) (values [][]byte, err error) {
	s.tell(ctx, "get")
	now, hashes := s.now(), make([]string, len(keys))
	for i, key := range keys {
		hashes[i] = s.hash("value", key)
	}
	all, err := s.engine.getAll(ctx, hashes, now)
	if err != nil {
		return nil, fmt.Errorf("reading ephemera: %w", err)
	}
	for i, sealed := range all {
		if all[i], _, err = s.open(hashes[i], now, sealed, sealed != nil, nil); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Ping asks the engine one trivial question: readiness.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.engine.ping(ctx); err != nil {
		return fmt.Errorf("asking the ephemera: %w", err)
	}
	return nil
}

// Close ends the sweeper and releases the connections.
func (s *Store) Close() error { return s.engine.close() }

// open undoes the seal. The expiry within it counts, whatever the engine thinks of the time.
func (s *Store) open(hash string, now int64, sealed []byte, ok bool, err error) ([]byte, bool, error) {
	if err != nil {
		return nil, false, fmt.Errorf("reading ephemera: %w", err)
	}
	if !ok {
		return nil, false, nil
	}
	plain, err := s.cfg.Sealer.Open(place(hash), sealed)
	if err != nil {
		return nil, false, fmt.Errorf("reading ephemera: %w", err)
	}
	if len(plain) < 8 || int64(binary.BigEndian.Uint64(plain)) <= now {
		return nil, false, nil
	}
	return plain[8:], true, nil
}

// hash is a key as it is kept. Each kind has keys of its own, so that a counter never meets a value.
func (s *Store) hash(kind, key string) string { return s.cfg.Sealer.Index("ephemera/"+kind, key) }

func place(hash string) string { return "ephemera/" + hash }

func (s *Store) now() int64 { return s.cfg.Now().UnixMilli() }

func (s *Store) span(ttl time.Duration) (now, until int64) {
	now = s.now()
	return now, now + ttl.Milliseconds()
}

func (s *Store) tell(ctx context.Context, verb string) {
	if s.cfg.OnCall != nil {
		s.cfg.OnCall(ctx, verb)
	}
}
