package login_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/examples/faults"
	"github.com/vhod-id/vhod/login/bank"
)

// atLadder is a person with an app and a bank, who has proven their phone and has lost the app.
func (h *house) atLadder(b *browser, phone string) *browser {
	h.t.Helper()
	h.recovering(b, phone)
	b.open("/recovery/ways?attempt=" + b.attempt()).on("recovery-ways")
	h.notices()
	return b
}

// laddered is a house with a person who is linked to the green bank, in a recovery.
func laddered(t *testing.T, phone string, change ...func(*account.Account)) (h *house, green *demoBank, begin func() *browser, b *browser) {
	t.Helper()
	h, green, _, begin = banked(t)
	h.linkedTo(green, phone, begin, append([]func(*account.Account){standard, withTOTP}, change...)...)
	return h, green, begin, h.atLadder(begin(), phone)
}

// untouched fails where a bank that vouched for nobody has left something.
func (h *house) untouched(b *browser, before *account.Account) {
	h.t.Helper()
	after := h.find(before.Phone.Value)
	if after.Waiting != before.Waiting || !slices.Equal(after.Banks, before.Banks) || after.Level != before.Level {
		h.t.Errorf("the wait is %+v, the banks %v, the level %v", after.Waiting, after.Banks, after.Level)
	}
	if b.cookie("vhod-session") != "" {
		h.t.Error("somebody is signed in")
	}
	if got := h.notices(); len(got) != 0 {
		h.t.Errorf("the owner is told of nothing: %v", got)
	}
}

// journalled reports whether the journal of a person has an event.
func (h *house) journalled(id account.ID, kind account.EventKind) bool {
	h.t.Helper()
	lines, err := h.accounts.SearchJournal(h.t.Context(), id, account.JournalQuery{Kinds: []account.EventKind{kind}, Limit: 1})
	if err != nil {
		h.t.Fatal(err)
	}
	return len(lines) == 1
}

func TestABankConfirmsInARecoveryAndTheOwnerHasADay(t *testing.T) {
	const phone = "+79149000001"
	h, _, begin, b := laddered(t, phone)
	b.fill("bank").on("recovery-bank")
	if got := b.marked("value"); !slices.Contains(got, "green") || slices.Contains(got, "yellow") {
		t.Errorf("the banks are %v", got)
	}
	b.fill("continue").on("recovery-bank")
	if b.status != http.StatusUnprocessableEntity {
		t.Errorf("no bank chosen answers %d", b.status)
	}
	b.atBank("green", "anna").on("recovery-bank")
	if b.state() != "vouched" || b.cookie("vhod-session") != "" {
		t.Errorf("the page says %q, signed in: %q", b.state(), b.cookie("vhod-session"))
	}
	links := 0
	for _, n := range h.notices() {
		if n.Template == "recovery-bank" && n.Args["Link"] != "" {
			links++
		}
	}
	if links != 2 || !h.journalled(h.find(phone).ID, account.BankConfirmed) {
		t.Errorf("%d contacts have a link", links)
	}
	if b.open("/recovery/password?attempt=" + b.attempt()); b.name() == "recovery-password" {
		t.Fatal("the bank's word opens at once")
	}
	h.clock.Advance(account.VouchedWait - time.Minute)
	if h.recovering(begin(), phone); !h.find(phone).HasSecondFactor() {
		t.Fatal("the day was cut short")
	}
	h.clock.Advance(time.Minute)
	const next = "Новый&Пароль9 и слова"
	h.recovering(begin(), phone).on("recovery-password").fill("continue", "password", next, "password_again", next).on("me")
	if a := h.find(phone); a.HasSecondFactor() || len(a.Banks) != 0 {
		t.Errorf("afterwards it has %v and %v", a.Factors(), a.Banks)
	}
}

