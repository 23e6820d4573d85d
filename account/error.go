package account

import (
	"errors"
	"fmt"
	"time"
)

// What callers must tell apart.
var (
	ErrNotFound         = errors.New("not found")
	ErrConflict         = errors.New("changed meanwhile")
	ErrWrongCredentials = errors.New("identifier or password is wrong") // unknown identifier and wrong password alike
	ErrWrongCode        = errors.New("code is wrong")
	ErrCodeExpired      = errors.New("code has expired")
	ErrCodeSpent        = errors.New("code has no tries left")
	ErrLocked           = errors.New("account is locked")
	ErrNoSession        = errors.New("no live session")
	ErrLevelTooLow      = errors.New("level is too low")
	ErrCaseUnclear      = errors.New("what was filed is not what one account has")
)

// TakenError says that an identifier belongs to another account.
type TakenError struct{ Kind IdentifierKind }

func (e TakenError) Error() string { return fmt.Sprintf("%s belongs to another account", e.Kind) }

// ThrottledError says that too much was tried, and when to come again.
type ThrottledError struct {
	What  string // "password", "code", "send"
	Until time.Time
}

func (e ThrottledError) Error() string { return "too many tries: " + e.What }

// NewBrowserError says that the person has not used this browser for long enough to change in it how they sign in.
type NewBrowserError struct {
	Until time.Time // zero: the browser is not kept, so it never will be old enough
	Key   bool      // a passkey or an e-signature would do instead
}

func (NewBrowserError) Error() string { return "the browser is too new for this" }

// FieldError says what is wrong with one field, by the field's form name and a message id of the
// catalogues ("error.snils.digits").
type FieldError struct {
	Field   string
	Message string
	Args    map[string]any
}

func (e FieldError) Error() string { return e.Field + ": " + e.Message }

// FieldErrors are all that is wrong with an input.
type FieldErrors []FieldError

func (e FieldErrors) Error() string {
	if len(e) == 0 {
		return "no errors"
	}
	return e[0].Error()
}
