// Package stand is everything of the stand but the provider: the portal, two banks, an API, and the outside
// world, in one process on loopback, with one clock.
//
// The provider joins them by configuration alone: the stand writes it as files, which serve the provider
// in the same process (go run ./examples) as well as `vhod serve` beside it.
package stand

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/errgroup"

	"github.com/vhod-id/vhod/examples/api"
	"github.com/vhod-id/vhod/examples/authority"
	"github.com/vhod-id/vhod/examples/bank"
	"github.com/vhod-id/vhod/examples/faults"
	"github.com/vhod-id/vhod/examples/inbox"
	"github.com/vhod-id/vhod/examples/portal"
	"github.com/vhod-id/vhod/examples/registries"
)

// Options are the flags of the stand.
type Options struct {
	BasePort int    // of the provider; the others follow it
	Data     string // folder, made when absent
	Records  string // URL of the provider's stores; embedded in Data when empty
	Ephemera string
	// KeysEvery is how long the provider's signing keys sign, by the stand's clock; as the provider has it when 0.
	KeysEvery time.Duration
	TLS       bool   // everything by https, under a throw-away authority in Data
	Trust     string // PEM file of a further authority for what the provider fetches
	Log       *slog.Logger
}

// Offsets of the ports from the base port (docs of the stand).
const (
	portProvider = iota
	portPortal
	portGreen
	portYellow
	portWorld
	portOperations
	portMutual      // with TLS: where clients show certificates
	portAPI         // of somebody else, opened by tokens of the provider
	portCaller = 10 // left free for a caller's own client
)

// Stand is a stand whose listeners are open. Run serves them.
type Stand struct {
	opt         Options
	certificate *tls.Config // nil: everything by http
	clock       *inbox.Clock
	residents   []Resident
	listeners   []net.Listener
	servers     []*http.Server
	world       *inbox.Server
	authority   *authority.Authority
	smtp        net.Listener
}

// Open opens all listeners but the provider's and writes the provider's configuration.
func Open(opt Options) (*Stand, error) {
	data, err := filepath.Abs(opt.Data) // the configuration is for a process that may stand elsewhere
	if err != nil {
		return nil, fmt.Errorf("finding the data folder: %w", err)
	}
	opt.Data = data
	if err := os.MkdirAll(opt.Data, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Stand{opt: opt}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *Stand) open() (err error) {
	if s.clock, err = openClock(s.file("clock")); err != nil {
		return err
	}
	if s.smtp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	population := registries.NewPopulation(s.clock.Now())
	broken := faults.NewSet(registries.FaultPassport, registries.FaultSNILS, registries.FaultINN,
		inbox.FaultSMS, inbox.FaultMail, inbox.FaultPush, "bank-green", "bank-yellow")
	if err := s.openTLS(); err != nil {
		return err
	}
	key, err := portalKey(s.file("portal.jwk"))
	if err != nil {
		return err
	}
	for _, build := range []func() error{
		func() error { return s.openWorld(population, broken) },
		func() error { return s.openBanks(population, broken) },
		func() error { return s.openPortal(key) },
		s.openAPI,
		func() error { return s.writeConfiguration(key) },
	} {
		if err := build(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stand) openWorld(population *registries.Population, broken *faults.Set) error {
	residents, others := settle(population)
	s.residents = residents
	people := make([]inbox.Person, 0, len(residents)+len(others))
	for _, r := range residents {
		people = append(people, r.Person)
	}
	people = append(people, others...)
	var err error
	if s.authority, err = authority.Open(s.file("authority"), s.clock.Now); err != nil {
		return err
	}
	world, err := inbox.New(inbox.Config{
		Box: inbox.NewBox(s.clock.Now), Clock: s.clock, Faults: broken, People: people, SMSKey: smsKey,
		Registries: registries.NewServer(population, broken, registryKey).Handler(),
		Authority:  authority.NewServer(s.authority, signers(people)).Handler(),
		Advanced: func(ahead time.Duration) {
			if err := os.WriteFile(s.file("clock"), []byte(ahead.String()), 0o600); err != nil {
				s.opt.Log.Error("keeping the clock", "error", err)
			}
		},
	})
	if err != nil {
		return err
	}
	s.world = world
	return s.listen(portWorld, world.Handler())
}

// signers are the people as a certificate names them.
func signers(people []inbox.Person) func(id string) (authority.Subject, bool) {
	return func(id string) (authority.Subject, bool) {
		i := slices.IndexFunc(people, func(p inbox.Person) bool { return p.ID == id })
		if i < 0 {
			return authority.Subject{}, false
		}
		p := people[i]
		return authority.Subject{Surname: p.FamilyName, GivenName: strings.TrimSpace(p.GivenName + " " + p.MiddleName), SNILS: p.SNILS, INN: p.INN}, true
	}
}

func (s *Stand) openBanks(population *registries.Population, broken *faults.Set) error {
	for _, cfg := range s.banks() {
		cfg.ClientID, cfg.RedirectURIs = "vhod", []string{s.origin(portProvider) + "/bank/callback"}
		cfg.Customers, cfg.Faults, cfg.Now = customers(population, cfg.ID), broken, s.clock.Now
		b, err := bank.New(cfg.Config)
		if err != nil {
			return err
		}
		if err := s.listen(cfg.port, b.Handler()); err != nil {
			return err
		}
	}
	return nil
}

// bankConfig is a bank with its place on the stand.
type bankConfig struct {
	bank.Config
	port    int
	English string
}

func (s *Stand) banks() []bankConfig {
	return []bankConfig{
		{bank.Config{ID: "green", Name: "Зелёный банк", Colour: "#3fb56b", Issuer: s.origin(portGreen), Alg: jose.RS256,
			Auth: "client_secret_basic", ClientSecret: "green-bank-secret"}, portGreen, "Green Bank"},
		{bank.Config{ID: "yellow", Name: "Жёлтый банк", Colour: "#f2c230", Issuer: s.origin(portYellow), Alg: jose.ES256,
			Auth: "client_secret_post", ClientSecret: "yellow-bank-secret", UserinfoPost: true}, portYellow, "Yellow Bank"},
	}
}

func (s *Stand) openPortal(key jose.JSONWebKey) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	p, err := portal.New(portal.Config{Origin: s.origin(portPortal), Issuer: s.origin(portProvider), ClientID: "portal",
		Key: key, HTTP: client, Now: s.clock.Now, Log: s.opt.Log})
	if err != nil {
		return err
	}
	return s.listen(portPortal, p.Handler())
}

// openAPI asks callers for certificates where there is TLS: tokens may be bound to them.
func (s *Stand) openAPI() error {
	client, err := s.client()
	if err != nil {
		return err
	}
	a := api.New(api.Config{Origin: s.origin(portAPI), Issuer: s.origin(portProvider), ClientID: "demo-api", Secret: "demo-api-secret", HTTP: client, Now: s.clock.Now})
	if err := s.listen(portAPI, a.Handler()); err != nil {
		return err
	}
	if s.certificate != nil {
		asks := s.certificate.Clone()
		asks.ClientAuth = tls.RequestClientCert
		s.servers[len(s.servers)-1].TLSConfig = asks
	}
	return nil
}

func (s *Stand) listen(offset int, h http.Handler) error {
	l, err := net.Listen("tcp", s.address(offset))
	if err != nil {
		return fmt.Errorf("the stand: %w (another stand? choose other ports with -base-port)", err)
	}
	s.listeners = append(s.listeners, l)
	s.servers = append(s.servers, &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: s.certificate.Clone(), // each server writes into its own
		ErrorLog:  slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug)})
	return nil
}

