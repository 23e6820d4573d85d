package account

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// The limits of asking a person on their device (F11). A place stays taken for as long as its request could have lived, so
// that answering fast does not invite more.
const (
	askLife    = time.Minute
	askKept    = 10 * time.Minute // so that the page can say how it ended
	openAsks   = 3                // that wait for one person at a time
	asksAnHour = 12               // to one person
	askQuiet   = time.Hour        // after the person said that they know nothing of it
	askChoices = 3                // numbers to choose from
)

// Ask is a sign-in elsewhere that waits for its person's word.
type Ask struct {
	ID      string
	Account ID
	Flow    string            // the attempt that asked
	Number  int               // 10 to 99, shown where the person signs in
	Choices []int             // shown on the device: the number is one of them
	Service map[string]string // localised name of the service; empty for the person's own cabinet
	Origin  Origin            // of who signs in
	Holder  string            // keys.Hash of the cookie of the phone that claimed a QR code; empty otherwise
	At      time.Time
	Until   time.Time
}

// Verdict is what became of an Ask.
type Verdict string

// The verdicts.
const (
	Waiting  Verdict = "waiting"
	Approved Verdict = "approved"
	Refused  Verdict = "refused"
	WrongOne Verdict = "wrong"    // another number was chosen: nothing was compared, so nothing is approved
	Reported Verdict = "reported" // the person knows nothing of it
	Expired  Verdict = "expired"
)

// PushRequest asks the devices of a person to approve a sign-in.
type PushRequest struct {
	Flow    string
	Browser string // cookie by which the browser is known: from another one nobody is asked
	Service map[string]string
	Origin  Origin
}

func askKey(id string) string        { return "ask/" + id }
func askFlowKey(flow string) string  { return "ask/flow/" + flow }
func askOpenKey(id string) string    { return "ask/open/" + id }
func askVerdictKey(id string) string { return "ask/verdict/" + id }
func askSlotKey(account ID, n int) string {
	return "ask/slot/" + string(account) + "/" + strconv.Itoa(n)
}
func askQuietKey(account ID) string     { return "ask/quiet/" + string(account) }
func askUsedKey(id string) string       { return "ask/used/" + id }
func askHourKey(account ID) string      { return "ask/hour/" + string(account) }
func tooManyAsks(until time.Time) error { return ThrottledError{"push", until} }
func (a Ask) verdictAt(now time.Time) Verdict {
	if now.Before(a.Until) {
		return Waiting
	}
	return Expired
}

// AskPush puts a sign-in before the person on their devices. ErrNotFound when there is no device or the browser is not one in
// which the person was seen (C40); ThrottledError when they are asked too often.
func (s *Service) AskPush(ctx context.Context, id ID, req PushRequest) (Ask, error) {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return Ask{}, fmt.Errorf("reading an account: %w", err)
	}
	now := s.now()
	if err := a.Gate(SwitchPush, now); err != nil {
		return Ask{}, err
	}
	if !a.HasPush() || !a.Knows(req.Browser, now) {
		return Ask{}, ErrNotFound
	}
	slot, err := s.askSlot(ctx, id, now)
	if err != nil {
		return Ask{}, err
	}
	ask := newAsk(req.Flow, req.Service, req.Origin, now, askLife)
	ask.Account = id
	if err := s.keepAsk(ctx, ask); err != nil {
		return Ask{}, err
	}
	if err := s.cfg.Ephemera.Put(ctx, askSlotKey(id, slot), []byte(ask.ID), askLife); err != nil {
		return Ask{}, fmt.Errorf("putting a request before a person: %w", err)
	}
	return ask, s.callDevices(ctx, a, ask)
}

func newAsk(flow string, service map[string]string, o Origin, now time.Time, life time.Duration) Ask {
	choices := numbers(askChoices)
	return Ask{
		ID: keys.RandomHandle(), Flow: flow, Number: choices[pick(askChoices)], Choices: choices,
		Service: service, Origin: o, At: now, Until: now.Add(life),
	}
}

