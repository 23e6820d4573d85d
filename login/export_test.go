package login

import (
	"net/http"

	"github.com/vhod-id/vhod/account"
)

// What the table of next needs to be written from outside.
type (
	Attempt  = attempt
	Policy   = policy
	Step     = step
	SignUp   = signUp
	Recovery = recovery
	Outcome  = outcome
)

const (
	KindSignIn   = kindSignIn
	KindSignUp   = kindSignUp
	KindRecovery = kindRecovery
)

// Origin is where the door believes that a request came from.
func (d *Door) Origin(r *http.Request) account.Origin { return d.origin(r) }

var (
	Next      = next
	PolicyOf  = policyOf
	LocalPath = localPath
)
