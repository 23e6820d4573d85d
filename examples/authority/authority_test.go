package authority_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/vhod-id/vhod/examples/authority"
	"github.com/vhod-id/vhod/keys/gost"
)

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) (*authority.Authority, http.Handler) {
	t.Helper()
	a, err := authority.Open(dir, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	people := map[string]authority.Subject{"c001": {Surname: "Тестов", GivenName: "Пётр Ильич", SNILS: "19901000048"}}
	return a, authority.NewServer(a, func(id string) (authority.Subject, bool) { s, ok := people[id]; return s, ok }).Handler()
}

func ask(t *testing.T, h http.Handler, body map[string]string) (int, map[string]string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/certificates", bytes.NewReader(text)))
	var out map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, out
}

func certificate(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("no certificate in %q", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPersonWithoutAKeyGetsOneWithTheCertificate(t *testing.T) {
	dir := t.TempDir()
	_, h := open(t, dir)
	status, got := ask(t, h, map[string]string{"person": "c001"})
	if status != http.StatusCreated || got["key"] == "" {
		t.Fatalf("answered %d %v", status, got)
	}
	c, root := certificate(t, got["certificate"]), certificate(t, got["issuer"])
	if err := c.CheckSignatureFrom(root); err != nil {
		t.Error(err)
	}
	if c.Subject.Names[1].Value != "Тестов Пётр Ильич" || c.IsCA {
		t.Errorf("it names %v", c.Subject)
	}
	_, again := open(t, dir)
	if _, got := ask(t, again, map[string]string{"person": "c001"}); !certificate(t, got["issuer"]).Equal(root) {
		t.Error("a new start is another authority")
	}
	if status, _ := ask(t, h, map[string]string{"person": "nobody"}); status != http.StatusNotFound {
		t.Errorf("a stranger is answered %d", status)
	}
	if status, _ := ask(t, h, map[string]string{"person": "c001", "request": "hello"}); status != http.StatusBadRequest {
		t.Errorf("a broken request is answered %d", status)
	}
}

func TestRequestOfAGOSTKeyGetsACertificateForIt(t *testing.T) {
	_, h := open(t, t.TempDir())
	dir := t.TempDir()
	key, request := filepath.Join(dir, "key"), filepath.Join(dir, "request")
	for _, args := range [][]string{
		{"genpkey", "-engine", "gost", "-algorithm", "gost2012_256", "-pkeyopt", "paramset:XA", "-out", key},
		{"req", "-engine", "gost", "-new", "-key", key, "-md_gost12_256", "-subj", "/CN=x", "-out", request},
	} {
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
		}
	}
	text, err := os.ReadFile(request)
	if err != nil {
		t.Fatal(err)
	}
	status, got := ask(t, h, map[string]string{"person": "c001", "request": string(text)})
	if status != http.StatusCreated || got["key"] != "" {
		t.Fatalf("answered %d %v", status, got)
	}
	c := certificate(t, got["certificate"])
	if err := c.CheckSignatureFrom(certificate(t, got["issuer"])); err != nil {
		t.Error(err)
	}
	if public, err := gost.ParsePublicKey(c.RawSubjectPublicKeyInfo); err != nil || public.Size() != gost.Size256 {
		t.Errorf("its key: %v", err)
	}
}

func TestRevokedCertificateIsOnTheList(t *testing.T) {
	a, h := open(t, t.TempDir())
	_, got := ask(t, h, map[string]string{"person": "c001"})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/certificates/"+got["serial"], nil))
	if w.Code != http.StatusNoContent {
		t.Fatalf("answered %d", w.Code)
	}
	der, err := os.ReadFile(a.ListFile())
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	entries := list.RevokedCertificateEntries
	if len(entries) != 1 || entries[0].SerialNumber.Cmp(certificate(t, got["certificate"]).SerialNumber) != 0 {
		t.Errorf("the list has %v", entries)
	}
}
