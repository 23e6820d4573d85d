package login_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/examples/bank"
	"github.com/vhod-id/vhod/examples/faults"
	partner "github.com/vhod-id/vhod/login/bank"
	"github.com/vhod-id/vhod/op"
)

// answers fills every question of the ladder, from level-name on.
func answers(b *browser) *browser {
	b.t.Helper()
	b.on("level-name").fill("continue", "family_name", "Смирнова", "given_name", "Анна", "middle_name", "Петровна")
	b.on("level-birth").fill("continue", "birthdate-day", "5", "birthdate-month", "3", "birthdate-year", "1990", "birthplace", "г. Тверь")
	b.on("level-sex").fill("continue", "gender", "female")
	b.on("level-passport").fill("continue", "passport_series", "45 10", "passport_number", "123456",
		"passport_issued_on-day", "10", "passport_issued_on-month", "4", "passport_issued_on-year", "2010",
		"passport_issued_by", "ОВД г. Твери", "passport_issuer_code", "690001")
	b.on("level-snils").fill("continue", "snils", "112-233-445 95")
	b.on("level-inn").fill("skip")
	b.on("level-address").fill("continue", "region", "Тверская область", "city", "Тверь", "house", "1", "postcode", "170000")
	return b.on("level-check")
}

func TestPersonRaisesTheLevelForAService(t *testing.T) {
	h := newHouse(t)
	h.person("+79122000001")
	standard := op.ACR{Level: account.Standard, Strength: account.OneFactor}
	b := h.signIn("+79122000001").open(h.request(func(r *op.AuthRequest) { r.ACR, r.EssentialACR = []op.ACR{standard}, true })).on("level")
	answers(b.fill("continue")).fill("continue").on("level-result").fill("continue").on("consent").fill("allow")
	b.answered()
	if auth := h.provider.approvals()[0]; auth.Level != account.Standard {
		t.Errorf("the door vouched for %+v", auth)
	}
	if a := h.find("+79122000001"); a.Person.FamilyName != "Смирнова" || a.SNILS.Reveal() != "11223344595" {
		t.Errorf("the account holds %+v", a.Person)
	}
	b.open("/me/profile").on("me-profile")
	if !strings.Contains(b.text, "112-233-445 95") {
		t.Error("the person does not see their SNILS")
	}
}

func TestWrongAnswersAreNamedAndRightOnesKept(t *testing.T) {
	h := newHouse(t)
	h.person("+79122000002")
	b := h.signIn("+79122000002").open("/level").on("level").fill("continue")
	b.on("level-name").fill("continue", "family_name", "Smith", "given_name", "Анна").on("level-name")
	if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, `value="Smith"`) || !strings.Contains(b.text, `href="#family_name"`) {
		t.Errorf("a name in Latin letters is answered %d without its value or its link", b.status)
	}
	b.fill("continue", "family_name", "Ким", "given_name", "Анна", "no_middle_name", "yes").on("level-birth")
	b.open("/level").on("level").fill("continue").on("level-birth") // what was answered is not asked again (R069)
}

func TestMismatchNamesItsFieldAndLeadsThere(t *testing.T) {
	h := newHouse(t)
	h.person("+79122000003")
	h.asked = func(account.Application) []account.Check {
		return []account.Check{
			{Registry: account.RegistryPassport, Grade: account.NearMiss, Fields: []string{"passport_issued_on"}},
			{Registry: account.RegistrySNILS, Grade: account.Matches},
		}
	}
	b := answers(h.signIn("+79122000003").open("/level").fill("continue")).fill("continue").on("level-result")
	link := b.find(func(n *htmlNode) bool { return attr(n, "href") == "/level/passport" })
	if link == nil || !strings.Contains(b.text, `data-field="passport_issued_on"`) {
		t.Fatalf("the field is not named:\n%s", b.text)
	}
	h.asked = allMatch
	b.open("/level/passport").on("level-passport").fill("continue", "passport_issued_on-day", "11").on("level-check").fill("continue").on("level-result")
	if !strings.Contains(b.text, `data-level="standard"`) {
		t.Error("the corrected application did not raise the level")
	}
}

