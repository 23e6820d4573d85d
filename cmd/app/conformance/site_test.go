package conformance_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// site is what a relying party has on the web: documents that the provider fetches, and an address that it posts to.
type site struct {
	server    *httptest.Server
	authority string // PEM file of who vouches for its certificate
	posted    chan url.Values

	pings chan ping

	mu        sync.Mutex
	pinged    func(http.ResponseWriter) // how it answers a ping; 204 when nil
	documents map[string]any
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{posted: make(chan url.Values, 10), pings: make(chan ping, 10), documents: map[string]any{}, authority: filepath.Join(t.TempDir(), "rp.pem")}
	s.server = httptest.NewTLSServer(s)
	t.Cleanup(s.server.Close)
	must(t, os.WriteFile(s.authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw}), 0o600))
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/ping") {
		s.takePing(w, r)
		return
	}
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err == nil {
			s.posted <- r.PostForm
		}
		return
	}
	s.mu.Lock()
	document, there := s.documents[r.URL.Path]
	s.mu.Unlock()
	if !there {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}

// ping is what a service hears when a person answered (CIBA Core 1.0 §10.2).
type ping struct {
	path, bearer string
	body         map[string]any
}

func (s *site) takePing(w http.ResponseWriter, r *http.Request) {
	heard := ping{path: r.URL.Path, bearer: r.Header.Get("Authorization")}
	_ = json.NewDecoder(r.Body).Decode(&heard.body)
	s.mu.Lock()
	answer := s.pinged
	s.mu.Unlock()
	if answer == nil {
		answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }
	}
	answer(w)
	s.pings <- heard
}

// answersPings says how the site answers from now on.
func (s *site) answersPings(answer func(http.ResponseWriter)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinged = answer
}

// publish puts a document on the site and returns its address.
func (s *site) publish(path string, document any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.documents[path] = document
	return s.server.URL + path
}

// heard is the next form that was posted to the site.
func (s *site) heard(t testing.TB) url.Values {
	t.Helper()
	select {
	case form := <-s.posted:
		return form
	case <-time.After(10 * time.Second):
		t.Fatal("the provider posted nothing")
		return nil
	}
}
