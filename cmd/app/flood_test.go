package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/cmd/app"
)

// post sends a form and returns the answer, whatever it is.
func (s *stranger) post(path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = s.address + ":1234"
	for _, c := range s.cookies {
		r.AddCookie(c)
	}
	return s.node.serve(r)
}

// TestFloodOfPasswordsLeavesTheRestOfTheDoorOpen sends a thousand passwords at one moment at the cost of hashing that is the default,
// and then a thousand of 4 to 60 kB (G10).
func TestFloodOfPasswordsLeavesTheRestOfTheDoorOpen(t *testing.T) {
	const flood, parallel, queue = 1000, 2, 16
	n := newNode(t, func(c *app.Config) {
		c.Passwords = app.Passwords{MemoryKiB: 19456, Iterations: 2, Parallel: parallel, Queue: queue}
	})
	strangers, forms := make([]*stranger, flood), make([]url.Values, flood)
	for i := range strangers {
		s := &stranger{node: n, did: &answered{}, address: fmt.Sprintf("198.18.%d.%d", i/200, 1+i%200)}
		forms[i] = s.begin("/login")
		s.send(http.MethodPost, "/login", with(forms[i], "identifier", fmt.Sprintf("+7915%07d", i)))
		strangers[i] = s
	}
	send := func(password func(i int) string) map[int]int {
		var mu sync.Mutex
		var all sync.WaitGroup
		codes, start := map[int]int{}, make(chan struct{})
		for i, s := range strangers {
			all.Go(func() {
				<-start
				w := s.post("/login/password", with(forms[i], "password", password(i)))
				if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
					t.Error("a refusal does not say when to come again")
				}
				mu.Lock()
				defer mu.Unlock()
				codes[w.Code]++
			})
		}
		var over atomic.Bool
		watched := make(chan struct{})
		var took []time.Duration
		var most uint64
		go func() { // other doors, meanwhile
			defer close(watched)
			var memory runtime.MemStats
			for !over.Load() {
				began := time.Now()
				n.get("/jwks")
				took = append(took, time.Since(began))
				runtime.ReadMemStats(&memory)
				most = max(most, memory.HeapInuse)
			}
		}()
		close(start)
		all.Wait()
		over.Store(true)
		<-watched
		slices.Sort(took)
		t.Logf("answers %v; meanwhile %d times the keys, 99 of 100 within %v; at most %d MiB in use", codes, len(took), took[len(took)*99/100], most>>20)
		return codes
	}
	codes := send(func(i int) string { return fmt.Sprintf("Неверный-Пароль%d", i) })
	if codes[http.StatusServiceUnavailable] == 0 || codes[http.StatusUnprocessableEntity] < queue || codes[http.StatusUnprocessableEntity]+codes[http.StatusServiceUnavailable] != flood {
		t.Errorf("a thousand passwords are answered %v", codes)
	}
	codes = send(func(i int) string { return strings.Repeat("x", 4<<10+i*56) })
	if codes[http.StatusUnprocessableEntity] != flood {
		t.Errorf("a thousand passwords of 4 to 60 kB are answered %v", codes)
	}
	if w := strangers[0].post("/login/password", with(forms[0], "password", strings.Repeat("x", 65<<10))); w.Code != http.StatusBadRequest {
		t.Errorf("a form beyond 64 kB is answered %d", w.Code)
	}
}
