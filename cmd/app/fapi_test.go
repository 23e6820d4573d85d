package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/keys"
)

// bank is a client under FAPI 2.0: it pushes its requests, signs an assertion for each call, and binds its tokens to a key.
type bank struct {
	*node
	key   *ecdsa.PrivateKey
	jwk   map[string]string
	nonce string // of the provider, for the next proof
}

// bankClient registers the client of a bank by its key.
func bankClient(jwk map[string]string) app.ClientSettings {
	return app.ClientSettings{ID: "bank", Profile: "fapi2", Auth: []string{"private_key_jwt"}, JWKS: map[string]any{"keys": []any{jwk}},
		RedirectURIs: []string{"https://bank.example/cb"}, GrantTypes: []string{"authorization_code", "refresh_token"},
		Scopes: []string{"openid", "email", "offline_access"}, IDTokenAlg: "ES256"}
}

func newBank(t testing.TB, n *node) *bank {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b := &bank{node: n, key: key, jwk: map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "x": segment(point[1:33]), "y": segment(point[33:])}}
	if _, err := n.app.ApplySettings(t.Context(), app.Settings{Clients: []app.ClientSettings{bankClient(b.jwk)}}); err != nil {
		t.Fatal(err)
	}
	b.push() // without a nonce: the answer tells one, and the client is known from here on
	n.trips.take()
	return b
}

func segment(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// jws signs claims by ES256 (RFC 7515 §3.1, RFC 7518 §3.4).
func (b *bank) jws(header, claims map[string]any) string {
	b.Helper()
	header["alg"] = "ES256"
	head, err := json.Marshal(header)
	if err != nil {
		b.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		b.Fatal(err)
	}
	text := segment(head) + "." + segment(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, b.key, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + segment(signature)
}

// proof makes a proof of possession for a request (RFC 9449 §4.2).
func (b *bank) proof(method, path, token string) string {
	b.Helper()
	claims := map[string]any{"jti": keys.RandomID(), "htm": method, "htu": "http://localhost:8080" + path, "iat": time.Now().Unix()}
	if b.nonce != "" {
		claims["nonce"] = b.nonce
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = segment(sum[:])
	}
	return b.jws(map[string]any{"typ": "dpop+jwt", "jwk": b.jwk}, claims)
}

// call makes a request of the bank to an endpoint that wants to know who asks.
func (b *bank) call(path string, form url.Values) *http.Request {
	b.Helper()
	form = maps.Clone(form)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", b.jws(map[string]any{}, map[string]any{"iss": "bank", "sub": "bank", "aud": "http://localhost:8080",
		"jti": keys.RandomID(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}))
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("DPoP", b.proof(http.MethodPost, path, ""))
	return r
}

// answered serves a request and reads the answer.
func (b *bank) answered(r *http.Request) (status int, answer struct {
	RequestURI   string `json:"request_uri"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	Error        string `json:"error"`
	Description  string `json:"error_description"`
}) {
	b.Helper()
	w := b.serve(r)
	if nonce := w.Header().Get("DPoP-Nonce"); nonce != "" {
		b.nonce = nonce
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		b.Fatalf("%s: %d %s", r.URL.Path, w.Code, w.Body)
	}
	return w.Code, answer
}

func (b *bank) pushing() *http.Request {
	b.Helper()
	sum := sha256.Sum256([]byte(verifier))
	return b.call("/par", url.Values{"client_id": {"bank"}, "redirect_uri": {"https://bank.example/cb"}, "response_type": {"code"},
		"scope": {"openid email offline_access"}, "state": {"s"}, "nonce": {"n"}, "code_challenge": {segment(sum[:])}, "code_challenge_method": {"S256"}})
}

// push pushes a request (RFC 9126 §2).
func (b *bank) push() string {
	b.Helper()
	_, answer := b.answered(b.pushing())
	return answer.RequestURI
}

// authorizing is the browser that brings a pushed request.
func (b *bank) authorizing(requestURI string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/authorize?"+url.Values{"client_id": {"bank"}, "request_uri": {requestURI}}.Encode(), nil)
	r.AddCookie(&http.Cookie{Name: "vhod-session", Value: b.cookie})
	return r
}

func (b *bank) redeeming(code string) *http.Request {
	b.Helper()
	return b.call("/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://bank.example/cb"}, "code_verifier": {verifier}})
}

func (b *bank) refreshing(token string) *http.Request {
	b.Helper()
	return b.call("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (b *bank) asking(token string) *http.Request {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", b.proof(http.MethodGet, "/userinfo", token))
	return r
}

// tokens goes the whole way to tokens.
func (b *bank) tokens() (access, refresh string) {
	b.Helper()
	status, answer := b.answered(b.redeeming(b.codeOf(b.serve(b.authorizing(b.push())))))
	if status != http.StatusOK || answer.TokenType != "DPoP" {
		b.Fatalf("%d %+v", status, answer)
	}
	return answer.AccessToken, answer.RefreshToken
}

// measure times the provider's part of a call: what the client signs for it is made while the clock stands.
func measure(t *testing.B, b *bank, prepare func() *http.Request) {
	t.ReportAllocs()
	for t.Loop() {
		t.StopTimer()
		r := prepare()
		t.StartTimer()
		if w := b.serve(r); w.Code >= http.StatusBadRequest {
			t.Fatalf("%s: %d %s", r.URL.Path, w.Code, w.Body)
		}
	}
}

func BenchmarkPushWithAssertionAndProof(b *testing.B) {
	bench(b, func(b *testing.B, n *node) { bank := newBank(b, n); measure(b, bank, bank.pushing) })
}

func BenchmarkAuthorizePushed(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		bank := newBank(b, n)
		measure(b, bank, func() *http.Request { return bank.authorizing(bank.push()) })
	})
}

func BenchmarkCodeExchangeWithProof(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		bank := newBank(b, n)
		measure(b, bank, func() *http.Request { return bank.redeeming(bank.codeOf(bank.serve(bank.authorizing(bank.push())))) })
	})
}

func BenchmarkRefreshWithProof(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		bank := newBank(b, n)
		_, refresh := bank.tokens()
		measure(b, bank, func() *http.Request { return bank.refreshing(refresh) })
	})
}

func BenchmarkUserInfoWithProof(b *testing.B) {
	bench(b, func(b *testing.B, n *node) {
		bank := newBank(b, n)
		access, _ := bank.tokens()
		measure(b, bank, func() *http.Request { return bank.asking(access) })
	})
}
