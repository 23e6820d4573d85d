package login

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/login/bank"
)

// recoveryBankPage is where a person in a recovery chooses the bank that says that it is them.
const recoveryBankPage = "/recovery/bank"

// How far a recovery came that asks a bank; empty while none has answered.
const (
	bankVouched = "vouched"
	bankStopped = "stopped" // it had, and the recovery was stopped
)

// recoveryBankData is what the page recovery-bank shows.
type recoveryBankData struct {
	bankData
	State  string
	Opens  time.Time // when the wait is over
	Lowers bool
}

// bankState says how far a recovery came that asks a bank.
func (v *visit) bankState(now time.Time) recoveryBankData {
	w, waits := v.person.Waits(v.attempt.Recovery.Channel, now)
	data := recoveryBankData{Opens: w.OpensAt, Lowers: v.person.Level > account.Standard}
	switch {
	case waits && w.Bank != "":
		data.State = bankVouched
	case v.attempt.Recovery.Banked && !waits:
		data.State = bankStopped
	}
	return data
}

// vouchers are the banks that may be asked in a recovery whether it is the person: linked, not locked, and believed as far as the person is known (F09).
func (d *Door) vouchers(person *account.Account) []bank.Config {
	linked := person.VouchingBanks(d.cfg.Now())
	return slices.DeleteFunc(slices.Clone(d.cfg.Banks), func(b bank.Config) bool {
		return !slices.Contains(linked, b.ID) || b.Contract.Level < person.Level
	})
}

// voucher is the bank that was chosen, or nil when it is none of them.
func (d *Door) voucher(person *account.Account, id string) *bank.Gate {
	if !slices.ContainsFunc(d.vouchers(person), func(b bank.Config) bool { return b.ID == id }) {
		return nil
	}
	return d.banks[id]
}

// showRecoveryBank offers the banks, or says what one of them answered.
func (d *Door) showRecoveryBank(w http.ResponseWriter, r *http.Request) error {
	v, err := d.losing(w, r)
	if v == nil {
		return err
	}
	return d.renderRecoveryBank(w, r, v, nil)
}

func (d *Door) renderRecoveryBank(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	a, lang := v.attempt, d.lang(r, v.attempt)
	data := v.bankState(d.cfg.Now())
	choices, origins := d.bankChoices(d.vouchers(v.person), lang)
	data.bankData = bankData{Attempt: a.ID, Action: recoveryBankPage, Banks: choices, Bank: d.bankName(a.Recovery.BankTried, lang), Trouble: a.Recovery.BankFail}
	if data.State == "" && data.Trouble == "" && len(choices) == 0 {
		return seeOther(w, r, at("/recovery/ways", a))
	}
	page := v.page(d, r, "recovery-bank", data)
	page.FormAction = append(page.FormAction, origins...)
	page.Back = at("/recovery/ways", a)
	if data.Trouble != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return d.renderForm(w, r, a, page, err)
}

// takeRecoveryBank sends the person to the bank that they chose.
func (d *Door) takeRecoveryBank(w http.ResponseWriter, r *http.Request) error {
	v, err := d.losing(w, r)
	if v == nil {
		return err
	}
	a := v.attempt
	a.Recovery.BankTried, a.Recovery.BankFail = "", ""
	gate := d.voucher(v.person, r.PostFormValue("bank"))
	if gate == nil {
		return d.renderRecoveryBank(w, r, v, account.FieldErrors{{Field: "bank", Message: "error.bank.empty"}})
	}
	if err := d.cfg.Accounts.AskBank(r.Context(), v.person.ID, a.Recovery.Channel, gate.ID); err != nil {
		return err
	}
	if err := d.toBank(w, r, gate, bankVisit{Purpose: bankToRecover, Account: v.person.ID, Attempt: a.ID}); err != nil {
		return d.bankSaidNothing(w, r, v, gate, err)
	}
	return nil
}

// vouchByBank takes the bank's word that it is the person. It signs nobody in and links nothing: the person comes back by the same contact when the wait is
// over, as after any other.
func (d *Door) vouchByBank(w http.ResponseWriter, r *http.Request, gate *bank.Gate, visit bankVisit) error {
	v, err := d.losing(w, r)
	if v == nil {
		return err
	}
	if v.person.ID != visit.Account {
		return errNoAttempt
	}
	evidence, err := d.bankEvidence(r, gate, visit)
	if err != nil {
		return d.bankSaidNothing(w, r, v, gate, err)
	}
	s := v.attempt.Recovery
	err = d.cfg.Accounts.VouchByBank(r.Context(), v.person.ID, s.Channel, bankAnswer(gate, evidence), d.origin(r))
	var locked account.LockedWayError
	switch {
	case err == nil:
		s.Banked = true
	case errors.Is(err, account.ErrConflict): // it was said before
	case errors.As(err, &locked) && locked.Switch != account.SwitchBanks: // recoveries, by now
		return err
	case errors.Is(err, account.ErrWrongCredentials):
		return d.bankDidNotVouch(w, r, v, gate, errOtherPerson)
	case bankTrouble(err) == "down": // the bank has answered: it is our own
		return err
	default:
		return d.bankDidNotVouch(w, r, v, gate, err)
	}
	if err := d.save(r.Context(), v.attempt); err != nil {
		return err
	}
	return seeOther(w, r, at(recoveryBankPage, v.attempt))
}

// bankSaidNothing keeps in the journal of the person that a bank said nothing of them, and tells them.
func (d *Door) bankSaidNothing(w http.ResponseWriter, r *http.Request, v *visit, gate *bank.Gate, why error) error {
	if err := d.cfg.Accounts.DenyBank(r.Context(), v.person.ID, gate.ID, bankTrouble(why), d.origin(r)); err != nil {
		return err
	}
	return d.bankDidNotVouch(w, r, v, gate, why)
}

// bankDidNotVouch leads back to the page of banks, which says what went wrong. The recovery is as it was, and nothing of the bank's answer is shown.
func (d *Door) bankDidNotVouch(w http.ResponseWriter, r *http.Request, v *visit, gate *bank.Gate, why error) error {
	s := v.attempt.Recovery
	s.BankTried, s.BankFail = gate.ID, bankTrouble(why)
	d.cfg.Log.InfoContext(r.Context(), "a bank vouched for nobody",
		slog.String("bank", gate.ID), slog.String("why", s.BankFail), slog.Any("error", why))
	if err := d.save(r.Context(), v.attempt); err != nil {
		return err
	}
	return seeOther(w, r, at(recoveryBankPage, v.attempt))
}
