package journeys_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// signer is a person's signing tool: openssl with a key that never leaves its folder.
type signer struct {
	t      *testing.T
	dir    string
	engine []string
	digest string
	extra  []string // how this tool makes signatures
	serial string
}

// tools are the algorithms of qualified certificates, each with another form of signature.
var tools = []struct {
	name, digest string
	engine       bool
	key          []string
	extra        []string
}{
	{"GOST 256", "md_gost12_256", true, []string{"-algorithm", "gost2012_256", "-pkeyopt", "paramset:XA"}, []string{"-cades"}},
	{"GOST 512", "md_gost12_512", true, []string{"-algorithm", "gost2012_512", "-pkeyopt", "paramset:A"}, []string{"-nodetach"}},
	{"RSA", "sha256", false, []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, []string{"-cades", "-nodetach"}},
	{"ECDSA", "sha256", false, []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}, nil},
}

func (s *signer) openssl(command string, args ...string) {
	s.t.Helper()
	if err := s.run(command, args...); err != nil {
		s.t.Fatal(err)
	}
}

// run is openssl where a test cannot be ended.
func (s *signer) run(command string, args ...string) error {
	args = append(append([]string{command}, s.engine...), args...)
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("openssl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// detached makes a detached CAdES-BES.
func (s *signer) detached(content []byte) ([]byte, error) {
	if err := os.WriteFile(s.file("content"), content, 0o600); err != nil {
		return nil, err
	}
	err := s.run("cms", "-sign", "-binary", "-cades", "-outform", "DER", "-md", s.digest, "-signer", s.file("certificate.pem"),
		"-inkey", s.file("key.pem"), "-in", s.file("content"), "-out", s.file("content.sig"))
	if err != nil {
		return nil, err
	}
	return os.ReadFile(s.file("content.sig"))
}

func (s *signer) file(name string) string { return filepath.Join(s.dir, name) }

// newSigner makes a key and has the stand's authority issue a certificate for it.
func newSigner(t *testing.T, st *stand, p person, tool int) *signer {
	t.Helper()
	how := tools[tool]
	s := &signer{t: t, dir: t.TempDir(), digest: how.digest, extra: how.extra}
	if how.engine {
		s.engine = []string{"-engine", "gost"}
	}
	s.openssl("genpkey", append(how.key, "-out", s.file("key.pem"))...)
	s.openssl("req", "-new", "-key", s.file("key.pem"), "-"+how.digest, "-subj", "/CN=request", "-out", s.file("request.pem"))
	request, err := os.ReadFile(s.file("request.pem"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"person": p.ID, "request": string(request)})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := st.client.Post(st.url(4, "/certificates"), "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var issued struct{ Serial, Certificate string }
	if err := json.NewDecoder(resp.Body).Decode(&issued); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("the authority answers %s, %v", resp.Status, err)
	}
	s.serial = issued.Serial
	if err := os.WriteFile(s.file("certificate.pem"), []byte(issued.Certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// sign signs what the open page shows and sends the file.
func (c *citizen) sign(by *signer) {
	c.t.Helper()
	if err := os.WriteFile(by.file("challenge"), []byte(c.text("#challenge")), 0o600); err != nil {
		c.t.Fatal(err)
	}
	by.openssl("cms", append([]string{"-sign", "-binary", "-outform", "DER", "-md", by.digest, "-signer", by.file("certificate.pem"),
		"-inkey", by.file("key.pem"), "-in", by.file("challenge"), "-out", by.file("challenge.sig")}, by.extra...)...)
	c.do("choosing the signature", chromedp.SetUploadFiles(css("#signature"), []string{by.file("challenge.sig")}))
	c.press("continue")
}

func TestPersonSignsUpBecomesVerifiedAndSignsInByASignature(t *testing.T) {
	s := startStand(t)
	people := s.fresh(len(tools))
	for i, tool := range tools {
		t.Run(tool.name, func(t *testing.T) {
			s := s.in(t)
			p := people[i]
			by := newSigner(t, s, p, i)
			signedJourney(newCitizen(t, s, p, i%2 == 0), by)

			again := newCitizen(t, s, p, i%2 == 1)
			again.open(s.url(0, "/login"))
			again.press("esign")
			again.sign(by)
			again.walk("me")
			again.open(s.url(0, "/me/history"))
			if !again.has(`[data-event="certificate-linked"]`) {
				t.Errorf("the history does not say that a signature was added\n%s", again.where())
			}

			revoke(t, s, by)
			late := newCitizen(t, s, p, i%2 == 0)
			late.open(s.url(0, "/login"))
			for range 20 { // the provider reads the lists each second
				late.press("esign")
				late.sign(by)
				if late.page() == "esign" {
					break
				}
				late.open(s.url(0, "/logout"))
				late.press("continue")
				late.open(s.url(0, "/login"))
			}
			if why := late.text("#signature-error"); !strings.Contains(why, "revoked") && !strings.Contains(why, "отозван") {
				t.Errorf("a revoked certificate is answered %q", why)
			}
		})
	}
}

// signedJourney is a newcomer's who has a signature: from a service that asks for the verified level, by a
// sign-up that knows their name already, to that service.
func signedJourney(c *citizen, by *signer) {
	c.t.Helper()
	c.open(c.stand.url(1, "/"))
	c.follow(`[data-action="fines"]`)
	c.walk("identify")
	c.follow(`[data-action="sign-up"]`)
	c.press("esign")
	c.sign(by)
	c.walk("signup-contact")
	c.says(c.p.FamilyName, c.p.GivenName)
	c.walk("level-birth", "level-name")
	if page := c.page(); page != "level-birth" {
		c.t.Errorf("the name of the certificate is asked for again: %s", page)
	}
	c.walk("level-address")
	for _, known := range []string{"level-snils", "level-inn"} {
		if count(c.pages, known) > 0 {
			c.t.Errorf("%s is asked though the certificate says it: %v", known, c.pages)
		}
	}
	c.walk("level-bank")
	c.press("esign")
	c.sign(by)
	c.walk("portal-fines")
	payAFine(c)
	c.open(c.stand.url(0, "/me/security"))
	c.says("Учебный удостоверяющий центр стенда")
}

func revoke(t *testing.T, s *stand, by *signer) {
	t.Helper()
	r, err := http.NewRequest(http.MethodDelete, s.url(4, "/certificates/"+by.serial), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("revoking is answered %s", resp.Status)
	}
}
