package account

import (
	"slices"
	"time"

	"github.com/vhod-id/vhod/account/credential"
)

// Way is one whole way into an account. Everything in it is needed at once.
type Way struct {
	First   Method // stands first: password, passkey, bank, esign, recovery, or activation
	Channel string // of a recovery "sms" or "mail", of a bank its id; empty for the rest
	Second  Method // what is asked after it; empty when nothing is
	// Mail says that in a browser in which the person was never seen a code by e-mail is asked as well, where the runner has those confirmed.
	Mail bool
}

// Loss is something that a person may no longer have.
type Loss string

// What is lost. Each of phone and device takes one passkey that is not copied elsewhere with it.
const (
	LostPhone    Loss = "phone" // the number, and the apps on it
	LostMail     Loss = "mail"
	LostDevice   Loss = "device" // the computer, and the token of the e-signature
	LostPassword Loss = "password"
)

// Losses lists all of them, in the order in which a page shows them.
func Losses() []Loss { return []Loss{LostPhone, LostMail, LostDevice, LostPassword} }

// Ways lists every way in which the account opens now, to a person who has lost something. It says what the doors do: the
// locks of the person count, an ended certificate does not, and whoever has a second factor is never let in without one.
func (a *Account) Ways(now time.Time, lost ...Loss) []Way {
	if a.Status != Active {
		return nil
	}
	h := holding{a, now, lost}
	var ways []Way
	add := func(first Method, channel string) {
		for _, second := range h.seconds(channel == "sms") {
			way := Way{First: first, Channel: channel, Second: second}
			way.Mail = a.mailed(way, now)
			ways = append(ways, way)
		}
	}
	wait := func(channel string) { // who has nothing else left waits instead, or asks whom they trust, or a bank
		if a.HasSecondFactor() {
			ways = append(ways, Way{First: MethodRecovery, Channel: channel, Second: MethodWait})
		}
		if a.MayAsk(now) {
			ways = append(ways, Way{First: MethodRecovery, Channel: channel, Second: MethodTrusted})
		}
		if len(a.VouchingBanks(now)) > 0 {
			ways = append(ways, Way{First: MethodRecovery, Channel: channel, Second: MethodBank})
		}
	}
	if a.Password.Hash != "" && h.has(MethodPassword) {
		add(MethodPassword, "")
	}
	if h.has(MethodPasskey) && h.passkey(func(k credential.Passkey) bool { return k.Verifies }) {
		ways = append(ways, Way{First: MethodPasskey})
	}
	for _, b := range a.Banks {
		if h.has(MethodBank) && a.gateBank(b.Bank, now) == nil {
			add(MethodBank, b.Bank)
		}
	}
	if h.has(MethodSignature) && slices.ContainsFunc(a.Certificates, func(c Certificate) bool { return now.Before(c.NotAfter) }) {
		ways = append(ways, Way{First: MethodSignature})
	}
	if !a.Phone.ConfirmedAt.IsZero() && h.has(MethodSMS) && a.GateRecovery("sms", now) == nil {
		add(MethodRecovery, "sms")
		wait("sms")
	}
	if !a.Email.ConfirmedAt.IsZero() && !slices.Contains(lost, LostMail) && a.GateRecovery("mail", now) == nil {
		add(MethodRecovery, "mail")
		wait("mail")
	}
	if a.activates(now) == nil { // of which nothing here is lost
		ways = append(ways, Way{First: MethodActivation})
	}
	return ways
}

// mailed reports what Way.Mail says: after a password alone, and after a code by SMS where the person could show something surer in that browser. In a
// recovery a contact was proven before.
func (a *Account) mailed(w Way, now time.Time) bool {
	surer := func(m Method) bool { return m.Surer() && m != MethodPush && a.Allows(SwitchOf(m), now) } // no device is asked from there (C40)
	switch {
	case a.Email.ConfirmedAt.IsZero() || w.First == MethodRecovery:
		return false
	case w.Second == MethodSMS:
		return slices.ContainsFunc(a.Factors(), surer)
	}
	return w.Second == "" && w.First == MethodPassword
}

// holding is what a person still has in their hands.
type holding struct {
	*Account
	now  time.Time
	lost []Loss
}

// takes is what goes with each loss, passkeys apart.
var takes = map[Loss][]Method{
	LostPhone:    {MethodSMS, MethodTOTP, MethodPush},
	LostDevice:   {MethodSignature},
	LostPassword: {MethodPassword},
}

// has reports whether a method is neither lost nor locked.
func (h holding) has(m Method) bool {
	for _, loss := range h.lost {
		if slices.Contains(takes[loss], m) {
			return false
		}
	}
	return h.Allows(SwitchOf(m), h.now)
}

// passkey reports whether a passkey of the kind is left: a copied one, or more than there are things lost that may hold one.
func (h holding) passkey(kind func(credential.Passkey) bool) bool {
	spare := 0
	for _, loss := range h.lost {
		if loss == LostPhone || loss == LostDevice {
			spare--
		}
	}
	for _, k := range h.Passkeys {
		switch {
		case !kind(k):
		case k.Synced:
			return true
		default:
			spare++
		}
	}
	return spare > 0
}

// seconds lists what would do beside a first factor: one empty Method when nothing is asked.
func (h holding) seconds(noSMS bool) []Method {
	if !h.HasSecondFactor() {
		return []Method{""}
	}
	var out []Method
	for _, m := range h.Factors() {
		switch {
		case !h.has(m), m == MethodSMS && noSMS:
		case m == MethodPasskey && !h.passkey(func(credential.Passkey) bool { return true }):
		default:
			out = append(out, m)
		}
	}
	if len(h.Backup.Hashes) > 0 && h.has(MethodBackup) {
		out = append(out, MethodBackup)
	}
	return out
}
