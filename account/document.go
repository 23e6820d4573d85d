package account

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// SNILS is an insurance number: eleven digits, two of them check digits. It prints as •••; Reveal
// gives the digits.
type SNILS struct{ digits string }

// INN is a person's taxpayer number: twelve digits, two of them check digits. It prints as •••.
type INN struct{ digits string }

// Reveal returns the eleven digits, or an empty string.
func (s SNILS) Reveal() string { return s.digits }

// Reveal returns the twelve digits, or an empty string.
func (i INN) Reveal() string { return i.digits }

// IsZero reports whether there is none.
func (s SNILS) IsZero() bool { return s.digits == "" }

// IsZero reports whether there is none.
func (i INN) IsZero() bool { return i.digits == "" }

// Format prints ••• under every verb.
func (s SNILS) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// Format prints ••• under every verb.
func (i INN) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the digits from slog.
func (s SNILS) LogValue() slog.Value { return slog.StringValue(hidden) }

// LogValue hides the digits from slog.
func (i INN) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the digits from JSON.
func (s SNILS) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalText hides the digits from JSON.
func (i INN) MarshalText() ([]byte, error) { return []byte(hidden), nil }

const hidden = "•••"

// Formatted shows the number to its owner: 112-233-445 95.
func (s SNILS) Formatted() string {
	if len(s.digits) != 11 {
		return ""
	}
	return s.digits[:3] + "-" + s.digits[3:6] + "-" + s.digits[6:9] + " " + s.digits[9:]
}

// Masked shows that there is one: •••-•••-••• 95.
func (s SNILS) Masked() string {
	if len(s.digits) != 11 {
		return ""
	}
	return "•••-•••-••• " + s.digits[9:]
}

// snilsUnchecked is the last number that was given out without check digits.
const snilsUnchecked = 1001998

// ParseSNILS reads eleven digits with or without separators and checks the two last (C1): weights 9 to
// 1, the sum modulo 101, 100 is 00.
func ParseSNILS(raw string) (SNILS, error) {
	digits, rest := onlyDigits(raw)
	switch {
	case digits == "" && rest == "":
		return SNILS{}, fieldError("snils", "error.snils.empty")
	case rest != "":
		return SNILS{}, fieldError("snils", "error.snils.letters")
	case len(digits) != 11:
		return SNILS{}, FieldError{"snils", "error.snils.digits", map[string]any{"Count": len(digits)}}
	}
	number, err := strconv.Atoi(digits[:9])
	if err != nil || number == 0 {
		return SNILS{}, fieldError("snils", "error.snils.check")
	}
	if number > snilsUnchecked && snilsCheck(digits[:9]) != digits[9:] {
		return SNILS{}, fieldError("snils", "error.snils.check")
	}
	return SNILS{digits}, nil
}

func snilsCheck(nine string) string {
	sum := 0
	for i, d := range nine {
		sum += int(d-'0') * (9 - i)
	}
	return fmt.Sprintf("%02d", sum%101%100)
}

// Weights of the check digits of a person's INN (order of the tax service, MMV-7-6/435@).
var (
	innWeights11 = []int{7, 2, 4, 10, 3, 5, 9, 4, 6, 8}
	innWeights12 = []int{3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8}
)

// ParseINN reads a person's twelve digits and checks the two last (C3). Ten digits are an organisation's
// and get a message of their own.
func ParseINN(raw string) (INN, error) {
	digits, rest := onlyDigits(raw)
	switch {
	case rest != "":
		return INN{}, fieldError("inn", "error.inn.letters")
	case len(digits) == 10:
		return INN{}, fieldError("inn", "error.inn.organisation")
	case len(digits) != 12:
		return INN{}, FieldError{"inn", "error.inn.digits", map[string]any{"Count": len(digits)}}
	case innDigit(digits[:10], innWeights11) != digits[10] || innDigit(digits[:11], innWeights12) != digits[11]:
		return INN{}, fieldError("inn", "error.inn.check")
	}
	return INN{digits}, nil
}

func innDigit(digits string, weights []int) byte {
	sum := 0
	for i, d := range digits {
		sum += int(d-'0') * weights[i]
	}
	return byte('0' + sum%11%10)
}

// Date is a calendar day, without a time or a zone.
type Date struct {
	Year  int
	Month int
	Day   int
}

// YMD returns the parts, for those who write it in words.
func (d Date) YMD() (year, month, day int) { return d.Year, d.Month, d.Day }

// IsZero reports whether there is no day.
func (d Date) IsZero() bool { return d == Date{} }

// String is the day as 2006-01-02, or empty.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// Time is midnight UTC of the day.
func (d Date) Time() time.Time {
	return time.Date(d.Year, time.Month(d.Month), d.Day, 0, 0, 0, 0, time.UTC)
}

// DateOf reads 2006-01-02.
func DateOf(iso string) (Date, error) {
	t, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		return Date{}, fmt.Errorf("%q is no day: %w", iso, err)
	}
	return Date{t.Year(), int(t.Month()), t.Day()}, nil
}

