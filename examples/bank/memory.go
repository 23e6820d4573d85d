package bank

import (
	"crypto/rand"
	"sync"
	"time"
)

// request is an authorization request on its way through the pages.
type request struct {
	RedirectURI string
	State       string
	Nonce       string
	Challenge   string
	Scopes      []string
	Browser     string // cookie of the browser that it came from
	Username    string // once signed in
	AuthTime    time.Time
	Tries       int
}

// memory keeps what expires: requests, codes and tokens, all by random names.
type memory struct {
	now  func() time.Time
	mu   sync.Mutex
	kept map[string]kept
}

type kept struct {
	request request
	until   time.Time
}

func newMemory(now func() time.Time) memory {
	return memory{now: now, kept: map[string]kept{}}
}

// put keeps a request under a fresh name of a kind.
func (m *memory) put(kind string, r request, life time.Duration) string {
	name := rand.Text()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for key, old := range m.kept { // a demo bank has few of them
		if now.After(old.until) {
			delete(m.kept, key)
		}
	}
	m.kept[kind+name] = kept{r, now.Add(life)}
	return name
}

func (m *memory) get(kind, name string) (request, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.kept[kind+name]
	return k.request, ok && !m.now().After(k.until)
}

// take returns a request once.
func (m *memory) take(kind, name string) (request, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.kept[kind+name]
	delete(m.kept, kind+name)
	return k.request, ok && !m.now().After(k.until)
}

// change alters a kept request in place.
func (m *memory) change(kind, name string, f func(*request)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k, ok := m.kept[kind+name]; ok {
		f(&k.request)
		m.kept[kind+name] = k
	}
}
