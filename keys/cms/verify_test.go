package cms_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/keys/cms"
	"github.com/vhod-id/vhod/keys/cms/cmstest"
)

var (
	now     = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	content = []byte(`{"nonce":"0123456789abcdef"}`)
	person  = cmstest.Named("Тестов", "Пётр Ильич", "19901000048", "990010000072")
)

// world is a root, an issuing authority and a person, with current lists.
type world struct {
	root, sub, person *cmstest.Authority
}

func newWorld(t testing.TB) world {
	t.Helper()
	root := cmstest.Root(t, "Корень", now)
	sub := root.Sub(t, "Удостоверяющий центр", now, nil)
	return world{root, sub, sub.Issue(t, person, now, nil)}
}

// trust believes the root and has current lists of both authorities, and of others.
func (w world) trust(t testing.TB, others ...*cmstest.Authority) *cms.Trust {
	t.Helper()
	lists := [][]byte{w.root.List(t, now), w.sub.List(t, now)}
	for _, o := range others {
		lists = append(lists, o.List(t, now))
	}
	return w.trusting(t, lists...)
}

func (w world) trusting(t testing.TB, lists ...[]byte) *cms.Trust {
	t.Helper()
	trust, err := cms.NewTrust(cms.TrustConfig{Roots: [][]byte{w.root.Raw()}, Lists: lists, Skew: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// right is a signature without fault; a test spoils it.
func (w world) right() cmstest.Signature {
	return cmstest.Signature{Signer: w.person, Content: content, At: now, Chain: []*cmstest.Authority{w.sub}}
}

// mustRefuse fails unless the message is refused for the reason.
func mustRefuse(t *testing.T, trust *cms.Trust, message []byte, want cms.Reason) {
	t.Helper()
	signer, err := trust.Verify(message, content, now)
	var refused cms.Refusal
	if !errors.As(err, &refused) {
		t.Fatalf("signer %v, error %v: want a refusal as %s", signer != nil, err, want)
	}
	if refused.Reason != want {
		t.Errorf("refused as %s (%s), want %s", refused.Reason, refused.Detail, want)
	}
}

func TestRightSignatureNamesItsSignerAndItsAuthority(t *testing.T) {
	w := newWorld(t)
	trust := w.trust(t)
	der := cmstest.Sign(t, w.right())
	attached := w.right()
	attached.Attached = content
	for name, message := range map[string][]byte{
		"DER":      der,
		"attached": cmstest.Sign(t, attached),
		"PEM":      pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: der}),
		"base64":   []byte(base64.StdEncoding.EncodeToString(der)),
		"lines":    []byte(strings.Join(chunks(base64.StdEncoding.EncodeToString(der), 64), "\r\n")),
	} {
		signer, err := trust.Verify(message, content, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if signer.Subject.SNILS != "19901000048" || signer.Issuer != "Удостоверяющий центр" || signer.Algorithm != "ECDSA" || !signer.SignedAt.Equal(now) {
			t.Errorf("%s: issuer %q, algorithm %q, signed at %s", name, signer.Issuer, signer.Algorithm, signer.SignedAt)
		}
	}
}

func chunks(s string, n int) (out []string) {
	for len(s) > n {
		out, s = append(out, s[:n]), s[n:]
	}
	return append(out, s)
}

func TestE02SignedPartsOfAMessageAreAllThereAndOfThisContent(t *testing.T) {
	w := newWorld(t)
	trust := w.trust(t)
	without := func(oid asn1.ObjectIdentifier) func(*cmstest.Signature) {
		return func(s *cmstest.Signature) {
			s.Change = func(all []cmstest.Attribute) (left []cmstest.Attribute) {
				for _, a := range all {
					if !a.Type.Equal(oid) {
						left = append(left, a)
					}
				}
				return left
			}
		}
	}
	with := func(extra ...cmstest.Attribute) func(*cmstest.Signature) {
		return func(s *cmstest.Signature) {
			s.Change = func(all []cmstest.Attribute) []cmstest.Attribute { return append(all, extra...) }
		}
	}
	other := cmstest.AttributeOf(t, cmstest.OIDMessageDigest, bytes.Repeat([]byte{1}, 32))
	two := cmstest.Attribute{Type: asn1.ObjectIdentifier{1, 2, 3}, Values: append(other.Values, other.Values...)}
	for _, row := range []struct {
		name  string
		spoil func(*cmstest.Signature)
		want  cms.Reason
	}{
		{"no signer", func(s *cmstest.Signature) { s.Times = -1 }, cms.Signers},
		{"two signers", func(s *cmstest.Signature) { s.Times = 2 }, cms.Signers},
		{"unsigned attributes only", func(s *cmstest.Signature) { s.Unsigned = true }, cms.Attributes},
		{"no message digest", without(cmstest.OIDMessageDigest), cms.Attributes},
		{"no content type", without(cmstest.OIDContentType), cms.Attributes},
		{"no signing time", without(cmstest.OIDSigningTime), cms.Attributes},
		{"a repeated attribute", with(other), cms.Attributes},
		{"an attribute of two values", with(two), cms.Attributes},
		{"an attribute of another certificate", with(signingCertificate(t, []byte("another"))), cms.Attributes},
		{"signed six minutes ago", func(s *cmstest.Signature) { s.At = now.Add(-6 * time.Minute) }, cms.WrongTime},
		{"signed in six minutes", func(s *cmstest.Signature) { s.At = now.Add(6 * time.Minute) }, cms.WrongTime},
		{"another content", func(s *cmstest.Signature) { s.Content = []byte("other") }, cms.OtherContent},
		{"another content attached", func(s *cmstest.Signature) { s.Attached = []byte("other") }, cms.OtherContent},
		{"nothing attached as content", func(s *cmstest.Signature) { s.Attached = []byte{} }, cms.OtherContent},
		{"another's certificate beside the key", func(s *cmstest.Signature) {
			s.Signer = &cmstest.Authority{Certificate: w.person.Certificate, Key: w.root.Key}
		}, cms.WrongSignature},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := w.right()
			row.spoil(&s)
			mustRefuse(t, trust, cmstest.Sign(t, s), row.want)
		})
	}
}

