package account

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// ActivationLife is how long a code of a service centre opens, once it does.
const ActivationLife = 72 * time.Hour

// activationBytes is 80 bits: nobody guesses them, and sixteen characters can still be read out.
const activationBytes = 10

// activationText is Crockford's base32: no letter in it looks like a digit.
var activationText = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// ErrSameOperator says that two acts that need two operators came from one.
var ErrSameOperator = errors.New("the second operator has to be another one")

// MethodActivation is a code of a service centre. It signs nobody in: it sets a password.
const MethodActivation Method = "activation"

// Activation is a code by which an operator lets somebody back in who has lost every way. There is at most one, the last; the code itself is not kept.
type Activation struct {
	ID          string
	Case        string // number of the request that it was made for
	MadeBy      string // operator
	ConfirmedBy string // another operator; empty while none has
	Absent      bool   // the operator did not have the person before them
	Pair        bool   // another operator has to confirm: the person was not seen, or has more to lose
	MadeAt      time.Time
	OpensAt     time.Time
	EndsAt      time.Time
	Cancel      string // keys.Hash of the token by which the person cancels it
}

// activates reports whether the account opens by its code now: nil, or why not.
func (a *Account) activates(now time.Time) error {
	x := a.Activation
	switch {
	case x == nil, a.Status != Active, now.Before(x.OpensAt), !now.Before(x.EndsAt):
		return ErrWrongCode
	case (x.Pair || a.Level >= Verified) && x.ConfirmedBy == "":
		return ErrWrongCode
	}
	return a.gateActivation(x.Absent, now)
}

// gateActivation is Gate of a code of a centre. Whoever stands at the counter comes from nowhere afar.
func (a *Account) gateActivation(absent bool, now time.Time) error {
	if absent {
		if err := a.Gate(SwitchRecovery, now); err != nil {
			return err
		}
	}
	return a.Gate(SwitchPassword, now)
}

// NewActivation is what an operator asks for. Case and Operator must be set.
type NewActivation struct {
	Case     string
	Operator string
	Wait     time.Duration // before the code opens
	// Absent is that the person is not before the operator, who knows them by what they wrote. The code then opens no sooner than a recovery without any
	// second factor, two operators make it at any level, and a verified account becomes a standard one.
	Absent bool
}

func activationKey(code string) string { return "activation/" + code }

// MakeActivation makes a code for a person whom an operator has before them, in the place of any code before it, and tells every contact, with a link by
// which it is cancelled. ErrLocked when the account is not active; a LockedWayError when its person has locked passwords or, for who is absent, recovery.
func (s *Service) MakeActivation(ctx context.Context, id ID, ask NewActivation) (code string, made *Activation, err error) {
	if ask.Case == "" || ask.Operator == "" || ask.Wait < 0 {
		return "", nil, errors.New("making an activation code: a case and an operator are needed, and no negative wait")
	}
	raw := make([]byte, activationBytes)
	if _, err := rand.Read(raw); err != nil {
		return "", nil, fmt.Errorf("making an activation code: %w", err)
	}
	code, now, secret := activationText.EncodeToString(raw), s.now(), keys.RandomHandle()
	x := Activation{ID: keys.RandomID(), Case: ask.Case, MadeBy: ask.Operator, Absent: ask.Absent, MadeAt: now, Cancel: keys.Hash(secret)}
	err = s.change(ctx, id, func(a *Account) error {
		if a.Status != Active {
			return ErrLocked
		}
		if err := a.gateActivation(ask.Absent, now); err != nil {
			return err
		}
		mine, wait := x, ask.Wait
		if ask.Absent {
			wait = max(wait, s.cfg.Waits.of(a.Level))
		}
		mine.OpensAt = now.Add(wait)
		mine.EndsAt = mine.OpensAt.Add(ActivationLife)
		mine.Pair = ask.Absent || a.Level >= Verified
		a.Activation, made = &mine, &mine
		a.note(ActivationMade, now, Origin{}, "actor", ask.Operator, "case", ask.Case)
		a.tell(x.message(), now, map[string]string{
			"Opens": mine.OpensAt.In(noticeZone).Format("02.01.2006 15:04"), "Link": s.cfg.Issuer + "/recovery/activation/cancel?token=" + string(a.ID) + "." + secret,
		})
		return nil
	})
	if err != nil {
		return "", nil, fmt.Errorf("making an activation code: %w", err)
	}
	// The account first: a code without its record opens nothing, and the operator makes another.
	if err := s.cfg.Ephemera.Put(ctx, activationKey(code), []byte(string(id)+"."+x.ID), made.EndsAt.Sub(now)); err != nil {
		return "", nil, fmt.Errorf("keeping an activation code: %w", err)
	}
	return groups(code), made, nil
}

