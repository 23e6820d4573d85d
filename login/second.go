package login

import (
	"slices"

	"github.com/vhod-id/vhod/account"
)

// circumstances are all that decides whether something is asked beside the first factor, and what will do.
type circumstances struct {
	Strength   account.Strength // the least that the service asks for
	Level      account.Level    // the least that the service asks for
	Sensitive  bool             // an act that changes or signs something, or lets another device in
	Remembered bool             // the person asked to remember this browser, less than 30 days ago
	Doubt      bool             // something is gravely unusual: see account.Risk
	New        bool             // the person was never seen in this browser, and the runner has that confirmed
	Mail       bool             // there is a confirmed address to which a code can go
	Without    bool             // the person says that they have nothing surer with them than their number
	Has        []account.Method // what the person has set up, what is asked first before the rest
}

// secondsFor is the policy of the second factor: what would do, in the order in which it is asked, or nothing when none is asked. Once a
// factor is set up it is asked at every sign-in (C29, R139), but for a remembered browser, where a service is content
// with one factor and with a level below verified, and nothing sensitive is at hand. Where a phishing-resistant proof is
// asked for and the person has one, nothing else will do; where they have none, the dispatcher says so after what they do
// have. In doubt no browser spares anybody, and codes by SMS, which go astray with the number, do not do where there is more. In a new browser they do there
// only with a code by e-mail after them, for who has nothing surer at hand. testdata/policy.golden is the whole table.
func secondsFor(c circumstances) []account.Method {
	if c.Remembered && !c.Doubt && !c.Sensitive && c.Strength <= account.OneFactor && c.Level < account.Verified {
		return nil
	}
	if slices.Contains(c.Has, account.MethodPasskey) && c.Strength == account.PhishingResistant {
		return []account.Method{account.MethodPasskey}
	}
	ways := slices.DeleteFunc(slices.Clone(c.Has), c.tooWeak)
	if at := slices.Index(ways, account.MethodSMS); c.Without && at > 0 {
		ways = slices.Insert(slices.Delete(ways, at, at+1), 0, account.MethodSMS)
	}
	return ways
}

// tooWeak reports whether a factor does not do, because the person has a surer one.
func (c circumstances) tooWeak(m account.Method) bool {
	return m == account.MethodSMS && (c.Doubt && c.surer() || c.halved() && !c.Without)
}

// halved reports whether a code by SMS is but half of what is asked: the other half is one by e-mail. Where there is no address nobody is shut out.
func (c circumstances) halved() bool { return c.New && c.Mail && c.surer() }

func (c circumstances) surer() bool { return slices.ContainsFunc(c.Has, account.Method.Surer) }

// mayDoWithout reports whether who has nothing surer with them may go on by both codes.
func (c circumstances) mayDoWithout() bool {
	said := c
	said.Without = true
	return c.tooWeak(account.MethodSMS) && slices.Contains(secondsFor(said), account.MethodSMS)
}

// lacksMail reports whether a code by e-mail is asked that the proofs do not hold: of who has no second factor and has shown a password alone, in doubt and
// in a new browser (C29); and of whose second factor is a code by SMS, where that is but half. It raises no strength. Where there is no confirmed address
// there is nothing to ask.
func (c circumstances) lacksMail(proofs []account.Proof) bool {
	switch {
	case !c.Mail:
		return false
	case len(c.Has) == 0:
		return (c.Doubt || c.New) && !slices.ContainsFunc(proofs, func(p account.Proof) bool { return p.Method != account.MethodPassword })
	}
	return c.halved() && leansOnSMS(proofs)
}

// leansOnSMS reports whether beside the first factor there is a code by SMS and nothing else. Who is in a recovery has proven their mail before it.
func leansOnSMS(proofs []account.Proof) bool {
	more := func(p account.Proof) bool {
		return p.Method == account.MethodMailCode || p.Method == account.MethodRecovery || p.Method != account.MethodSMS && provedSecond([]account.Proof{p})
	}
	return slices.ContainsFunc(proofs, func(p account.Proof) bool { return p.Method == account.MethodSMS }) && !slices.ContainsFunc(proofs, more)
}

