package login

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
)

// question is one page of the application for the standard level: one thing is asked on each (R069:
// every answer is kept at once, so that the person may stop and come back).
type question struct {
	page    string // name of the page; its path is /level/ and what follows "level-"
	missing func(*account.Application) bool
	// fields are the values shown, by the form's field names.
	fields func(*account.Application) map[string]string
	// answer reads the form into the application; FieldErrors name what is wrong.
	answer func(form func(string) string, app *account.Application, now time.Time) error
	// skip keeps the answer that there is none; nil when the page may not be skipped.
	skip func(*account.Application)
}

func (q question) path() string { return "/level/" + strings.TrimPrefix(q.page, "level-") }

// questions are the pages in their order.
func questions() []question {
	return []question{
		{"level-name", missingName, nameFields, answerName, nil},
		{"level-birth", missingBirth, birthFields, answerBirth, nil},
		{"level-sex", func(a *account.Application) bool { return a.Person.Gender == "" }, sexFields, answerSex, nil},
		{"level-passport", func(a *account.Application) bool { return a.Passport.Number == "" }, passportFields, answerPassport, nil},
		{"level-snils", func(a *account.Application) bool { return a.SNILS.IsZero() }, snilsFields, answerSNILS, nil},
		{"level-inn", func(a *account.Application) bool { return a.INN.IsZero() && !a.NoINN }, innFields, answerINN, skipINN},
		{"level-address", func(a *account.Application) bool { return a.Address.House == "" }, addressFields, answerAddress, nil},
	}
}

// questionOf finds the page that asks for a form field.
func questionOf(field string) (question, bool) {
	for _, q := range questions() {
		for name := range q.fields(&account.Application{}) {
			if name == field || strings.HasPrefix(name, field+"-") {
				return q, true
			}
		}
	}
	return question{}, false
}

// nextQuestion is the first that has no answer; ok is false when all have.
func nextQuestion(app *account.Application) (q question, ok bool) {
	for _, q := range questions() {
		if q.missing(app) {
			return q, true
		}
	}
	return question{}, false
}

// questionData is what every question page shows.
type questionData struct {
	Attempt string
	Fields  map[string]string
	Skip    bool
}

func (d *Door) showQuestion(q question) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, err := d.comeIn(w, r, "/me", false)
		if in == nil {
			return err
		}
		if in.person.Level >= account.Standard { // what was confirmed is not asked again
			return seeOther(w, r, in.path("/level"))
		}
		return d.renderQuestion(w, r, in, q, q.fields(&in.person.Application), nil)
	}
}

func (d *Door) renderQuestion(w http.ResponseWriter, r *http.Request, in *inside, q question, fields map[string]string, err error) error {
	data := questionData{Attempt: in.attempt.ID, Fields: fields, Skip: q.skip != nil}
	page := in.page(d, r, q.page, data)
	page.Back = in.path("/level")
	return d.renderForm(w, r, in.attempt, page, err)
}

func (d *Door) takeQuestion(q question) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, err := d.comeIn(w, r, "/me", false)
		if in == nil {
			return err
		}
		if in.person.Level >= account.Standard {
			return seeOther(w, r, in.path("/level"))
		}
		form := func(name string) string { return clip(strings.TrimSpace(r.PostFormValue(name))) }
		change := func(app *account.Application) error { return q.answer(form, app, d.cfg.Now()) }
		if q.skip != nil && r.PostFormValue("skip") != "" {
			change = func(app *account.Application) error { q.skip(app); return nil }
		}
		if err := change(&in.person.Application); err != nil {
			return d.renderQuestion(w, r, in, q, typed(q, form), err)
		}
		if err := d.cfg.Accounts.Apply(r.Context(), in.person.ID, change); err != nil {
			return d.renderQuestion(w, r, in, q, typed(q, form), err)
		}
		if q, ok := nextQuestion(&in.person.Application); ok {
			return seeOther(w, r, in.path(q.path()))
		}
		return seeOther(w, r, in.path("/level/check"))
	}
}

// typed returns what stood in the form.
func typed(q question, form func(string) string) map[string]string {
	out := make(map[string]string)
	for name := range q.fields(&account.Application{}) {
		out[name] = form(name)
	}
	return out
}

func missingName(a *account.Application) bool {
	return a.Person.FamilyName == "" || a.Person.GivenName == "" || (a.Person.MiddleName == "" && !a.NoMiddle)
}

func nameFields(a *account.Application) map[string]string {
	return map[string]string{
		"family_name": a.Person.FamilyName, "given_name": a.Person.GivenName,
		"middle_name": a.Person.MiddleName, "no_middle_name": yes(a.NoMiddle),
	}
}

func answerName(form func(string) string, a *account.Application, _ time.Time) error {
	var wrong account.FieldErrors
	family, err := partOfName(form, &wrong, "family_name")
	if err != nil {
		return err
	}
	given, err := partOfName(form, &wrong, "given_name")
	if err != nil {
		return err
	}
	a.Person.FamilyName, a.Person.GivenName = family, given
	a.NoMiddle, a.Person.MiddleName = form("no_middle_name") != "", ""
	if !a.NoMiddle {
		if a.Person.MiddleName, err = partOfName(form, &wrong, "middle_name"); err != nil {
			return err
		}
	}
	return orNil(wrong)
}