// signingCertificate is signingCertificateV2 over a hash by SHA-256.
func signingCertificate(t testing.TB, hash []byte) cmstest.Attribute {
	t.Helper()
	type id struct{ Hash []byte }
	return cmstest.AttributeOf(t, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}, struct{ Certs []id }{[]id{{hash}}})
}

func TestE03OnlyAChainToATrustedRootIsBelieved(t *testing.T) {
	w := newWorld(t)
	stranger := cmstest.Root(t, "Корень", now)
	strangerSub := stranger.Sub(t, "Удостоверяющий центр", now, nil)
	noCA := w.root.Sub(t, "Без права", now, func(c *x509.Certificate) { c.IsCA = false })
	noSign := w.root.Sub(t, "Без подписи", now, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	short := w.root.Sub(t, "Последний", now, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	below := short.Sub(t, "Лишний", now, nil)
	narrow := w.root.Sub(t, "Ограниченный", now, func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.ru"} })
	long := w.root.Sub(t, "Второй", now, nil)
	path := []*cmstest.Authority{long}
	for _, name := range []string{"Третий", "Четвёртый", "Пятый"} {
		long = long.Sub(t, name, now, nil)
		path = append(path, long)
	}
	critical := w.root.Sub(t, "Неведомый", now, func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
	})
	ended := w.root.Sub(t, "Прошлый", now, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Hour) })
	trust := w.trust(t, strangerSub, noSign, short, below, narrow, critical, ended, path[0], path[1], path[2], path[3])
	by := func(ca *cmstest.Authority, chain []*cmstest.Authority, change func(*x509.Certificate)) cmstest.Signature {
		return cmstest.Signature{Signer: ca.Issue(t, person, now, change), Content: content, At: now, Chain: chain}
	}
	only := func(ca *cmstest.Authority) []*cmstest.Authority { return []*cmstest.Authority{ca} }
	for _, row := range []struct {
		name string
		s    cmstest.Signature
		want cms.Reason
	}{
		{"self-signed", cmstest.Signature{Signer: cmstest.Root(t, "Сам", now), Content: content, At: now}, cms.WrongUsage},
		{"unknown issuer", by(w.sub, nil, nil), cms.Untrusted},
		{"root of the same name", by(strangerSub, []*cmstest.Authority{strangerSub, stranger}, nil), cms.Untrusted},
		{"issuer without the mark of an authority", by(noCA, only(noCA), nil), cms.Untrusted},
		{"issuer that may not sign certificates", by(noSign, only(noSign), nil), cms.Untrusted},
		{"path longer than allowed", by(below, []*cmstest.Authority{below, short}, nil), cms.Untrusted},
		{"path of six", by(long, path, nil), cms.Untrusted},
		{"name constraints", by(narrow, only(narrow), nil), cms.Untrusted},
		{"unknown critical extension", by(critical, only(critical), nil), cms.Untrusted},
		{"a person's certificate as an authority", by(w.person, []*cmstest.Authority{w.person, w.sub}, nil), cms.Untrusted},
		{"issuer that has ended", by(ended, only(ended), nil), cms.Expired},
		{"ended", by(w.sub, only(w.sub), func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }), cms.Expired},
		{"not begun", by(w.sub, only(w.sub), func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }), cms.NotYetValid},
		{"for enciphering", by(w.sub, only(w.sub), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), cms.WrongUsage},
		{"for servers", by(w.sub, only(w.sub), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), cms.WrongUsage},
		{"an authority's own", cmstest.Signature{Signer: w.sub, Content: content, At: now}, cms.WrongUsage},
		{"an authority's that may sign", by(w.sub, only(w.sub), func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), cms.WrongUsage},
		{"not qualified", by(w.sub, only(w.sub), func(c *x509.Certificate) { c.Policies = nil }), cms.NotQualified},
	} {
		t.Run(row.name, func(t *testing.T) { mustRefuse(t, trust, cmstest.Sign(t, row.s), row.want) })
	}
}

