package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/cmd/app"
)

// accounts shows, locks and unlocks one account, opens what its person has locked for themselves when they came to a centre, and lets somebody back in who
// has lost every way. What is shown is no personal data; even so the look is journalled where the person sees it.
func accounts(ctx context.Context, c *call) error {
	reason := c.flags.String("reason", "", "why: it stands in the person's journal; for activate the number of the case")
	var ask activation
	c.flags.BoolVar(&ask.confirm, "confirm", false, "activate: confirm, as the second operator, the code that another one made")
	c.flags.BoolVar(&ask.absent, "absent", false, "activate: the person is not here; the code waits as long as a recovery without a second factor")
	c.flags.DurationVar(&ask.wait, "wait", 0, "activate: how long the code does not open yet")
	return withApp(ctx, c, func(a *app.App, cfg app.Config) error {
		verb, id := word(c.words, 0), account.ID(word(c.words, 1))
		if id == "" || *reason == "" {
			return errors.New("vhod account show|lock|unlock ID -reason WHY, vhod account open ID SWITCH -reason WHY, vhod account activate ID -reason CASE [-wait 24h] [-absent] [-confirm]")
		}
		who, err := operator()
		if err != nil {
			return err
		}
		switch verb {
		case "show":
			found, err := a.Accounts().Read(ctx, id, account.Look{Who: who, Why: *reason})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.out, "%s %s %s since %s, %d sign-on factors, %d services\n", found.ID, found.Status, found.Level,
				found.CreatedAt.Format(time.DateOnly), len(found.TOTP), len(found.Grants))
			return nil
		case "lock":
			return a.Accounts().Lock(ctx, id, who, *reason, account.Origin{})
		case "unlock":
			return a.Accounts().Unlock(ctx, id, who, *reason, account.Origin{})
		case "open":
			return a.Accounts().OpenSwitchAtCentre(ctx, id, account.Switch(word(c.words, 2)), who, *reason)
		case "activate":
			return ask.run(ctx, c.out, a.Accounts(), cfg.Issuer, id, account.NewActivation{Case: *reason, Operator: who})
		}
		return fmt.Errorf("there is no %q: show, lock, unlock, open, activate", verb)
	})
}

// operator names who runs the command by the account of the system that it runs under: an environment says what one likes.
func operator() (string, error) {
	me, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("finding out who runs this: %w", err)
	}
	return "operator:" + me.Username, nil
}

// passwords turns a public list of leaked password hashes into the filter that the policy reads.
func passwords(_ context.Context, c *call) error {
	from := c.flags.String("from", "", "file of lines SHA1 or SHA1:COUNT")
	to := c.flags.String("to", "", "filter to write")
	if _, err := c.load(); err != nil {
		return err
	}
	if word(c.words, 0) != "build" || *from == "" || *to == "" {
		return errors.New("vhod passwords build -from HASHES -to FILTER")
	}
	in, err := os.Open(*from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	const leastLine = 41 // forty digits and an end of line: at most this many hashes are in the file
	filter, n, err := credential.BuildLeakedFilter(in, int(info.Size()/leastLine)+1)
	if err != nil {
		return err
	}
	out, err := os.Create(*to)
	if err != nil {
		return err
	}
	size, err := filter.WriteTo(out)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%d hashes in %d bytes: %s\n", n, size, *to)
	return nil
}
