package keys

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// hidden is what a secret looks like everywhere but through Reveal.
const hidden = "•••"

// Secret is a value that cannot leak by accident: it prints as ••• under every verb of fmt,
// in slog and in JSON. The value leaves by Reveal alone.
type Secret struct{ value string }

// NewSecret hides value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value. A call of it marks a place that a reviewer should look at.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.value == "" }

// Equal compares in constant time for values of one length.
func (s Secret) Equal(other string) bool {
	return subtle.ConstantTimeCompare([]byte(s.value), []byte(other)) == 1
}

// String hides the value.
func (s Secret) String() string { return hidden }

// Format hides the value under every verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the value from JSON, YAML and every other text encoding.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// UnmarshalText reads a value, so that configuration can be decoded into a Secret.
func (s *Secret) UnmarshalText(text []byte) error { s.value = string(text); return nil }
