package account

import (
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// A browser that approves sign-ins may be told of a request while the page is closed (Web Push). What it is told opens nothing:
// the page asks for the device's cookie as always.

// longestEndpoint is longer than the address of any push service, and short enough to keep.
const longestEndpoint = 1024

// authBytes is the size of the secret of a subscription (RFC 8291 §3.2).
const authBytes = 16

// PushSubscription is where a browser takes messages (Push API, PushSubscription). Whoever has the endpoint may send there.
type PushSubscription struct {
	Endpoint keys.Secret // URL at a push service of the browser's own choice: never trusted
	Key      string      // its public key, p256dh: a point of P-256 in base64url
	Auth     keys.Secret // base64url
}

// ParsePushSubscription reads what a browser gives. Anything else is a FieldError of no field: nobody types it.
func ParsePushSubscription(endpoint, key, auth string) (PushSubscription, error) {
	p := PushSubscription{Endpoint: keys.NewSecret(endpoint), Key: strings.TrimRight(key, "="), Auth: keys.NewSecret(strings.TrimRight(auth, "="))}
	u, err := url.Parse(endpoint)
	if err != nil || len(endpoint) > longestEndpoint || u.Host == "" || u.User != nil || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return PushSubscription{}, FieldError{Message: "error.push-subscription"}
	}
	if _, _, err := p.Keys(); err != nil {
		return PushSubscription{}, FieldError{Message: "error.push-subscription"}
	}
	return p, nil
}

// IsZero reports whether there is no subscription.
func (p PushSubscription) IsZero() bool { return p.Endpoint.IsZero() }

// Keys are what a message is encrypted by (RFC 8291 §3.1, §3.2).
func (p PushSubscription) Keys() (*ecdh.PublicKey, []byte, error) {
	point, err := base64.RawURLEncoding.DecodeString(p.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the key of a subscription: %w", err)
	}
	key, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the key of a subscription: %w", err)
	}
	auth, err := base64.RawURLEncoding.DecodeString(p.Auth.Reveal())
	if err != nil || len(auth) != authBytes {
		return nil, nil, errors.New("the secret of a subscription is not 16 bytes in base64url")
	}
	return key, auth, nil
}

// SubscribePush keeps where the device that holds the cookie takes messages. ErrNotFound when it is no device.
func (s *Service) SubscribePush(ctx context.Context, cookie string, p PushSubscription, o Origin) error {
	a, device, err := s.Approver(ctx, cookie)
	if err != nil {
		return err
	}
	return s.changeDevice(ctx, a.ID, device.ID, func(a *Account, d *PushDevice) {
		d.Subscription = p
		a.note(PushSubscribed, s.now(), o, "name", d.Name)
	})
}

// UnsubscribePush forgets where the device that holds the cookie takes messages. ErrNotFound when it is no device.
func (s *Service) UnsubscribePush(ctx context.Context, cookie string, o Origin) error {
	a, device, err := s.Approver(ctx, cookie)
	if err != nil {
		return err
	}
	return s.changeDevice(ctx, a.ID, device.ID, func(a *Account, d *PushDevice) {
		if d.Subscription.IsZero() {
			return
		}
		d.Subscription = PushSubscription{}
		a.note(PushUnsubscribed, s.now(), o, "name", d.Name)
	})
}

// PushTarget is where a notice of the channel push goes. ErrNotFound when the device is gone or takes none.
func (s *Service) PushTarget(ctx context.Context, to string) (PushSubscription, error) {
	id, device, _ := strings.Cut(to, ".")
	a, err := s.cfg.Store.Account(ctx, ID(id))
	if err != nil {
		return PushSubscription{}, fmt.Errorf("reading whose device it is: %w", err)
	}
	i := slices.IndexFunc(a.PushDevices, func(d PushDevice) bool { return d.ID == device })
	if i < 0 || a.PushDevices[i].Subscription.IsZero() {
		return PushSubscription{}, ErrNotFound
	}
	return a.PushDevices[i].Subscription, nil
}

// PushGone forgets a subscription that its push service no longer knows, unless there is a newer one.
func (s *Service) PushGone(ctx context.Context, to string, was PushSubscription) error {
	id, device, _ := strings.Cut(to, ".")
	err := s.changeDevice(ctx, ID(id), device, func(a *Account, d *PushDevice) {
		if !d.Subscription.Endpoint.Equal(was.Endpoint.Reveal()) {
			return
		}
		d.Subscription = PushSubscription{}
		a.note(PushUnsubscribed, s.now(), Origin{}, "actor", "system", "name", d.Name)
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (s *Service) changeDevice(ctx context.Context, id ID, device string, change func(*Account, *PushDevice)) error {
	err := s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.PushDevices, func(d PushDevice) bool { return d.ID == device })
		if i < 0 {
			return ErrNotFound
		}
		a.PushDevices = slices.Clone(a.PushDevices)
		change(a, &a.PushDevices[i])
		return nil
	})
	if err != nil {
		return fmt.Errorf("changing whether a device is told of requests: %w", err)
	}
	return nil
}

// pushes are what tells the devices of a person of a request, for as long as it waits. What they are told names nobody and
// nothing: a locked screen shows it to whoever is near. A person who has locked the way by devices is not told there.
func (a *Account) pushes(template string, until, now time.Time) (out []Notice) {
	if !a.Allows(SwitchPush, now) {
		return nil
	}
	for _, d := range a.PushDevices {
		if !d.Subscription.IsZero() {
			out = append(out, Notice{Channel: "push", To: string(a.ID) + "." + d.ID, Template: template, Lang: a.Lang, Until: until})
		}
	}
	return out
}

// callDevices owes it to the devices of a person that they are told of a sign-in.
func (s *Service) callDevices(ctx context.Context, a *Account, ask Ask) error {
	var tasks []Task
	for _, n := range a.pushes("push-ask", ask.Until, s.now()) {
		task, err := s.noticeTask(OwedPush, n)
		if err != nil {
			return err
		}
		tasks = append(tasks, task)
	}
	return s.oweAll(ctx, tasks...)
}
