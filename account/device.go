package account

import (
	"context"
	"slices"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// Life and number of remembered devices. Each spares its person the second factor where little is at stake.
const (
	deviceLife = 30 * 24 * time.Hour
	maxDevices = 20
)

// Device is a browser that its person asked to be remembered after they had shown a second factor in it.
type Device struct {
	ID        string
	Hash      string // keys.Hash of its cookie
	UserAgent string
	AddedAt   time.Time
	UsedAt    time.Time // when the factor was last shown in it
	ExpiresAt time.Time
}

// Remembers reports whether the browser with this cookie spares its person the second factor. What ends all
// sessions ends that too.
func (a *Account) Remembers(cookie string, now time.Time) bool {
	if cookie == "" {
		return false
	}
	hash := keys.Hash(cookie)
	return slices.ContainsFunc(a.Devices, func(d Device) bool {
		return d.Hash == hash && now.Before(d.ExpiresAt) && !d.AddedAt.Before(a.SignedOutAt)
	})
}

// RememberDevice remembers a browser by its cookie for 30 days from now. Beyond the most that an account may have the
// one that is to end first is forgotten.
func (s *Service) RememberDevice(ctx context.Context, id ID, cookie string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		now := s.now()
		d := Device{keys.RandomID(), keys.Hash(cookie), o.UserAgent, now, now, now.Add(deviceLife)}
		a.Devices = slices.DeleteFunc(slices.Clone(a.Devices), func(x Device) bool {
			return x.Hash == d.Hash || !now.Before(x.ExpiresAt)
		})
		if len(a.Devices) >= maxDevices {
			a.Devices = a.Devices[1:]
		}
		a.Devices = append(a.Devices, d)
		a.note(DeviceRemembered, now, o, "device", d.ID)
		return nil
	})
}

// ForgetDevice asks for the second factor in a browser again. ErrNotFound when it is not remembered.
func (s *Service) ForgetDevice(ctx context.Context, id ID, device string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.Devices, func(d Device) bool { return d.ID == device })
		if i < 0 {
			return ErrNotFound
		}
		a.Devices = slices.Delete(slices.Clone(a.Devices), i, i+1)
		a.note(DeviceForgotten, s.now(), o, "device", device)
		return nil
	})
}

// Devices are the browsers that are remembered now, the last added first.
func (s *Service) Devices(a *Account) []Device {
	var out []Device
	now := s.now()
	for _, d := range slices.Backward(a.Devices) {
		if now.Before(d.ExpiresAt) && !d.AddedAt.Before(a.SignedOutAt) {
			out = append(out, d)
		}
	}
	return out
}
