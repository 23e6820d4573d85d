package account

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// Life and limits of a one-time code (R120 to R123, C8, C35).
const (
	codeLife  = 10 * time.Minute
	linkLife  = 24 * time.Hour
	codeTries = 3
)

// CodePurpose binds a code to what it may be used for.
type CodePurpose string

// The purposes.
const (
	ForSignUp   CodePurpose = "sign-up"
	ForSignIn   CodePurpose = "sign-in"
	ForFactor   CodePurpose = "factor" // to turn codes by SMS on
	ForRecovery CodePurpose = "recovery"
	ForContact  CodePurpose = "contact" // a changed phone or address
)

// CodeRequest asks for a code to be sent.
type CodeRequest struct {
	Purpose CodePurpose
	Channel string // "sms" or "mail"
	To      string // canonical
	Flow    string // the id of the attempt that the code is bound to
	Lang    string
	Link    string // mail only: where the link leads; the service appends token=…
	Origin  Origin
	Browser string // what tells the browser from others; may be empty
	Silent  bool   // count and take as long, but send nothing: enumeration-proof flows to nobody
}

// CodeState is what a code page shows.
type CodeState struct {
	Channel   string
	Masked    string // "+7 (9••) •••-••-67"
	ExpiresAt time.Time
	ResendAt  time.Time // not before, as the page advises
	TriesLeft int
	SendsLeft int
}

// sentCode is what is kept of a code: a keyed hash, and whose contact it proves.
type sentCode struct {
	ID        string
	Hash      string
	To        string
	SentAt    time.Time
	ExpiresAt time.Time
	Silent    bool
}

// Each code of a flow has a slot of its own, so that two sendings at one moment lose none.
func slotsKey(p CodePurpose, channel, flow string) string {
	return "codes/" + string(p) + "/" + channel + "/" + flow
}

func slotKey(slots string, n int64) string { return slots + "/" + strconv.FormatInt(n, 10) }

// SendCode sends a new code bound to flow, purpose and contact. Codes sent before stay valid for
// their own time, so that a late message still works. It returns a ThrottledError when the limits are reached, and a FieldError
// for a number to which no SMS goes.
func (s *Service) SendCode(ctx context.Context, req CodeRequest) (CodeState, error) {
	if err := s.allowSend(ctx, req); err != nil {
		return CodeState{}, err
	}
	now, code, id := s.now(), credential.NewCode(), keys.RandomID()
	sent := sentCode{id, s.codeHash(id, code), req.To, now, now.Add(codeLife), req.Silent}
	if err := s.keepCode(ctx, slotsKey(req.Purpose, req.Channel, req.Flow), sent); err != nil {
		return CodeState{}, err
	}
	notice := Notice{Channel: req.Channel, To: req.To, Template: "code-" + string(req.Purpose), Lang: req.Lang, Args: map[string]string{
		"Code": code, "Minutes": strconv.Itoa(int(codeLife.Minutes())), "Host": s.host(),
	}}
	if req.Link != "" {
		link, err := s.makeLink(ctx, req)
		if err != nil {
			return CodeState{}, err
		}
		notice.Args["Link"] = link
	}
	if req.Silent {
		notice = Notice{Channel: "none"} // the same work, to nobody
	}
	if err := s.oweNotice(ctx, notice); err != nil {
		return CodeState{}, err
	}
	return s.stateOf(ctx, req.Channel, sent), nil
}