func TestE03CrossSignedLoopsEndSoon(t *testing.T) {
	w := newWorld(t)
	stranger := cmstest.Root(t, "Петля", now)
	stranger.Certificate.SubjectKeyId = []byte{1}
	var loop []*cmstest.Authority
	for range 15 { // one name and one key identifier: every one may be every other's issuer, and has to be tried
		loop = append(loop, stranger.Sub(t, "Петля", now, func(c *x509.Certificate) { c.SubjectKeyId = []byte{1} }))
	}
	s := cmstest.Signature{Signer: loop[0].Issue(t, person, now, nil), Content: content, At: now, Chain: loop}
	message := cmstest.Sign(t, s)
	trust := w.trust(t)
	_, err := trust.Verify(message, content, now)
	if err == nil || !strings.Contains(err.Error(), "signatures to verify") {
		t.Errorf("got %v, want an end of trying", err)
	}
	s.Chain = append(loop, loop...)
	mustRefuse(t, trust, cmstest.Sign(t, s), cms.TooLarge)
}

func TestE04NothingIsBelievedWithoutACurrentRevocationList(t *testing.T) {
	w := newWorld(t)
	stranger := cmstest.Root(t, "Удостоверяющий центр", now)
	for _, row := range []struct {
		name  string
		lists [][]byte
		want  cms.Reason
	}{
		{"revoked", [][]byte{w.root.List(t, now), w.sub.List(t, now, w.person)}, cms.Revoked},
		{"revoked in one of two lists", [][]byte{w.root.List(t, now), w.sub.List(t, now), w.sub.List(t, now, w.person)}, cms.Revoked},
		{"revoked issuer", [][]byte{w.root.List(t, now, w.sub), w.sub.List(t, now)}, cms.Revoked},
		{"no list of the issuer", [][]byte{w.root.List(t, now)}, cms.UnknownRevoked},
		{"no list of the root", [][]byte{w.sub.List(t, now)}, cms.UnknownRevoked},
		{"stale list", [][]byte{w.root.List(t, now), w.sub.List(t, now.Add(-48*time.Hour))}, cms.UnknownRevoked},
		{"list of the future", [][]byte{w.root.List(t, now), w.sub.List(t, now.Add(48*time.Hour))}, cms.UnknownRevoked},
		{"list that another signed", [][]byte{w.root.List(t, now), stranger.List(t, now)}, cms.UnknownRevoked},
	} {
		t.Run(row.name, func(t *testing.T) {
			trust := w.trusting(t, row.lists...)
			for range 2 { // the second time by what was remembered
				mustRefuse(t, trust, cmstest.Sign(t, w.right()), row.want)
			}
		})
	}
}

