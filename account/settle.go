package account

import (
	"slices"
	"time"
)

// SettleAfter is how long the person has to have been using a browser before they may change in it how they sign in. Whoever talks
// somebody into reading out a password and codes signs in with them elsewhere, and would leave a key of their own there. In this time the
// owner hears of the new browser and disowns it.
const SettleAfter = 24 * time.Hour

// MayChange reports whether a session may change how its person signs in, beside having shown freshly that it is them: nil, or a
// NewBrowserError. A session that has shown what nobody can read out, a passkey or an e-signature, may anywhere; any other in a browser in which the
// person has been signing in for a day, or in which the account was made.
func (a *Account) MayChange(s *Session, now time.Time) error {
	if StrengthOf(s.Proofs) >= PhishingResistant {
		return nil
	}
	seen, ok := a.browser(s.Browser, now)
	if ok && seen.settled(now) {
		return nil
	}
	refused := NewBrowserError{Key: a.hasKey(now)}
	if ok {
		refused.Until = seen.FirstAt.Add(SettleAfter)
	}
	return refused
}

// AtHome reports whether the browser with this cookie is one in which the person has been signing in for a day, or in which the account was made.
func (a *Account) AtHome(cookie string, now time.Time) bool {
	seen, ok := a.browser(browserHash(a.ID, cookie), now)
	return ok && seen.settled(now)
}

func (b Browser) settled(now time.Time) bool { return b.Own || now.Sub(b.FirstAt) >= SettleAfter }

// browser returns a known browser by its hash.
func (a *Account) browser(hash string, now time.Time) (Browser, bool) {
	i := slices.IndexFunc(a.Browsers, func(b Browser) bool { return b.Hash == hash && now.Sub(b.LastAt) < BrowserLife })
	if hash == "" || i < 0 {
		return Browser{}, false
	}
	return a.Browsers[i], true
}

// hasKey reports whether the person has set up something that nobody can read out and that they have not locked.
func (a *Account) hasKey(now time.Time) bool {
	return len(a.Passkeys) > 0 && a.Allows(SwitchPasskey, now) ||
		a.Allows(SwitchSignature, now) && slices.ContainsFunc(a.Certificates, func(c Certificate) bool { return now.Before(c.NotAfter) })
}
