package account_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// The chance of one guess that is judged: of six digits, three codes are right at any time; a backup code has 65 bits, and
// there are ten of them.
const (
	chanceOfDigits = 3e-6
	mostChance     = 1e-4 // in a day at one account (NIST SP 800-63B-4 §3.2.2 with §3.1.4)
)

var chanceOfBackup = 10 * math.Pow(2, -65)

// guessAll makes 100,000 guesses in a day, every tenth of them in the owner's own house and the others each from elsewhere,
// and counts which were judged. A guess that was accepted ends the test: by chance that is one run in ten thousand.
func (h *house) guessAll(guess func(i int, o account.Origin) error) (judged int) {
	h.t.Helper()
	const guesses = 100_000
	for i := range guesses {
		o := home
		if i%10 != 0 {
			_, o = bot(i)
		}
		err := guess(i, o)
		switch {
		case err == nil:
			h.t.Fatalf("guess %d was right", i)
		case errors.Is(err, account.ErrWrongCode), errors.Is(err, account.ErrWrongCredentials):
			judged++
		case !throttled(err) && !errors.Is(err, account.ErrCodeSpent) && !errors.Is(err, account.ErrCodeExpired):
			h.t.Fatalf("guess %d: %v", i, err)
		}
		h.clock.Advance(24 * time.Hour / guesses)
	}
	return judged
}

func digits() string { return fmt.Sprintf("%06d", rand.IntN(1_000_000)) }

