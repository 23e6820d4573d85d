package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// bankVisitLife is how long a person may stay at their bank.
const bankVisitLife = 15 * time.Minute

// banksData is what the page level-bank shows: which banks, and what will be asked of them.
type banksData struct {
	Attempt string
	Banks   []bankChoice
	HomeURL string
	SignURL string // confirm by an electronic signature instead
}

type bankChoice struct{ ID, Name string }

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
	lang := d.lang(r, in.attempt)
	page := in.page(d, r, "level-bank", nil)
	for _, bank := range d.cfg.Banks {
		data.Banks = append(data.Banks, bankChoice{bank.ID, inLang(bank.Name, lang)})
		page.FormAction = append(page.FormAction, d.banks[bank.ID].origins()...)
	}
	page.Data = data
	page.Back = in.path("/level")
	return d.renderForm(w, r, in.attempt, page, err)
}

// takeBank sends the person to the chosen bank with state, nonce and a PKCE verifier of their own.
func (d *Door) takeBank(w http.ResponseWriter, r *http.Request) error {
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
	gate, ok := d.banks[r.PostFormValue("bank")]
	if !ok {
		return d.renderBanks(w, r, in, account.FieldErrors{{Field: "bank", Message: "error.bank.empty"}})
	}
	visit := bankVisit{
		Bank: gate.ID, Nonce: keys.RandomHandle(), Verifier: oauth2.GenerateVerifier(),
		Browser: keys.Hash(d.flowCookie(w, r)), Account: in.person.ID, Attempt: in.attempt.ID, At: d.cfg.Now(),
	}
	state := keys.RandomHandle()
	ctx, cancel := context.WithTimeout(r.Context(), bankCallLimit)
	defer cancel()
	to, err := gate.address(ctx, state, visit)
	if err != nil {
		return d.bankFailed(w, r, in, gate, err)
	}
	value, err := json.Marshal(visit)
	if err != nil {
		return err
	}
	if err := d.cfg.Ephemera.Put(r.Context(), bankVisitKey(state), value, bankVisitLife); err != nil {
		return fmt.Errorf("remembering a visit to a bank: %w", err)
	}
	return seeOther(w, r, to)
}

func bankVisitKey(state string) string { return "login/bank/" + state }

// bankCallback takes the bank's answer once, in the browser and for the account that went there.
func (d *Door) bankCallback(w http.ResponseWriter, r *http.Request) error {
	value, ok, err := d.cfg.Ephemera.Take(r.Context(), bankVisitKey(r.FormValue("state")))
	if err != nil {
		return fmt.Errorf("taking a visit to a bank: %w", err)
	}
	var visit bankVisit
	if !ok || json.Unmarshal(value, &visit) != nil {
		return errNoAttempt
	}
	if !d.begunHere(r, &attempt{Browser: visit.Browser}) {
		return errNoAttempt
	}
	gate, known := d.banks[visit.Bank]
	if !known {
		return errNoAttempt
	}
	r.Form.Set("attempt", visit.Attempt)
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	if in.person.ID != visit.Account {
		return errNoAttempt
	}
	if iss := r.FormValue("iss"); iss != "" && iss != gate.Issuer { // RFC 9207 §2.4
		return d.bankFailed(w, r, in, gate, fmt.Errorf("%w: iss is another bank's", errBankRefused))
	}
	if r.FormValue("code") == "" {
		return d.bankFailed(w, r, in, gate, errBankDeclined)
	}
	return d.confirmByBank(w, r, in, gate, visit)
}

// errBankDeclined says that the person or the bank said no.
var errBankDeclined = errors.New("declined at the bank")

// confirmByBank raises the level by what the bank says, or names what differs.
func (d *Door) confirmByBank(w http.ResponseWriter, r *http.Request, in *inside, gate *bankGate, visit bankVisit) error {
	ctx, cancel := context.WithTimeout(r.Context(), bankTotalLimit)
	defer cancel()
	evidence, err := gate.evidence(ctx, r.FormValue("code"), visit)
	if err != nil {
		return d.bankFailed(w, r, in, gate, err)
	}
	person, err := d.cfg.Accounts.Confirm(r.Context(), in.person.ID, evidence, d.origin(r))
	if err != nil {
		return d.bankFailed(w, r, in, gate, err)
	}
	link := account.BankLink{Bank: gate.ID, Issuer: gate.Issuer, Subject: evidence.Claims.Subject, LinkedAt: d.cfg.Now()}
	if err := d.cfg.Accounts.LinkBank(r.Context(), in.person.ID, link, d.origin(r)); err != nil {
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
func (d *Door) bankFailed(w http.ResponseWriter, r *http.Request, in *inside, gate *bankGate, err error) error {
	t := trouble{Kind: "bank-down", Bank: inLang(gate.Name, d.lang(r, in.attempt))}
	var fields account.FieldErrors
	var taken account.TakenError
	switch {
	case errors.Is(err, errBankDeclined):
		t.Kind = "bank-declined"
	case errors.As(err, &fields):
		t.Kind = "bank-differs"
		for _, f := range fields {
			t.Fields = append(t.Fields, f.Field)
		}
	case errors.As(err, &taken):
		t.Kind = "taken"
	case errors.Is(err, errBankRefused):
		t.Kind = "bank-refused"
	}
	d.cfg.Log.InfoContext(r.Context(), "level not raised by a bank",
		slog.String("bank", gate.ID), slog.String("why", t.Kind), slog.Any("error", err))
	if err := d.keepTrouble(r.Context(), in.person.ID, t); err != nil {
		return err
	}
	return seeOther(w, r, in.path("/level/result"))
}