// message is the notice that tells the owner.
func (x Activation) message() string {
	if x.Absent {
		return "case-activation"
	}
	return "activation-made"
}

// groups writes a code in fours.
func groups(code string) string {
	var out []string
	for ; len(code) > 4; code = code[4:] {
		out = append(out, code[:4])
	}
	return strings.Join(append(out, code), "-")
}

// cleanActivation reads a code as people type it: with spaces and hyphens, in small letters, O for 0.
func cleanActivation(typed string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '\t', '\u00a0':
			return -1
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		}
		return r
	}, strings.ToUpper(typed))
}

// ConfirmActivation is the second operator saying that the first did right by a case. ErrNotFound when there is nothing of that case to confirm,
// ErrSameOperator for the first.
func (s *Service) ConfirmActivation(ctx context.Context, id ID, operator, number string) error {
	now := s.now()
	return s.change(ctx, id, func(a *Account) error {
		x := a.Activation
		switch {
		case x == nil || x.Case != number || !now.Before(x.EndsAt) || x.ConfirmedBy != "":
			return ErrNotFound
		case operator == "" || operator == x.MadeBy:
			return ErrSameOperator
		}
		confirmed := *x
		confirmed.ConfirmedBy = operator
		a.Activation = &confirmed
		a.note(ActivationConfirmed, now, Origin{}, "actor", operator, "case", number)
		return nil
	})
}

// Activating is the use of a code of a centre.
type Activating struct {
	Code     string // as typed
	Password string // the new one
	Browser  string // the browser's own cookie, which outlives sessions
	Origin   Origin
}

// findActivation returns the account that a code opens now. A code that is unknown, spent, cancelled, not yet or no longer good, or not confirmed is ErrWrongCode:
// who holds it learns no more. Wrong ones count.
func (s *Service) findActivation(ctx context.Context, with Activating) (a *Account, activation string, err error) {
	code, o := cleanActivation(with.Code), with.Origin
	about := s.cfg.Sealer.Index("try", "activation "+code)
	try := tryOf(ofRecovery(), about, about, o)
	if err := s.limit.admit(ctx, try); err != nil {
		return nil, "", err
	}
	raw, ok, err := s.cfg.Ephemera.Get(ctx, activationKey(code))
	if err != nil {
		return nil, "", fmt.Errorf("reading an activation code: %w", err)
	}
	id, activation, _ := strings.Cut(string(raw), ".")
	if ok {
		a, err = s.cfg.Store.Account(ctx, ID(id))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, "", fmt.Errorf("reading whom a code is of: %w", err)
		}
	}
	switch {
	case a == nil || a.Activation == nil || a.Activation.ID != activation:
		err = ErrWrongCode
	case a.activates(s.now()) != nil: // it is theirs, and something speaks against it: their journal says so, the page does not
		s.noteLater(a.ID, FactorFailed, o, "method", string(MethodActivation))
		err = ErrWrongCode
	default:
		return a, activation, a.gateNewBrowser(with.Browser, s.now())
	}
	s.limit.failed(ctx, try)
	return nil, "", err
}

// gateNewBrowser lets a code be used at once in a browser that the person has used for long, and in any other a day after it was made: the code can be
// read out to somebody on the telephone, and in that day every contact has a link by which it is cancelled.
func (a *Account) gateNewBrowser(browser string, now time.Time) error {
	if until := a.Activation.MadeAt.Add(SettleAfter); now.Before(until) && !a.AtHome(browser, now) {
		return NewBrowserError{Until: until}
	}
	return nil
}

