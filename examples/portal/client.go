package portal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// client speaks to the provider. What the provider offers is discovered once, at first need.
type client struct {
	cfg Config
	mu  sync.Mutex
	op  *provider
}

// provider is what was discovered.
type provider struct {
	verifier  *oidc.IDTokenVerifier
	Authorize string   `json:"authorization_endpoint"`
	Token     string   `json:"token_endpoint"`
	Userinfo  string   `json:"userinfo_endpoint"`
	Logout    string   `json:"end_session_endpoint"`
	PAR       string   `json:"pushed_authorization_request_endpoint"`
	DPoP      []string `json:"dpop_signing_alg_values_supported"`
	SaysIss   bool     `json:"authorization_response_iss_parameter_supported"`
}

func (c *client) discover(ctx context.Context) (*provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.op != nil {
		return c.op, nil
	}
	// The key set keeps this context for later fetches, so it must not end with the request.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), c.cfg.HTTP), c.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovering the provider: %w", err)
	}
	var op provider
	if err := found.Claims(&op); err != nil {
		return nil, fmt.Errorf("reading the provider's metadata: %w", err)
	}
	op.verifier = found.Verifier(&oidc.Config{ClientID: c.cfg.ClientID, Now: c.cfg.Now})
	c.op = &op
	return c.op, nil
}

// start prepares a flow and returns its state and where the browser goes.
func (c *client) start(ctx context.Context, f *flow, create bool) (state, address string, err error) {
	op, err := c.discover(ctx)
	if err != nil {
		return "", "", err
	}
	f.nonce, f.verifier = rand.Text(), rand.Text()+rand.Text()
	state = rand.Text()
	params := url.Values{
		"response_type": {"code"}, "client_id": {c.cfg.ClientID}, "redirect_uri": {c.cfg.Origin + Callback},
		"scope": {strings.Join(f.need.scopes, " ")}, "state": {state}, "nonce": {f.nonce},
		"code_challenge": {hash(f.verifier)}, "code_challenge_method": {"S256"}, "ui_locales": {"ru"},
	}
	if create {
		params.Set("prompt", "create")
	}
	if f.need.level != "" {
		params.Set("claims", f.need.claims())
	}
	if slices.Contains(op.DPoP, "ES256") {
		if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return "", "", fmt.Errorf("making a DPoP key: %w", err)
		}
		jkt, err := thumbprint(f.key)
		if err != nil {
			return "", "", err
		}
		params.Set("dpop_jkt", jkt)
	}
	if op.PAR != "" {
		if params, err = c.push(ctx, op, params, f.key); err != nil {
			return "", "", err
		}
	}
	return state, op.Authorize + "?" + params.Encode(), nil
}

// push sends the request ahead and returns what is left for the browser to carry (RFC 9126).
func (c *client) push(ctx context.Context, op *provider, params url.Values, key *ecdsa.PrivateKey) (url.Values, error) {
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	if err := c.post(ctx, op.PAR, params, key, &pushed); err != nil {
		return nil, fmt.Errorf("pushing the request: %w", err)
	}
	return url.Values{"client_id": {c.cfg.ClientID}, "request_uri": {pushed.RequestURI}}, nil
}

// finish exchanges the code, checks the ID token and asks for the claims.
func (c *client) finish(ctx context.Context, f flow, code string) (*user, error) {
	op, err := c.discover(ctx)
	if err != nil {
		return nil, err
	}
	var tokens struct {
		Access    string `json:"access_token"`
		Type      string `json:"token_type"`
		ID        string `json:"id_token"`
		ExpiresIn int    `json:"expires_in"`
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.cfg.Origin + Callback}, "code_verifier": {f.verifier}}
	if err := c.post(ctx, op.Token, form, f.key, &tokens); err != nil {
		return nil, fmt.Errorf("exchanging the code: %w", err)
	}
	if f.key != nil && !strings.EqualFold(tokens.Type, "DPoP") {
		return nil, fmt.Errorf("exchanging the code: token_type %q, want DPoP", tokens.Type)
	}
	id, err := op.verifier.Verify(ctx, tokens.ID)
	if err != nil {
		return nil, fmt.Errorf("checking the ID token: %w", err)
	}
	if id.Nonce != f.nonce {
		return nil, errors.New("checking the ID token: another nonce")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(tokens.Access); err != nil {
			return nil, fmt.Errorf("checking the ID token: %w", err)
		}
	}
	var said struct {
		ACR     string `json:"acr"`
		Session string `json:"sid"`
	}
	if err := id.Claims(&said); err != nil {
		return nil, fmt.Errorf("reading the ID token: %w", err)
	}
	u := &user{subject: id.Subject, sid: said.Session, acr: said.ACR, idToken: tokens.ID, access: tokens.Access, scheme: "Bearer", key: f.key,
		expires: c.cfg.Now().Add(time.Duration(tokens.ExpiresIn) * time.Second), scopes: f.need.scopes}
	if f.key != nil {
		u.scheme = "DPoP"
	}
	return u, c.ask(ctx, u)
}