func TestE05SubjectNamesOnePersonInTheRightForm(t *testing.T) {
	w := newWorld(t)
	trust := w.trust(t)
	surname, given := cmstest.Text(cmstest.OIDSurname, "Тестов"), cmstest.Text(cmstest.OIDGivenName, "Пётр Ильич")
	snils := cmstest.Digits(cmstest.OIDSNILS, "19901000048")
	for name, person := range map[string]cmstest.Person{
		"no SNILS":              {surname, given},
		"no surname":            {given, snils},
		"no given name":         {surname, snils},
		"SNILS twice":           {surname, given, snils, cmstest.Digits(cmstest.OIDSNILS, "11223344595")},
		"surname twice":         {surname, surname, given, snils},
		"SNILS of ten digits":   {surname, given, cmstest.Digits(cmstest.OIDSNILS, "1990100004")},
		"SNILS with dashes":     {surname, given, cmstest.Text(cmstest.OIDSNILS, "199-010-000 48")},
		"SNILS with a NUL":      {surname, given, cmstest.Typed(cmstest.OIDSNILS, asn1.TagUTF8String, []byte("1990100004\x00"))},
		"SNILS of other digits": {surname, given, cmstest.Text(cmstest.OIDSNILS, "١٩٩٠١٠٠٠٠٤٨")},
		"SNILS as BMPString":    {surname, given, cmstest.Typed(cmstest.OIDSNILS, 30, []byte("\x001\x009"))},
		"SNILS as T61String":    {surname, given, cmstest.Typed(cmstest.OIDSNILS, asn1.TagT61String, []byte("19901000048"))},
		"surname with a NUL":    {cmstest.Typed(cmstest.OIDSurname, asn1.TagUTF8String, []byte("Тест\x00ов")), given, snils},
		"surname turned round":  {cmstest.Typed(cmstest.OIDSurname, asn1.TagUTF8String, []byte("\u202eТестов")), given, snils},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.right()
			s.Signer = w.sub.Issue(t, person, now, nil)
			_, err := trust.Verify(cmstest.Sign(t, s), content, now)
			var refused cms.Refusal
			if !errors.As(err, &refused) || (refused.Reason != cms.WrongSubject && refused.Reason != cms.BadCertificate) {
				t.Errorf("got %v, want a refusal of the subject", err)
			}
		})
	}
}

func TestE06WeakAlgorithmsAreNotBelieved(t *testing.T) {
	w := newWorld(t)
	trust := w.trust(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*cmstest.Signature){
		"RSA of 1024 bits":         func(s *cmstest.Signature) { s.Signer = w.sub.IssueTo(t, weak, person, now, nil) },
		"P-224":                    func(s *cmstest.Signature) { s.Signer = w.sub.IssueTo(t, p224, person, now, nil) },
		"SHA-1":                    func(s *cmstest.Signature) { s.Digest = cmstest.OIDSHA1 },
		"ECDSA with SHA-1":         func(s *cmstest.Signature) { s.Scheme = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1} },
		"GOST R 34.10-2001":        func(s *cmstest.Signature) { s.Scheme = asn1.ObjectIdentifier{1, 2, 643, 2, 2, 3} },
		"a scheme of another key":  func(s *cmstest.Signature) { s.Scheme = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11} },
		"another digest than said": func(s *cmstest.Signature) { s.Scheme = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4} },
	} {
		t.Run(name, func(t *testing.T) {
			s := w.right()
			spoil(&s)
			mustRefuse(t, trust, cmstest.Sign(t, s), cms.WeakAlgorithm)
		})
	}
}

