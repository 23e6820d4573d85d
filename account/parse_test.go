package account_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

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
	for _, raw := range []string{"", "anna", "12345", "a@b", "+1 202 555 0100", "anna@@example.ru"} {
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

func FuzzParsersNeverPanic(f *testing.F) {
	for _, seed := range []string{"", "+79123456789", "anna@example.ru", "112-233-445 95", "5.3.1990", "Иванова-Петрова"} {
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