// askSlot reserves one of the few places for requests that wait for a person.
func (s *Service) askSlot(ctx context.Context, id ID, now time.Time) (int, error) {
	_, quiet, err := s.cfg.Ephemera.Get(ctx, askQuietKey(id))
	if err != nil {
		return 0, fmt.Errorf("reading whether a person may be asked: %w", err)
	}
	if quiet {
		return 0, tooManyAsks(now.Add(askQuiet))
	}
	sum, err := s.cfg.Ephemera.Count(ctx, askHourKey(id), 1, time.Hour)
	if err != nil {
		return 0, fmt.Errorf("counting requests: %w", err)
	}
	if sum > asksAnHour {
		return 0, tooManyAsks(now.Add(time.Hour))
	}
	for n := range openAsks {
		first, err := s.cfg.Ephemera.Once(ctx, askSlotKey(id, n), askLife)
		if err != nil {
			return 0, fmt.Errorf("reserving a place for a request: %w", err)
		}
		if first {
			return n, nil
		}
	}
	return 0, tooManyAsks(now.Add(askLife))
}

// keepAsk keeps a request for its page, and opens it for one answer.
func (s *Service) keepAsk(ctx context.Context, ask Ask) error {
	raw, err := json.Marshal(ask)
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	for _, put := range []struct {
		key   string
		value []byte
		life  time.Duration
	}{
		{askKey(ask.ID), raw, askKept},
		{askOpenKey(ask.ID), []byte("open"), ask.Until.Sub(ask.At)},
		{askFlowKey(ask.Flow), []byte(ask.ID), askKept},
	} {
		if err := s.cfg.Ephemera.Put(ctx, put.key, put.value, put.life); err != nil {
			return fmt.Errorf("keeping a request: %w", err)
		}
	}
	return nil
}

// AskOf returns the last request of a flow and what became of it; ErrNotFound when there was none.
func (s *Service) AskOf(ctx context.Context, flow string) (Ask, Verdict, error) {
	id, ok, err := s.cfg.Ephemera.Get(ctx, askFlowKey(flow))
	if err != nil {
		return Ask{}, "", fmt.Errorf("reading a request: %w", err)
	}
	if !ok {
		return Ask{}, "", ErrNotFound
	}
	return s.ask(ctx, string(id))
}

func (s *Service) ask(ctx context.Context, id string) (Ask, Verdict, error) {
	values, err := s.cfg.Ephemera.GetAll(ctx, askKey(id), askVerdictKey(id))
	if err != nil {
		return Ask{}, "", fmt.Errorf("reading a request: %w", err)
	}
	if values[0] == nil {
		return Ask{}, "", ErrNotFound
	}
	var ask Ask
	if err := json.Unmarshal(values[0], &ask); err != nil {
		return Ask{}, "", fmt.Errorf("decoding a request: %w", err)
	}
	if values[1] != nil {
		return ask, Verdict(values[1]), nil
	}
	return ask, ask.verdictAt(s.now()), nil
}

// Asks lists the requests that wait for a person, oldest first.
func (s *Service) Asks(ctx context.Context, id ID) ([]Ask, error) {
	slots := make([]string, openAsks)
	for n := range slots {
		slots[n] = askSlotKey(id, n)
	}
	held, err := s.cfg.Ephemera.GetAll(ctx, slots...)
	if err != nil {
		return nil, fmt.Errorf("reading what a person is asked: %w", err)
	}
	var out []Ask
	for _, request := range held {
		if request == nil {
			continue
		}
		ask, verdict, err := s.ask(ctx, string(request))
		if errors.Is(err, ErrNotFound) || err == nil && verdict != Waiting {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, ask)
	}
	slices.SortFunc(out, func(a, b Ask) int { return a.At.Compare(b.At) })
	return out, nil
}

// Answer is a person's word about an Ask: the number that they chose, or a verdict that needs none.
type Answer struct {
	Number  int
	Verdict Verdict // Refused or Reported; empty where a number was chosen
}

