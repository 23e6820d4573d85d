package op

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// InitialToken lets its bearer register clients (RFC 7591 §3): the runner gives it out, and it says what they become.
type InitialToken struct {
	Name    string // for the log and the record of the client
	Hash    string // keys.Hash of the token
	Profile Profile
	Scopes  []string // that the clients may ask for
}

const (
	maxRegistration     = 64 << 10
	registrationsMost   = 600 // of one initial token in the window
	registrationsWindow = 10 * time.Minute
)

// registered is the answer to a registration, a reading and a change (RFC 7591 §3.2.1, RFC 7592 §3).
type registered struct {
	ClientID      string `json:"client_id"`
	Secret        string `json:"client_secret,omitempty"`
	IssuedAt      int64  `json:"client_id_issued_at"`
	SecretExpires *int64 `json:"client_secret_expires_at,omitempty"` // 0: never
	Token         string `json:"registration_access_token,omitempty"`
	URI           string `json:"registration_client_uri"`
	clientMetadata
}

// register is the client registration endpoint (RFC 7591 §3). It is there only when initial tokens are configured.
func (p *Provider) register(w http.ResponseWriter, r *http.Request) error {
	initial, err := p.initialToken(r)
	if err != nil {
		return err
	}
	n, err := p.cfg.Ephemera.Count(r.Context(), "register/"+initial.Name, 1, registrationsWindow)
	if err != nil {
		return fmt.Errorf("counting registrations: %w", err)
	}
	if n > registrationsMost {
		return &wireError{status: http.StatusTooManyRequests, code: "temporarily_unavailable", description: "[register.busy] too many registrations by this initial access token: try again later"}
	}
	m, err := p.registrationBody(w, r)
	if err != nil {
		return err
	}
	now := p.now()
	c := &Client{ID: "dyn-" + keys.RandomID(), Profile: initial.Profile, Registration: &Registration{By: initial.Name}, CreatedAt: now}
	secret, token, err := p.keepRegistration(r.Context(), c, m, initial.Scopes)
	if err != nil {
		return err
	}
	p.cfg.Log.InfoContext(r.Context(), "a client registered", "client", c.ID, "by", initial.Name)
	p.answerRegistration(w, http.StatusCreated, c, secret, token)
	return nil
}

// manage is the client configuration endpoint (RFC 7592 §2): a client reads, changes and deletes itself.
func (p *Provider) manage(w http.ResponseWriter, r *http.Request) error {
	c, err := p.registeredClient(r)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodDelete:
		return p.deleteRegistration(w, r, c)
	case http.MethodPut:
		return p.changeRegistration(w, r, c)
	}
	p.answerRegistration(w, http.StatusOK, c, "", bearerToken(r)) // RFC 7592 §3 wants the token in every answer
	return nil
}

// changeRegistration replaces all metadata (RFC 7592 §2.2) and the token that may do so next.
func (p *Provider) changeRegistration(w http.ResponseWriter, r *http.Request, c *Client) error {
	m, err := p.registrationBody(w, r)
	if err != nil {
		return err
	}
	if m.ownID != "" && m.ownID != c.ID {
		return badMetadata("client_id is not the one that is changed (RFC 7592 §2.2)")
	}
	if m.ownSecret != "" && !secretFits(c.Secrets, m.ownSecret, p.now()) {
		return badMetadata("client_secret is not the one that was issued: a client does not choose it (RFC 7592 §2.2)")
	}
	changed := *c
	registration := *c.Registration
	changed.Registration = &registration
	secret, token, err := p.keepRegistration(r.Context(), &changed, m, p.scopesBy(registration.By))
	if err != nil {
		return err
	}
	p.cfg.Log.InfoContext(r.Context(), "a client changed its registration", "client", c.ID)
	p.answerRegistration(w, http.StatusOK, &changed, secret, token)
	return nil
}

