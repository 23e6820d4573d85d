package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/login"
	"github.com/vhod-id/vhod/notify"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/ephemera"
	"github.com/vhod-id/vhod/storage/records"
	"github.com/vhod-id/vhod/templates"
)

// App is the product, wired: the rooms of the house and the listeners in front of them.
type App struct {
	cfg        Config
	log        *slog.Logger
	metrics    *metrics
	tracing    func(context.Context) error // stops the exporter
	sealer     *keys.Sealer
	records    *records.Store
	ephemera   *ephemera.Store
	ring       *keys.Ring
	pages      *templates.Set
	partners   *http.Transport // to registries, banks and gateways
	accounts   *account.Service
	provider   *op.Provider
	door       *login.Door
	payer      *notify.Payer
	signatures *trustKeeper // nil: nobody signs in by a signature
	handler    http.Handler
	stopping   atomic.Bool
}

// New opens the stores, brings their schema up, and wires the rooms from the bottom to the top. The
// caller closes what it returns.
func New(ctx context.Context, cfg Config) (*App, error) {
	level, err := logLevel(cfg.Log.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	a := &App{cfg: cfg, log: newLogger(cfg.LogWriter, level), metrics: newMetrics()}
	for _, floor := range []struct {
		name  string
		build func(context.Context) error
	}{
		{"stores", a.openStores},
		{"keys", a.openKeys},
		{"partners", a.openPartners},
		{"accounts", a.openAccounts},
		{"signatures", a.openSignatures},
		{"front door and provider", a.openDoors},
		{"traces", a.openTraces},
	} {
		if err := floor.build(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("opening %s: %w", floor.name, err), a.Close())
		}
	}
	return a, nil
}

// Handler is everything on the public listener.
func (a *App) Handler() http.Handler { return a.handler }

// Accounts is the use cases of people, for commands and for filling a stand.
func (a *App) Accounts() *account.Service { return a.accounts }

// Ring is the signing keys.
func (a *App) Ring() *keys.Ring { return a.ring }

// Records is the store of records, for commands.
func (a *App) Records() *records.Store { return a.records }

// Run serves on its listeners and does the work that is owed, until ctx ends; then it stops taking
// requests, finishes those under way and returns. A nil listener is opened from the configuration.
func (a *App) Run(ctx context.Context, public, operations net.Listener) error {
	public, err := listen(ctx, public, a.cfg.Listen)
	if err != nil {
		return fmt.Errorf("public listener: %w", err)
	}
	operations, err = listen(ctx, operations, a.cfg.Operations)
	if err != nil {
		_ = public.Close()
		return fmt.Errorf("operations listener: %w", err)
	}
	mutual, err := a.listenMutual(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("listener for certificates: %w", err), public.Close(), operations.Close())
	}
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	group, failed := errgroup.WithContext(work)
	servers := []*http.Server{newServer(a.handler, a.log), newServer(a.operations(), a.log)}
	servers[1].WriteTimeout = 0 // a profile may take its time
	group.Go(func() error { return a.serve(servers[0], public) })
	group.Go(func() error { return serveUntilClosed(servers[1].Serve(operations)) })
	if mutual != nil {
		servers = append(servers, a.mutualServer())
		group.Go(func() error { return a.serve(servers[2], mutual) })
	}
	for _, job := range a.jobs() {
		group.Go(func() error { return ignoreCanceled(job(failed)) })
	}
	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	a.stopping.Store(true)
	a.log.InfoContext(ctx, "stopping")
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	for _, s := range servers {
		if err := s.Shutdown(grace); err != nil {
			_ = s.Close()
		}
	}
	stopWork()
	return group.Wait()
}

// jobs are what runs beside the requests.
func (a *App) jobs() []func(context.Context) error {
	return []func(context.Context) error{
		settle,
		a.ring.Run, a.payer.Run, a.accounts.Pay, a.provider.Run, a.provider.PayLogouts, a.watchExpiry, a.sweep, a.watchSignatures,
	}
}

// heapGrowth is how much the heap may grow over what is in use before it is collected, in percent, unless GOGC says another: little is
// in use, and to collect for every such little takes a fifteenth of the processor time of a code flow.
const heapGrowth = 300

// settle returns to the system what starting took and serving does not need: catalogues, templates and trust lists are
// parsed by then.
func settle(context.Context) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	debug.FreeOSMemory()
	return nil
}

// watchExpiry keeps the metric of dated things fresh.
func (a *App) watchExpiry(ctx context.Context) error {
	const every = time.Minute
	for {
		for _, d := range a.Dated(ctx) {
			if !d.Until.IsZero() {
				a.metrics.expires.WithLabelValues(d.Kind, d.Name).Set(float64(d.Until.Unix()))
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

func (a *App) serve(s *http.Server, l net.Listener) error {
	if a.cfg.TLS.Certificate != "" {
		if s.TLSConfig == nil {
			s.TLSConfig = strictTLS()
		}
		return serveUntilClosed(s.ServeTLS(l, a.cfg.TLS.Certificate, a.cfg.TLS.Key))
	}
	return serveUntilClosed(s.Serve(l))
}

// Close closes the stores.
func (a *App) Close() error {
	var problems []error
	if a.tracing != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		problems = append(problems, a.tracing(ctx))
	}
	if a.accounts != nil {
		a.accounts.Close()
	}
	if a.ephemera != nil {
		problems = append(problems, a.ephemera.Close())
	}
	if a.records != nil {
		problems = append(problems, a.records.Close())
	}
	return errors.Join(problems...)
}

func listen(ctx context.Context, l net.Listener, address string) (net.Listener, error) {
	if l != nil {
		return l, nil
	}
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

func serveUntilClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// folder makes the data folder, readable by its owner alone.
func folder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	return nil
}
