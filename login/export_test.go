package login

// What the table of next needs to be written from outside.
type (
	Attempt       = attempt
	Policy        = policy
	Step          = step
	SignUp        = signUp
	Recovery      = recovery
	Outcome       = outcome
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
)
