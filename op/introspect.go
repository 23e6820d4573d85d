package op

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// introspection is RFC 7662 §2.2.
type introspection struct {
	Active   bool          `json:"active"`
	Scope    string        `json:"scope,omitempty"`
	ClientID string        `json:"client_id,omitempty"`
	Type     string        `json:"token_type,omitempty"`
	Issuer   string        `json:"iss,omitempty"`
	Subject  string        `json:"sub,omitempty"`
	Audience audience      `json:"aud,omitempty"`
	IssuedAt int64         `json:"iat,omitempty"`
	Expires  int64         `json:"exp,omitempty"`
	ID       string        `json:"jti,omitempty"`
	ACR      string        `json:"acr,omitempty"`
	AuthTime int64         `json:"auth_time,omitempty"`
	Session  string        `json:"sid,omitempty"`
	Confirm  *confirmation `json:"cnf,omitempty"`
	Actor    *actor        `json:"act,omitempty"`
	Details  []Detail      `json:"authorization_details,omitempty"` // RFC 9396 §9.2
	Customer string        `json:"customer,omitempty"`              // for whom the client acts
	// The numbers of the person behind a pseudonymous client, for an API that the token is for.
	SNILS    string `json:"snils,omitempty"`
	INN      string `json:"inn,omitempty"`
	Document any    `json:"id_doc,omitempty"`
}

// introspect is RFC 7662. A client learns of tokens that were issued to it or that name it as an audience; of all others, as of
// unknown ones, that they are not active.
func (p *Provider) introspect(w http.ResponseWriter, r *http.Request, form url.Values) error {
	client, err := p.authenticateClient(r, form)
	if err != nil {
		return err
	}
	if client.public() {
		return &wireError{status: http.StatusUnauthorized, code: "invalid_client", description: "[client.public] introspection needs a client with a credential (RFC 7662 2.1)"}
	}
	if form.Get("token") == "" {
		return fault("invalid_request", "[token.missing] the parameter token is missing")
	}
	answer, err := p.inspect(r, client, form.Get("token"))
	if err != nil {
		return err
	}
	if wantsSigned(r) {
		return p.answerIntrospection(w, r, client, answer)
	}
	answerJSON(w, http.StatusOK, answer)
	return nil
}

// typeIntrospection is the typ of a signed answer, and without its prefix the media type that asks for one (RFC 9701 §4, §5).
const typeIntrospection = "token-introspection+jwt"

// wantsSigned reports whether a caller asks for a signed answer; among several types the first that is ours counts.
func wantsSigned(r *http.Request) bool {
	for _, each := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, _, _ := strings.Cut(strings.TrimSpace(each), ";")
		if strings.EqualFold(kind, "application/json") {
			return false
		}
		if strings.EqualFold(kind, "application/"+typeIntrospection) {
			return true
		}
	}
	return false
}

