package op

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// Config is what a Provider needs. All but Certificates, Log, MTLS, Origin, Outbound and Registration must be set.
type Config struct {
	Issuer   string
	Accounts *account.Service
	Clients  ClientStore
	Families FamilyStore
	Ephemera Ephemera
	Outbox   account.Outbox // what services are still to be told
	Ring     *keys.Ring
	MTLS     MTLS         // where clients show certificates; nowhere when zero
	Sealer   *keys.Sealer // keyed hashes: pairwise subjects, family ids, replay checks
	Front    func() Front
	Origin   func(*http.Request) account.Origin // where a request came from; its peer when nil
	Outbound Outbound                           // where the provider may go on a client's word
	// Registration are the tokens by which clients register; without any there is no registration.
	Registration []InitialToken
	// SoftwareIssuers sign software statements that are believed; none: each is refused.
	SoftwareIssuers []SoftwareIssuer
	// Certificates: the front door takes qualified signatures, so services may ask for them.
	Certificates bool
	Now          func() time.Time
	Log          *slog.Logger
}

// Provider is the OpenID provider.
//
// Of zitadel/oidc it uses the wire types; its relying-party side stands in login and examples. Requests are dispatched here and not by the library's router:
// its paths read a code before the client is known, accept a token of any kind, decode by reflection and log what they
// redirect to (op/traps_test.go holds each).
type Provider struct {
	cfg     Config
	clients *clientCache
	fetch   *fetcher
	auth    *clientAuth
	seen    seenTokens
	proofs  *dpopVerifier
	routes  http.Handler
	oidcDoc document // OpenID Connect Discovery
	ssfDoc  document // OpenID Shared Signals Framework
	oauth   document // RFC 8414
	later   chan func(context.Context)
	kick    chan struct{} // something is owed to a service
	polling sync.Map      // clients of which a request waits for events
}

// New checks the configuration, loads the clients and prepares what is served as finished bytes.
func New(ctx context.Context, cfg Config) (*Provider, error) {
	if cfg.Issuer == "" || cfg.Accounts == nil || cfg.Clients == nil || cfg.Families == nil || cfg.Ephemera == nil ||
		cfg.Outbox == nil || cfg.Ring == nil || cfg.Sealer == nil || cfg.Front == nil || cfg.Now == nil {
		return nil, errors.New("provider: every part but Log, MTLS, Origin, Outbound and Registration is needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Provider{cfg: cfg, later: make(chan func(context.Context), 256), kick: make(chan struct{}, 1)}
	p.clients = newClientCache(cfg.Clients, cfg.Now, cfg.Log)
	if err := p.clients.load(ctx); err != nil {
		return nil, fmt.Errorf("loading clients: %w", err)
	}
	p.fetch = newFetcher(cfg.Outbound)
	p.proofs = &dpopVerifier{issuer: cfg.Issuer, mutual: cfg.MTLS.Origin, ephemera: cfg.Ephemera, sealer: cfg.Sealer, now: cfg.Now}
	p.auth = &clientAuth{issuer: cfg.Issuer, find: p.Client, ephemera: cfg.Ephemera, mtls: cfg.MTLS, now: cfg.Now, proofs: p.proofs,
		keys: &keySets{fetch: p.fetch, now: cfg.Now, log: cfg.Log}}
	if err := p.prepareDiscovery(); err != nil {
		return nil, err
	}
	p.routes = p.mux()
	return p, nil
}

// Run refreshes the clients and does what an answer did not wait for, until ctx ends.
func (p *Provider) Run(ctx context.Context) error {
	tick := time.NewTicker(clientRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case work := <-p.later:
			go work(ctx)
		case <-tick.C:
			if err := p.clients.refresh(ctx); err != nil && ctx.Err() == nil {
				p.cfg.Log.ErrorContext(ctx, "refreshing clients", "error", err)
			}
		}
	}
}

// Handler serves the endpoints of the provider.
func (p *Provider) Handler() http.Handler { return p.routes }

// now is the clock in the precision of the stores.
func (p *Provider) now() time.Time { return p.cfg.Now().UTC().Truncate(time.Millisecond) }

// answerError writes an error of a back-channel endpoint. What is no wireError is ours: logged, and named by the
// request's reference alone.
func (p *Provider) answerError(w http.ResponseWriter, r *http.Request, err error) {
	var wire *wireError
	if !errors.As(err, &wire) {
		wire = &wireError{status: http.StatusInternalServerError, code: "server_error",
			description: "internal error, reference " + r.Header.Get("X-Request-Id")}
		p.cfg.Log.ErrorContext(r.Context(), "provider failed", "path", r.URL.Path, "error", err)
	}
	if wire.challenge != "" {
		w.Header().Set("WWW-Authenticate", wire.challenge)
	}
	if wire.code == "use_dpop_nonce" {
		w.Header().Set("DPoP-Nonce", p.proofs.nonce(0))
	}
	if wire.code == "" { // there was no token at all, so there is no error to name (RFC 6750 §3.1)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(wire.status)
		return
	}
	answerJSON(w, wire.status, errorBody{wire.code, wire.description})
}

// answerJSON writes an answer that nobody may keep.
func answerJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// errorBody is RFC 6749 §5.2.
type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// tokenResponse is RFC 6749 §5.1 with the ID token of OpenID Connect Core §3.1.3.3.
type tokenResponse struct {
	oidc.AccessTokenResponse
	IssuedType string   `json:"issued_token_type,omitempty"`     // RFC 8693 §2.2.1
	Details    []Detail `json:"authorization_details,omitempty"` // RFC 9396 §7
}

// answer is a response with an access token alone.
func answer(token, jkt string, life time.Duration, scopes []string) *tokenResponse {
	return &tokenResponse{AccessTokenResponse: oidc.AccessTokenResponse{
		AccessToken: token, TokenType: tokenType(jkt), ExpiresIn: uint64(life.Seconds()), Scope: scopes,
	}}
}

// The grants of the token endpoint.
const (
	grantCode    = string(oidc.GrantTypeCode)
	grantRefresh = string(oidc.GrantTypeRefreshToken)
	grantClient  = string(oidc.GrantTypeClientCredentials)
)

// grants are those that the token endpoint knows.
var grants = []string{grantCode, grantRefresh, grantClient, grantDevice, grantExchange, grantCIBA}

// grantsForAll are those that a client may register for itself. To act for people at other services, or to ask them out of its own
// accord, it has to be somebody's whom an administrator knows.
var grantsForAll = []string{grantCode, grantRefresh, grantClient, grantDevice}
