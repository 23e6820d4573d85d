package account

import "fmt"

// Level is how surely we know who the person is. Higher is surer.
type Level int

// The levels, in order (R066).
const (
	Simplified Level = iota + 1 // contacts, password, agreements
	Standard                    // name, birth, passport and SNILS matched in the registries
	Verified                    // identity confirmed through one strong channel
)

// String returns the name used in protocols and stores: simplified, standard, verified.
func (l Level) String() string {
	switch l {
	case Simplified:
		return "simplified"
	case Standard:
		return "standard"
	case Verified:
		return "verified"
	}
	return "none"
}

// ParseLevel reads a name written by String.
func ParseLevel(s string) (Level, error) {
	for l := Simplified; l <= Verified; l++ {
		if l.String() == s {
			return l, nil
		}
	}
	return 0, fmt.Errorf("unknown level %q", s)
}

// Strength is how surely a session showed that it is the person.
type Strength int

// The strengths, in order.
const (
	OneFactor         Strength = iota + 1 // 1fa
	TwoFactor                             // 2fa
	PhishingResistant                     // phr: passkey, e-signature
)

// String returns 1fa, 2fa or phr.
func (s Strength) String() string {
	switch s {
	case OneFactor:
		return "1fa"
	case TwoFactor:
		return "2fa"
	case PhishingResistant:
		return "phr"
	}
	return "none"
}

// ParseStrength reads a name written by String.
func ParseStrength(name string) (Strength, error) {
	for s := OneFactor; s <= PhishingResistant; s++ {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown strength %q", name)
}
