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
	mu  sync.Mutex
	uri string // where they are from; empty: registered
	raw []byte
	set jose.JSONWebKeySet // that sign
	// encryption are those to which tokens are encrypted.
	encryption []jose.JSONWebKey
	fetched    time.Time // the last success
	tried      time.Time
}

// of returns the signature keys of a client; with a kid that is not among them, those of a fetch anew.
func (k *keySets) of(ctx context.Context, c *Client, kid string) ([]jose.JSONWebKey, error) {
	set, _ := k.look(ctx, c, kid)
	switch {
	case len(set.Keys) > 0:
		return set.Keys, nil
	case c.JWKSURI == "" || len(c.JWKS) > 0:
		return nil, diagnosed("invalid_client", "assertion.jwks", "the client has no usable keys: register jwks or jwks_uri")
	}
	return nil, diagnosed("invalid_client", "assertion.jwks_uri", "the keys at the client's jwks_uri could not be fetched, or none is usable")
}

// encryption returns the keys to which tokens for a client are encrypted.
func (k *keySets) encryption(ctx context.Context, c *Client) []jose.JSONWebKey {
	_, keys := k.look(ctx, c, "")
	return keys
}

// look returns both kinds of keys, none where they could not be had.
func (k *keySets) look(ctx context.Context, c *Client, kid string) (signing jose.JSONWebKeySet, encryption []jose.JSONWebKey) {
	found, _ := k.held.LoadOrStore(c.ID, &heldKeys{})
	h := found.(*heldKeys)
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.JWKSURI == "" || len(c.JWKS) > 0 {
		if h.uri != "" || h.raw == nil || !bytes.Equal(h.raw, c.JWKS) {
			h.keep("", c.JWKS)
		}
		return h.set, h.encryption
	}
	if h.uri != c.JWKSURI {
		h.keep(c.JWKSURI, nil)
		h.fetched, h.tried = time.Time{}, time.Time{}
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
	if now.Sub(h.fetched) >= keySetStale {
		return jose.JSONWebKeySet{}, nil
	}
	return h.set, h.encryption
}

// keep parses keys of both kinds; of what does not parse there are none.
func (h *heldKeys) keep(uri string, raw []byte) {
	h.uri, h.raw = uri, raw
	h.set, _ = parseJWKS(raw)
	h.encryption = encryptionKeys(raw)
}

// read fetches. Keys that were good stay when it fails.
func (h *heldKeys) read(ctx context.Context, fetch *fetcher, now time.Time) error {
	raw, err := fetch.get(ctx, h.uri, "application/jwk-set+json, application/json")
	if err != nil {
		return err
	}
	if _, err := parseJWKS(raw); err != nil && len(encryptionKeys(raw)) == 0 {
		return err
	}
	h.keep(h.uri, raw)
	h.fetched = now
	return nil
}
