package api_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/examples/api"
)

const origin = "https://api.example"

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// bench is the API before a provider that says of every token what the test wants.
type bench struct {
	t       *testing.T
	handler http.Handler
	says    map[string]any
	key     *ecdsa.PrivateKey
	now     time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, key: key, now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	var provider *httptest.Server
	provider = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); r.Method == http.MethodPost && (id != "api" || secret != "secret" || r.FormValue("token") != "token") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body := b.says
		if r.Method == http.MethodGet {
			body = map[string]any{"issuer": provider.URL, "introspection_endpoint": provider.URL + "/introspect"}
		}
		_ = json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(provider.Close)
	b.handler = api.New(api.Config{Origin: origin, Issuer: provider.URL, ClientID: "api", Secret: "secret", HTTP: provider.Client(), Now: func() time.Time { return b.now }}).Handler()
	b.token("", "")
	return b
}

// token is what the provider says from now on: a good token, bound like this.
func (b *bench) token(confirmation, thumbprint string) {
	b.says = map[string]any{"active": true, "scope": "accounts", "sub": "anna", "aud": []string{"https://id.example", origin}, "cnf": map[string]string{confirmation: thumbprint}}
}

func (b *bench) thumbprint() string {
	b.t.Helper()
	sum, err := (&jose.JSONWebKey{Key: b.key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		b.t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// proof is a good one, with a change.
func (b *bench) proof(typ, name string, value any) string {
	b.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: b.key}, (&jose.SignerOptions{EmbedJWK: true}).WithType(jose.ContentType(typ)))
	if err != nil {
		b.t.Fatal(err)
	}
	claims := map[string]any{"jti": rand.Text(), "htm": "GET", "htu": origin + "/accounts", "iat": b.now.Unix(), "ath": hash([]byte("token"))}
	claims[name] = value
	payload, err := json.Marshal(claims)
	if err != nil {
		b.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func (b *bench) ask(authorization string, proofs []string, certificate []byte) (int, string, string) {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/accounts", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	if certificate != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: certificate}}}
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Body)
	return w.Code, w.Header().Get("WWW-Authenticate"), string(body)
}

func TestAnAPIOpensToATokenThatIsForIt(t *testing.T) {
	b := newBench(t)
	if status, _, body := b.ask("Bearer token", nil, nil); status != http.StatusOK || !strings.Contains(body, "anna") {
		t.Errorf("%d %s", status, body)
	}
	if status, challenge, _ := b.ask("", nil, nil); status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "DPoP") || strings.Contains(challenge, "error") {
		t.Errorf("without a token: %d %s", status, challenge)
	}
	for what, change := range map[string]struct {
		name  string
		value any
		want  string
	}{
		"over":              {"active", false, "invalid_token"},
		"for another API":   {"aud", "https://other.example", "invalid_token"},
		"without its scope": {"scope", "openid", "insufficient_scope"},
	} {
		b.token("", "")
		b.says[change.name] = change.value
		if status, challenge, _ := b.ask("Bearer token", nil, nil); status < 400 || !strings.Contains(challenge, change.want) {
			t.Errorf("%s: %d %s", what, status, challenge)
		}
	}
}

func TestAnAPITakesABoundTokenFromItsHolderAlone(t *testing.T) {
	b := newBench(t)
	b.token("jkt", b.thumbprint())
	good := b.proof("dpop+jwt", "", nil)
	for _, row := range []struct {
		what, scheme string
		proofs       []string
		status       int
	}{
		{"a good proof", "DPoP", []string{good}, 200},
		{"in another case, to the same address", "dpop", []string{b.proof("dpop+jwt", "htu", "HTTPS://API.example:443/accounts?a=b#c")}, 200},
		{"the same proof again", "DPoP", []string{good}, 401},
		{"as a bearer", "Bearer", []string{b.proof("dpop+jwt", "", nil)}, 401},
		{"no proof", "DPoP", nil, 401},
		{"two proofs", "DPoP", []string{b.proof("dpop+jwt", "", nil), b.proof("dpop+jwt", "", nil)}, 401},
		{"another type", "DPoP", []string{b.proof("JWT", "", nil)}, 401},
		{"another method", "DPoP", []string{b.proof("dpop+jwt", "htm", "POST")}, 401},
		{"another address", "DPoP", []string{b.proof("dpop+jwt", "htu", origin+"/other")}, 401},
		{"another token", "DPoP", []string{b.proof("dpop+jwt", "ath", hash([]byte("other")))}, 401},
		{"an hour old", "DPoP", []string{b.proof("dpop+jwt", "iat", b.now.Unix()-3600)}, 401},
		{"no time", "DPoP", []string{b.proof("dpop+jwt", "iat", nil)}, 401},
		{"no name", "DPoP", []string{b.proof("dpop+jwt", "jti", nil)}, 401},
	} {
		if status, challenge, _ := b.ask(row.scheme+" token", row.proofs, nil); status != row.status || status == 401 && !strings.HasPrefix(challenge, "DPoP error=") {
			t.Errorf("%s: %d %s", row.what, status, challenge)
		}
	}
	b.token("jkt", "another key")
	if status, _, _ := b.ask("DPoP token", []string{b.proof("dpop+jwt", "", nil)}, nil); status != http.StatusUnauthorized {
		t.Errorf("by another key: %d", status)
	}
	b.token("x5t#S256", hash([]byte("certificate")))
	for certificate, want := range map[string]int{"certificate": 200, "another": 401, "": 401} {
		if status, challenge, _ := b.ask("Bearer token", nil, []byte(certificate)); status != want {
			t.Errorf("the certificate %q: %d %s", certificate, status, challenge)
		}
	}
	if status, _, _ := b.ask("Bearer token", nil, nil); status != http.StatusUnauthorized {
		t.Errorf("without a certificate: %d", status)
	}
}
