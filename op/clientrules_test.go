package op_test

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/op"
)

func TestClientRegistrationNamesEachFault(t *testing.T) {
	key := ecKey(t)
	public, private := keySet(t, jose.JSONWebKey{Key: key.Public()}), keySet(t, jose.JSONWebKey{Key: key})
	good := op.Client{ID: "web", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: []op.ClientSecret{{Hash: "h"}},
		RedirectURIs: []string{"https://rp.example/cb"}, GrantTypes: []string{"authorization_code"}}
	if err := good.Check(); err != nil {
		t.Fatalf("a good client is refused: %v", err)
	}
	for _, row := range []struct {
		name   string
		change func(*op.Client)
		want   string // in the error; empty: accepted
	}{
		{"http redirect", func(c *op.Client) { c.RedirectURIs = []string{"http://rp.example/cb"} }, "https is needed"},
		{"loopback redirect", func(c *op.Client) { c.RedirectURIs = []string{"http://127.0.0.1:9/cb"} }, ""},
		{"fragment", func(c *op.Client) { c.RedirectURIs = []string{"https://rp.example/cb#"} }, "fragment"},
		{"user part", func(c *op.Client) { c.RedirectURIs = []string{"https://good@evil.example/"} }, "user part"},
		{"wildcard", func(c *op.Client) { c.RedirectURIs = []string{"https://*.example/cb"} }, "wildcards"},
		{"relative", func(c *op.Client) { c.RedirectURIs = []string{"/cb"} }, "absolute"},
		{"own scheme of a web client", func(c *op.Client) { c.RedirectURIs = []string{"ru.example.app:/cb"} }, "https is needed"},
		{"own scheme of a native client", func(c *op.Client) { c.Native, c.RedirectURIs = true, []string{"ru.example.app:/cb"} }, ""},
		{"no redirect", func(c *op.Client) { c.RedirectURIs = nil }, "redirect_uris"},
		{"secret missing", func(c *op.Client) { c.Secrets = nil }, "a secret is needed"},
		{"public with a secret", func(c *op.Client) { c.Auth = []string{op.AuthNone} }, "public client"},
		{"public compat", func(c *op.Client) { c.Auth, c.Secrets, c.Profile = []string{op.AuthNone}, nil, op.ProfileCompat }, "confidential"},
		{"key missing", func(c *op.Client) { c.Auth = []string{op.AuthPrivateKey} }, "jwks"},
		{"RS256 in fapi2", func(c *op.Client) { c.Profile, c.IDTokenAlg = op.ProfileFAPI2, "RS256" }, "RS256"},
		{"secret in fapi2", func(c *op.Client) { c.Profile = op.ProfileFAPI2 }, "neither secrets nor public clients"},
		{"public in fapi2", func(c *op.Client) { c.Profile, c.Auth, c.Secrets = op.ProfileFAPI2, []string{op.AuthNone}, nil }, "neither secrets nor public clients"},
		{"key in fapi2", func(c *op.Client) {
			c.Profile, c.Auth, c.Secrets, c.JWKS = op.ProfileFAPI2, []string{op.AuthPrivateKey}, nil, public
		}, ""},
		{"no key in the set", func(c *op.Client) {
			c.Auth, c.Secrets, c.JWKS = []string{op.AuthPrivateKey}, nil, []byte(`{"keys":[]}`)
		}, "none of the keys"},
		{"a key that only encrypts", func(c *op.Client) {
			c.Auth, c.Secrets, c.JWKS = []string{op.AuthPrivateKey}, nil, keySet(t, jose.JSONWebKey{Key: key.Public(), Use: "enc"})
		}, "none of the keys"},
		{"an empty set beside a secret", func(c *op.Client) { c.JWKS = []byte(`{"keys":[]}`) }, ""},
		{"a private key", func(c *op.Client) { c.Auth, c.Secrets, c.JWKS = []string{op.AuthPrivateKey}, nil, private }, "private or secret key"},
		{"a private key beside a secret", func(c *op.Client) { c.JWKS = private }, "private or secret key"},
		{"a secret key", func(c *op.Client) { c.JWKS = []byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`) }, "private or secret key"},
		{"no set", func(c *op.Client) { c.JWKS = []byte(`{"keys":1}`) }, "can be read"},
		{"unknown profile", func(c *op.Client) { c.Profile = "x" }, "profile"},
		{"unknown algorithm", func(c *op.Client) { c.IDTokenAlg = "none" }, "id_token_alg"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := good
			row.change(&c)
			err := c.Check()
			if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}
