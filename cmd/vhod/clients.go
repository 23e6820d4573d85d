package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

func apply(ctx context.Context, c *call) error {
	file := c.flags.String("f", "", "file of clients and settings (YAML)")
	dryRun := c.flags.Bool("dry-run", false, "say what would change, change nothing")
	diff := c.flags.Bool("diff", false, "name the fields that differ")
	return withApp(ctx, c, func(a *app.App, cfg app.Config) error {
		if *file == "" {
			return errors.New("apply needs -f FILE")
		}
		text, err := os.ReadFile(*file)
		if err != nil {
			return err
		}
		settings, err := app.ReadSettings(text)
		if err != nil {
			return err
		}
		changes, err := app.Apply(ctx, a.Records(), settings, cfg.Now(), *dryRun)
		for _, change := range changes {
			fmt.Fprintf(c.out, "%-8s %s", change.Kind, change.Client)
			if *diff && len(change.Fields) > 0 {
				fmt.Fprintf(c.out, "  (%s)", strings.Join(change.Fields, ", "))
			}
			fmt.Fprintln(c.out)
		}
		return err
	})
}

// secretOverlap is how long an old client secret stays valid beside a new one.
const secretOverlap = 24 * time.Hour

func clients(ctx context.Context, c *call) error {
	return withApp(ctx, c, func(a *app.App, cfg app.Config) error {
		verb, id := word(c.words, 0), word(c.words, 1)
		if verb != "list" && id == "" {
			return errors.New("vhod client list | show ID | secret ID | delete ID")
		}
		switch verb {
		case "list":
			return listClients(ctx, c, a)
		case "show":
			client, err := a.Records().Client(ctx, id)
			if err != nil {
				return fmt.Errorf("client %s: %w", id, err)
			}
			return writeJSON(c, client)
		case "secret":
			return newSecret(ctx, c, a, id, cfg.Now())
		case "delete":
			return a.Records().DeleteClient(ctx, id)
		}
		return fmt.Errorf("there is no %q: list, show, secret, delete", verb)
	})
}

func listClients(ctx context.Context, c *call, a *app.App) error {
	all, err := a.Records().Clients(ctx)
	if err != nil {
		return err
	}
	for _, client := range all {
		warning := ""
		if client.Profile == op.ProfileCompat {
			warning = "  ! does no PKCE"
		}
		fmt.Fprintf(c.out, "%-24s %-12s %s%s\n", client.ID, client.Profile, strings.Join(client.Auth, " "), warning)
	}
	return nil
}

// newSecret gives a client a new secret and ends the old ones a day later.
func newSecret(ctx context.Context, c *call, a *app.App, id string, now time.Time) error {
	client, err := a.Records().Client(ctx, id)
	if err != nil {
		return fmt.Errorf("client %s: %w", id, err)
	}
	for i, s := range client.Secrets {
		if s.ExpiresAt.IsZero() || s.ExpiresAt.After(now.Add(secretOverlap)) {
			client.Secrets[i].ExpiresAt = now.Add(secretOverlap)
		}
	}
	secret := keys.NewToken(keys.PrefixClientSecret)
	client.Secrets = append(client.Secrets, op.ClientSecret{Hash: keys.Hash(secret), CreatedAt: now})
	client.UpdatedAt = now
	if err := client.Check(); err != nil {
		return err
	}
	if err := a.Records().PutClient(ctx, *client); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s\nKeep it: it is not shown again. The secret before it is valid until %s.\n",
		secret, now.Add(secretOverlap).UTC().Format(time.RFC3339))
	return nil
}

func word(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return ""
}

func writeJSON(c *call, v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
