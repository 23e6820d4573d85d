package conformance_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func fapiProofs() []module {
	aged := func(seconds int64) func(*run) {
		return func(r *run) {
			c := r.op.ids.fapi
			got := r.exchange(c, r.code(c), func(x *call) { x.proof.claims["iat"] = r.op.clock.Now().Unix() + seconds })
			if got.status != http.StatusOK {
				r.Errorf("%d %s", got.status, got.raw)
			}
		}
	}
	return []module{
		{fapiName + "check-dpop-proof-nbf-exp", "nbf and exp in a proof do no harm", func(r *run) {
			c := r.op.ids.fapi
			got := r.exchange(c, r.code(c), func(x *call) {
				x.proof.claims["nbf"], x.proof.claims["exp"] = r.op.clock.Now().Unix()-10, r.op.clock.Now().Unix()+300
			})
			if got.status != http.StatusOK {
				r.Errorf("%d %s", got.status, got.raw)
			}
		}},
		{fapiName + "ensure-dpopproof-with-iat-10seconds-before-succeeds", "a clock 10 s behind", aged(-10)},
		{fapiName + "ensure-dpopproof-with-iat-10seconds-after-succeeds", "a clock 10 s ahead", aged(10)},
		{fapiName + "dpop-negative-tests", fmt.Sprintf("%d proofs at userinfo, five odd ones that are good among them; each spoilt one is refused by 401 with a challenge, and so is a good one at its second use", len(proofRows())), proofNegatives},
	}
}

// proofRow spoils one thing of a request with a bound token.
type proofRow struct {
	what  string
	spoil func(r *run, x *call)
	good  bool
}

func claim(name string, value any) func(*run, *call) {
	return func(_ *run, x *call) { put(x.proof.claims, name, value) }
}

func head(name string, value any) func(*run, *call) {
	return func(_ *run, x *call) { put(x.proof.header, name, value) }
}

func put(into map[string]any, name string, value any) {
	if value == nil {
		delete(into, name)
		return
	}
	into[name] = value
}

// raw sends these headers in the place of the proof.
func raw(values ...string) func(*run, *call) {
	return func(_ *run, x *call) { x.proof, x.header["Dpop"] = nil, values }
}

func address(change func(*url.URL)) func(*run, *call) {
	return func(r *run, x *call) {
		u, err := url.Parse(x.proofTarget())
		must(r, err)
		change(u)
		x.proof.claims["htu"] = u.String()
	}
}

