// Package authority is the certificate authority of the stand: it issues qualified certificates to the
// invented people, on request and without a question.
//
// Its key is made at the first start and stands in the stand's folder; nobody but this stand may trust it.
// A person brings the request of a key of their own, of any algorithm, GOST included, or gets a throw-away
// key with the certificate.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Files of the authority in its folder.
const (
	fileRoot = "root.pem"
	fileKey  = "root-key.pem"
	fileList = "revoked.crl"
)

// How long things last. The list outlives whatever a script moves the stand's clock over.
const (
	rootLife        = 20 * 365 * 24 * time.Hour
	listLife        = 10 * 365 * 24 * time.Hour
	certificateLife = 450 * 24 * time.Hour // fifteen months, as real authorities issue them
	before          = time.Hour            // clocks differ
)

// Subject is whom a certificate names.
type Subject struct {
	Surname, GivenName string // given name and patronymic
	SNILS, INN         string // digits
}

// Authority issues and revokes. It is safe for concurrent use.
type Authority struct {
	dir  string
	now  func() time.Time
	root *x509.Certificate
	key  *ecdsa.PrivateKey

	mu      sync.Mutex
	revoked []x509.RevocationListEntry
}

// Open reads the authority of a folder, or makes it. The revocation list is empty again after a start.
func Open(dir string, now func() time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	a := &Authority{dir: dir, now: now}
	err := a.read()
	if errors.Is(err, os.ErrNotExist) {
		err = a.found()
	}
	if err == nil {
		err = a.publish()
	}
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	return a, nil
}

// RootFile is the certificate to trust; ListFile the revocation list.
func (a *Authority) RootFile() string { return filepath.Join(a.dir, fileRoot) }

// ListFile is the revocation list, in DER.
func (a *Authority) ListFile() string { return filepath.Join(a.dir, fileList) }

func (a *Authority) read() error {
	root, err := readPEM(a.RootFile())
	if err != nil {
		return err
	}
	key, err := readPEM(filepath.Join(a.dir, fileKey))
	if err != nil {
		return err
	}
	if a.root, err = x509.ParseCertificate(root); err != nil {
		return err
	}
	a.key, err = x509.ParseECPrivateKey(key)
	return err
}

func readPEM(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM", file)
	}
	return block.Bytes, nil
}

// found makes the authority.
func (a *Authority) found() (err error) {
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Учебный удостоверяющий центр стенда"},
		NotBefore: a.now().Add(-before), NotAfter: a.now().Add(rootLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return err
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	key, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(a.dir, fileKey), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(a.RootFile(), certificatePEM(der), 0o600)
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// publish writes the revocation list beside and renames it, so that no reader sees half of it.
func (a *Authority) publish() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(now.UnixNano()), ThisUpdate: now.Add(-before), NextUpdate: now.Add(listLife), RevokedCertificateEntries: a.revoked,
	}, a.root, a.key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(a.ListFile()+".new", der, 0o600); err != nil {
		return err
	}
	return os.Rename(a.ListFile()+".new", a.ListFile())
}

// Revoke puts a certificate on the list.
func (a *Authority) Revoke(serial *big.Int) error {
	a.mu.Lock()
	a.revoked = append(a.revoked, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: a.now()})
	a.mu.Unlock()
	return a.publish()
}

// Issue makes a qualified certificate for a key, given as a DER SubjectPublicKeyInfo of any algorithm.
func (a *Authority) Issue(s Subject, publicKey []byte) ([]byte, error) {
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{ExtraNames: s.attributes()},
		NotBefore: now.Add(-before), NotAfter: now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection},
		Policies:    []x509.OID{policyKC1()},
	}
	// crypto/x509 knows no GOST keys: it makes the certificate for the authority's own key, and the person's is put in
	// its place before all is signed anew.
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return a.rekey(der, publicKey)
}

func policyKC1() x509.OID {
	id, err := x509.OIDFromInts([]uint64{1, 2, 643, 100, 113, 1})
	if err != nil {
		panic(err) // a constant
	}
	return id
}

// Object identifiers of the subject of a qualified certificate.
var (
	oidSurname   = asn1.ObjectIdentifier{2, 5, 4, 4}
	oidGivenName = asn1.ObjectIdentifier{2, 5, 4, 42}
	oidSNILS     = asn1.ObjectIdentifier{1, 2, 643, 100, 3}
	oidINN       = asn1.ObjectIdentifier{1, 2, 643, 3, 131, 1, 1}
)

func (s Subject) attributes() []pkix.AttributeTypeAndValue {
	digits := func(text string) asn1.RawValue { return asn1.RawValue{Tag: asn1.TagNumericString, Bytes: []byte(text)} }
	out := []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "RU"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: s.Surname + " " + s.GivenName},
		{Type: oidSurname, Value: s.Surname}, {Type: oidGivenName, Value: s.GivenName}, {Type: oidSNILS, Value: digits(s.SNILS)},
	}
	if s.INN != "" {
		out = append(out, pkix.AttributeTypeAndValue{Type: oidINN, Value: digits(s.INN)})
	}
	return out
}

// certificate and its signed part as RFC 5280 §4.1 has them, taken apart no further than needed.
type certificate struct {
	Signed    signedPart
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

type signedPart struct {
	Version   int `asn1:"explicit,tag:0"`
	Serial    *big.Int
	Algorithm pkix.AlgorithmIdentifier
	Issuer    asn1.RawValue
	Validity  asn1.RawValue
	Subject   asn1.RawValue
	PublicKey asn1.RawValue
	Rest      []pkix.Extension `asn1:"explicit,tag:3"`
}

func (a *Authority) rekey(der, publicKey []byte) ([]byte, error) {
	var c certificate
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		return nil, err
	}
	c.Signed.PublicKey = asn1.RawValue{FullBytes: publicKey}
	signed, err := asn1.Marshal(c.Signed)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(signed)
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	if err != nil {
		return nil, err
	}
	c.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	return asn1.Marshal(c)
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return n.Add(n, big.NewInt(1))
}
