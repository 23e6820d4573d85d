package op_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

// encrypted is a client with these keys that wants its tokens encrypted.
func encrypted(keySet []byte, alg, enc, signed string) op.Client {
	how := op.Encryption{Alg: alg, Enc: enc}
	return op.Client{ID: "sealed", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: []op.ClientSecret{{Hash: keys.Hash("sealed-secret")}}, TrustedConsent: true,
		JWKS: keySet, IDTokenEncryption: how, UserInfoEncryption: how, UserInfoAlg: signed, IDTokenAlg: "ES256",
		RedirectURIs: []string{callback}, GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid"}}
}

// userinfoText is userinfo as it comes.
func (h *house) userinfoText(token string) (kind, text string) {
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.provider.Handler().ServeHTTP(w, r)
	return w.Header().Get("Content-Type"), w.Body.String()
}

func TestTokensAreEncryptedToAClientThatRegisteredSo(t *testing.T) {
	rsa, ec := rsaKey(t, 2048), ecKey(t)
	set := keySet(t, jose.JSONWebKey{Key: ec.Public(), KeyID: "sig", Use: "sig"}, jose.JSONWebKey{Key: rsa.Public(), KeyID: "rsa", Use: "enc"},
		jose.JSONWebKey{Key: ec.Public(), KeyID: "ec", Use: "enc"})
	for _, row := range []struct {
		alg, enc, signed, kid string
		key                   any
	}{
		{"RSA-OAEP-256", "A256GCM", "RS256", "rsa", rsa}, {"ECDH-ES", "A256GCM", "", "ec", ec},
		{"RSA-OAEP-256", "", "", "rsa", rsa}, {"ECDH-ES", "A128CBC-HS256", "ES256", "ec", ec},
	} {
		t.Run(row.alg+" "+row.enc+" "+row.signed, func(t *testing.T) {
			c := encrypted(set, row.alg, row.enc, row.signed)
			must(t, c.Check())
			h := openedHouse(t, c)
			tokens := h.exchange(c.ID, h.authorize(codeRequest(c.ID, "scope", "openid")).back().Get("code"))
			if tokens.status != http.StatusOK {
				t.Fatalf("%d %v", tokens.status, tokens.body)
			}
			open := func(text string, nested bool) []byte {
				t.Helper()
				sealed, err := jose.ParseEncryptedCompact(text, []jose.KeyAlgorithm{jose.KeyAlgorithm(row.alg)}, []jose.ContentEncryption{jose.A256GCM, jose.A128CBC_HS256})
				if err != nil {
					t.Fatalf("%v: %s", err, text)
				}
				if cty, _ := sealed.Header.ExtraHeaders[jose.HeaderContentType].(string); (cty == "JWT") != nested || sealed.Header.KeyID != row.kid {
					t.Errorf("cty %q, kid %q", cty, sealed.Header.KeyID)
				}
				plain, err := sealed.Decrypt(row.key)
				must(t, err)
				return plain
			}
			id := string(open(tokens.text("id_token"), true))
			if strings.Count(id, ".") != 2 || part(t, id, 1)["aud"] != c.ID || header(t, id)["alg"] != "ES256" {
				t.Errorf("the ID token inside: %s", id)
			}
			kind, text := h.userinfoText(tokens.text("access_token"))
			if kind != "application/jwt" {
				t.Fatalf("%s: %s", kind, text)
			}
			info := open(text, row.signed != "")
			claims := map[string]any{}
			if row.signed != "" {
				claims = part(t, string(info), 1)
			} else {
				must(t, json.Unmarshal(info, &claims))
			}
			if claims["sub"] != part(t, id, 1)["sub"] {
				t.Errorf("userinfo inside: %s", info)
			}
		})
	}
}

func TestAnEncryptionWithoutAKeyIsRefused(t *testing.T) {
	ec := ecKey(t)
	only := keySet(t, jose.JSONWebKey{Key: ec.Public(), KeyID: "sig", Use: "sig"})
	h := openedHouse(t, encrypted(only, "ECDH-ES", "A256GCM", ""))
	tokens := h.exchange("sealed", h.authorize(codeRequest("sealed", "scope", "openid")).back().Get("code"))
	if tokens.status != http.StatusBadRequest || !strings.HasPrefix(tokens.text("error_description"), "[encryption.key]") {
		t.Errorf("%d %v", tokens.status, tokens.body)
	}
	for name, change := range map[string]func(*op.Client){
		"RSA1_5":   func(c *op.Client) { c.IDTokenEncryption.Alg = "RSA1_5" },
		"dir":      func(c *op.Client) { c.UserInfoEncryption.Alg = "dir" },
		"A192GCM":  func(c *op.Client) { c.IDTokenEncryption.Enc = "A192GCM" },
		"enc only": func(c *op.Client) { c.IDTokenEncryption.Alg = "" },
		"no keys":  func(c *op.Client) { c.JWKS = nil },
	} {
		c := encrypted(only, "ECDH-ES", "A256GCM", "")
		change(&c)
		if c.Check() == nil {
			t.Errorf("%s was registered", name)
		}
	}
	made := openedHouse(t).registration(http.MethodPost, "/register", "stand", map[string]any{"redirect_uris": []string{"https://rp.example/cb"},
		"jwks": json.RawMessage(only), "id_token_encrypted_response_alg": "RSA-OAEP-256", "id_token_encrypted_response_enc": "A256GCM"})
	if made.text("id_token_encrypted_response_alg") != "RSA-OAEP-256" || made.text("id_token_encrypted_response_enc") != "A256GCM" {
		t.Errorf("%v", made.body)
	}
}
