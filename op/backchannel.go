package op

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// Limits of telling services that sessions are over. They hold whatever a service does: nobody waits for it.
const (
	logoutTimeout  = 3 * time.Second // one try, from the connection to the end of the answer; three tries are less than 10 s
	logoutAnswer   = 4 << 10         // bytes of an answer that are read
	logoutLife     = 2 * time.Minute // of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4)
	logoutParallel = 32              // tries under way on this node
	logoutLease    = time.Minute
	logoutPoll     = 2 * time.Second // for what other nodes left and what was postponed
	logoutMost     = 50              // sessions of one person that one service hears of one by one
)

// logoutWaits is how long the next try waits; after the last one the service is given up.
var logoutWaits = []time.Duration{10 * time.Second, time.Minute}

const (
	typeLogout  = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0 §2.4
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

	// owedLogoutToken is one logout token owed to one service; the payload is a Visit.
	owedLogoutToken account.TaskKind = "logout-token"
)

// KickLogouts makes PayLogouts look at once. It never blocks.
func (p *Provider) KickLogouts() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// PayLogouts tells services that sessions are over (OpenID Connect Back-Channel Logout 1.0), and of security events (RFC 8935), until ctx
// ends; what is under way then is finished. Every ending of a session owes it with its change, so none is lost with a node. A service is told at least
// once, or given up after three tries.
func (p *Provider) PayLogouts(ctx context.Context) error {
	slots := make(chan struct{}, logoutParallel)
	var under sync.WaitGroup
	defer under.Wait()
	tick, hourly := time.NewTicker(logoutPoll), time.NewTicker(time.Hour)
	defer tick.Stop()
	defer hourly.Stop()
	for {
		if err := p.payLogouts(ctx, slots, &under); err != nil && ctx.Err() == nil {
			p.cfg.Log.ErrorContext(ctx, "telling services of ended sessions", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hourly.C:
			if err := p.dropStale(ctx); err != nil && ctx.Err() == nil {
				p.cfg.Log.ErrorContext(ctx, "dropping events that nobody takes", "error", err)
			}
		case <-p.kick:
		case <-tick.C:
		}
	}
}

// payLogouts starts what is due. It leases no more than it has hands for, so that a dead service holds up nobody's lease.
func (p *Provider) payLogouts(ctx context.Context, slots chan struct{}, under *sync.WaitGroup) error {
	for ctx.Err() == nil {
		slots <- struct{}{} // at least one hand is free
		tasks, err := p.cfg.Outbox.Lease(ctx, []account.TaskKind{account.OwedLogout, account.OwedSignal, owedLogoutToken, owedSignal}, p.now(), logoutLease, 1+cap(slots)-len(slots))
		if err != nil || len(tasks) == 0 {
			<-slots
			return err
		}
		for i, task := range tasks {
			if i > 0 {
				slots <- struct{}{}
			}
			under.Go(func() {
				defer func() { <-slots }()
				ctx := context.WithoutCancel(ctx)
				if err := p.payLogout(ctx, task); err != nil {
					p.cfg.Log.ErrorContext(ctx, "telling a service of an ended session", "task", task.ID, "error", err)
				}
			})
		}
	}
	return nil
}

func (p *Provider) payLogout(ctx context.Context, task account.Task) error {
	switch task.Kind {
	case account.OwedLogout:
		return p.spreadLogout(ctx, task)
	case account.OwedSignal:
		return p.spreadSignal(ctx, task)
	case owedSignal:
		return p.paySignal(ctx, task)
	}
	var to Visit
	if err := json.Unmarshal(task.Payload, &to); err != nil {
		return errors.Join(fmt.Errorf("reading what is owed: %w", err), p.cfg.Outbox.Pay(ctx, task.ID))
	}
	client, err := p.Client(ctx, to.ClientID)
	if err != nil || client.BackchannelLogoutURI == "" { // no longer registered, or not for this
		return p.cfg.Outbox.Pay(ctx, task.ID)
	}
	err = p.tellLogout(ctx, client, task.Account, to.SessionID)
	if err == nil {
		return p.cfg.Outbox.Pay(ctx, task.ID)
	}
	log := p.cfg.Log.With("client", client.ID, "tries", task.Attempts+1, "error", err)
	if task.Attempts >= len(logoutWaits) {
		log.ErrorContext(ctx, "a service did not take that a session is over, and is given up")
		return p.cfg.Outbox.Pay(ctx, task.ID)
	}
	log.WarnContext(ctx, "a service did not take that a session is over")
	return p.cfg.Outbox.Postpone(ctx, task.ID, p.now().Add(logoutWaits[task.Attempts]))
}

// spreadLogout owes a logout token to every service that the sessions led to. A crash on the way tells some service twice,
// which is no harm.
func (p *Provider) spreadLogout(ctx context.Context, task account.Task) error {
	var ended account.Ended
	if err := json.Unmarshal(task.Payload, &ended); err != nil {
		return errors.Join(fmt.Errorf("reading what is owed: %w", err), p.cfg.Outbox.Pay(ctx, task.ID))
	}
	visits, err := p.cfg.Families.Visits(ctx, task.Account, ended.Sessions, ended.At)
	if err != nil {
		return err
	}
	visits = slices.DeleteFunc(visits, func(v Visit) bool { return v.SessionID == ended.Spared })
	owed, err := p.sessionSignals(ctx, task.Account, ended, visits)
	if err != nil {
		return err
	}
	told := map[string]int{}
	for _, v := range visits {
		client := p.clients.client(ctx, v.ClientID)
		if client == nil || client.BackchannelLogoutURI == "" {
			continue
		}
		most := logoutMost
		if len(ended.Sessions) == 0 && !client.BackchannelSession { // one token without a session says all of them
			v.SessionID, most = "", 1
		}
		if told[v.ClientID]++; told[v.ClientID] > most {
			continue
		}
		payload, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("writing what is owed: %w", err)
		}
		owed = append(owed, account.Task{Kind: owedLogoutToken, Account: task.Account, DueAt: p.now(), Payload: payload})
	}
	return p.replaceTask(ctx, task, owed)
}

// logoutClaims are OpenID Connect Back-Channel Logout 1.0 §2.4. There is no nonce among them, so that no logout token
// passes for an ID token.
type logoutClaims struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub"`
	Audience string              `json:"aud"`
	IssuedAt int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	ID       string              `json:"jti"`
	Session  string              `json:"sid,omitempty"`
	Events   map[string]struct{} `json:"events"`
}

// logoutToken is signed like the client's ID tokens.
func (p *Provider) logoutToken(ctx context.Context, client *Client, id account.ID, session string) (string, error) {
	now := p.now()
	return p.sign(ctx, client.idTokenAlg(), typeLogout, logoutClaims{
		Issuer: p.cfg.Issuer, Subject: p.subject(client, id), Audience: client.ID, IssuedAt: now.Unix(), Expires: now.Add(logoutLife).Unix(),
		ID: keys.RandomID(), Session: session, Events: map[string]struct{}{logoutEvent: {}},
	})
}

// tellLogout posts one logout token (§2.5). Every answer but 200 and 204 is a failure.
func (p *Provider) tellLogout(ctx context.Context, client *Client, id account.ID, session string) error {
	token, err := p.logoutToken(ctx, client, id, session)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	status, err := p.fetch.post(ctx, client.BackchannelLogoutURI, url.Values{"logout_token": {token}}, logoutAnswer)
	if err != nil {
		return fmt.Errorf("posting a logout token: %w", err)
	}
	if status != http.StatusOK && status != http.StatusNoContent {
		return fmt.Errorf("posting a logout token: answered %d", status)
	}
	return nil
}