func TestABankThatDoesNotVouchLeavesTheRecoveryAsItWas(t *testing.T) {
	for _, row := range []struct {
		name, customer, decision, trouble string
		fault                             faults.Fault
	}{
		{name: "a customer whom nobody is linked to", customer: "boris", decision: "allow", trouble: "other-person"},
		{name: "the person says no there", customer: "anna", decision: "deny", trouble: "declined"},
		{name: "an ID token for another client", customer: "anna", decision: "allow", fault: faults.Fault{Outcome: faults.WrongAudience}, trouble: "refused"},
		{name: "the data of another person", customer: "anna", decision: "allow", fault: faults.Fault{Outcome: faults.Mismatch}, trouble: "differs"},
		{name: "a bank that is down", customer: "anna", decision: "allow", fault: faults.Fault{Outcome: faults.Down}, trouble: "down"},
		{name: "a bank that is slow", customer: "anna", decision: "allow", fault: faults.Fault{Latency: 6 * time.Second}, trouble: "down"},
		{name: "a bank that answers by an error", customer: "anna", decision: "allow", fault: faults.Fault{Outcome: faults.Refuse}, trouble: "down"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			const phone = "+79149000002"
			h, green, _, b := laddered(t, phone)
			before := h.find(phone)
			b.fill("bank").fill("continue", "bank", "green").on("bank-login")
			b.fill("continue", "username", row.customer, "password", "bank-password").on("bank-consent")
			row.fault.Adapter = "bank-green"
			if err := green.faults.Arm(row.fault); err != nil {
				t.Fatal(err)
			}
			b.fill(row.decision).on("recovery-bank")
			if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, `data-trouble="`+row.trouble+`"`) || strings.Contains(textOf(b.page), "Иванов") {
				t.Errorf("the page answers %d without saying %s, or more than that", b.status, row.trouble)
			}
			h.untouched(b, before)
			if !h.journalled(before.ID, account.BankDenied) {
				t.Error("the journal says nothing of it")
			}
			green.faults.Clear()
			if b.atBank("green", "anna").on("recovery-bank"); b.state() != "vouched" { // the ladder stands where it stood
				t.Errorf("afterwards it says %q", b.state())
			}
		})
	}
}

func TestAnotherPersonsBankDoesNotVouch(t *testing.T) {
	const phone, others = "+79149000003", "+79149000004"
	h, green, begin, _ := laddered(t, phone)
	h.person(others, func(a *account.Account) { withTOTP(a) }) // a person of another name, with a bank of their own
	h.clock.Advance(time.Minute)
	in := begin().open("/login").fill("continue", "identifier", others).fill("continue", "password", password).on("totp").fill("continue", "code", h.code(secret))
	in.on("me").open("/me/security").fill("add-bank").on("me-bank").atBank(green.ID, "boris").on("me-security")
	h.clock.Advance(11 * time.Minute)
	b := h.atLadder(begin(), phone)
	before := h.find(phone)
	b.fill("bank").atBank("green", "boris").on("recovery-bank")
	if !strings.Contains(b.text, `data-trouble="other-person"`) {
		t.Errorf("it says %s", textOf(b.page))
	}
	h.untouched(b, before)
	if h.find(others).Waiting != (account.Wait{}) {
		t.Error("the other person's account is being recovered")
	}
}

func TestABankIsOfferedInARecoveryOnlyWhereItMayBeAsked(t *testing.T) {
	for _, row := range []struct {
		name     string
		contract func(*bank.Contract)
		change   func(*account.Account)
		offered  bool
		trouble  string
	}{
		{name: "a contract as good as the account", change: verified, offered: true},
		{name: "a contract for less than the account's level", contract: func(c *bank.Contract) { c.Level = account.Standard }, change: verified},
		{name: "a contract for less, and an account of less", contract: func(c *bank.Contract) { c.Level = account.Standard }, offered: true},
		{name: "evidence of less than the contract allows", contract: func(c *bank.Contract) { c.ACR = []string{"in-person"} }, change: verified, offered: true, trouble: "little"},
		{name: "a bank that is locked", change: locked(account.SwitchBank("green"))},
		{name: "all banks locked", change: locked(account.SwitchBanks)},
	} {
		t.Run(row.name, func(t *testing.T) {
			const phone = "+79149000005"
			green := newBank(t, "green")
			if row.contract != nil {
				row.contract(&green.Contract)
			}
			h := newHouse(t, green.Config)
			h.openBanks(green)
			begin := func() *browser {
				b := h.browser()
				b.also = []string{green.Issuer}
				return b
			}
			h.linkedTo(green, phone, begin, standard, withTOTP)
			if row.change != nil {
				h.change(phone, row.change)
			}
			b := h.atLadder(begin(), phone)
			before := h.find(phone)
			if got := slices.Contains(b.marked("data-action"), "bank"); got != row.offered {
				t.Fatalf("offered: %v", got)
			}
			if !row.offered {
				b.post("/recovery/bank", url.Values{"attempt": {b.attempt()}, "bank": {"green"}})
				if b.left != nil || b.name() == "bank-login" {
					t.Error("whoever posts the form goes there all the same")
				}
				h.untouched(b, before)
				return
			}
			b.fill("bank").atBank("green", "anna").on("recovery-bank")
			if row.trouble == "" {
				if b.state() != "vouched" {
					t.Errorf("it says %q", b.state())
				}
				return
			}
			if !strings.Contains(b.text, `data-trouble="`+row.trouble+`"`) {
				t.Errorf("it says %s", textOf(b.page))
			}
			h.untouched(b, before)
		})
	}
}

