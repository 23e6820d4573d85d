package app

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// openTraces sends spans of requests to the configured collector; without one nothing is traced and
// requests pay nothing.
func (a *App) openTraces(ctx context.Context) error {
	if a.cfg.Traces.Endpoint == "" {
		return nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(a.cfg.Traces.Endpoint))
	if err != nil {
		return fmt.Errorf("exporter to traces.endpoint: %w", err)
	}
	ratio := a.cfg.Traces.Ratio
	if ratio == 0 {
		ratio = 1
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio))))
	a.tracing = provider.Shutdown
	// The query never enters a span: it may hold a code or a hint.
	traced := otelhttp.NewHandler(restoreQuery(a.handler), "request", otelhttp.WithTracerProvider(provider),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + routeOf(r) }))
	a.handler = hideQuery(traced)
	return nil
}

type queryKey struct{}

// hideQuery keeps the query from what stands between it and restoreQuery.
func hideQuery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hidden := r.WithContext(context.WithValue(r.Context(), queryKey{}, [2]string{r.URL.RawQuery, r.RequestURI}))
		u := *r.URL
		u.RawQuery, hidden.URL, hidden.RequestURI = "", &u, u.Path
		next.ServeHTTP(w, hidden)
	})
}

func restoreQuery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if was, ok := r.Context().Value(queryKey{}).([2]string); ok {
			u := *r.URL
			u.RawQuery = was[0]
			r.URL, r.RequestURI = &u, was[1]
		}
		next.ServeHTTP(w, r)
	})
}
