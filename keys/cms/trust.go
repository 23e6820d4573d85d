package cms

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Policies of qualified certificates: the classes KC1, KC2, KC3, KB1, KB2, KA1 of the tools that made
// the key (order of the Federal Security Service No. 795, §27).
var qualified = []string{
	"1.2.643.100.113.1", "1.2.643.100.113.2", "1.2.643.100.113.3",
	"1.2.643.100.113.4", "1.2.643.100.113.5", "1.2.643.100.113.6",
}

// TrustConfig is what a Trust is made of. Every slice holds files as read: PEM of any number, or DER.
type TrustConfig struct {
	Roots         [][]byte      // whom we trust
	Intermediates [][]byte      // issuers that messages need not carry
	Lists         [][]byte      // revocation lists
	Skew          time.Duration // most between the signing time and ours; 0: any
	CAdES         bool          // the signer's certificate must be among the signed attributes
}

// Trust knows the roots, the issuers and the revocation lists. It does not change; a new one takes its
// place when the files change. It is safe for concurrent use.
type Trust struct {
	roots  []*certificate
	known  []*certificate // roots too
	lists  []*revocationList
	skew   time.Duration
	cades  bool
	isRoot map[[sha256.Size]byte]bool

	mu      sync.Mutex
	checked map[[2 * sha256.Size]byte]struct{} // signatures that verified, of what is known and of chains that were believed
}

// mostChecked bounds the links that are remembered: there are a few hundred accredited authorities.
const mostChecked = 4096

// NewTrust reads certificates and lists. A file that does not parse is an error that names its place in
// the slice; no root is allowed, and then nothing is believed.
func NewTrust(cfg TrustConfig) (*Trust, error) {
	t := &Trust{skew: cfg.Skew, cades: cfg.CAdES, isRoot: map[[sha256.Size]byte]bool{}, checked: map[[2 * sha256.Size]byte]struct{}{}}
	var err error
	if t.roots, err = certificates(cfg.Roots); err != nil {
		return nil, fmt.Errorf("root certificates: %w", err)
	}
	for _, root := range t.roots {
		if !root.maySign() {
			return nil, fmt.Errorf("root certificates: %q is no authority", root.Subject.CommonName)
		}
		t.isRoot[root.print] = true
	}
	intermediates, err := certificates(cfg.Intermediates)
	if err != nil {
		return nil, fmt.Errorf("intermediate certificates: %w", err)
	}
	t.known = append(append(t.known, t.roots...), intermediates...)
	for i, file := range cfg.Lists {
		for _, der := range blocks(file, "X509 CRL") {
			list, err := parseList(der)
			if err != nil {
				return nil, fmt.Errorf("revocation list %d: %w", i+1, err)
			}
			t.lists = append(t.lists, list)
		}
	}
	t.warm()
	return t, nil
}

// warm verifies what the known certificates signed among themselves, and their lists, so that nobody who
// signs in waits for it: a list may have megabytes.
func (t *Trust) warm() {
	var links [][2 * sha256.Size]byte
	for _, issuer := range t.known {
		if !issuer.maySign() {
			continue
		}
		for _, c := range t.known {
			if issuer.issued(c.RawIssuer, c.AuthorityKeyId) && c.by(issuer.key) {
				links = append(links, link(issuer.print, c.print))
			}
		}
		for _, l := range t.lists {
			if l.of(issuer) && l.by(issuer.key) {
				links = append(links, link(issuer.print, l.print))
			}
		}
	}
	t.remember(links)
}

func certificates(files [][]byte) ([]*certificate, error) {
	var all []*certificate
	for i, file := range files {
		found := blocks(file, "CERTIFICATE")
		if len(found) == 0 {
			return nil, fmt.Errorf("file %d: %w", i+1, errors.New("no certificate in it"))
		}
		for _, der := range found {
			c, err := parseCertificate(der)
			if err != nil {
				return nil, fmt.Errorf("file %d: %w", i+1, err)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// blocks are the PEM blocks of a kind in a file, or the file itself when it is DER.
func blocks(file []byte, kind string) [][]byte {
	if !bytes.Contains(file, []byte("-----BEGIN ")) {
		return [][]byte{file}
	}
	var out [][]byte
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			return out
		}
		if block.Type == kind {
			out = append(out, block.Bytes)
		}
	}
}

// Date is until when something that signatures are verified by is of use.
type Date struct {
	Kind  string // "root", "intermediate" or "list"
	Name  string // common name of the certificate, or of the list's issuer
	Until time.Time
}

// Dates are those of every certificate and list, for whoever watches over them.
func (t *Trust) Dates() []Date {
	var out []Date
	for _, c := range t.known {
		kind := "intermediate"
		if t.isRoot[c.print] {
			kind = "root"
		}
		out = append(out, Date{kind, c.Subject.CommonName, c.NotAfter})
	}
	for _, l := range t.lists {
		out = append(out, Date{"list", l.Issuer.CommonName, l.NextUpdate})
	}
	return out
}

// link names a signature by its maker and what it is over.
func link(issuer, child [sha256.Size]byte) (key [2 * sha256.Size]byte) {
	copy(key[:], issuer[:])
	copy(key[sha256.Size:], child[:])
	return key
}

func (t *Trust) remembers(key [2 * sha256.Size]byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.checked[key]
	return ok
}

// remember keeps links of a chain that was believed to its root, so that a stranger's chain is never kept.
func (t *Trust) remember(links [][2 * sha256.Size]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range links {
		if len(t.checked) < mostChecked {
			t.checked[key] = struct{}{}
		}
	}
}