// Run serves until ctx ends.
func (s *Stand) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.world.ServeMail(ctx, s.smtp) })
	for i, server := range s.servers {
		group.Go(func() error {
			err := s.serve(server, s.listeners[i])
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		})
	}
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		for _, server := range s.servers {
			if err := server.Shutdown(grace); err != nil { // somebody still waits for a message
				_ = server.Close()
			}
		}
		return nil
	})
	return group.Wait()
}

func (s *Stand) serve(server *http.Server, l net.Listener) error {
	if s.certificate == nil {
		return server.Serve(l)
	}
	return server.ServeTLS(l, "", "") // the certificate is in its configuration
}

// close closes what Open opened, when it failed.
func (s *Stand) close() error {
	var problems []error
	for _, l := range append(s.listeners, s.smtp) {
		if l != nil {
			problems = append(problems, l.Close())
		}
	}
	return errors.Join(problems...)
}

// Now is the clock of the stand.
func (s *Stand) Now() time.Time { return s.clock.Now() }

// Residents are the people whose accounts the provider is to have.
func (s *Stand) Residents() []Resident { return s.residents }

// Issuer is the provider's origin.
func (s *Stand) Issuer() string { return s.origin(portProvider) }

func (s *Stand) file(name string) string { return filepath.Join(s.opt.Data, name) }

func (s *Stand) address(offset int) string { return fmt.Sprintf("127.0.0.1:%d", s.opt.BasePort+offset) }

// origin is a part of the stand as a browser names it. The operations listener and the caller's own client speak http in
// any case.
func (s *Stand) origin(offset int) string {
	scheme := "http"
	if s.opt.TLS && offset != portOperations && offset != portCaller {
		scheme = "https"
	}
	return fmt.Sprintf("%s://localhost:%d", scheme, s.opt.BasePort+offset)
}

// openClock starts the clock where the stand left it.
func openClock(file string) (*inbox.Clock, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return inbox.NewClock(0), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the clock: %w", err)
	}
	ahead, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("reading the clock: %w", err)
	}
	return inbox.NewClock(ahead), nil
}
