package account_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vhod-id/vhod/account"
)

func message(err error) string {
	var one account.FieldError
	if errors.As(err, &one) {
		return one.Message
	}
	return fmt.Sprint(err)
}

func TestIdentifiersAreReadInTheirUsualForms(t *testing.T) {
	for raw, want := range map[string]account.Identifier{
		"+7 (912) 345-67-89": {Kind: account.ByPhone, Value: "+79123456789"},
		"8 912 345 67 89":    {Kind: account.ByPhone, Value: "+79123456789"},
		"9123456789":         {Kind: account.ByPhone, Value: "+79123456789"},
		"Anna@Example.RU":    {Kind: account.ByEmail, Value: "anna@example.ru"},
		"112-233-445 95":     {Kind: account.BySNILS, Value: "11223344595"},
		"123456789012":       {Kind: account.ByNumber, Value: "123456789012"},
	} {
		got, err := account.ParseIdentifier(raw)
		if err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "anna", "12345", "a@b", "+1 202 555 0100", "anna@@example.ru", "+791234567890", "+", "+7", "8 800 555 35 35", "７９１２３４５６７８９"} {
		if got, err := account.ParseIdentifier(raw); err == nil {
			t.Errorf("%q was taken for %v", raw, got)
		}
	}
}

func TestNumbersOfDocumentsCheckThemselves(t *testing.T) {
	for raw, want := range map[string]string{
		"112-233-445 95": "<nil>", "11223344595": "<nil>", "001-001-998 00": "<nil>",
		"112-233-445 96": "error.snils.check", "1122334459": "error.snils.digits", "": "error.snils.empty", "abc": "error.snils.letters",
	} {
		if _, err := account.ParseSNILS(raw); message(err) != want {
			t.Errorf("SNILS %q: %s, want %s", raw, message(err), want)
		}
	}
	for raw, want := range map[string]string{
		"500100732259": "<nil>", "500100732258": "error.inn.check", "7707083893": "error.inn.organisation", "12": "error.inn.digits",
	} {
		if _, err := account.ParseINN(raw); message(err) != want {
			t.Errorf("INN %q: %s, want %s", raw, message(err), want)
		}
	}
}

func TestDatesAreReadFromThreeFieldsOrOne(t *testing.T) {
	want := account.Date{Year: 1990, Month: 3, Day: 5}
	for _, parts := range [][3]string{{"5", "3", "1990"}, {"05", "03", "1990"}, {"5.3.1990", "", ""}, {"05-03-1990", "", ""}} {
		if got, err := account.ParseDate("birthdate", parts[0], parts[1], parts[2]); err != nil || got != want {
			t.Errorf("%q is %v, %v", parts, got, err)
		}
	}
	for _, parts := range [][3]string{{"", "", ""}, {"31", "2", "1990"}, {"5", "3", "90"}, {"x", "3", "1990"}, {"0", "1", "2000"}} {
		if got, err := account.ParseDate("birthdate", parts[0], parts[1], parts[2]); err == nil {
			t.Errorf("%q was taken for %v", parts, got)
		}
	}
}

func TestNumbersOfDocumentsPrintAsDots(t *testing.T) {
	snils, err := account.ParseSNILS("112-233-445 95")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, snils); got != "•••" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if snils.Formatted() != "112-233-445 95" {
		t.Errorf("to its owner it is %s", snils.Formatted())
	}
}

func TestPhonesAreReadInTheirUsualForms(t *testing.T) {
	for raw, want := range map[string]string{
		"+7 912 345-67-89": "<nil>", "8(912)3456789": "<nil>", "7912 345 67 89": "<nil>", "912 345 67 89": "<nil>", "\u00a0+7\u00a0912\u00a03456789 ": "<nil>",
		"": "error.phone.empty", "+": "error.phone.empty", "+1 202 555 0100": "error.phone.foreign", "+375 29 123-45-67": "error.phone.foreign",
		"8 800 555 35 35": "error.phone.digits", "912 345": "error.phone.digits", "912-ДОМ-67-89": "error.phone.digits", "+7 495 123-45-67": "error.phone.digits",
	} {
		got, err := account.ParsePhone(raw)
		if message(err) != want || (err == nil && got != "+79123456789") {
			t.Errorf("%q: %s, %s; want %s", raw, got, message(err), want)
		}
	}
}

func TestAddressesAreReadAsPostTakesThem(t *testing.T) {
	for raw, want := range map[string]string{
		" Anna.Sokolova+vhod@Example.RU ": "anna.sokolova+vhod@example.ru",
		"anna@почта.рф":                   "anna@xn--80a1acny.xn--p1ai",
		"a@sub.example.ru":                "a@sub.example.ru",
	} {
		if got, err := account.ParseEmail(raw); err != nil || got != want {
			t.Errorf("%q is %q, %v", raw, got, err)
		}
	}
	for _, raw := range []string{
		"", "anna", "@example.ru", "anna@", "anna@localhost", "anna@example..ru", "an na@example.ru", "Анна <anna@example.ru>", "anna@example.ru,b@example.ru",
		"anna@example.ru\r\nBcc: b@example.ru", "\"anna\"@example.ru", "anna@[127.0.0.1]", strings.Repeat("a", 65) + "@example.ru", "a@" + strings.Repeat("b", 260) + ".ru",
	} {
		if got, err := account.ParseEmail(raw); err == nil {
			t.Errorf("%q was taken for %q", raw, got)
		}
	}
}