// answerIntrospection is RFC 9701 §5: the answer stands in a claim of its own, so that the JWT is no access token, and names who asked.
func (p *Provider) answerIntrospection(w http.ResponseWriter, r *http.Request, client *Client, answer introspection) error {
	token, err := p.sign(r.Context(), client.signedBy(client.IntrospectionAlg), typeIntrospection, map[string]any{
		"iss": p.cfg.Issuer, "aud": client.ID, "iat": p.now().Unix(), "token_introspection": answer,
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/"+typeIntrospection)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, token)
	return nil
}

func (p *Provider) inspect(r *http.Request, client *Client, token string) (introspection, error) {
	if strings.HasPrefix(token, keys.PrefixRefreshToken+"_") {
		return p.inspectRefresh(r, client, token)
	}
	t, err := p.readAccess(r.Context(), token)
	if err != nil || !p.concerns(t, client) {
		return introspection{}, nil
	}
	var answer introspection
	if t.Family != "" {
		family, a, of, err := p.liveFamily(r, t)
		if err != nil {
			return introspection{}, fmt.Errorf("reading the grant of a token: %w", err)
		}
		if family == nil {
			return introspection{}, nil
		}
		if of.Pseudonymous && client.ID != of.ID {
			answer.resolve(veil(a, withheld(grantOf(family, a))), strings.Fields(t.Scope))
		}
	}
	kind := "Bearer"
	if t.Confirm != nil && t.Confirm.JKT != "" {
		kind = "DPoP"
	}
	answer.Active, answer.Scope, answer.ClientID, answer.Type, answer.Issuer = true, t.Scope, t.ClientID, kind, t.Issuer
	answer.Subject, answer.Audience, answer.IssuedAt, answer.Expires, answer.ID = t.Subject, t.Audience, t.IssuedAt, t.Expires, t.ID
	answer.ACR, answer.AuthTime, answer.Session, answer.Confirm = t.ACR, t.AuthTime, t.Session, t.Confirm
	answer.Actor, answer.Details, answer.Customer = t.Actor, t.Details, t.Customer
	return answer, nil
}

// resolve tells an API who is behind a pseudonym, as far as the person allowed it.
func (i *introspection) resolve(a *account.Account, scopes []string) {
	given := released(a, scopes, nil)
	i.SNILS, _ = given["snils"].(string)
	i.INN, _ = given["inn"].(string)
	i.Document = given["id_doc"]
}

// sharesAudience reports whether a token is meant for a resource that the client runs.
func sharesAudience(aud audience, client *Client) bool {
	return slices.ContainsFunc(client.Audience, func(a string) bool { return slices.Contains(aud, a) })
}

func (p *Provider) inspectRefresh(r *http.Request, client *Client, token string) (introspection, error) {
	family, err := p.refreshFamily(r, client, token)
	if err != nil || family == nil {
		return introspection{}, err
	}
	return introspection{Active: true, Scope: strings.Join(family.Scopes, " "), ClientID: client.ID, Type: "refresh_token", Issuer: p.cfg.Issuer,
		Subject: p.subject(client, family.AccountID), IssuedAt: family.CreatedAt.Unix(), Expires: family.ExpiresAt.Unix(), ACR: family.ACR}, nil
}

// refreshFamily returns the family of a client's live refresh token, or nil.
func (p *Provider) refreshFamily(r *http.Request, client *Client, token string) (*Family, error) {
	id, _, ok := p.readRefreshToken(client, token)
	if !ok {
		return nil, nil
	}
	family, a, err := p.cfg.Families.Family(r.Context(), id)
	if errors.Is(err, account.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a grant: %w", err)
	}
	if family.ClientID != client.ID || family.RefreshHash != keys.Hash(token) || !family.EndedAt.IsZero() ||
		!p.now().Before(family.ExpiresAt) || !standing(family, a, client) {
		return nil, nil
	}
	return family, nil
}

// revoke is RFC 7009: the grant of the token ends, and every token of it. An unknown token, and another client's, is answered
// like a revoked one.
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request, form url.Values) error {
	client, err := p.authenticateClient(r, form)
	if err != nil {
		return err
	}
	token := form.Get("token")
	if token == "" {
		return fault("invalid_request", "[token.missing] the parameter token is missing")
	}
	if err := p.endToken(r.Context(), client, token); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

// endToken ends the grant of a client's token. Of a delegated token it ends that one: the grant is another service's.
func (p *Provider) endToken(ctx context.Context, client *Client, token string) error {
	id := ""
	if family, _, ok := p.readRefreshToken(client, token); ok {
		id = family
	} else if t, err := p.readAccess(ctx, token); err == nil && t.ClientID == client.ID {
		if t.Actor != nil {
			return p.revokeDelegated(ctx, t)
		}
		id = t.Family
	}
	if id == "" {
		return nil
	}
	if _, err := p.cfg.Families.EndFamily(ctx, id, p.now()); err != nil { // both kinds of token say themselves that they are this client's
		return fmt.Errorf("ending a grant: %w", err)
	}
	return nil
}
