package account_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/vhod-id/vhod/account"
)

// typed is what an honest person typed, and found what the registry has of the same person.
func typed() account.Application {
	snils, _ := account.ParseSNILS("112-233-445 95")
	inn, _ := account.ParseINN("500100732259")
	return account.Application{
		Person: account.Person{FamilyName: "Королёва-Миронова", GivenName: "Анна", MiddleName: "Сергеевна",
			Birthdate: account.Date{Year: 1990, Month: 5, Day: 17}, Gender: account.Female, Birthplace: "Казань"},
		Passport: account.Passport{Series: "9210", Number: "123456", IssuedOn: account.Date{Year: 2010, Month: 6, Day: 2}, IssuedBy: "МВД", IssuerCode: "160-003"},
		SNILS:    snils, INN: inn, Address: account.Address{Region: "Москва", City: "Москва", Street: "Лесная", House: "1", Postcode: "101000"},
	}
}

func found() account.Record {
	app := typed()
	person := app.Person
	person.Birthplace = ""
	return account.Record{ID: "r1", Status: "found", Person: person, Passport: app.Passport, SNILS: app.SNILS.Reveal(), INN: app.INN.Reveal()}
}

func TestEveryGradeHasItsCase(t *testing.T) {
	type row struct {
		name     string
		registry account.Registry
		change   func(*account.Application, *account.Record)
		grade    account.Grade
		fields   []string
	}
	passport, snils, inn := account.RegistryPassport, account.RegistrySNILS, account.RegistryINN
	for _, r := range []row{
		{"letter for letter", passport, func(*account.Application, *account.Record) {}, account.Matches, nil},
		{"letter for letter by SNILS", snils, func(*account.Application, *account.Record) {}, account.Matches, nil},
		{"letter for letter by INN", inn, func(*account.Application, *account.Record) {}, account.Matches, nil},
		{"е for ё", passport, func(a *account.Application, _ *account.Record) {
			a.Person.FamilyName = "Королева-Миронова"
		}, account.MatchesNearly, nil},
		{"a space for a hyphen", snils, func(a *account.Application, _ *account.Record) {
			a.Person.FamilyName = "Королёва Миронова"
		}, account.MatchesNearly, nil},
		{"capitals", inn, func(_ *account.Application, r *account.Record) {
			r.Person.FamilyName, r.Person.GivenName = "КОРОЛЁВА-МИРОНОВА", "АННА"
		}, account.MatchesNearly, nil},
		{"ё of two signs", passport, func(_ *account.Application, r *account.Record) {
			r.Person.FamilyName = "Короле\u0308ва-Миронова"
		}, account.MatchesNearly, nil},
		{"the name before marriage", passport, func(a *account.Application, r *account.Record) {
			a.Person.FamilyName = "Миронова"
			r.FormerNames = []account.Name{{Family: "Семенова", Given: "Анна", Middle: "Сергеевна"}, {Family: "Миронова", Given: "Анна", Middle: "Сергеевна"}}
		}, account.FormerName, []string{"family_name"}},
		{"a former name and another birth date", passport, func(a *account.Application, r *account.Record) {
			a.Person.FamilyName, a.Person.Birthdate.Day = "Миронова", 18
			r.FormerNames = []account.Name{{Family: "Миронова", Given: "Анна", Middle: "Сергеевна"}}
		}, account.None, []string{"passport_number"}},
		{"a mistyped family name", passport, func(a *account.Application, _ *account.Record) {
			a.Person.FamilyName = "Королёва-Мирошова"
		}, account.NearMiss, []string{"family_name"}},
		{"a mistyped given name", inn, func(a *account.Application, _ *account.Record) { a.Person.GivenName = "Инна" }, account.NearMiss, []string{"given_name"}},
		{"a middle name left out", snils, func(a *account.Application, _ *account.Record) { a.Person.MiddleName = "" }, account.NearMiss, []string{"middle_name"}},
		{"another birth date", snils, func(a *account.Application, _ *account.Record) { a.Person.Birthdate.Month = 6 }, account.NearMiss, []string{"birthdate"}},
		{"the other gender", passport, func(a *account.Application, _ *account.Record) { a.Person.Gender = account.Male }, account.NearMiss, []string{"gender"}},
		{"the tax service does not know gender", inn, func(a *account.Application, _ *account.Record) { a.Person.Gender = account.Male }, account.Matches, nil},
		{"another day of issue", passport, func(a *account.Application, _ *account.Record) { a.Passport.IssuedOn.Day = 3 }, account.NearMiss, []string{"passport_issued_on"}},
		{"another office", passport, func(a *account.Application, _ *account.Record) { a.Passport.IssuerCode = "160-004" }, account.NearMiss, []string{"passport_issuer_code"}},
		{"another series", passport, func(a *account.Application, _ *account.Record) { a.Passport.Series = "9211" }, account.NearMiss, []string{"passport_series"}},
		{"another number", passport, func(a *account.Application, _ *account.Record) { a.Passport.Number = "123457" }, account.NearMiss, []string{"passport_number"}},
		{"who issued is free text", passport, func(a *account.Application, _ *account.Record) { a.Passport.IssuedBy = "ОВД" }, account.Matches, nil},
		{"another SNILS", snils, func(_ *account.Application, r *account.Record) { r.SNILS = "11223344600" }, account.NearMiss, []string{"snils"}},
		{"another INN", inn, func(_ *account.Application, r *account.Record) { r.INN = "500100732258" }, account.NearMiss, []string{"inn"}},
		{"two fields differ, and it is not said which", snils, func(a *account.Application, _ *account.Record) {
			a.Person.GivenName, a.Person.Birthdate.Day = "Инна", 1
		}, account.None, []string{"snils"}},
		{"no record", passport, func(_ *account.Application, r *account.Record) { *r = account.Record{ID: "r1", Status: "none"} }, account.None, []string{"passport_number"}},
		{"several records", snils, func(_ *account.Application, r *account.Record) { r.Status = "several" }, account.Several, nil},
		{"the passport is not valid", passport, func(_ *account.Application, r *account.Record) { r.Status = "invalid" }, account.InvalidPaper, []string{"passport_number"}},
		{"the person has died", inn, func(_ *account.Application, r *account.Record) { r.Status = "deceased" }, account.PersonDeceased, nil},
	} {
		t.Run(r.name, func(t *testing.T) {
			app, record := typed(), found()
			r.change(&app, &record)
			at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
			got := account.Match(r.registry, app, record, at)
			want := account.Check{Registry: r.registry, Grade: r.grade, Fields: r.fields, At: at, Record: "r1"}
			if r.grade == account.MatchesNearly {
				want.Known = account.Name{Family: record.Person.FamilyName, Given: record.Person.GivenName, Middle: record.Person.MiddleName}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if passes := r.grade == account.Matches || r.grade == account.MatchesNearly; got.Grade.Passed() != passes {
				t.Errorf("%s passes: %v", got.Grade, got.Grade.Passed())
			}
			if got.Grade.Next() != "grade."+string(r.grade) {
				t.Errorf("the next step is %s", got.Grade.Next())
			}
		})
	}
}

func TestOneChangedLetterNeverMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app := typed()
		name := []rune(app.Person.FamilyName)
		at := rapid.IntRange(0, len(name)-1).Draw(t, "at")
		was := name[at]
		name[at] = rapid.SampledFrom([]rune("бвгджзиклмнопрстуфхцчшщыэюя")).Filter(func(r rune) bool { return r != was }).Draw(t, "letter")
		if was == '-' {
			return // a letter for a hyphen makes another name; the table has the hyphen's own case
		}
		app.Person.FamilyName = string(name)
		got := account.Match(account.RegistrySNILS, app, found(), time.Time{})
		if got.Grade.Passed() && !sameLetter(was, name[at]) {
			t.Fatalf("%s passes for %s", app.Person.FamilyName, found().Person.FamilyName)
		}
	})
}

// sameLetter is true of one letter in two cases.
func sameLetter(a, b rune) bool { return a == b || a == b-0x20 || b == a-0x20 }
