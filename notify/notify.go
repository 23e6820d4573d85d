// Package notify delivers notices by SMS, mail, push and letter.
//
// An account owes a notice, notify pays it: it leases owed tasks from the outbox, renders them and
// hands them to a vendor, with a second vendor behind the first and growing waits between tries. A notice is
// delivered at least once; one that nobody takes within a day is dropped, and a code when it would come too late.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// ErrRefused is wrapped by a Sender's error when the vendor will never take this message (no such
// number or mailbox): another vendor is tried, the same one is not.
var ErrRefused = errors.New("the vendor refuses the message")

// Sender hands one message to a vendor. An error means that it may be tried again, unless it wraps ErrRefused.
// Its text goes to the log: it must hold neither the recipient nor the message.
type Sender interface {
	Send(ctx context.Context, to string, m templates.Message) error
}

// Outcome is what became of one try, for metrics.
type Outcome string

// The outcomes.
const (
	Sent      Outcome = "sent"
	Postponed Outcome = "postponed"
	Dropped   Outcome = "dropped"
)

// Config is what a Payer needs. Outbox, Pages and Now must be set.
type Config struct {
	Outbox account.Outbox
	Pages  *templates.Set
	SMS    []Sender // in order of preference
	Mail   []Sender
	Push   *WebPush // nil: browsers are told of nothing
	Now    func() time.Time
	Log    *slog.Logger
	// Tried is told of every try: the channel and what became of it. May be nil.
	Tried func(channel string, outcome Outcome)
}

const (
	// parallel is how many messages are under way at once: enough for a slow vendor, few enough to be polite.
	parallel = 8
	// leased hides a task from other nodes for longer than all vendors of a channel may take.
	leased = time.Minute
	// sendTimeout bounds one vendor.
	sendTimeout = 10 * time.Second
	// poll is how often the outbox is looked at without a kick: for what other nodes left and what was postponed.
	poll = 2 * time.Second
)

// waits before the next try, by tries made; they sum up to a day, after which the notice is dropped.
var waits = []time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 8 * time.Hour,
}

// codeTries is after how many tries a code is dropped: it lives for ten minutes (the first waits sum up to
// almost nine), and a dead code only confuses.
const codeTries = 5

// Payer pays owed notices.
type Payer struct {
	cfg   Config
	lanes []lane
}

// lane pays one kind of task. What goes to push services, which strangers choose, holds up nothing that goes to our vendors.
type lane struct {
	kind account.TaskKind
	kick chan struct{}
}