func TestSilentRegistryLeavesThePersonWaiting(t *testing.T) {
	h := newHouse(t)
	h.person("+79122000004")
	h.asked = func(account.Application) []account.Check {
		return []account.Check{{Registry: account.RegistryPassport, Grade: account.Silent}, {Registry: account.RegistrySNILS, Grade: account.Matches}}
	}
	b := answers(h.signIn("+79122000004").open("/level").fill("continue")).fill("continue").on("level-wait")
	if !strings.Contains(b.text, `http-equiv="refresh"`) {
		t.Error("the page does not look again by itself")
	}
	b.open("/me").on("me").open("/level").on("level").fill("continue").on("level-wait")
}

var customers = []bank.Customer{{
	Username: "anna", Password: "bank-password", FamilyName: "Смирнова", GivenName: "Анна", MiddleName: "Петровна",
	Birthdate: "1990-03-05", Gender: "female", Phone: "+79122000005", SNILS: "11223344595",
	Passport: bank.Passport{Series: "4510", Number: "123456", IssuedOn: "2010-04-10", IssuedBy: "ОВД г. Твери", IssuerCode: "690-001"},
}, {
	Username: "boris", Password: "bank-password", FamilyName: "Иванов", GivenName: "Борис", MiddleName: "Олегович",
	Birthdate: "1980-01-02", Gender: "male", SNILS: "08765430300",
	Passport: bank.Passport{Series: "4511", Number: "654321", IssuedOn: "2012-01-10", IssuedBy: "ОВД", IssuerCode: "690-002"},
}}

// demoBank is a bank at the other end of HTTP; its clock, its handler and its faults are the test's.
type demoBank struct {
	partner.Config
	faults  *faults.Set
	handler http.Handler
	now     func() time.Time
}

func newBank(t *testing.T, id string) *demoBank {
	t.Helper()
	b := &demoBank{faults: faults.NewSet("bank-" + id), now: time.Now}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	b.Config = partner.Config{
		ID: id, Name: map[string]string{"ru": "Банк " + id}, Issuer: server.URL,
		ClientID: "vhod", ClientSecret: "s&cret+of " + id, Contract: partner.Contract{Level: account.Verified},
	}
	return b
}

// openFor starts the banks with the house's clock and redirect address.
func (h *house) openBanks(banks ...*demoBank) {
	h.t.Helper()
	for i, b := range banks {
		running, err := bank.New(bank.Config{
			ID: b.ID, Name: b.ID, Issuer: b.Issuer, Alg: []jose.SignatureAlgorithm{jose.RS256, jose.ES256}[i%2],
			Auth: []string{"client_secret_basic", "client_secret_post"}[i%2], ClientID: b.ClientID, ClientSecret: b.ClientSecret,
			RedirectURIs: []string{h.url + "/bank/callback"}, Customers: customers, Faults: b.faults, Now: h.clock.Now,
		})
		if err != nil {
			h.t.Fatal(err)
		}
		b.handler = running.Handler()
	}
}

// standard is a person whose data are those of the bank's customer anna.
func standard(a *account.Account) {
	a.Level = account.Standard
	a.Person = account.Person{FamilyName: "Смирнова", GivenName: "Анна", MiddleName: "Петровна",
		Birthdate: account.Date{Year: 1990, Month: 3, Day: 5}, Birthplace: "г. Тверь", Gender: account.Female}
	a.Passport = account.Passport{Series: "4510", Number: "123456", IssuedOn: account.Date{Year: 2010, Month: 4, Day: 10}, IssuedBy: "ОВД г. Твери", IssuerCode: "690-001"}
	a.SNILS, _ = account.ParseSNILS("11223344595")
}

