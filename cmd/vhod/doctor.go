package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/keys"
)

// doctor asks everything that the product needs and lists every dated thing, the nearest end first.
func doctor(ctx context.Context, c *call) error {
	return withApp(ctx, c, func(a *app.App, cfg app.Config) error {
		answer := a.Ready(ctx)
		for name, state := range answer.Checks {
			fmt.Fprintf(c.out, "%-32s %s\n", name, state)
		}
		dated := a.Dated(ctx)
		sort.Slice(dated, func(i, j int) bool { return dated[i].Until.Before(dated[j].Until) })
		for _, d := range dated {
			until := "does not end"
			if !d.Until.IsZero() {
				until = fmt.Sprintf("until %s (%s)", d.Until.UTC().Format(time.DateOnly), days(d.Until.Sub(cfg.Now())))
			}
			fmt.Fprintf(c.out, "%-14s %-46s %s %s\n", d.Kind, d.Name, until, d.Note)
		}
		for _, warning := range cfg.Warnings() {
			fmt.Fprintln(c.out, "!", warning)
		}
		if !answer.Ready {
			return errors.New("not ready")
		}
		return nil
	})
}

func days(d time.Duration) string {
	if d <= 0 {
		return "ended"
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func signingKeys(ctx context.Context, c *call) error {
	return withApp(ctx, c, func(a *app.App, _ app.Config) error {
		switch word(c.words, 0) {
		case "list":
			stored, err := a.Records().SigningKeys(ctx)
			if err != nil {
				return err
			}
			for _, k := range stored {
				fmt.Fprintf(c.out, "%-6s %s signs from %s%s\n", k.Algorithm, k.ID, k.ActiveFrom.UTC().Format(time.RFC3339), retired(k))
			}
			return nil
		case "rotate":
			alg := keys.Algorithm(word(c.words, 1))
			if err := a.Ring().Rotate(ctx, alg); err != nil {
				return fmt.Errorf("rotating %s: %w", alg, err)
			}
			fmt.Fprintf(c.out, "%s rotated; every node takes it up within seconds\n", alg)
			return nil
		case "reseal":
			signing, err := a.Ring().Reseal(ctx)
			if err != nil {
				return err
			}
			rows, err := a.Records().Reseal(ctx)
			fmt.Fprintf(c.out, "%d rows and %d signing keys are sealed anew; the old master keys may go when no node uses them\n", rows, signing)
			return err
		}
		return errors.New("vhod keys list | rotate RS256|PS256|ES256|EdDSA | reseal")
	})
}

func retired(k keys.StoredKey) string {
	if k.RetiredAt.IsZero() {
		return ""
	}
	return " retired " + k.RetiredAt.UTC().Format(time.RFC3339)
}

// journal verifies the chain of one account's journal or of all, and names the first line that does not fit.
func journal(ctx context.Context, c *call) error {
	return withApp(ctx, c, func(a *app.App, _ app.Config) error {
		if word(c.words, 0) != "verify" {
			return errors.New("vhod journal verify [ACCOUNT]")
		}
		if id := word(c.words, 1); id != "" {
			return a.Records().VerifyJournal(ctx, account.ID(id))
		}
		count := 0
		var broken []error
		err := a.Records().EachAccount(ctx, func(id account.ID) error {
			count++
			if err := a.Records().VerifyJournal(ctx, id); err != nil {
				broken = append(broken, fmt.Errorf("account %s: %w", id, err))
			}
			return nil
		})
		fmt.Fprintf(c.out, "%d journals read, %d broken\n", count, len(broken))
		return errors.Join(append(broken, err)...)
	})
}
