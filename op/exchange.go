package op

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vhod-id/vhod/keys"
)

const (
	grantExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	kindAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	// mostActors is how many services may stand one behind another in a token: a chain that grows longer is a loop.
	mostActors = 4
)

// actor says who uses a token on the person's behalf, and on whose request (RFC 8693 §4.1).
type actor struct {
	Subject string `json:"sub"` // a client_id
	Actor   *actor `json:"act,omitempty"`
}

// length is how many services stand one behind another.
func (a *actor) length() int {
	if a == nil {
		return 0
	}
	return 1 + a.Actor.length()
}

// exchange is the token exchange grant (RFC 8693), for delegation alone: a service that was called with a person's access
// token gets one for the next service. It is for the client's registered targets, names the client as who acts, and is
// never more than the token it came of: not in scope, level, strength or time. Nothing is written; the new token
// belongs to the same grant and dies with it.
func (p *Provider) exchange(r *http.Request, client *Client, form url.Values, jkt string) (*tokenResponse, error) {
	target, err := checkExchange(client, form)
	if err != nil {
		return nil, err
	}
	if target == p.cfg.Issuer {
		return nil, fault("invalid_target", "[exchange.target] the client may not get tokens for the provider itself")
	}
	subject, family, err := p.exchanged(r, client, form.Get("subject_token"))
	if err != nil {
		return nil, err
	}
	if subject.Confirm != nil && jkt == "" {
		return nil, badProof("proof.missing", "the subject token is bound to a key, so the new one has to be: send the header DPoP, or show a certificate")
	}
	scopes, err := p.narrowedFor(client, subject, form.Get("scope"))
	if err != nil {
		return nil, err
	}
	// The person is named as the client itself knows them, so that an exchange tells no sector another's name for them.
	t := p.accessClaims(client, p.subject(client, family.AccountID), portion{scopes: scopes}, jkt)
	t.Audience, t.Actor = audience{target}, &actor{client.ID, subject.Actor}
	t.Family, t.ACR, t.AuthTime, t.Session = subject.Family, subject.ACR, subject.AuthTime, subject.Session
	t.Expires = min(t.Expires, subject.Expires)
	token, err := p.sign(r.Context(), keys.ES256, typeAccess, t)
	if err != nil {
		return nil, err
	}
	p.cfg.Log.InfoContext(r.Context(), "a token was exchanged", "client", client.ID, "of", subject.ClientID, "target", target, "grant", t.Family, "jti", t.ID)
	out := answer(token, jkt, time.Duration(t.Expires-t.IssuedAt)*time.Second, scopes)
	out.IssuedType = kindAccessToken
	return out, nil
}

// checkExchange checks what needs no look at the token, and returns the one target.
func checkExchange(client *Client, form url.Values) (target string, err error) {
	if kind := form.Get("subject_token_type"); kind != kindAccessToken {
		return "", fault("invalid_request", "[exchange.type] subject_token_type must be %s", kindAccessToken)
	}
	if kind := form.Get("requested_token_type"); kind != "" && kind != kindAccessToken {
		return "", fault("invalid_request", "[exchange.type] requested_token_type must be %s or left out", kindAccessToken)
	}
	if form.Has("actor_token") || form.Has("actor_token_type") {
		return "", fault("invalid_request", "[exchange.actor] there is no actor_token: who acts is the client that asks")
	}
	targets := slices.Concat(form["audience"], form["resource"])
	if len(targets) != 1 || !slices.Contains(client.ExchangeAudience, targets[0]) {
		return "", fault("invalid_target", "[exchange.target] exactly one audience or resource is needed, of those registered for the client")
	}
	return targets[0], nil
}

// exchanged reads the token that is exchanged: a live access token of a person's grant, issued to the client or for it.
// Whatever is wrong with it is one answer (RFC 8693 §2.2.2), so that nobody probes other services' tokens here.
func (p *Provider) exchanged(r *http.Request, client *Client, token string) (accessToken, *Family, error) {
	refused := fault("invalid_request", "[exchange.subject] subject_token is not a live access token of a person that was issued to the client or for it")
	t, err := p.readAccess(r.Context(), token)
	if err != nil || t.Family == "" || !p.concerns(t, client) {
		return t, nil, refused
	}
	family, _, _, err := p.liveFamily(r, t)
	if err != nil {
		return t, nil, fmt.Errorf("reading the grant of a token: %w", err)
	}
	if family == nil {
		return t, nil, refused
	}
	if t.Actor.length() >= mostActors {
		return t, nil, fault("invalid_request", "[exchange.depth] %d services stand one behind another already", mostActors)
	}
	return t, family, nil
}

// concerns reports whether a token was issued to a client or for it.
func (p *Provider) concerns(t accessToken, client *Client) bool {
	return t.ClientID == client.ID || slices.Contains(t.Audience, client.ID) || sharesAudience(t.Audience, client)
}

// narrowedFor returns the scopes of the new token: of those that the subject token has and the client is registered for, the
// asked ones, or all but offline_access.
func (p *Provider) narrowedFor(client *Client, subject accessToken, asked string) ([]string, error) {
	var held []string
	for _, s := range strings.Fields(subject.Scope) {
		if s != "offline_access" && slices.Contains(client.Scopes, s) {
			held = append(held, s)
		}
	}
	return narrowed(held, asked)
}

// revokedKey marks a delegated token that its holder revoked; the grant that it came of is not the holder's to end.
func revokedKey(id string) string { return "revoked-token/" + id }

// revokeDelegated ends one delegated token.
func (p *Provider) revokeDelegated(ctx context.Context, t accessToken) error {
	left := time.Unix(t.Expires, 0).Sub(p.now())
	if left < time.Millisecond {
		return nil
	}
	if err := p.cfg.Ephemera.Put(ctx, revokedKey(t.ID), []byte{1}, left); err != nil {
		return fmt.Errorf("revoking a delegated token: %w", err)
	}
	return nil
}

// revoked reports whether a delegated token was revoked by itself.
func (p *Provider) revoked(ctx context.Context, t accessToken) (bool, error) {
	if t.Actor == nil {
		return false, nil
	}
	_, gone, err := p.cfg.Ephemera.Get(ctx, revokedKey(t.ID))
	return gone, err
}
