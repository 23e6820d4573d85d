package account

import (
	"maps"
	"slices"
)

// Clone returns an account that shares nothing with this one that a change could write through, without what
// the last change brought about.
func (a *Account) Clone() *Account {
	c := *a
	c.events, c.owed = nil, nil
	c.Application.Checks = slices.Clone(a.Application.Checks)
	for i := range c.Application.Checks {
		check := &c.Application.Checks[i]
		check.Fields = slices.Clone(check.Fields)
	}
	c.Evidence = slices.Clone(a.Evidence)
	for i := range c.Evidence {
		e := &c.Evidence[i]
		e.Details, e.Matched = maps.Clone(e.Details), slices.Clone(e.Matched)
	}
	c.Banks, c.TOTP = slices.Clone(a.Banks), slices.Clone(a.TOTP)
	c.Passkeys = slices.Clone(a.Passkeys)
	for i := range c.Passkeys {
		k := &c.Passkeys[i]
		k.PublicKey, k.AAGUID, k.Transports = slices.Clone(k.PublicKey), slices.Clone(k.AAGUID), slices.Clone(k.Transports)
	}
	c.PushDevices = slices.Clone(a.PushDevices)
	c.Devices, c.Backup.Hashes = slices.Clone(a.Devices), slices.Clone(a.Backup.Hashes)
	c.Certificates, c.Agreements = slices.Clone(a.Certificates), slices.Clone(a.Agreements)
	c.Browsers, c.Arrivals = slices.Clone(a.Browsers), slices.Clone(a.Arrivals)
	c.Trusted, c.Trusting = slices.Clone(a.Trusted), slices.Clone(a.Trusting)
	c.Locks = slices.Clone(a.Locks)
	for i := range c.Locks {
		c.Locks[i].Known = slices.Clone(c.Locks[i].Known)
	}
	if a.Activation != nil {
		activation := *a.Activation
		c.Activation = &activation
	}
	c.Grants = slices.Clone(a.Grants)
	for i := range c.Grants {
		g := &c.Grants[i]
		g.Scopes, g.Claims, g.Withheld = slices.Clone(g.Scopes), slices.Clone(g.Claims), slices.Clone(g.Withheld)
	}
	return &c
}
