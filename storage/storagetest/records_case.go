package storagetest

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vhod-id/vhod/account"
)

var caseRules = []rule{
	{"a case comes back as it was filed, and the list does not say what was", caseComesBack},
	{"a case ends by itself, by an operator, and in the sweep", caseEnds},
}

// filed is a case of number n, opened at a time.
func filed(t *testing.T, n int, at time.Time) account.Case {
	t.Helper()
	snils, err := account.ParseSNILS("112-233-445 95")
	must(t, err)
	inn, err := account.ParseINN("500100732259")
	must(t, err)
	return account.Case{Number: fmt.Sprintf("0000-0000-%04d", n), OpenedAt: at, EndsAt: at.Add(account.CaseLife), Filed: account.Filing{
		Person: account.Person{FamilyName: "Смирнова", GivenName: "Анна", Birthdate: account.Date{Year: 1990, Month: 3, Day: 5}},
		SNILS:  snils, INN: inn, Passport: account.Passport{Series: "4510", Number: "123456"}, Channel: "mail", Contact: "anna@mail.example", Lang: "ru",
		Origin: account.Origin{Address: netip.MustParseAddr("192.0.2.7")},
	}}
}

func caseComesBack(t *testing.T, b bench) {
	second, first := filed(t, 1, b.clock.Now().Add(time.Minute)), filed(t, 2, b.clock.Now())
	must(t, b.OpenCase(t.Context(), second))
	must(t, b.OpenCase(t.Context(), first))
	if err := b.OpenCase(t.Context(), first); err == nil {
		t.Error("a number was given twice")
	}
	second.AnsweredAt = b.clock.Now()
	must(t, b.AnswerCase(t.Context(), second.Number, second.AnsweredAt))
	got, err := b.Case(t.Context(), second.Number)
	must(t, err)
	exact := cmp.Options{cmp.AllowUnexported(account.SNILS{}, account.INN{}), cmpopts.EquateComparable(netip.Addr{})}
	if diff := cmp.Diff(second, got, exact); diff != "" {
		t.Errorf("a case changes on its way through the store (-before +after):\n%s", diff)
	}
	listed, err := b.Cases(t.Context(), 10)
	must(t, err)
	first.Filed, second.Filed = account.Filing{}, account.Filing{}
	if diff := cmp.Diff([]account.Case{first, second}, listed, exact); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
	if few, err := b.Cases(t.Context(), 1); err != nil || len(few) != 1 {
		t.Errorf("%d of at most one case, %v", len(few), err)
	}
}

func caseEnds(t *testing.T, b bench) {
	closed, left := filed(t, 1, b.clock.Now()), filed(t, 2, b.clock.Now())
	must(t, b.OpenCase(t.Context(), closed))
	must(t, b.OpenCase(t.Context(), left))
	must(t, b.CloseCase(t.Context(), closed.Number))
	b.clock.Advance(account.CaseLife)
	for _, number := range []string{closed.Number, left.Number, "0000-0000-0003"} {
		_, err := b.Case(t.Context(), number)
		for _, err := range []error{err, b.AnswerCase(t.Context(), number, b.clock.Now()), b.CloseCase(t.Context(), number)} {
			if !errors.Is(err, account.ErrNotFound) {
				t.Errorf("case %s is over: %v", number, err)
			}
		}
	}
	if listed, err := b.Cases(t.Context(), 10); err != nil || len(listed) != 0 {
		t.Errorf("%d cases are listed, %v", len(listed), err)
	}
	must(t, b.Sweep(t.Context(), b.clock.Now().Add(-time.Hour)))
	must(t, b.OpenCase(t.Context(), left)) // its row is gone
}
