package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// maxPushDevices is how many browsers may approve sign-ins.
const maxPushDevices = 5

// PushDevice is a browser, most often a phone's, in which the person approves sign-ins that happen elsewhere. Whoever holds
// its cookie holds the factor.
type PushDevice struct {
	ID        string
	Name      string
	Hash      string // keys.Hash of the secret of its cookie
	UserAgent string
	AddedAt   time.Time
	UsedAt    time.Time // when it last answered

	Subscription PushSubscription // where it is told of requests; zero: the page alone shows them
}

// HasPush reports whether approvals on a device are a second factor of the account.
func (a *Account) HasPush() bool { return len(a.PushDevices) > 0 }

// approver returns the device with this secret, or -1.
func (a *Account) approver(secret string) int {
	hash := keys.Hash(secret)
	return slices.IndexFunc(a.PushDevices, func(d PushDevice) bool { return d.Hash == hash })
}

// AddPush makes a browser one that approves sign-ins, and returns the value of its cookie. ErrConflict when there are too
// many.
func (s *Service) AddPush(ctx context.Context, id ID, name string, o Origin) (cookie string, err error) {
	secret, now := keys.RandomHandle(), s.now()
	d := PushDevice{ID: keys.RandomID(), Name: name, Hash: keys.Hash(secret), UserAgent: o.UserAgent, AddedAt: now}
	err = s.change(ctx, id, func(a *Account) error {
		if err := a.Gate(SwitchPush, now); err != nil {
			return err
		}
		if len(a.PushDevices) >= maxPushDevices {
			return ErrConflict
		}
		a.PushDevices = append(a.PushDevices, d)
		a.note(PushAdded, now, o, "name", name)
		a.tell("push-added", now, nil)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("adding a device that approves: %w", err)
	}
	return string(id) + "." + secret, nil
}

// RemovePush ends approving in a browser, and the other sessions. ErrNotFound when it does not.
func (s *Service) RemovePush(ctx context.Context, id ID, device, keepSession string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.PushDevices, func(d PushDevice) bool { return d.ID == device })
		if i < 0 {
			return ErrNotFound
		}
		now := s.now()
		a.note(PushRemoved, now, o, "name", a.PushDevices[i].Name)
		a.PushDevices = slices.Delete(slices.Clone(a.PushDevices), i, i+1)
		a.dropSpares()
		a.signOut(now, keepSession)
		a.tell("push-removed", now, nil)
		return nil
	})
}

// Approver returns whose device holds this cookie, and the device. ErrNotFound for a cookie that is removed or made up.
func (s *Service) Approver(ctx context.Context, cookie string) (*Account, PushDevice, error) {
	id, secret, _ := strings.Cut(cookie, ".")
	a, err := s.cfg.Store.Account(ctx, ID(id))
	if err != nil {
		return nil, PushDevice{}, fmt.Errorf("reading whose device it is: %w", err)
	}
	i := a.approver(secret)
	if i < 0 || a.Status != Active {
		return nil, PushDevice{}, ErrNotFound
	}
	return a, a.PushDevices[i], nil
}
