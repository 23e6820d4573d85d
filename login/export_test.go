package login

import (
	"context"

	"github.com/vhod-id/vhod/account"
)

// What the table of next needs to be written from outside.
type (
	Attempt       = attempt
	Policy        = policy
	Step          = step
	SignUp        = signUp
	Recovery      = recovery
	Outcome       = outcome
	Signed        = signed
	Circumstances = circumstances
)

const (
	KindSignIn   = kindSignIn
	KindSignUp   = kindSignUp
	KindRecovery = kindRecovery
)

var (
	Next       = next
	PolicyOf   = policyOf
	LocalPath  = localPath
	SecondsFor = secondsFor
	SecondsOf  = secondsOf
	LacksMail  = circumstances.lacksMail
)

// QRAddress is what the picture of an attempt's page leads to at this second: a test has no camera.
func (d *Door) QRAddress(ctx context.Context, attempt string) string {
	a, err := d.attemptByID(ctx, attempt)
	if err != nil {
		return err.Error()
	}
	code, err := d.cfg.Accounts.QRCode(ctx, account.QRPage{Handle: a.QR, Origin: account.Origin{UserAgent: "Chrome"}})
	if err != nil {
		return err.Error()
	}
	return d.qrAddress(code)
}

// Patterns lists the route table.
func (d *Door) Patterns() []string {
	var out []string
	for _, r := range d.routes {
		out = append(out, r.pattern)
	}
	return out
}