// deleteRegistration forgets a client (RFC 7592 §2.3). Its grants end with it: every use of a token asks for its client.
func (p *Provider) deleteRegistration(w http.ResponseWriter, r *http.Request, c *Client) error {
	if err := p.cfg.Clients.DeleteClient(r.Context(), c.ID); err != nil {
		return fmt.Errorf("deleting a client: %w", err)
	}
	if err := p.clients.load(r.Context()); err != nil {
		return fmt.Errorf("loading clients: %w", err)
	}
	if err := p.forgetWaiting(r.Context(), c.ID); err != nil {
		return err
	}
	p.cfg.Log.InfoContext(r.Context(), "a client deleted itself", "client", c.ID)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// keepRegistration checks metadata, gives the client what it needs to prove itself, and stores it.
func (p *Provider) keepRegistration(ctx context.Context, c *Client, m clientMetadata, scopes []string) (secret, token string, err error) {
	if err := p.fill(ctx, c, m, scopes); err != nil {
		return "", "", err
	}
	now := p.now()
	needsSecret := c.Auth[0] == AuthBasic || c.Auth[0] == AuthPost
	switch {
	case !needsSecret:
		c.Secrets = nil
	case len(c.Secrets) == 0:
		secret = keys.NewToken(keys.PrefixClientSecret)
		c.Secrets = []ClientSecret{{Hash: keys.Hash(secret), CreatedAt: now}}
	}
	token = keys.NewToken(keys.PrefixRegistration)
	c.Registration.TokenHash, c.UpdatedAt = keys.Hash(token), now
	if err := c.Check(); err != nil {
		return "", "", metadataFault(err)
	}
	if err := p.cfg.Clients.PutClient(ctx, *c); err != nil {
		return "", "", fmt.Errorf("storing a client: %w", err)
	}
	if err := p.clients.load(ctx); err != nil {
		return "", "", fmt.Errorf("loading clients: %w", err)
	}
	return secret, token, nil
}

func (p *Provider) answerRegistration(w http.ResponseWriter, status int, c *Client, secret, token string) {
	answer := registered{ClientID: c.ID, Secret: secret, IssuedAt: c.CreatedAt.Unix(), Token: token, URI: p.cfg.Issuer + "/register/" + c.ID, clientMetadata: metadataOf(c)}
	if len(c.Secrets) > 0 {
		answer.SecretExpires = new(int64)
	}
	answerJSON(w, status, answer.withNames(c))
}

// withNames adds the names in other languages, whose members have the language in their own names (RFC 7591 §2.2).
func (a registered) withNames(c *Client) any {
	if len(c.Name) < 2 && c.Name["ru"] == a.ClientName {
		return a
	}
	raw, err := json.Marshal(a)
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(raw, &members) != nil { // it always encodes
		return a
	}
	for lang, name := range c.Name {
		if lang != "ru" {
			members["client_name#"+lang], _ = json.Marshal(name)
		}
	}
	return members
}

// registrationBody reads a JSON body of metadata, with what its software statement says.
func (p *Provider) registrationBody(w http.ResponseWriter, r *http.Request) (clientMetadata, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return clientMetadata{}, diagnosed("invalid_client_metadata", "register.body", "the body must be application/json (RFC 7591 §3.1)")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRegistration))
	if err != nil {
		return clientMetadata{}, &wireError{status: http.StatusRequestEntityTooLarge, code: "invalid_client_metadata", description: "[register.body] the body is too large"}
	}
	if body, err = p.stated(body); err != nil {
		return clientMetadata{}, err
	}
	return readMetadata(body)
}

// initialToken finds the token that a registration brings. All are compared, so that time tells nothing.
func (p *Provider) initialToken(r *http.Request) (*InitialToken, error) {
	given := []byte(keys.Hash(bearerToken(r)))
	var found *InitialToken
	for i := range p.cfg.Registration {
		if subtle.ConstantTimeCompare(given, []byte(p.cfg.Registration[i].Hash)) == 1 {
			found = &p.cfg.Registration[i]
		}
	}
	if found == nil {
		return nil, registrationTokenFault("registration needs an initial access token, which the provider's runner gives out")
	}
	return found, nil
}

// registeredClient finds the client of a configuration request by its own token. An unknown client and a wrong token look
// the same (RFC 7592 §2.1).
func (p *Provider) registeredClient(r *http.Request) (*Client, error) {
	given := []byte(keys.Hash(bearerToken(r)))
	c, err := p.cfg.Clients.Client(r.Context(), r.PathValue("id"))
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return nil, fmt.Errorf("finding a client: %w", err)
	}
	if c == nil || c.Registration == nil || subtle.ConstantTimeCompare(given, []byte(c.Registration.TokenHash)) != 1 {
		return nil, registrationTokenFault("this is not the registration access token of this client")
	}
	return c, nil
}

func registrationTokenFault(description string) *wireError {
	return bearerFault(http.StatusUnauthorized, "Bearer", "invalid_token", "[register.token] "+description)
}

func bearerToken(r *http.Request) string {
	kind, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return ""
	}
	return strings.TrimSpace(value)
}

// scopesBy are the scopes of the initial token that a client registered by; those of no token when it is gone.
func (p *Provider) scopesBy(name string) []string {
	for _, t := range p.cfg.Registration {
		if t.Name == name {
			return t.Scopes
		}
	}
	return []string{"openid"}
}

// answering adapts a handler that answers JSON errors.
func (p *Provider) answering(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			p.answerError(w, r, err)
		}
	}
}