// AnswerPush takes the word of the person whose device holds the cookie. A request is answered once: ErrCodeSpent to every
// other, ErrCodeExpired when it is over, ErrNotFound when it is not this person's.
func (s *Service) AnswerPush(ctx context.Context, cookie, request string, answer Answer, o Origin) (Verdict, error) {
	a, device, err := s.Approver(ctx, cookie)
	if err != nil {
		return "", err
	}
	ask, verdict, err := s.ask(ctx, request)
	if err != nil {
		return "", err
	}
	if ask.Account != a.ID {
		return "", ErrNotFound
	}
	if verdict != Waiting {
		return "", overBy(verdict)
	}
	if err := s.closeAsk(ctx, ask); err != nil {
		return "", err
	}
	verdict = answer.on(ask)
	err = s.change(ctx, a.ID, func(a *Account) error {
		i := slices.IndexFunc(a.PushDevices, func(d PushDevice) bool { return d.ID == device.ID })
		if i < 0 {
			return ErrNotFound
		}
		now := s.now()
		if err := a.Gate(SwitchPush, now); err != nil {
			return err
		}
		a.PushDevices = slices.Clone(a.PushDevices)
		a.PushDevices[i].UsedAt = now
		a.noteVerdict(verdict, ask, device.Name, now, o)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("keeping a person's answer: %w", err)
	}
	if verdict == Reported {
		if err := s.cfg.Ephemera.Put(ctx, askQuietKey(a.ID), []byte("quiet"), askQuiet); err != nil {
			return "", fmt.Errorf("keeping a person from being asked: %w", err)
		}
	}
	return verdict, s.keepVerdict(ctx, ask, verdict)
}

// closeAsk lets one answer through. It is closed before the answer is kept: if the node dies between, nothing was approved.
func (s *Service) closeAsk(ctx context.Context, ask Ask) error {
	_, first, err := s.cfg.Ephemera.Take(ctx, askOpenKey(ask.ID))
	if err != nil {
		return fmt.Errorf("closing a request: %w", err)
	}
	if !first {
		return ErrCodeSpent
	}
	return nil
}

func (s *Service) keepVerdict(ctx context.Context, ask Ask, v Verdict) error {
	if err := s.cfg.Ephemera.Put(ctx, askVerdictKey(ask.ID), []byte(v), askKept); err != nil {
		return fmt.Errorf("keeping what became of a request: %w", err)
	}
	return nil
}

func overBy(v Verdict) error {
	if v == Expired {
		return ErrCodeExpired
	}
	return ErrCodeSpent
}

func (w Answer) on(ask Ask) Verdict {
	switch {
	case w.Verdict == Reported || w.Verdict == Refused:
		return w.Verdict
	case w.Number == ask.Number:
		return Approved
	}
	return WrongOne
}

// noteVerdict keeps what the person said in their journal; of what they know nothing of, every contact hears.
func (a *Account) noteVerdict(v Verdict, ask Ask, device string, now time.Time, o Origin) {
	details := []string{"device", device, "asked-from", ask.Origin.Address.String(), "asked-in", ask.Origin.Device()}
	switch v {
	case Approved:
		a.note(PushApproved, now, o, details...)
	case Reported:
		a.note(PushReported, now, o, details...)
		a.tell("push-reported", now, nil)
	default:
		a.note(PushRefused, now, o, append(details, "verdict", string(v))...)
	}
}

// VerifyPush takes the approval of a flow once: ErrWrongCode while nobody has approved it, ErrCodeExpired or ErrCodeSpent when
// nobody will.
func (s *Service) VerifyPush(ctx context.Context, id ID, flow string) error {
	ask, verdict, err := s.AskOf(ctx, flow)
	if errors.Is(err, ErrNotFound) || err == nil && ask.Account != id {
		return ErrCodeExpired
	}
	if err != nil {
		return err
	}
	if verdict == Waiting {
		return ErrWrongCode
	}
	if verdict != Approved {
		return overBy(verdict)
	}
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	if err := a.Gate(SwitchPush, s.now()); err != nil {
		return err
	}
	first, err := s.cfg.Ephemera.Once(ctx, askUsedKey(ask.ID), askKept)
	if err != nil {
		return fmt.Errorf("using an approval: %w", err)
	}
	if !first || !a.HasPush() {
		return ErrCodeSpent
	}
	return nil
}

// numbers are n different ones of two digits.
func numbers(n int) []int {
	var out []int
	for len(out) < n {
		if x := 10 + pick(90); !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// pick is a random number from 0 to n-1.
func pick(n int) int {
	x, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil { // crypto/rand never fails
		panic(err)
	}
	return int(x.Int64())
}
