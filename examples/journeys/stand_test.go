package journeys_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/vhod-id/vhod/examples/built"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// bin is where TestMain builds the programs that the journeys run.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "vhod-journeys")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	for _, pkg := range []string{"./examples", "./cmd/vhod", "./examples/hello", "./examples/television"} {
		if _, err := built.Program(filepath.Join("..", ".."), pkg, dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	storagetest.Main(tidy{m})
}

// tidy removes the programs after the last test.
type tidy struct{ *testing.M }

func (t tidy) Run() int {
	code := t.M.Run()
	_ = os.RemoveAll(bin)
	return code
}

// stand is a running stand.
type stand struct {
	t    *testing.T
	base int
	dir  string
	out  string // what it printed before it was ready

	ca                []byte       // of a stand by https; nil: http
	client            *http.Client // believes it
	records, ephemera string       // URLs, where they are not the embedded default
	nodes             []*process   // of vhod serve, where the provider runs beside the stand; their clock is the true one
}

// startStand runs the stand on free ports until the test ends.
func startStand(t *testing.T, flags ...string) *stand {
	t.Helper()
	return startStandAt(t, freeBlock(t), flags...)
}

func startStandAt(t *testing.T, base int, flags ...string) *stand {
	t.Helper()
	s := &stand{t: t, base: base, dir: t.TempDir(), client: &http.Client{Timeout: 20 * time.Second}}
	args := append([]string{"-base-port", strconv.Itoa(s.base), "-data", s.dir}, flags...)
	s.out = start(t, "ready", filepath.Join(bin, "examples"), args...).printed
	if slices.Contains(flags, "-tls") {
		s.believe()
	}
	return s
}

// believe reads the authority of a stand by https.
func (s *stand) believe() {
	s.t.Helper()
	var err error
	if s.ca, err = os.ReadFile(filepath.Join(s.dir, "ca.pem")); err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.ca)
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	s.t.Cleanup(s.client.CloseIdleConnections)
}

