// Package credential holds what a person proves themselves with: passwords, authenticator apps, backup
// codes, one-time codes. It decides whether a proof is right; who may try, and how often, is decided above.
package credential

import (
	"time"

	"github.com/vhod-id/vhod/keys"
)

// TOTP is an authenticator app (RFC 6238).
type TOTP struct {
	ID       string
	Name     string
	Secret   keys.Secret // base32
	AddedAt  time.Time
	UsedAt   time.Time
	LastStep int64 // the last time step accepted, so that a code works once
}

// BackupSet is the printed set of ten codes of 64 bits, each usable once.
type BackupSet struct {
	MadeAt time.Time
	Hashes []string // of the codes still unused
	UsedAt time.Time
}
