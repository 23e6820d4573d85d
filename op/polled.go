package op

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

const (
	// polledMemory is how long after its end a client still hears that nobody answered in time, rather than that its
	// handle is unknown.
	polledMemory = 10 * time.Minute
	// pollStep is how often a client may ask, and how much longer it waits each time it asked too soon (RFC 8628 §3.5, CIBA §11).
	pollStep = 5 * time.Second
	// pollSlack forgives a client the jitter of its network.
	pollSlack = time.Second
	// polledMost is the longest that any handle lives.
	polledMost = 10 * time.Minute
)

// ModePage is the mode of a response that is for nobody but the person: the one who asked is not this browser and polls.
const ModePage = "page"

// RemoteKind is how a request came that is not from the person's browser.
type RemoteKind string

// The kinds.
const (
	RemoteDevice RemoteKind = "device" // a device without a browser shows a code (RFC 8628)
	RemoteCall   RemoteKind = "call"   // a service asks the person where they are signed in (CIBA)
)

// Remote is the part of a request that did not come from the person's browser. Whoever made it holds a handle and polls.
type Remote struct {
	Kind     RemoteKind
	Key      string // keys.Hash of the handle: where the person's decision goes
	UserCode string // that the device shows, XXXX-XXXX
	Message  string // that the service tells the person, to know the request by
	Origin   account.Origin
	Until    time.Time
	Ping     *Ping // whom to tell that the person answered; nil: they poll
}

// Ping is how a service wants to hear that an answer is there (CIBA Core 1.0 §10.2).
type Ping struct{ Handle, Token string }

// polledValue is what a handle stands for while it lives, and a little longer.
type polledValue struct {
	Kind     RemoteKind
	ClientID string
	JKT      string // DPoP key that the request was made under; empty when none was
	Until    time.Time
}

// decision is what the person answered: a refusal as an OAuth error code, or what a code would stand for.
type decision struct {
	Refused string
	Granted codeValue
}

func polledKey(hash string) string   { return "polled/" + hash }
func decisionKey(hash string) string { return "polled-decision/" + hash }
func slowKey(hash string) string     { return "polled-slow/" + hash }

// newRemote makes a handle, and the request that waits behind it.
func (p *Provider) newRemote(r *http.Request, client *Client, kind RemoteKind, jkt string, life time.Duration) (handle string, req *AuthRequest) {
	handle = keys.RandomHandle()
	return handle, &AuthRequest{ID: keys.RandomHandle(), ClientID: client.ID, DPoPJKT: jkt, ResponseMode: ModePage, CreatedAt: p.now(),
		Remote: &Remote{Kind: kind, Key: keys.Hash(handle), Origin: p.origin(r), Until: p.now().Add(life)}}
}

// keepPolled lets a client poll for a request.
func (p *Provider) keepPolled(ctx context.Context, req *AuthRequest) error {
	raw, err := json.Marshal(polledValue{req.Remote.Kind, req.ClientID, req.DPoPJKT, req.Remote.Until})
	if err != nil {
		return fmt.Errorf("encoding a polled request: %w", err)
	}
	if err := p.cfg.Ephemera.Put(ctx, polledKey(req.Remote.Key), raw, req.Remote.Until.Sub(p.now())+polledMemory); err != nil {
		return fmt.Errorf("keeping a polled request: %w", err)
	}
	return nil
}

// origin says where a request came from, as far as the configuration can tell.
func (p *Provider) origin(r *http.Request) account.Origin {
	if p.cfg.Origin != nil {
		return p.cfg.Origin(r)
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return account.Origin{}
	}
	return account.Origin{Address: peer.Addr().Unmap()}
}

// allowRemote leaves the person's approval for who polls, and writes it into their journal.
func (p *Provider) allowRemote(ctx context.Context, client *Client, req *AuthRequest, auth Authentication) (Response, error) {
	journal, origin := p.cfg.Accounts.DeviceAllowed, req.Remote.Origin
	if req.Remote.Kind == RemoteCall {
		journal, origin = p.cfg.Accounts.RequestApproved, auth.Origin
	}
	if err := journal(ctx, auth.AccountID, client.ID, client.DisplayName("ru"), origin); err != nil {
		return Response{}, fmt.Errorf("journalling an approval: %w", err)
	}
	return p.decide(ctx, req, decision{Granted: codeValue{
		ClientID: client.ID, Scopes: req.Scopes, Claims: req.Claims, Resources: req.Resources, JKT: req.DPoPJKT, Auth: auth,
	}})
}

