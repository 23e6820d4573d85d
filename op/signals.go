package op

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// Events that services may hear of (CAEP 1.0 §3, RISC 1.0 §2), by the names under which clients register for them.
const (
	SignalSession    = "session-revoked"
	SignalCredential = "credential-change"
	SignalLevel      = "assurance-level-change"
	SignalDisabled   = "account-disabled"
	SignalEnabled    = "account-enabled"
	SignalConsent    = "consent-withdrawn"
)

// signalTypes are their types in a token. For a withdrawn consent no standard has one.
var signalTypes = map[string]string{
	SignalSession:    "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
	SignalCredential: "https://schemas.openid.net/secevent/caep/event-type/credential-change",
	SignalLevel:      "https://schemas.openid.net/secevent/caep/event-type/assurance-level-change",
	SignalDisabled:   "https://schemas.openid.net/secevent/risc/event-type/account-disabled",
	SignalEnabled:    "https://schemas.openid.net/secevent/risc/event-type/account-enabled",
	SignalConsent:    "urn:vhod:event:consent-withdrawn",
	signalVerified:   "https://schemas.openid.net/secevent/ssf/event-type/verification",
}

const (
	typeSignal  = "secevent+jwt" // RFC 8417 §2.3
	signalMedia = "application/secevent+jwt"

	// owedSignal is one security event token owed to one service; the payload is a signalTo.
	owedSignal account.TaskKind = "security-event"
)

// signalWaits is how long the next try waits; after the last one the service is given up.
var signalWaits = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour}

// signalTo is what one service hears.
type signalTo struct {
	ClientID  string         `json:"client_id"`
	SessionID string         `json:"sid,omitempty"`
	Name      string         `json:"name"`
	Event     map[string]any `json:"event"`
}

// hears reports whether a client wants to know of an event.
func (c *Client) hears(name string) bool {
	if !c.hasStream() || c.EventsStatus == StreamDisabled {
		return false
	}
	return name == signalVerified || len(c.Events) == 0 || slices.Contains(c.Events, name)
}

// checkSignals says what is wrong with a registration for events.
func (c *Client) checkSignals(wrong func(format string, args ...any)) {
	if err := checkRedirectURI(c.EventsURI, false); err != nil && c.EventsURI != "" {
		wrong("events_uri: %w", err)
	}
	for _, name := range c.Events {
		if signalTypes[name] == "" || name == signalVerified {
			wrong("events: %s is none of those there are", name)
		}
	}
	if len(c.Events) > 0 && !c.hasStream() {
		wrong("events: an events_uri, or events_poll, is needed")
	}
	if c.EventsURI != "" && c.EventsPoll {
		wrong("events_poll: events are posted to events_uri, or taken; not both")
	}
}

// eventOf puts a change of an account into the words of CAEP and RISC. What a person calls their key, or why somebody locked an account, stays here.
func eventOf(s account.Signal) (name string, event map[string]any) {
	who := "user"
	if !s.Person {
		who = "admin"
	}
	event = map[string]any{"event_timestamp": s.At.Unix(), "initiating_entity": who}
	credential := func(kind, change string) (string, map[string]any) {
		event["credential_type"], event["change_type"] = kind, change
		return SignalCredential, event
	}
	switch s.Kind {
	case account.PasswordChanged, account.PasswordReset:
		return credential("password", "update")
	case account.TOTPAdded, account.PushAdded:
		return credential("app", "create")
	case account.TOTPRemoved, account.PushRemoved:
		return credential("app", "revoke")
	case account.PasskeyAdded:
		return credential("fido2-platform", "create")
	case account.PasskeyRemoved:
		return credential("fido2-platform", "revoke")
	case account.SMSFactorAdded:
		return credential("phone-sms", "create")
	case account.SMSFactorRemoved:
		return credential("phone-sms", "revoke")
	case account.LevelRaised:
		event["namespace"], event["previous_level"], event["current_level"], event["change_direction"] = "urn:vhod:level", s.From, s.To, "increase"
		return SignalLevel, event
	case account.LevelLowered:
		event["namespace"], event["previous_level"], event["current_level"], event["change_direction"] = "urn:vhod:level", s.From, s.To, "decrease"
		return SignalLevel, event
	case account.AccountLocked:
		return SignalDisabled, map[string]any{}
	case account.AccountUnlocked:
		return SignalEnabled, map[string]any{}
	case account.ConsentWithdrawn:
		return SignalConsent, event
	}
	return "", nil
}

// spreadSignal owes a token to every service that the person lets know them and that registered for the event.
func (p *Provider) spreadSignal(ctx context.Context, task account.Task) error {
	var s account.Signal
	if err := json.Unmarshal(task.Payload, &s); err != nil {
		return errors.Join(fmt.Errorf("reading what is owed: %w", err), p.cfg.Outbox.Pay(ctx, task.ID))
	}
	name, event := eventOf(s)
	var owed []account.Task
	for _, id := range s.Clients {
		client := p.clients.client(ctx, id)
		if client == nil || !client.hears(name) {
			continue
		}
		one, err := p.owedSignal(client, task.Account, signalTo{ClientID: id, Name: name, Event: event})
		if err != nil {
			return err
		}
		owed = append(owed, one)
	}
	return p.replaceTask(ctx, task, owed)
}

