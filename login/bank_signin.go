package login

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/login/bank"
	"github.com/vhod-id/vhod/templates"
)

// errOtherPerson says that the bank's customer signs in to another account than the one that is asked for.
var errOtherPerson = errors.New("the bank's customer is another person here")

// bankLinkPage is where a person links a bank in their cabinet.
const bankLinkPage = "/me/security/bank"

// bankRoutes are the pages that lead to a bank; there are none where none is configured.
func (d *Door) bankRoutes() []route {
	if len(d.cfg.Banks) == 0 {
		return nil
	}
	return []route{
		{"GET /login/bank", d.showBank},
		{"POST /login/bank", d.takeBank},
		{"GET /login/bank/unknown", d.showUnknownCustomer},
		{"POST /login/bank/unknown", d.takeUnknownCustomer},
		{"GET /login/bank/link", d.showLinkBank},
		{"POST /login/bank/link", d.takeLinkBank},
		{"GET " + bankLinkPage, d.showAddBank},
		{"POST " + bankLinkPage, d.takeAddBank},
		{"GET " + bankCallback, d.fromBank},
	}
}

// customer is what a bank said of a person whom no account is linked to, kept until they have decided what to do. Numbers
// stand as they are, since the attempt is sealed.
type customer struct {
	Link       account.BankLink
	Person     account.Person
	Passport   account.Passport
	Phone      string
	SNILS, INN string
	At         time.Time
	Choice     string // "link" or "new"; empty while it is open
}

func keepCustomer(by account.BankAnswer, now time.Time) *customer {
	c := by.Claims
	return &customer{by.Link, c.Person, c.Passport, c.Phone, c.SNILS.Reveal(), c.INN.Reveal(), now, ""}
}

// answer is what was kept, as account knows it. Numbers were parsed before they were kept.
func (c *customer) answer() account.BankAnswer {
	by := account.BankAnswer{Link: c.Link, Claims: account.Claimed{Person: c.Person, Passport: c.Passport, Phone: c.Phone, Subject: c.Link.Subject}}
	by.Claims.SNILS, _ = account.ParseSNILS(c.SNILS)
	by.Claims.INN, _ = account.ParseINN(c.INN)
	return by
}

// waits reports whether a customer's choice is what the attempt stands at.
func (c *customer) waits(choice string, now time.Time) bool {
	return c != nil && c.Choice == choice && now.Sub(c.At) < bankVisitLife
}

// bankSteps are where a bank may stand for everything else: before anybody is known, or for who shows again who they are.
var bankSteps = []step{stepIdentify, stepPassword, stepContact}

// bankData is what the page bank shows.
type bankData struct {
	Attempt string
	Action  string
	Banks   []bankChoice
	Bank    string // the one that was tried, when something went wrong
	Trouble string
}

// bankURL leads to signing in by a bank, empty where there is none.
func (d *Door) bankURL(a *attempt) string {
	if len(d.cfg.Banks) == 0 {
		return ""
	}
	return at("/login/bank", a)
}

// goingToBank loads an attempt that may go on by a bank, or sends it to where it stands.
func (d *Door) goingToBank(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v, err := d.enter(r)
	if err != nil {
		return nil, err
	}
	if ok, err := d.stands(w, r, v, bankSteps...); !ok {
		return nil, err
	}
	return v, nil
}

func (d *Door) showBank(w http.ResponseWriter, r *http.Request) error {
	v, err := d.goingToBank(w, r)
	if v == nil {
		return err
	}
	return d.renderBank(w, r, v, nil)
}

func (d *Door) renderBank(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	data := bankData{Attempt: v.attempt.ID, Action: "/login/bank", Bank: v.attempt.BankTried, Trouble: v.attempt.BankTrouble}
	page := v.page(d, r, "bank", nil)
	var origins []string
	data.Banks, origins = d.bankChoices(d.cfg.Banks, d.lang(r, v.attempt))
	data.Bank = d.bankName(data.Bank, d.lang(r, v.attempt))
	page.Data, page.FormAction = data, append(page.FormAction, origins...)
	page.Back = at(v.path(v.next()), v.attempt)
	if data.Trouble != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return d.renderForm(w, r, v.attempt, page, err)
}

func (d *Door) bankName(id, lang string) string {
	if gate := d.banks[id]; gate != nil {
		return inLang(gate.Name, lang)
	}
	return ""
}

