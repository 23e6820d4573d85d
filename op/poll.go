package op

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
)

// Scopes of the stream's endpoints (OpenID Shared Signals Framework 1.0 §8, §9).
const (
	scopeStreamRead   = "ssf.read"   // take events, read the stream
	scopeStreamManage = "ssf.manage" // change the stream
)

// Limits of taking events by polling (RFC 8936).
const (
	pollLease    = time.Minute        // an event that is not acknowledged by then comes again
	pollLife     = 7 * 24 * time.Hour // an event that nobody took by then is dropped
	pollMost     = 100                // events in one answer
	pollPatience = 20 * time.Second   // an answer that waits for events waits no longer
	pollEvery    = time.Second
	maxPolling   = 64 << 10
)

// polledKind is what a client's waiting events are owed as.
func polledKind(clientID string) account.TaskKind {
	return account.TaskKind("security-event:" + clientID)
}

// eventName is the jti of a waiting event: its task, and what only we can add, so that a client acknowledges its own alone.
func (p *Provider) eventName(clientID, task string) string {
	return task + "." + p.cfg.Sealer.Index("security-event", clientID+" "+task)[:22]
}

// taskOf is the task of a client's event, empty for a name that we did not give.
func (p *Provider) taskOf(clientID, name string) string {
	task, _, _ := strings.Cut(name, ".")
	if task == "" || p.eventName(clientID, task) != name {
		return ""
	}
	return task
}

// polling is RFC 8936 §2.4.
type polling struct {
	Most        *int                       `json:"maxEvents"`
	Immediately bool                       `json:"returnImmediately"`
	Taken       []string                   `json:"ack"`
	Refused     map[string]json.RawMessage `json:"setErrs"`
}

// polled is RFC 8936 §2.5.
type polled struct {
	Sets map[string]string `json:"sets"`
	More bool              `json:"moreAvailable,omitempty"`
}

