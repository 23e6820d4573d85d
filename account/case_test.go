package account_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
)

// filing is what Anna files, from somebody else's computer.
func filing() account.Filing {
	app := typed()
	return account.Filing{
		Person: account.Person{FamilyName: app.Person.FamilyName, GivenName: app.Person.GivenName, MiddleName: app.Person.MiddleName, Birthdate: app.Person.Birthdate},
		SNILS:  app.SNILS, INN: app.INN, Passport: account.Passport{Series: app.Passport.Series, Number: app.Passport.Number},
		Channel: "mail", Contact: "sister@mail.example", Lang: "ru", Origin: abroad,
	}
}

var abroad = account.Origin{Address: netip.MustParseAddr("203.0.113.9")}

func (h *house) filed(f account.Filing) string {
	h.t.Helper()
	number, err := h.FileCase(h.t.Context(), f)
	if err != nil {
		h.t.Fatal(err)
	}
	return number
}

// looks are the operators who looked into an account, by its journal.
func (h *house) looks(id account.ID) (who []string) {
	h.t.Helper()
	lines, err := h.Journal(h.t.Context(), id, 0, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range lines {
		if e.Kind == account.DataRead {
			who = append(who, e.Actor+" "+e.Details["why"])
		}
	}
	return who
}

func TestFilingACaseLooksForNobody(t *testing.T) {
	h := newHouse(t)
	a := h.standard()
	stranger := filing()
	stranger.SNILS, stranger.Passport.Number, stranger.Contact = account.SNILS{}, "999999", "other@mail.example"
	before := h.work()
	h.filed(filing())
	known := h.work().since(before)
	before = h.work()
	h.filed(stranger)
	if unknown := h.work().since(before); known != unknown || known.finds != 0 {
		t.Errorf("about somebody %+v, about nobody %+v", known, unknown)
	}
	if h.happened(a.ID, account.DataRead) || len(h.noticesOf("case-answer", "case-closed")) > 0 {
		t.Error("filing told somebody something")
	}
}

// noticesOf takes the notices of some kinds out of the outbox.
func (h *house) noticesOf(kinds ...string) []account.Notice {
	return slices.DeleteFunc(h.notices(), func(n account.Notice) bool { return !slices.Contains(kinds, n.Template) })
}

func TestAnsweredCaseIsACodeThatNoOperatorSees(t *testing.T) {
	h := newHouse(t)
	a := h.standard()
	h.withApp(a)
	number := h.filed(filing())
	c, matches, err := h.LookAtCase(t.Context(), number, "operator:1")
	if err != nil || c.Filed.Contact != "sister@mail.example" {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]account.CaseMatch{{Account: a.ID, Level: account.Standard, Status: account.Active}}, matches); diff != "" {
		t.Error(diff)
	}
	if got := h.looks(a.ID); !slices.Equal(got, []string{"operator:1 case " + number}) {
		t.Errorf("the owner reads of the looks %q", got)
	}
	h.notices()
	made, err := h.AnswerCase(t.Context(), number, "operator:1")
	if err != nil {
		t.Fatal(err)
	}
	told := h.noticesOf("case-answer", "case-activation")
	answer := slices.IndexFunc(told, func(n account.Notice) bool { return n.Template == "case-answer" })
	if len(told) != 3 || answer < 0 || told[answer].To != "sister@mail.example" {
		t.Fatalf("both contacts and the one of the case were to be told: %d messages", len(told))
	}
	code := told[answer].Args["Code"]
	use := func() error {
		return h.Activate(t.Context(), account.Activating{Code: code, Password: fresh, Browser: "browser", Origin: abroad})
	}
	if made.OpensAt.Sub(made.MadeAt) != 3*24*time.Hour {
		t.Errorf("it opens after %v", made.OpensAt.Sub(made.MadeAt))
	}
	h.clock.Advance(3 * 24 * time.Hour)
	if err := use(); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("by one operator: %v", err)
	}
	if err := h.ConfirmCase(t.Context(), number, "operator:1"); !errors.Is(err, account.ErrSameOperator) {
		t.Errorf("by the same operator twice: %v", err)
	}
	if err := h.ConfirmActivation(t.Context(), a.ID, "operator:2", "1111-1111-1111"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("by another case: %v", err)
	}
	if err := h.ConfirmCase(t.Context(), number, "operator:2"); err != nil {
		t.Fatal(err)
	}
	if err := use(); err != nil {
		t.Fatal(err)
	}
	if !h.account(a.ID).FactorDue {
		t.Error("no second factor is asked for")
	}
}

