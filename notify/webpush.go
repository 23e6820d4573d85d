package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/templates"
)

// pushMost is how long a push service may keep a message for a browser that is away, where its notice says nothing else.
const pushMost = 10 * time.Minute

// errGone says that the browser takes no messages any more.
var errGone = fmt.Errorf("the subscription is over: %w", ErrRefused)

// WebPushConfig is what messages to browsers need. Everything but Contact must be set.
type WebPushConfig struct {
	Key     *keys.VAPID
	Contact string // where operators of push services reach ours: an https or mailto address
	// Target is where a message goes: account.ErrNotFound when it goes nowhere any more.
	Target func(ctx context.Context, to string) (account.PushSubscription, error)
	// Gone is told that a push service no longer knows a subscription.
	Gone func(ctx context.Context, to string, was account.PushSubscription) error
	// Post posts a body to an address that somebody else named, and returns the status of the answer. Its errors do not hold the
	// address.
	Post func(ctx context.Context, address string, body []byte, header http.Header) (status int, err error)
	Now  func() time.Time
}

// WebPush sends messages to browsers through push services of their choice (RFC 8030). A message is encrypted for the browser
// alone (RFC 8291), and the service knows us by VAPID (RFC 8292).
type WebPush struct{ cfg WebPushConfig }

// NewWebPush checks the configuration.
func NewWebPush(cfg WebPushConfig) (*WebPush, error) {
	if cfg.Key == nil || cfg.Target == nil || cfg.Gone == nil || cfg.Post == nil || cfg.Now == nil {
		return nil, errors.New("notify: Key, Target, Gone, Post and Now are needed")
	}
	return &WebPush{cfg}, nil
}

// sender is the Sender of one notice.
func (w *WebPush) sender(n account.Notice) Sender { return pushSender{w, n.Template, n.Until} }

type pushSender struct {
	*WebPush
	kind string // of what it tells, by the name of its words: the worker knows which page that belongs to
	end  time.Time
}

// Send implements Sender; to is what WebPushConfig.Target knows.
func (p pushSender) Send(ctx context.Context, to string, m templates.Message) error {
	target, err := p.cfg.Target(ctx, to)
	if errors.Is(err, account.ErrNotFound) {
		return errGone
	}
	if err != nil {
		return fmt.Errorf("asking where a push message goes: %w", err)
	}
	left := pushMost
	if !p.end.IsZero() {
		left = min(left, p.end.Sub(p.cfg.Now()))
	}
	body, header, err := p.request(ctx, target, m, left)
	if err != nil {
		return err
	}
	status, err := p.cfg.Post(ctx, target.Endpoint.Reveal(), body, header)
	if err != nil {
		return fmt.Errorf("asking the push service: %w", err)
	}
	switch {
	case status/100 == 2:
		return nil
	case status == http.StatusNotFound || status == http.StatusGone: // RFC 8030 §7.3
		return errors.Join(errGone, p.cfg.Gone(ctx, to, target))
	case status == http.StatusTooManyRequests || status/100 == 5:
		return fmt.Errorf("push service: status %d", status)
	}
	return fmt.Errorf("push service: status %d: %w", status, ErrRefused)
}

// pushText is what the worker in the browser reads.
type pushText struct {
	Kind  string `json:"kind"`
	Title string `json:"title"`
	Body  string `json:"body"`
}

// request is a message for one browser: RFC 8030 §5, RFC 8291 §4, RFC 8292 §3.
func (p pushSender) request(ctx context.Context, target account.PushSubscription, m templates.Message, left time.Duration) ([]byte, http.Header, error) {
	u, err := url.Parse(target.Endpoint.Reveal())
	if err != nil {
		return nil, nil, fmt.Errorf("the endpoint is no URL: %w", ErrRefused) // its text would be in the error
	}
	browser, auth, err := target.Keys()
	if err != nil {
		return nil, nil, errors.Join(err, ErrRefused)
	}
	text, err := json.Marshal(pushText{p.kind, m.Subject, m.Text})
	if err != nil {
		return nil, nil, fmt.Errorf("writing a push message: %w", err)
	}
	body, err := seal(text, browser, auth)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypting a push message: %w", err)
	}
	known, err := p.cfg.Key.Authorization(ctx, u.Scheme+"://"+u.Host, p.cfg.Contact, p.cfg.Now())
	if err != nil {
		return nil, nil, err
	}
	return body, http.Header{
		"Authorization": {known}, "Content-Encoding": {"aes128gcm"}, "Content-Type": {"application/octet-stream"},
		"Ttl": {strconv.Itoa(max(0, int(left.Seconds())))}, "Urgency": {"high"},
		"Topic": {p.kind}, // a message that waits is replaced by the next of its kind, for the page shows every request (RFC 8030 §5.4)
	}, nil
}
