package cms

import (
	"encoding/asn1"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Subject is what a qualified certificate says of its owner, as it stands there: digits are of the right
// number, their check digits are the reader's matter. It holds personal data.
type Subject struct {
	CommonName   string
	Surname      string
	GivenName    string // given name and patronymic
	SNILS        string // 11 digits
	INN          string // 12 digits, a person's
	INNLE        string // 10 digits, an organisation's
	OGRN         string // 13 digits
	OGRNIP       string // 15 digits
	Organisation string
	Title        string
}

// rule says how an attribute must look; digits counts them, 0: text.
type rule struct {
	name   string
	digits int
	into   func(*Subject) *string
}

// rules by object identifier. An attribute of the table may stand once; others are passed over.
var rules = map[string]rule{
	"2.5.4.3":           {"commonName", 0, func(s *Subject) *string { return &s.CommonName }},
	"2.5.4.4":           {"surname", 0, func(s *Subject) *string { return &s.Surname }},
	"2.5.4.42":          {"givenName", 0, func(s *Subject) *string { return &s.GivenName }},
	"2.5.4.10":          {"organization", 0, func(s *Subject) *string { return &s.Organisation }},
	"2.5.4.12":          {"title", 0, func(s *Subject) *string { return &s.Title }},
	"1.2.643.100.3":     {"SNILS", 11, func(s *Subject) *string { return &s.SNILS }},
	"1.2.643.3.131.1.1": {"INN", 12, func(s *Subject) *string { return &s.INN }},
	"1.2.643.100.4":     {"INNLE", 10, func(s *Subject) *string { return &s.INNLE }},
	"1.2.643.100.1":     {"OGRN", 13, func(s *Subject) *string { return &s.OGRN }},
	"1.2.643.100.5":     {"OGRNIP", 15, func(s *Subject) *string { return &s.OGRNIP }},
}

// mostText is the longest text of an attribute: ub-common-name and the like are shorter, organisations are not.
const mostText = 1024

// parseSubject reads a raw name. SNILS, surname and given name must be there: without them a certificate
// names no person.
func parseSubject(raw []byte) (Subject, error) {
	var s Subject
	var name []asn1.RawValue
	if !whole(raw, &name) {
		return s, refuse(WrongSubject, "the name does not parse")
	}
	seen := make(map[string]bool)
	for _, set := range name {
		for in := set.Bytes; len(in) > 0; {
			var one struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			rest, err := asn1.Unmarshal(in, &one)
			if err != nil {
				return s, refuse(WrongSubject, "the name does not parse")
			}
			in = rest
			r, known := rules[one.Type.String()]
			if !known {
				continue
			}
			if seen[r.name] {
				return s, refuse(WrongSubject, "%s stands twice", r.name)
			}
			seen[r.name] = true
			if *r.into(&s), err = r.read(one.Value); err != nil {
				return s, err
			}
		}
	}
	if s.SNILS == "" || s.Surname == "" || s.GivenName == "" {
		return s, refuse(WrongSubject, "no SNILS, surname or given name")
	}
	// Before INNLE had an attribute of its own, an organisation's number stood in INN behind two zeros.
	if inn, old := strings.CutPrefix(s.INN, "00"); old && s.OGRN != "" {
		if s.INNLE != "" && s.INNLE != inn {
			return s, refuse(WrongSubject, "INN and INNLE differ")
		}
		s.INN, s.INNLE = "", inn
	}
	return s, nil
}

// read checks type and form of a value.
func (r rule) read(v asn1.RawValue) (string, error) {
	plain := v.Class == asn1.ClassUniversal && !v.IsCompound
	if !plain || (v.Tag != asn1.TagUTF8String && v.Tag != asn1.TagPrintableString && (r.digits == 0 || v.Tag != asn1.TagNumericString)) {
		return "", refuse(WrongSubject, "%s has string type %d", r.name, v.Tag)
	}
	text := string(v.Bytes)
	if r.digits > 0 {
		if len(text) != r.digits || strings.Trim(text, "0123456789") != "" {
			return "", refuse(WrongSubject, "%s is not %d digits", r.name, r.digits)
		}
		return text, nil
	}
	unfit := func(c rune) bool { return !unicode.IsPrint(c) }
	if text == "" || len(text) > mostText || !utf8.ValidString(text) || strings.ContainsFunc(text, unfit) {
		return "", refuse(WrongSubject, "%s holds what no name has", r.name)
	}
	return text, nil
}
