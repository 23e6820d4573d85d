package bank

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/vhod-id/vhod/examples/faults"
)

// acr of every customer: the bank has met them in person.
const acr = "urn:bank:acr:met-in-person"

// token gives an ID token and an access token for a code.
func (b *Bank) token(w http.ResponseWriter, r *http.Request, outcome faults.Outcome) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if !b.clientKnown(r) {
		w.Header().Set("WWW-Authenticate", "Basic")
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	if r.PostFormValue("grant_type") != "authorization_code" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	req, ok := b.memory.take(issued, r.PostFormValue("code"))
	if !ok || outcome == faults.Refuse || r.PostFormValue("redirect_uri") != req.RedirectURI || challenge(r.PostFormValue("code_verifier")) != req.Challenge {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	access := b.memory.put(bearable, req, tokenLife)
	id, err := b.idToken(req, access, outcome)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": access, "token_type": "Bearer",
		"expires_in": int(tokenLife / time.Second), "id_token": id, "scope": strings.Join(req.Scopes, " ")})
}

// clientKnown checks the client's secret by the one method that this bank takes.
func (b *Bank) clientKnown(r *http.Request) bool {
	id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	user, password, basic := r.BasicAuth()
	if b.cfg.Auth == "client_secret_basic" {
		if !basic {
			return false
		}
		id, secret = unescape(user), unescape(password) // RFC 6749 §2.3.1
	} else if basic {
		return false
	}
	return id == b.cfg.ClientID && subtle.ConstantTimeCompare([]byte(secret), []byte(b.cfg.ClientSecret)) == 1
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func (b *Bank) idToken(req request, access string, outcome faults.Outcome) (string, error) {
	half := sha256.Sum256([]byte(access))
	now := b.cfg.Now()
	claims := map[string]any{
		"iss": b.cfg.Issuer, "sub": b.subject(req.Username), "aud": b.cfg.ClientID,
		"iat": now.Unix(), "exp": now.Add(tokenLife).Unix(), "auth_time": req.AuthTime.Unix(), "acr": acr,
		"at_hash": base64.RawURLEncoding.EncodeToString(half[:16]),
	}
	if req.Nonce != "" {
		claims["nonce"] = req.Nonce
	}
	if outcome == faults.WrongAudience {
		claims["aud"] = "another-service"
	}
	token, err := jwt.Signed(b.signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing the ID token: %w", err)
	}
	return token, nil
}

// subject is the bank's own name of a customer.
func (b *Bank) subject(username string) string {
	sum := sha256.Sum256([]byte(b.cfg.ID + "|" + username))
	return fmt.Sprintf("%x", sum[:10])
}

// userinfo tells who the customer is. The fault mismatch answers with another customer's data under the
// right subject.
func (b *Bank) userinfo(w http.ResponseWriter, r *http.Request, outcome faults.Outcome) {
	access, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	req, ok := b.memory.get(bearable, access)
	if !bearer || !ok || outcome == faults.Refuse {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
		return
	}
	c, _ := b.customer(req.Username)
	if outcome == faults.Mismatch {
		c = b.other(c)
	}
	claims := claimsOf(c, req.Scopes)
	claims["sub"], claims["acr"] = b.subject(req.Username), acr
	answer(w, http.StatusOK, claims)
}

func (b *Bank) other(c Customer) Customer {
	for _, o := range b.cfg.Customers {
		if o.Username != c.Username {
			return o
		}
	}
	return c
}

// claimsOf returns what the scopes release; an empty value is left out.
func claimsOf(c Customer, scopes []string) map[string]any {
	claims := map[string]any{}
	put := func(name, value string) {
		if value != "" {
			claims[name] = value
		}
	}
	for _, scope := range scopes {
		switch scope {
		case "profile":
			put("family_name", c.FamilyName)
			put("given_name", c.GivenName)
			put("middle_name", c.MiddleName)
			put("birthdate", c.Birthdate)
			put("gender", c.Gender)
		case "phone":
			put("phone_number", c.Phone)
		case "snils":
			put("snils", c.SNILS)
		case "inn":
			put("inn", c.INN)
		case "passport":
			claims["passport"] = c.Passport
		}
	}
	return claims
}

// challenge is the S256 transformation of a PKCE verifier (RFC 7636 §4.2).
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
