// Package keys holds what we sign with, what we seal with, and whose signatures we believe.
//
// Tokens are signed by a Ring, personal data and private keys are sealed by a Sealer, bearer values are made
// and hashed here. It knows nothing of people, services or stores: the store of the ring is an interface
// that others satisfy.
package keys

import "time"

// Dated is a thing that ends: a key, a certificate, a trust list, a secret. Doctor and readiness read
// a list of them.
type Dated struct {
	Kind  string    // "signing-key", "certificate", "trust-list", "client-secret", "master-key"
	Name  string    // which one; no secret, no personal data
	Until time.Time // when it ends; zero for one that does not
	Note  string    // what to do about it, or empty
}
