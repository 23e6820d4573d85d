package account

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// Limits of guessing (G04 to G07). Five wrong passwords are free, then each costs a growing wait, and ten in
// a quarter of an hour end the quarter. What was typed and the address it came from are counted together, so that a
// stranger cannot lock the owner out; the account as a whole, the address and its network have wider limits.
const (
	tryWindow       = 15 * time.Minute
	tryFree         = 5
	tryMost         = 10
	tryFirstWait    = 5 * time.Second
	addressMost     = 60
	networkMost     = 600
	knownAddressFor = 30 * 24 * time.Hour
	knownExact      = 24 * time.Hour // how exactly the last visit is known; spares a write per sign-in
	roundSpare      = 4              // guesses of a round that are not worth a new one
	retryWhole      = time.Hour      // what is said when the account as a whole is at its limit
)

// guessed is what may be guessed, and the limit of the account as a whole.
type guessed struct {
	what   string
	group  string // what shares one count of the account as a whole
	most   int64
	atHome int64 // the limit of each address from which the owner came before
	window time.Duration
	// consecutive is whether a right answer begins the count anew.
	consecutive bool
}

// A password may be wrong a hundred times in a row (NIST SP 800-63B-4 §3.2.2). A code of six digits is right by chance three
// times in a million: an app's of the steps beside, or any of three by SMS. Thirty guesses a day at all the codes of an account,
// ten of them in the owner's own house, keep the chance below one in ten thousand (F02). A guess at several apps is several.
func ofPassword() guessed {
	return guessed{what: "password", group: "password", most: 100, atHome: 100, window: 30 * 24 * time.Hour, consecutive: true}
}

func ofFactor(m Method) guessed {
	g := guessed{what: string(m), group: "factor", most: 20, atHome: 10, window: 24 * time.Hour}
	if m == MethodBackup { // 65 random bits: no guess uses up those at six digits
		g.group = string(m)
	}
	return g
}

func ofRecovery() guessed {
	return guessed{what: "recovery", group: "recovery", most: 100, atHome: 100, window: 24 * time.Hour}
}

// limiter counts failures in the ephemera, shared by all nodes. When they are away it counts in the
// process with half the limits: it never opens (G08).
type limiter struct {
	store Ephemera
	now   func() time.Time
	local localCounts
	storm *storm
}

func newLimiter(store Ephemera, now func() time.Time, storm *storm) *limiter {
	return &limiter{store: store, now: now, storm: storm, local: localCounts{counts: map[string]localCount{}}}
}

// count adds to a counter and reports the sum, doubled when only this process counts.
func (l *limiter) count(ctx context.Context, key string, by int64, window time.Duration) int64 {
	return l.countAll(ctx, window, Increment{key, by})[0]
}

// countAll is count of several, by one round trip.
func (l *limiter) countAll(ctx context.Context, window time.Duration, counts ...Increment) []int64 {
	if sums, err := l.store.CountAll(ctx, window, counts...); err == nil {
		return sums
	}
	sums := make([]int64, len(counts))
	for i, c := range counts {
		sums[i] = 2 * l.local.add(c.Key, c.By, window, l.now())
	}
	return sums
}

// localCounts stand in while the ephemera are away.
type localCounts struct {
	mu     sync.Mutex
	counts map[string]localCount
}

type localCount struct {
	n     int64
	until time.Time
}

// localMost bounds the memory of the stand-in; at the bound everything expired is dropped, and if that
// frees nothing the newcomer counts as at its limit.
const localMost = 100_000

func (l *localCounts) add(key string, by int64, window time.Duration, now time.Time) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.counts[key]
	if ok && now.After(c.until) {
		ok = false
	}
	if !ok {
		if len(l.counts) >= localMost {
			for k, old := range l.counts {
				if now.After(old.until) {
					delete(l.counts, k)
				}
			}
			if len(l.counts) >= localMost {
				return networkMost
			}
		}
		c = localCount{until: now.Add(window)}
	}
	c.n += by
	l.counts[key] = c
	return c.n
}

// try is one guess: by what was typed, against which account, from where.
type try struct {
	guessed
	typed, whole     string
	weight           int64 // how many guesses it is for the account as a whole: one, or one for each app
	address, network string
	// Of a password at the door: what is counted of it over all accounts, and why no toll is asked for it.
	sketch       string
	spared, paid bool
	// Set by admit.
	round string // changes with every right answer
	known bool   // the owner came from this address before
	// knownAt is when that was noted last.
	knownAt time.Time
	n       int64     // guesses of the pair in the window, this one included
	sum     int64     // guesses at the account as a whole in its window, this one included
	alone   bool      // only this process counts, each guess for two
	storm   time.Time // until when all accounts are being guessed at
}

// tryOf makes a try. Typed is the keyed hash of an identifier; whole is the account, or typed when it is nobody's.
func tryOf(g guessed, typed, whole string, o Origin) *try {
	address, network := prefixes(o.Address)
	return &try{guessed: g, typed: typed, whole: whole, weight: 1, address: address, network: network}
}

func (t *try) key(of string) string { return "try/" + t.what + "/" + of + "/" }
func (t *try) waitKey() string      { return t.key("wait") + t.typed + "/" + t.address }
func (t *try) knownKey() string     { return t.key("known") + t.whole + "/" + t.address }
func (t *try) roundKey() string     { return t.key("round") + t.whole }
func (t *try) pairKey() string      { return t.key("pair") + t.typed + "/" + t.address + "/" + t.round }
func (t *try) addressKey() string   { return t.key("address") + t.address }
func (t *try) networkKey() string   { return t.key("network") + t.network }