// takeBank sends the person to the bank that they chose.
func (d *Door) takeBank(w http.ResponseWriter, r *http.Request) error {
	v, err := d.goingToBank(w, r)
	if v == nil {
		return err
	}
	a := v.attempt
	a.BankTried, a.BankTrouble = "", ""
	gate := d.banks[r.PostFormValue("bank")]
	if gate == nil {
		return d.renderBank(w, r, v, account.FieldErrors{{Field: "bank", Message: "error.bank.empty"}})
	}
	if r.PostFormValue("shared") != "" {
		a.Shared = true
	}
	if err := d.toBank(w, r, gate, bankVisit{Purpose: bankToSignIn, Attempt: a.ID}); err != nil {
		return d.bankStumbled(w, r, v, gate, err)
	}
	return nil
}

// bankStumbled leads back to the page of banks, which says what went wrong. Nothing of the bank's answer is shown.
func (d *Door) bankStumbled(w http.ResponseWriter, r *http.Request, v *visit, gate *bank.Gate, err error) error {
	a := v.attempt
	a.BankTried, a.BankTrouble = gate.ID, bankTrouble(err)
	d.cfg.Log.InfoContext(r.Context(), "nobody signed in by a bank",
		slog.String("bank", gate.ID), slog.String("why", a.BankTrouble), slog.Any("error", err))
	if err := d.save(r.Context(), a); err != nil {
		return err
	}
	return seeOther(w, r, at("/login/bank", a))
}

// signInByBank signs in whom the bank's customer is linked to, or asks a customer whom nobody knows what to do.
func (d *Door) signInByBank(w http.ResponseWriter, r *http.Request, gate *bank.Gate, visit bankVisit) error {
	v, err := d.goingToBank(w, r)
	if v == nil {
		return err
	}
	evidence, err := d.bankEvidence(r, gate, visit)
	if err != nil {
		return d.bankStumbled(w, r, v, gate, err)
	}
	a, by, now := v.attempt, bankAnswer(gate, evidence), d.cfg.Now()
	person, err := d.cfg.Accounts.VerifyBank(r.Context(), by, d.origin(r))
	known := a.Fixed && v.session != nil
	switch {
	case errors.Is(err, account.ErrWrongCredentials) && !known:
		a.Bank = keepCustomer(by, now)
		return d.advance(w, r, v)
	case err == nil && known && v.session.AccountID != person.ID, errors.Is(err, account.ErrWrongCredentials):
		err = errOtherPerson
	}
	if err != nil {
		return d.bankStumbled(w, r, v, gate, err)
	}
	d.turn(a, kindSignIn)
	a.prove(person.ID, account.MethodBank, now)
	v.person = person
	v.policy = d.policyFor(v)
	return d.advance(w, r, v)
}

// unknownData is what the pages bank-unknown and bank-link show.
type unknownData struct {
	Attempt string
	Bank    string
	Person  account.Person
	Who     string // whose account it would be linked to
	HasOne  bool   // an account has this customer's SNILS
}

func (d *Door) unknown(r *http.Request, v *visit) unknownData {
	c := v.attempt.Bank
	return unknownData{Attempt: v.attempt.ID, Bank: d.bankName(c.Link.Bank, d.lang(r, v.attempt)), Person: c.Person}
}

func (d *Door) showUnknownCustomer(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepUnknownCustomer); !ok {
		return err
	}
	return d.render(w, r, v.attempt, v.page(d, r, "bank-unknown", d.unknown(r, v)))
}

// takeUnknownCustomer goes on to sign in and link the bank, or to make an account. A person who has an account by the SNILS
// that the bank states is asked to sign in to it: nothing is joined in silence (L01, L09).
func (d *Door) takeUnknownCustomer(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepUnknownCustomer); !ok {
		return err
	}
	a := v.attempt
	switch r.PostFormValue("choice") {
	case "link":
		d.turn(a, kindSignIn)
		a.Bank.Choice = "link"
		v.policy = d.policyFor(v)
	case "new":
		taken := false
		if a.Bank.SNILS != "" {
			taken, err = d.cfg.Accounts.ContactTaken(r.Context(), account.Identifier{Kind: account.BySNILS, Value: a.Bank.SNILS})
			if err != nil {
				return fmt.Errorf("looking for an account of the customer's SNILS: %w", err)
			}
		}
		if taken {
			data := d.unknown(r, v)
			data.HasOne = true
			page := v.page(d, r, "bank-unknown", data)
			page.Status = http.StatusUnprocessableEntity
			return d.render(w, r, a, page)
		}
		d.turn(a, kindSignUp)
		a.Bank.Choice = "new"
	default:
		a.Bank = nil
	}
	return d.advance(w, r, v)
}