// decide leaves what the person answered where the next poll finds it.
func (p *Provider) decide(ctx context.Context, req *AuthRequest, d decision) (Response, error) {
	left := req.Remote.Until.Sub(p.now())
	if left < time.Millisecond {
		return Response{}, account.ErrNotFound
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return Response{}, fmt.Errorf("encoding a decision: %w", err)
	}
	if err := p.cfg.Ephemera.Put(ctx, decisionKey(req.Remote.Key), raw, left); err != nil {
		return Response{}, fmt.Errorf("keeping a decision: %w", err)
	}
	p.ping(req)
	return Response{Mode: ModePage, Params: map[string]string{"error": d.Refused, "kind": string(req.Remote.Kind)}}, nil
}

// collect answers a poll (RFC 8628 §3.4, CIBA §10.1). The decision is taken at once, so of many polls one gets the tokens; a
// handle that comes again after that ends what came of it.
func (p *Provider) collect(r *http.Request, client *Client, kind RemoteKind, form url.Values, jkt string) (*tokenResponse, error) {
	handle := form.Get("device_code")
	if kind == RemoteCall {
		handle = form.Get("auth_req_id")
	}
	ctx, hash := r.Context(), keys.Hash(handle)
	if len(handle) != len(keys.RandomHandle()) {
		return nil, fault("invalid_grant", "[poll.unknown] device_code or auth_req_id is not one of ours")
	}
	raw, ok, err := p.cfg.Ephemera.Get(ctx, polledKey(hash))
	if err != nil {
		return nil, fmt.Errorf("reading a polled request: %w", err)
	}
	if !ok {
		p.codeReplayed(r, client, handle)
		return nil, fault("invalid_grant", "[poll.spent] device_code or auth_req_id was used before, has expired long ago, or was never issued")
	}
	var v polledValue
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("reading a polled request: %w", err)
	}
	switch {
	case v.Kind != kind:
		return nil, fault("invalid_grant", "[poll.unknown] device_code or auth_req_id is not one of ours")
	case v.ClientID != client.ID:
		return nil, fault("invalid_grant", "[poll.foreign] the request was made by another client")
	case v.JKT != "" && v.JKT != jkt:
		return nil, fault("invalid_grant", "[dpop.key] the request was made under another DPoP key")
	case !p.now().Before(v.Until):
		return nil, fault("expired_token", "[poll.expired] nobody answered in time: ask anew")
	}
	answer, ok, err := p.cfg.Ephemera.Take(ctx, decisionKey(hash))
	if err != nil {
		return nil, fmt.Errorf("taking a decision: %w", err)
	}
	if !ok {
		return nil, p.notYet(ctx, hash)
	}
	if _, _, err := p.cfg.Ephemera.Take(ctx, polledKey(hash)); err != nil {
		return nil, fmt.Errorf("spending a polled request: %w", err)
	}
	var d decision
	if err := json.Unmarshal(answer, &d); err != nil {
		return nil, fmt.Errorf("reading a decision: %w", err)
	}
	if d.Refused != "" {
		return nil, fault(d.Refused, "[poll.refused] the person refused, or could not show what the service asks")
	}
	resources, err := target(client, d.Granted.Resources, form)
	if err != nil {
		return nil, err
	}
	return p.redeem(ctx, client, redemption{handle, d.Granted, jkt, resources})
}

// notYet says that nobody has answered yet, and slows down a client that asks too often: each time by five seconds more,
// for as long as its handle lives.
func (p *Provider) notYet(ctx context.Context, hash string) error {
	slow, err := p.cfg.Ephemera.Count(ctx, slowKey(hash), 0, polledMost)
	if err != nil {
		return fmt.Errorf("reading how slow a client is: %w", err)
	}
	first, err := p.beginWait(ctx, hash, slow)
	if err != nil {
		return err
	}
	if first {
		return fault("authorization_pending", "[poll.pending] nobody has answered yet: ask again")
	}
	if slow, err = p.cfg.Ephemera.Count(ctx, slowKey(hash), 1, polledMost); err != nil {
		return fmt.Errorf("slowing a client down: %w", err)
	}
	if _, err := p.beginWait(ctx, hash, slow); err != nil {
		return err
	}
	return fault("slow_down", "[poll.fast] the client asks too often: wait %d s between two questions", int(pollWait(slow).Seconds()))
}

// pollWait is how long a client waits between two questions after it was slowed down so many times.
func pollWait(slow int64) time.Duration { return pollStep * time.Duration(1+slow) }

// beginWait reports whether the wait before was over, and begins the next.
func (p *Provider) beginWait(ctx context.Context, hash string, slow int64) (bool, error) {
	first, err := p.cfg.Ephemera.Once(ctx, fmt.Sprintf("polled-wait/%s/%d", hash, slow), pollWait(slow)-pollSlack)
	if err != nil {
		return false, fmt.Errorf("pacing a client: %w", err)
	}
	return first, nil
}