// trusted makes a browser believe the stand's certificate: it keeps to its own list of authorities, so it is told the key.
func (s *stand) trusted() (options []chromedp.ExecAllocatorOption) {
	s.t.Helper()
	if s.ca == nil {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "tls.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	key := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return []chromedp.ExecAllocatorOption{chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:]))}
}

// url returns an address of the stand: part 0 is the provider, 1 the portal, 2 and 3 the banks, 4 the outside world.
func (s *stand) url(part int, path string) string {
	scheme := "http"
	if s.ca != nil && part < 5 {
		scheme = "https"
	}
	return fmt.Sprintf("%s://localhost:%d%s", scheme, s.base+part, path)
}

// message is one of the inbox.
type message struct {
	ID      json.Number `json:"id"`
	Channel string      `json:"channel"`
	To      string      `json:"to"`
	Subject string      `json:"subject"`
	Text    string      `json:"text"`
	Code    string      `json:"code"`
	Link    string      `json:"link"`
}

// person is one of the people of the stand.
type person struct {
	ID         json.RawMessage `json:"id"`
	Story      string          `json:"story"`
	Level      string          `json:"level"`
	Phone      string          `json:"phone"`
	Email      string          `json:"email"`
	SNILS      string          `json:"snils"`
	INN        string          `json:"inn"`
	FamilyName string          `json:"familyName"`
	GivenName  string          `json:"givenName"`
	MiddleName string          `json:"middleName"`
	Birthdate  string          `json:"birthdate"`
	Birthplace string          `json:"birthplace"`
	Gender     string          `json:"gender"`
	Password   string          `json:"password"`
	TOTPSecret string          `json:"totpSecret"`
	Backup     []string        `json:"backupCodes"`
	Passport   struct {
		Series     string `json:"series"`
		Number     string `json:"number"`
		IssuedOn   string `json:"issuedOn"`
		IssuedBy   string `json:"issuedBy"`
		IssuerCode string `json:"issuerCode"`
	} `json:"passport"`
	Bank struct {
		ID       string `json:"id"`
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"bank"`
}

// fresh returns people whom the registries know and who have no account.
func (s *stand) fresh(n int) []person {
	s.t.Helper()
	var people []person
	s.get(s.url(4, fmt.Sprintf("/people?registered=false&limit=%d", n)), &people)
	if len(people) < n {
		s.t.Fatalf("the stand has %d people without an account, not %d", len(people), n)
	}
	return people
}

// registered returns the seeded person whose story contains a word.
func (s *stand) registered(story string) person {
	s.t.Helper()
	var people []person
	s.get(s.url(4, "/people"), &people)
	for _, p := range people {
		if strings.Contains(strings.ToLower(p.Story), story) {
			return p
		}
	}
	s.t.Fatalf("the stand has no person whose story says %q", story)
	return person{}
}

// lastMessage waits for a message to somebody after a moment and returns the newest.
func (s *stand) lastMessage(channel, to, after string) message {
	s.t.Helper()
	q := url.Values{"to": {to}, "channel": {channel}, "wait": {"10s"}}
	if after != "" {
		q.Set("after", after)
	}
	var found []message
	s.get(s.url(4, "/messages?"+q.Encode()), &found)
	if len(found) == 0 {
		s.t.Fatalf("no %s to %s", channel, to)
	}
	return found[len(found)-1]
}

// messages waits a while for messages to somebody after the one of a number.
func (s *stand) messages(channel, to string, after int64, wait time.Duration) (found []message) {
	s.t.Helper()
	q := url.Values{"to": {to}, "channel": {channel}, "wait": {wait.String()}, "after": {strconv.FormatInt(after, 10)}}
	s.get(s.url(4, "/messages?"+q.Encode()), &found)
	return found
}

func (s *stand) get(address string, into any) {
	s.t.Helper()
	resp, err := s.client.Get(address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s %v\n%s", address, resp.Status, err, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		s.t.Fatalf("GET %s: %v\n%s", address, err, body)
	}
}

// freeBlock finds a base port such that it and ten that follow it are free on loopback: below those that the system gives to
// connections, which would take one between this look and the stand.
func freeBlock(t *testing.T) int {
	t.Helper()
	for range 50 {
		if base := 10_000 + 11*rand.IntN(2000); unused(base, 11) {
			return base
		}
	}
	t.Fatal("no block of eleven free ports")
	return 0
}

// unused reports whether nobody listens at n ports from base on.
func unused(base, n int) bool {
	for port := base; port < base+n; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// in gives the stand to a subtest, so that failures are reported there.
func (s *stand) in(t *testing.T) *stand {
	copied := *s
	copied.t = t
	return &copied
}

// now is the provider's clock.
func (s *stand) now() time.Time {
	s.t.Helper()
	if len(s.nodes) > 0 {
		return time.Now()
	}
	var clock struct {
		Now time.Time `json:"now"`
	}
	s.get(s.url(4, "/clock"), &clock)
	return clock.Now
}

// pass lets time pass: by moving the stand's clock, or truly where the provider has its own.
func (s *stand) pass(d time.Duration) {
	s.t.Helper()
	if len(s.nodes) > 0 {
		time.Sleep(d)
		return
	}
	resp, err := s.client.Post(s.url(4, "/clock"), "application/json", strings.NewReader(`{"advance":"`+d.String()+`"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// startHello runs the smallest client on the caller's port.
func (s *stand) startHello(t *testing.T) {
	t.Helper()
	address := s.url(10, "")
	if resp, err := http.Get(address); err == nil {
		_ = resp.Body.Close()
		return // it runs already
	}
	t.Setenv("VHOD_ISSUER", s.url(0, ""))
	t.Setenv("VHOD_HOME", address)
	if s.ca != nil {
		t.Setenv("SSL_CERT_FILE", filepath.Join(s.dir, "ca.pem"))
	}
	start(t, "open "+address, filepath.Join(bin, "hello"))
	for range 200 { // it says so a moment before it listens
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.base+10)); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the second service does not listen")
}

// written is all that the provider keeps and says, by where it stands: its log and its stores. The stand's own
// configuration has the keys of its simulators and no person.
func (s *stand) written() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), ".db") || strings.HasSuffix(e.Name(), ".log") {
			text, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
			if err != nil {
				s.t.Fatal(err)
			}
			found[e.Name()] = string(text)
		}
	}
	for i, node := range s.nodes {
		found[fmt.Sprintf("the log of node %d", i+1)] = node.stderr.String()
		if node.stderr.String() == "" {
			s.t.Error("a node wrote no log")
		}
	}
	if s.records != "" {
		found["a dump of the stores"] = storagetest.Dump(s.t, s.records, s.ephemera)
	}
	if len(found) < 2 {
		s.t.Fatalf("%s has neither stores nor a log", s.dir)
	}
	return found
}
