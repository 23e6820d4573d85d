package conformance_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func splitScope(s string) []string { return strings.Fields(s) }

// idToken verifies an ID token as OpenID Connect Core §3.1.3.7 asks of a client, and returns its claims.
func (r *run) idToken(c *client, tokens reply) map[string]any {
	r.Helper()
	raw := text(tokens.body["id_token"])
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	must(r, err)
	header := jws.Signatures[0].Header
	keys, payload := r.keys(), []byte(nil)
	for _, key := range keys.Key(header.KeyID) {
		if payload, err = jws.Verify(key.Key); err == nil && key.Algorithm != header.Algorithm {
			r.Errorf("the key %s is for %s and signed %s", header.KeyID, key.Algorithm, header.Algorithm)
		}
	}
	if payload == nil || err != nil {
		r.Fatalf("no published key verifies the ID token (kid %q): %v", header.KeyID, err)
	}
	var claims map[string]any
	must(r, json.Unmarshal(payload, &claims))
	now := float64(r.op.clock.Now().Unix())
	iat, _ := claims["iat"].(float64)
	exp, _ := claims["exp"].(float64)
	if claims["iss"] != r.op.issuer || claims["aud"] != c.id || text(claims["sub"]) == "" || len(text(claims["sub"])) > 255 || exp <= now || iat > now || now-iat > 60 {
		r.Errorf("iss, aud, sub, iat or exp: %v", claims)
	}
	if sum := sha256.Sum256([]byte(text(tokens.body["access_token"]))); header.Algorithm != "EdDSA" && claims["at_hash"] != base64.RawURLEncoding.EncodeToString(sum[:16]) {
		r.Errorf("at_hash: %v", claims)
	}
	claims["alg"] = header.Algorithm
	return claims
}

// keys are the published ones.
func (r *run) keys() jose.JSONWebKeySet {
	r.Helper()
	got := r.fetch(http.MethodGet, r.op.endpoint("jwks_uri"), nil, http.Header{})
	var set jose.JSONWebKeySet
	must(r, json.Unmarshal([]byte(got.raw), &set))
	return set
}

// random fails when a secret is shorter than 128 bits, has characters that need care, or lacks variety.
func (r *run) random(what, secret string) {
	r.Helper()
	if seen := map[rune]bool{}; len(secret) >= 22 && strings.Trim(secret, alphabet) == "" {
		for _, c := range secret {
			seen[c] = true
		}
		if len(seen) >= 12 {
			return
		}
	}
	r.Errorf("the %s %q is not random enough", what, secret)
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// signedIn brings a fresh browser's person in and returns their ID token.
func (r *run) signedIn(c *client, changes ...string) map[string]any {
	r.Helper()
	return r.idToken(c, r.tokens(c, changes...))
}

// again asks a second time in the same browser, some time later.
func (r *run) again(c *client, after time.Duration, changes ...string) map[string]any {
	r.Helper()
	r.op.later(after)
	r.browser.shown = nil
	return r.signedIn(c, changes...)
}

// number is a numeric claim.
func number(v any) float64 { f, _ := v.(float64); return f }

// payload reads a token without judging it.
func payload(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWS", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	var claims map[string]any
	must(t, json.Unmarshal(raw, &claims))
	return claims
}
