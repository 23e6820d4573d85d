package cms

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// walk looks for a way from a signer to a root.
type walk struct {
	trust  *Trust
	others []*certificate // of the message: used, never trusted
	at     time.Time
	left   int // signatures that may still be verified
	links  [][2 * sha256.Size]byte
	leaf   *certificate
}

// chain returns nil when the signer's certificate leads to a root, everything on the way is valid at the
// time, and none of it is revoked (RFC 5280 §6). The refusal is that of the most hopeful way.
func (t *Trust) chain(signer *certificate, others []*certificate, at time.Time) error {
	w := &walk{trust: t, others: others, at: at, left: maxChecks, leaf: signer}
	if err := w.up([]*certificate{signer}); err != nil {
		return err
	}
	t.remember(w.links)
	return nil
}

// up goes on from the last certificate of a path.
func (w *walk) up(path []*certificate) error {
	c := path[len(path)-1]
	if err := w.valid(c, len(path)-1); err != nil {
		return err
	}
	if w.trust.isRoot[c.print] && len(path) > 1 { // a root vouches for others; it does not sign in
		return nil
	}
	if len(path) == maxPath {
		return refuse(Untrusted, "the chain is longer than %d", maxPath)
	}
	var best error = refuse(Untrusted, "the issuer %q is not known", c.Issuer.CommonName)
	for _, issuer := range slices.Concat(w.trust.known, w.others) {
		onPath := slices.ContainsFunc(path, func(p *certificate) bool { return same(p, issuer) })
		if onPath || !issuer.issued(c.RawIssuer, c.AuthorityKeyId) {
			continue
		}
		err := w.by(path, c, issuer)
		if err == nil {
			return nil
		}
		best = nearer(best, err)
	}
	return best
}

// by tries one issuer.
func (w *walk) by(path []*certificate, c, issuer *certificate) error {
	if !issuer.maySign() {
		return refuse(Untrusted, "%q may not issue certificates", issuer.Subject.CommonName)
	}
	if err := w.signed(issuer, c.print, c.sealed, c != w.leaf); err != nil {
		return err
	}
	before := len(w.links)
	if err := w.up(append(path, issuer)); err != nil {
		w.links = w.links[:min(before, len(w.links))]
		return err
	}
	return w.unrevoked(c, issuer)
}

// signed verifies a signature of an issuer, once for what is kept.
func (w *walk) signed(issuer *certificate, print [sha256.Size]byte, s sealed, keep bool) error {
	key := link(issuer.print, print)
	if keep && w.trust.remembers(key) {
		return nil
	}
	if w.left--; w.left < 0 {
		return refuse(Untrusted, "more than %d signatures to verify", maxChecks)
	}
	if !s.by(issuer.key) {
		return refuse(Untrusted, "%q did not sign what bears its name", issuer.Subject.CommonName)
	}
	if keep {
		w.links = append(w.links, key)
	}
	return nil
}

// valid checks what a certificate says of itself; below is how many stand under it in the path.
func (w *walk) valid(c *certificate, below int) error {
	switch {
	case w.at.Before(c.NotBefore):
		return refuse(NotYetValid, "the certificate of %s begins at %s", role(below), c.NotBefore.Format(time.RFC3339))
	case w.at.After(c.NotAfter):
		return refuse(Expired, "the certificate of %s ended at %s", role(below), c.NotAfter.Format(time.RFC3339))
	}
	intermediates := below - 1 // the signer does not count (RFC 5280 §4.2.1.9)
	limited := c.MaxPathLen > 0 || (c.MaxPathLen == 0 && c.MaxPathLenZero)
	if below > 0 && limited && intermediates > c.MaxPathLen {
		return refuse(Untrusted, "%q allows a shorter chain", c.Subject.CommonName)
	}
	return c.understood()
}

func role(below int) string {
	if below == 0 {
		return "the signer"
	}
	return "an issuer"
}

// unrevoked asks the current lists of the issuer; without one nothing is believed.
func (w *walk) unrevoked(c, issuer *certificate) error {
	found := false
	for _, list := range w.trust.lists {
		if !list.current(w.at) || !list.of(issuer) {
			continue
		}
		if err := w.signed(issuer, list.print, list.sealed, true); err != nil {
			continue
		}
		if list.lists(c) {
			return refuse(Revoked, "serial number %x of %q is revoked", c.SerialNumber, issuer.Subject.CommonName)
		}
		found = true
	}
	if !found {
		return refuse(UnknownRevoked, "no current revocation list of %q", issuer.Subject.CommonName)
	}
	return nil
}

// nearer is the refusal that says more: of two ways, the one that came further.
func nearer(a, b error) error {
	var refused Refusal
	if errors.As(a, &refused) && refused.Reason != Untrusted {
		return a
	}
	return b
}

// Extended key usages that a signature for signing in may stand under (RFC 5280 §4.2.1.12).
var signingUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection}

// maySignIn checks that the signer's certificate is a qualified one for signing.
func (c *certificate) maySignIn() error {
	if c.IsCA {
		return refuse(WrongUsage, "an authority's certificate")
	}
	if c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return refuse(WrongUsage, "key usage without digitalSignature and nonRepudiation")
	}
	extended := len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0
	if extended && !slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return slices.Contains(signingUsages, u) }) {
		return refuse(WrongUsage, "extended key usage without clientAuth and emailProtection")
	}
	if !slices.ContainsFunc(c.Policies, func(p x509.OID) bool { return slices.Contains(qualified, p.String()) }) {
		return refuse(NotQualified, "no policy 1.2.643.100.113.1 to .6")
	}
	return nil
}
