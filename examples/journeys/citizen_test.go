package journeys_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// citizen is a person of the stand at a browser: they know their own data, read their phone and mail, and answer
// whatever page comes by its name alone.
type citizen struct {
	*browser
	stand    *stand
	p        person
	password string
	secret   string   // of their authenticator app, once it is set up
	backup   []string // codes that they have not used
	printed  []string // all that they ever had
	pages    []string // that they were shown, in order
	lastCode string   // an authenticator code is taken once
	declines map[string]bool
	looked   func(page string) // hears of every page on the way; may be nil
	secrets  map[string]string // what else nothing may show, by what it is
	known    string            // by what they say who they are, where that is not their phone
	read     map[string]int64  // the last message that they have read, by channel
}

// newCitizen opens a browser for a person. When the test ends, nothing that the provider wrote may tell of them.
func newCitizen(t *testing.T, s *stand, p person, scripts bool) *citizen {
	t.Helper()
	c := &citizen{browser: openBrowser(t, scripts, s.trusted()...), stand: s, p: p, password: "Тихая-Гавань7 у моря", declines: map[string]bool{}, secrets: map[string]string{}, read: map[string]int64{}}
	for channel, to := range map[string]string{"sms": p.Phone, "mail": p.Email} { // what came before is not meant for this browser
		for _, m := range s.messages(channel, to, 0, 0) {
			c.read[channel], _ = m.ID.Int64()
		}
	}
	t.Cleanup(func() {
		if !t.Failed() {
			leftNoTrace(t, s, c)
		}
	})
	return c
}

// walk answers pages until one of the named ones is shown.
func (c *citizen) walk(until ...string) {
	c.t.Helper()
	const most = 60
	for range most {
		page := c.page()
		if len(c.pages) == 0 || c.pages[len(c.pages)-1] != page {
			c.pages = append(c.pages, page)
			c.photograph(page)
			if c.looked != nil {
				c.looked(page)
			}
		}
		if slices.Contains(until, page) {
			return
		}
		c.answer(page)
	}
	c.t.Fatalf("walked %d pages without reaching %v: %v\n%s", most, until, c.pages, c.where())
}

// answer does on a page what a person does there.
func (c *citizen) answer(page string) {
	c.t.Helper()
	p := c.p
	switch page {
	case "identify":
		c.fill("identifier", orElse(c.known, p.Phone))
		c.press("continue")
	case "password":
		c.fill("password", c.password)
		c.press("continue")
	case "totp":
		c.fill("code", c.appCode())
		c.press("continue")
	case "signup-code", "sms", "protect-sms", "mail-code", "recovery-code":
		c.fill("code", c.code())
		c.press("continue")
	case "backup":
		c.fill("code", c.spare())
		c.press("continue")
	case "recovery":
		c.fill("identifier", orElse(c.known, p.Phone))
		c.press("continue")
	case "recovery-password":
		c.fill("password", c.password, "password_again", c.password)
		c.press("continue")
	case "signup-contact":
		c.fill("phone", p.Phone, "email", p.Email)
		c.press("continue")
	case "signup-password":
		c.fill("password", c.password, "password_again", c.password)
		c.press("continue")
	case "signup-agreement":
		c.click(`main [name="agree_terms"]`)
		c.click(`main [name="agree_privacy"]`)
		c.press("continue")
	case "protect":
		if c.declines["protect"] {
			c.press("skip")
			return
		}
		c.press("continue")
	case "protect-totp":
		c.secret = strings.ReplaceAll(c.text("[data-secret]"), " ", "")
		c.fill("code", c.appCode())
		c.press("continue")
	case "protect-backup":
		c.backup = strings.Fields(c.text("[data-codes]"))
		c.printed = append(c.printed, c.backup...)
		c.press("continue")
	case "offer-passkey":
		c.press("skip")
	case "level-name":
		c.fill("family_name", p.FamilyName, "given_name", p.GivenName)
		if p.MiddleName != "" {
			c.fill("middle_name", p.MiddleName)
		} else {
			c.click(`main [name="no_middle_name"]`)
		}
		c.press("continue")
	case "level-birth":
		c.date("birthdate", p.Birthdate)
		c.fill("birthplace", orElse(p.Birthplace, "Москва"))
		c.press("continue")
	case "level-sex":
		c.choose("gender", p.Gender)
		c.press("continue")
	case "level-passport":
		d := p.Passport
		c.fill("passport_series", d.Series, "passport_number", d.Number, "passport_issued_by", d.IssuedBy, "passport_issuer_code", d.IssuerCode)
		c.date("passport_issued_on", d.IssuedOn)
		c.press("continue")
	case "level-snils":
		c.fill("snils", p.SNILS)
		c.press("continue")
	case "level-inn":
		c.fill("inn", p.INN)
		c.press("continue")
	case "level-address":
		c.fill("region", "Тверская область", "city", "Тверь", "street", "Советская улица", "house", "7", "flat", "12", "postcode", "170100")
		c.press("continue")
	case "level-bank":
		c.choose("bank", p.Bank.ID)
		c.press("continue")
	case "bank-login":
		c.fill("username", p.Bank.Username, "password", p.Bank.Password)
		c.press("continue")
	case "bank-consent", "consent":
		c.press("allow")
	case "level", "level-check", "level-result", "signup-ready":
		if page == "level-result" && c.has(`[data-action="raise"]`) {
			c.follow(`[data-action="raise"]`)
			return
		}
		c.press("continue")
	case "level-wait":
		time.Sleep(time.Second)
		c.do("looking again", reload())
	default:
		c.t.Fatalf("nobody taught this citizen the page %q\n%s", page, c.where())
	}
}

