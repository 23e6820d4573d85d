package op

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// How tokens are encrypted to clients that registered it (RFC 7518 §4.3, §4.6, §5.2, §5.3).
var (
	encryptionAlgs = []string{string(jose.RSA_OAEP_256), string(jose.ECDH_ES)}
	encryptionEncs = []string{string(jose.A256GCM), string(jose.A128CBC_HS256)}
)

// Encryption is how one kind of token is encrypted to a client: not at all when Alg is empty.
type Encryption struct {
	Alg string // RSA-OAEP-256 or ECDH-ES
	Enc string // A256GCM or A128CBC-HS256; the second when empty (OpenID Connect Registration §2)
}

// method is the content encryption.
func (e Encryption) method() string { return orElse(e.Enc, string(jose.A128CBC_HS256)) }

// check says what is wrong with a registration, or nothing.
func (e Encryption) check(name string, c *Client) error {
	switch {
	case e == Encryption{}:
		return nil
	case !slices.Contains(encryptionAlgs, e.Alg):
		return fmt.Errorf("%s_encrypted_response_alg %q: RSA-OAEP-256 or ECDH-ES", name, e.Alg)
	case !slices.Contains(encryptionEncs, e.method()):
		return fmt.Errorf("%s_encrypted_response_enc %q: A256GCM or A128CBC-HS256", name, e.Enc)
	case len(c.JWKS) == 0 && c.JWKSURI == "":
		return fmt.Errorf("%s_encrypted_response_alg: jwks or jwks_uri is needed", name)
	}
	return nil
}

// encryptionKeys reads the keys of a set to which something may be encrypted.
func encryptionKeys(raw []byte) (usable []jose.JSONWebKey) {
	var all jose.JSONWebKeySet
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	for _, k := range all.Keys {
		if k.Valid() && (k.Use == "" || k.Use == "enc") && encryptionAlg(k.Key) != "" {
			usable = append(usable, k)
		}
	}
	return usable
}

// encryptionAlg says for what a public key serves, nothing for what is no public key that we accept.
func encryptionAlg(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			return string(jose.RSA_OAEP_256)
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return string(jose.ECDH_ES)
		}
	}
	return ""
}

// encrypt makes a compact JWE (RFC 7516 §7.1) that only the client opens. nested says that the content is a JWT itself.
func (p *Provider) encrypt(ctx context.Context, client *Client, how Encryption, content []byte, nested bool) (string, error) {
	for _, key := range p.auth.keys.encryption(ctx, client) {
		if encryptionAlg(key.Key) != how.Alg || (key.Algorithm != "" && key.Algorithm != how.Alg) {
			continue
		}
		options := &jose.EncrypterOptions{}
		if nested {
			options = options.WithContentType("JWT")
		}
		recipient := jose.Recipient{Algorithm: jose.KeyAlgorithm(how.Alg), Key: key.Key, KeyID: key.KeyID}
		encrypter, err := jose.NewEncrypter(jose.ContentEncryption(how.method()), recipient, options)
		if err != nil {
			return "", fmt.Errorf("preparing an encryption to client %s: %w", client.ID, err)
		}
		sealed, err := encrypter.Encrypt(content)
		if err != nil {
			return "", fmt.Errorf("encrypting to client %s: %w", client.ID, err)
		}
		return sealed.CompactSerialize()
	}
	return "", diagnosed("invalid_request", "encryption.key", "the client registered %s and has no usable key for it in jwks or at its jwks_uri", how.Alg)
}