// partOfName reads one field; what is empty is asked for by its own name.
func partOfName(form func(string) string, wrong *account.FieldErrors, field string) (string, error) {
	name, err := account.ParseName(field, form(field))
	if form(field) == "" {
		err = account.FieldError{Field: field, Message: "error.missing." + field}
	}
	return name, collect(wrong, field, err)
}

func missingBirth(a *account.Application) bool {
	return a.Person.Birthdate.IsZero() || a.Person.Birthplace == ""
}

func birthFields(a *account.Application) map[string]string {
	return dateFields("birthdate", a.Person.Birthdate, map[string]string{"birthplace": a.Person.Birthplace})
}

func answerBirth(form func(string) string, a *account.Application, now time.Time) error {
	var wrong account.FieldErrors
	birth, err := account.ParseBirthdate(form("birthdate-day"), form("birthdate-month"), form("birthdate-year"), now)
	if err := collect(&wrong, "birthdate", err); err != nil {
		return err
	}
	place := form("birthplace")
	if place == "" {
		wrong = append(wrong, account.FieldError{Field: "birthplace", Message: "error.birthplace.empty"})
	}
	a.Person.Birthdate, a.Person.Birthplace = birth, place
	return orNil(wrong)
}

func sexFields(a *account.Application) map[string]string {
	return map[string]string{"gender": string(a.Person.Gender)}
}

func answerSex(form func(string) string, a *account.Application, _ time.Time) error {
	switch g := account.Gender(form("gender")); g {
	case account.Male, account.Female:
		a.Person.Gender = g
		return nil
	}
	return account.FieldErrors{{Field: "gender", Message: "error.gender.empty"}}
}

func passportFields(a *account.Application) map[string]string {
	return dateFields("passport_issued_on", a.Passport.IssuedOn, map[string]string{
		"passport_series": a.Passport.Series, "passport_number": a.Passport.Number,
		"passport_issued_by": a.Passport.IssuedBy, "passport_issuer_code": a.Passport.IssuerCode,
	})
}

func answerPassport(form func(string) string, a *account.Application, now time.Time) error {
	p, err := account.ParsePassport(account.PassportInput{
		Series: form("passport_series"), Number: form("passport_number"),
		IssuedDay: form("passport_issued_on-day"), IssuedMonth: form("passport_issued_on-month"), IssuedYear: form("passport_issued_on-year"),
		IssuedBy: form("passport_issued_by"), IssuerCode: form("passport_issuer_code"),
	}, a.Person.Birthdate, now)
	if err != nil {
		return err
	}
	a.Passport = p
	return nil
}

func snilsFields(a *account.Application) map[string]string {
	return map[string]string{"snils": a.SNILS.Formatted()}
}

func answerSNILS(form func(string) string, a *account.Application, _ time.Time) error {
	snils, err := account.ParseSNILS(form("snils"))
	if err != nil {
		return asField("snils", err)
	}
	a.SNILS = snils
	return nil
}

func innFields(a *account.Application) map[string]string {
	return map[string]string{"inn": a.INN.Reveal()}
}

func answerINN(form func(string) string, a *account.Application, _ time.Time) error {
	inn, err := account.ParseINN(form("inn"))
	if err != nil {
		return asField("inn", err)
	}
	a.INN, a.NoINN = inn, false
	return nil
}

func skipINN(a *account.Application) { a.INN, a.NoINN = account.INN{}, true }

func addressFields(a *account.Application) map[string]string {
	return map[string]string{
		"region": a.Address.Region, "city": a.Address.City, "street": a.Address.Street,
		"house": a.Address.House, "flat": a.Address.Flat, "postcode": a.Address.Postcode,
	}
}

var sixDigits = regexp.MustCompile(`^[0-9]{6}$`)

// answerAddress wants no street, because not every village has them, and no flat.
func answerAddress(form func(string) string, a *account.Application, _ time.Time) error {
	var wrong account.FieldErrors
	for _, name := range []string{"region", "city", "house"} {
		if form(name) == "" {
			wrong = append(wrong, account.FieldError{Field: name, Message: "error." + name + ".empty"})
		}
	}
	postcode := strings.ReplaceAll(form("postcode"), " ", "")
	if !sixDigits.MatchString(postcode) {
		wrong = append(wrong, account.FieldError{Field: "postcode", Message: "error.postcode.digits"})
	}
	if len(wrong) > 0 {
		return wrong
	}
	a.Address = account.Address{
		Region: form("region"), City: form("city"), Street: form("street"),
		House: form("house"), Flat: form("flat"), Postcode: postcode,
	}
	return nil
}

func dateFields(name string, date account.Date, with map[string]string) map[string]string {
	with[name+"-day"], with[name+"-month"], with[name+"-year"] = "", "", ""
	if !date.IsZero() {
		with[name+"-day"], with[name+"-month"], with[name+"-year"] =
			strconv.Itoa(date.Day), strconv.Itoa(date.Month), strconv.Itoa(date.Year)
	}
	return with
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func orNil(wrong account.FieldErrors) error {
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}
