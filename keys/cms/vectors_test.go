package cms_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vhod-id/vhod/keys/cms"
)

// vector is a case of testdata/manifest.json; testdata/README.md says how they were made.
type vector struct {
	ID            string
	CMS           string
	Challenge     string
	Expect        string
	Reason        string
	Roots         []string
	Intermediates []string
	CRLs          []string
	At            time.Time
	Subject       map[string]string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	var all []vector
	if err := json.Unmarshal(file(t, "manifest.json"), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func files(t testing.TB, names []string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, name := range names {
		out = append(out, file(t, name))
	}
	return out
}

func (v vector) trust(t testing.TB) *cms.Trust {
	t.Helper()
	trust, err := cms.NewTrust(cms.TrustConfig{
		Roots: files(t, v.Roots), Intermediates: files(t, v.Intermediates), Lists: files(t, v.CRLs),
	})
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// reasons are ours for what the manifest says in words.
var reasons = map[string]cms.Reason{
	"certificate expired":                                                        cms.Expired,
	"certificate not yet valid":                                                  cms.NotYetValid,
	"certificate revoked":                                                        cms.Revoked,
	"no CRL of the issuing CA (hard-fail policy)":                                cms.UnknownRevoked,
	"key usage has neither digitalSignature nor nonRepudiation":                  cms.WrongUsage,
	"signature over another challenge (attached)":                                cms.OtherContent,
	"signature over another challenge (detached)":                                cms.OtherContent,
	"attached content altered after signing":                                     cms.OtherContent,
	"altered content equals what is expected, messageDigest does not":            cms.OtherContent,
	"one bit of the signature value flipped":                                     cms.WrongSignature,
	"wrong CA: chain ends in a root that is not trusted":                         cms.Untrusted,
	"wrong CA: rogue CA with the very same names and serial numbers, other keys": cms.Untrusted,
	"issuing CA neither in the message nor known":                                cms.Untrusted,
	"signer certificate absent":                                                  cms.NoCertificate,
	"no signed attributes (policy)":                                              cms.Attributes,
	"signed by openssl without -binary: LF became CRLF before hashing":           cms.OtherContent,
	"two signers (policy: exactly one)":                                          cms.Signers,
}

func TestEveryVectorIsJudgedAsItsManifestSays(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			signer, err := v.trust(t).Verify(file(t, v.CMS), file(t, v.Challenge), v.At)
			if v.Expect == "accept" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				checkSubject(t, signer.Subject, v.Subject)
				checkMessage(t, v, signer)
				return
			}
			var refused cms.Refusal
			if !errors.As(err, &refused) {
				t.Fatalf("accepted, or no refusal: %v", err)
			}
			if want, known := reasons[v.Reason]; !known || refused.Reason != want {
				t.Errorf("refused as %s (%s), want %s for %q", refused.Reason, refused.Detail, want, v.Reason)
			}
		})
	}
}

// checkMessage holds that what is handed on holds the content, and verifies with it and with no other.
func checkMessage(t *testing.T, v vector, signer *cms.Signer) {
	t.Helper()
	content := file(t, v.Challenge)
	if !bytes.Contains(signer.Message, content) {
		t.Error("the message that is handed on is without its content")
	}
	again, err := v.trust(t).Verify(signer.Message, content, v.At)
	if err != nil || again.Fingerprint != signer.Fingerprint || !bytes.Equal(again.Message, signer.Message) {
		t.Errorf("the message that is handed on: %v", err)
	}
	other := bytes.Replace(signer.Message, content, bytes.Repeat([]byte{'x'}, len(content)), 1)
	var refused cms.Refusal
	if _, err := v.trust(t).Verify(other, bytes.Repeat([]byte{'x'}, len(content)), v.At); !errors.As(err, &refused) || refused.Reason != cms.OtherContent {
		t.Errorf("with another content: %v", err)
	}
}

func checkSubject(t *testing.T, s cms.Subject, want map[string]string) {
	t.Helper()
	got := map[string]string{
		"CN": s.CommonName, "SN": s.Surname, "GN": s.GivenName, "INN": s.INN, "SNILS": s.SNILS,
		"INNLE": s.INNLE, "OGRN": s.OGRN, "O": s.Organisation, "title": s.Title,
	}
	for name, value := range want {
		if name != "email" && got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
}
