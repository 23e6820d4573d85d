package login

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// caseData is what the page recovery-case shows: what was typed, by the form's field names.
type caseData struct{ Fields map[string]string }

// showCase asks who has lost every way in what an operator needs to know. It belongs to no attempt: nothing follows from it here.
func (d *Door) showCase(w http.ResponseWriter, r *http.Request) error {
	return d.renderCase(w, r, map[string]string{}, nil)
}

func (d *Door) renderCase(w http.ResponseWriter, r *http.Request, fields map[string]string, err error) error {
	return d.renderForm(w, r, nil, templates.Page{Name: "recovery-case", Back: "/recovery", Data: caseData{fields}}, err)
}

// takeCase files a case. What it answers depends on the form alone, and on nothing that an account knows (C19).
func (d *Door) takeCase(w http.ResponseWriter, r *http.Request) error {
	form := func(name string) string { return clip(strings.TrimSpace(r.PostFormValue(name))) }
	filing, err := d.filing(form)
	number := ""
	if err == nil {
		filing.Lang, filing.Origin = d.lang(r, nil), d.origin(r)
		number, err = d.cfg.Accounts.FileCase(r.Context(), filing)
	}
	if err != nil {
		fields := map[string]string{}
		for name := range r.PostForm {
			fields[name] = form(name)
		}
		return d.renderCase(w, r, fields, err)
	}
	return seeOther(w, r, "/recovery/case/filed?number="+number)
}

// filing reads the form; FieldErrors name all that is wrong.
func (d *Door) filing(form func(string) string) (account.Filing, error) {
	var app account.Application
	var wrong account.FieldErrors
	nameErr := answerName(form, &app, d.cfg.Now())
	birth, birthErr := account.ParseBirthdate(form("birthdate-day"), form("birthdate-month"), form("birthdate-year"), d.cfg.Now())
	f := account.Filing{Person: app.Person}
	f.Person.Birthdate = birth
	for _, part := range []struct {
		field string
		err   error
	}{
		{"family_name", nameErr}, {"birthdate", birthErr}, {"snils", fileNumbers(form, &f)}, {"passport_number", filePassport(form, &f)}, {"contact", fileContact(form, &f)},
	} {
		if err := collect(&wrong, part.field, part.err); err != nil {
			return account.Filing{}, err
		}
	}
	return f, orNil(wrong)
}

// fileNumbers reads SNILS and INN, of which one will do.
func fileNumbers(form func(string) string, f *account.Filing) (err error) {
	if form("snils") == "" && form("inn") == "" {
		return account.FieldErrors{{Field: "snils", Message: "error.case.number"}}
	}
	if form("snils") != "" {
		if f.SNILS, err = account.ParseSNILS(form("snils")); err != nil {
			return asField("snils", err)
		}
	}
	if form("inn") != "" {
		if f.INN, err = account.ParseINN(form("inn")); err != nil {
			return asField("inn", err)
		}
	}
	return nil
}

var fourDigits = regexp.MustCompile(`^[0-9]{4}$`)

// filePassport reads the number of a passport: who has lost everything may not have it at hand, and remembers no more of it.
func filePassport(form func(string) string, f *account.Filing) error {
	var wrong account.FieldErrors
	f.Passport.Series, f.Passport.Number = strings.ReplaceAll(form("passport_series"), " ", ""), strings.ReplaceAll(form("passport_number"), " ", "")
	if !fourDigits.MatchString(f.Passport.Series) {
		wrong = append(wrong, account.FieldError{Field: "passport_series", Message: "error.passport.series"})
	}
	if !sixDigits.MatchString(f.Passport.Number) {
		wrong = append(wrong, account.FieldError{Field: "passport_number", Message: "error.passport.number"})
	}
	return orNil(wrong)
}

// fileContact reads where the answer goes: a phone or an address, of the person or of somebody near to them.
func fileContact(form func(string) string, f *account.Filing) error {
	to, err := account.ParseIdentifier(form("contact"))
	switch {
	case err == nil && to.Kind == account.ByPhone:
		f.Channel = "sms"
	case err == nil && to.Kind == account.ByEmail:
		f.Channel = "mail"
	default:
		return account.FieldErrors{{Field: "contact", Message: "error.case.contact"}}
	}
	f.Contact = to.Value
	return nil
}

// caseNumber is how a case is numbered.
var caseNumber = regexp.MustCompile(`^\d{4}-\d{4}-\d{4}$`)

// filedData is what the page recovery-case-filed shows.
type filedData struct{ Number string }

func (d *Door) showFiled(w http.ResponseWriter, r *http.Request) error {
	number := r.FormValue("number")
	if !caseNumber.MatchString(number) {
		return account.ErrNotFound
	}
	return d.render(w, r, nil, templates.Page{Name: "recovery-case-filed", Data: filedData{number}})
}
