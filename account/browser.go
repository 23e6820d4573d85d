package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mileusna/useragent"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// How long a browser is known after its last sign-in, how many browsers and arrivals are, how long one message waits for
// further sign-ins to tell of, and how long the person may say that it was not them. An account is written anew by each
// sign-in, and dearer when it is longer than a page of the database.
const (
	BrowserLife = 400 * 24 * time.Hour // the longest that browsers keep a cookie (RFC 6265bis §5.5)
	maxBrowsers = 12
	maxArrivals = 12
	alertAfter  = 5 * time.Minute
	disownLife  = 10 * 24 * time.Hour
)

// Browser is one in which the person signed in, known by a cookie that outlives its sessions. It spares nobody a proof.
type Browser struct {
	Hash    string // of the cookie and the account: the same browser has another in another account
	FirstAt time.Time
	LastAt  time.Time
	Own     bool `json:",omitzero"` // the account was made or given back in it
}

// Arrival is a sign-in in a browser in which the person was not seen before.
type Arrival struct {
	At      time.Time
	Origin  Origin
	Browser string // Hash of the Browser; empty when it keeps no cookie
	Told    string `json:",omitzero"` // keys.Hash of the token by which the person disowns it; empty while the message is due
}

// Device says what a browser and its device are, in the words of their makers: "Chrome, Android". Empty when it does not say.
func (o Origin) Device() string {
	if o.UserAgent == "" {
		return ""
	}
	ua := useragent.Parse(o.UserAgent)
	var parts []string
	for _, part := range []string{ua.Name, ua.OS, ua.Device} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

func browserHash(id ID, cookie string) string {
	if cookie == "" {
		return ""
	}
	return keys.Hash(cookie + "/" + string(id))
}

// Knows reports whether the person signed in before in the browser with this cookie.
func (a *Account) Knows(cookie string, now time.Time) bool {
	_, ok := a.browser(browserHash(a.ID, cookie), now)
	return ok
}

// justSignedUp reports whether nobody has been seen in any browser since somebody signed up.
func (a *Account) justSignedUp(now time.Time) bool {
	return len(a.Browsers) == 0 && now.Sub(a.CreatedAt) < 24*time.Hour
}

// arrive keeps in which browser a session begins, and owes a message when it is a new one. The browser in which
// somebody has just signed up is nothing to tell them of.
func (a *Account) arrive(cookie string, now time.Time, o Origin) {
	known, first := a.Knows(cookie, now), a.Unseen
	a.LastVisit, a.Unseen = Visit{now, o.Address}, false
	hash := browserHash(a.ID, cookie)
	if hash != "" {
		seen := Browser{Hash: hash, FirstAt: now, LastAt: now, Own: first}
		kept := make([]Browser, 0, len(a.Browsers)+1)
		for _, b := range a.Browsers {
			switch {
			case b.Hash == hash:
				seen.FirstAt, seen.Own = b.FirstAt, b.Own
			case now.Sub(b.LastAt) < BrowserLife:
				kept = append(kept, b)
			}
		}
		for len(kept) >= maxBrowsers {
			i := leastMissed(kept)
			kept = slices.Delete(kept, i, i+1)
		}
		a.Browsers = append(kept, seen)
	}
	if known || first {
		return
	}
	if !slices.ContainsFunc(a.Arrivals, func(x Arrival) bool { return x.Told == "" }) {
		a.owe(OwedAlert, now.Add(alertAfter), struct{}{})
	}
	a.Arrivals = slices.DeleteFunc(slices.Clone(a.Arrivals), func(x Arrival) bool { return now.Sub(x.At) >= disownLife })
	for len(a.Arrivals) >= maxArrivals {
		i := leastTelling(a.Arrivals)
		a.Arrivals = slices.Delete(a.Arrivals, i, i+1)
	}
	o.RequestID = "" // stands in the journal
	a.Arrivals = append(a.Arrivals, Arrival{At: now, Origin: o, Browser: hash})
}

// leastMissed is the browser to forget: of those in which the person was once and never again, as in a private window, the one of
// longest ago, and else the one that was used longest ago. So sign-ins in ever new browsers displace none that the person comes back to.
func leastMissed(browsers []Browser) int {
	once := slices.IndexFunc(browsers, func(b Browser) bool { return b.FirstAt.Equal(b.LastAt) && !b.Own })
	return max(once, 0)
}

// leastTelling is the arrival to forget: the second of a message, because from the first on what was added is undone when the person
// disowns them, and many more must not hide it; the oldest where each has a message of its own.
func leastTelling(arrivals []Arrival) int {
	for i := 1; i < len(arrivals); i++ {
		if arrivals[i].Told == arrivals[i-1].Told {
			return i
		}
	}
	return 0
}

// payAlert tells the person of all new browsers at once, with a link by which they disown them. Where there is no mail the
// message has no link: it would teach people to follow links in SMS.
func (s *Service) payAlert(ctx context.Context, task Task) error {
	secret, now := keys.RandomHandle(), s.now()
	err := s.change(ctx, task.Account, func(a *Account) error {
		var lines []string
		for i := range a.Arrivals {
			x := &a.Arrivals[i]
			if x.Told != "" {
				continue
			}
			x.Told = keys.Hash(secret)
			lines = append(lines, x.line(s.From(x.Origin)))
		}
		if len(lines) == 0 {
			return nil
		}
		args := withTime(map[string]string{
			"Lines": strings.Join(lines, "\n"), "Link": s.cfg.Issuer + "/not-me?token=" + string(a.ID) + "." + secret,
		}, now)
		n := Notice{Channel: "mail", To: a.Email.Value, Template: "new-device", Lang: a.Lang, Args: args}
		if a.Email.ConfirmedAt.IsZero() {
			delete(args, "Link")
			n.Channel, n.To = "sms", a.Phone.Value
		}
		if n.To != "" {
			a.owe(OwedNotice, now, n)
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("telling of a new browser: %w", err)
	}
	return s.cfg.Outbox.Pay(ctx, task.ID)
}

// line says when, in what and from where, for a message in any language.
func (x Arrival) line(from string) string {
	parts := []string{x.At.In(noticeZone).Format("02.01.2006 15:04")}
	if device := x.Origin.Device(); device != "" {
		parts = append(parts, device)
	}
	if from != "" {
		parts = append(parts, from)
	}
	return strings.Join(parts, " · ")
}

// disowned are the arrivals that a token stands for.
func (a *Account) disowned(secret string, now time.Time) []Arrival {
	var out []Arrival
	hash := keys.Hash(secret)
	for _, x := range a.Arrivals {
		if x.Told == hash && now.Sub(x.At) < disownLife {
			out = append(out, x)
		}
	}
	return out
}

// Arrivals returns what a token from a message would disown; ErrNotFound for one that is used, over or made up.
func (s *Service) Arrivals(ctx context.Context, token string) ([]Arrival, error) {
	id, secret, _ := strings.Cut(token, ".")
	a, err := s.cfg.Store.Account(ctx, ID(id))
	if err != nil {
		return nil, fmt.Errorf("reading whom a token is of: %w", err)
	}
	out := a.disowned(secret, s.now())
	if len(out) == 0 {
		return nil, ErrNotFound
	}
	return out, nil
}

// Disown is the person saying that a sign-in was not theirs. Every session ends, the password opens nothing any more until
// they recover, no browser is remembered, and what was added since the first of those sign-ins is removed: a stranger may
// have left a way in for themselves. A token does it once; ErrNotFound as for Arrivals.
func (s *Service) Disown(ctx context.Context, token string, o Origin) error {
	id, secret, _ := strings.Cut(token, ".")
	now := s.now()
	return s.change(ctx, ID(id), func(a *Account) error {
		gone := a.disowned(secret, now)
		if len(gone) == 0 {
			return ErrNotFound
		}
		since := gone[0].At
		for _, x := range gone {
			a.Browsers = slices.DeleteFunc(slices.Clone(a.Browsers), func(b Browser) bool { return b.Hash == x.Browser })
			if x.At.Before(since) {
				since = x.At
			}
		}
		a.Arrivals = slices.DeleteFunc(slices.Clone(a.Arrivals), func(x Arrival) bool { return x.Told == gone[0].Told })
		a.Password, a.Activation = credential.Password{}, nil
		a.dropSince(since, now)
		a.note(SignInDisowned, now, o, "count", fmt.Sprint(len(gone)))
		a.signOut(now, "")
		a.tell("disowned", now, nil)
		return nil
	})
}

// dropSince removes every way in that was added since a time, and the ties of trust.
func (a *Account) dropSince(since, now time.Time) {
	after := func(added time.Time) bool { return !added.Before(since) }
	a.TOTP = slices.DeleteFunc(slices.Clone(a.TOTP), func(t credential.TOTP) bool { return after(t.AddedAt) })
	a.Passkeys = slices.DeleteFunc(slices.Clone(a.Passkeys), func(k credential.Passkey) bool { return after(k.AddedAt) })
	a.Certificates = slices.DeleteFunc(slices.Clone(a.Certificates), func(c Certificate) bool { return after(c.AddedAt) })
	a.Banks = slices.DeleteFunc(slices.Clone(a.Banks), func(b BankLink) bool { return after(b.LinkedAt) })
	a.PushDevices = slices.DeleteFunc(slices.Clone(a.PushDevices), func(d PushDevice) bool { return after(d.AddedAt) })
	if after(a.SMS.AddedAt) {
		a.SMS = SMSFactor{}
	}
	if after(a.Backup.MadeAt) {
		a.Backup = credential.BackupSet{}
	}
	a.endTies(&a.Trusted, now, Origin{}, "removed", func(t Tie) bool { return after(t.At) })
	a.endTies(&a.Trusting, now, Origin{}, "removed", func(t Tie) bool { return !t.AcceptedAt.IsZero() && after(t.AcceptedAt) })
	a.dropSpares()
}
