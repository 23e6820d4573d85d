package op

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/account"
)

// assertionType is client_assertion_type (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	maxForeignJWT     = 8 << 10          // an assertion or proof longer than this is no honest one
	assertionLife     = 5 * time.Minute  // the longest that an assertion may live: it is made for one request
	clockAheadAllowed = 30 * time.Second // FAPI 2.0 §5.3.2.1: 10 s must pass, 60 s should not
	clockBehind       = 10 * time.Second // an exp that has just passed
	minRSABits        = 2048
	maxJTI            = 256
)

// assertionAlgorithms are the signatures that clients may use; FAPI 2.0 §5.4 leaves out RSASSA-PKCS1-v1_5.
var assertionAlgorithms = map[bool][]jose.SignatureAlgorithm{
	false: {jose.PS256, jose.ES256, jose.EdDSA, jose.RS256},
	true:  {jose.PS256, jose.ES256, jose.EdDSA},
}

// assertionClaims are RFC 7523 §3.
type assertionClaims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Expires   *float64        `json:"exp"`
	IssuedAt  *float64        `json:"iat"`
	NotBefore *float64        `json:"nbf"`
	ID        string          `json:"jti"`
}

// proveByAssertion checks private_key_jwt (OpenID Connect Core §9, RFC 7523 §3) without leniency: one audience, a short
// life, one use, a key registered by this very client.
func (a *clientAuth) proveByAssertion(r *http.Request, given credentials) (*Client, error) {
	unverified, err := peekAssertion(given.assertion)
	if err != nil {
		return nil, err
	}
	if unverified.Issuer != unverified.Subject {
		return nil, diagnosed("invalid_client", "assertion.subject", "iss and sub must both be the client_id")
	}
	if given.id != "" && given.id != unverified.Subject {
		return nil, diagnosed("invalid_client", "assertion.subject", "client_id in the form is not the sub of the assertion")
	}
	client, err := a.find(r.Context(), unverified.Subject)
	if errors.Is(err, account.ErrNotFound) {
		return nil, diagnosed("invalid_client", "client.unknown", "no client has this client_id here")
	}
	if err != nil {
		return nil, fmt.Errorf("finding client: %w", err)
	}
	if !slices.Contains(client.Auth, AuthPrivateKey) {
		return nil, diagnosed("invalid_client", "client.method", "this client is registered for %s, not for %s", strings.Join(client.Auth, " or "), AuthPrivateKey)
	}
	claims, err := a.verifyAssertion(r.Context(), client, given.assertion)
	if err != nil {
		return nil, err
	}
	if err := a.judgeAssertion(r, client, claims); err != nil {
		return nil, err
	}
	if err := a.proofs.askNonce(r, client.Profile == ProfileFAPI2); err != nil {
		return nil, err
	}
	if err := a.spendAssertion(r.Context(), client, claims); err != nil {
		return nil, err
	}
	return client, nil
}

// claimant is who an assertion claims to be from.
type claimant struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
}

// peekAssertion reads who an assertion claims to be from, so that the keys can be found. Nothing of it is believed yet.
func peekAssertion(assertion string) (who claimant, err error) {
	malformed := diagnosed("invalid_client", "assertion.malformed", "client_assertion is not a signed JWT in compact form with iss and sub")
	parts := strings.Split(assertion, ".")
	if len(assertion) > maxForeignJWT || len(parts) != 3 {
		return who, malformed
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &who) != nil || who.Subject == "" {
		return who, malformed
	}
	return who, nil
}

// verifyAssertion checks header and signature against the keys that the client registered. A key or an address of keys
// that the assertion itself brings is refused, not ignored: it has no honest use here (RFC 8725 §3.10).
func (a *clientAuth) verifyAssertion(ctx context.Context, c *Client, assertion string) (assertionClaims, error) {
	var claims assertionClaims
	allowed := assertionAlgorithms[c.Profile == ProfileFAPI2]
	jws, err := jose.ParseSignedCompact(assertion, allowed)
	if err != nil {
		return claims, diagnosed("invalid_client", "assertion.alg", "the assertion's algorithm must be one of %v", allowed)
	}
	header, err := plainHeader(assertion)
	if err != nil {
		return claims, diagnosed("invalid_client", "assertion.malformed", "the header of the assertion is not a JSON object")
	}
	for _, name := range []string{"jwk", "jku", "x5u", "x5c", "crit"} {
		if _, there := header[name]; there {
			return claims, diagnosed("invalid_client", "assertion.header", "the header %s is not accepted: keys are those registered", name)
		}
	}
	if typ := headerText(header, "typ"); typ != "" && !strings.EqualFold(typ, "JWT") && !strings.EqualFold(typ, "client-authentication+jwt") {
		return claims, diagnosed("invalid_client", "assertion.typ", "a JWT of type %q is no client assertion", clip(typ))
	}
	signature := jws.Signatures[0].Header
	if c.AuthAlg != "" && signature.Algorithm != c.AuthAlg {
		return claims, diagnosed("invalid_client", "assertion.alg", "the client registered %s for its assertions", c.AuthAlg)
	}
	known, err := a.keys.of(ctx, c, signature.KeyID)
	if err != nil {
		return claims, err
	}
	candidates := fittingKeys(known, signature.KeyID, signature.Algorithm)
	if len(candidates) == 0 {
		return claims, diagnosed("invalid_client", "assertion.kid", "no registered key has kid %q and fits %s", clip(signature.KeyID), signature.Algorithm)
	}
	for _, key := range candidates {
		payload, err := jws.Verify(key.Key)
		if err != nil {
			continue
		}
		if err := json.Unmarshal(payload, &claims); err != nil {
			return claims, diagnosed("invalid_client", "assertion.malformed", "a claim of the assertion has another type than RFC 7519 says")
		}
		return claims, nil
	}
	return claims, diagnosed("invalid_client", "assertion.signature", "the signature is not by the registered key")
}

