package op

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// bearerFault is a refusal of a resource (RFC 6750 §3.1).
func bearerFault(status int, scheme, code, description string) *wireError {
	challenge := scheme + ` realm="vhod"`
	if code != "" {
		challenge += fmt.Sprintf(`, error="%s", error_description="%s"`, code, printable(description))
	}
	return &wireError{status: status, code: code, description: description, challenge: challenge}
}

// userinfo is the UserInfo endpoint (OpenID Connect Core §5.3): GET and POST, the token in the header or, for POST, in the
// body. One read gives the grant and the account.
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	claims, client, err := p.userClaims(w, r)
	if err == nil && (client.UserInfoAlg != "" || client.UserInfoEncryption.Alg != "") {
		err = p.answerSigned(w, r, client, claims)
	} else if err == nil {
		answerJSON(w, http.StatusOK, claims)
	}
	if err != nil {
		p.answerError(w, r, err)
	}
}

// answerSigned answers a client that registered userinfo_signed_response_alg, userinfo_encrypted_response_alg, or both (OpenID
// Connect Core §5.3.2).
func (p *Provider) answerSigned(w http.ResponseWriter, r *http.Request, client *Client, claims map[string]any) error {
	claims["iss"], claims["aud"] = p.cfg.Issuer, client.ID
	payload, err := json.Marshal(claims)
	if err != nil {
		return fmt.Errorf("encoding userinfo: %w", err)
	}
	answer := string(payload)
	if client.UserInfoAlg != "" { // a type of its own: it is no ID token
		if answer, err = p.cfg.Ring.Sign(r.Context(), keys.Algorithm(client.UserInfoAlg), "userinfo+jwt", payload); err != nil {
			return fmt.Errorf("signing userinfo: %w", err)
		}
	}
	if how := client.UserInfoEncryption; how.Alg != "" {
		if answer, err = p.encrypt(r.Context(), client, how, []byte(answer), client.UserInfoAlg != ""); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/jwt")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, answer)
	return nil
}

func (p *Provider) userClaims(w http.ResponseWriter, r *http.Request) (map[string]any, *Client, error) {
	scheme, token, err := bearer(r)
	if err != nil {
		return nil, nil, err
	}
	t, err := p.readAccess(r.Context(), token)
	if err != nil {
		return nil, nil, bearerFault(http.StatusUnauthorized, scheme, "invalid_token", "[token.invalid] the access token is not ours, not an access token, or has expired")
	}
	if !slices.Contains(t.Audience, p.cfg.Issuer) {
		return nil, nil, bearerFault(http.StatusUnauthorized, scheme, "invalid_token", "[token.audience] the access token is for another resource")
	}
	if err := p.proofAtResource(w, r, scheme, token, t); err != nil {
		return nil, nil, err
	}
	scopes := strings.Fields(t.Scope)
	if t.Family == "" || !slices.Contains(scopes, "openid") {
		return nil, nil, bearerFault(http.StatusForbidden, scheme, "insufficient_scope", "[scope.openid] the access token was issued without the scope openid")
	}
	family, a, client, err := p.liveFamily(r, t)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the grant of a token: %w", err)
	}
	if family == nil {
		return nil, nil, bearerFault(http.StatusUnauthorized, scheme, "invalid_token", "[grant.ended] the grant of the access token is over")
	}
	var asked ClaimsRequest
	if family.Claims != nil {
		asked = *family.Claims
	}
	grant := grantOf(family, a)
	seen := veil(a, kept(client, grant))
	claims := released(seen, scopes, asked.UserInfo)
	if verified := verifiedClaims(seen, asked.VerifiedUserInfo, p.now()); verified != nil {
		claims["verified_claims"] = verified
	}
	if without := unavailable(a, client, grant, asked.UserInfo, claims); without != nil {
		claims["claims_unavailable"] = without
	}
	claims["sub"] = t.Subject
	return claims, client, nil
}

// liveFamily returns the family of a token with its account while it stands, nil when it does not.
func (p *Provider) liveFamily(r *http.Request, t accessToken) (*Family, *account.Account, *Client, error) {
	client := p.clients.client(r.Context(), t.ClientID)
	if client == nil {
		return nil, nil, nil, nil
	}
	family, a, err := p.cfg.Families.Family(r.Context(), t.Family)
	if errors.Is(err, account.ErrNotFound) {
		return nil, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	owner := client
	if t.Actor != nil { // the grant is that of the service that the person signed in to
		owner = p.clients.client(r.Context(), family.ClientID)
	}
	if owner == nil || !family.EndedAt.IsZero() || family.ClientID != owner.ID || !standing(family, a, owner) {
		return nil, nil, nil, nil
	}
	if gone, err := p.revoked(r.Context(), t); gone || err != nil {
		return nil, nil, nil, err
	}
	return family, a, client, nil
}

// bearer takes the access token out of a request: in the header (RFC 6750 §2.1, RFC 9449 §7.1) or in a posted form (§2.2),
// never in the query, and in one place alone.
func bearer(r *http.Request) (scheme, token string, err error) {
	if r.URL.Query().Has("access_token") {
		return "", "", bearerFault(http.StatusBadRequest, "Bearer", "invalid_request", "[token.query] an access token does not belong into the query (RFC 9700 4.3.2)")
	}
	if r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := strictForm(r)
		if err != nil {
			return "", "", err
		}
		token = form.Get("access_token")
	}
	header := r.Header.Get("Authorization")
	if header == "" && token == "" {
		return "", "", bearerFault(http.StatusUnauthorized, "Bearer", "", "")
	}
	if header != "" && token != "" || len(r.Header.Values("Authorization")) > 1 {
		return "", "", bearerFault(http.StatusBadRequest, "Bearer", "invalid_request", "[token.twice] the access token stands in two places")
	}
	if token != "" {
		return "Bearer", token, nil
	}
	kind, value, _ := strings.Cut(header, " ")
	switch {
	case strings.EqualFold(kind, "Bearer"):
		return "Bearer", strings.TrimSpace(value), nil
	case strings.EqualFold(kind, "DPoP"):
		return "DPoP", strings.TrimSpace(value), nil
	}
	return "", "", bearerFault(http.StatusUnauthorized, "Bearer", "invalid_request", "[token.scheme] the Authorization header has neither Bearer nor DPoP")
}
