package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/vhod-id/vhod/cmd/app"
)

// garbagePercent lets a node grow to four times of what lives before it collects: it holds little and makes much
// garbage, so an eighth of its work is saved for some tens of megabytes. The variable GOGC has the last word.
const garbagePercent = 300

func serve(ctx context.Context, c *call) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	return withApp(ctx, c, func(a *app.App, cfg app.Config) error {
		fmt.Fprintf(c.out, "vhod serves %s on %s\n", cfg.Issuer, cfg.Listen)
		return a.Run(ctx, nil, nil)
	})
}

// migrate opens the stores, which brings their schema up, and says which version it is.
func migrate(ctx context.Context, c *call) error {
	return withApp(ctx, c, func(a *app.App, _ app.Config) error {
		version, err := a.Records().SchemaVersion(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "the schema of the records is at version %d\n", version)
		return nil
	})
}

func printConfig(_ context.Context, c *call) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	text, err := cfg.Redacted()
	if err != nil {
		return err
	}
	_, err = c.out.Write(text)
	return err
}

// withApp wires the product for one command and closes it after.
func withApp(ctx context.Context, c *call, run func(*app.App, app.Config) error) (err error) {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	a, err := app.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closing := a.Close(); err == nil {
			err = closing
		}
	}()
	return run(a, cfg)
}