// judgeAssertion checks audience and times.
func (a *clientAuth) judgeAssertion(r *http.Request, c *Client, claims assertionClaims) error {
	if !a.audienceFits(r, c, claims.Audience) {
		return diagnosed("invalid_client", "assertion.audience", "aud is %s and must be the issuer, %s", printable(string(claims.Audience)), a.issuer)
	}
	now := a.now()
	for name, at := range map[string]*float64{"iat": claims.IssuedAt, "nbf": claims.NotBefore} { // before exp: a clock that is far ahead is no long life
		if at != nil && fromNumericDate(*at).Sub(now) > clockAheadAllowed {
			return diagnosed("invalid_client", "assertion.clock", "%s", ahead(name, *at, now))
		}
	}
	if claims.Expires == nil {
		return diagnosed("invalid_client", "assertion.lifetime", "exp is missing")
	}
	left := fromNumericDate(*claims.Expires).Sub(now)
	if left <= -clockBehind {
		return diagnosed("invalid_client", "assertion.expired", "the assertion expired %s ago: check the client's clock", seconds(-left))
	}
	if left > assertionLife+clockAheadAllowed {
		return diagnosed("invalid_client", "assertion.lifetime", "exp is %s ahead; at most %s is accepted", seconds(left), seconds(assertionLife))
	}
	return nil
}

// audienceFits: the issuer alone under FAPI 2.0 §5.3.2.1; other clients may also name the endpoint that they call, and write either as an
// array of one. An assertion for several audiences could be replayed at another of them.
func (a *clientAuth) audienceFits(r *http.Request, c *Client, raw json.RawMessage) bool {
	var one string
	if json.Unmarshal(raw, &one) == nil && one == a.issuer {
		return true
	}
	if c.Profile == ProfileFAPI2 {
		return false
	}
	var several []string
	if one == "" && json.Unmarshal(raw, &several) == nil && len(several) == 1 {
		one = several[0]
	}
	return one == a.issuer || one == a.issuer+"/token" || one == a.issuer+r.URL.Path
}

// spendAssertion lets an assertion be used once, on any node.
func (a *clientAuth) spendAssertion(ctx context.Context, c *Client, claims assertionClaims) error {
	if claims.ID == "" || len(claims.ID) > maxJTI {
		return diagnosed("invalid_client", "assertion.jti", "jti is missing or longer than %d characters", maxJTI)
	}
	keep := fromNumericDate(*claims.Expires).Sub(a.now()) + clockBehind + time.Second
	first, err := a.ephemera.Once(ctx, "client-assertion:"+c.ID+":"+claims.ID, keep)
	if err != nil {
		return fmt.Errorf("remembering an assertion: %w", err)
	}
	if !first {
		return diagnosed("invalid_client", "assertion.replayed", "this assertion (jti) was used before: make a new one for every request")
	}
	return nil
}

// --- JWTs of others

// plainHeader returns the protected header of a compact JWS as it was sent.
func plainHeader(jws string) (map[string]json.RawMessage, error) {
	encoded, _, _ := strings.Cut(jws, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	var header map[string]json.RawMessage
	return header, json.Unmarshal(text, &header)
}

func headerText(header map[string]json.RawMessage, name string) string {
	var text string
	if raw, there := header[name]; there && json.Unmarshal(raw, &text) != nil {
		return "not a text"
	}
	return text
}

// parseJWKS reads public keys; a private or secret key, and one too weak, is left out.
func parseJWKS(raw []byte) (jose.JSONWebKeySet, error) {
	var all, usable jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &all); err != nil {
		return usable, fmt.Errorf("reading a key set: %w", err)
	}
	for _, k := range all.Keys {
		if k.Valid() && (k.Use == "" || k.Use == "sig") && keyAlgorithms(k.Key) != nil {
			usable.Keys = append(usable.Keys, k)
		}
	}
	if len(usable.Keys) == 0 {
		return usable, errors.New("no usable key")
	}
	return usable, nil
}

// keyAlgorithms says what a public key may sign with, nil for what is no public key that we accept.
func keyAlgorithms(key any) []string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return []string{"PS256", "RS256"}
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return []string{"ES256"}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

// fittingKeys are those with the kid, if one is named, and for the algorithm.
func fittingKeys(known []jose.JSONWebKey, kid, alg string) []jose.JSONWebKey {
	var fitting []jose.JSONWebKey
	for _, k := range known {
		if (kid == "" || k.KeyID == kid) && (k.Algorithm == "" || k.Algorithm == alg) && slices.Contains(keyAlgorithms(k.Key), alg) {
			fitting = append(fitting, k)
		}
	}
	return fitting
}

// fromNumericDate reads a NumericDate (RFC 7519 §2). What no clock can show is the far past or the far future.
func fromNumericDate(n float64) time.Time {
	const farthest = 1 << 40
	return time.UnixMilli(int64(max(min(n, farthest), -farthest) * 1000))
}

// ahead says how far a time of a client lies in the future, and what is usually wrong where it is absurdly far.
func ahead(name string, at float64, now time.Time) string {
	if at > 1e11 { // the year 5138
		return name + " is in milliseconds, but times are seconds since 1970 (RFC 7519 §2)"
	}
	return fmt.Sprintf("the client's clock is ahead by %s (%s)", seconds(fromNumericDate(at).Sub(now)), name)
}

func seconds(d time.Duration) string {
	return fmt.Sprintf("%d s", int64(d.Round(time.Second)/time.Second))
}

// clip keeps what a client sent short enough to repeat to it.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "..."
	}
	return s
}
