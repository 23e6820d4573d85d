package storagetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// OpenEphemera makes a fresh, empty store on the given clock.
type OpenEphemera func(t testing.TB, now func() time.Time) account.Ephemera

// Ephemera is the contract of account.Ephemera.
func Ephemera(t *testing.T, open OpenEphemera) {
	rules := []struct {
		name  string
		holds func(*testing.T, account.Ephemera, *Clock)
	}{
		{"what was put is got until it expires", putIsGot},
		{"a put replaces value and time", putReplaces},
		{"a value is taken once", takenOnce},
		{"an expired value is not taken", expiredIsNotTaken},
		{"of many takers one gets the value", oneTaker},
		{"once is true the first time within its time", onceInTime},
		{"of many callers one is the first", oneFirst},
		{"a count ends with its window", countEnds},
		{"many count without losing one", countTogether},
		{"several are got and counted together", together},
		{"values, marks and counters do not meet", kindsApart},
		{"any bytes come back as they went", anyBytes},
		{"a time to live of nothing is refused", noTTL},
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			clock := NewClock()
			rule.holds(t, open(t, clock.Now), clock)
		})
	}
}

func putIsGot(t *testing.T, s account.Ephemera, clock *Clock) {
	must(t, s.Put(t.Context(), "k", []byte("v"), time.Minute))
	clock.Advance(59 * time.Second)
	wantValue(t, s, "k", "v")
	clock.Advance(time.Second)
	wantNothing(t, s, "k")
}

func putReplaces(t *testing.T, s account.Ephemera, clock *Clock) {
	must(t, s.Put(t.Context(), "k", []byte("old"), time.Minute))
	must(t, s.Put(t.Context(), "k", []byte("new"), time.Hour))
	clock.Advance(30 * time.Minute)
	wantValue(t, s, "k", "new")
}

func takenOnce(t *testing.T, s account.Ephemera, _ *Clock) {
	must(t, s.Put(t.Context(), "k", []byte("v"), time.Minute))
	value, ok, err := s.Take(t.Context(), "k")
	must(t, err)
	if !ok || string(value) != "v" {
		t.Fatalf("took %q, %v", value, ok)
	}
	if _, ok, err = s.Take(t.Context(), "k"); ok || err != nil {
		t.Fatalf("took it again: %v, %v", ok, err)
	}
	wantNothing(t, s, "k")
}

func expiredIsNotTaken(t *testing.T, s account.Ephemera, clock *Clock) {
	must(t, s.Put(t.Context(), "k", []byte("v"), time.Minute))
	clock.Advance(time.Minute)
	if _, ok, err := s.Take(t.Context(), "k"); ok || err != nil {
		t.Fatalf("took an expired value: %v, %v", ok, err)
	}
}

func oneTaker(t *testing.T, s account.Ephemera, _ *Clock) {
	for round := range 5 {
		key := fmt.Sprint("k", round)
		must(t, s.Put(t.Context(), key, []byte("v"), time.Minute))
		if n := winners(t, 50, func() (bool, error) {
			_, ok, err := s.Take(t.Context(), key)
			return ok, err
		}); n != 1 {
			t.Fatalf("%d callers took one value", n)
		}
	}
}

func onceInTime(t *testing.T, s account.Ephemera, clock *Clock) {
	for i, want := range []bool{true, false, false} {
		first, err := s.Once(t.Context(), "k", time.Minute)
		must(t, err)
		if first != want {
			t.Fatalf("call %d: first is %v", i+1, first)
		}
		clock.Advance(20 * time.Second)
	}
	clock.Advance(time.Second)
	if first, err := s.Once(t.Context(), "k", time.Minute); !first || err != nil {
		t.Fatalf("after its time: %v, %v", first, err)
	}
}

func oneFirst(t *testing.T, s account.Ephemera, _ *Clock) {
	for round := range 5 {
		if n := winners(t, 50, func() (bool, error) { return s.Once(t.Context(), fmt.Sprint("k", round), time.Minute) }); n != 1 {
			t.Fatalf("%d callers were first", n)
		}
	}
}

