package account

import (
	"context"
	"encoding/json"
	"errors"
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
	codeLife       = 10 * time.Minute
	linkLife       = 24 * time.Hour
	codeTries      = 3
	sendWindow     = 10 * time.Minute
	sendMost       = 3
	sendDayMost    = 20 // per contact
	sendOriginMost = 60 // per address in the window: a school or an office shares one
	resendAfter    = time.Minute
)

// CodePurpose binds a code to what it may be used for.
type CodePurpose string

// The purposes.
const (
	ForSignUp   CodePurpose = "sign-up"
	ForSignIn   CodePurpose = "sign-in"
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
	Silent  bool // count and take as long, but send nothing: enumeration-proof flows to nobody
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

// sentCodes is what a flow knows of the codes that it had sent; the codes themselves are keyed hashes.
type sentCodes struct {
	To    string
	Sends int
	At    time.Time
	Codes []sentCode
}

type sentCode struct {
	ID        string
	Hash      string
	ExpiresAt time.Time
	Silent    bool
}

func codesKey(p CodePurpose, channel, flow string) string {
	return "codes/" + string(p) + "/" + channel + "/" + flow
}

// SendCode sends a new code bound to flow, purpose and contact. Codes sent before stay valid for
// their own time, so that a late message still works. It returns a ThrottledError when the limits are reached.
func (s *Service) SendCode(ctx context.Context, req CodeRequest) (CodeState, error) {
	if err := s.allowSend(ctx, req); err != nil {
		return CodeState{}, err
	}
	now := s.now()
	key := codesKey(req.Purpose, req.Channel, req.Flow)
	sent, err := s.codes(ctx, key)
	if err != nil && !errors.Is(err, ErrCodeExpired) {
		return CodeState{}, err
	}
	if sent.To != req.To { // another contact: nothing of the one before proves it
		sent = sentCodes{To: req.To}
	}
	code := credential.NewCode()
	id := keys.RandomID()
	sent.Codes = append(sent.Codes, sentCode{id, s.codeHash(id, code), now.Add(codeLife), req.Silent})
	sent.Sends, sent.At = sent.Sends+1, now
	if err := s.putCodes(ctx, key, sent); err != nil {
		return CodeState{}, err
	}
	notice := Notice{Channel: req.Channel, To: req.To, Template: "code-" + string(req.Purpose), Lang: req.Lang, Args: map[string]string{
		"Code": code, "Minutes": strconv.Itoa(int(codeLife.Minutes())), "Host": s.host(),
	}}
	if req.Link != "" {
		if notice.Args["Link"], err = s.makeLink(ctx, req); err != nil {
			return CodeState{}, err
		}
	}
	if req.Silent {
		notice = Notice{Channel: "none"} // the same work, to nobody
	}
	if err := s.oweNotice(ctx, notice); err != nil {
		return CodeState{}, err
	}
	return s.stateOf(ctx, req.Channel, sent), nil
}

// allowSend counts a sending before it is made.
func (s *Service) allowSend(ctx context.Context, req CodeRequest) error {
	address, _ := prefixes(req.Origin.Address)
	now := s.now()
	for _, limit := range []struct {
		key    string
		window time.Duration
		most   int64
	}{
		{"send/" + req.Channel + "/" + req.To, sendWindow, sendMost},
		{"send-day/" + req.Channel + "/" + req.To, 24 * time.Hour, sendDayMost},
		{"send-origin/" + address, sendWindow, sendOriginMost},
	} {
		if s.limit.count(ctx, limit.key, 1, limit.window) > limit.most {
			return ThrottledError{"send", now.Add(limit.window)}
		}
	}
	return nil
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
	sent, err := s.codes(ctx, codesKey(purpose, channel, flow))
	if err != nil {
		return CodeState{}, err
	}
	return s.stateOf(ctx, channel, sent), nil
}

func (s *Service) stateOf(ctx context.Context, channel string, sent sentCodes) CodeState {
	st := CodeState{Channel: channel, Masked: mask(channel, sent.To), ResendAt: sent.At.Add(resendAfter), SendsLeft: max(0, sendMost-sent.Sends)}
	if n := len(sent.Codes); n > 0 {
		last := sent.Codes[n-1]
		st.ExpiresAt = last.ExpiresAt
		st.TriesLeft = max(0, codeTries-int(s.limit.count(ctx, "code-tries/"+last.ID, 0, codeLife)))
	}
	return st
}

// CheckCode accepts a right code once: ErrWrongCode, ErrCodeExpired or ErrCodeSpent otherwise. It
// returns the contact that the code proved. A try is counted before it is judged, so that tries at the same moment
// all count.
func (s *Service) CheckCode(ctx context.Context, purpose CodePurpose, channel, flow, code string, _ Origin) (to string, err error) {
	sent, err := s.codes(ctx, codesKey(purpose, channel, flow))
	if err != nil {
		return "", err
	}
	code = credential.CleanCode(code)
	now, live, left := s.now(), false, false
	for i := len(sent.Codes) - 1; i >= 0; i-- {
		c := sent.Codes[i]
		if !now.Before(c.ExpiresAt) {
			continue
		}
		live = true
		if s.limit.count(ctx, "code-tries/"+c.ID, 1, codeLife) > codeTries {
			continue
		}
		left = true
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
		return sent.To, nil
	}
	switch {
	case !live:
		return "", ErrCodeExpired
	case !left || s.stateOf(ctx, channel, sent).TriesLeft == 0:
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

func (s *Service) codes(ctx context.Context, key string) (sentCodes, error) {
	var sent sentCodes
	raw, ok, err := s.cfg.Ephemera.Get(ctx, key)
	if err != nil {
		return sent, fmt.Errorf("reading codes: %w", err)
	}
	if !ok {
		return sent, ErrCodeExpired
	}
	if err := json.Unmarshal(raw, &sent); err != nil {
		return sent, fmt.Errorf("reading codes: %w", err)
	}
	return sent, nil
}

func (s *Service) putCodes(ctx context.Context, key string, sent sentCodes) error {
	raw, err := json.Marshal(sent)
	if err != nil {
		return fmt.Errorf("encoding codes: %w", err)
	}
	if err := s.cfg.Ephemera.Put(ctx, key, raw, linkLife); err != nil {
		return fmt.Errorf("keeping codes: %w", err)
	}
	return nil
}

func (s *Service) codeHash(id, code string) string { return s.cfg.Sealer.Index("code/"+id, code) }

func (s *Service) oweNotice(ctx context.Context, n Notice) error {
	payload, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encoding a notice: %w", err)
	}
	if err := s.cfg.Outbox.Owe(ctx, Task{Kind: OwedNotice, DueAt: s.now(), Payload: payload}); err != nil {
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
