package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/login/bank"
)

// bankVisitLife is how long a person may stay at their bank.
const bankVisitLife = 15 * time.Minute

// bankCallback is where banks send people back, whatever they came for.
const bankCallback = "/bank/callback"

// bankPurpose is what a person went to their bank for.
type bankPurpose string

const (
	bankToSignIn  bankPurpose = "sign-in"
	bankToConfirm bankPurpose = "confirm"
	bankToLink    bankPurpose = "link"
	bankToRecover bankPurpose = "recover"
)

// errBankDeclined says that the person or the bank said no.
var errBankDeclined = errors.New("declined at the bank")

// bankVisit is what we remember while a person is at their bank. Its key is the state, which is taken
// once; it holds the bank, so that an answer of another one is seen (L06).
type bankVisit struct {
	bank.Visit
	Purpose bankPurpose
	Bank    string
	Browser string     // keys.Hash of the flow cookie
	Account account.ID // who went; empty when that is to be found out
	Attempt string
}

func bankVisitKey(state string) string { return "login/bank/" + state }

// toBank sends the person to a bank with state, nonce and a PKCE verifier of their own.
func (d *Door) toBank(w http.ResponseWriter, r *http.Request, gate *bank.Gate, visit bankVisit) error {
	visit.Bank, visit.Browser = gate.ID, keys.Hash(d.flowCookie(w, r))
	visit.Nonce, visit.Verifier = keys.RandomHandle(), oauth2.GenerateVerifier()
	state := keys.RandomHandle()
	to, err := gate.Address(r.Context(), state, visit.Visit)
	if err != nil {
		return err
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

// takeBankVisit takes what a state stands for, once and in the browser that went: errNoAttempt otherwise.
func (d *Door) takeBankVisit(r *http.Request) (visit bankVisit, gate *bank.Gate, err error) {
	value, ok, err := d.cfg.Ephemera.Take(r.Context(), bankVisitKey(r.FormValue("state")))
	if err != nil {
		return visit, nil, fmt.Errorf("taking a visit to a bank: %w", err)
	}
	if !ok || json.Unmarshal(value, &visit) != nil || !d.begunHere(r, &attempt{Browser: visit.Browser}) {
		return visit, nil, errNoAttempt
	}
	if gate = d.banks[visit.Bank]; gate == nil {
		return visit, nil, errNoAttempt
	}
	return visit, gate, nil
}

// fromBank takes a bank's answer and goes on with what the person went there for.
func (d *Door) fromBank(w http.ResponseWriter, r *http.Request) error {
	visit, gate, err := d.takeBankVisit(r)
	if err != nil {
		return err
	}
	r.Form.Set("attempt", visit.Attempt)
	switch visit.Purpose {
	case bankToSignIn:
		return d.signInByBank(w, r, gate, visit)
	case bankToLink:
		return d.linkByBank(w, r, gate, visit)
	case bankToRecover:
		return d.vouchByBank(w, r, gate, visit)
	}
	return d.confirmByBank(w, r, gate, visit)
}

// bankEvidence is what the bank says, asked by the code that the browser brought.
func (d *Door) bankEvidence(r *http.Request, gate *bank.Gate, visit bankVisit) (account.Evidence, error) {
	if iss := r.FormValue("iss"); iss != "" && iss != gate.Issuer { // RFC 9207 §2.4
		return account.Evidence{}, fmt.Errorf("%w: iss is another bank's", bank.ErrRefused)
	}
	if r.FormValue("code") == "" {
		return account.Evidence{}, errBankDeclined
	}
	ctx, cancel := context.WithTimeout(r.Context(), bank.Limit)
	defer cancel()
	return gate.Evidence(ctx, r.FormValue("code"), visit.Visit)
}

// bankAnswer is evidence as account knows a bank's customer.
func bankAnswer(gate *bank.Gate, e account.Evidence) account.BankAnswer {
	return account.BankAnswer{
		Link:   account.BankLink{Bank: gate.ID, Issuer: gate.Issuer, Subject: e.Claims.Subject},
		Claims: e.Claims, Level: e.Level,
	}
}

// bankTrouble is why a bank did not lead on, in one word of the catalogues.
func bankTrouble(err error) string {
	var locked account.LockedWayError
	switch {
	case errors.Is(err, errBankDeclined):
		return "declined"
	case errors.As(err, new(account.FieldErrors)):
		return "differs"
	case errors.As(err, new(account.TakenError)):
		return "taken"
	case errors.As(err, &locked):
		return "locked"
	case errors.As(err, new(account.NewBrowserError)):
		return "new-browser"
	case errors.Is(err, account.ErrConflict):
		return "many"
	case errors.Is(err, account.ErrLocked):
		return "account-locked"
	case errors.Is(err, bank.ErrRefused):
		return "refused"
	case errors.Is(err, errOtherPerson):
		return "other-person"
	case errors.Is(err, account.ErrLevelTooLow):
		return "little"
	}
	return "down"
}

// bankChoices lists banks in a language, and where their forms lead.
func (d *Door) bankChoices(banks []bank.Config, lang string) (choices []bankChoice, origins []string) {
	for _, b := range banks {
		choices = append(choices, bankChoice{b.ID, inLang(b.Name, lang)})
		origins = append(origins, d.banks[b.ID].Origins()...)
	}
	return choices, origins
}

type bankChoice struct{ ID, Name string }