func TestAHundredThousandGuessesADayAtAFactorAreHopeless(t *testing.T) {
	for name, row := range map[string]struct {
		chance  float64
		prepare func(*house, *account.Account) func(int, account.Origin) error
	}{
		"five apps": {5 * chanceOfDigits, func(h *house, a *account.Account) func(int, account.Origin) error {
			for range 5 {
				h.withApp(a)
			}
			return func(_ int, o account.Origin) error { return h.VerifyTOTP(h.t.Context(), a.ID, digits(), o) }
		}},
		"app and SMS by turns": {chanceOfDigits, func(h *house, a *account.Account) func(int, account.Origin) error {
			secret := h.withApp(a)
			h.withSMS(a)
			if err := h.VerifyTOTP(h.t.Context(), a.ID, h.codeOf(secret), home); err != nil { // the house is known for it
				h.t.Fatal(err)
			}
			return func(i int, o account.Origin) error {
				if i/2%2 == 0 {
					return h.VerifyTOTP(h.t.Context(), a.ID, digits(), o)
				}
				flow := fmt.Sprint(i / 50)
				err := h.VerifySMS(h.t.Context(), a.ID, flow, digits(), o)
				if errors.Is(err, account.ErrCodeExpired) {
					_ = h.SendFactorCode(h.t.Context(), a.ID, account.ForSignIn, flow, "ru", o)
				}
				return err
			}
		}},
		"code by mail, then app": {chanceOfDigits, func(h *house, a *account.Account) func(int, account.Origin) error {
			h.withApp(a)
			return func(i int, o account.Origin) error {
				if i >= 50_000 {
					return h.VerifyTOTP(h.t.Context(), a.ID, digits(), o)
				}
				flow := fmt.Sprint(i / 50)
				err := h.VerifyMailCode(h.t.Context(), a.ID, flow, digits(), o)
				if errors.Is(err, account.ErrCodeExpired) {
					_ = h.SendMailCode(h.t.Context(), a.ID, flow, "ru", o)
				}
				return err
			}
		}},
		"backup code": {chanceOfBackup, func(h *house, a *account.Account) func(int, account.Origin) error {
			if _, err := h.NewBackupCodes(h.t.Context(), a.ID, home); err != nil {
				h.t.Fatal(err)
			}
			return func(_ int, o account.Origin) error {
				_, err := h.VerifyBackup(h.t.Context(), a.ID, digits()+digits()+"x", o)
				return err
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := quickHouse(t)
			use := row.prepare(h, h.annaAtHome())
			judged := h.guessAll(use)
			chance := float64(judged) * row.chance
			t.Logf("of 100000 guesses in a day %d were judged: the chance is %.1e", judged, chance)
			if chance >= mostChance {
				t.Errorf("the chance is %.1e, not below %.0e", chance, mostChance)
			}
		})
	}
}

// TestAHundredThousandGuessesADayAtACodeAreHopeless guesses at the code by which somebody without a second factor gets back in,
// sent as often as limits allow, in a new flow each time.
func TestAHundredThousandGuessesADayAtACodeAreHopeless(t *testing.T) {
	h := quickHouse(t)
	h.anna()
	sent, tried := 0, 0
	h.guessAll(func(i int, o account.Origin) error {
		for channel, to := range map[string]string{"sms": annas.Value, "mail": "anna@example.ru"} {
			req := account.CodeRequest{Purpose: account.ForRecovery, Channel: channel, To: to, Flow: fmt.Sprint("flow", i), Origin: o}
			if _, err := h.SendCode(t.Context(), req); err != nil {
				continue
			}
			sent++
			for err := account.ErrWrongCode; errors.Is(err, account.ErrWrongCode); tried++ {
				_, err = h.CheckCode(t.Context(), account.ForRecovery, channel, req.Flow, digits(), o)
			}
		}
		return account.ErrCodeSpent
	})
	chance := float64(tried) * 1e-6
	t.Logf("in 100000 flows of a day %d codes were sent and %d guesses judged: the chance is %.1e", sent, tried, chance)
	if tried != 3*sent || chance >= mostChance {
		t.Errorf("%d codes were sent and %d guesses judged: the chance is %.1e", sent, tried, chance)
	}
}

// TestAHundredThousandGuessesADayAtAPasswordAreFew counts guesses at one password: a hundred in a row from anywhere, a
// hundred in the owner's own house at most.
func TestAHundredThousandGuessesADayAtAPasswordAreFew(t *testing.T) {
	h := quickHouse(t)
	h.cfg.Storm.Wrong = 1 << 40
	h.Service = h.node()
	h.annaAtHome()
	_, _ = h.VerifyPassword(t.Context(), annas, goodPassword, home)
	judged := h.guessAll(func(i int, o account.Origin) error {
		_, err := h.VerifyPassword(t.Context(), annas, wrongPassword(i), o)
		return err
	})
	t.Logf("of 100000 guesses in a day %d were judged", judged)
	if judged > 200 {
		t.Errorf("%d guesses were judged", judged)
	}
}

// quickHouse has ephemera in memory: a hundred thousand guesses are about limits, and storagetest holds that the real ones
// count likewise.
func quickHouse(t *testing.T) *house {
	h := newHouse(t)
	h.eph.Ephemera = &memory{now: h.clock.Now, values: map[string]held{}}
	return h
}

type held struct {
	value []byte
	n     int64
	until time.Time
}

// memory is account.Ephemera for one goroutine and a clock.
type memory struct {
	mu     sync.Mutex
	now    func() time.Time
	values map[string]held
}

func (m *memory) get(key string) (held, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	return v, ok && m.now().Before(v.until)
}

func (m *memory) Put(_ context.Context, key string, value []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values["v"+key] = held{value: value, until: m.now().Add(ttl)}
	return nil
}

func (m *memory) Get(_ context.Context, key string) ([]byte, bool, error) {
	v, ok := m.get("v" + key)
	return v.value, ok, nil
}

func (m *memory) GetAll(_ context.Context, keys ...string) ([][]byte, error) {
	out := make([][]byte, len(keys))
	for i, key := range keys {
		if v, ok := m.get("v" + key); ok {
			out[i] = v.value
		}
	}
	return out, nil
}

func (m *memory) Take(ctx context.Context, key string) ([]byte, bool, error) {
	value, ok, err := m.Get(ctx, key)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, "v"+key)
	return value, ok, err
}

func (m *memory) Once(ctx context.Context, key string, ttl time.Duration) (bool, error) {
	n, err := m.Count(ctx, "once"+key, 1, ttl)
	return n == 1, err
}

func (m *memory) Count(ctx context.Context, key string, by int64, window time.Duration) (int64, error) {
	sums, err := m.CountAll(ctx, window, account.Increment{Key: key, By: by})
	return sums[0], err
}

func (m *memory) CountAll(_ context.Context, window time.Duration, counts ...account.Increment) ([]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sums := make([]int64, len(counts))
	for i, c := range counts {
		v, ok := m.values["n"+c.Key]
		if !ok || !m.now().Before(v.until) {
			v = held{until: m.now().Add(window)}
		}
		v.n += c.By
		if sums[i] = v.n; c.By != 0 {
			m.values["n"+c.Key] = v
		}
	}
	return sums, nil
}

// withSMS turns codes by SMS on.
func (h *house) withSMS(a *account.Account) {
	h.t.Helper()
	if err := h.SendFactorCode(h.t.Context(), a.ID, account.ForFactor, "session", "ru", home); err != nil {
		h.t.Fatal(err)
	}
	if err := h.AddSMS(h.t.Context(), a.ID, "session", h.lastCode(), home); err != nil {
		h.t.Fatal(err)
	}
}
