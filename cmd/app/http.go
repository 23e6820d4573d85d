package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
)

// Limits of the public listener. A sign-in page needs far less; they end slow and fat requests (X01, X02).
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	maxBodyBytes      = 64 << 10
	shutdownGrace     = 20 * time.Second
)

// newServer is an http.Server with the limits above.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// requestHeader carries the reference number of a request to the rooms; a caller's own value is dropped.
const requestHeader = "X-Request-Id"

// outer is what every public request passes: a reference number, the check of the Host, the body limit,
// recovery from a panic, one line of log and the metrics. The log names the route and the status,
// never a query, a body or a person.
func (a *App) outer(next http.Handler, host string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.cfg.Now()
		id := newRequestID()
		r.Header.Set(requestHeader, id)
		w.Header().Set(requestHeader, id)
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				a.log.ErrorContext(r.Context(), "panic", "path", r.URL.Path, "stack", string(debug.Stack()))
				if !rec.wrote {
					http.Error(rec, "internal error, reference "+id, http.StatusInternalServerError)
				}
			}
			a.observe(r, rec.status, a.cfg.Now().Sub(start))
		}()
		if !sameHost(r.Host, host) && !strings.HasPrefix(r.URL.Path, "/healthz") && !strings.HasPrefix(r.URL.Path, "/readyz") {
			http.Error(rec, "this server does not answer for that host", http.StatusMisdirectedRequest)
			return
		}
		if r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(rec, r.Body, maxBodyBytes)
		}
		next.ServeHTTP(rec, r)
	})
}

func (a *App) observe(r *http.Request, status int, took time.Duration) {
	route := routeOf(r)
	a.metrics.requests.WithLabelValues(route, r.Method, statusClass(status)).Inc()
	a.metrics.seconds.WithLabelValues(route).Observe(took.Seconds())
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("method", r.Method), slog.String("route", route), slog.Int("status", status),
		slog.Int64("us", took.Microseconds()))
}

// routeOf is the first two segments of the path: enough to tell routes apart, and never an id.
func routeOf(r *http.Request) string {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	second, _, _ := strings.Cut(rest, "/")
	if second == "" || first == "assets" || len(second) > 32 {
		return knownRoute("/" + first)
	}
	return knownRoute("/" + first + "/" + second)
}

func statusClass(status int) string { return string(rune('0'+status/100)) + "xx" }

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func newRequestID() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}

func hostOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return u.Host
}

// sameHost compares a Host header with the issuer's. On loopback the names of loopback are one, since
// a health check or a test may say 127.0.0.1; the issuer in every URL stays the configured one.
func sameHost(got, want string) bool {
	if strings.EqualFold(got, want) {
		return true
	}
	g, errG := url.Parse("http://" + got)
	w, errW := url.Parse("http://" + want)
	return errG == nil && errW == nil && loopback(g.Hostname()) && loopback(w.Hostname())
}
