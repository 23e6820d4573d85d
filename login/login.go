// Package login is the front door: signing in, signing up, raising the level, getting back in.
//
// Steps never link to each other: each changes the attempt and returns, and next says what follows.
// An attempt is one way through the door. It lives in ephemera, opens only in the browser that began
// it, and ends with an answer to the service that asked, or in the person's own cabinet.
package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys/cms"
	"github.com/vhod-id/vhod/login/bank"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/templates"
)

// Config is what the front door needs. Everything but Banks, Partners, VerifySignature, PluginScript,
// Services, PushKey and TrustedProxies must be set.
type Config struct {
	Issuer         string // https://host; cookies are __Host- and Secure when it is https
	Accounts       *account.Service
	Provider       func() op.Interaction // set after both are built
	Ephemera       account.Ephemera
	Pages          *templates.Set
	Banks          []bank.Config
	Partners       http.RoundTripper  // to the banks; http.DefaultTransport when nil
	Services       func() []op.Client // names of clients for the cabinet
	PushKey        string             // by which browsers take messages (RFC 8292 §3.2); empty: none is asked to
	Agreements     map[string]string  // document ("terms", "privacy") → current version
	TrustedProxies []string           // CIDRs whose X-Forwarded-For is believed
	Now            func() time.Time
	Log            *slog.Logger
	// ConfirmNewBrowsers asks people in a browser in which they were not seen before for a code by e-mail: those without a second factor after their
	// password, and those who have something surer after a code by SMS.
	ConfirmNewBrowsers bool
	// VerifySignature says who signed the content; any doubt is a cms.Refusal. Nil: nobody signs in by a
	// signature.
	VerifySignature func(ctx context.Context, message, content []byte, at time.Time) (*cms.Signer, error)
	PluginScript    string // address on this site of the script by which pages reach a plug-in that signs; empty: none is loaded
}

// Door is the front door. It satisfies op.Front.
type Door struct {
	cfg     Config
	proxies []netip.Prefix
	banks   map[string]*bank.Gate
	routes  []route
	streams atomic.Int64 // pages that wait to be told of something
}

var _ op.Front = (*Door)(nil)

// New checks the configuration.
func New(cfg Config) (*Door, error) {
	switch {
	case cfg.Issuer == "":
		return nil, errors.New("login: no issuer")
	case cfg.Accounts == nil || cfg.Provider == nil || cfg.Ephemera == nil || cfg.Pages == nil:
		return nil, errors.New("login: accounts, provider, ephemera and pages must be set")
	case cfg.Agreements["terms"] == "" || cfg.Agreements["privacy"] == "":
		return nil, errors.New("login: the versions of the agreements terms and privacy must be set")
	case cfg.Now == nil || cfg.Log == nil:
		return nil, errors.New("login: clock and log must be set")
	}
	proxies, err := parseProxies(cfg.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	d := &Door{cfg: cfg, proxies: proxies, banks: make(map[string]*bank.Gate, len(cfg.Banks))}
	for _, b := range cfg.Banks {
		if b.Transport == nil {
			b.Transport = cfg.Partners
		}
		if d.banks[b.ID], err = bank.New(b, cfg.Issuer+bankCallback, cfg.Now); err != nil {
			return nil, fmt.Errorf("login: %w", err)
		}
	}
	d.routes = d.table()
	return d, nil
}
