package credential_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

func cheap() credential.HasherConfig { return credential.HasherConfig{MemoryKiB: 64, Iterations: 1} }

func hash(t *testing.T, h *credential.Hasher, password string) string {
	t.Helper()
	phc, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return phc
}

func verify(t *testing.T, h *credential.Hasher, phc, password string) (right, stale bool) {
	t.Helper()
	right, stale, err := h.Verify(t.Context(), phc, password)
	if err != nil {
		t.Fatal(err)
	}
	return right, stale
}

func TestPasswordIsRightByEveryCharacter(t *testing.T) {
	h := credential.NewHasher(cheap())
	long := strings.Repeat("длинный пароль ", 30) // beyond 72 bytes and 64 characters
	phc := hash(t, h, long+"а")
	if strings.Contains(phc, "пароль") || !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("stored as %s", phc)
	}
	for password, want := range map[string]bool{long + "а": true, long + "б": false, long: false, "": false} {
		if right, _ := verify(t, h, phc, password); right != want {
			t.Errorf("%d characters: %v", len(password), right)
		}
	}
	if again := hash(t, h, long+"а"); again == phc {
		t.Error("two hashes of one password are alike")
	}
}

func TestOneLetterOfTwoSignsIsTheSameLetter(t *testing.T) {
	h := credential.NewHasher(cheap())
	if right, _ := verify(t, h, hash(t, h, "Заи\u0306ка"), "Зайка"); !right {
		t.Error("й typed on another keyboard is another password")
	}
}

func TestNoHashIsNeverRightAndCostsTheSame(t *testing.T) {
	h := credential.NewHasher(cheap())
	before := h.Count()
	if right, _ := verify(t, h, "", ""); right {
		t.Error("no password is right")
	}
	if h.Count()-before != 1 {
		t.Errorf("%d hashes", h.Count()-before)
	}
}

func TestPasswordBeyondAKilobyteIsRefusedBeforeHashing(t *testing.T) {
	h := credential.NewHasher(cheap())
	phc, before := hash(t, h, "a"), h.Count()
	if right, _ := verify(t, h, phc, strings.Repeat("a", 64<<10)); right {
		t.Error("right")
	}
	if _, err := h.Hash(t.Context(), strings.Repeat("a", 1025)); !errors.Is(err, credential.ErrLong) {
		t.Errorf("%v", err)
	}
	if h.Count() != before {
		t.Error("it was hashed")
	}
}

func TestHashOfAnotherCostIsStale(t *testing.T) {
	old := credential.NewHasher(credential.HasherConfig{MemoryKiB: 32, Iterations: 2})
	phc := hash(t, old, "пароль")
	if right, stale := verify(t, credential.NewHasher(cheap()), phc, "пароль"); !right || !stale {
		t.Errorf("right %v, stale %v", right, stale)
	}
	if right, stale := verify(t, old, phc, "пароль"); !right || stale {
		t.Errorf("by its own: right %v, stale %v", right, stale)
	}
}

func TestPepperIsNeeded(t *testing.T) {
	cfg := cheap()
	cfg.Pepper = keys.NewSecret("соль с перцем")
	phc := hash(t, credential.NewHasher(cfg), "пароль")
	before := credential.NewHasher(cheap())
	if right, _, err := before.Verify(t.Context(), phc, "пароль"); right || !errors.Is(err, credential.ErrPepper) || before.Count() != 1 {
		t.Errorf("without the pepper: right %v, %v, %d hashes", right, err, before.Count())
	}
	if right, _ := verify(t, credential.NewHasher(cfg), phc, "пароль"); !right {
		t.Error("wrong with the pepper")
	}
}

func TestPepperIsRotated(t *testing.T) {
	with := func(pepper string, former ...string) *credential.Hasher {
		cfg := cheap()
		cfg.Pepper = keys.NewSecret(pepper)
		for _, f := range former {
			cfg.Former = append(cfg.Former, keys.NewSecret(f))
		}
		return credential.NewHasher(cfg)
	}
	for name, row := range map[string]struct {
		made, now *credential.Hasher
	}{
		"another pepper":            {with("first"), with("second", "first")},
		"the third":                 {with("first"), with("third", "second", "first")},
		"the first pepper of all":   {credential.NewHasher(cheap()), with("first")},
		"and back to none, if ever": {with("first"), with("", "first")},
	} {
		phc := hash(t, row.made, "пароль")
		if right, stale := verify(t, row.now, phc, "пароль"); !right || !stale {
			t.Errorf("%s: right %v, stale %v", name, right, stale)
		}
		if right, _ := verify(t, row.now, phc, "другой"); right {
			t.Errorf("%s: another password is right", name)
		}
		if right, stale := verify(t, row.now, hash(t, row.now, "пароль"), "пароль"); !right || stale {
			t.Errorf("%s, made anew: right %v, stale %v", name, right, stale)
		}
	}
	if phc := hash(t, with("first"), "пароль"); strings.Contains(phc, "first") || !strings.Contains(phc, ",keyid=") {
		t.Error(phc)
	}
}

func TestFloodOfPasswordsIsRefusedNotQueuedWithoutEnd(t *testing.T) {
	h := credential.NewHasher(credential.HasherConfig{MemoryKiB: 8 * 1024, Iterations: 4, Parallel: 1, Queue: 4})
	var mu sync.Mutex
	var all sync.WaitGroup
	busy, done := 0, 0
	for range 100 {
		all.Go(func() {
			_, err := h.Hash(context.Background(), "пароль")
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, credential.ErrBusy) {
				busy++
			} else if err == nil {
				done++
			}
		})
	}
	all.Wait()
	if done < 5 || busy == 0 || busy+done != 100 {
		t.Errorf("%d done, %d refused", done, busy)
	}
}

func TestWhoGoesAwayIsNotHashedFor(t *testing.T) {
	h := credential.NewHasher(credential.HasherConfig{MemoryKiB: 64, Iterations: 1, Parallel: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // either answer may win a race; a wait may not
		if _, err := h.Hash(ctx, "пароль"); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

func FuzzStoredHashNeverPanics(f *testing.F) {
	h := credential.NewHasher(credential.HasherConfig{MemoryKiB: 8, Iterations: 1})
	phc, err := h.Hash(f.Context(), "пароль")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(phc)
	f.Add("$argon2id$v=19$m=4294967295,t=1,p=1$AAAA$AAAA")
	f.Add("$2a$10$abc")
	f.Fuzz(func(t *testing.T, stored string) {
		if strings.Contains(stored, "m=") && len(stored) > 200 {
			return
		}
		if right, _, _ := h.Verify(t.Context(), stored, "другой"); right {
			t.Errorf("%s takes a wrong password", stored)
		}
	})
}

// BenchmarkPasswordPool verifies by as many callers as there are cores, which share the pool's places.
func BenchmarkPasswordPool(b *testing.B) {
	h := credential.NewHasher(credential.HasherConfig{})
	stored, err := h.Hash(b.Context(), "Тихий-Вечер7 на реке")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if right, _, err := h.Verify(b.Context(), stored, "Тихий-Вечер7 на реке"); !right || err != nil {
				b.Errorf("right %v: %v", right, err)
			}
		}
	})
}

func BenchmarkPolicy(b *testing.B) {
	p := credential.NewPolicy(credential.PolicyConfig{})
	for b.Loop() {
		p.Check("Тихий-Вечер7 на реке")
	}
}
