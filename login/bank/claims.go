package bank

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
)

// usual is where attributes stand when the configuration says nothing.
var usual = map[string]string{
	"subject": "sub", "family_name": "family_name", "given_name": "given_name", "middle_name": "middle_name",
	"birthdate": "birthdate", "gender": "gender", "phone": "phone_number | phone", "email": "email",
	"snils": "snils | digits", "inn": "inn | digits",
	"passport_series": "passport.series | digits", "passport_number": "passport.number | digits",
	"passport_issued_on": "passport.issued_on", "passport_issued_by": "passport.issued_by",
	"passport_issuer_code": "passport.issuer_code | code", "verified_at": "verified_at",
}

// Attributes lists what a bank may say of a person, by the names that the configuration uses.
func Attributes() []string {
	return []string{
		"subject", "family_name", "given_name", "middle_name", "birthdate", "gender", "phone", "email", "snils", "inn",
		"passport_series", "passport_number", "passport_issued_on", "passport_issued_by", "passport_issuer_code", "verified_at",
	}
}

// source is where an attribute stands in a bank's answer, and how its value becomes ours.
type source struct {
	path       []string
	transforms []string
}

// parseSource reads "path.to.value | transform | transform".
func parseSource(text string) (source, error) {
	parts := strings.Split(text, "|")
	var s source
	for _, name := range strings.Split(strings.TrimSpace(parts[0]), ".") {
		if name == "" {
			return source{}, fmt.Errorf("the path %q has an empty part", text)
		}
		s.path = append(s.path, name)
	}
	for _, t := range parts[1:] {
		t = strings.TrimSpace(t)
		name, _, _ := strings.Cut(t, ":")
		if !slices.Contains([]string{"digits", "phone", "code", "gender", "date", "trim"}, name) {
			return source{}, fmt.Errorf("there is no transform %q: digits, phone, code, gender, date:LAYOUT, trim", t)
		}
		s.transforms = append(s.transforms, t)
	}
	return s, nil
}

// at is the value at a path, in text; empty when there is none.
func at(answer map[string]any, path []string) string {
	var value any = answer
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return ""
		}
		value = object[name]
	}
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// of is the attribute in our form. What a transform cannot read becomes empty: a value that is missing is named as such.
func (s source) of(answer map[string]any) string {
	value := strings.TrimSpace(at(answer, s.path))
	for _, t := range s.transforms {
		if value == "" {
			return ""
		}
		name, argument, _ := strings.Cut(t, ":")
		switch name {
		case "digits":
			value = digits(value)
		case "phone":
			phone, err := account.ParsePhone(value)
			if err != nil {
				return ""
			}
			value = phone
		case "code": // 690001 and 690-001 are the same office
			if d := digits(value); len(d) == 6 {
				value = d[:3] + "-" + d[3:]
			}
		case "gender":
			value = map[string]string{"1": "male", "2": "female", "m": "male", "f": "female"}[strings.ToLower(value)]
		case "date":
			day, err := time.Parse(argument, value)
			if err != nil {
				return ""
			}
			value = day.Format(time.DateOnly)
		}
	}
	return value
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// claimed translates an answer. A value that does not parse is left out, so that it differs from the account's and is named.
func (g *Gate) claimed(answer map[string]any) account.Claimed {
	text := func(attribute string) string { return g.claims[attribute].of(answer) }
	c := account.Claimed{
		Person: account.Person{
			FamilyName: text("family_name"), GivenName: text("given_name"), MiddleName: text("middle_name"),
			Gender: account.Gender(text("gender")),
		},
		// Series, number and dates are compared as they stand: account matches them with the registries' record.
		Passport: account.Passport{
			Series: text("passport_series"), Number: text("passport_number"),
			IssuedBy: text("passport_issued_by"), IssuerCode: text("passport_issuer_code"),
		},
		Phone: text("phone"), Subject: text("subject"),
	}
	if birth, err := account.DateOf(text("birthdate")); err == nil {
		c.Person.Birthdate = birth
	}
	if issued, err := account.DateOf(text("passport_issued_on")); err == nil {
		c.Passport.IssuedOn = issued
	}
	if snils, err := account.ParseSNILS(text("snils")); err == nil {
		c.SNILS = snils
	}
	if inn, err := account.ParseINN(text("inn")); err == nil {
		c.INN = inn
	}
	return c
}

// level is what the evidence may give by the contract: nothing above simplified when anything of it is wanting (L03).
func (g *Gate) level(answer map[string]any, acr string) account.Level {
	contract, lowest := g.Contract, account.Simplified
	for _, attribute := range contract.Require {
		if g.claims[attribute].of(answer) == "" {
			return lowest
		}
	}
	if len(contract.ACR) > 0 && !slices.Contains(contract.ACR, acr) {
		return lowest
	}
	if contract.Identified != "" {
		path, want, _ := strings.Cut(contract.Identified, "=")
		if at(answer, strings.Split(strings.TrimSpace(path), ".")) != strings.TrimSpace(want) {
			return lowest
		}
	}
	if contract.MaxAge > 0 {
		verified, err := time.Parse(time.RFC3339, g.claims["verified_at"].of(answer))
		if now := g.now(); err != nil || verified.After(now.Add(clockSkew)) || now.Sub(verified) > contract.MaxAge {
			return lowest
		}
	}
	return contract.Level
}