func TestCaseThatDiffersFromTheAccountIsNotAnswered(t *testing.T) {
	other := otherSNILS(t)
	for what, row := range map[string]struct {
		change  func(*account.Filing)
		matches int
		differs []string
	}{
		"another name":         {func(f *account.Filing) { f.Person.FamilyName = "Иванова" }, 1, []string{"family_name"}},
		"another birth date":   {func(f *account.Filing) { f.Person.Birthdate.Day++ }, 1, []string{"birthdate"}},
		"another passport":     {func(f *account.Filing) { f.Passport.Number = "000001" }, 1, []string{"passport_number"}},
		"somebody's SNILS":     {func(f *account.Filing) { f.SNILS = other }, 1, []string{"snils"}},
		"no INN":               {func(f *account.Filing) { f.INN = account.INN{} }, 1, nil},
		"nobody":               {func(f *account.Filing) { f.SNILS, f.Passport.Number = other, "000001" }, 0, nil},
		"capitals are nothing": {func(f *account.Filing) { f.Person.FamilyName = strings.ToUpper(f.Person.FamilyName) }, 1, nil},
	} {
		t.Run(what, func(t *testing.T) {
			h := newHouse(t)
			a := h.standard()
			f := filing()
			row.change(&f)
			number := h.filed(f)
			_, matches, err := h.LookAtCase(t.Context(), number, "operator:1")
			if err != nil || len(matches) != row.matches || row.matches > 0 && !slices.Equal(matches[0].Differs, row.differs) {
				t.Fatalf("%+v, %v", matches, err)
			}
			clear := row.matches == 1 && row.differs == nil
			_, err = h.AnswerCase(t.Context(), number, "operator:1")
			if clear != (err == nil) || err != nil && !errors.Is(err, account.ErrCaseUnclear) {
				t.Errorf("answered: %v", err)
			}
			if made := h.account(a.ID).Activation != nil; made != clear {
				t.Errorf("a code was made: %v", made)
			}
		})
	}
}

// otherSNILS is a SNILS that nobody here has.
func otherSNILS(t *testing.T) account.SNILS {
	t.Helper()
	snils, err := account.ParseSNILS("000-000-001 00")
	if err != nil {
		t.Fatal(err)
	}
	return snils
}

func TestPersonWhoLockedRecoveryIsNotRecoveredByACase(t *testing.T) {
	h := newHouse(t)
	a := h.standard()
	if err := h.LockSwitch(t.Context(), a.ID, account.SwitchRecovery, "", home); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AnswerCase(t.Context(), h.filed(filing()), "operator:1"); !errors.As(err, new(account.LockedWayError)) {
		t.Errorf("answered: %v", err)
	}
}

