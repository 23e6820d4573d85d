package op

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// How long keys that were fetched from a client's jwks_uri are used.
const (
	keySetFresh = 10 * time.Minute // then they are fetched again
	keySetStale = 24 * time.Hour   // so long they serve when that fails
	keySetAgain = 10 * time.Second // at most so often are they fetched for a kid that nobody knows
)

// keySets knows the public keys of clients: those that they registered, and those at their jwks_uri. Each is parsed once.
type keySets struct {
	fetch *fetcher
	now   func() time.Time
	log   *slog.Logger
	held  sync.Map // client id → *heldKeys
}

// heldKeys are the keys of one client. A lock is held while they are fetched: who comes meanwhile waits.
type heldKeys struct {
	mu      sync.Mutex
	uri     string // where they are from; empty: registered
	raw     []byte
	set     jose.JSONWebKeySet
	fetched time.Time // the last success
	tried   time.Time
}

// of returns the signature keys of a client; with a kid that is not among them, those of a fetch anew.
func (k *keySets) of(ctx context.Context, c *Client, kid string) ([]jose.JSONWebKey, error) {
	found, _ := k.held.LoadOrStore(c.ID, &heldKeys{})
	h := found.(*heldKeys)
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.JWKSURI == "" || len(c.JWKS) > 0 {
		return h.registered(c)
	}
	if h.uri != c.JWKSURI {
		h.uri, h.raw, h.set, h.fetched, h.tried = c.JWKSURI, nil, jose.JSONWebKeySet{}, time.Time{}, time.Time{}
	}
	now := k.now()
	old := now.Sub(h.fetched) >= keySetFresh || now.Before(h.fetched)
	unknown := kid != "" && len(h.set.Key(kid)) == 0
	if (old || unknown) && (now.Sub(h.tried) >= keySetAgain || now.Before(h.tried)) {
		h.tried = now
		if err := h.read(ctx, k.fetch, now); err != nil {
			k.log.WarnContext(ctx, "fetching the keys of a client", "client", c.ID, "error", err)
		}
	}
	if len(h.set.Keys) == 0 || now.Sub(h.fetched) >= keySetStale {
		return nil, diagnosed("invalid_client", "assertion.jwks_uri", "the keys at the client's jwks_uri could not be fetched, or none is usable")
	}
	return h.set.Keys, nil
}

// registered parses the keys that stand in the registration, when they changed.
func (h *heldKeys) registered(c *Client) ([]jose.JSONWebKey, error) {
	if h.uri != "" || h.raw == nil || !bytes.Equal(h.raw, c.JWKS) {
		set, err := parseJWKS(c.JWKS)
		if err != nil {
			return nil, diagnosed("invalid_client", "assertion.jwks", "the client has no usable keys: register jwks or jwks_uri")
		}
		h.uri, h.raw, h.set = "", c.JWKS, set
	}
	return h.set.Keys, nil
}

// read fetches. Keys that were good stay when it fails.
func (h *heldKeys) read(ctx context.Context, fetch *fetcher, now time.Time) error {
	raw, err := fetch.get(ctx, h.uri, "application/jwk-set+json, application/json")
	if err != nil {
		return err
	}
	set, err := parseJWKS(raw)
	if err != nil {
		return err
	}
	h.raw, h.set, h.fetched = raw, set, now
	return nil
}
