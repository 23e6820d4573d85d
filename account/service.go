package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// Config is what a Service needs. Store, Sessions, Outbox, Cases, Ephemera, Passwords, Sealer and Now must be set.
type Config struct {
	Store      Store
	Sessions   SessionStore
	Outbox     Outbox
	Cases      CaseStore
	Ephemera   Ephemera
	Registries Registries // none: every check waits
	Passwords  *credential.Hasher
	Policy     *credential.Policy
	Sealer     *keys.Sealer // keyed hashes of short codes
	Issuer     string       // links in mail start with it; its host binds SMS codes
	Sending    Sending      // what SMS may cost
	Places     *Places      // where networks are; nil: nobody knows
	Storm      Storm        // when guesses over all accounts are too many
	Now        func() time.Time
	Log        *slog.Logger
	// Waits is how long a recovery without a second factor waits, by level: a day, three, seven, where it is zero.
	Waits Waits
	// Lives is how long sessions last, by strength; the usual where it is zero.
	Lives Lives
	// Owed is called after a commit that owes tasks, so that they are paid at once. May be nil.
	Owed func()
}

// Service is the use cases of accounts.
type Service struct {
	cfg     Config
	limit   *limiter
	sending *sending
	// passkeys is nil where the issuer is an IP address.
	passkeys *credential.Passkeys
	turns    turns
	wake     chan struct{}              // there is something for Pay that somebody waits for
	later    chan func(context.Context) // failures to note, out of the answer's time
	closing  chan struct{}
	done     sync.WaitGroup
	close    sync.Once
}

// laterQueue bounds what waits to be noted; when it is full the answer waits too, so nothing is dropped.
const laterQueue = 1024

// laterPause is how long what is to be noted waits. Written at once, it would hold up the rest of the very answer of which it
// must tell nothing: where there is nobody's account there is nothing to note.
const laterPause = 100 * time.Millisecond

// New checks the configuration and starts the worker that notes failures.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Sessions == nil || cfg.Outbox == nil || cfg.Cases == nil || cfg.Ephemera == nil || cfg.Passwords == nil || cfg.Sealer == nil || cfg.Now == nil {
		return nil, errors.New("account service: Store, Sessions, Outbox, Cases, Ephemera, Passwords, Sealer and Now are needed")
	}
	if cfg.Policy == nil {
		cfg.Policy = credential.NewPolicy(credential.PolicyConfig{})
	}
	for set, usual := range map[*time.Duration]time.Duration{
		&cfg.Waits.Simplified: usualWaits.Simplified, &cfg.Waits.Standard: usualWaits.Standard, &cfg.Waits.Verified: usualWaits.Verified,
	} {
		if *set == 0 {
			*set = usual
		}
	}
	cfg.Lives = cfg.Lives.orUsual()
	if cfg.Registries == nil {
		cfg.Registries = noRegistries{cfg.Now}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, wake: make(chan struct{}, 1), later: make(chan func(context.Context), laterQueue), closing: make(chan struct{})}
	s.sending = newSending(cfg.Sending)
	s.limit = newLimiter(cfg.Ephemera, s.now, newStorm(cfg.Storm, cfg.Log))
	var err error
	if s.passkeys, err = credential.NewPasskeys(cfg.Issuer); err != nil && !errors.Is(err, credential.ErrNoPasskeys) {
		return nil, fmt.Errorf("account service: %w", err)
	}
	s.done.Go(s.note)
	return s, nil
}

// note does what waits to be noted, all at once after a pause.
func (s *Service) note() {
	for work := range s.later {
		select {
		case <-time.After(laterPause):
		case <-s.closing:
		}
		work(context.Background())
		for n := len(s.later); n > 0; n-- {
			(<-s.later)(context.Background())
		}
	}
}

// Close waits until everything that was noted is written. The service is not used after it.
func (s *Service) Close() {
	s.close.Do(func() {
		close(s.closing)
		close(s.later)
	})
	s.done.Wait()
}

// now is the clock in the precision of the stores, so that "born earlier" is decided alike before and
// after a row was written.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// change runs a change of an account and has what it owes paid at once.
func (s *Service) change(ctx context.Context, id ID, change func(*Account) error) error {
	return s.changeBy(func(change func(*Account) error) error { return s.cfg.Store.Update(ctx, id, change) }, change)
}

// changeBy changes an account by a write of the store, and wakes who pays what it owes.
func (s *Service) changeBy(write func(change func(*Account) error) error, change func(*Account) error) error {
	owes, ties := false, false
	err := write(func(a *Account) error {
		err := change(a)
		a.FactorDue = a.FactorDue && !a.HasSecondFactor() // whatever gave them one
		if err == nil {
			a.keepVouched(s.now())
			a.keepTies(s.now())
		}
		owes, ties = len(a.owed) > 0, slices.ContainsFunc(a.owed, func(t Task) bool { return t.Kind == OwedTie })
		return err
	})
	if err == nil && owes {
		s.kick()
	}
	if err == nil && ties {
		select {
		case s.wake <- struct{}{}:
		default: // it is being woken
		}
	}
	return err
}

func (s *Service) kick() {
	if s.cfg.Owed != nil {
		s.cfg.Owed()
	}
}

// Look is who reads personal data, and why (house: every look is accounted for).
type Look struct {
	Who string // "person", "client:ID", "operator:ID", "system"
	Why string // "own session", "grant", a case number
}

// Read returns an account for the look. The person's own session and a service under its journalled
// grant pass freely; every other look leaves a line in the person's journal before the answer, and no
// line means no answer.
func (s *Service) Read(ctx context.Context, id ID, look Look) (*Account, error) {
	if look.Who != "person" && !strings.HasPrefix(look.Who, "client:") {
		err := s.change(ctx, id, func(a *Account) error {
			a.note(DataRead, s.now(), Origin{}, "actor", look.Who, "why", look.Why)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return s.cfg.Store.Account(ctx, id)
}

// Journal returns the person's history, newest first, older than the line before (0: from the newest).
func (s *Service) Journal(ctx context.Context, id ID, before int64, limit int) ([]Event, error) {
	return s.cfg.Store.Journal(ctx, id, JournalQuery{Before: before, Limit: limit})
}

// SearchJournal returns those lines of the person's history that are looked for, newest first.
func (s *Service) SearchJournal(ctx context.Context, id ID, of JournalQuery) ([]Event, error) {
	return s.cfg.Store.Journal(ctx, id, of)
}
