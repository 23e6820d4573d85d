package op

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/vhod-id/vhod/account"
)

// mostFrames is how many services a page after signing out loads. Whoever must hear of it for sure uses the back channel.
const mostFrames = 20

// EndedSession is a session that was just ended; zero when there was none.
type EndedSession struct {
	Account account.ID
	ID      string
}

// Farewell is what a browser still does after signing out.
type Farewell struct {
	Frames   []string // addresses that are loaded out of sight (OpenID Connect Front-Channel Logout 1.0 §3)
	Continue string   // where the person goes on; empty: nowhere
}

// Farewells returns the addresses of the services that a session led to and that hear of its end by the browser. Without such a
// client nothing is read.
func (p *Provider) Farewells(ctx context.Context, ended EndedSession) ([]string, error) {
	hears := func(c Client) bool { return c.FrontchannelLogoutURI != "" }
	if ended.ID == "" || !slices.ContainsFunc(p.Services(), hears) {
		return nil, nil
	}
	visits, err := p.cfg.Families.Visits(ctx, ended.Account, []string{ended.ID}, p.now())
	if err != nil {
		return nil, fmt.Errorf("finding whom to tell by the browser: %w", err)
	}
	var frames []string
	for _, v := range visits {
		client := p.clients.client(ctx, v.ClientID)
		if client == nil || !hears(*client) || len(frames) == mostFrames {
			continue
		}
		frame, err := withParameters(client.FrontchannelLogoutURI, url.Values{"iss": {p.cfg.Issuer}, "sid": {v.SessionID}})
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// withParameters adds parameters to a registered address, and leaves those that it has as they are.
func withParameters(address string, added url.Values) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("a registered address does not parse: %w", err)
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += added.Encode()
	return u.String(), nil
}

// checkFrontchannel holds OpenID Connect Front-Channel Logout 1.0 §2: the address is of the origin of a redirect URI.
func (c *Client) checkFrontchannel() error {
	if c.FrontchannelLogoutURI == "" {
		return nil
	}
	if err := checkRedirectURI(c.FrontchannelLogoutURI, false); err != nil {
		return fmt.Errorf("frontchannel_logout_uri: %w", err)
	}
	at, err := url.Parse(c.FrontchannelLogoutURI)
	if err != nil {
		return fmt.Errorf("frontchannel_logout_uri: %w", err)
	}
	for _, raw := range c.RedirectURIs {
		if known, err := url.Parse(raw); err == nil && sameOrigin(at, known) {
			return nil
		}
	}
	return errors.New("frontchannel_logout_uri: scheme, host and port must be those of a redirect URI (OpenID Connect Front-Channel Logout 1.0 §2)")
}
