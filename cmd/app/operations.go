package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vhod-id/vhod/keys"
)

// metrics are the numbers that a runner watches.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	expires  *prometheus.GaugeVec
	trips    *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vhod_http_requests_total", Help: "Requests by route, method and class of status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vhod_http_request_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		expires: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vhod_expires_timestamp_seconds", Help: "When a dated thing ends: keys, certificates, secrets.",
		}, []string{"kind", "name"}),
		trips: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vhod_store_round_trips_total", Help: "Round trips to the records and the ephemera.",
		}, []string{"store"}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.expires, m.trips,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// knownRoute keeps the label set small: what no room serves is one route.
func knownRoute(route string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(route, "/"), "/")
	switch first {
	case "login", "signup", "recovery", "level", "protect", "me", "logout", "lang", "theme", "help",
		"authorize", "par", "token", "userinfo", "introspect", "revoke", "end_session", "jwks", "assets", "device", "device_authorization",
		".well-known", "healthz", "readyz", "":
		return route
	case "register":
		return "/register" // the id of a client follows
	}
	return "other"
}

// operations serves metrics, profiles and health on the listener of the runner.
func (a *App) operations() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /readyz", a.readyz)
	return mux
}

// healthz says that the process serves. It asks nobody: a store that is away is no reason to restart us.
func (a *App) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}

// readyTimeout bounds the questions behind one readiness answer.
const readyTimeout = 2 * time.Second

// Ready is the answer of /readyz.
type Ready struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"` // "ok" or what is wrong
	Warn   []string          `json:"warnings,omitempty"`
}

// readyz says whether this node should get requests: both stores answer, each algorithm has a key that
// signs, and nothing that it needs has ended. It turns false first when the node stops.
func (a *App) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	answer := a.Ready(ctx)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// expiryWarning is how long before its end a dated thing is warned of (C27).
const expiryWarning = 30 * 24 * time.Hour

// Ready asks everything that this node needs.
func (a *App) Ready(ctx context.Context) Ready {
	answer := Ready{Ready: true, Checks: map[string]string{}}
	note := func(name string, err error) {
		answer.Checks[name] = "ok"
		if err != nil {
			answer.Checks[name], answer.Ready = err.Error(), false
		}
	}
	note("records", a.records.Ping(ctx))
	note("ephemera", a.ephemera.Ping(ctx))
	if a.stopping.Load() {
		answer.Checks["node"], answer.Ready = "stopping", false
	}
	now := a.cfg.Now()
	for _, d := range a.Dated(ctx) {
		if d.Until.IsZero() {
			continue
		}
		switch left := d.Until.Sub(now); {
		case strings.HasPrefix(d.Kind, signatureKind): // lists live for days: only their end is news
			if left <= 0 {
				answer.Warn = append(answer.Warn, d.Kind+" "+d.Name+" ended "+d.Until.UTC().Format(time.RFC3339)+". "+d.Note)
			}
		case left <= 0 && d.Kind != "client-secret":
			note(d.Kind+" "+d.Name, errEnded(d))
		case left <= expiryWarning:
			answer.Warn = append(answer.Warn, d.Kind+" "+d.Name+" ends "+d.Until.UTC().Format(time.RFC3339)+". "+d.Note)
		}
	}
	return answer
}

type errEnded keys.Dated

func (e errEnded) Error() string {
	return "ended " + e.Until.UTC().Format(time.RFC3339) + ". " + e.Note
}
