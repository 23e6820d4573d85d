package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"

	"github.com/vhod-id/vhod/examples/built"
	"github.com/vhod-id/vhod/examples/inbox"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// stage is a running stand, as a stranger sees it: a process and its ports.
type stage struct {
	t     failer
	base  int
	data  string
	table string      // what it printed before ready
	over  func() bool // nobody will write any more; may be nil
}

// programs are built once for all tests.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "vhod-stand-test-")
	if err != nil {
		return "", err
	}
	for _, pkg := range []string{"./examples", "./cmd/vhod", "./examples/hello"} {
		if _, err := built.Program("..", pkg, dir); err != nil {
			return dir, err
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) { storagetest.Main(tidy{m}) }

// tidy removes the programs after the last test.
type tidy struct{ *testing.M }

func (t tidy) Run() int {
	code := t.M.Run()
	if dir, err := programs(); err == nil {
		_ = os.RemoveAll(dir)
	}
	return code
}

// start runs a stand until the test ends or stop is called.
func start(t *testing.T, data string, flags ...string) (s *stage, stop func()) {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	s = &stage{t: t, base: freeBlock(t), data: data}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "examples"), append([]string{"-base-port", fmt.Sprint(s.base), "-data", data}, flags...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the stand ended with %v\n%s", err, complaints.String())
		}
		cancel()
	})
	t.Cleanup(stop)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return s, stop
		}
		s.table += lines.Text() + "\n"
	}
	t.Fatalf("the stand never was ready\n%s", complaints.String())
	return nil, nil
}

