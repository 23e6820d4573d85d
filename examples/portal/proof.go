package portal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// assertionLife is short: an assertion is made for one request (RFC 7523 §3).
const assertionLife = time.Minute

// assertion signs who the client is, for the provider alone (private_key_jwt, OpenID Connect Core §9).
func (c *client) assertion() (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: c.cfg.Key}, nil)
	if err != nil {
		return "", fmt.Errorf("signing the client assertion: %w", err)
	}
	now := c.cfg.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: c.cfg.ClientID, Subject: c.cfg.ClientID, Audience: jwt.Audience{c.cfg.Issuer}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(assertionLife)),
	}).Serialize()
}

// prove adds a DPoP proof to a request (RFC 9449 §4.2): for its method and URL, for the access token
// when there is one, with the nonce that the server asked for.
func prove(r *http.Request, key *ecdsa.PrivateKey, access, nonce string, now time.Time) error {
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		return fmt.Errorf("signing a DPoP proof: %w", err)
	}
	target := *r.URL
	target.RawQuery, target.Fragment = "", ""
	claims := map[string]any{"jti": rand.Text(), "htm": r.Method, "htu": target.String(), "iat": now.Unix()}
	if access != "" {
		claims["ath"] = hash(access)
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	proof, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return fmt.Errorf("signing a DPoP proof: %w", err)
	}
	r.Header.Set("DPoP", proof)
	return nil
}

// thumbprint names a DPoP key in the authorization request (dpop_jkt, RFC 9449 §10).
func thumbprint(key *ecdsa.PrivateKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("naming the DPoP key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// hash is the S256 of PKCE and the ath of DPoP alike.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