// makeLink makes the address that the mail carries; its token is used up by CheckLink alone.
func (s *Service) makeLink(ctx context.Context, req CodeRequest) (string, error) {
	token := keys.RandomHandle()
	value, err := json.Marshal(linkValue{Flow: req.Flow, To: req.To, Silent: req.Silent})
	if err != nil {
		return "", fmt.Errorf("encoding a link: %w", err)
	}
	if err := s.cfg.Ephemera.Put(ctx, linkKey(req.Purpose, token), value, linkLife); err != nil {
		return "", fmt.Errorf("keeping a link: %w", err)
	}
	u, err := url.Parse(req.Link)
	if err != nil {
		return "", fmt.Errorf("link: %w", err)
	}
	q := u.Query()
	q.Set("token", token)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

type linkValue struct {
	Flow, To string
	Silent   bool
}

func linkKey(p CodePurpose, token string) string { return "link/" + string(p) + "/" + keys.Hash(token) }

// CodeState returns the state of the codes of that flow, purpose and channel; ErrCodeExpired when none was sent.
func (s *Service) CodeState(ctx context.Context, purpose CodePurpose, channel, flow string) (CodeState, error) {
	sent, err := s.codes(ctx, slotsKey(purpose, channel, flow))
	if err != nil {
		return CodeState{}, err
	}
	return s.stateOf(ctx, channel, sent[0]), nil
}

func (s *Service) stateOf(ctx context.Context, channel string, last sentCode) CodeState {
	return CodeState{
		Channel: channel, Masked: mask(channel, last.To), ExpiresAt: last.ExpiresAt, ResendAt: last.SentAt.Add(resendAfter),
		TriesLeft: max(0, codeTries-int(s.limit.count(ctx, "code-tries/"+last.ID, 0, codeLife))),
		SendsLeft: max(0, sendMost-int(s.limit.count(ctx, "send/"+channel+"/"+last.To, 0, sendWindow))),
	}
}

// CheckCode accepts a right code once: ErrWrongCode, ErrCodeExpired or ErrCodeSpent otherwise. It
// returns the contact that the code proved. A try is counted before it is judged, so that tries at the same moment
// all count.
func (s *Service) CheckCode(ctx context.Context, purpose CodePurpose, channel, flow, code string, _ Origin) (to string, err error) {
	sent, err := s.codes(ctx, slotsKey(purpose, channel, flow))
	if err != nil {
		return "", err
	}
	code = credential.CleanCode(code)
	now, live, left := s.now(), false, false
	for _, c := range sent {
		if c.To != sent[0].To || !now.Before(c.ExpiresAt) { // another contact's proves nothing of this one
			continue
		}
		live = true
		n := s.limit.count(ctx, "code-tries/"+c.ID, 1, codeLife)
		if n > codeTries {
			continue
		}
		left = left || n < codeTries
		if c.Silent || !keys.NewSecret(c.Hash).Equal(s.codeHash(c.ID, code)) {
			continue
		}
		first, err := s.cfg.Ephemera.Once(ctx, "code-used/"+c.ID, codeLife)
		if err != nil {
			return "", fmt.Errorf("using a code: %w", err)
		}
		if !first {
			return "", ErrCodeSpent
		}
		return c.To, nil
	}
	switch {
	case !live:
		return "", ErrCodeExpired
	case !left:
		return "", ErrCodeSpent
	}
	return "", ErrWrongCode
}

// CheckLink accepts the token of a mailed link once, within 24 hours, and returns flow and contact;
// ErrCodeExpired otherwise.
func (s *Service) CheckLink(ctx context.Context, purpose CodePurpose, token string) (flow, to string, err error) {
	return s.link(s.cfg.Ephemera.Take(ctx, linkKey(purpose, token)))
}

// PeekLink returns the flow and the masked contact of a link without using it: a GET never confirms.
func (s *Service) PeekLink(ctx context.Context, purpose CodePurpose, token string) (flow, masked string, err error) {
	flow, to, err := s.link(s.cfg.Ephemera.Get(ctx, linkKey(purpose, token)))
	return flow, mask("mail", to), err
}

func (s *Service) link(raw []byte, ok bool, err error) (flow, to string, _ error) {
	if err != nil {
		return "", "", fmt.Errorf("reading a link: %w", err)
	}
	var v linkValue
	if !ok || json.Unmarshal(raw, &v) != nil || v.Silent {
		return "", "", ErrCodeExpired
	}
	return v.Flow, v.To, nil
}

// codes are the last codes of a flow, newest first, as many as one contact may have alive; ErrCodeExpired when
// there are none.
func (s *Service) codes(ctx context.Context, slots string) ([]sentCode, error) {
	last, err := s.cfg.Ephemera.Count(ctx, slots, 0, linkLife)
	if err != nil {
		return nil, fmt.Errorf("reading codes: %w", err)
	}
	var sent []sentCode
	for n := last; n > 0 && n > last-sendMost; n-- {
		raw, ok, err := s.cfg.Ephemera.Get(ctx, slotKey(slots, n))
		if err != nil {
			return nil, fmt.Errorf("reading codes: %w", err)
		}
		var c sentCode
		if !ok || json.Unmarshal(raw, &c) != nil {
			continue
		}
		sent = append(sent, c)
	}
	if len(sent) == 0 {
		return nil, ErrCodeExpired
	}
	return sent, nil
}

// keepCode keeps a code longer than it lives, so that the page can say that it has expired and to whom it went.
func (s *Service) keepCode(ctx context.Context, slots string, c sentCode) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a code: %w", err)
	}
	n, err := s.cfg.Ephemera.Count(ctx, slots, 1, linkLife)
	if err != nil {
		return fmt.Errorf("keeping a code: %w", err)
	}
	if err := s.cfg.Ephemera.Put(ctx, slotKey(slots, n), raw, linkLife); err != nil {
		return fmt.Errorf("keeping a code: %w", err)
	}
	return nil
}

func (s *Service) codeHash(id, code string) string { return s.cfg.Sealer.Index("code/"+id, code) }

func (s *Service) oweNotice(ctx context.Context, n Notice) error {
	task, err := s.noticeTask(OwedNotice, n)
	if err != nil {
		return err
	}
	return s.oweAll(ctx, task)
}

func (s *Service) noticeTask(kind TaskKind, n Notice) (Task, error) {
	payload, err := json.Marshal(n)
	if err != nil {
		return Task{}, fmt.Errorf("encoding a notice: %w", err)
	}
	return Task{Kind: kind, DueAt: s.now(), Payload: payload}, nil
}

// oweAll owes what no change of an account carries, and wakes who pays it.
func (s *Service) oweAll(ctx context.Context, tasks ...Task) error {
	if len(tasks) == 0 {
		return nil
	}
	if err := s.cfg.Outbox.Owe(ctx, tasks...); err != nil {
		return fmt.Errorf("owing a notice: %w", err)
	}
	s.kick()
	return nil
}

func (s *Service) host() string {
	u, err := url.Parse(s.cfg.Issuer)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func mask(channel, to string) string {
	if channel == "mail" || strings.Contains(to, "@") {
		return MaskEmail(to)
	}
	return MaskPhone(to)
}
