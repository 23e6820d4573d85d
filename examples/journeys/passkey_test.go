package journeys_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// key gives the browser a key store of its own, as a phone or a computer has: it keeps passkeys and checks its person.
func (b *browser) key() {
	b.t.Helper()
	b.plugIn(webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	})
}

// plugIn gives the browser an authenticator of a kind.
func (b *browser) plugIn(kind webauthn.VirtualAuthenticatorOptions) {
	b.t.Helper()
	b.do("plugging in a virtual authenticator", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		added, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &kind})
		b.authenticator = added.AuthenticatorID
		return err
	}))
}

// presence is whether the person touches the key when it asks.
func (b *browser) presence(there bool) {
	b.t.Helper()
	b.do("touching the key", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{
			AuthenticatorID: b.authenticator, Enabled: there,
		})
		return err
	}))
}

// held counts the passkeys that the browser's key store holds.
func (b *browser) held() (n int) {
	b.t.Helper()
	b.do("counting passkeys", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		got, err := chromedp.Call(ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: b.authenticator})
		n = len(got.Credentials)
		return err
	}))
	return n
}

func TestPersonSignsInByAPasskey(t *testing.T) {
	s := startStand(t)
	c := newCitizen(t, s, s.registered("standard"), true)
	c.password = c.p.Password
	c.key()
	c.open(s.url(0, "/me/security"))
	c.walk("me-security")
	c.press("add-passkey")
	c.walk("protect-passkey")
	c.fill("passkey_name", "Мой ноутбук")
	c.press("continue")
	c.walk("me-security") // by way of the backup codes
	c.says("Мой ноутбук")

	signOut := func() {
		c.open(s.url(0, "/logout"))
		c.press("continue")
		c.presence(false) // else the first page signs the person in by itself
	}
	t.Run("by the list under the field", func(t *testing.T) { // the page, and the choice
		signOut()
		c.presence(true)
		c.open(s.url(0, "/login"))
		c.arrives("/me")
	})
	t.Run("by the button", func(t *testing.T) {
		signOut()
		c.open(s.url(0, "/login"))
		c.walk("password")
		c.press("passkey")
		c.walk("passkey")
		c.presence(true)
		c.press("continue")
		c.walk("me")
	})
	t.Run("after the password", func(t *testing.T) {
		signOut()
		c.open(s.url(0, "/login"))
		c.walk("passkey")
		c.presence(true)
		c.press("continue")
		c.walk("me")
	})
	t.Run("until it is removed", func(t *testing.T) {
		if n := c.held(); n != 1 {
			t.Fatalf("the device holds %d passkeys", n)
		}
		c.open(s.url(0, "/me/security"))
		c.press("remove")
		c.walk("me-factor-remove")
		c.press("continue")
		c.walk("me-security")
		for deadline := time.Now().Add(patience); c.held() != 0; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the device was not told to forget the passkey")
			}
		}
	})
}

func TestPersonWithoutScriptsIsToldWhatWorksInsteadOfAPasskey(t *testing.T) {
	s := startStand(t)
	c := newCitizen(t, s, s.registered("standard"), false)
	c.open(s.url(0, "/login"))
	c.walk("password")
	c.press("passkey")
	c.walk("passkey")
	if !c.has(`form[data-passkey][hidden]`) {
		t.Error("a button that can do nothing is shown")
	}
	c.says("scripts")
}

// arrives waits until the browser has come to a path by itself.
func (b *browser) arrives(path string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); !strings.HasSuffix(b.location(), path); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("the browser does not come to %s\n%s", path, b.where())
		}
	}
}
