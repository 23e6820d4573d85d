package account_test

import (
	"errors"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// banks is what a bank says of Anna, who links it here.
func (h *house) banks(a *account.Account) account.BankAnswer {
	h.t.Helper()
	by := account.BankAnswer{Link: account.BankLink{Bank: "green", Issuer: "https://green.example", Subject: "anna"}, Level: account.Verified}
	if err := h.LinkBank(h.t.Context(), a.ID, by, home); err != nil {
		h.t.Fatal(err)
	}
	h.notices()
	return by
}

func TestABankShortensTheWaitToADay(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	h.withApp(anna)
	h.known(anna.ID)
	by := h.banks(anna)
	if err := h.AskBank(t.Context(), anna.ID, "sms", "green"); err != nil {
		t.Fatal(err)
	}
	if err := h.VouchByBank(t.Context(), anna.ID, "sms", by, home); err != nil {
		t.Fatal(err)
	}
	got := h.notices()
	if len(told(got, "recovery-bank")) != 2 || got[0].Args["Link"] == "" || got[1].Args["Link"] == "" {
		t.Errorf("the owner heard %v", got)
	}
	if err := h.VouchByBank(t.Context(), anna.ID, "sms", by, home); !errors.Is(err, account.ErrConflict) {
		t.Errorf("said twice: %v", err)
	}
	h.opensInADay(anna.ID)
	after := h.account(anna.ID)
	if after.HasSecondFactor() || len(after.Banks) != 0 || after.Level != account.Standard {
		t.Errorf("what opened the account before is still there: %v, %v, %v", after.Factors(), after.Banks, after.Level)
	}
	if !h.happened(anna.ID, account.BankConfirmed) {
		t.Error("the journal says nothing of it")
	}
}

// A bank's word prolongs nothing: who has waited for most of the time waits for the rest of it.
func TestABankMakesNoWaitLonger(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	h.withApp(anna)
	by := h.banks(anna)
	w, err := h.BeginWaiting(t.Context(), anna.ID, "sms", home)
	if err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(w.OpensAt.Sub(h.clock.Now()) - time.Hour)
	if err := h.VouchByBank(t.Context(), anna.ID, "sms", by, home); err != nil {
		t.Fatal(err)
	}
	if after := h.account(anna.ID).Waiting; !after.OpensAt.Equal(w.OpensAt) || !after.StartedAt.Equal(w.StartedAt) {
		t.Errorf("it was to be over %v and is %v", w.OpensAt, after.OpensAt)
	}
}

func TestABankThatSaysNothingOfThePersonChangesNothingButTheJournal(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*house, account.ID)
		answer func(*account.BankAnswer)
		want   func(error) bool
	}{
		"a subject that is nobody's": {answer: func(by *account.BankAnswer) { by.Link.Subject = "eve" }, want: is(account.ErrWrongCredentials)},
		"another person's link": {
			change: func(h *house, _ account.ID) {
				eve := h.signUp("+79161234577", "eve@example.ru")
				if err := h.LinkBank(h.t.Context(), eve.ID, account.BankAnswer{Link: account.BankLink{Bank: "green", Issuer: "https://green.example", Subject: "eve"}}, home); err != nil {
					h.t.Fatal(err)
				}
			},
			answer: func(by *account.BankAnswer) { by.Link.Subject = "eve" }, want: is(account.ErrWrongCredentials),
		},
		"the same name at another bank": {answer: func(by *account.BankAnswer) { by.Link.Issuer = "https://yellow.example" }, want: is(account.ErrWrongCredentials)},
		"less than the account's level": {answer: func(by *account.BankAnswer) { by.Level = account.Standard }, want: is(account.ErrLevelTooLow)},
		"other data": {
			answer: func(by *account.BankAnswer) {
				by.Claims.Person = account.Person{FamilyName: "Иванов", GivenName: "Борис", MiddleName: "Ильич"}
			},
			want: func(err error) bool { return errors.As(err, new(account.FieldErrors)) },
		},
		"a bank that the person has locked": {
			change: func(h *house, id account.ID) { h.lock(id, account.SwitchBank("green")) },
			want:   func(err error) bool { return errors.As(err, new(account.LockedWayError)) },
		},
		"all banks locked": {
			change: func(h *house, id account.ID) { h.lock(id, account.SwitchBanks) },
			want:   func(err error) bool { return errors.As(err, new(account.LockedWayError)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			anna := h.anna()
			h.withApp(anna)
			h.known(anna.ID)
			by := h.banks(anna)
			before, err := h.BeginWaiting(t.Context(), anna.ID, "sms", home)
			if err != nil {
				t.Fatal(err)
			}
			if row.change != nil {
				row.change(h, anna.ID)
			}
			if row.answer != nil {
				row.answer(&by)
			}
			h.notices()
			if err := h.VouchByBank(t.Context(), anna.ID, "sms", by, home); !row.want(err) {
				t.Errorf("it is %v", err)
			}
			after := h.account(anna.ID)
			if after.Waiting != before || len(after.Banks) != 1 || len(h.notices()) != 0 {
				t.Errorf("the wait is %+v, the banks %v", after.Waiting, after.Banks)
			}
			if !h.happened(anna.ID, account.BankDenied) {
				t.Error("the journal says nothing of it")
			}
		})
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func (h *house) lock(id account.ID, which account.Switch) {
	h.t.Helper()
	if err := h.LockSwitch(h.t.Context(), id, which, "", home); err != nil {
		h.t.Fatal(err)
	}
}

// Where the recovery itself is locked, or nothing is asked beside the contact, a bank is not heard.
func TestWhereThereIsNoLadderThereIsNoBankOnIt(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	by := h.banks(anna)
	if err := h.VouchByBank(t.Context(), anna.ID, "sms", by, home); !errors.Is(err, account.ErrConflict) {
		t.Errorf("without a second factor: %v", err)
	}
	if err := h.AskBank(t.Context(), anna.ID, "sms", "green"); !errors.Is(err, account.ErrConflict) {
		t.Errorf("without a second factor it is asked: %v", err)
	}
	h.withApp(anna)
	h.lock(anna.ID, account.SwitchRecovery)
	var locked account.LockedWayError
	if err := h.VouchByBank(t.Context(), anna.ID, "sms", by, home); !errors.As(err, &locked) || locked.Switch != account.SwitchRecovery {
		t.Errorf("with recoveries locked: %v", err)
	}
	if err := h.AskBank(t.Context(), anna.ID, "sms", "green"); !errors.As(err, &locked) {
		t.Errorf("with recoveries locked it is asked: %v", err)
	}
	if w := h.account(anna.ID).Waiting; w != (account.Wait{}) {
		t.Errorf("a wait began: %+v", w)
	}
}

func TestABanksWordEndsWithItsLinkAndByTheOwner(t *testing.T) {
	for name, end := range map[string]func(h *house, id account.ID, by account.BankAnswer, token string) error{
		"the link of the message": func(h *house, _ account.ID, _ account.BankAnswer, token string) error {
			return h.CancelWaiting(h.t.Context(), token, home)
		},
		"the bank is linked no more": func(h *house, id account.ID, by account.BankAnswer, _ string) error {
			return h.UnlinkBank(h.t.Context(), id, by.Link.Issuer, by.Link.Subject, "", home)
		},
		"the bank is locked": func(h *house, id account.ID, _ account.BankAnswer, _ string) error {
			return h.LockSwitch(h.t.Context(), id, account.SwitchBank("green"), "", home)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			anna := h.anna()
			h.withApp(anna)
			by := h.banks(anna)
			if err := h.VouchByBank(t.Context(), anna.ID, "sms", by, home); err != nil {
				t.Fatal(err)
			}
			if err := end(h, anna.ID, by, h.lastToken()); err != nil {
				t.Fatal(err)
			}
			if _, waits := h.account(anna.ID).Waits("sms", h.clock.Now()); waits {
				t.Error("the recovery goes on")
			}
			if !h.happened(anna.ID, account.RecoveryCancelled) {
				t.Error("the journal says nothing of it")
			}
		})
	}
}

// Somebody who is trusted may still say no, whatever the bank said.
func TestABankSilencesNoTrustedPerson(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	boris, tie := h.trusted(anna)
	by := h.banks(anna)
	plea := h.asks(anna, boris)
	if err := h.VouchByBank(t.Context(), anna.ID, "sms", by, home); err != nil {
		t.Fatal(err)
	}
	if err := h.AnswerPlea(t.Context(), boris.ID, tie, plea, false, home); err != nil {
		t.Fatal(err)
	}
	if _, waits := h.account(anna.ID).Waits("sms", h.clock.Now()); waits {
		t.Error("the recovery goes on")
	}
}

func TestBanksAreNotAskedWithoutEnd(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	h.withApp(anna)
	h.banks(anna)
	for range 10 {
		if err := h.AskBank(t.Context(), anna.ID, "sms", "green"); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.AskBank(t.Context(), anna.ID, "sms", "green"); !throttled(err) {
		t.Errorf("the eleventh time: %v", err)
	}
}
