package op_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/storagetest"
)

type proofBench struct {
	clock    *storagetest.Clock
	verifier *op.ProofVerifier
	key      *ecdsa.PrivateKey
}

func newProofBench(t *testing.T) proofBench {
	t.Helper()
	b := proofBench{clock: storagetest.NewClock(), key: ecKey(t)}
	_, eph, sealer := storagetest.Open(t, b.clock.Now)
	b.verifier = op.NewProofVerifier(issuer, eph, sealer, b.clock.Now)
	return b
}

// proof makes a good proof for POST /token, with changes.
func (b proofBench) proof(t *testing.T, alg string, header, claims map[string]any) string {
	t.Helper()
	h := map[string]any{"typ": "dpop+jwt", "jwk": publicJWK(t, b.key.Public())}
	c := map[string]any{"jti": keys.RandomID(), "htm": "POST", "htu": issuer + "/token", "iat": b.clock.Now().Unix()}
	merge(h, header)
	merge(c, claims)
	return makeJWS(t, alg, b.key, h, c)
}

func (b proofBench) verify(proofs ...string) (string, *httptest.ResponseRecorder, error) {
	r := httptest.NewRequest(http.MethodPost, "http://forged.example/token?x=1", nil)
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	w := httptest.NewRecorder()
	jkt, err := b.verifier.Verify(w, r, "", false)
	return jkt, w, err
}

func TestP23AProofIsCheckedInEveryPart(t *testing.T) {
	b := newProofBench(t)
	at := func(d time.Duration) int64 { return b.clock.Now().Add(d).Unix() }
	private := publicJWK(t, b.key.Public())
	scalar, err := b.key.Bytes()
	must(t, err)
	private["d"] = base64.RawURLEncoding.EncodeToString(scalar)
	for _, row := range []struct {
		what, alg      string
		header, claims map[string]any
		diagnosis      string
	}{
		{what: "as it should be"},
		{what: "query and fragment in htu", claims: map[string]any{"htu": issuer + "/token?a=b#c"}},
		{what: "default port and case in htu", claims: map[string]any{"htu": "HTTPS://ID.example:443/token"}},
		{what: "10 s ahead", claims: map[string]any{"iat": at(10 * time.Second)}},
		{what: "50 s old", claims: map[string]any{"iat": at(-50 * time.Second)}},
		{what: "another typ", header: map[string]any{"typ": "JWT"}, diagnosis: "proof.typ"},
		{what: "no typ", header: map[string]any{"typ": nil}, diagnosis: "proof.typ"},
		{what: "no jwk", header: map[string]any{"jwk": nil}, diagnosis: "proof.jwk"},
		{what: "private jwk", header: map[string]any{"jwk": private}, diagnosis: "proof.jwk"},
		{what: "key of another", header: map[string]any{"jwk": publicJWK(t, ecKey(t).Public())}, diagnosis: "proof.signature"},
		{what: "RSA key for ES256", header: map[string]any{"jwk": publicJWK(t, rsaKey(t, 2048).Public())}, diagnosis: "proof.jwk"},
		{what: "symmetric key", header: map[string]any{"jwk": map[string]any{"kty": "oct", "k": "c2VjcmV0"}}, diagnosis: "proof.jwk"},
		{what: "none", alg: "none", diagnosis: "proof.alg"},
		{what: "HS256", alg: "HS256", diagnosis: "proof.alg"},
		{what: "psychic", alg: "psychic", diagnosis: "proof.signature"},
		{what: "crit", header: map[string]any{"crit": []string{"x"}}, diagnosis: "proof.header"},
		{what: "jku", header: map[string]any{"jku": "https://evil.example"}, diagnosis: "proof.header"},
		{what: "no jti", claims: map[string]any{"jti": nil}, diagnosis: "proof.jti"},
		{what: "long jti", claims: map[string]any{"jti": strings.Repeat("x", 300)}, diagnosis: "proof.jti"},
		{what: "another method", claims: map[string]any{"htm": "GET"}, diagnosis: "proof.htm"},
		{what: "method in lower case", claims: map[string]any{"htm": "post"}, diagnosis: "proof.htm"},
		{what: "no method", claims: map[string]any{"htm": nil}, diagnosis: "proof.htm"},
		{what: "another path", claims: map[string]any{"htu": issuer + "/userinfo"}, diagnosis: "proof.htu"},
		{what: "another host", claims: map[string]any{"htu": "https://forged.example/token"}, diagnosis: "proof.htu"},
		{what: "another scheme", claims: map[string]any{"htu": "http://id.example/token"}, diagnosis: "proof.htu"},
		{what: "a user part", claims: map[string]any{"htu": "https://id.example@id.example/token"}, diagnosis: "proof.htu"},
		{what: "no htu", claims: map[string]any{"htu": nil}, diagnosis: "proof.htu"},
		{what: "no iat", claims: map[string]any{"iat": nil}, diagnosis: "proof.clock"},
		{what: "61 s old", claims: map[string]any{"iat": at(-61 * time.Second)}, diagnosis: "proof.clock"},
		{what: "60 s ahead", claims: map[string]any{"iat": at(time.Minute)}, diagnosis: "proof.clock"},
		{what: "iat as text", claims: map[string]any{"iat": "now"}, diagnosis: "proof.malformed"},
		{what: "a nonce that is not ours", claims: map[string]any{"nonce": "x"}, diagnosis: "proof.nonce"},
	} {
		jkt, _, err := b.verify(b.proof(t, row.alg, row.header, row.claims))
		_, code, description, _ := op.WireError(err)
		if row.diagnosis == "" && (err != nil || jkt != thumbprint(t, b.key)) {
			t.Errorf("%s: %v", row.what, err)
		}
		if row.diagnosis != "" && (jkt != "" || !strings.HasPrefix(description, "["+row.diagnosis+"] ")) {
			t.Errorf("%s: want [%s], got %v", row.what, row.diagnosis, err)
		}
		if want := "invalid_dpop_proof"; err != nil && row.diagnosis != "proof.nonce" && code != want {
			t.Errorf("%s: %s", row.what, code)
		}
	}
	if jkt, _, err := b.verify(); jkt != "" || err != nil {
		t.Errorf("no proof: %q, %v", jkt, err)
	}
	for _, two := range [][]string{{b.proof(t, "", nil, nil), b.proof(t, "", nil, nil)}, {strings.Repeat("x", 9000)}, {"a.b.c"}, {""}} {
		if _, _, err := b.verify(two...); err == nil {
			t.Errorf("%.20q was accepted", two)
		}
	}
}

