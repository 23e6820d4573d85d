package op

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// codeLife is how long a code may be redeemed (FAPI 2.0 §5.3.2.1: at most 60 s).
const codeLife = 60 * time.Second

// codeMemory is how long after that its client still hears by how much it came too late.
const codeMemory = 5 * time.Minute

// codeValue is what a code stands for, sealed in the ephemera.
type codeValue struct {
	ClientID      string
	RedirectURI   string
	RedirectGiven bool
	Challenge     string
	Scopes        []string
	Claims        *ClaimsRequest
	Nonce         string
	JKT           string
	Auth          Authentication
	Details       []Detail
	Resources     []string
	Customer      string
	Until         time.Time // of a code
}

func codeKey(code string) string { return "code/" + keys.Hash(code) }

// familyOfCode derives the id of the family that a code founds. A second use of the code finds the family by it, so that no
// tombstone has to be kept beside every code.
func (p *Provider) familyOfCode(code string) string { return p.cfg.Sealer.Index("family", code)[:22] }

// exchangeCode is the authorization code grant (RFC 6749 §4.1.3). The client is known already; the code is taken
// at once, and whatever is wrong after that, it stays dead.
func (p *Provider) exchangeCode(r *http.Request, client *Client, form url.Values, jkt string) (*tokenResponse, error) {
	ctx := r.Context()
	code := form.Get("code")
	if len(code) != len(keys.RandomHandle()) {
		return nil, fault("invalid_grant", "[code.unknown] the code is not one of ours")
	}
	raw, ok, err := p.cfg.Ephemera.Take(ctx, codeKey(code))
	if err != nil {
		return nil, fmt.Errorf("taking a code: %w", err)
	}
	if !ok {
		if p.codeReplayed(r, client, code) {
			return nil, fault("invalid_grant", "[code.replayed] the code was used a second time: all tokens that came of it have ended")
		}
		return nil, fault("invalid_grant", "[code.spent] the code was used before, has expired long ago, or was never issued")
	}
	var v codeValue
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("reading a code: %w", err)
	}
	if err := v.check(client, form, jkt); err != nil {
		return nil, err
	}
	if late := p.now().Sub(v.Until); late >= 0 {
		return nil, fault("invalid_grant", "[code.expired] the code expired %s ago: it counts for %s", seconds(late), seconds(codeLife))
	}
	resources, err := target(client, v.Resources, form)
	if err != nil {
		return nil, err
	}
	return p.redeem(ctx, client, redemption{code, v, jkt, resources})
}

// redemption is a code, or a handle, whose holder may have the tokens.
type redemption struct {
	code string
	codeValue
	jkt       string
	resources []string // that the first access token is for
}

// redeem founds the family of what a person approved, and makes its first tokens.
func (p *Provider) redeem(ctx context.Context, client *Client, of redemption) (*tokenResponse, error) {
	family := p.familyOf(of.code, of.codeValue, of.jkt, client)
	response, err := p.mint(ctx, client, family, portion{family.Scopes, of.resources})
	if err != nil {
		return nil, err
	}
	response.Details = of.Auth.Signed.attach(family.Details)
	if slices.Contains(of.Scopes, "offline_access") && client.may("refresh_token") {
		family.ExpiresAt = family.CreatedAt.Add(refreshLife)
		family.Generation = 1
		response.RefreshToken = p.newRefreshToken(client, family.ID, family.Generation)
		family.RefreshHash = keys.Hash(response.RefreshToken)
	}
	if until := of.Auth.Until; !until.IsZero() && family.ExpiresAt.After(until) {
		family.ExpiresAt = until
	}
	if err := p.cfg.Families.CreateFamily(ctx, family); err != nil {
		if errors.Is(err, account.ErrLocked) {
			return nil, fault("invalid_grant", "[grant.ended] the person has signed out or the account is closed")
		}
		return nil, fmt.Errorf("keeping a grant: %w", err)
	}
	return response, nil
}

