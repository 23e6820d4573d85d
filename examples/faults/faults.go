// Package faults makes the outside world of the stand fail on request.
//
// Every adapter of the stand (a registry, the SMS gateway, mail, a bank) asks its Set before it answers;
// a script arms the Set over HTTP (POST /faults of the outside world). Latency is real time: the clock
// of the stand is moved by scripts, the patience of HTTP clients is not.
package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Outcome is how an adapter fails.
type Outcome string

// The outcomes. What refuse, mismatch and wrong-aud look like is the adapter's own matter.
const (
	OK            Outcome = "ok"
	Timeout       Outcome = "timeout"   // no answer within the patience of any client
	Refuse        Outcome = "refuse"    // a clear no
	Mismatch      Outcome = "mismatch"  // a wrong answer: the data of another person
	Down          Outcome = "down"      // the connection breaks
	WrongAudience Outcome = "wrong-aud" // banks alone: an ID token meant for another client
)

// hang is how long Timeout keeps a caller who does not give up by himself.
const hang = 30 * time.Second

// Fault is what was armed for one adapter.
type Fault struct {
	Adapter   string
	Latency   time.Duration
	ErrorRate float64 // share of calls that meet Outcome; 0 means every call
	Outcome   Outcome // Down when empty and ErrorRate is set, OK otherwise
}

// Set is the armed faults of the stand.
type Set struct {
	adapters []string
	mu       sync.Mutex
	armed    map[string]Fault
}

// NewSet makes a Set that knows these adapters and refuses to arm others.
func NewSet(adapters ...string) *Set {
	return &Set{adapters: adapters, armed: map[string]Fault{}}
}

// Arm sets the fault of an adapter over the one before; it errs when the adapter, the outcome or the
// rate is unknown.
func (s *Set) Arm(f Fault) error {
	if !slices.Contains(s.adapters, f.Adapter) {
		return fmt.Errorf("unknown adapter %q; there are %s", f.Adapter, strings.Join(s.adapters, ", "))
	}
	if f.ErrorRate < 0 || f.ErrorRate > 1 {
		return fmt.Errorf("errorRate %v is not between 0 and 1", f.ErrorRate)
	}
	if f.Latency < 0 {
		return fmt.Errorf("latency %v is negative", f.Latency)
	}
	if f.Outcome == "" {
		f.Outcome = OK
		if f.ErrorRate > 0 {
			f.Outcome = Down
		}
	}
	if !slices.Contains([]Outcome{OK, Timeout, Refuse, Mismatch, Down, WrongAudience}, f.Outcome) {
		return fmt.Errorf("unknown outcome %q", f.Outcome)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed[f.Adapter] = f
	return nil
}

// Clear disarms every adapter.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.armed)
}

// Strike is called by an adapter before it answers: it waits for the armed latency (or until ctx ends)
// and returns the outcome that the adapter has to play, OK when nothing is armed. After Timeout it has
// already hung; the adapter then breaks the connection.
func (s *Set) Strike(ctx context.Context, adapter string) Outcome {
	s.mu.Lock()
	f, armed := s.armed[adapter]
	s.mu.Unlock()
	if !armed {
		return OK
	}
	sleep(ctx, f.Latency)
	if f.ErrorRate > 0 && rand.Float64() >= f.ErrorRate {
		return OK
	}
	if f.Outcome == Timeout {
		sleep(ctx, hang)
	}
	return f.Outcome
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// fault is Fault as it travels.
type fault struct {
	Adapter   string  `json:"adapter"`
	Latency   string  `json:"latency,omitempty"`
	ErrorRate float64 `json:"errorRate,omitempty"`
	Outcome   Outcome `json:"outcome"`
}

// ServeHTTP lists the armed faults (GET), arms one (POST, the JSON of stand.md) or clears all (DELETE).
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		if err := s.read(r.Body); err != nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
			return
		}
	case http.MethodDelete:
		s.Clear()
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.list())
}

func (s *Set) read(body io.Reader) error {
	var in fault
	if err := json.NewDecoder(io.LimitReader(body, 4<<10)).Decode(&in); err != nil {
		return fmt.Errorf("reading the fault: %w", err)
	}
	f := Fault{Adapter: in.Adapter, ErrorRate: in.ErrorRate, Outcome: in.Outcome}
	if in.Latency != "" {
		d, err := time.ParseDuration(in.Latency)
		if err != nil {
			return fmt.Errorf("reading latency: %w", err)
		}
		f.Latency = d
	}
	return s.Arm(f)
}

func (s *Set) list() []fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []fault{}
	for _, adapter := range s.adapters {
		if f, ok := s.armed[adapter]; ok {
			out := fault{Adapter: f.Adapter, ErrorRate: f.ErrorRate, Outcome: f.Outcome}
			if f.Latency > 0 {
				out.Latency = f.Latency.String()
			}
			list = append(list, out)
		}
	}
	return list
}