// wholeKey counts the account as a whole. Addresses from which the owner came before have counts of their own: strangers
// neither shut the owner out nor guess without end from the owner's own house.
func (t *try) wholeKey() string {
	key := "try/" + t.group + "/whole/" + t.whole
	if t.consecutive {
		key += "/" + t.round
	}
	if t.known {
		key += "/" + t.address
	}
	return key
}

// prefixes are what an attacker cannot change cheaply: an IPv4 address and its /24, an IPv6 /64 and its /48 (G07).
func prefixes(a netip.Addr) (address, network string) {
	if !a.IsValid() {
		return "none", "none"
	}
	a = a.Unmap()
	one, many := 32, 24
	if a.Is6() {
		one, many = 64, 48
	}
	p, _ := a.Prefix(one)
	n, _ := a.Prefix(many)
	return p.String(), n.String()
}

// admit counts a guess before it is judged, so that guesses at the same moment all count, and says whether it may be
// made; a ThrottledError says when the next may, a TollError that it costs something now. Known and unknown accounts cost the
// same calls.
func (l *limiter) admit(ctx context.Context, t *try) error {
	now := l.now()
	t.storm = time.UnixMilli(l.storm.until.Load())
	if past, err := l.store.GetAll(ctx, t.waitKey(), t.roundKey(), t.knownKey(), stormKey); err == nil {
		if until := moment(past[0]); now.Before(until) {
			return ThrottledError{t.what, until}
		}
		t.round, t.known, t.knownAt = string(past[1]), past[2] != nil, moment(past[2])
		t.storm = moment(past[3])
	} else {
		t.alone = true
	}
	if err := l.inStorm(ctx, t); err != nil {
		return err
	}
	counts := []Increment{{t.pairKey(), 1}, {t.addressKey(), 0}, {t.networkKey(), 0}}
	if t.sketch != "" {
		counts = append(counts, Increment{t.sketchKey(), 0})
	}
	sums := l.countAll(ctx, tryWindow, counts...)
	if t.n = sums[0]; t.n > tryMost {
		return ThrottledError{t.what, now.Add(tryWindow)}
	}
	if t.sketch != "" {
		if err := l.sprayed(t, sums[3]); err != nil {
			l.count(ctx, t.pairKey(), -1, tryWindow) // it is not judged
			return err
		}
	}
	// Counted only now: who is at their own limit does not use up the account's.
	most := t.most
	if t.known {
		most = t.atHome
	}
	if t.sum = l.count(ctx, t.wholeKey(), t.weight, t.window); t.sum > most {
		return ThrottledError{t.what, now.Add(retryWhole)}
	}
	if t.address != "none" && (sums[1] >= addressMost || sums[2] >= networkMost) {
		return ThrottledError{t.what, now.Add(tryWindow)}
	}
	return nil
}

// moment reads a time that a key keeps; the zero time for anything else.
func moment(raw []byte) time.Time {
	if len(raw) != 8 {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw))).UTC()
}

func momentBytes(at time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli()))
}

// failed sets the wait before the next guess and counts against the address, and among the guesses at all accounts.
func (l *limiter) failed(ctx context.Context, t *try) {
	var counts []Increment
	first := t.first()
	if first {
		counts = []Increment{{stormWrongKey, 1}, {stormRightKey, l.storm.right.Swap(0)}, {t.sketchKey(), 1}}
	}
	if t.address != "none" {
		counts = append(counts, Increment{t.addressKey(), 1}, Increment{t.networkKey(), 1})
	}
	if len(counts) > 0 {
		sums := l.countAll(ctx, tryWindow, counts...)
		if first {
			l.weigh(ctx, t, sums[0], sums[1])
		}
	}
	if t.n < tryFree {
		return
	}
	wait := tryWindow
	if t.n < tryMost {
		wait = tryFirstWait << (t.n - tryFree)
	}
	_ = l.store.Put(ctx, t.waitKey(), momentBytes(l.now().Add(wait)), wait) // without it the counters above still hold
}

// succeeded remembers that the owner comes from here and begins a new round, unless the present one has hardly begun:
// the few right guesses that it holds then are near no limit. Where a round does not begin the account's
// count anew, the right guess is taken back out of it.
func (l *limiter) succeeded(ctx context.Context, t *try) {
	if !t.consecutive {
		l.count(ctx, t.wholeKey(), -t.weight, t.window)
	}
	if t.first() {
		l.storm.right.Add(1)
	}
	if now := l.now(); now.Sub(t.knownAt) >= knownExact {
		_ = l.store.Put(ctx, t.knownKey(), momentBytes(now), knownAddressFor)
	}
	if t.n > roundSpare || t.sum > roundSpare {
		l.begin(ctx, t)
	}
}

// withdraw takes a guess back that was not judged: the hasher was busy.
func (l *limiter) withdraw(ctx context.Context, t *try) {
	l.count(ctx, t.pairKey(), -1, tryWindow)
	l.count(ctx, t.wholeKey(), -t.weight, t.window)
}

// begin starts a new round of guesses: what was wrong before counts no more.
func (l *limiter) begin(ctx context.Context, t *try) {
	_ = l.store.Put(ctx, t.roundKey(), []byte(keys.RandomID()), knownAddressFor)
}