// New checks the configuration.
func New(cfg Config) (*Payer, error) {
	if cfg.Outbox == nil || cfg.Pages == nil || cfg.Now == nil {
		return nil, errors.New("notify: Outbox, Pages and Now are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Tried == nil {
		cfg.Tried = func(string, Outcome) {}
	}
	p := &Payer{cfg: cfg}
	for _, kind := range []account.TaskKind{account.OwedNotice, account.OwedPush} {
		p.lanes = append(p.lanes, lane{kind, make(chan struct{}, 1)})
	}
	return p, nil
}

// Kick makes the payer look at once. It never blocks.
func (p *Payer) Kick() {
	for _, l := range p.lanes {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}

// Run pays until ctx ends; messages under way are finished first. An outbox that fails is asked again.
func (p *Payer) Run(ctx context.Context) error {
	var group errgroup.Group
	for _, l := range p.lanes {
		group.Go(func() error { return p.run(ctx, l) })
	}
	return group.Wait()
}

func (p *Payer) run(ctx context.Context, l lane) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if err := p.payAll(ctx, l.kind); err != nil && ctx.Err() == nil {
			p.cfg.Log.ErrorContext(ctx, "paying notices", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.kick:
		case <-ticker.C:
		}
	}
}

// payAll pays everything of a kind that is due now.
func (p *Payer) payAll(ctx context.Context, kind account.TaskKind) error {
	for ctx.Err() == nil {
		tasks, err := p.cfg.Outbox.Lease(ctx, []account.TaskKind{kind}, p.cfg.Now(), leased, parallel)
		if err != nil {
			return fmt.Errorf("leasing notices: %w", err)
		}
		var group errgroup.Group
		for _, task := range tasks {
			group.Go(func() error { return p.pay(context.WithoutCancel(ctx), task) })
		}
		if err := group.Wait(); err != nil || len(tasks) < parallel {
			return err
		}
	}
	return nil
}

// pay delivers one notice, or says when it is tried again.
func (p *Payer) pay(ctx context.Context, task account.Task) error {
	var n account.Notice
	err := json.Unmarshal(task.Payload, &n)
	if err == nil && n.Channel == "none" { // owed so that an answer about nobody costs as much as one about somebody
		return p.cfg.Outbox.Pay(ctx, task.ID)
	}
	if err == nil {
		err = p.deliver(ctx, n)
	}
	if err == nil {
		p.cfg.Tried(n.Channel, Sent)
		return p.cfg.Outbox.Pay(ctx, task.ID)
	}
	log := p.cfg.Log.With("task", task.ID, "template", n.Template, "channel", n.Channel, "tries", task.Attempts+1, "error", err)
	dropped := errors.Is(err, ErrRefused) || task.Attempts >= triesOf(n.Template) || over(n, p.cfg.Now().Add(waits[task.Attempts]))
	switch {
	case errors.Is(err, errGone): // as browsers come and go
		log.InfoContext(ctx, "a notice has nowhere to go")
	case n.Channel == "push" && dropped: // push services are strangers' choice: no alarm of ours
		log.WarnContext(ctx, "a notice is dropped")
	case dropped:
		log.ErrorContext(ctx, "a notice is dropped")
	default:
		log.WarnContext(ctx, "a notice is postponed")
		p.cfg.Tried(n.Channel, Postponed)
		return p.cfg.Outbox.Postpone(ctx, task.ID, p.cfg.Now().Add(waits[task.Attempts]))
	}
	p.cfg.Tried(n.Channel, Dropped)
	return p.cfg.Outbox.Pay(ctx, task.ID)
}

// over reports whether a notice is worth nothing at that time.
func over(n account.Notice, at time.Time) bool { return !n.Until.IsZero() && !at.Before(n.Until) }

func triesOf(template string) int {
	if strings.HasPrefix(template, "code-") {
		return codeTries
	}
	return len(waits)
}

// errLate says that a notice came to nothing while it waited.
var errLate = fmt.Errorf("it is worth nothing any more: %w", ErrRefused)

// deliver tries the vendors of the channel in order. The error is ErrRefused when all of them refuse.
func (p *Payer) deliver(ctx context.Context, n account.Notice) error {
	if over(n, p.cfg.Now()) {
		return errLate
	}
	m, err := p.cfg.Pages.Message(n.Template, n.Channel, n.Lang, n.Args)
	if err != nil {
		return fmt.Errorf("rendering: %w", err)
	}
	senders := p.senders(n)
	if len(senders) == 0 {
		return fmt.Errorf("no vendor for channel %q", n.Channel)
	}
	var again error // the last failure that is worth another try
	for _, s := range senders {
		err = send(ctx, s, n.To, m)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrRefused) {
			again = err
		}
	}
	if again != nil {
		return again
	}
	return err
}

// senders are the vendors of a notice's channel, in order of preference.
func (p *Payer) senders(n account.Notice) []Sender {
	switch {
	case n.Channel == "sms":
		return p.cfg.SMS
	case n.Channel != "push":
		return p.cfg.Mail
	case p.cfg.Push == nil:
		return nil
	}
	return []Sender{p.cfg.Push.sender(n)}
}

func send(ctx context.Context, s Sender, to string, m templates.Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return s.Send(ctx, to, m)
}