func verified(a *account.Account) { a.Level = account.Verified }

func locked(which account.Switch) func(*account.Account) {
	return func(a *account.Account) { a.Locks = []account.Lock{{Switch: which}} }
}

// change changes the account of a phone.
func (h *house) change(phone string, change func(*account.Account)) {
	h.t.Helper()
	err := h.records.Update(h.t.Context(), h.find(phone).ID, func(a *account.Account) error {
		change(a)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// returning stops where the bank sends the person back, and returns that address.
func (b *browser) returning(customer string) string {
	b.t.Helper()
	b.fill("continue", "bank", "green").on("bank-login").fill("continue", "username", customer, "password", "bank-password").on("bank-consent")
	follow := b.http.CheckRedirect
	defer func() { b.http.CheckRedirect = follow }()
	back := ""
	b.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		back = r.URL.RequestURI()
		return http.ErrUseLastResponse
	}
	b.fill("allow")
	if !strings.HasPrefix(back, "/bank/callback?") {
		b.t.Fatalf("the bank leads to %q", back)
	}
	return back
}

// An answer is for the recovery in which the bank was asked: not for another browser's, not for another person's, and no sign-in.
func TestABanksAnswerIsForItsRecoveryAlone(t *testing.T) {
	const phone, others = "+79149000006", "+79149000007"
	h, _, begin, b := laddered(t, phone)
	h.person(others, withTOTP)
	before := h.find(phone)
	back := b.fill("bank").returning("anna")
	thief := h.browser().open("/login")
	if thief.open(h.url + back); thief.status != http.StatusGone {
		t.Errorf("another browser is answered %d", thief.status)
	}
	if b.open(h.url + back); b.status != http.StatusGone {
		t.Errorf("a spent state is answered %d", b.status)
	}
	h.untouched(b, before)

	h.clock.Advance(11 * time.Minute)
	b = h.atLadder(begin(), phone)
	attempt := b.attempt()
	back = b.fill("bank").returning("anna")
	b.open(h.url+"/recovery?attempt="+attempt).on("recovery").fill("continue", "identifier", others).on("recovery-code")
	code, _ := h.sent(others)
	b.fill("continue", "code", code).on("totp")
	if b.open(h.url + back); b.status != http.StatusGone || h.find(others).Waiting != (account.Wait{}) {
		t.Errorf("in another person's recovery it is answered %d", b.status)
	}
	h.untouched(b, before)
}

// What a person goes to their bank for does not change on the way, and a recovery that went on meanwhile needs no bank.
func TestABankThatWasAskedForSomethingElseDoesNotVouch(t *testing.T) {
	const phone = "+79149000009"
	h, _, begin, _ := laddered(t, phone)
	before := h.find(phone)
	h.clock.Advance(11 * time.Minute)
	b := begin().open("/login").on("identify")
	attempt := b.attempt()
	back := b.fill("bank").on("bank").returning("anna")
	b.open(h.url+"/recovery?attempt="+attempt).on("recovery").fill("continue", "identifier", phone).on("recovery-code")
	code, _ := h.sent(phone)
	b.fill("continue", "code", code).on("totp")
	b.open(h.url + back).on("totp") // it was to sign in
	h.untouched(b, before)

	h.clock.Advance(11 * time.Minute)
	b = h.atLadder(begin(), phone)
	attempt = b.attempt()
	back = b.fill("bank").returning("anna")
	b.open(h.url+"/login/totp?attempt="+attempt).on("totp").fill("continue", "code", h.code(secret)).on("recovery-day")
	b.open(h.url + back).on("recovery-day") // there is nothing left to vouch for
	h.untouched(b, before)
}

func TestOfFiftyReturnsFromABankOneIsHeard(t *testing.T) {
	const phone = "+79149000008"
	h, _, _, b := laddered(t, phone)
	back := b.fill("bank").returning("anna")
	var all sync.WaitGroup
	var mu sync.Mutex
	gone := 0
	for range 50 {
		all.Go(func() {
			twin := &browser{t: t, http: &http.Client{Jar: b.http.Jar}, base: b.base}
			twin.open(h.url + back)
			mu.Lock()
			defer mu.Unlock()
			if twin.status == http.StatusGone {
				gone++
			}
		})
	}
	all.Wait()
	if gone != 49 || told(h.notices(), "recovery-bank") != 2 {
		t.Errorf("%d of fifty were not heard", gone)
	}
}
