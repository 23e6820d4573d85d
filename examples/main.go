// Command examples is the stand: the provider with a portal, two banks, registries and an inbox around
// it, in one process on loopback.
//
//	make run
//
// prints a table of addresses, people and clients, and then the line "ready".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/examples/stand"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "stand:", err)
		os.Exit(1)
	}
}

// flags are those of the command line.
type flags struct {
	stand.Options
	apply, log             string
	quiet, withoutProvider bool
}

func parse(args []string) (flags, error) {
	var f flags
	set := flag.NewFlagSet("stand", flag.ContinueOnError)
	set.IntVar(&f.BasePort, "base-port", 8080, "port of the provider; the others follow it")
	set.StringVar(&f.Data, "data", "", "`folder` that survives restarts (default: a fresh temporary one)")
	set.StringVar(&f.Records, "records", "", "`URL` of the provider's records: postgres://… or sqlite:///… (default: embedded)")
	set.StringVar(&f.Ephemera, "ephemera", "", "`URL` of the provider's ephemera: redis://… or sqlite:///… (default: embedded)")
	set.DurationVar(&f.KeysEvery, "keys-every", 0, "how long a signing key signs, by the stand's clock (default: as the provider)")
	set.BoolVar(&f.TLS, "tls", false, "everything by https, under a throw-away authority that is written to ca.pem in the data folder")
	set.StringVar(&f.Trust, "trust", "", "`file` of a further authority (PEM) by whose certificates the provider believes others")
	set.StringVar(&f.apply, "apply", "", "`file` of further clients, in the format of vhod apply")
	set.StringVar(&f.log, "log", "", "`file` of the provider's log, - for standard error (default: vhod.log in the data folder)")
	set.BoolVar(&f.quiet, "quiet", false, "print nothing but the line ready")
	set.BoolVar(&f.withoutProvider, "without-provider", false, "start everything but the provider: vhod serve runs beside the stand")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		return f, fmt.Errorf("unknown argument %q", set.Arg(0))
	}
	return f, nil
}

// run starts the stand, says when it is ready, and ends with ctx.
func run(ctx context.Context, args []string, out io.Writer) error {
	f, err := parse(args)
	if err != nil {
		return err
	}
	if f.Data == "" {
		if f.Data, err = os.MkdirTemp("", "vhod-stand-"); err != nil {
			return fmt.Errorf("making a data folder: %w", err)
		}
		defer os.RemoveAll(f.Data)
	}
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	log, err := openLog(f)
	if err != nil {
		return err
	}
	defer log.Close()
	f.Log = slog.New(slog.NewJSONHandler(log, nil))
	s, err := stand.Open(f.Options)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Run(ctx) })
	if !f.withoutProvider {
		group.Go(func() error { return provide(ctx, f, s, log, out) })
	} else {
		announce(f, s, out)
	}
	return group.Wait()
}

// openLog opens where the provider's log goes.
func openLog(f flags) (io.WriteCloser, error) {
	switch f.log {
	case "-":
		return os.Stderr, nil
	case "":
		f.log = filepath.Join(f.Data, "vhod.log")
	}
	file, err := os.OpenFile(f.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return file, nil
}

// provide runs the provider with the stand's clock, clients and people.
func provide(ctx context.Context, f flags, s *stand.Stand, log, out io.Writer) error {
	cfg, err := app.LoadConfig(s.ConfigurationFile(), func(string) string { return "" })
	if err != nil {
		return err
	}
	cfg.Now, cfg.LogWriter = s.Now, log
	if err := cfg.Complete(); err != nil {
		return err
	}
	public, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("%w (another stand? choose other ports with -base-port)", err)
	}
	provider, err := app.New(ctx, cfg)
	if err != nil {
		return errors.Join(err, public.Close())
	}
	defer provider.Close()
	if err := fill(ctx, f, s, provider, cfg.Agreements); err != nil {
		return errors.Join(err, public.Close())
	}
	announce(f, s, out) // the listener is open: whoever comes now waits for a moment at most
	return provider.Run(ctx, public, nil)
}

// fill registers the clients and makes the accounts.
func fill(ctx context.Context, f flags, s *stand.Stand, provider *app.App, agreements map[string]string) error {
	for _, file := range []string{s.ClientsFile(), f.apply} {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading clients: %w", err)
		}
		settings, err := app.ReadSettings(text)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if _, err := provider.ApplySettings(ctx, settings); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	people := make([]app.Person, 0, len(s.Residents()))
	for _, r := range s.Residents() {
		people = append(people, person(r, agreements))
	}
	return app.SeedPeople(ctx, provider.Accounts(), s.Now(), people)
}

func person(r stand.Resident, agreements map[string]string) app.Person {
	p := app.Person{
		Phone: r.Phone, Email: r.Email, Password: r.Password, Level: r.Level, Method: r.Method, Status: r.Status,
		FamilyName: r.FamilyName, GivenName: r.GivenName, MiddleName: r.MiddleName,
		Birthdate: r.Birthdate, Birthplace: r.Birthplace, Gender: r.Gender,
		PassportSeries: r.Passport.Series, PassportNumber: r.Passport.Number, PassportIssuedOn: r.Passport.IssuedOn,
		PassportIssuedBy: r.Passport.IssuedBy, PassportIssuerCode: r.Passport.IssuerCode, SNILS: r.SNILS, INN: r.INN,
		Region: r.Address.Region, City: r.Address.City, Street: r.Address.Street, House: r.Address.House, Flat: r.Address.Flat,
		Postcode: r.Address.Postcode, TOTPSecret: r.TOTPSecret, BackupCodes: r.BackupCodes, Draft: r.Draft, Agreements: agreements, Unseen: true,
	}
	if r.Method == "bank" {
		p.Verifier = r.Bank.ID
	}
	return p
}

// announce prints the table and the line that scripts wait for.
func announce(f flags, s *stand.Stand, out io.Writer) {
	if !f.quiet {
		fmt.Fprint(out, s.Table(), "\n")
	}
	fmt.Fprintln(out, "ready")
}