func TestNamesAreReadAsThePassportHasThem(t *testing.T) {
	for raw, want := range map[string]string{
		" Анна ": "Анна", "Мария-Антуанетта": "Мария-Антуанетта", "Кызы  Алиева": "Кызы Алиева", "О’Нил": "О’Нил", "Королёв": "Королёв", "Короле\u0308в": "Королёв", "Заи\u0306цев": "Зайцев",
	} {
		if got, err := account.ParseName("family_name", raw); err != nil || got != want {
			t.Errorf("%q is %q, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]string{
		"": "error.name.empty", "  ": "error.name.empty", "Anna": "error.name.latin", "Aнна": "error.name.latin", // the first letter is Latin
		"Анна2": "error.name.form", "-Анна": "error.name.form", "Анна--Мария": "error.name.form", "Анна<script>": "error.name.latin", "Анна;": "error.name.form",
		strings.Repeat("а", 101): "error.name.long",
	} {
		if _, err := account.ParseName("family_name", raw); message(err) != want {
			t.Errorf("%q: %s, want %s", raw, message(err), want)
		}
	}
}

func TestBirthDateIsOfOneWhoMayHaveAPassport(t *testing.T) {
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for date, want := range map[[3]string]string{
		{"2", "3", "2012"}: "<nil>", {"3", "3", "2012"}: "error.birthdate.young", {"3", "3", "2026"}: "error.birthdate.future",
		{"1", "3", "1896"}: "error.birthdate.old", {"29", "2", "1999"}: "error.date.none", {"29", "2", "2000"}: "<nil>",
	} {
		if _, err := account.ParseBirthdate(date[0], date[1], date[2], now); message(err) != want {
			t.Errorf("%v: %s, want %s", date, message(err), want)
		}
	}
}

func TestEveryWrongFieldOfAPassportIsNamed(t *testing.T) {
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	birth := account.Date{Year: 1990, Month: 5, Day: 17}
	right := account.PassportInput{Series: "92 10", Number: "123456", IssuedDay: "2", IssuedMonth: "6", IssuedYear: "2010", IssuedBy: " МВД  по РТ ", IssuerCode: "160003"}
	got, err := account.ParsePassport(right, birth, now)
	want := account.Passport{Series: "9210", Number: "123456", IssuedOn: account.Date{Year: 2010, Month: 6, Day: 2}, IssuedBy: "МВД по РТ", IssuerCode: "160-003"}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = account.ParsePassport(account.PassportInput{Series: "921", Number: "x", IssuedDay: "1", IssuedMonth: "1", IssuedYear: "2004", IssuerCode: "16"}, birth, now)
	var wrong account.FieldErrors
	if !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	var fields []string
	for _, w := range wrong {
		fields = append(fields, w.Field)
	}
	if s := strings.Join(fields, " "); s != "passport_series passport_number passport_issued_on passport_issued_by passport_issuer_code" {
		t.Error(s)
	}
}

// A check digit is there to find the two slips that people make: one wrong digit, and two neighbours swapped.
func TestCheckDigitsFindAWrongDigit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.IntRange(1_001_999, 999_999_999).Draw(t, "number")
		var snils string
		for check := range 100 {
			snils = fmt.Sprintf("%09d%02d", number, check)
			if _, err := account.ParseSNILS(snils); err == nil {
				break
			}
		}
		parsed, err := account.ParseSNILS(snils)
		if err != nil {
			t.Fatalf("%d has no check digits", number)
		}
		again, err := account.ParseSNILS(parsed.Formatted())
		if err != nil || again != parsed {
			t.Fatalf("%s is not read as it is written: %v", parsed.Formatted(), err)
		}
		digits := []byte(snils)
		at := rapid.IntRange(0, 8).Draw(t, "at")
		digits[at] = '0' + (digits[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if n := string(digits[:9]); n > "001001998" {
			if _, err := account.ParseSNILS(string(digits)); err == nil && !hundred(snils, string(digits)) {
				t.Fatalf("%s is taken for %s", digits, snils)
			}
		}
	})
}

// hundred is true when the sums of two numbers are 100 and 101 (or 0) beyond a whole: both write 00 (C1).
func hundred(a, b string) bool { return a[9:] == "00" && b[9:] == "00" }

func TestEveryTaxpayerHasOnePairOfCheckDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ten := rapid.StringMatching(`[0-9]{10}`).Draw(t, "ten")
		right := 0
		for check := range 100 {
			if inn, err := account.ParseINN(fmt.Sprintf("%s%02d", ten, check)); err == nil {
				right++
				if inn.Reveal()[:10] != ten {
					t.Fatalf("%s is read as %s", ten, inn.Reveal())
				}
			}
		}
		if right != 1 {
			t.Fatalf("%s has %d pairs", ten, right)
		}
	})
}

func FuzzParsersNeverPanic(f *testing.F) {
	for _, seed := range []string{"", "+79123456789", "anna@example.ru", "112-233-445 95", "5.3.1990", "Иванова-Петрова", "0@\xff.0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if by, err := account.ParseIdentifier(raw); err == nil {
			again, err := account.ParseIdentifier(by.Value)
			if err != nil || again != by {
				t.Errorf("%q is %v, which is read again as %v, %v", raw, by, again, err)
			}
		}
		_, _ = account.ParseSNILS(raw)
		_, _ = account.ParseINN(raw)
		_, _ = account.ParseDate("birthdate", raw, "", "")
		_, _ = account.ParseName("given_name", raw)
		_, _ = account.ParsePassport(account.PassportInput{Series: raw, Number: raw, IssuerCode: raw}, account.Date{}, time.Time{})
	})
}