// errRevoked says that the provider no longer honours the access token.
var errRevoked = errors.New("the access token was refused")

// ask fills in the claims from the userinfo endpoint; the subject there must be that of the ID token.
func (c *client) ask(ctx context.Context, u *user) error {
	op, err := c.discover(ctx)
	if err != nil {
		return err
	}
	claims := map[string]any{}
	status, body, err := c.send(ctx, u.key, u.access, func() (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, op.Userinfo, nil)
		if err == nil {
			r.Header.Set("Authorization", u.scheme+" "+u.access)
		}
		return r, err
	})
	switch {
	case err != nil:
		return fmt.Errorf("asking for the claims: %w", err)
	case status == http.StatusUnauthorized:
		return errRevoked
	case status != http.StatusOK:
		return fmt.Errorf("asking for the claims: status %d", status)
	}
	if err := json.Unmarshal(body, &claims); err != nil {
		return fmt.Errorf("reading the claims: %w", err)
	}
	if claims["sub"] != u.subject {
		return errors.New("the claims are of another subject") // OpenID Connect Core §5.3.2
	}
	u.claims, u.asOf = claims, c.cfg.Now()
	return nil
}

// post sends a form with a client assertion and decodes the answer; a protocol error is a refusal.
func (c *client) post(ctx context.Context, endpoint string, form url.Values, key *ecdsa.PrivateKey, into any) error {
	status, body, err := c.send(ctx, key, "", func() (*http.Request, error) {
		assertion, err := c.assertion() // a fresh one for every try: it is good once
		if err != nil {
			return nil, err
		}
		form.Set("client_id", c.cfg.ClientID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
		if err == nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return r, err
	})
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return refused(status, body)
	}
	return json.Unmarshal(body, into)
}

// send sends a request, with a DPoP proof when there is a key; when the server wants a nonce in the
// proof it is sent once more with it (RFC 9449 §8).
func (c *client) send(ctx context.Context, key *ecdsa.PrivateKey, access string, request func() (*http.Request, error)) (int, []byte, error) {
	nonce := ""
	for {
		r, err := request()
		if err != nil {
			return 0, nil, err
		}
		if key != nil {
			if err := prove(r, key, access, nonce, c.cfg.Now()); err != nil {
				return 0, nil, err
			}
		}
		resp, err := c.cfg.HTTP.Do(r)
		if err != nil {
			return 0, nil, err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		if err != nil {
			return 0, nil, err
		}
		asked := strings.Contains(string(body)+resp.Header.Get("WWW-Authenticate"), "use_dpop_nonce")
		if asked && nonce == "" && resp.Header.Get("DPoP-Nonce") != "" {
			nonce = resp.Header.Get("DPoP-Nonce")
			continue
		}
		return resp.StatusCode, body, nil
	}
}

// logout returns where the browser goes to sign out everywhere (OpenID Connect RP-Initiated Logout).
func (c *client) logout(ctx context.Context, u *user) (string, error) {
	op, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	if op.Logout == "" {
		return "", errors.New("the provider has no end_session_endpoint")
	}
	params := url.Values{"id_token_hint": {u.idToken}, "client_id": {c.cfg.ClientID}, "post_logout_redirect_uri": {c.cfg.Origin + SignedOut}}
	return op.Logout + "?" + params.Encode(), nil
}