func TestOwnerWhoShowsTwoFactorsEndsTheCodeOfACase(t *testing.T) {
	h := newHouse(t)
	a := h.standard()
	h.withApp(a)
	if _, err := h.AnswerCase(t.Context(), h.filed(filing()), "operator:1"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		proofs []account.Proof
		stands bool
	}{
		{h.proof(account.MethodPassword), true},
		{h.proof(account.MethodPassword, account.MethodTOTP), false},
	} {
		if _, _, err := h.OpenSession(t.Context(), a.ID, account.Opening{Proofs: step.proofs, Origin: home}); err != nil {
			t.Fatal(err)
		}
		if stands := h.account(a.ID).Activation != nil; stands != step.stands {
			t.Errorf("after %v the code stands: %v", step.proofs, stands)
		}
	}
	code, _ := h.made(a.ID, 24*time.Hour)
	if _, _, err := h.OpenSession(t.Context(), a.ID, account.Opening{Proofs: h.proof(account.MethodPassword, account.MethodTOTP), Origin: home}); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(24 * time.Hour)
	if err := h.Activate(t.Context(), account.Activating{Code: code, Password: fresh, Browser: "browser", Origin: home}); err != nil {
		t.Errorf("a code for who was seen: %v", err)
	}
}

func TestClosedCaseIsForgottenWithItsCode(t *testing.T) {
	h := newHouse(t)
	a := h.standard()
	answered, refused := h.filed(filing()), h.filed(filing())
	f := filing()
	f.SNILS, f.Passport.Number, f.Contact = account.SNILS{}, "000001", "nobody@mail.example"
	nobodys := h.filed(f)
	if _, err := h.AnswerCase(t.Context(), answered, "operator:1"); err != nil {
		t.Fatal(err)
	}
	code := h.noticesOf("case-answer")[0].Args["Code"]
	for _, number := range []string{refused, nobodys} {
		if err := h.CloseCase(t.Context(), number, "operator:2", "not them"); err != nil {
			t.Fatal(err)
		}
	}
	if h.account(a.ID).Activation == nil {
		t.Error("another case's code is gone")
	}
	closed := h.noticesOf("case-closed")
	if len(closed) != 2 || closed[0].Args["Number"] == closed[1].Args["Number"] {
		t.Fatalf("%d were told", len(closed))
	}
	if err := h.CloseCase(t.Context(), answered, "operator:2", "a voice on the telephone"); err != nil {
		t.Fatal(err)
	}
	if h.account(a.ID).Activation != nil || len(h.noticesOf("case-closed")) != 0 {
		t.Error("the code of a closed case is still good, or who got an answer got another")
	}
	h.clock.Advance(3 * 24 * time.Hour)
	if err := h.Activate(t.Context(), account.Activating{Code: code, Password: fresh, Browser: "browser", Origin: abroad}); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("the code of a closed case: %v", err)
	}
	if !h.happened(a.ID, account.CaseClosed) {
		t.Error("the journal does not say that a case was closed")
	}
	if left, err := h.Cases(t.Context(), 10); err != nil || len(left) != 0 {
		t.Errorf("%d cases are left, %v", len(left), err)
	}
}

func TestCasesAreLimitedByAddressAndByContact(t *testing.T) {
	for what, row := range map[string]struct {
		each func(i int, f *account.Filing)
		most int
	}{
		"one contact": {func(i int, f *account.Filing) {
			f.Origin.Address = netip.MustParseAddr(fmt.Sprintf("198.51.%d.7", i))
		}, 3},
		"one address": {func(i int, f *account.Filing) { f.Contact = fmt.Sprintf("%d@mail.example", i) }, 6},
		"one network": {func(i int, f *account.Filing) {
			f.Contact, f.Origin.Address = fmt.Sprintf("%d@mail.example", i), netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", i))
		}, 60},
	} {
		t.Run(what, func(t *testing.T) {
			h := newHouse(t)
			for i := range row.most + 1 {
				f := filing()
				row.each(i, &f)
				_, err := h.FileCase(t.Context(), f)
				if throttled := errors.As(err, new(account.ThrottledError)); throttled != (i == row.most) {
					t.Fatalf("case %d: %v", i+1, err)
				}
			}
		})
	}
}

func TestWhatWasFiledIsNotPrinted(t *testing.T) {
	c := account.Case{Number: "1", Filed: filing()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, c); strings.Contains(out, "sister") || strings.Contains(out, c.Filed.Passport.Number) {
			t.Errorf("%s prints %s", verb, out)
		}
	}
}
