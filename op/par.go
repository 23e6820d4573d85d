package op

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

const (
	// pushedLife is how long a pushed request may wait for the browser (RFC 9126 §2.2; FAPI 2.0 asks for less than 600 s).
	pushedLife = 60 * time.Second
	// pushedPrefix begins every request_uri of ours (RFC 9126 §2.2).
	pushedPrefix = "urn:ietf:params:oauth:request_uri:"
)

// pushedValue is a pushed request in the ephemera: the form as it came, checked once, without what proved the client.
type pushedValue struct {
	ClientID string
	Form     url.Values
}

func pushedKey(uri string) string { return "pushed/" + keys.Hash(uri) }

// par is the pushed authorization request endpoint (RFC 9126): the client is known, and what it asks is checked, before a
// browser comes.
func (p *Provider) par(w http.ResponseWriter, r *http.Request, form url.Values) error {
	client, err := p.authenticateClient(r, form)
	if err != nil {
		return err
	}
	if form.Has("request_uri") {
		return fault("invalid_request", "[par.request_uri] a pushed request has no request_uri of its own (RFC 9126 2.1)")
	}
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		form.Del(name)
	}
	form.Set("client_id", client.ID)
	if form, err = p.signedRequest(r.Context(), client, form); err != nil {
		return onWire(err)
	}
	if err := p.bindPushed(w, r, client, form); err != nil {
		return err
	}
	if _, err := p.checkRequest(client, form); err != nil {
		return onWire(err)
	}
	raw, err := json.Marshal(pushedValue{client.ID, form})
	if err != nil {
		return fmt.Errorf("encoding a pushed request: %w", err)
	}
	uri := pushedPrefix + keys.RandomHandle()
	if err := p.cfg.Ephemera.Put(r.Context(), pushedKey(uri), raw, pushedLife); err != nil {
		return fmt.Errorf("keeping a pushed request: %w", err)
	}
	answerJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int(pushedLife / time.Second)})
	return nil
}

// onWire makes the refusal of a request what the back channel answers.
func onWire(err error) error {
	var bad *badRequest
	if errors.As(err, &bad) {
		return diagnosed(bad.code, bad.diagnosis.Code, "%s", bad.diagnosis.Description)
	}
	return err
}

// bindPushed binds the request to the key of a DPoP proof that came with it (RFC 9449 §10.1).
func (p *Provider) bindPushed(w http.ResponseWriter, r *http.Request, client *Client, form url.Values) error {
	if r.Header.Get("DPoP") == "" {
		return nil
	}
	jkt, err := p.proofAtToken(w, r, client)
	if err != nil {
		return err
	}
	if named := form.Get("dpop_jkt"); named != "" && named != jkt {
		return fault("invalid_dpop_proof", "[dpop.key] dpop_jkt names another key than the proof (RFC 9449 10.1)")
	}
	form.Set("dpop_jkt", jkt)
	return nil
}

// pushed replaces a form that refers to a pushed request by that request; nothing else of the form counts (RFC 9101 §6.3).
// A request may be opened again while it waits (a reload), until a person has completed it.
func (p *Provider) pushed(ctx context.Context, client *Client, form url.Values) (url.Values, string, error) {
	uri := form.Get("request_uri")
	if !strings.HasPrefix(uri, pushedPrefix) {
		if client.mustPush() {
			return nil, "", refuse("invalid_request", "par.required", "this client must push its requests to /par first (RFC 9126)")
		}
		return form, "", nil
	}
	raw, ok, err := p.cfg.Ephemera.Get(ctx, pushedKey(uri))
	if err != nil {
		return nil, "", fmt.Errorf("reading a pushed request: %w", err)
	}
	var v pushedValue
	if ok {
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, "", fmt.Errorf("reading a pushed request: %w", err)
		}
	}
	if !ok || v.ClientID != client.ID {
		return nil, "", refuse("invalid_request_uri", "par.over",
			"request_uri has expired (60 s), was used, or is another client's: push the request again")
	}
	return v.Form, uri, nil
}

// spendPushed ends a pushed request when a person completed it: account.ErrNotFound to everybody but the first, though
// the request has long expired by then or was opened in two tabs.
func (p *Provider) spendPushed(ctx context.Context, uri string) error {
	first, err := p.cfg.Ephemera.Once(ctx, "spent-"+pushedKey(uri), requestMost+pushedLife)
	if err != nil {
		return fmt.Errorf("spending a pushed request: %w", err)
	}
	if !first {
		return fmt.Errorf("spending a pushed request: %w", account.ErrNotFound)
	}
	if _, _, err := p.cfg.Ephemera.Take(ctx, pushedKey(uri)); err != nil {
		return fmt.Errorf("spending a pushed request: %w", err)
	}
	return nil
}
