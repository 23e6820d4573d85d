package account

import (
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Record is what a registry knows, in its own words: account/registry fills it from the wire.
type Record struct {
	ID          string
	Status      string // "found", "none", "several", "invalid", "deceased"
	Person      Person
	FormerNames []Name
	Passport    Passport // of the passport registry
	SNILS       string   // of the SNILS registry
	INN         string   // of the INN registry
}

// Name is the three parts of a name.
type Name struct{ Family, Given, Middle string }

// Match grades a registry's record against what the person typed. These are all the rules of likeness
// there are: registries, banks and centres are compared here and nowhere else.
func Match(registry Registry, app Application, r Record, at time.Time) Check {
	c := Check{Registry: registry, At: at, Record: r.ID}
	switch r.Status {
	case "found":
	case "several":
		c.Grade = Several
		return c
	case "invalid":
		c.Grade, c.Fields = InvalidPaper, []string{documentField[registry]}
		return c
	case "deceased":
		c.Grade = PersonDeceased
		return c
	default:
		c.Grade, c.Fields = None, []string{documentField[registry]}
		return c
	}
	diff := comparePerson(app.Person, r.Person, registry != RegistryINN)
	diff.add(compareDocument(registry, app, r))
	switch {
	case len(diff.fields) == 0 && diff.nearly:
		c.Grade = MatchesNearly
		c.Known = Name{r.Person.FamilyName, r.Person.GivenName, r.Person.MiddleName}
	case len(diff.fields) == 0:
		c.Grade = Matches
	case diff.onlyName() && matchesFormer(app.Person, r.FormerNames):
		c.Grade, c.Fields = FormerName, diff.fields
	case len(diff.fields) == 1:
		c.Grade, c.Fields = NearMiss, diff.fields
	default:
		// Not which fields: who tries out somebody's passport must not learn what he has right already.
		c.Grade, c.Fields = None, []string{documentField[registry]}
	}
	return c
}

// documentField is the form field of each registry's document number.
var documentField = map[Registry]string{RegistryPassport: "passport_number", RegistrySNILS: "snils", RegistryINN: "inn"}

// Passed reports whether a grade lets the level rise.
func (g Grade) Passed() bool { return g == Matches || g == MatchesNearly }

// Next is the message id that says what the answer means and what the person can do now.
func (g Grade) Next() string { return "grade." + string(g) }

// difference is what two identities differ in, by form field, and whether some fields were alike only after normalising.
type difference struct {
	fields []string
	nearly bool
}

func (d *difference) text(field, typed, known string) {
	switch {
	case typed == known:
	case normalise(typed) == normalise(known):
		d.nearly = true
	default:
		d.fields = append(d.fields, field)
	}
}

func (d *difference) exact(field string, same bool) {
	if !same {
		d.fields = append(d.fields, field)
	}
}

func (d *difference) add(other difference) {
	d.fields = append(d.fields, other.fields...)
	d.nearly = d.nearly || other.nearly
}

// onlyName reports whether nothing but parts of the name differ.
func (d difference) onlyName() bool {
	for _, f := range d.fields {
		if f != "family_name" && f != "given_name" && f != "middle_name" {
			return false
		}
	}
	return len(d.fields) > 0
}

func comparePerson(typed, known Person, gender bool) difference {
	var d difference
	d.text("family_name", typed.FamilyName, known.FamilyName)
	d.text("given_name", typed.GivenName, known.GivenName)
	d.text("middle_name", typed.MiddleName, known.MiddleName)
	d.exact("birthdate", typed.Birthdate == known.Birthdate)
	if gender && known.Gender != "" {
		d.exact("gender", typed.Gender == known.Gender)
	}
	return d
}

func compareDocument(registry Registry, app Application, r Record) difference {
	var d difference
	switch registry {
	case RegistryPassport:
		d.exact("passport_series", app.Passport.Series == r.Passport.Series)
		d.exact("passport_number", app.Passport.Number == r.Passport.Number)
		d.exact("passport_issued_on", app.Passport.IssuedOn == r.Passport.IssuedOn)
		if r.Passport.IssuerCode != "" {
			d.exact("passport_issuer_code", app.Passport.IssuerCode == r.Passport.IssuerCode)
		}
	case RegistrySNILS:
		d.exact("snils", app.SNILS.digits == r.SNILS)
	case RegistryINN:
		d.exact("inn", app.INN.digits == r.INN)
	}
	return d
}

func matchesFormer(p Person, former []Name) bool {
	for _, n := range former {
		if normalise(p.FamilyName) == normalise(n.Family) && normalise(p.GivenName) == normalise(n.Given) && normalise(p.MiddleName) == normalise(n.Middle) {
			return true
		}
	}
	return false
}

// normalise makes ё and е, case, hyphens and spaces alike: papers differ in them and people do not.
func normalise(s string) string {
	return strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		switch {
		case r == 'ё':
			return 'е'
		case unicode.IsSpace(r), unicode.Is(unicode.Dash, r), r == '\'', r == '’', r == '.':
			return -1
		}
		return r
	}, norm.NFC.String(s))
}

// compareClaimed compares what another party asserts with what the account was proven to be. What the party does not
// assert is no difference, and no match; family name, given name and birth date must be there, and one document.
// A certificate states no birth date: there the SNILS, which is one person's alone, stands for it.
func compareClaimed(a *Account, by ProofingMethod, c Claimed) (matched []string, wrong FieldErrors) {
	d := comparePerson(a.Person, c.Person, true)
	asserted := []string{"family_name", "given_name"}
	if c.Person.MiddleName == "" {
		d.fields = without(d.fields, "middle_name")
	} else {
		asserted = append(asserted, "middle_name")
	}
	if by == ProvenBySignature && c.Person.Birthdate.IsZero() && !c.SNILS.IsZero() {
		d.fields = without(d.fields, "birthdate")
	} else {
		asserted = append(asserted, "birthdate")
	}
	if c.Person.Gender != "" {
		asserted = append(asserted, "gender")
	}
	if c.Passport.Number != "" {
		asserted = append(asserted, "passport_number")
		d.exact("passport_series", a.Passport.Series == c.Passport.Series)
		d.exact("passport_number", a.Passport.Number == c.Passport.Number)
	}
	if !c.SNILS.IsZero() {
		asserted = append(asserted, "snils")
		d.exact("snils", a.SNILS == c.SNILS)
	}
	if c.Passport.Number == "" && c.SNILS.IsZero() {
		d.fields = append(d.fields, "passport_number")
	}
	if !c.INN.IsZero() && !a.INN.IsZero() {
		asserted = append(asserted, "inn")
		d.exact("inn", a.INN == c.INN)
	}
	if wrong := d.errors(); len(wrong) > 0 {
		return nil, wrong
	}
	return asserted, nil
}

// compareFiled names the form fields in which a case differs from an account. An INN is compared where the account has one.
func compareFiled(f Filing, a *Account) []string {
	d := comparePerson(f.Person, a.Person, false)
	d.exact("passport_number", f.Passport.Series == a.Passport.Series && f.Passport.Number == a.Passport.Number)
	if !f.SNILS.IsZero() {
		d.exact("snils", f.SNILS == a.SNILS)
	}
	if !f.INN.IsZero() && !a.INN.IsZero() {
		d.exact("inn", f.INN == a.INN)
	}
	return d.fields
}

func without(list []string, s string) []string {
	var out []string
	for _, x := range list {
		if x != s {
			out = append(out, x)
		}
	}
	return out
}