// sessionSignals owes to the services that sessions led to that they hear of their end, one by one.
func (p *Provider) sessionSignals(ctx context.Context, id account.ID, ended account.Ended, visits []Visit) (owed []account.Task, err error) {
	for _, v := range visits {
		client := p.clients.client(ctx, v.ClientID)
		if client == nil || !client.hears(SignalSession) || len(owed) == logoutMost {
			continue
		}
		one, err := p.owedSignal(client, id, signalTo{ClientID: v.ClientID, SessionID: v.SessionID, Name: SignalSession, Event: map[string]any{"event_timestamp": ended.At.Unix()}})
		if err != nil {
			return nil, err
		}
		owed = append(owed, one)
	}
	return owed, nil
}

// owedSignal is an event that waits to be posted to a client, or to be taken by it.
func (p *Provider) owedSignal(client *Client, id account.ID, to signalTo) (account.Task, error) {
	payload, err := json.Marshal(to)
	if err != nil {
		return account.Task{}, fmt.Errorf("writing what is owed: %w", err)
	}
	kind := owedSignal
	if client.EventsPoll {
		kind = polledKind(client.ID)
	}
	return account.Task{ID: keys.RandomID(), Kind: kind, Account: id, DueAt: p.now(), Payload: payload}, nil
}

// replaceTask owes other tasks instead of one. A crash on the way does it twice, which is no harm.
func (p *Provider) replaceTask(ctx context.Context, task account.Task, owed []account.Task) error {
	if len(owed) > 0 {
		if err := p.cfg.Outbox.Owe(ctx, owed...); err != nil {
			return err
		}
		p.KickLogouts()
	}
	return p.cfg.Outbox.Pay(ctx, task.ID)
}

// paySignal delivers one token (RFC 8935 §2), or says when it is tried again. The jti is the task's, so a receiver knows one that
// comes again.
func (p *Provider) paySignal(ctx context.Context, task account.Task) error {
	var to signalTo
	if err := json.Unmarshal(task.Payload, &to); err != nil {
		return errors.Join(fmt.Errorf("reading what is owed: %w", err), p.cfg.Outbox.Pay(ctx, task.ID))
	}
	client, err := p.Client(ctx, to.ClientID)
	if err != nil || !client.hears(to.Name) || client.EventsURI == "" {
		return p.cfg.Outbox.Pay(ctx, task.ID)
	}
	if client.EventsStatus == StreamPaused {
		if p.now().Sub(task.DueAt) > pollLife {
			return p.cfg.Outbox.Pay(ctx, task.ID)
		}
		return nil // the lease ends in a minute, and it is looked at again
	}
	status, err := p.sendSignal(ctx, client, task, to)
	if err == nil && status/100 == 2 {
		return p.cfg.Outbox.Pay(ctx, task.ID)
	}
	log := p.cfg.Log.With("client", client.ID, "event", to.Name, "tries", task.Attempts+1, "status", status, "error", err)
	if task.Attempts >= len(signalWaits) || status == http.StatusBadRequest { // §2.3: it was understood, and will not be taken later either
		log.ErrorContext(ctx, "a service did not take a security event, and is given up")
		return p.cfg.Outbox.Pay(ctx, task.ID)
	}
	log.WarnContext(ctx, "a service did not take a security event")
	return p.cfg.Outbox.Postpone(ctx, task.ID, p.now().Add(signalWaits[task.Attempts]))
}

func (p *Provider) sendSignal(ctx context.Context, client *Client, task account.Task, to signalTo) (status int, err error) {
	token, err := p.securityEvent(ctx, client, task.Account, task.ID, to)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	return p.fetch.send(ctx, client.EventsURI, []byte(token), http.Header{"Content-Type": {signalMedia}, "Accept": {"application/json"}}, logoutAnswer)
}

// securityEvent is one security event token (RFC 8417 §2.2). There is neither sub nor exp in it, so that no such token passes
// for an ID token (§4.5, §4.6).
func (p *Provider) securityEvent(ctx context.Context, client *Client, id account.ID, name string, to signalTo) (string, error) {
	person := map[string]any{"format": "iss_sub", "iss": p.cfg.Issuer, "sub": p.subject(client, id)}
	subject := person // RFC 9493 §3.2.3
	switch {
	case to.Name == signalVerified: // it is about the stream (OpenID Shared Signals Framework 1.0 §8.1.4.1)
		subject = map[string]any{"format": "opaque", "id": p.streamID(client)}
	case to.SessionID != "":
		subject = map[string]any{"format": "complex", "user": person, "session": map[string]any{"format": "opaque", "id": to.SessionID}}
	}
	return p.sign(ctx, client.idTokenAlg(), typeSignal, map[string]any{
		"iss": p.cfg.Issuer, "aud": client.ID, "iat": p.now().Unix(), "jti": name, "sub_id": subject,
		"events": map[string]any{signalTypes[to.Name]: to.Event},
	})
}