// check compares what the code was issued for with the one who redeems it.
func (v codeValue) check(client *Client, form url.Values, jkt string) error {
	switch {
	case v.ClientID != client.ID:
		return fault("invalid_grant", "[code.foreign] the code was issued to another client")
	case v.RedirectGiven && form.Get("redirect_uri") != v.RedirectURI:
		return fault("invalid_grant", "[redirect_uri.differs] redirect_uri is not the one of the authorization request (RFC 6749 4.1.3)")
	case !v.RedirectGiven && form.Get("redirect_uri") != "" && form.Get("redirect_uri") != v.RedirectURI:
		return fault("invalid_grant", "[redirect_uri.differs] redirect_uri is not the one of the authorization request (RFC 6749 4.1.3)")
	case v.JKT != "" && v.JKT != jkt:
		return fault("invalid_grant", "[dpop.key] the code is bound to another DPoP key (RFC 9449 10)")
	}
	return checkVerifier(v.Challenge, form.Get("code_verifier"))
}

// checkVerifier holds RFC 7636 §4.6, both ways: a challenge needs its verifier, and a verifier its challenge.
func checkVerifier(challenge, verifier string) error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return fault("invalid_grant", "[pkce.unasked] code_verifier stands here, but the authorization request had no code_challenge")
	case verifier == "":
		return fault("invalid_grant", "[pkce.verifier] code_verifier is missing")
	case len(verifier) < leastVerifier || len(verifier) > mostVerifier:
		return fault("invalid_grant", "[pkce.verifier] code_verifier has %d characters, not 43 to 128", len(verifier))
	}
	sum := sha256.Sum256([]byte(verifier))
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) != 1 {
		return fault("invalid_grant", "[pkce.verifier] BASE64URL(SHA256(code_verifier)) is not the code_challenge of the authorization request")
	}
	return nil
}

func (p *Provider) familyOf(code string, v codeValue, jkt string, client *Client) *Family {
	now := p.now()
	f := &Family{
		ID: p.familyOfCode(code), AccountID: v.Auth.AccountID, ClientID: client.ID, SessionID: v.Auth.SessionID, Scopes: v.Scopes,
		Claims: v.Claims, AuthTime: v.Auth.Time, AMR: v.Auth.AMR, ACR: ACR{v.Auth.Level, v.Auth.Strength}.String(), Nonce: v.Nonce,
		JKT: jkt, Details: v.Details, Resources: v.Resources, Customer: v.Customer, CreatedAt: now, ExpiresAt: now.Add(accessLife),
	}
	return f
}

// replayRetry is when a replay looks again for the family that the first use may be about to found.
var replayRetry = []time.Duration{time.Second, 5 * time.Second}

// codeReplayed ends whatever came of a code that is used a second time (RFC 6749 §4.1.2, RFC 9700 §4.5). The first use may
// still be on its way to the store, so the look is repeated. It reports whether something was found, and ended, at once.
func (p *Provider) codeReplayed(r *http.Request, client *Client, code string) bool {
	id, clientID := p.familyOfCode(code), client.ID
	if p.endReplayed(r.Context(), id, clientID, client.DisplayName("ru")) {
		return true
	}
	name := client.DisplayName("ru")
	select {
	case p.later <- func(ctx context.Context) {
		for _, wait := range replayRetry {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if p.endReplayed(ctx, id, clientID, name) {
				return
			}
		}
	}:
	default: // the queue is full of such looks: one more changes nothing for what was found at once
	}
	return false
}

// endReplayed ends a family because something of it was used twice, journals it and tells the person.
func (p *Provider) endReplayed(ctx context.Context, id, clientID, name string) bool {
	ended, err := p.cfg.Families.EndFamily(ctx, id, p.now())
	if err != nil {
		p.cfg.Log.ErrorContext(ctx, "ending a replayed grant", "client", clientID, "error", err)
		return false
	}
	if !ended {
		return false
	}
	p.cfg.Log.WarnContext(ctx, "a grant was ended because it was replayed", "client", clientID)
	f, _, err := p.cfg.Families.Family(ctx, id)
	if err == nil && f.AccountID != "" {
		err = p.cfg.Accounts.TokensReplayed(ctx, f.AccountID, clientID, name, account.Origin{})
	}
	if err != nil {
		p.cfg.Log.ErrorContext(ctx, "journalling a replay", "client", clientID, "error", err)
	}
	return true
}
