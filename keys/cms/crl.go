package cms

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"time"
)

// revocationList is a parsed list, by serial number.
type revocationList struct {
	*x509.RevocationList
	revoked map[string]struct{} // bytes of the serial number
	print   [sha256.Size]byte
	sealed
}

var (
	oidAuthorityKey = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidCRLNumber    = asn1.ObjectIdentifier{2, 5, 29, 20}
)

// parseList reads a revocation list in DER. Partial, delta and indirect ones say so by critical
// extensions and are refused (RFC 5280 §5.2).
func parseList(der []byte) (*revocationList, error) {
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, refuse(BadCertificate, "revocation list: %v", err)
	}
	s, err := parseSealed(der)
	if err != nil {
		return nil, err
	}
	for _, e := range parsed.Extensions {
		if e.Critical && !e.Id.Equal(oidAuthorityKey) && !e.Id.Equal(oidCRLNumber) {
			return nil, refuse(BadCertificate, "revocation list with critical extension %s", e.Id)
		}
	}
	if parsed.NextUpdate.IsZero() {
		return nil, refuse(BadCertificate, "revocation list that never ends")
	}
	list := &revocationList{parsed, make(map[string]struct{}, len(parsed.RevokedCertificateEntries)), sha256.Sum256(der), s}
	for _, entry := range parsed.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Critical {
				return nil, refuse(BadCertificate, "revocation list with a critical extension %s of an entry", e.Id)
			}
		}
		list.revoked[string(entry.SerialNumber.Bytes())] = struct{}{}
	}
	return list, nil
}

// current reports whether the list speaks of the time.
func (l *revocationList) current(at time.Time) bool {
	return !at.Before(l.ThisUpdate) && !at.After(l.NextUpdate)
}

// of reports whether the list may be the issuer's, before its signature is looked at.
func (l *revocationList) of(issuer *certificate) bool {
	return issuer.issued(l.RawIssuer, l.AuthorityKeyId) && issuer.KeyUsage&x509.KeyUsageCRLSign != 0
}

func (l *revocationList) lists(c *certificate) bool {
	_, listed := l.revoked[string(c.SerialNumber.Bytes())]
	return listed
}

// same reports whether two certificates are one.
func same(a, b *certificate) bool { return bytes.Equal(a.print[:], b.print[:]) }