func TestE07MonstrousMessagesEndSoon(t *testing.T) {
	w := newWorld(t)
	trust := w.trust(t)
	arcs := append([]byte{0x30, 0x83, 0x02, 0x00, 0x04, 0x06, 0x83, 0x02, 0x00, 0x00}, bytes.Repeat([]byte{0xff}, 0x20000)...)
	mustRefuse(t, trust, make([]byte, cms.MaxMessage+1), cms.TooLarge)
	for name, message := range map[string][]byte{
		"nothing":            {},
		"a byte":             {0x30},
		"nested tags":        bytes.Repeat([]byte{0x30, 0x80}, 100_000),
		"nested and closed":  append(bytes.Repeat([]byte{0x30, 0x80}, 60_000), make([]byte, 120_000)...),
		"nested to the end":  append(bytes.Repeat([]byte{0x30, 0x80}, 30), make([]byte, 60)...),
		"a hundred megabyte": {0x30, 0x84, 0x06, 0x00, 0x00, 0x00, 0x02, 0x01, 0x01},
		"a length of eight":  {0x30, 0x88, 0, 0, 0, 0, 0, 0, 0, 1, 0},
		"a negative length":  {0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		"huge arcs":          arcs,
		"bytes after it":     append(cmstest.Sign(t, w.right()), 0),
		"not a signature":    []byte("hello"),
		"HTML":               []byte("<html><body>0</body></html>"),
		"a lonely PEM":       []byte("-----BEGIN CMS-----\nAAAA"),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := trust.Verify(message, content, now)
			runtime.ReadMemStats(&after)
			var refused cms.Refusal
			if !errors.As(err, &refused) || (refused.Reason != cms.Malformed && refused.Reason != cms.TooLarge) {
				t.Errorf("got %v", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
				t.Errorf("reading %d bytes took %d of memory", len(message), took)
			}
		})
	}
}

func TestPoliciesMayAskForTheCertificateAmongTheSignedAttributes(t *testing.T) {
	w := newWorld(t)
	trust, err := cms.NewTrust(cms.TrustConfig{Roots: [][]byte{w.root.Raw()}, Lists: [][]byte{w.root.List(t, now), w.sub.List(t, now)}, CAdES: true})
	if err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, trust, cmstest.Sign(t, w.right()), cms.Attributes)
}

func TestTrustWithoutRootsBelievesNobody(t *testing.T) {
	w := newWorld(t)
	trust, err := cms.NewTrust(cms.TrustConfig{Lists: [][]byte{w.sub.List(t, now)}, Intermediates: [][]byte{w.sub.Raw(), w.root.Raw()}})
	if err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, trust, cmstest.Sign(t, w.right()), cms.Untrusted)
}

func TestTrustRefusesFilesThatAreNotWhatTheyShouldBe(t *testing.T) {
	w := newWorld(t)
	for name, cfg := range map[string]cms.TrustConfig{
		"root that is no authority": {Roots: [][]byte{w.person.Raw()}},
		"root that does not parse":  {Roots: [][]byte{[]byte("hello")}},
		"empty PEM":                 {Intermediates: [][]byte{[]byte("-----BEGIN X-----\n-----END X-----\n")}},
		"list that does not parse":  {Lists: [][]byte{w.root.Raw()}},
	} {
		if _, err := cms.NewTrust(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	trust := w.trust(f)
	f.Add(cmstest.Sign(f, w.right()))
	for _, name := range []string{"gost256-attached", "gost256-ber-attached", "gost256-keyid", "rsa-cades-detached", "ecdsa-legal-cades-detached"} {
		f.Add(file(f, "cms/"+name+".p7s"))
	}
	f.Add(file(f, "cms/gost256-cades-detached.pem"))
	f.Fuzz(func(t *testing.T, message []byte) {
		signer, err := trust.Verify(message, content, now)
		var refused cms.Refusal
		switch {
		case err == nil && signer.Fingerprint != fingerprint(w.person):
			t.Error("somebody else signed it")
		case err != nil && !errors.As(err, &refused):
			t.Errorf("no refusal: %v", err)
		}
	})
}

func fingerprint(a *cmstest.Authority) string {
	sum := sha256.Sum256(a.Raw())
	return hex.EncodeToString(sum[:])
}

func BenchmarkVerify(b *testing.B) {
	for _, v := range vectors(b) {
		if !strings.HasSuffix(v.ID, "-cades-detached") {
			continue
		}
		b.Run(v.ID, func(b *testing.B) {
			trust, message, challenge := v.trust(b), file(b, v.CMS), file(b, v.Challenge)
			for b.Loop() {
				if _, err := trust.Verify(message, challenge, v.At); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
