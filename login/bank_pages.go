package login

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/login/bank"
)

// banksData is what the page level-bank shows: which banks, and what will be asked of them.
type banksData struct {
	Attempt string
	Banks   []bankChoice
	HomeURL string
	SignURL string // confirm by an electronic signature instead
}

// showBanks lets the person choose a bank. Only a standard account is confirmed by one: the bank's
// words are compared with what the registries confirmed (C11).
func (d *Door) showBanks(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	if to := d.upward(in); to != "/level/bank" {
		return seeOther(w, r, in.path(to))
	}
	return d.renderBanks(w, r, in, nil)
}

func (d *Door) renderBanks(w http.ResponseWriter, r *http.Request, in *inside, err error) error {
	data := banksData{Attempt: in.attempt.ID, HomeURL: in.home, SignURL: d.confirmURL(in)}
	page := in.page(d, r, "level-bank", nil)
	var origins []string
	data.Banks, origins = d.bankChoices(d.cfg.Banks, d.lang(r, in.attempt))
	page.FormAction = append(page.FormAction, origins...)
	page.Data = data
	page.Back = in.path("/level")
	return d.renderForm(w, r, in.attempt, page, err)
}

// takeConfirmingBank sends the person to the chosen bank.
func (d *Door) takeConfirmingBank(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	if in.inFlow() && r.PostFormValue("choice") == "later" {
		in.attempt.SkipLevel = true
		return d.onward(w, r, in)
	}
	if to := d.upward(in); to != "/level/bank" {
		return seeOther(w, r, in.path(to))
	}
	gate := d.banks[r.PostFormValue("bank")]
	if gate == nil {
		return d.renderBanks(w, r, in, account.FieldErrors{{Field: "bank", Message: "error.bank.empty"}})
	}
	err = d.toBank(w, r, gate, bankVisit{Purpose: bankToConfirm, Account: in.person.ID, Attempt: in.attempt.ID})
	if err != nil {
		return d.bankFailed(w, r, in, gate, err)
	}
	return nil
}

// errTooLittle says that what the bank says does not suffice, by the contract with it.
var errTooLittle = errors.New("the bank's evidence does not suffice")

// confirmByBank raises the level by what the bank says, or names what differs.
func (d *Door) confirmByBank(w http.ResponseWriter, r *http.Request, gate *bank.Gate, visit bankVisit) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	if in.person.ID != visit.Account {
		return errNoAttempt
	}
	evidence, err := d.bankEvidence(r, gate, visit)
	if err != nil {
		return d.bankFailed(w, r, in, gate, err)
	}
	person, err := d.cfg.Accounts.Confirm(r.Context(), in.person.ID, evidence, d.origin(r))
	if err == nil && person.Level < account.Verified {
		err = errTooLittle
	}
	if err != nil {
		return d.bankFailed(w, r, in, gate, err)
	}
	if err := d.cfg.Accounts.LinkBank(r.Context(), in.person.ID, bankAnswer(gate, evidence), d.origin(r)); err != nil {
		// The level stands without the link; it is only asked for again the next time.
		d.cfg.Log.WarnContext(r.Context(), "bank not linked", slog.String("bank", gate.ID), slog.Any("error", err))
	}
	if err := d.forgetTrouble(r.Context(), in.person.ID); err != nil {
		return err
	}
	in.person = person
	return seeOther(w, r, in.path("/level/result"))
}

// bankFailed keeps what went wrong for the result page: declined, differing fields, taken by another
// account, or a bank that is down. Nothing of the bank's answer is shown.
func (d *Door) bankFailed(w http.ResponseWriter, r *http.Request, in *inside, gate *bank.Gate, err error) error {
	t := trouble{Kind: "bank-" + bankTrouble(err), Bank: inLang(gate.Name, d.lang(r, in.attempt))}
	var fields account.FieldErrors
	switch {
	case errors.As(err, &fields):
		for _, f := range fields {
			t.Fields = append(t.Fields, f.Field)
		}
	case errors.As(err, new(account.TakenError)):
		t.Kind = "taken"
	case errors.Is(err, errTooLittle):
		t.Kind = "bank-little"
	}
	d.cfg.Log.InfoContext(r.Context(), "level not raised by a bank",
		slog.String("bank", gate.ID), slog.String("why", t.Kind), slog.Any("error", err))
	if err := d.keepTrouble(r.Context(), in.person.ID, t); err != nil {
		return err
	}
	return seeOther(w, r, in.path("/level/result"))
}
