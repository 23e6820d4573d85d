package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/cmd/app"
)

// casesListed is how many cases the list shows, the oldest first.
const casesListed = 200

// momentLayout is how times are printed for operators.
const momentLayout = "02.01.2006 15:04 UTC"

// cases lists, shows, answers and closes what people ask who cannot get back in by themselves. Whoever shows a case sees what was filed, and of the account
// only what is alike: each look stands in the journal of its owner.
func cases(ctx context.Context, c *call) error {
	reason := c.flags.String("reason", "", "close: why; it stands in the person's journal")
	confirm := c.flags.Bool("confirm", false, "answer: confirm, as the second operator, the answer that another one gave")
	return withApp(ctx, c, func(a *app.App, _ app.Config) error {
		verb, number, s := word(c.words, 0), word(c.words, 1), a.Accounts()
		if verb != "list" && number == "" || verb == "close" && *reason == "" {
			return errors.New("vhod case list | show NUMBER | answer NUMBER [-confirm] | close NUMBER -reason WHY")
		}
		who, err := operator()
		if err != nil {
			return err
		}
		switch verb {
		case "list":
			return listCases(ctx, c.out, s)
		case "show":
			return showCase(ctx, c.out, s, number, who)
		case "answer":
			if *confirm {
				return s.ConfirmCase(ctx, number, who)
			}
			return answerCase(ctx, c.out, s, number, who)
		case "close":
			return s.CloseCase(ctx, number, who, *reason)
		}
		return fmt.Errorf("there is no %q: list, show, answer, close", verb)
	})
}

func listCases(ctx context.Context, out io.Writer, s *account.Service) error {
	all, err := s.Cases(ctx, casesListed)
	if err != nil {
		return err
	}
	for _, c := range all {
		state := "waits"
		if !c.AnsweredAt.IsZero() {
			state = "answered " + moment(c.AnsweredAt)
		}
		fmt.Fprintf(out, "%s  %s  until %s  %s\n", c.Number, moment(c.OpenedAt), moment(c.EndsAt), state)
	}
	return nil
}

func showCase(ctx context.Context, out io.Writer, s *account.Service, number, who string) error {
	c, matches, err := s.LookAtCase(ctx, number, who)
	if err != nil {
		return err
	}
	f := c.Filed
	fmt.Fprintf(out, "case %s of %s, until %s\n", c.Number, moment(c.OpenedAt), moment(c.EndsAt))
	fmt.Fprintf(out, "%s, born %s\nSNILS %s, INN %s, passport %s %s\n",
		strings.TrimSpace(f.Person.FamilyName+" "+f.Person.GivenName+" "+f.Person.MiddleName), f.Person.Birthdate,
		orDash(f.SNILS.Formatted()), orDash(f.INN.Reveal()), f.Passport.Series, f.Passport.Number)
	fmt.Fprintf(out, "answer to %s, asked from %s\n", f.Contact, f.Origin.Address)
	if len(matches) == 0 {
		fmt.Fprintln(out, "no account has these numbers")
	}
	for _, m := range matches {
		alike := "everything is alike"
		if len(m.Differs) > 0 {
			alike = "differs: " + strings.Join(m.Differs, ", ")
		}
		fmt.Fprintf(out, "account %s, %s, %s: %s\n", m.Account, m.Level, m.Status, alike)
	}
	return nil
}

func answerCase(ctx context.Context, out io.Writer, s *account.Service, number, who string) error {
	made, err := s.AnswerCase(ctx, number, who)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The code went to the contact of the case. It opens nothing until another operator runs vhod case answer %s -confirm,\nand not before %s; it ends %s.\n",
		number, moment(made.OpensAt), moment(made.EndsAt))
	return nil
}

func moment(t time.Time) string { return t.UTC().Format(momentLayout) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
