package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
)

// fill writes the whole application of typed().
func (h *house) fill(id account.ID) {
	h.t.Helper()
	err := h.Apply(h.t.Context(), id, func(app *account.Application) error {
		*app = typed()
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) checked(id account.ID) *account.Account {
	h.t.Helper()
	a, err := h.Check(h.t.Context(), id, home)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func TestWhatIsMissingIsNamedInTheOrderOfThePages(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	_, err := h.Check(t.Context(), a.ID, home)
	var wrong account.FieldErrors
	if !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	var fields []string
	for _, w := range wrong {
		fields = append(fields, w.Field)
	}
	if s := strings.Join(fields, " "); s != "family_name given_name middle_name birthdate birthplace gender passport_number snils inn region" {
		t.Error(s)
	}
	if h.registry.asked != 0 {
		t.Error("the registries were asked all the same")
	}
}

func TestMatchedRegistriesMakeThePersonStandard(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.fill(a.ID)
	a = h.checked(a.ID)
	if a.Level != account.Standard || a.Person != typed().Person || a.SNILS != typed().SNILS || a.INN != typed().INN || a.Passport != typed().Passport {
		t.Errorf("%+v", a)
	}
	if len(a.Evidence) != 1 || a.Evidence[0].Method != account.ProvenByRegistries || a.Evidence[0].Details["inn"] != "matches" {
		t.Errorf("%+v", a.Evidence)
	}
	if got := told(h.notices(), "level-raised"); !got["sms"] || !got["mail"] {
		t.Errorf("told on %v", got)
	}
	if !h.happened(a.ID, account.ChecksAnswered) || !h.happened(a.ID, account.LevelRaised) {
		t.Error("the journal does not say so")
	}
	if err := h.Apply(t.Context(), a.ID, func(*account.Application) error { return nil }); !errors.Is(err, account.ErrConflict) {
		t.Errorf("what was confirmed is typed over: %v", err)
	}
	if _, err := h.VerifyPassword(t.Context(), account.Identifier{Kind: account.BySNILS, Value: "11223344595"}, goodPassword, home); err != nil {
		t.Errorf("signing in by SNILS: %v", err)
	}
}

func TestSpellingOfThePassportIsTaken(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.fill(a.ID)
	h.registry.say(account.RegistryPassport, account.MatchesNearly)
	h.registry.known = account.Name{Family: "Королёва-Мирнова", Given: "Анна", Middle: "Сергеевна"}
	if a = h.checked(a.ID); a.Level != account.Standard || a.Person.FamilyName != "Королёва-Мирнова" {
		t.Errorf("%s is %s", a.Person.FamilyName, a.Level)
	}
}

func TestEveryGradeBelowAMatchHoldsTheLevel(t *testing.T) {
	for _, grade := range []account.Grade{account.FormerName, account.NearMiss, account.Several, account.None, account.InvalidPaper, account.PersonDeceased, account.Silent} {
		for _, registry := range []account.Registry{account.RegistryPassport, account.RegistrySNILS, account.RegistryINN} {
			h := newHouse(t)
			a := h.anna()
			h.fill(a.ID)
			h.registry.say(registry, grade)
			a = h.checked(a.ID)
			if a.Level != account.Simplified || a.Person.FamilyName != "" || a.Application.Waiting != (grade == account.Silent) {
				t.Errorf("%s of %s: level %s, waiting %v", grade, registry, a.Level, a.Application.Waiting)
			}
		}
	}
}

func TestChangedAnswerMakesTheChecksBeforeItVoid(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.fill(a.ID)
	h.registry.say(account.RegistrySNILS, account.NearMiss)
	if a = h.checked(a.ID); len(a.Application.Checks) != 3 {
		t.Fatalf("%+v", a.Application.Checks)
	}
	err := h.Apply(t.Context(), a.ID, func(app *account.Application) error {
		app.Person.GivenName = "Инна"
		return nil
	})
	if a = h.account(a.ID); err != nil || len(a.Application.Checks) != 0 {
		t.Errorf("%+v, %v", a.Application.Checks, err)
	}
}

func TestIdentityOfAnotherAccountIsNeverTaken(t *testing.T) {
	h := newHouse(t)
	first, second := h.anna(), h.signUp("+79167654321", "other@example.ru")
	h.fill(first.ID)
	h.checked(first.ID)
	h.fill(second.ID)
	_, err := h.Check(t.Context(), second.ID, home)
	if !errors.As(err, &account.TakenError{}) {
		t.Fatal(err)
	}
	if a := h.account(second.ID); a.Level != account.Simplified || !a.SNILS.IsZero() {
		t.Errorf("%+v", a)
	}
	if !h.happened(second.ID, account.IdentityConflict) {
		t.Error("the journal does not say so")
	}
}

func TestOfTwentyWithOneIdentityOneBecomesStandard(t *testing.T) {
	h := newHouse(t)
	var ids []account.ID
	for i := range 20 {
		a, err := h.Import(t.Context(), account.Import{Account: account.Account{Phone: account.Contact{Value: "+791600000" + string(rune('0'+i/10)) + string(rune('0'+i%10))}}})
		if err != nil {
			t.Fatal(err)
		}
		h.fill(a.ID)
		ids = append(ids, a.ID)
	}
	next := make(chan account.ID, len(ids))
	for _, id := range ids {
		next <- id
	}
	right, wrong := together(len(ids), func() error {
		_, err := h.Check(t.Context(), <-next, home)
		if errors.As(err, &account.TakenError{}) {
			return errTaken
		}
		return err
	})
	if right != 1 || wrong[errTaken] != 19 {
		t.Errorf("%d rose, %v", right, wrong)
	}
}

func TestSilentRegistryIsAskedAgainUntilItAnswers(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.fill(a.ID)
	h.registry.say(account.RegistrySNILS, account.Silent)
	if a = h.checked(a.ID); !a.Application.Waiting {
		t.Fatal("it does not wait")
	}
	pay := func(until func() bool) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Pay(ctx) }()
		for range 400 {
			if until() {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		stop()
		<-done
		if !until() {
			t.Error("it was not paid")
		}
	}
	asked := func(n int) func() bool {
		return func() bool {
			h.registry.mu.Lock()
			defer h.registry.mu.Unlock()
			return h.registry.asked >= n
		}
	}
	h.clock.Advance(30 * time.Second)
	pay(asked(2)) // still silent
	h.registry.say(account.RegistrySNILS, account.NearMiss)
	h.notices()
	h.clock.Advance(2 * time.Minute)
	pay(func() bool { return !h.account(a.ID).Application.Waiting })
	if got := told(h.notices(), "check-done"); !got["sms"] {
		t.Errorf("told on %v", got)
	}
	h.registry.say(account.RegistrySNILS, account.Matches)
	if a = h.checked(a.ID); a.Level != account.Standard {
		t.Errorf("in the end %s", a.Level)
	}
}

// standard is Anna after the registries.
func (h *house) standard() *account.Account {
	a := h.anna()
	h.fill(a.ID)
	return h.checked(a.ID)
}

// bank is what a bank says of Anna.
func bank() account.Evidence {
	app := typed()
	return account.Evidence{Method: account.ProvenByBank, Verifier: "green", Issuer: "https://bank.example", Record: "r", Document: "passport", Level: account.Verified,
		Claims: account.Claimed{Person: app.Person, Passport: app.Passport, SNILS: app.SNILS, INN: app.INN}}
}

func TestBankThatKnowsThePersonMakesThemVerified(t *testing.T) {
	h := newHouse(t)
	a := h.standard()
	h.notices()
	a, err := h.Confirm(t.Context(), a.ID, bank(), home)
	if err != nil || a.Level != account.Verified {
		t.Fatalf("%v, %v", a, err)
	}
	e := a.Evidence[1]
	if diff := cmp.Diff([]string{"family_name", "given_name", "middle_name", "birthdate", "gender", "passport_number", "snils", "inn"}, e.Matched); diff != "" {
		t.Error(diff)
	}
	if e.Claims.Person.FamilyName != "" || !e.Claims.SNILS.IsZero() {
		t.Error("the claims are kept")
	}
	if got := told(h.notices(), "level-raised"); !got["mail"] {
		t.Errorf("told on %v", got)
	}
}

func TestEvidenceCountsAsFarAsItGoes(t *testing.T) {
	other, _ := account.ParseSNILS("001-001-998 00")
	for name, row := range map[string]struct {
		change func(*account.Evidence)
		level  account.Level
		wrong  string
	}{
		"spelled otherwise":      {func(e *account.Evidence) { e.Claims.Person.FamilyName = "КОРОЛЕВА-МИРОНОВА" }, account.Verified, ""},
		"no middle name, no INN": {func(e *account.Evidence) { e.Claims.Person.MiddleName, e.Claims.INN = "", account.INN{} }, account.Verified, ""},
		"by SNILS alone":         {func(e *account.Evidence) { e.Claims.Passport = account.Passport{} }, account.Verified, ""},
		"of a lower level":       {func(e *account.Evidence) { e.Level = account.Standard }, account.Standard, ""},
		"of no level":            {func(e *account.Evidence) { e.Level = 0 }, account.Standard, ""},
		"another name":           {func(e *account.Evidence) { e.Claims.Person.GivenName = "Инна" }, 0, "given_name"},
		"another birth date":     {func(e *account.Evidence) { e.Claims.Person.Birthdate.Day = 1 }, 0, "birthdate"},
		"no birth date":          {func(e *account.Evidence) { e.Claims.Person.Birthdate = account.Date{} }, 0, "birthdate"},
		"another passport":       {func(e *account.Evidence) { e.Claims.Passport.Number = "654321" }, 0, "passport_number"},
		"another SNILS":          {func(e *account.Evidence) { e.Claims.SNILS = other }, 0, "snils"},
		"no document":            {func(e *account.Evidence) { e.Claims.Passport, e.Claims.SNILS = account.Passport{}, account.SNILS{} }, 0, "passport_number"},
		"another name and passport": {func(e *account.Evidence) {
			e.Claims.Person.FamilyName, e.Claims.Passport.Series = "Петрова", "0000"
		}, 0, "family_name passport_series"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			a := h.standard()
			e := bank()
			row.change(&e)
			got, err := h.Confirm(t.Context(), a.ID, e, home)
			if row.wrong == "" {
				if err != nil || got.Level != row.level {
					t.Errorf("%v", err)
				}
				return
			}
			var wrong account.FieldErrors
			if !errors.As(err, &wrong) {
				t.Fatal(err)
			}
			var fields []string
			for _, w := range wrong {
				fields = append(fields, w.Field)
			}
			if s := strings.Join(fields, " "); s != row.wrong {
				t.Errorf("differs %s, want %s", s, row.wrong)
			}
			if h.account(a.ID).Level != account.Standard || !h.happened(a.ID, account.ConfirmFailed) {
				t.Error("the level rose, or nothing is noted")
			}
		})
	}
}

func TestBankAloneMakesNobodyVerified(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	if _, err := h.Confirm(t.Context(), a.ID, bank(), home); !errors.Is(err, account.ErrLevelTooLow) {
		t.Error(err)
	}
}

func TestBanksSubjectBelongsToOneAccount(t *testing.T) {
	h := newHouse(t)
	a, b := h.anna(), h.signUp("+79167654321", "boris@example.ru")
	link := account.BankLink{Bank: "green", Issuer: "https://bank.example", Subject: "s1"}
	for range 2 {
		if err := h.LinkBank(t.Context(), a.ID, account.BankAnswer{Link: link}, home); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(h.account(a.ID).Banks); n != 1 {
		t.Errorf("%d links", n)
	}
	if err := h.LinkBank(t.Context(), b.ID, account.BankAnswer{Link: link}, home); !errors.As(err, &account.TakenError{}) {
		t.Errorf("another's: %v", err)
	}
}

func TestConsentWidensAndIsForgotten(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	grant := func(scopes ...string) *account.Grant {
		t.Helper()
		if err := h.GrantTo(t.Context(), a.ID, account.Grant{ClientID: "shop", Scopes: scopes}, home); err != nil {
			t.Fatal(err)
		}
		return h.account(a.ID).Grant("shop")
	}
	first := grant("openid", "email")
	h.clock.Advance(time.Hour)
	second := grant("openid", "phone")
	if diff := cmp.Diff([]string{"openid", "email", "phone"}, second.Scopes); diff != "" || !second.Since.Equal(first.Since) {
		t.Errorf("%+v", second)
	}
	if err := h.WithdrawGrant(t.Context(), a.ID, "shop", home); err != nil {
		t.Error(err)
	}
	if h.account(a.ID).Grant("shop") != nil || !h.happened(a.ID, account.ConsentWithdrawn) {
		t.Error("it stands")
	}
	if err := h.WithdrawGrant(t.Context(), a.ID, "shop", home); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if third := grant("openid"); !third.Since.After(first.Since) {
		t.Error("tokens of the consent before are good again")
	}
}

func TestOperatorsLookIsInThePersonsHistory(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	if _, err := h.Read(t.Context(), a.ID, account.Look{Who: "operator:7", Why: "case 12"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Read(t.Context(), a.ID, account.Look{Who: "person", Why: "own session"}); err != nil {
		t.Fatal(err)
	}
	events, err := h.Journal(t.Context(), a.ID, 0, 10)
	if err != nil || events[0].Kind != account.DataRead || events[0].Actor != "operator:7" || events[0].Details["why"] != "case 12" {
		t.Errorf("%+v, %v", events, err)
	}
}