func proofRows() []proofRow {
	return []proofRow{
		{"query in htu", address(func(u *url.URL) { u.RawQuery = "a=b" }), true},
		{"fragment in htu", address(func(u *url.URL) { u.Fragment = "x" }), true},
		{"scheme of htu in upper case", address(func(u *url.URL) { u.Scheme = "HTTPS" }), true},
		{"claims that nobody knows", claim("extra", map[string]any{"a": 1}), true},
		{"headers that nobody needs", head("kid", "any"), true},
		{"no proof", raw(), false},
		{"an empty proof", raw(""), false},
		{"no JWT", raw("a.b.c"), false},
		{"one part", raw("abc"), false},
		{"two headers", func(r *run, x *call) {
			one := r.proof(r.op.ids.fapi, x.method, x.proofTarget())
			one.claims["ath"] = x.proof.claims["ath"]
			x.header["Dpop"] = []string{one.sign(r)}
		}, false},
		{"two proofs in one header", func(r *run, x *call) {
			two := x.proof.sign(r)
			x.proof, x.header["Dpop"] = nil, []string{two + ", " + two}
		}, false},
		{"no typ", head("typ", nil), false},
		{"typ JWT", head("typ", "JWT"), false},
		{"typ at+jwt", head("typ", "at+jwt"), false},
		{"no jwk", head("jwk", nil), false},
		{"jwk of another key", func(r *run, x *call) { x.proof.header["jwk"] = publicJWK(r, ecKey(r).Public(), "") }, false},
		{"private key in jwk", func(r *run, x *call) { x.proof.header["jwk"] = privateJWK(r) }, false},
		{"symmetric key in jwk", head("jwk", map[string]any{"kty": "oct", "k": "c2VjcmV0"}), false},
		{"alg none", func(_ *run, x *call) { x.proof.alg = "none" }, false},
		{"alg HS256", func(_ *run, x *call) { x.proof.alg = "HS256" }, false},
		{"alg RS256", func(r *run, x *call) {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			must(r, err)
			x.proof.alg, x.proof.key = "RS256", key
			x.proof.header["jwk"] = publicJWK(r, key.Public(), "")
		}, false},
		{"crit", head("crit", []string{"x"}), false},
		{"signature by another key", func(r *run, x *call) { x.proof.key = ecKey(r) }, false},
		{"signature cut short", func(r *run, x *call) {
			cut := x.proof.sign(r)
			x.proof, x.header["Dpop"] = nil, []string{cut[:len(cut)-10]}
		}, false},
		{"no jti", claim("jti", nil), false},
		{"empty jti", claim("jti", ""), false},
		{"no htm", claim("htm", nil), false},
		{"htm POST", claim("htm", "POST"), false},
		{"htm in lower case", claim("htm", "get"), false},
		{"no htu", claim("htu", nil), false},
		{"htu of another path", address(func(u *url.URL) { u.Path = "/token" }), false},
		{"htu of another host", address(func(u *url.URL) { u.Host = "other.example" }), false},
		{"htu of another scheme", address(func(u *url.URL) { u.Scheme = "http" }), false},
		{"htu with another case in the path", address(func(u *url.URL) { u.Path = strings.ToUpper(u.Path) }), false},
		{"no iat", claim("iat", nil), false},
		{"iat as text", claim("iat", "now"), false},
		{"iat an hour ago", func(r *run, x *call) { x.proof.claims["iat"] = r.op.clock.Now().Unix() - 3600 }, false},
		{"iat in an hour", func(r *run, x *call) { x.proof.claims["iat"] = r.op.clock.Now().Unix() + 3600 }, false},
		{"no ath", claim("ath", nil), false},
		{"ath of another token", claim("ath", s256("another")), false},
		{"ath in hexadecimal", claim("ath", strings.Repeat("ab", 32)), false},
		{"key of another client, whole", func(r *run, x *call) {
			other := r.proof(r.op.ids.fapiTwin, x.method, x.proofTarget())
			other.claims["ath"] = x.proof.claims["ath"]
			x.proof = other
		}, false},
		{"as a bearer token, with the proof", func(_ *run, x *call) {
			x.header.Set("Authorization", "Bearer"+strings.TrimPrefix(x.header.Get("Authorization"), "DPoP"))
		}, false},
	}
}

func proofNegatives(r *run) {
	c := r.op.ids.fapi
	token := text(r.tokens(c).body["access_token"])
	for _, row := range proofRows() {
		got := r.userinfo(c, token, func(x *call) { row.spoil(r, x) })
		if row.good && got.status != http.StatusOK {
			r.Errorf("%s: %d %s", row.what, got.status, got.raw)
		}
		if !row.good && (got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "") {
			r.Errorf("%s: %d %q %s", row.what, got.status, got.header.Get("WWW-Authenticate"), got.raw)
		}
	}
	used := func(x *call) { x.proof.claims["jti"] = "the same" }
	if got := r.userinfo(c, token, used); got.status != http.StatusOK {
		r.Errorf("first use: %d %s", got.status, got.raw)
	}
	if got := r.userinfo(c, token, used); got.status != http.StatusUnauthorized {
		r.Errorf("the same jti twice: %d", got.status)
	}
}

// privateJWK is a key that should never have left its owner.
func privateJWK(r *run) map[string]any {
	key := ecKey(r)
	jwk := publicJWK(r, key.Public(), "")
	scalar, err := key.Bytes()
	must(r, err)
	jwk["d"] = encodedBytes(scalar)
	return jwk
}

// Where a token is bound already, a proof by RS256 falls for its key; here nothing but its algorithm is wrong.
func TestP23AProofByRS256IsRefusedThoughNothingIsBoundYet(t *testing.T) {
	r := attack(t)
	c := r.op.ids.fapi
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	by := func(alg string) func(*call) {
		return func(x *call) {
			x.proof.alg, x.proof.key = alg, key
			x.proof.header["jwk"] = publicJWK(t, key.Public(), "")
		}
	}
	r.want(r.exchange(c, r.pushedWithout(c).Get("code"), by("RS256")), http.StatusBadRequest, "invalid_dpop_proof")
	if got := r.exchange(c, r.pushedWithout(c).Get("code"), by("PS256")); got.status != http.StatusOK {
		t.Errorf("by PS256: %d %s", got.status, got.raw)
	}
}