// appCode reads the authenticator app; each code is taken once, so it waits for a fresh one, as people do.
func (c *citizen) appCode() string {
	c.t.Helper()
	for {
		code, err := totp.GenerateCode(c.secret, c.stand.now())
		if err != nil {
			c.t.Fatal(err)
		}
		if code != c.lastCode {
			c.lastCode = code
			return code
		}
		c.stand.pass(30 * time.Second)
	}
}

// code waits for the newest code in a message that this citizen has not read, where the page says that one was sent.
func (c *citizen) code() string {
	c.t.Helper()
	channel, to := "sms", c.p.Phone
	if c.has(`[data-channel="mail"]`) {
		channel, to = "mail", c.p.Email
	}
	return c.message(channel, to, func(m message) bool { return m.Code != "" }).Code
}

// message waits for one that this citizen has not read and returns the newest.
func (c *citizen) message(channel, to string, wanted func(message) bool) (found message) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); found.ID == ""; {
		if time.Now().After(deadline) {
			c.t.Fatalf("no such %s to %s\n%s", channel, to, c.where())
		}
		for _, m := range c.stand.messages(channel, to, c.read[channel], 5*time.Second) {
			if c.read[channel], _ = m.ID.Int64(); wanted(m) {
				found = m
			}
		}
	}
	return found
}

// spare takes a backup code from the list.
func (c *citizen) spare() string {
	c.t.Helper()
	if len(c.backup) == 0 {
		c.t.Fatal("no backup code is left")
	}
	code := c.backup[0]
	c.backup = c.backup[1:]
	return code
}

// wrongCode types a code that is not right.
func (c *citizen) wrongCode(code string) {
	c.t.Helper()
	page := c.page()
	c.fill("code", code)
	c.press("continue")
	if now := c.page(); now != page || !c.has("#code-error") {
		c.t.Fatalf("a wrong code on %s leads to %s\n%s", page, now, c.where())
	}
}

// leave signs out, and comes back to the first page.
func (c *citizen) leave() {
	c.t.Helper()
	c.open(c.stand.url(0, "/logout"))
	c.walk("sign-out")
	c.press("continue")
	c.walk("signed-out")
	c.open(c.stand.url(0, "/login"))
}

// visit opens a page of the cabinet, by way of whatever has to be shown first.
func (c *citizen) visit(path, page string) {
	c.t.Helper()
	c.open(c.stand.url(0, path))
	c.walk(page)
}

// signUp makes the citizen an account: with an app for codes and backup codes, unless they decline.
func (c *citizen) signUp() {
	c.t.Helper()
	c.open(c.stand.url(0, "/signup"))
	c.walk("me")
}

func (c *citizen) date(name, iso string) {
	c.t.Helper()
	parts := strings.Split(iso, "-")
	if len(parts) != 3 {
		c.t.Fatalf("%s is no day", iso)
	}
	c.fill(name+"-day", parts[2], name+"-month", parts[1], name+"-year", parts[0])
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// modes are the two ways in which every journey must work.
var modes = []struct {
	name    string
	scripts bool
}{{"JavaScript on", true}, {"JavaScript off", false}}

// inEachMode goes a journey in each mode, as a person of its own who has no account yet.
func inEachMode(t *testing.T, s *stand, journey func(t *testing.T, s *stand, c *citizen)) {
	t.Helper()
	people := s.fresh(len(modes))
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			journey(t, s, newCitizen(t, s, people[i], mode.scripts))
		})
	}
}

func TestNewcomerSignsUpRaisesTheLevelAndPaysAFine(t *testing.T) {
	s := startStand(t)
	people := s.fresh(2)
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			newcomersJourney(newCitizen(t, s, people[i], mode.scripts), nil)
		})
	}
}

// newcomersJourney is the whole of what a citizen comes for. Under way something may happen, when the account is there.
func newcomersJourney(c *citizen, underWay func()) {
	c.t.Helper()
	s := c.stand
	c.open(s.url(0, "/signup"))
	c.walk("me")
	if !slices.Contains(c.pages, "protect-backup") || len(c.backup) != 10 {
		c.t.Errorf("backup codes were not shown: %v", c.pages)
	}
	if underWay != nil {
		underWay()
	}
	c.open(s.url(0, "/level"))
	c.walk("me")
	payAFine(c)
	secondServiceNeedsNoSignIn(c)
	signOutEverywhere(c)
}

