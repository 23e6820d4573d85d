package op

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// Lives of tokens.
const (
	accessLife = 10 * time.Minute
	idLife     = 10 * time.Minute
)

// Types of our tokens (RFC 8725 §3.11): one is never taken for another.
const (
	typeAccess = "at+jwt" // RFC 9068 §2.1
	typeID     = "JWT"
)

// token is the token endpoint (RFC 6749 §3.2). The client is authenticated before anything else is looked at.
func (p *Provider) token(w http.ResponseWriter, r *http.Request, form url.Values) error {
	client, err := p.authenticateClient(r, form)
	if err != nil {
		return err
	}
	grant := form.Get("grant_type")
	if !slices.Contains(grants, grant) {
		return fault("unsupported_grant_type", "[grant.unsupported] grant_type is one of %s", strings.Join(grants, ", "))
	}
	if !client.may(grant) {
		return fault("unauthorized_client", "[grant.not_allowed] the client may not use the grant %s", grant)
	}
	if form.Has("authorization_details") {
		return diagnosed("invalid_authorization_details", "details.place", "what was signed is not changed at the token endpoint: send authorization_details to /par or /authorize")
	}
	if form.Has("resource") && (grant == grantDevice || grant == grantCIBA) {
		return diagnosed("invalid_target", "resource.unknown", "a grant that was not asked for in a browser names no resource")
	}
	jkt, err := p.proofAtToken(w, r, client)
	if err != nil {
		return err
	}
	var response *tokenResponse
	switch grant {
	case grantCode:
		response, err = p.exchangeCode(r, client, form, jkt)
	case grantRefresh:
		response, err = p.refresh(r, client, form, jkt)
	case grantDevice:
		response, err = p.collect(r, client, RemoteDevice, form, jkt)
	case grantCIBA:
		response, err = p.collect(r, client, RemoteCall, form, jkt)
	case grantExchange:
		response, err = p.exchange(r, client, form, jkt)
	case grantClient:
		response, err = p.clientCredentials(r.Context(), client, form, jkt)
	}
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, response)
	return nil
}

// clientCredentials issues a token for the client itself (RFC 6749 §4.4). Nothing is read or written: the token is known by its
// signature, its subject is the client (which is never the id of a person, RFC 9700 §4.15).
func (p *Provider) clientCredentials(ctx context.Context, client *Client, form url.Values, jkt string) (*tokenResponse, error) {
	var scopes []string
	for _, s := range strings.Fields(form.Get("scope")) {
		if !slices.Contains(client.Scopes, s) {
			return nil, fault("invalid_scope", "[scope.not_granted] the scope %s is not granted to this client", printable(s))
		}
		if slices.Contains(knownScopes, s) {
			return nil, fault("invalid_scope", "[scope.person] the scope %s is about a person, and there is none in this grant", printable(s))
		}
		scopes = append(scopes, s)
	}
	resources, err := target(client, nil, form)
	if err != nil {
		return nil, err
	}
	claims := p.accessClaims(client, client.ID, portion{scopes, resources}, jkt)
	access, err := p.sign(ctx, keys.ES256, typeAccess, claims)
	if err != nil {
		return nil, err
	}
	return answer(access, jkt, accessLife, scopes), nil
}

// accessToken is the payload of an access token (RFC 9068 §2.2).
type accessToken struct {
	Issuer   string        `json:"iss"`
	Subject  string        `json:"sub"`
	Audience audience      `json:"aud"`
	ClientID string        `json:"client_id"`
	Scope    string        `json:"scope,omitempty"`
	IssuedAt int64         `json:"iat"`
	Expires  int64         `json:"exp"`
	ID       string        `json:"jti"`
	Family   string        `json:"grant,omitempty"`
	ACR      string        `json:"acr,omitempty"`
	AuthTime int64         `json:"auth_time,omitempty"`
	Session  string        `json:"sid,omitempty"`
	Confirm  *confirmation `json:"cnf,omitempty"`
	Actor    *actor        `json:"act,omitempty"`
	Details  []Detail      `json:"authorization_details,omitempty"` // RFC 9396 §9.1
	Customer string        `json:"customer,omitempty"`              // for whom the client acts
}

// confirmation binds a token to a DPoP key (RFC 7800, RFC 9449 §6.1) or to a certificate (RFC 8705 §3.1).
type confirmation struct {
	JKT         string `json:"jkt,omitempty"`
	Certificate string `json:"x5t#S256,omitempty"`
}

// audience is one string or several (RFC 7519 §4.1.3).
type audience []string

// MarshalJSON writes one audience as a string.
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

func (p *Provider) accessClaims(client *Client, subject string, of portion, jkt string) accessToken {
	now := p.now()
	t := accessToken{
		Issuer: p.cfg.Issuer, Subject: subject, Audience: p.audienceOf(client, of), ClientID: client.ID,
		Scope: strings.Join(of.scopes, " "), IssuedAt: now.Unix(), Expires: now.Add(accessLife).Unix(), ID: keys.RandomID(),
	}
	if jkt != "" {
		t.Confirm = confirm(jkt)
	}
	return t
}

