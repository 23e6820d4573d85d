// Command vhod is the product: one binary that serves the sign-in and looks after its stores.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/vhod-id/vhod/cmd/app"
)

// command is one word after vhod.
type command struct {
	name string
	args string // what stands behind it
	does string
	run  func(ctx context.Context, c *call) error
}

// call is one run of a command.
type call struct {
	flags  *flag.FlagSet
	config string
	set    overrides
	out    io.Writer
	args   []string // as typed, flags included
	words  []string // what is no flag
}

// overrides are the flags that stand before the file and the environment.
type overrides struct{ issuer, listen, operations, data, records, ephemera string }

var commands = []command{
	{"serve", "", "serve the sign-in until a signal", serve},
	{"migrate", "", "bring the schema of the stores up to this binary", migrate},
	{"apply", "-f FILE [-dry-run] [-diff]", "put clients and settings into the store", apply},
	{"config", "", "print the configuration in force, secrets hidden", printConfig},
	{"client", "list | show ID | secret ID | delete ID", "look after clients", clients},
	{"account", "show ID | lock ID -reason R | unlock ID -reason R | open ID SWITCH -reason R | activate ID -reason CASE", "look after one account; each look is journalled", accounts},
	{"case", "list | show NUMBER | answer NUMBER [-confirm] | close NUMBER -reason R", "read and answer who asks for their access back; each look is journalled", cases},
	{"keys", "list | rotate ALG | reseal", "look after signing keys; seal everything under the newest master key", signingKeys},
	{"journal", "verify [ID]", "recompute the chain of one journal or of all", journal},
	{"passwords", "build -from HASHES -to FILTER", "turn a file of leaked password hashes into a filter", passwords},
	{"doctor", "", "say what is wrong, and what will be", doctor},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "vhod:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		usage(out)
		return nil
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		usage(out)
		return fmt.Errorf("there is no command %q", args[0])
	}
	c := &call{flags: flag.NewFlagSet("vhod "+args[0], flag.ContinueOnError), out: out}
	c.flags.SetOutput(out)
	c.flags.StringVar(&c.config, "config", os.Getenv("VHOD_CONFIG"), "configuration file (YAML)")
	c.flags.StringVar(&c.set.issuer, "issuer", "", "origin of the provider, such as https://id.example.ru")
	c.flags.StringVar(&c.set.listen, "listen", "", "host:port of the public listener")
	c.flags.StringVar(&c.set.operations, "operations", "", "host:port of metrics and profiles")
	c.flags.StringVar(&c.set.data, "data", "", "folder of the embedded stores and master keys")
	c.flags.StringVar(&c.set.records, "records", "", "sqlite:///FILE or postgres://…")
	c.flags.StringVar(&c.set.ephemera, "ephemera", "", "sqlite:///FILE or redis://…")
	return commands[i].run(ctx, c.with(args[1:]))
}

// with keeps the arguments for the command, which may add flags of its own before it parses.
func (c *call) with(args []string) *call {
	c.flags.Usage = func() {
		fmt.Fprintf(c.out, "usage: %s\n", c.flags.Name())
		c.flags.PrintDefaults()
	}
	c.args = args
	return c
}

// load parses the flags and returns the completed configuration.
func (c *call) load() (app.Config, error) {
	var words []string
	rest := c.args
	for len(rest) > 0 { // words and flags may stand in any order
		if !strings.HasPrefix(rest[0], "-") {
			words, rest = append(words, rest[0]), rest[1:]
			continue
		}
		if err := c.flags.Parse(rest); err != nil {
			return app.Config{}, err
		}
		rest = c.flags.Args()
	}
	c.words = words
	cfg, err := app.LoadConfig(c.config, os.Getenv)
	if err != nil {
		return cfg, err
	}
	c.set.over(&cfg)
	return cfg, cfg.Complete()
}

// over puts the flags that were given over the configuration.
func (o overrides) over(cfg *app.Config) {
	for _, f := range []struct {
		given string
		field *string
	}{
		{o.issuer, &cfg.Issuer}, {o.listen, &cfg.Listen}, {o.operations, &cfg.Operations},
		{o.data, &cfg.Data}, {o.records, &cfg.Records}, {o.ephemera, &cfg.Ephemera},
	} {
		if f.given != "" {
			*f.field = f.given
		}
	}
}

func usage(out io.Writer) {
	fmt.Fprint(out, "vhod is one sign-in for many services: an OpenID provider with accounts and levels.\n\n")
	for _, c := range commands {
		fmt.Fprintf(out, "  vhod %-10s %-50s %s\n", c.name, c.args, c.does)
	}
	fmt.Fprint(out, "\nEvery command takes -config FILE, -data DIR, -records URL and -ephemera URL.\n")
}