func TestTheJourneyOverHTTPS(t *testing.T) {
	s := startStand(t, "-tls")
	c := newCitizen(t, s, s.fresh(1)[0], true)
	newcomersJourney(c, func() {
		hosted := 0
		for name := range c.cookies() {
			if strings.HasPrefix(name, "__Host-vhod-") {
				hosted++
			} else if strings.HasPrefix(name, "vhod-") {
				t.Errorf("%s is not bound to its host", name)
			}
		}
		if hosted < 2 {
			t.Errorf("the cookies: %v", slices.Sorted(maps.Keys(c.cookies())))
		}
	})
}

func TestStrangerStartsAtTheVerifiedServiceWithNoAccount(t *testing.T) {
	s := startStand(t)
	people := s.fresh(4)[2:]
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			c := newCitizen(t, s, people[i], mode.scripts)
			c.open(s.url(1, "/"))
			c.follow(`[data-action="fines"]`)
			c.walk("identify", "portal-fines")
			if c.page() == "identify" {
				c.follow(`[data-action="sign-up"]`)
				c.walk("portal-fines")
			}
			if !slices.Contains(c.pages, "bank-consent") {
				t.Errorf("the level was not raised on the way: %v", c.pages)
			}
			if n := count(c.pages, "identify"); n > 1 {
				t.Errorf("asked who they are %d times", n)
			}
			payAFine(c)
		})
	}
}

// payAFine opens the service for verified people, pays, and sees the receipt.
func payAFine(c *citizen) {
	c.t.Helper()
	c.open(c.stand.url(1, "/"))
	c.follow(`[data-action="fines"]`)
	c.walk("portal-fines")
	c.press("pay")
	c.walk("portal-paid")
	c.press("continue")
	c.walk("portal-fines")
	if !c.has("[data-paid]") {
		c.t.Errorf("the fine is not shown as paid\n%s", c.where())
	}
}

// secondServiceNeedsNoSignIn opens another service in the same browser: nobody asks for a password again.
func secondServiceNeedsNoSignIn(c *citizen) {
	c.t.Helper()
	c.stand.startHello(c.t)
	c.open(c.stand.url(10, "/"))
	if c.has("main[data-page]") { // its consent is its own
		if page := c.page(); page != "consent" {
			c.t.Fatalf("the second service asked to sign in again: %s", page)
		}
		c.press("allow")
	}
	c.do("reading the claims", chromedp.WaitReady(css("pre")))
	if text := c.text("pre"); !strings.Contains(text, `"sub"`) || !strings.Contains(text, c.p.GivenName) {
		c.t.Errorf("the second service learned %s", text)
	}
}

// signOutEverywhere leaves from the portal; the provider then asks who it is again.
func signOutEverywhere(c *citizen) {
	c.t.Helper()
	c.open(c.stand.url(1, "/me"))
	c.walk("portal-me")
	c.press("sign-out-everywhere")
	if c.page() == "sign-out" {
		c.press("continue")
	}
	c.walk("portal-signed-out", "signed-out")
	c.open(c.stand.url(0, "/me"))
	if page := c.page(); page != "identify" {
		c.t.Errorf("after signing out everywhere the cabinet shows %s", page)
	}
}

func count(list []string, what string) int {
	n := 0
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

// leftNoTrace looks for what the person is and knew in everything that the provider wrote: its log and its stores.
func leftNoTrace(t *testing.T, s *stand, c *citizen) {
	t.Helper()
	canaries := map[string]string{
		"phone": strings.TrimPrefix(c.p.Phone, "+"), "email": c.p.Email, "snils": digits(c.p.SNILS), "family name": c.p.FamilyName,
		"passport": c.p.Passport.Series + c.p.Passport.Number, "inn": c.p.INN, "password": c.password, "authenticator secret": c.secret,
	}
	maps.Copy(canaries, c.secrets)
	for i, code := range c.printed {
		canaries[fmt.Sprintf("backup code %d", i+1)] = strings.ReplaceAll(code, "-", "")
		canaries[fmt.Sprintf("backup code %d as shown", i+1)] = code
	}
	for name, value := range c.cookies() {
		if strings.Contains(name, "session") || strings.Contains(name, "flow") {
			canaries["cookie "+name] = value
		}
	}
	for place, text := range s.written() {
		for what, canary := range canaries {
			if canary != "" && strings.Contains(text, canary) {
				t.Errorf("%s holds the %s", place, what)
			}
		}
		if standsAlone(text, c.p.Passport.Number) {
			t.Errorf("%s holds the number of the passport", place)
		}
	}
}

// standsAlone reports whether a text has a number that is no part of a longer one. Six digits are short: among the nanoseconds of a log's times and
// the ids of its requests every passport would be found one day.
func standsAlone(text, number string) bool {
	return regexp.MustCompile(`(^|[^0-9A-Za-z.])` + number + `($|[^0-9A-Za-z])`).MatchString(text)
}

func TestANumberInALogStandsAlone(t *testing.T) {
	for text, want := range map[string]bool{
		`"time":"2026-11-30T09:15:23.412345678Z"`: false, `"request":"a412345b"`: false, `"took":0.412345`: false, `41234567`: false,
		`412345`: true, `"number":"412345"`: true, `passport_number=412345&`: true, `4510 412345`: true,
	} {
		if got := standsAlone(text, "412345"); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
