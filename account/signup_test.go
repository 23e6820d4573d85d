package account_test

import (
	"errors"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

func TestNewcomerIsSimplifiedAndSignsInByContactsAndNumber(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	if a.Level != account.Simplified || a.Status != account.Active || len(a.Number) != 12 {
		t.Errorf("%+v", a)
	}
	for _, by := range []account.Identifier{annas, {Kind: account.ByEmail, Value: "anna@example.ru"}, {Kind: account.ByNumber, Value: a.Number}} {
		got, err := h.VerifyPassword(t.Context(), by, goodPassword, home)
		if err != nil || got.ID != a.ID {
			t.Errorf("by %s: %v", by.Kind, err)
		}
	}
	if !h.happened(a.ID, account.SignedUp) || !h.happened(a.ID, account.AgreementAccepted) {
		t.Error("the journal does not say so")
	}
}

func TestNewcomerWithoutWhatIsNeededIsRefused(t *testing.T) {
	h := newHouse(t)
	agreed := []account.Agreement{{Document: "terms", Version: "1"}}
	for name, row := range map[string]struct {
		in   account.SignUp
		want account.FieldError
	}{
		"one contact":       {account.SignUp{Phone: annas.Value, Password: goodPassword, Agreements: agreed}, account.FieldError{Field: "phone", Message: "error.contacts.both"}},
		"no agreement":      {account.SignUp{Phone: annas.Value, Email: "anna@example.ru", Password: goodPassword}, account.FieldError{Field: "agree_terms", Message: "error.agreement.missing"}},
		"a short password":  {account.SignUp{Phone: annas.Value, Email: "anna@example.ru", Password: "Ab1!", Agreements: agreed}, account.FieldError{Field: "password", Message: "error.password.short"}},
		"their own address": {account.SignUp{Phone: annas.Value, Email: "anna.sokolova@example.ru", Password: "Река-Anna.Sokolova-7", Agreements: agreed}, account.FieldError{Field: "password", Message: "error.password.personal"}},
		"their own number":  {account.SignUp{Phone: annas.Value, Email: "anna@example.ru", Password: "Река-9161234567-Лес", Agreements: agreed}, account.FieldError{Field: "password", Message: "error.password.personal"}},
	} {
		var wrong account.FieldErrors
		if _, err := h.SignUp(t.Context(), row.in); !errors.As(err, &wrong) || wrong[0].Field != row.want.Field || wrong[0].Message != row.want.Message {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOfFiftyNewcomersWithOneNumberOneIsTaken(t *testing.T) {
	h := newHouse(t)
	right, wrong := together(50, func() error {
		_, err := h.SignUp(t.Context(), account.SignUp{Phone: annas.Value, Email: "anna@example.ru", Password: goodPassword,
			Agreements: []account.Agreement{{Document: "terms", Version: "1"}}})
		if taken := (account.TakenError{}); errors.As(err, &taken) {
			return errTaken
		}
		return err
	})
	if right != 1 || wrong[errTaken] != 49 {
		t.Errorf("%d signed up, %v", right, wrong)
	}
}

var errTaken = errors.New("taken")

func TestOwnerHearsOnceADayThatSomebodySignsUpWithTheirContact(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	heard := func() int {
		n := 0
		for range 3 {
			h.WarnOwner(annas, from("192.0.2.1"))
		}
		h.WarnOwner(phone("+79160000000"), from("192.0.2.1")) // nobody's
		for range 100 {
			if n += len(h.notices()); n >= 2 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		return n
	}
	if n := heard(); n != 2 { // by SMS and by mail
		t.Errorf("%d notices", n)
	}
	if !h.happened(a.ID, account.SignUpRepeated) {
		t.Error("the journal does not say so")
	}
	h.clock.Advance(25 * time.Hour)
	if n := heard(); n != 2 {
		t.Errorf("%d notices the day after", n)
	}
}

func TestImportedAccountIsReadyAndSaysWhereItIsFrom(t *testing.T) {
	h := newHouse(t)
	in := account.Import{Account: account.Account{Phone: account.Contact{Value: annas.Value, ConfirmedAt: h.clock.Now()},
		Backup: h.BackupSetOf([]string{"ABCD-EFGH-12345"})}, Password: goodPassword, Reason: "stand"}
	a, err := h.Import(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if a.Level != account.Simplified || a.Status != account.Active || a.Lang != "ru" || a.Number == "" {
		t.Errorf("%+v", a)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
		t.Error(err)
	}
	if left, err := h.VerifyBackup(t.Context(), a.ID, "abcd efgh i2345", home); err != nil || left != 0 {
		t.Errorf("%d left, %v", left, err)
	}
	if !h.happened(a.ID, account.Imported) {
		t.Error("the journal does not say so")
	}
	if _, err := h.Import(t.Context(), in); !errors.As(err, &account.TakenError{}) {
		t.Errorf("again: %v", err)
	}
}