func TestP23AProofIsUsedOnce(t *testing.T) {
	b := newProofBench(t)
	proof := b.proof(t, "", nil, nil)
	var accepted atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, _, err := b.verify(proof); err == nil {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	if n := accepted.Load(); n != 1 {
		t.Errorf("one proof was accepted %d times", n)
	}
}

func TestP23ANonceIsHandedOutAndEnds(t *testing.T) {
	b := newProofBench(t)
	ask := func(nonce any) (*httptest.ResponseRecorder, error) {
		r := httptest.NewRequest(http.MethodPost, "/token", nil)
		r.Header.Set("DPoP", b.proof(t, "", nil, map[string]any{"nonce": nonce}))
		w := httptest.NewRecorder()
		_, err := b.verifier.Verify(w, r, "", true)
		return w, err
	}
	wantNonce := func(what string, err error) {
		t.Helper()
		if status, code, _, _ := op.WireError(err); status != 400 || code != "use_dpop_nonce" {
			t.Errorf("%s: %v", what, err)
		}
	}
	w, err := ask(nil)
	wantNonce("without a nonce", err)
	nonce := w.Header().Get("DPoP-Nonce")
	if _, err := ask(nonce); err != nil {
		t.Errorf("with the nonce handed out: %v", err)
	}
	b.clock.Advance(5 * time.Minute)
	w, err = ask(nonce)
	if err != nil || w.Header().Get("DPoP-Nonce") == nonce {
		t.Errorf("the nonce before is good still, and the next is handed out: %v", err)
	}
	b.clock.Advance(5 * time.Minute)
	_, err = ask(nonce)
	wantNonce("with a stale nonce", err)
}

func TestP24ABoundTokenIsNoBearerToken(t *testing.T) {
	b := newProofBench(t)
	jkt := thumbprint(t, b.key)
	sum := sha256.Sum256([]byte("token"))
	ath := base64.RawURLEncoding.EncodeToString(sum[:])
	good := map[string]any{"htm": "GET", "htu": issuer + "/userinfo", "ath": ath}
	for _, row := range []struct {
		what, scheme, boundTo string
		claims                map[string]any
		proof                 bool
		diagnosis             string
	}{
		{what: "bearer, unbound", scheme: "Bearer"},
		{what: "bound, with its proof", scheme: "DPoP", boundTo: jkt, claims: good, proof: true},
		{what: "scheme in lower case", scheme: "dpop", boundTo: jkt, claims: good, proof: true},
		{what: "bound, as bearer", scheme: "Bearer", boundTo: jkt, diagnosis: "proof.missing"},
		{what: "bound, as bearer with a proof", scheme: "Bearer", boundTo: jkt, claims: good, proof: true, diagnosis: "proof.missing"},
		{what: "bound, no proof", scheme: "DPoP", boundTo: jkt, diagnosis: "proof.missing"},
		{what: "unbound, as DPoP", scheme: "DPoP", claims: good, proof: true, diagnosis: "proof.unbound"},
		{what: "bound to another key", scheme: "DPoP", boundTo: "another", claims: good, proof: true, diagnosis: "proof.key"},
		{what: "proof for another token", scheme: "DPoP", boundTo: jkt, claims: map[string]any{"htm": "GET", "htu": issuer + "/userinfo", "ath": "x"}, proof: true, diagnosis: "proof.ath"},
		{what: "proof for no token", scheme: "DPoP", boundTo: jkt, claims: map[string]any{"htm": "GET", "htu": issuer + "/userinfo"}, proof: true, diagnosis: "proof.ath"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
		if row.proof {
			r.Header.Set("DPoP", b.proof(t, "", nil, row.claims))
		}
		err := b.verifier.Guard(httptest.NewRecorder(), r, row.scheme, "token", row.boundTo)
		status, _, description, challenge := op.WireError(err)
		if row.diagnosis == "" {
			if err != nil {
				t.Errorf("%s: %v", row.what, err)
			}
			continue
		}
		if status != 401 || !strings.HasPrefix(challenge, "DPoP error=") || !strings.HasPrefix(description, "["+row.diagnosis+"]") {
			t.Errorf("%s: %d %v, %s", row.what, status, err, challenge)
		}
	}
}

func publicJWK(t testing.TB, public crypto.PublicKey) map[string]any {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKey{Key: public})
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func thumbprint(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}