// ParseDate reads a day typed in three fields; field names the group in errors.
func ParseDate(field, day, month, year string) (Date, error) {
	if parts := dottedDate.FindStringSubmatch(strings.TrimSpace(day)); parts != nil { // pasted whole into the first
		day, month, year = parts[1], parts[2], parts[3]
	}
	d, err1 := strconv.Atoi(strings.TrimSpace(day))
	m, err2 := strconv.Atoi(strings.TrimSpace(month))
	y, err3 := strconv.Atoi(strings.TrimSpace(year))
	if strings.TrimSpace(day+month+year) == "" {
		return Date{}, fieldError(field, "error.date.empty")
	}
	if err1 != nil || err2 != nil || err3 != nil || y < 1000 || y > 9999 {
		return Date{}, fieldError(field, "error.date.form")
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if t.Day() != d || int(t.Month()) != m {
		return Date{}, fieldError(field, "error.date.none")
	}
	return Date{y, m, d}, nil
}

var dottedDate = regexp.MustCompile(`^(\d{1,2})[./-](\d{1,2})[./-](\d{4})$`)

// Ages between which a person may have an account of their own (R031): a passport is issued at fourteen.
const (
	leastAge = 14
	mostAge  = 130
)

// ParseBirthdate is ParseDate for a birth date: not in the future and within the ages of a passport.
func ParseBirthdate(day, month, year string, now time.Time) (Date, error) {
	d, err := ParseDate("birthdate", day, month, year)
	if err != nil {
		return d, err
	}
	t := d.Time()
	switch {
	case t.After(now):
		return d, fieldError("birthdate", "error.birthdate.future")
	case t.AddDate(leastAge, 0, 0).After(now):
		return d, fieldError("birthdate", "error.birthdate.young")
	case t.AddDate(mostAge, 0, 0).Before(now):
		return d, fieldError("birthdate", "error.birthdate.old")
	}
	return d, nil
}

// cyrillic is a name as a passport has it: Cyrillic letters, single hyphens, spaces and apostrophes inside.
var cyrillic = regexp.MustCompile(`^[А-ЯЁа-яё]+(?:[ '’-][А-ЯЁа-яё]+|-[А-ЯЁа-яё]+)*\.?$`)

// ParseName reads a part of a name as in the passport (R035): Cyrillic, hyphens and spaces inside.
func ParseName(field, raw string) (string, error) {
	name := strings.Join(strings.Fields(norm.NFC.String(raw)), " ") // some keyboards write й as two signs
	switch {
	case name == "":
		return "", fieldError(field, "error.name.empty")
	case len([]rune(name)) > 100:
		return "", fieldError(field, "error.name.long")
	case regexpLatin.MatchString(name):
		return "", fieldError(field, "error.name.latin")
	case !cyrillic.MatchString(name):
		return "", fieldError(field, "error.name.form")
	}
	return name, nil
}

var regexpLatin = regexp.MustCompile(`[A-Za-z]`)

// PassportInput is a passport as typed.
type PassportInput struct {
	Series, Number, IssuedDay, IssuedMonth, IssuedYear, IssuedBy, IssuerCode string
}

// ParsePassport reads a passport; all that is wrong is named at once. The birth date, when known,
// bounds the date of issue.
func ParsePassport(in PassportInput, birth Date, now time.Time) (Passport, error) {
	var p Passport
	var wrong FieldErrors
	need := func(field, raw string, count int, message string) string {
		digits, rest := onlyDigits(raw)
		if rest != "" || len(digits) != count {
			wrong = append(wrong, FieldError{field, message, nil})
		}
		return digits
	}
	p.Series = need("passport_series", in.Series, 4, "error.passport.series")
	p.Number = need("passport_number", in.Number, 6, "error.passport.number")
	issued, err := ParseDate("passport_issued_on", in.IssuedDay, in.IssuedMonth, in.IssuedYear)
	if fe, ok := err.(FieldError); ok {
		wrong = append(wrong, fe)
	} else if t := issued.Time(); t.After(now) || t.Year() < 1997 || (!birth.IsZero() && t.Before(birth.Time().AddDate(leastAge, 0, 0))) {
		wrong = append(wrong, FieldError{"passport_issued_on", "error.passport.issued-on", nil})
	}
	p.IssuedOn = issued
	if p.IssuedBy = strings.Join(strings.Fields(in.IssuedBy), " "); p.IssuedBy == "" {
		wrong = append(wrong, FieldError{"passport_issued_by", "error.passport.issued-by", nil})
	}
	if code := need("passport_issuer_code", in.IssuerCode, 6, "error.passport.issuer-code"); len(code) == 6 {
		p.IssuerCode = code[:3] + "-" + code[3:]
	}
	if len(wrong) > 0 {
		return p, wrong
	}
	return p, nil
}

// onlyDigits takes digits out of what was typed with spaces, hyphens, brackets and dots; rest is what is neither.
func onlyDigits(raw string) (digits, rest string) {
	var d, r strings.Builder
	for _, c := range raw {
		switch {
		case c >= '0' && c <= '9':
			d.WriteRune(c)
		case strings.ContainsRune(" \u00a0\t-–—().№", c):
		default:
			r.WriteRune(c)
		}
	}
	return d.String(), r.String()
}

func fieldError(field, message string) FieldError { return FieldError{Field: field, Message: message} }