func countEnds(t *testing.T, s account.Ephemera, clock *Clock) {
	steps := []struct {
		after time.Duration
		by    int64
		want  int64
	}{
		{0, 0, 0}, {0, 2, 2}, {30 * time.Second, 3, 5}, {0, -1, 4}, {29 * time.Second, 0, 4},
		{time.Second, 0, 0}, {0, 7, 7}, {59 * time.Second, 1, 8}, {time.Second, 1, 1},
	}
	for i, step := range steps {
		clock.Advance(step.after)
		sum, err := s.Count(t.Context(), "k", step.by, time.Minute)
		must(t, err)
		if sum != step.want {
			t.Fatalf("step %d: the sum is %d, not %d", i+1, sum, step.want)
		}
	}
}

func countTogether(t *testing.T, s account.Ephemera, _ *Clock) {
	winners(t, 50, func() (bool, error) {
		_, err := s.Count(t.Context(), "k", 1, time.Minute)
		return true, err
	})
	if sum, err := s.Count(t.Context(), "k", 0, time.Minute); sum != 50 || err != nil {
		t.Fatalf("the sum is %d, %v", sum, err)
	}
}

func together(t *testing.T, s account.Ephemera, clock *Clock) {
	must(t, s.Put(t.Context(), "long", []byte("1"), time.Hour))
	must(t, s.Put(t.Context(), "short", []byte("2"), time.Minute))
	must(t, s.Put(t.Context(), "empty", nil, time.Hour))
	values, err := s.GetAll(t.Context(), "short", "none", "empty", "long")
	must(t, err)
	if string(values[0]) != "2" || values[1] != nil || values[2] == nil || len(values[2]) > 0 || string(values[3]) != "1" {
		t.Errorf("they are %q", values)
	}
	clock.Advance(time.Minute)
	if values, err := s.GetAll(t.Context(), "short", "long"); err != nil || values[0] != nil || string(values[1]) != "1" {
		t.Errorf("after a minute: %q, %v", values, err)
	}
	sum := func(want ...int64) {
		t.Helper()
		sums, err := s.CountAll(t.Context(), time.Minute, account.Increment{Key: "a", By: 2}, account.Increment{Key: "b", By: 0}, account.Increment{Key: "c", By: -1})
		must(t, err)
		for i := range want {
			if sums[i] != want[i] {
				t.Errorf("the sums are %d, not %d", sums, want)
			}
		}
	}
	sum(2, 0, -1)
	sum(4, 0, -2)
	clock.Advance(time.Minute)
	sum(2, 0, -1)
}

func kindsApart(t *testing.T, s account.Ephemera, _ *Clock) {
	must(t, s.Put(t.Context(), "k", []byte("v"), time.Minute))
	if first, err := s.Once(t.Context(), "k", time.Minute); !first || err != nil {
		t.Fatalf("a value stood in the way of a mark: %v, %v", first, err)
	}
	if sum, err := s.Count(t.Context(), "k", 1, time.Minute); sum != 1 || err != nil {
		t.Fatalf("the counter is %d, %v", sum, err)
	}
	wantValue(t, s, "k", "v")
}

func anyBytes(t *testing.T, s account.Ephemera, _ *Clock) {
	for _, v := range []string{"", "\x00\xff\n\"", string(make([]byte, 1<<16))} {
		must(t, s.Put(t.Context(), "ключ\x00\n", []byte(v), time.Minute))
		wantValue(t, s, "ключ\x00\n", v)
	}
}

func noTTL(t *testing.T, s account.Ephemera, _ *Clock) {
	if err := s.Put(t.Context(), "k", nil, 0); err == nil {
		t.Error("put for no time")
	}
	if _, err := s.Once(t.Context(), "k", -time.Second); err == nil {
		t.Error("once for no time")
	}
	if _, err := s.Count(t.Context(), "k", 1, 0); err == nil {
		t.Error("counted in no window")
	}
}

// winners calls try from n goroutines at once and returns how many of them got true.
func winners(t *testing.T, n int, try func() (bool, error)) int {
	t.Helper()
	var all sync.WaitGroup
	var won atomic.Int64
	start := make(chan struct{})
	for range n {
		all.Go(func() {
			<-start
			ok, err := try()
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	return int(won.Load())
}

func wantValue(t *testing.T, s account.Ephemera, key, want string) {
	t.Helper()
	value, ok, err := s.Get(t.Context(), key)
	must(t, err)
	if !ok || string(value) != want {
		t.Fatalf("got %d bytes, %v; want %d bytes", len(value), ok, len(want))
	}
}

func wantNothing(t *testing.T, s account.Ephemera, key string) {
	t.Helper()
	if _, ok, err := s.Get(t.Context(), key); ok || err != nil {
		t.Fatalf("there is still a value: %v, %v", ok, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
