package op

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vhod-id/vhod/account"
)

const (
	clientRefresh = 2 * time.Second // how soon a change of a client is known to every node
	clientMiss    = time.Second     // for unknown ids the store is asked, but no more than
	clientMisses  = 50              // so often in that time: whoever makes up ids gets no further
)

// clientCache holds all clients in memory; a request never waits for the store to know a client.
type clientCache struct {
	store ClientStore
	now   func() time.Time
	log   *slog.Logger
	view  atomic.Pointer[clientView]

	mu     sync.Mutex // held while an unknown client is looked for
	since  time.Time  // when the looks began to be counted
	misses int
}

type clientView struct {
	version int64
	byID    map[string]*Client
}

func newClientCache(store ClientStore, now func() time.Time, log *slog.Logger) *clientCache {
	c := &clientCache{store: store, now: now, log: log}
	c.view.Store(&clientView{byID: map[string]*Client{}})
	return c
}

// load reads all clients. The version is read first: a change between the two is read again next time.
func (c *clientCache) load(ctx context.Context) error {
	version, err := c.store.ClientsVersion(ctx)
	if err != nil {
		return err
	}
	all, err := c.store.Clients(ctx)
	if err != nil {
		return err
	}
	view := &clientView{version: version, byID: make(map[string]*Client, len(all))}
	for i := range all {
		view.byID[all[i].ID] = &all[i]
	}
	c.view.Store(view)
	return nil
}

// refresh loads when something changed.
func (c *clientCache) refresh(ctx context.Context) error {
	version, err := c.store.ClientsVersion(ctx)
	if err != nil || version == c.view.Load().version {
		return err
	}
	return c.load(ctx)
}

// client returns a client or nil. An unknown one may be new, registered at another node a moment ago: the store is asked, within
// limits, and who comes meanwhile waits for what it answers.
func (c *clientCache) client(ctx context.Context, id string) *Client {
	if found := c.view.Load().byID[id]; found != nil || id == "" {
		return found
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.view.Load().byID[id]; found != nil {
		return found
	}
	if now := c.now(); now.Sub(c.since) >= clientMiss || now.Before(c.since) {
		c.since, c.misses = now, 0
	}
	if c.misses < clientMisses {
		c.misses++
		if err := c.refresh(ctx); err != nil {
			c.log.ErrorContext(ctx, "looking for an unknown client", "error", err)
		}
	}
	return c.view.Load().byID[id]
}

// Services returns all clients, for pages that name them.
func (p *Provider) Services() []Client {
	byID := p.clients.view.Load().byID
	out := make([]Client, 0, len(byID))
	for _, c := range byID {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Client) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out
}

// Client returns a client by its id, or account.ErrNotFound.
func (p *Provider) Client(ctx context.Context, id string) (*Client, error) {
	if c := p.clients.client(ctx, id); c != nil {
		return c, nil
	}
	return nil, account.ErrNotFound
}

// may reports whether a client may use a grant type.
func (c *Client) may(grant string) bool { return slices.Contains(c.GrantTypes, grant) }

// public reports whether a client has no credential.
func (c *Client) public() bool { return slices.Contains(c.Auth, AuthNone) }

// DisplayName is the client's name in a language, or in any, or its id.
func (c *Client) DisplayName(lang string) string {
	if n := c.Name[lang]; n != "" {
		return n
	}
	for _, l := range []string{"ru", "en"} {
		if n := c.Name[l]; n != "" {
			return n
		}
	}
	return c.ID
}