// circumstancesOf reads them from the person and what is asked.
func circumstancesOf(person *account.Account, p policy) circumstances {
	strength := p.Strength
	if p.Recovering {
		strength = account.OneFactor
	}
	return circumstances{
		Strength: strength, Level: p.Level, Sensitive: p.Device || !p.Since.IsZero(),
		Remembered: p.Remembered, Doubt: slices.ContainsFunc(p.Risks, account.Risk.Grave),
		New:  p.Confirm && !p.Recovering && slices.Contains(p.Risks, account.RiskBrowser),
		Mail: person != nil && !person.Email.ConfirmedAt.IsZero(), Without: p.Without, Has: secondsOf(person, p),
	}
}

// secondsOf lists what a person has set up beside the first factor: the preferred one, then the surest. A backup set alone
// is a spare key, not a factor. Who got in by a code to their phone proves another thing than the phone (F09), if
// only a spare key. Nobody is asked on their devices from a browser in which they were never seen (C40). Who has locked all
// that they have is still asked for it, in vain.
func secondsOf(person *account.Account, p policy) []account.Method {
	if person == nil || !person.HasSecondFactor() {
		return nil
	}
	has := slices.DeleteFunc(person.Factors(), func(m account.Method) bool {
		return m == account.MethodSMS && p.NoSMS || m == account.MethodPush && !p.Seen || !person.Allows(account.SwitchOf(m), p.Now)
	})
	spare := len(person.Backup.Hashes) > 0 && person.Allows(account.SwitchBackup, p.Now)
	if spare || len(has) == 0 {
		has = append(has, account.MethodBackup)
	}
	return has
}

// lacksSecond reports whether a second factor is asked that the proofs do not hold.
func lacksSecond(person *account.Account, proofs []account.Proof, p policy) bool {
	return !provedSecond(proofs) && len(secondsFor(circumstancesOf(person, p))) > 0
}

// secondPaths is where each second factor is asked.
var secondPaths = map[account.Method]string{
	account.MethodPasskey: "/login/passkey",
	account.MethodTOTP:    "/login/totp",
	account.MethodPush:    "/login/push",
	account.MethodSMS:     "/login/sms",
	account.MethodBackup:  "/login/backup",
}

// otherWay is a link to another second factor.
type otherWay struct {
	Method string // its words are second.way-METHOD
	URL    string // empty where it does not do now
	Why    string // then: why, in the catalogues
}

// wayLost is for who has none of what is asked any more, wayWithout for who has nothing surer than their number with them.
const (
	wayLost    = "lost"
	wayWithout = "without"
)

// otherWays are the second factors that would do as well.
func (v *visit) otherWays(but account.Method) []otherWay {
	var out []otherWay
	c := circumstancesOf(v.person, v.policy)
	for _, m := range secondsFor(c) {
		if m != but {
			out = append(out, otherWay{Method: string(m), URL: at(secondPaths[m], v.attempt)})
		}
	}
	for _, m := range c.Has {
		switch {
		case c.tooWeak(m) && c.Doubt:
			out = append(out, otherWay{Method: string(m), Why: "risk.too-weak"})
		case c.tooWeak(m):
			out = append(out, otherWay{Method: string(m), Why: "risk.too-weak-alone"})
		}
	}
	if c.mayDoWithout() {
		out = append(out, otherWay{Method: wayWithout, URL: at(withoutPage, v.attempt)})
	}
	if v.policy.Recovering {
		out = append(out, otherWay{Method: wayLost, URL: at("/recovery/ways", v.attempt)})
	}
	return out
}

// path is where a step begins for this visit; empty when it has no page.
func (v *visit) path(s step) string {
	if s == stepSecond {
		if ways := secondsFor(circumstancesOf(v.person, v.policy)); len(ways) > 0 {
			return secondPaths[ways[0]]
		}
	}
	return paths[s]
}