func (d *Door) showLinkBank(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepLinkBank); !ok {
		return err
	}
	data := d.unknown(r, v)
	data.Who = displayName(v.person)
	page := v.page(d, r, "bank-link", data)
	page.User = data.Who
	return d.render(w, r, v.attempt, page)
}

// takeLinkBank links the bank to who has just signed in, or leaves it.
func (d *Door) takeLinkBank(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepLinkBank); !ok {
		return err
	}
	by := v.attempt.Bank.answer()
	v.attempt.Bank = nil
	if r.PostFormValue("choice") != "link" {
		return d.advance(w, r, v)
	}
	if err = v.person.MayChange(v.session, d.cfg.Now()); err == nil {
		err = d.cfg.Accounts.LinkBank(r.Context(), v.person.ID, by, d.origin(r))
	}
	if err == nil {
		return d.advance(w, r, v)
	}
	data := unknownData{Attempt: v.attempt.ID, Bank: d.bankName(by.Link.Bank, d.lang(r, v.attempt))}
	why := bankTrouble(err)
	if why == "down" { // nobody was asked: it is our own
		return err
	}
	if err := d.save(r.Context(), v.attempt); err != nil {
		return err
	}
	page := v.page(d, r, "bank-not-linked", struct {
		unknownData
		Why string
	}{data, why})
	page.Status, page.User = http.StatusUnprocessableEntity, displayName(v.person)
	return d.render(w, r, v.attempt, page)
}

// showAddBank lets a person in their cabinet choose a bank to sign in by.
func (d *Door) showAddBank(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	return d.renderAddBank(w, r, in, r.FormValue("bank"), r.FormValue("trouble"), nil)
}

// linkTroubles are what the page me-bank may be told by its address.
var linkTroubles = []string{"declined", "differs", "taken", "locked", "many", "refused", "down"}

func (d *Door) renderAddBank(w http.ResponseWriter, r *http.Request, in *inside, tried, trouble string, err error) error {
	lang := d.lang(r, in.attempt)
	data := bankData{Attempt: in.attempt.ID, Action: bankLinkPage}
	for _, known := range linkTroubles {
		if trouble == known {
			data.Trouble, data.Bank = known, d.bankName(tried, lang)
		}
	}
	page := templates.Page{Name: "me-bank", Section: "me-security", User: displayName(in.person), Back: securityPage}
	data.Banks, page.FormAction = d.bankChoices(d.cfg.Banks, lang)
	page.Data = data
	return d.renderForm(w, r, in.attempt, page, err)
}

func (d *Door) takeAddBank(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	gate := d.banks[r.PostFormValue("bank")]
	if gate == nil {
		return d.renderAddBank(w, r, in, "", "", account.FieldErrors{{Field: "bank", Message: "error.bank.empty"}})
	}
	err = d.toBank(w, r, gate, bankVisit{Purpose: bankToLink, Account: in.person.ID, Attempt: in.attempt.ID})
	if err != nil {
		return d.notLinked(w, r, gate, err)
	}
	return nil
}

func (d *Door) notLinked(w http.ResponseWriter, r *http.Request, gate *bank.Gate, err error) error {
	d.cfg.Log.InfoContext(r.Context(), "a bank was not linked", slog.String("bank", gate.ID), slog.Any("error", err))
	return seeOther(w, r, bankLinkPage+"?bank="+gate.ID+"&trouble="+bankTrouble(err))
}

// linkByBank links the bank to who went there from the cabinet.
func (d *Door) linkByBank(w http.ResponseWriter, r *http.Request, gate *bank.Gate, visit bankVisit) error {
	in, err := d.comeIn(w, r, securityPage, true)
	if in == nil {
		return err
	}
	if in.person.ID != visit.Account {
		return errNoAttempt
	}
	evidence, err := d.bankEvidence(r, gate, visit)
	if err == nil {
		err = d.cfg.Accounts.LinkBank(r.Context(), in.person.ID, bankAnswer(gate, evidence), d.origin(r))
	}
	if err != nil {
		return d.notLinked(w, r, gate, err)
	}
	return seeOther(w, r, securityPage+"?done=bank")
}
