package login

import (
	"net/http"
	"slices"
	"time"

	"github.com/vhod-id/vhod/account"
)

// waysData is what the page recovery-ways shows: what a person who proved a contact may show beside it, and where they turn to when
// they have none of it.
type waysData struct {
	Attempt string
	Ways    []otherWay       // second factors; without an address where one does not do in doubt
	SignURL string           // by a linked electronic signature
	Locked  []account.Method // what they have, and have locked
	WaitURL string
	Waits   bool // they wait already

	TrustedURL string // by those whom the owner trusts; empty when there is nobody
	Asked      bool   // they were asked already

	BankURL string // by a linked bank; empty where there is none that may be asked
	Banked  bool   // it has said already that it is them
}

// showWays is the ladder of a recovery. Every rung asks for more than the contact that was proven: a second factor is never skipped (F09).
func (d *Door) showWays(w http.ResponseWriter, r *http.Request) error {
	v, err := d.losing(w, r)
	if v == nil {
		return err
	}
	a, person, now := v.attempt, v.person, d.cfg.Now()
	data := waysData{Attempt: a.ID, WaitURL: at("/recovery/lost", a)}
	_, data.Waits = person.Waits(a.Recovery.Channel, now)
	if state := v.trustedState(now).State; person.MayAsk(now) || state == "asked" || state == "vouched" {
		data.TrustedURL, data.Asked = at("/recovery/trusted", a), state != ""
	}
	if data.Banked = v.bankState(now).State == bankVouched; data.Banked || len(d.vouchers(person)) > 0 {
		data.BankURL = at(recoveryBankPage, a)
	}
	for _, way := range v.otherWays("") {
		if way.Method != wayLost {
			data.Ways = append(data.Ways, way)
		}
	}
	if hasCertificate(person, now) {
		data.SignURL = d.signURL(a)
	}
	data.Locked = lockedOf(person, now)
	page := v.page(d, r, "recovery-ways", data)
	page.Back = at(v.path(stepSecond), a)
	return d.render(w, r, a, page)
}

// lockedOf lists what a person could show in a recovery, had they not locked it for themselves.
func lockedOf(person *account.Account, now time.Time) []account.Method {
	has := person.Factors()
	if len(person.Backup.Hashes) > 0 {
		has = append(has, account.MethodBackup)
	}
	if len(person.Certificates) > 0 {
		has = append(has, account.MethodSignature)
	}
	return slices.DeleteFunc(has, func(m account.Method) bool { return person.Allows(account.SwitchOf(m), now) })
}
