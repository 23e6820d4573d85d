// Package inbox is the outside world of the stand: what people receive, who they are, what time it is,
// and what goes wrong.
//
// It plays the SMS gateway, a mail server, and a push service with the browsers behind it, and keeps every message,
// so that a script reads codes and links as a person would. The stand's clock and faults are moved here. It is
// for loopback alone: everybody who reaches it may read and change everything.
package inbox

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/examples/faults"
)

// Config is what the outside world consists of. Box, Clock and Faults must be set.
type Config struct {
	Box        *Box
	Clock      *Clock
	Faults     *faults.Set
	People     []Person
	Registries http.Handler        // serves /registry/…
	Authority  http.Handler        // serves /certificates
	SMSKey     string              // the bearer key of the gateway; empty: anybody
	Advanced   func(time.Duration) // called after the clock moved, with how far it is ahead; may be nil
}

// Server is the outside world.
type Server struct {
	cfg      Config
	browsers browsers
}

// New checks the configuration.
func New(cfg Config) (*Server, error) {
	if cfg.Box == nil || cfg.Clock == nil || cfg.Faults == nil {
		return nil, errors.New("inbox: Box, Clock and Faults are needed")
	}
	if cfg.Registries == nil {
		cfg.Registries = http.NotFoundHandler()
	}
	if cfg.Authority == nil {
		cfg.Authority = http.NotFoundHandler()
	}
	return &Server{cfg: cfg, browsers: browsers{all: map[string]browser{}}}, nil
}

// Handler serves everything that stand.md promises of the outside world.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /messages", s.messages)
	mux.HandleFunc("DELETE /messages", s.clear)
	mux.HandleFunc("POST /sms", s.sms)
	mux.HandleFunc("POST /push/subscriptions", s.subscribe)
	mux.HandleFunc("POST /push/{id}", s.push)
	mux.HandleFunc("DELETE /push/{id}", s.unsubscribe)
	mux.HandleFunc("GET /people", s.people)
	mux.HandleFunc("GET /clock", s.clock)
	mux.HandleFunc("POST /clock", s.advance)
	mux.Handle("/faults", s.cfg.Faults)
	mux.Handle("/registry/", s.cfg.Registries)
	mux.Handle("/certificates", s.cfg.Authority)
	mux.Handle("/certificates/", s.cfg.Authority)
	mux.HandleFunc("/letters/", s.absent("no letter was posted: confirmation by letter is not offered on this stand"))
	mux.HandleFunc("GET /esia-demo", s.absent("this stand has no system of the ESIA dialect"))
	return mux
}

// messages answers GET /messages?to=&channel=&after=ID&wait=10s.
func (s *Server) messages(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f := Filter{To: strings.Replace(q.Get("to"), " ", "+", 1), Channel: q.Get("channel")} // an unescaped + of a phone arrives as a space
	var err error
	if after := q.Get("after"); after != "" {
		if f.After, err = strconv.ParseInt(after, 10, 64); err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "after is the id of a message"})
			return
		}
	}
	var wait time.Duration
	if text := q.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "wait is a duration such as 10s"})
			return
		}
	}
	answer(w, http.StatusOK, s.cfg.Box.List(r.Context(), f, min(wait, time.Minute)))
}

func (s *Server) clear(w http.ResponseWriter, _ *http.Request) {
	s.cfg.Box.Clear()
	w.WriteHeader(http.StatusNoContent)
}

// clock answers {"now":"…","ahead":"10m0s"}.
func (s *Server) clock(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{
		"now":   s.cfg.Clock.Now().UTC().Format(time.RFC3339Nano),
		"ahead": s.cfg.Clock.Ahead().String(),
	})
}

// advance moves the clock: POST /clock {"advance":"10m"}.
func (s *Server) advance(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Advance string `json:"advance"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&in)
	d, parseErr := time.ParseDuration(in.Advance)
	if err := errors.Join(err, parseErr); err != nil || d < 0 {
		answer(w, http.StatusBadRequest, map[string]string{"error": `the body is {"advance":"10m"}, a duration that is not negative`})
		return
	}
	s.cfg.Clock.Advance(d)
	if s.cfg.Advanced != nil {
		s.cfg.Advanced(s.cfg.Clock.Ahead())
	}
	s.clock(w, r)
}

func (s *Server) absent(why string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, map[string]string{"error": why})
	}
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // links keep their &
	_ = encoder.Encode(value)
}

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page shows the messages, newest first, and the people.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	found := s.cfg.Box.List(r.Context(), Filter{}, 0)
	newest := make([]Message, 0, len(found))
	for i := len(found) - 1; i >= 0 && len(newest) < 100; i-- {
		newest = append(newest, found[i])
	}
	registered := []Person{}
	for _, p := range s.cfg.People {
		if p.Registered {
			registered = append(registered, p)
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	err := pageTemplate.Execute(w, map[string]any{
		"Messages": newest, "People": registered,
		"Now": s.cfg.Clock.Now().Format("02.01.2006 15:04:05"), "Ahead": s.cfg.Clock.Ahead().String(),
	})
	if err != nil {
		fmt.Fprintf(w, "\n<!-- %v -->", err)
	}
}
