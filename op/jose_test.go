package op_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/op"
)

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0") // a weak key, to see it refused
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keySet(t testing.TB, public ...jose.JSONWebKey) []byte {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: public})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// makeJWS signs as an honest client does, or not: alg "none", "None", "HS256" (with the public key as the secret) and "psychic" (a
// signature of zeros) are attacks. An empty alg is ES256.
func makeJWS(t testing.TB, alg string, key any, header, claims map[string]any) string {
	t.Helper()
	shown := alg
	if alg == "" || alg == "psychic" {
		shown = "ES256"
	}
	header["alg"] = shown
	input := encodeJSON(t, header) + "." + encodeJSON(t, claims)
	var signature []byte
	switch alg {
	case "none", "None":
	case "psychic":
		signature = make([]byte, 64)
	case "HS256":
		der, err := x509.MarshalPKIXPublicKey(key.(crypto.Signer).Public())
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, der)
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	default:
		signature = sign(t, shown, key, input)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func sign(t testing.TB, alg string, key any, input string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(input))
	switch k := key.(type) {
	case *rsa.PrivateKey:
		var opts crypto.SignerOpts = crypto.SHA256
		if alg == "PS256" {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		signature, err := k.Sign(rand.Reader, sum[:], opts)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature
	}
	t.Fatalf("no key for %s", alg)
	return nil
}

func encodeJSON(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// merge lays changes over a map; nil removes.
func merge(into, changes map[string]any) {
	for name, value := range changes {
		if value == nil {
			delete(into, name)
			continue
		}
		into[name] = value
	}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+secret))
}

// fixedClient is a store of one client.
type fixedClient struct{ client op.Client }

func (f fixedClient) Clients(context.Context) ([]op.Client, error)       { return []op.Client{f.client}, nil }
func (f fixedClient) Client(context.Context, string) (*op.Client, error) { return &f.client, nil }
func (f fixedClient) PutClient(context.Context, op.Client) error         { return nil }
func (f fixedClient) DeleteClient(context.Context, string) error         { return nil }
func (f fixedClient) ClientsVersion(context.Context) (int64, error)      { return 1, nil }

// part decodes the header (0) or the payload (1) of a compact JWS.
func part(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a compact JWS: %.20q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[i])
	must(t, err)
	var out map[string]any
	must(t, json.Unmarshal(raw, &out))
	return out
}
