package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"rsc.io/qr"

	"github.com/vhod-id/vhod/account"
)

// activation is what an operator says about a code of a service centre.
type activation struct {
	confirm, absent bool
	wait            time.Duration
}

func (x activation) run(ctx context.Context, out io.Writer, s *account.Service, issuer string, id account.ID, ask account.NewActivation) error {
	if x.confirm {
		return s.ConfirmActivation(ctx, id, ask.Operator, ask.Case)
	}
	ask.Absent, ask.Wait = x.absent, x.wait
	code, made, err := s.MakeActivation(ctx, id, ask)
	if err != nil {
		return err
	}
	return printActivation(out, issuer, code, made)
}

// printActivation shows a code as text, link and QR, for the person to take with them. It is shown once.
func printActivation(out io.Writer, issuer, code string, made *account.Activation) error {
	link := issuer + "/recovery/activation?code=" + code
	drawn, err := qr.Encode(link, qr.M)
	if err != nil {
		return fmt.Errorf("drawing a QR code: %w", err)
	}
	fmt.Fprintf(out, "%s\n%s\n\n%s\ngood from %s to %s, once\n", code, link, blocks(drawn), moment(made.OpensAt), moment(made.EndsAt))
	if made.Pair {
		fmt.Fprintln(out, "The code opens nothing until another operator runs this command with -confirm.")
	}
	return nil
}

// blocks draws a QR code with its quiet zone in a terminal, two rows in one line.
func blocks(code *qr.Code) string {
	const margin = 4
	var b strings.Builder
	for y := -margin; y < code.Size+margin; y += 2 {
		for x := -margin; x < code.Size+margin; x++ {
			switch above, below := code.Black(x, y), code.Black(x, y+1); {
			case above && below:
				b.WriteByte(' ')
			case above:
				b.WriteString("▄")
			case below:
				b.WriteString("▀")
			default:
				b.WriteString("█")
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
