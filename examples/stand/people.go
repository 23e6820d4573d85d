package stand

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/examples/bank"
	"github.com/vhod-id/vhod/examples/inbox"
	"github.com/vhod-id/vhod/examples/registries"
)

// Resident is a person of the stand, with what their account is to be.
type Resident struct {
	inbox.Person
	Status string // of the account: "", "locked", "deletion-pending"
	Method string // what the verified level rests on: "", "bank", "letter", "centre"
	Draft  bool   // the papers are typed in but not confirmed
}

// account is the story of a seeded account.
type account struct {
	story   string
	level   string
	status  string
	method  string
	citizen registries.Story // whose papers; Ordinary citizens are taken in turn
	papers  string           // story of the account whose papers these are instead, and already confirmed there
	draft   bool
	second  bool // TOTP and backup codes
	roles   []string
}

// accounts are the people of GET /people. What a story promises of pages that are not built yet is not here.
var accounts = []account{
	{story: "simplified", level: "simplified"},
	{story: "standard", level: "standard"},
	{story: "verified-by-bank", level: "verified", method: "bank"},
	{story: "verified-by-letter", level: "verified", method: "letter"},
	{story: "totp", level: "standard", second: true},
	{story: "trusting", level: "standard", second: true}, // who may name the next one as somebody they trust
	{story: "trusted", level: "verified", method: "centre", second: true},
	{story: "locked", level: "standard", status: "locked"},
	{story: "deletion-pending", level: "standard", status: "deletion-pending"},
	{story: "passport-expired", level: "simplified", citizen: registries.PassportInvalid, draft: true},
	{story: "snils-taken", level: "simplified", papers: "standard", draft: true},
	{story: "minor", level: "simplified", citizen: registries.Minor},
	{story: "representative", level: "verified", method: "centre"},
	{story: "operator", level: "verified", method: "centre", second: true, roles: []string{"operator"}},
	{story: "supervisor", level: "verified", method: "centre", second: true, roles: []string{"supervisor"}},
	{story: "administrator", level: "verified", method: "centre", second: true, roles: []string{"administrator"}},
	{story: "integrator", level: "verified", method: "centre", roles: []string{"integrator"}},
}

// settle gives the accounts their people; everybody else of the population has no account.
func settle(population *registries.Population) (residents []Resident, others []inbox.Person) {
	housed := map[string]bool{}
	next := func(story registries.Story) registries.Citizen {
		if story == "" {
			story = registries.Ordinary
		}
		for _, c := range population.Of(story) {
			if !housed[c.ID] {
				housed[c.ID] = true
				return c
			}
		}
		panic("the population is too small for story " + string(story))
	}
	papers := map[string]registries.Citizen{}
	for _, a := range accounts {
		c := next(a.citizen)
		papers[a.story] = c
		if a.papers != "" { // own phone and mail, another's papers
			phone, email := c.Phone, c.Email
			c = papers[a.papers]
			c.Phone, c.Email = phone, email
		}
		p := person(c, a.story)
		p.Registered, p.Level = true, a.level
		p.Roles = append(p.Roles, a.roles...)
		if a.second {
			p.TOTPSecret, p.BackupCodes = totpSecret(a.story), backupCodes(a.story)
		}
		residents = append(residents, Resident{Person: p, Status: a.status, Method: a.method, Draft: a.draft})
	}
	for _, c := range population.All() {
		if !housed[c.ID] {
			others = append(others, person(c, string(c.Story)))
		}
	}
	return residents, others
}

// person is a citizen as a script plays them: what they type, which follows from their story.
func person(c registries.Citizen, story string) inbox.Person {
	typed := c.Typed()
	return inbox.Person{
		ID: c.ID, Story: story, Phone: c.Phone, Email: c.Email, SNILS: typed.SNILS, INN: typed.INN,
		Passport: inbox.Passport{Series: typed.Passport.Series, Number: typed.Passport.Number, IssuedOn: typed.Passport.IssuedOn,
			IssuerCode: typed.Passport.IssuerCode, IssuedBy: typed.Passport.IssuedBy},
		FamilyName: typed.Name.Family, GivenName: typed.Name.Given, MiddleName: typed.Name.Middle,
		Birthdate: typed.Birthdate, Birthplace: typed.Birthplace, Gender: typed.Gender, Address: inbox.Address(typed.Address),
		Password: password(c.ID + story), Bank: bankOf(c), Roles: []string{},
	}
}

// bankOf says where a citizen banks: of two neighbours each has another bank.
func bankOf(c registries.Citizen) *inbox.Bank {
	bank := []string{"green", "yellow"}[strings.Count("13579", c.ID[len(c.ID)-1:])]
	return &inbox.Bank{ID: bank, Username: "client-" + c.ID, Password: bank + "-" + word("bank"+c.ID)}
}

// customers are those of the population who bank there, as the bank knows them: by their right papers.
func customers(population *registries.Population, id string) []bank.Customer {
	var found []bank.Customer
	for _, c := range population.All() {
		at := bankOf(c)
		if at.ID != id || c.Deceased {
			continue
		}
		found = append(found, bank.Customer{
			Username: at.Username, Password: at.Password, FamilyName: c.Name.Family, GivenName: c.Name.Given, MiddleName: c.Name.Middle,
			Birthdate: c.Birthdate, Gender: c.Gender, Phone: c.Phone, SNILS: c.SNILS, INN: c.INN,
			Passport: bank.Passport{Series: c.Passport.Series, Number: c.Passport.Number, IssuedOn: c.Passport.IssuedOn,
				IssuedBy: c.Passport.IssuedBy, IssuerCode: c.Passport.IssuerCode},
		})
	}
	return found
}

var words = strings.Fields(`bereza sokol granit lampa oblako veter kolodets zhuravl malina parus yakor topol
siren iskra dubrava ruchey kamysh lastochka metel polyana rosa svirel tuman uzor fonar khvoya`)

// word and password are made of a label, so that they are the same on every start.
func word(label string) string {
	sum := sha256.Sum256([]byte(label))
	return words[int(sum[0])%len(words)] + fmt.Sprint(10+int(sum[1])%90)
}

func password(label string) string {
	sum := sha256.Sum256([]byte("password" + label))
	pick := func(i int) string { return words[int(binary.BigEndian.Uint16(sum[2*i:]))%len(words)] }
	first := pick(0)
	return fmt.Sprintf("%s-%d-%s-%s", strings.ToUpper(first[:1])+first[1:], 100+int(sum[20])*3, pick(1), pick(2))
}

func totpSecret(label string) string {
	sum := sha256.Sum256([]byte("totp" + label))
	return base32.StdEncoding.EncodeToString(sum[:20])
}

var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// backupCodes are ten codes as they are printed: XXXX-XXXX-XXXX-X.
func backupCodes(label string) []string {
	codes := make([]string, 0, 10)
	for i := range 10 {
		sum := sha256.Sum256(fmt.Appendf(nil, "backup%s%d", label, i))
		text := []byte(crockford.EncodeToString(sum[:])[:13])
		groups := slices.Collect(slices.Chunk(text, 4))
		parts := make([]string, len(groups))
		for j, g := range groups {
			parts[j] = string(g)
		}
		codes = append(codes, strings.Join(parts, "-"))
	}
	return codes
}