// pollEvents is RFC 8936 §2: the client acknowledges what it has taken or refused, and gets what waits. What it does not
// acknowledge comes again under the same name.
func (p *Provider) pollEvents(w http.ResponseWriter, r *http.Request) error {
	client, err := p.streamClient(w, r, scopeStreamRead)
	if err != nil {
		return err
	}
	if !client.EventsPoll {
		return diagnosed("invalid_request", "stream.delivery", "the client's stream is not polled")
	}
	var ask polling
	if err := streamBody(w, r, &ask); err != nil {
		return err
	}
	if err := p.acknowledge(r.Context(), client, ask); err != nil {
		return err
	}
	most := pollMost
	if ask.Most != nil {
		if *ask.Most < 0 {
			return diagnosed("invalid_request", "stream.body", "maxEvents is not a number of events")
		}
		most = min(*ask.Most, pollMost)
	}
	answer := polled{Sets: map[string]string{}}
	if most > 0 && client.EventsStatus == StreamEnabled {
		if answer, err = p.waiting(r.Context(), client, most, !ask.Immediately); err != nil {
			return err
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	answerJSON(w, http.StatusOK, answer)
	return nil
}

// acknowledge forgets what the client took, and what it says it will never take (RFC 8936 §2.4.2).
func (p *Provider) acknowledge(ctx context.Context, client *Client, ask polling) error {
	done := slices.Clone(ask.Taken)
	for name, why := range ask.Refused {
		p.cfg.Log.WarnContext(ctx, "a service refused a security event", "client", client.ID, "jti", printable(name), "why", printable(string(why)))
		done = append(done, name)
	}
	for _, name := range done {
		if task := p.taskOf(client.ID, name); task != "" {
			if err := p.cfg.Outbox.Pay(ctx, task); err != nil {
				return fmt.Errorf("forgetting an event: %w", err)
			}
		}
	}
	return nil
}

// waiting returns what waits for the client, or waits for it a while.
func (p *Provider) waiting(ctx context.Context, client *Client, most int, patient bool) (polled, error) {
	ctx, cancel := context.WithTimeout(ctx, pollPatience)
	defer cancel()
	answer := polled{Sets: map[string]string{}}
	if patient { // one request of a client waits on a node; what more there are is answered at once
		if _, busy := p.polling.LoadOrStore(client.ID, true); busy {
			patient = false
		} else {
			defer p.polling.Delete(client.ID)
		}
	}
	for {
		tasks, err := p.cfg.Outbox.Lease(ctx, []account.TaskKind{polledKind(client.ID)}, p.now(), pollLease, most)
		if err != nil {
			if patient && errors.Is(err, context.DeadlineExceeded) {
				return answer, nil
			}
			return answer, fmt.Errorf("reading waiting events: %w", err)
		}
		for _, task := range tasks {
			var to signalTo
			if err := json.Unmarshal(task.Payload, &to); err != nil {
				return answer, fmt.Errorf("reading a waiting event: %w", err)
			}
			name := p.eventName(client.ID, task.ID)
			if answer.Sets[name], err = p.securityEvent(ctx, client, task.Account, name, to); err != nil {
				return answer, err
			}
		}
		answer.More = len(tasks) == most
		if len(tasks) > 0 || !patient {
			return answer, nil
		}
		select {
		case <-ctx.Done():
			return answer, nil
		case <-time.After(pollEvery):
		}
	}
}

// forgetWaiting forgets all that waits for a client.
func (p *Provider) forgetWaiting(ctx context.Context, clientID string) error {
	for {
		tasks, err := p.cfg.Outbox.Lease(ctx, []account.TaskKind{polledKind(clientID)}, p.now().Add(pollLease), 0, pollMost) // those that were given out, too
		if err != nil || len(tasks) == 0 {
			return err
		}
		for _, task := range tasks {
			if err := p.cfg.Outbox.Pay(ctx, task.ID); err != nil {
				return fmt.Errorf("forgetting an event: %w", err)
			}
		}
	}
}

// dropStale drops what a polling client never took. Leasing by the clock of a week ago finds nothing younger.
func (p *Provider) dropStale(ctx context.Context) error {
	for _, client := range p.Services() {
		if !client.EventsPoll {
			continue
		}
		stale, err := p.cfg.Outbox.Lease(ctx, []account.TaskKind{polledKind(client.ID)}, p.now().Add(-pollLife), pollLease, pollMost)
		if err != nil {
			return fmt.Errorf("looking for events that nobody takes: %w", err)
		}
		for _, task := range stale {
			if err := p.cfg.Outbox.Pay(ctx, task.ID); err != nil {
				return fmt.Errorf("dropping an event: %w", err)
			}
		}
		if len(stale) > 0 {
			p.cfg.Log.ErrorContext(ctx, "a service takes no security events, and the old ones are dropped", "client", client.ID, "count", len(stale))
		}
	}
	return nil
}

// streamClient is the client whose own token the request brings (RFC 6749 §4.4), with the scope.
func (p *Provider) streamClient(w http.ResponseWriter, r *http.Request, scope string) (*Client, error) {
	scheme, token, err := bearer(r)
	if err != nil {
		return nil, err
	}
	t, err := p.readAccess(r.Context(), token)
	if err != nil || t.Family != "" || t.Subject != t.ClientID || !slices.Contains(t.Audience, p.cfg.Issuer) {
		return nil, bearerFault(http.StatusUnauthorized, scheme, "invalid_token", "[token.invalid] the access token is not one of the client's own (client_credentials), or has expired")
	}
	if err := p.proofAtResource(w, r, scheme, token, t); err != nil {
		return nil, err
	}
	client, err := p.cfg.Clients.Client(r.Context(), t.ClientID) // not from memory: what is changed here is the newest
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return nil, fmt.Errorf("finding a client: %w", err)
	}
	if client == nil {
		return nil, bearerFault(http.StatusUnauthorized, scheme, "invalid_token", "[token.invalid] the client of the access token is gone")
	}
	if scopes := strings.Fields(t.Scope); !slices.Contains(scopes, scope) && !slices.Contains(scopes, scopeStreamManage) {
		return nil, bearerFault(http.StatusForbidden, scheme, "insufficient_scope", "[stream.scope] the access token lacks the scope "+scope)
	}
	return client, nil
}

// streamBody reads a JSON body.
func streamBody(w http.ResponseWriter, r *http.Request, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return diagnosed("invalid_request", "stream.body", "the body must be application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPolling))
	if err != nil {
		return &wireError{status: http.StatusRequestEntityTooLarge, code: "invalid_request", description: "[stream.body] the body is too large"}
	}
	if err := json.Unmarshal(text, into); err != nil {
		return diagnosed("invalid_request", "stream.body", "the body is not the JSON that is wanted here")
	}
	return nil
}