// freeBlock finds a base port with room for a stand.
func freeBlock(t *testing.T) int {
	t.Helper()
	for base := 12000 + os.Getpid()%400*20; base < 20980; base += 20 {
		free := true
		for offset := range 12 {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+offset))
			if err != nil {
				free = false
				break
			}
			_ = l.Close()
		}
		if free {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func (s *stage) at(offset int, path string) string {
	return fmt.Sprintf("http://localhost:%d%s", s.base+offset, path)
}

// person returns somebody with an account, by story.
func (s *stage) person(story string) inbox.Person {
	s.t.Helper()
	return s.people("?story=" + story)[0]
}

func (s *stage) people(query string) []inbox.Person {
	s.t.Helper()
	var found []inbox.Person
	getJSON(s.t, s.at(4, "/people"+query), &found)
	if len(found) == 0 {
		s.t.Fatalf("nobody is %s", query)
	}
	return found
}

// last returns the newest message to somebody that has a code.
func (s *stage) last(to string) inbox.Message {
	s.t.Helper()
	for range 50 {
		if s.over != nil && s.over() {
			break
		}
		var found []inbox.Message
		getJSON(s.t, s.at(4, "/messages?wait=5s&to="+url.QueryEscape(to)), &found)
		for i := len(found) - 1; i >= 0; i-- {
			if found[i].Code != "" {
				return found[i]
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("no code came to %s", to)
	return inbox.Message{}
}

func (s *stage) tell(path, body string) {
	s.t.Helper()
	resp, err := http.Post(s.at(4, path), "application/json", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s", path, body, resp.Status)
	}
}

// signIn goes from the portal through the provider's pages with a password, as far as a page that asks for more.
func (s *stage) signIn(b *browser, p inbox.Person) {
	s.t.Helper()
	b.open(s.at(1, "/sign-in"))
	b.want("identify")
	b.submit("continue", map[string]string{"identifier": p.Phone})
	b.want("password")
	b.submit("continue", map[string]string{"password": p.Password})
}

func allow(b *browser) {
	if b.page == "consent" {
		b.submit("allow", nil)
	}
}

func TestAPersonSignsInAtThePortalAndOrdersACertificate(t *testing.T) {
	s, _ := start(t, t.TempDir())
	p, b := s.person("standard"), newBrowser(t)
	s.signIn(b, p)
	b.want("consent")
	b.submit("allow", nil)
	b.want("portal-me")
	if !strings.Contains(b.text, p.FamilyName) || !strings.Contains(b.text, p.Phone) {
		t.Errorf("the portal does not know %s: %s", p.FamilyName, b.text)
	}
	b.open(s.at(1, "/certificate"))
	allow(b) // one attribute more
	b.want("portal-certificate")
	b.submit("continue", map[string]string{"purpose": "work"})
	b.want("portal-certificate-done")

	b.open(s.at(1, "/me"))
	b.submit("sign-out-everywhere", nil)
	if b.page != "portal-signed-out" {
		b.submit("continue", nil)
	}
	b.want("portal-signed-out")
	b.open(s.at(1, "/sign-in"))
	b.want("identify")
}

func TestOneSignInServesASecondVisit(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	if s.table != "" {
		t.Errorf("-quiet printed %s", s.table)
	}
	p, b := s.person("verified-by-bank"), newBrowser(t)
	s.signIn(b, p)
	allow(b)
	b.want("portal-me")
	b.submit("sign-out", nil)
	b.want("portal-signed-out")
	b.open(s.at(1, "/sign-in")) // the provider still knows the browser
	b.want("portal-me")
}

func TestARefusalToShareIsTakenCalmly(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	b := newBrowser(t)
	s.signIn(b, s.person("standard"))
	b.want("consent")
	b.submit("deny", nil)
	b.want("portal-error")
}

func TestASecondFactorIsAskedOfThoseWhoHaveOne(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	p := s.person("totp")

	b := newBrowser(t)
	s.signIn(b, p)
	b.want("totp")
	b.submit("continue", map[string]string{"code": "000000"})
	b.want("totp")
	code, err := totp.GenerateCode(p.TOTPSecret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b.submit("continue", map[string]string{"code": code})
	allow(b)
	b.want("portal-me")
	if !strings.Contains(b.text, "standard:2fa") {
		t.Errorf("%s", b.text)
	}
	again := newBrowser(t)
	s.signIn(again, p)
	again.want("totp")
	again.submit("continue", map[string]string{"code": code})
	again.want("totp") // a code works once
}

func TestALockedPersonDoesNotGetIn(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	b := newBrowser(t)
	s.signIn(b, s.person("locked"))
	if b.page == "portal-me" || b.page == "consent" {
		t.Errorf("at %s", b.page)
	}
}

func TestAFreshCitizenGetsToTheirFinesInOneGo(t *testing.T) {
	for _, bank := range []string{"green", "yellow"} {
		t.Run(bank, func(t *testing.T) {
			s, _ := start(t, t.TempDir(), "-quiet")
			people := s.people("?registered=false&limit=10")
			i := 0
			for people[i].Bank.ID != bank {
				i++
			}
			b := newBrowser(t)
			b.open(s.at(1, "/fines"))
			b.want("identify")
			s.signUp(b, people[i])
			s.answer(b, people[i], "level-bank")
			b.submit("continue", map[string]string{"bank": bank})
			b.want("bank-login")
			b.submit("continue", map[string]string{"username": people[i].Bank.Username, "password": people[i].Bank.Password})
			b.want("bank-consent")
			b.submit("allow", nil)
			if b.page == "level-result" {
				b.submit("continue", nil)
			}
			allow(b)
			b.want("portal-fines")
			b.submit("pay", nil)
			b.want("portal-paid")
		})
	}
}

func TestAStoryOfTheRegistriesEndsWithoutALevel(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	for _, story := range []string{"passport-invalid", "deceased", "several", "unknown", "near-miss", "former-name"} {
		t.Run(story, func(t *testing.T) {
			p, b := s.people("?registered=false&story=" + story)[0], newBrowser(t)
			b.open(s.at(1, "/certificate"))
			s.signUp(b, p)
			s.answer(b, p, "level-result")
			if strings.Contains(b.text, "portal-certificate") {
				t.Errorf("%s", b.text)
			}
		})
	}
	for _, story := range []string{"yo-in-name", "no-middle-name", "no-inn"} {
		t.Run(story, func(t *testing.T) {
			p, b := s.people("?registered=false&story=" + story)[0], newBrowser(t)
			b.open(s.at(1, "/certificate"))
			s.signUp(b, p)
			s.answer(b, p, "portal-certificate")
		})
	}
}

// signUp walks from the identify page to a ready account, without a second factor.
func (s *stage) signUp(b *browser, p inbox.Person) {
	s.t.Helper()
	b.follow("sign-up")
	b.want("signup-contact")
	b.submit("continue", map[string]string{"phone": p.Phone, "email": p.Email})
	b.want("signup-code")
	b.submit("continue", map[string]string{"code": s.last(p.Phone).Code})
	b.want("signup-code")
	b.submit("continue", map[string]string{"code": s.last(p.Email).Code})
	b.want("signup-password")
	b.submit("continue", map[string]string{"password": p.Password, "password_again": p.Password})
	b.want("signup-agreement")
	fields := map[string]string{}
	each(b.doc, func(n *html.Node) {
		if attr(n, "type") == "checkbox" {
			fields[attr(n, "name")] = "on"
		}
	})
	b.submit("continue", fields)
	b.want("protect")
	b.submit("skip", nil)
	b.want("signup-ready")
	b.submit("continue", nil)
}

// answer goes through the pages that raise the level until it comes to a page.
func (s *stage) answer(b *browser, p inbox.Person, until string) {
	s.t.Helper()
	fields := map[string]string{
		"family_name": p.FamilyName, "given_name": p.GivenName, "middle_name": p.MiddleName, "birthplace": p.Birthplace, "gender": p.Gender,
		"passport_series": p.Passport.Series, "passport_number": p.Passport.Number, "passport_issued_by": p.Passport.IssuedBy,
		"passport_issuer_code": p.Passport.IssuerCode, "snils": p.SNILS, "inn": p.INN, "region": p.Address.Region, "city": p.Address.City,
		"street": p.Address.Street, "house": p.Address.House, "flat": p.Address.Flat, "postcode": p.Address.Postcode,
	}
	if p.MiddleName == "" {
		fields["no_middle_name"] = "on"
	}
	date := func(name, iso string) {
		for i, part := range []string{"year", "month", "day"} {
			fields[name+"-"+part] = strings.Split(iso, "-")[i]
		}
	}
	date("birthdate", p.Birthdate)
	date("passport_issued_on", p.Passport.IssuedOn)
	for range 20 {
		switch {
		case b.page == until:
			return
		case b.page == "level-wait":
			time.Sleep(300 * time.Millisecond)
			b.open(b.url.String())
		case b.page == "consent":
			b.submit("allow", nil)
		case b.page == "level-inn" && p.INN == "":
			b.submit("skip", nil)
		case strings.HasPrefix(b.page, "level"):
			b.submit("continue", fields)
		default:
			b.want(until)
		}
	}
	b.want(until)
}

func TestANamedFolderKeepsAccountsAndStartsWarm(t *testing.T) {
	data := t.TempDir()
	s, stop := start(t, data)
	if !strings.Contains(s.table, "demo-web") || !strings.Contains(s.table, s.person("standard").Password) {
		t.Errorf("the table: %s", s.table)
	}
	b := newBrowser(t)
	s.signIn(b, s.person("standard"))
	b.want("consent")
	b.submit("allow", nil)
	stop()

	began := time.Now()
	s, _ = start(t, data)
	if took := time.Since(began); took > 2*time.Second {
		t.Logf("a warm start took %v", took) // a busy machine is no failure
	}
	b = newBrowser(t)
	s.signIn(b, s.person("standard"))
	b.want("portal-me") // the consent was kept
}

func TestTheClockOfTheStandEndsASession(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	b := newBrowser(t)
	s.signIn(b, s.person("standard"))
	allow(b)
	b.want("portal-me")
	s.tell("/clock", `{"advance":"24h"}`)
	b.open(s.at(1, "/me"))
	b.want("identify")
}

func TestASilentRegistryIsWaitedFor(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	s.tell("/faults", `{"adapter":"registry-snils","outcome":"down"}`)
	p, b := s.people("?registered=false&limit=1")[0], newBrowser(t)
	b.open(s.at(1, "/certificate"))
	s.signUp(b, p)
	s.answer(b, p, "level-wait")
	clear, err := http.NewRequest(http.MethodDelete, s.at(4, "/faults"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(clear); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	s.tell("/clock", `{"advance":"5m"}`)
	deadline := time.Now().Add(15 * time.Second)
	for b.page == "level-wait" && time.Now().Before(deadline) {
		time.Sleep(200 * time.Millisecond)
		b.open(b.url.String())
	}
	s.answer(b, p, "portal-certificate")
}

func TestTheSmallestClientGetsItsClaims(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "hello"))
	cmd.Env = append(os.Environ(), "VHOD_ISSUER="+s.at(0, ""), "VHOD_HOME="+s.at(10, ""))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "open "+s.at(10, "")+"\n" {
		t.Fatalf("%q %v", line, err)
	}
	p, b := s.person("standard"), newBrowser(t)
	for range 50 { // it says "open" a moment before it listens
		l, err := net.Dial("tcp", fmt.Sprintf("localhost:%d", s.base+10))
		if err == nil {
			_ = l.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.open(s.at(10, "/"))
	b.want("identify")
	b.submit("continue", map[string]string{"identifier": p.Email})
	b.submit("continue", map[string]string{"password": p.Password})
	b.want("consent")
	b.submit("allow", nil)
	for _, claim := range []string{`"family_name": "` + p.FamilyName + `"`, `"email": "` + p.Email + `"`, `"acr": "urn:vhod:acr:standard:1fa"`} {
		if !strings.Contains(words(b.doc), claim) {
			t.Errorf("no %s in %s", claim, words(b.doc))
		}
	}
}

func TestTheTokensOfThePortalAreBoundToItsKey(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	b := newBrowser(t)
	s.signIn(b, s.person("standard"))
	allow(b)
	b.want("portal-me")
	if !strings.Contains(b.text, "токен привязан к ключу") {
		t.Errorf("%s", b.text)
	}
}

func TestTheStandRunsOnPostgresAndRedis(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet", "-records", storagetest.Postgres(t), "-ephemera", storagetest.Redis(t))
	b := newBrowser(t)
	s.signIn(b, s.person("verified-by-letter"))
	b.want("consent")
	b.submit("allow", nil)
	b.want("portal-me")
	s.tell("/clock", `{"advance":"24h"}`)
	b.open(s.at(1, "/me"))
	b.want("identify")
}

func TestTheStandWaitsForAProviderBesideIt(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet", "-without-provider")
	b := newBrowser(t)
	b.open(s.at(1, "/"))
	b.want("portal-home")
	b.open(s.at(1, "/sign-in"))
	b.want("portal-error") // calmly: there is none yet
	for _, file := range []string{"vhod.yaml", "clients.yaml"} {
		if info, err := os.Stat(filepath.Join(s.data, file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info, err)
		}
	}
}

func TestAnUnknownFlagIsRefused(t *testing.T) {
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(filepath.Join(dir, "examples"), "-nonsense").CombinedOutput(); err == nil || !strings.Contains(string(out), "nonsense") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAStrangersClientRegistersWithTheTokenOfTheStand(t *testing.T) {
	s, _ := start(t, t.TempDir(), "-quiet")
	for token, pkce := range map[string]bool{"stand": true, "stand-compat": false} {
		request, err := http.NewRequest(http.MethodPost, s.at(0, "/register"), strings.NewReader(`{"client_name":"Проба","redirect_uris":["`+s.at(10, "/callback")+`"]}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var made struct {
			ID string `json:"client_id"`
		}
		err = json.NewDecoder(resp.Body).Decode(&made)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusCreated || made.ID == "" {
			t.Fatalf("%s: %s %v", token, resp.Status, err)
		}
		b := newBrowser(t)
		b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), s.at(10, "")) {
				return http.ErrUseLastResponse
			}
			return nil
		}
		b.open(s.at(0, "/authorize?"+url.Values{"client_id": {made.ID}, "redirect_uri": {s.at(10, "/callback")}, "response_type": {"code"}, "scope": {"openid"}}.Encode()))
		if asks := b.page == "identify"; asks == pkce {
			t.Errorf("a client of the token %s comes to %q without PKCE", token, b.page)
		}
	}
}
