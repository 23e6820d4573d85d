package account

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// A storm is guessing at many accounts at once, each time from elsewhere: passwords stolen from other sites, or a few
// common ones at everybody (G05, G06). No account and no address is near its limit then; only all of them together show it.
// Two things are counted over all nodes, by the calls that a wrong guess makes anyway and none for a right one:
//
//   - first guesses of a pair of identifier and address, the wrong and the right ones;
//   - at how many pairs one password was wrong, by a sketch of it.
//
// While a storm lasts, who guesses in a browser in which the person never signed in pays a toll for each guess.
const (
	stormWrong   = 500 // wrong first guesses in tryWindow
	stormSprayed = 30  // wrong first guesses in tryWindow by one password
	stormLife    = tryWindow
	// A third of all first guesses must be wrong: a busy morning is no storm.
	stormShare = 2
	// sketchSigns are what is counted of the keyed hash of a wrong password, six bits each: two of the passwords of a quarter
	// of an hour hardly meet, and yet many passwords have the same sketch, so that the counters tell none.
	sketchSigns = 3
)

// Storm says when guesses over all accounts are too many. Zero fields have the defaults.
type Storm struct {
	Wrong   int64 // wrong first guesses of a pair of identifier and address in a quarter of an hour; 500
	Sprayed int64 // the same by one and the same password; 30
}

// TollError says that a guess is not judged before a toll is paid for it.
type TollError struct {
	// Sprayed: this very password is being tried at many accounts.
	Sprayed bool
}

func (e TollError) Error() string {
	if e.Sprayed {
		return "this password is being tried at many accounts: a toll is to be paid"
	}
	return "many passwords are being guessed: a toll is to be paid"
}

// Showing is what a browser shows for itself beside a guess.
type Showing struct {
	Browser string // its own cookie: where the person signed in before, no toll is asked
	Paid    bool   // the toll was paid for this guess
}

// storm is what one node knows of it.
type storm struct {
	most  Storm
	log   *slog.Logger
	right atomic.Int64 // right first guesses that the other nodes have not heard of
	until atomic.Int64 // in milliseconds, as this node last heard
}

func newStorm(most Storm, log *slog.Logger) *storm {
	if most.Wrong == 0 {
		most.Wrong = stormWrong
	}
	if most.Sprayed == 0 {
		most.Sprayed = stormSprayed
	}
	return &storm{most: most, log: log}
}

const (
	stormKey      = "storm/until"
	stormWrongKey = "storm/wrong"
	stormRightKey = "storm/right"
)

// sketch is what is counted of a password: enough to see that it is the same one, and too little to tell which.
func (s *Service) sketch(password string) string {
	return s.cfg.Sealer.Index("tried", password)[:sketchSigns]
}

func (t *try) sketchKey() string { return "storm/tried/" + t.sketch }

// first reports whether it is the first guess of its pair at a password.
func (t *try) first() bool { return t.sketch != "" && (t.n == 1 || t.alone && t.n == 2) }

// pays reports whether a toll is due for the guess when there is a reason for one.
func (t *try) pays() bool { return t.sketch != "" && !t.spared && !t.paid }

// inStorm refuses a guess for which the toll is due, and counts it: the storm lasts as long as it blows.
func (l *limiter) inStorm(ctx context.Context, t *try) error {
	now := l.now()
	if t.sketch == "" || !now.Before(t.storm) {
		return nil
	}
	l.storm.until.Store(t.storm.UnixMilli())
	if !t.pays() {
		return nil
	}
	sums := l.countAll(ctx, tryWindow, Increment{stormWrongKey, 1}, Increment{stormRightKey, l.storm.right.Swap(0)})
	l.weigh(ctx, t, sums[0], sums[1])
	return TollError{}
}

// sprayed refuses a guess by a password that is being tried at many accounts.
func (l *limiter) sprayed(t *try, tried int64) error {
	if !t.pays() || tried < l.storm.most.Sprayed {
		return nil
	}
	return TollError{Sprayed: true}
}

// weigh begins a storm, or prolongs it.
func (l *limiter) weigh(ctx context.Context, t *try, wrong, right int64) {
	now := l.now()
	if wrong < l.storm.most.Wrong || stormShare*wrong < right || t.storm.Sub(now) > stormLife/2 {
		return
	}
	until := now.Add(stormLife)
	l.storm.until.Store(until.UnixMilli())
	if !now.Before(t.storm) {
		l.storm.log.WarnContext(ctx, "passwords are being guessed at many accounts", "wrong", wrong, "right", right, "until", until)
	}
	_ = l.store.Put(ctx, stormKey, momentBytes(until), stormLife) // without it the next wrong guess tries again
}

// Stormy reports whether tolls are asked, as far as this node has heard: it asks nobody.
func (s *Service) Stormy() bool { return s.now().UnixMilli() < s.limit.storm.until.Load() }

// KnowsBrowser reports whether the person with that identifier signed in before in the browser with this cookie. Without a
// cookie nobody is looked for.
func (s *Service) KnowsBrowser(ctx context.Context, by Identifier, cookie string) bool {
	if cookie == "" {
		return false
	}
	a, err := s.cfg.Store.Find(ctx, by)
	return err == nil && a.Knows(cookie, s.now())
}

// tollLater keeps in the journal, once an hour, that guesses at the account were refused in a storm.
func (s *Service) tollLater(id ID, o Origin) {
	s.later <- func(ctx context.Context) {
		first, err := s.cfg.Ephemera.Once(ctx, "storm/noted/"+string(id), time.Hour)
		if err != nil || !first {
			return
		}
		now := s.now()
		err = s.change(ctx, id, func(a *Account) error {
			a.note(SignInFailed, now, o, "method", string(MethodPassword), "reason", "storm")
			return nil
		})
		if err != nil {
			s.cfg.Log.ErrorContext(ctx, "noting a guess in a storm", "error", err)
		}
	}
}