// Activate spends a code: it sets a new password, removes every other way in, and ends all sessions. Somebody who had a second factor is asked for a new
// one at each sign-in until they have it; the browser is the person's own from then on. Of many uses of one code one succeeds; the others are
// ErrWrongCode. A NewBrowserError says from when on this browser will do.
func (s *Service) Activate(ctx context.Context, with Activating) error {
	o := with.Origin
	a, activation, err := s.findActivation(ctx, with)
	if err != nil {
		return err
	}
	if err := s.CheckPassword(ctx, with.Password, a.passwordWords()...); err != nil {
		return err
	}
	hash, err := s.cfg.Passwords.Hash(ctx, with.Password)
	if err != nil {
		return fmt.Errorf("hashing a password: %w", err)
	}
	err = s.change(ctx, a.ID, func(a *Account) error {
		now, x := s.now(), a.Activation
		if err := a.activates(now); err != nil || x.ID != activation {
			return ErrWrongCode
		}
		a.FactorDue = a.FactorDue || a.HasSecondFactor()
		a.Activation = nil
		a.dropSince(time.Time{}, now) // who held any of it is not known any more
		a.Browsers, a.Arrivals = nil, nil
		if hash := browserHash(a.ID, with.Browser); hash != "" {
			a.Browsers = []Browser{{Hash: hash, FirstAt: now, LastAt: now, Own: true}}
		}
		a.stopWaiting(now, o, string(MethodActivation))
		a.Password = credential.Password{Hash: hash, SetAt: now}
		a.note(PasswordReset, now, o, "case", x.Case, "method", string(MethodActivation))
		a.signOut(now, "")
		a.tell("activation-used", now, nil)
		if x.Absent && a.Level > Standard {
			a.lower(Standard, MethodActivation, now, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.limit.begin(ctx, tryOf(ofPassword(), "", string(a.ID), o)) // what strangers guessed at was the old one
	return nil
}

// PeekActivation reports whether a token from a message would cancel a code that is still there; ErrNotFound otherwise.
func (s *Service) PeekActivation(ctx context.Context, token string) error {
	id, secret, _ := strings.Cut(token, ".")
	a, err := s.cfg.Store.Account(ctx, ID(id))
	if err != nil {
		return fmt.Errorf("reading whom a token is of: %w", err)
	}
	if !a.Activation.cancelledBy(secret) {
		return ErrNotFound
	}
	return nil
}

// CancelActivation is the person, or whoever reads their messages, saying that they were at no service centre. It lets nobody in. ErrNotFound as for
// PeekActivation.
func (s *Service) CancelActivation(ctx context.Context, token string, o Origin) error {
	id, secret, _ := strings.Cut(token, ".")
	return s.change(ctx, ID(id), func(a *Account) error {
		if !a.Activation.cancelledBy(secret) {
			return ErrNotFound
		}
		a.cancelActivation(s.now(), o, "reason", "link")
		return nil
	})
}

// cancelActivation ends a code: an operator, or the owner, says so.
func (a *Account) cancelActivation(now time.Time, o Origin, details ...string) {
	a.note(ActivationCancelled, now, o, append(details, "case", a.Activation.Case)...)
	a.Activation = nil
	a.tell("activation-cancelled", now, nil)
}

// haveAll is the owner showing two factors: nobody who can do this has lost them, so that whoever says so is somebody else.
func (a *Account) haveAll(now time.Time, o Origin) {
	a.stopWaiting(now, o, "second factor")
	if a.Activation != nil && a.Activation.Absent {
		a.cancelActivation(now, o, "reason", "second factor")
	}
}

// owesFactor reports whether a service centre let the person in without the second factor that they had, and they have none again. As long as it is so,
// nobody gets back in by a code to a contact: whoever held the factor may hold the phone.
func (a *Account) owesFactor() bool { return a.FactorDue && !a.HasSecondFactor() }

func (x *Activation) cancelledBy(secret string) bool {
	return x != nil && keys.NewSecret(x.Cancel).Equal(keys.Hash(secret))
}
