package op

import (
	"fmt"
	"net/http"
	"strings"
)

// wireError is an error as a relying party sees it (RFC 6749 §5.2).
type wireError struct {
	status      int
	code        string // invalid_request, invalid_grant, …
	description string // a sentence for a developer; begins with a diagnosis code in brackets where there is one
	challenge   string // WWW-Authenticate, when the status is 401
}

func (e *wireError) Error() string { return e.code + ": " + e.description }

func fault(code, format string, args ...any) *wireError {
	return &wireError{status: http.StatusBadRequest, code: code, description: wireText(fmt.Sprintf(format, args...))}
}

// wireText keeps to the characters that an error_description may have (RFC 6749 §5.2).
func wireText(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"':
			return '\''
		case c < 0x20 || c == '\\' || c > 0x7e:
			return '?'
		}
		return c
	}, strings.ReplaceAll(s, "§", "section "))
}

// diagnosed is a fault whose description begins with a diagnosis code, under which docs/errors has a page.
func diagnosed(code, diagnosis, format string, args ...any) *wireError {
	return fault(code, "[%s] %s", diagnosis, fmt.Sprintf(format, args...))
}