func TestBankConfirmsAPersonForAService(t *testing.T) {
	green, yellow := newBank(t, "green"), newBank(t, "yellow")
	h := newHouse(t, green.Config, yellow.Config)
	h.openBanks(green, yellow)
	verified := op.ACR{Level: account.Verified, Strength: account.OneFactor}
	ask := func(r *op.AuthRequest) { r.ACR, r.EssentialACR = []op.ACR{verified}, true }
	h.person("+79122000005", standard)
	b := h.signIn("+79122000005")
	b.also = []string{green.Issuer, yellow.Issuer}
	b.open(h.request(ask)).on("level").fill("continue").on("level-bank")
	if csp := b.head.Get("Content-Security-Policy"); !strings.Contains(csp, green.Issuer) {
		t.Errorf("the form may not lead to the bank: %s", csp)
	}
	h.clock.Advance(40 * time.Minute) // the stand's clock is far from the machine's
	b.open(b.at.String()).fill("continue", "bank", "yellow").on("bank-login").fill("continue", "username", "anna", "password", "bank-password")
	b.on("bank-consent").fill("allow").on("level-result")
	if !strings.Contains(b.text, `data-level="verified"`) {
		t.Fatalf("the bank did not raise the level:\n%s", b.text)
	}
	b.fill("continue").on("consent").fill("allow")
	b.answered()
	a := h.find("+79122000005")
	if a.Level != account.Verified || len(a.Banks) != 1 || a.Banks[0].Bank != "yellow" {
		t.Errorf("the account is %v with banks %v", a.Level, a.Banks)
	}
}

func TestBankThatMustNotBeBelievedRaisesNothing(t *testing.T) {
	for _, row := range []struct {
		name    string
		outcome faults.Outcome
		words   string
	}{
		{"an ID token for another client (L05)", faults.WrongAudience, "не прошёл проверку"},
		{"the data of another person", faults.Mismatch, `data-field="family_name"`},
		{"a bank that is down (L07)", faults.Down, "не отвечает"},
		{"a bank that says no", faults.Refuse, "не отвечает"},
	} {
		t.Run(row.name, func(t *testing.T) {
			green := newBank(t, "green")
			h := newHouse(t, green.Config)
			h.openBanks(green)
			h.person("+79122000006", standard)
			b := h.signIn("+79122000006")
			b.also = []string{green.Issuer}
			b.open("/level").on("level").fill("continue").on("level-bank").fill("continue", "bank", "green")
			b.on("bank-login").fill("continue", "username", "anna", "password", "bank-password").on("bank-consent")
			if err := green.faults.Arm(faults.Fault{Adapter: "bank-green", Outcome: row.outcome}); err != nil {
				t.Fatal(err)
			}
			b.fill("allow").on("level-result")
			if !strings.Contains(b.text, row.words) {
				t.Errorf("the page does not say %q:\n%s", row.words, b.text)
			}
			if strings.Contains(textOf(b.page), "Иванов") {
				t.Error("the page shows the data of another person")
			}
			if level := h.find("+79122000006").Level; level != account.Standard {
				t.Errorf("the level is %v", level)
			}
		})
	}
}

func TestDeadBankKeepsNobodyWaiting(t *testing.T) {
	green, yellow := newBank(t, "green"), newBank(t, "yellow")
	h := newHouse(t, green.Config, yellow.Config)
	h.openBanks(green, yellow)
	green.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	h.person("+79122000007", standard)
	b := h.signIn("+79122000007")
	b.also = []string{green.Issuer, yellow.Issuer}
	b.open("/level/bank").on("level-bank").fill("continue", "bank", "green").on("level-result")
	b.fill("retry").on("level").fill("continue").on("level-bank").fill("continue", "bank", "yellow").on("bank-login")
}

func TestBankAnswerCountsOnceInTheBrowserThatWent(t *testing.T) {
	green := newBank(t, "green")
	h := newHouse(t, green.Config)
	h.openBanks(green)
	h.person("+79122000008", standard)
	b := h.signIn("+79122000008")
	b.open("/level/bank").on("level-bank").fill("continue", "bank", "green") // the browser stays: it does not follow to the bank
	state := b.left.Query().Get("state")
	callback := "/bank/callback?state=" + state
	thief := h.signIn("+79122000008") // even the same person in another browser
	if thief.open(callback + "&code=x"); thief.status != http.StatusGone {
		t.Errorf("another browser is answered %d", thief.status)
	}
	if b.open(callback + "&code=x"); b.status != http.StatusGone {
		t.Errorf("a spent state is answered %d", b.status)
	}

	b.open("/level/bank").on("level-bank").fill("continue", "bank", "green")
	state = b.left.Query().Get("state")
	b.open("/bank/callback?code=x&iss=https://evil.example&state=" + state).on("level-result") // L06
	if !strings.Contains(b.text, "не прошёл проверку") {
		t.Errorf("an answer of another bank:\n%s", b.text)
	}
}