// mint makes the access token of a family and, for openid, the ID token.
func (p *Provider) mint(ctx context.Context, client *Client, f *Family, of portion) (*tokenResponse, error) {
	claims := p.accessClaims(client, p.subject(client, f.AccountID), of, f.JKT)
	claims.Family, claims.ACR, claims.AuthTime, claims.Session = f.ID, f.ACR, f.AuthTime.Unix(), f.SessionID
	claims.Details, claims.Customer = f.Details, f.Customer
	access, err := p.sign(ctx, keys.ES256, typeAccess, claims)
	if err != nil {
		return nil, err
	}
	p.seen.keep(access, claims) // it comes back soon, to userinfo for one
	out := answer(access, f.JKT, accessLife, of.scopes)
	out.Details = f.Details
	if !slices.Contains(of.scopes, "openid") {
		return out, nil
	}
	out.IDToken, err = p.mintIDToken(ctx, client, f, access)
	return out, err
}

// tokenType says how a token that is bound like this is sent (RFC 9449 §5). One that is bound to a certificate is a bearer token.
func tokenType(binding string) string {
	if binding != "" && confirm(binding).JKT != "" {
		return "DPoP"
	}
	return "Bearer"
}

// mintIDToken makes an ID token (OpenID Connect Core §2). It holds claims about the person only where the claims parameter
// asked for them there; the others are at userinfo (§5.4).
func (p *Provider) mintIDToken(ctx context.Context, client *Client, f *Family, access string) (string, error) {
	alg := client.idTokenAlg()
	now := p.now()
	claims := map[string]any{
		"iss": p.cfg.Issuer, "sub": p.subject(client, f.AccountID), "aud": client.ID, "iat": now.Unix(), "exp": now.Add(idLife).Unix(),
		"auth_time": f.AuthTime.Unix(), "acr": f.ACR, "amr": f.AMR, "at_hash": halfHash(alg, access),
	}
	if f.SessionID != "" {
		claims["sid"] = f.SessionID
	}
	if f.Nonce != "" {
		claims["nonce"] = f.Nonce
	}
	if f.Customer != "" {
		claims["customer"] = f.Customer
	}
	if f.Claims != nil && len(f.Claims.IDToken)+len(f.Claims.VerifiedIDToken) > 0 {
		a, err := p.cfg.Accounts.Read(ctx, f.AccountID, account.Look{Who: "client:" + client.ID, Why: "grant"})
		if err != nil {
			return "", fmt.Errorf("reading claims for an ID token: %w", err)
		}
		a = veil(a, kept(client, grantOf(f, a)))
		maps.Copy(claims, released(a, nil, f.Claims.IDToken))
		if verified := verifiedClaims(a, f.Claims.VerifiedIDToken, now); verified != nil {
			claims["verified_claims"] = verified
		}
	}
	token, err := p.sign(ctx, alg, typeID, claims)
	if err != nil || client.IDTokenEncryption.Alg == "" {
		return token, err
	}
	return p.encrypt(ctx, client, client.IDTokenEncryption, []byte(token), true)
}

// halfHash is at_hash: the left half of the hash that goes with the algorithm (OpenID Connect Core §3.1.3.6).
func halfHash(alg keys.Algorithm, token string) string {
	if alg == keys.EdDSA {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:32])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func scriptHash(script string) string {
	sum := sha256.Sum256([]byte(script))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (p *Provider) sign(ctx context.Context, alg keys.Algorithm, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding a token: %w", err)
	}
	token, err := p.cfg.Ring.Sign(ctx, alg, typ, payload)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return token, nil
}

// readAccess verifies an access token of ours: signature, type, issuer, time. Whether its grant still lives is asked after.
func (p *Provider) readAccess(ctx context.Context, token string) (accessToken, error) {
	t, seen := p.seen.find(token)
	if !seen {
		payload, err := p.cfg.Ring.Verify(ctx, token, typeAccess)
		if err != nil {
			return t, err
		}
		if err := json.Unmarshal(payload, &t); err != nil {
			return t, fmt.Errorf("reading an access token: %w", err)
		}
		p.seen.keep(token, t)
	}
	if t.Issuer != p.cfg.Issuer || p.now().Unix() >= t.Expires {
		return t, fmt.Errorf("%w: issuer or time", keys.ErrBadSignature)
	}
	return t, nil
}

// idToken is what we read back of an ID token given as a hint.
type idToken struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Session  string   `json:"sid"`
}

// readIDToken verifies an ID token of ours, of any age.
func (p *Provider) readIDToken(token string) (idToken, error) {
	var t idToken
	payload, err := p.cfg.Ring.Verify(context.Background(), token, typeID)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(payload, &t); err != nil {
		return t, fmt.Errorf("reading an ID token: %w", err)
	}
	if t.Issuer != p.cfg.Issuer {
		return t, fmt.Errorf("%w: issuer", keys.ErrBadSignature)
	}
	return t, nil
}

// subject is the person's name for a client (OpenID Connect Core §8): pairwise by sector, or one for all clients that are
// registered as public. It never changes and says nothing of the account's id.
func (p *Provider) subject(client *Client, id account.ID) string {
	if client.SubjectType == "public" {
		return p.cfg.Sealer.Index("subject/public", string(id))
	}
	return p.cfg.Sealer.Index("subject/pairwise/"+client.sector(), string(id))
}

// sector is the host that pairwise subjects are shared by (OpenID Connect Core §8.1): the registered one, or that of the first
// redirect URI; loopback clients and those without a host stand alone.
func (c *Client) sector() string {
	if c.SectorIdentifier != "" {
		return c.SectorIdentifier
	}
	if len(c.RedirectURIs) > 0 {
		if u, err := url.Parse(c.RedirectURIs[0]); err == nil && u.Hostname() != "" && !loopbackHost(u.Hostname()) {
			return u.Hostname()
		}
	}
	return "client:" + c.ID
}