func TestTwoPeopleAreNotOneByABank(t *testing.T) {
	green := newBank(t, "green")
	h := newHouse(t, green.Config)
	h.openBanks(green)
	h.person("+79122000009", standard)
	b := h.signIn("+79122000009")
	b.also = []string{green.Issuer}
	b.open("/level/bank").fill("continue", "bank", "green").on("bank-login").fill("continue", "username", "boris", "password", "bank-password")
	b.on("bank-consent").fill("allow").on("level-result")
	for _, field := range []string{"family_name", "birthdate", "snils", "passport_number"} {
		if !strings.Contains(b.text, `data-field="`+field+`"`) {
			t.Errorf("%s is not named", field)
		}
	}
	b.open("/level/bank").fill("continue", "bank", "green").on("bank-login").fill("continue", "username", "anna", "password", "bank-password")
	b.on("bank-consent").fill("deny").on("level-result")
	if !strings.Contains(b.text, "не передал данные") {
		t.Error("declining at the bank is not said")
	}
}

func TestPersonSeesAndEndsEverythingInTheirRoom(t *testing.T) {
	h := newHouse(t)
	h.person("+79122000010")
	b, other := h.signIn("+79122000010"), h.signIn("+79122000010")
	b.open(h.request()).on("consent").fill("allow")
	b.open("/me/services").on("me-services").fill("revoke").on("me-services")
	b.open(h.request()).on("consent") // asked again
	b.open("/me/sessions").on("me-sessions").fill("end-others").on("me-sessions")
	other.open("/me").on("identify")
	b.open("/me/history").on("me-history")
	for _, kind := range []string{"signed-in", "consent-given", "consent-withdrawn", "sessions-ended"} {
		if !strings.Contains(b.text, `data-event="`+kind+`"`) {
			t.Errorf("the journal does not show %s", kind)
		}
	}
	var lines []map[string]any
	if err := json.Unmarshal([]byte(b.open("/me/history.json").text), &lines); err != nil || len(lines) < 4 {
		t.Errorf("the export has %d lines, %v", len(lines), err)
	}
	const next = "Новый&Пароль9 и слова"
	b.open("/me/security/password").on("me-password").fill("continue", "current_password", "не тот", "password", next, "password_again", next).on("me-password")
	b.fill("continue", "current_password", password, "password", next, "password_again", next).on("me-security")
	b.open("/me").on("me")
}

func TestSensitiveChangesAskForAFreshProof(t *testing.T) {
	h := newHouse(t)
	h.person("+79122000011", withTOTP)
	b := h.browser().open("/login").fill("continue", "identifier", "+79122000011").fill("continue", "password", password).fill("continue", "code", h.code(secret)).on("me")
	h.clock.Advance(30 * time.Minute)
	b.open("/me/security").on("me-security").fill("remove").on("password")
	b.fill("continue", "password", password).on("totp").fill("continue", "code", h.code(secret)).on("me-security")
	b.fill("remove").on("me-factor-remove").fill("continue").on("me-security") // what is lost with the last one is said first
	if n := len(h.find("+79122000011").TOTP); n != 0 {
		t.Errorf("%d apps are left", n)
	}
	h.clock.Advance(30 * time.Minute)
	b.open("/me/security").fill("protect").on("password").fill("continue", "password", password).on("protect-totp")
	offered := strings.ReplaceAll(textOf(b.find(func(n *htmlNode) bool { return has(n, "data-secret") })), " ", "")
	b.fill("continue", "code", h.code(offered)).on("protect-backup").fill("continue").on("me-security").fill("new-codes").on("protect-backup")
}
