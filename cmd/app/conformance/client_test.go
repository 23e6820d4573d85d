package conformance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// client is a relying party of these tests.
type client struct {
	id          string
	auth        string // client_secret_basic, client_secret_post, private_key_jwt, none
	secret      string
	key         crypto.Signer // of its assertions
	kid         string        // the id when empty
	alg         string
	proof       *ecdsa.PrivateKey // of its DPoP proofs; nil: it sends none
	certificate *tls.Certificate  // that its tokens are bound to instead
	par         bool
	signs       bool // its requests (RFC 9101)
	pkce        bool
	scope       string // what it asks for
}

// The resource servers of the client web.
const apiOne, apiTwo = "https://api.example/one", "https://api.example/two"

// identities are the clients that a provider knows.
type identities struct {
	compat, second, post          *client // the profile oidc-compat, as the plans of OpenID Connect Core use it
	web, other, public            *client // the default profile
	fapi, fapiRSA, fapiTwin       *client
	mutual, mutualTwin, mutualRSA *client // as those of fapi, their tokens bound to certificates
	signed, signedTwin, signedRSA *client // as those of fapi, their requests signed
	poll, pollTwin, pinged        *client // ask people by CIBA
	shown, shownTwin, shownSelf   *client // prove themselves by certificates, and their tokens are bound to these
	settings                      string  // all of them, as vhod apply reads them
}

func newIdentities(t testing.TB, vouches authority, rp *site) *identities {
	t.Helper()
	all := "openid profile email phone address snils inn offline_access accounts"
	ids := &identities{
		compat: &client{id: "compat", auth: "client_secret_basic", secret: "compat-secret", scope: "openid"},
		second: &client{id: "second", auth: "client_secret_basic", secret: "second-secret", scope: "openid"},
		post:   &client{id: "post", auth: "client_secret_post", secret: "post-secret", scope: "openid"},
		web:    &client{id: "web", auth: "client_secret_basic", secret: "web-secret", scope: "openid offline_access", pkce: true},
		other:  &client{id: "other", auth: "client_secret_basic", secret: "other-secret", scope: "openid offline_access", pkce: true},
		public: &client{id: "public", auth: "none", scope: "openid offline_access", pkce: true},
		fapi:   &client{id: "fapi", auth: "private_key_jwt", key: ecKey(t), alg: "ES256", proof: ecKey(t), par: true, pkce: true, scope: "openid offline_access"},
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	ids.fapiTwin = &client{id: "fapi-twin", auth: "private_key_jwt", key: edwards, alg: "EdDSA", proof: ecKey(t), par: true, pkce: true, scope: "openid offline_access"}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	ids.fapiRSA = &client{id: "fapi-rsa", auth: "private_key_jwt", key: rsaKey, alg: "PS256", proof: ecKey(t), par: true, pkce: true, scope: "openid offline_access"}
	for _, pair := range []struct {
		from *client
		to   **client
	}{{ids.fapi, &ids.mutual}, {ids.fapiTwin, &ids.mutualTwin}, {ids.fapiRSA, &ids.mutualRSA}} {
		c := *pair.from
		c.id, c.proof, c.certificate = "mutual-"+c.id, nil, certificate(t, c.id)
		*pair.to = &c
	}
	for _, pair := range []struct {
		from *client
		to   **client
	}{{ids.fapi, &ids.signed}, {ids.fapiTwin, &ids.signedTwin}, {ids.fapiRSA, &ids.signedRSA}} {
		c := *pair.from
		c.id, c.signs = "signed-"+c.id, true
		*pair.to = &c
	}
	for _, pair := range []struct {
		from *client
		to   **client
		id   string
	}{{ids.fapi, &ids.poll, "poll"}, {ids.fapiTwin, &ids.pollTwin, "poll-twin"}, {ids.fapiRSA, &ids.pinged, "pinged"}} {
		c := *pair.from
		c.id, c.signs = pair.id, true
		*pair.to = &c
	}
	byCertificate := client{auth: "tls_client_auth", par: true, pkce: true, scope: "openid offline_access"}
	for id, to := range map[string]**client{"shown": &ids.shown, "shown-twin": &ids.shownTwin} {
		c := byCertificate
		c.id, c.certificate = id, vouches.issue(t, id)
		*to = &c
	}
	self := byCertificate
	self.id, self.auth, self.certificate = "shown-self", "self_signed_tls_client_auth", certificate(t, "shown-self")
	ids.shownSelf = &self
	var list []map[string]any
	for _, c := range []*client{ids.compat, ids.second, ids.post, ids.web, ids.other, ids.public, ids.fapi, ids.fapiTwin, ids.fapiRSA, ids.mutual, ids.mutualTwin, ids.mutualRSA,
		ids.signed, ids.signedTwin, ids.signedRSA, ids.poll, ids.pollTwin, ids.pinged, ids.shown, ids.shownTwin, ids.shownSelf} {
		entry := map[string]any{"id": c.id, "name": map[string]string{"en": "Relying party " + c.id}, "auth": []string{c.auth}, "redirect_uris": []string{callback, callback + "?dummy1=lorem"},
			"post_logout_redirect_uris": []string{home}, "grant_types": []string{"authorization_code", "refresh_token"}, "scopes": splitScope(all)}
		if c == ids.web {
			entry["audience"] = []string{apiOne, apiTwo}
		}
		if c.secret != "" {
			entry["secret"] = c.secret
		}
		if !c.pkce {
			entry["profile"] = "oidc-compat"
		}
		if c.key != nil {
			entry["profile"], entry["jwks"] = "fapi2", map[string]any{"keys": []any{publicJWK(t, c.key.Public(), c.id)}}
		}
		switch c {
		case ids.pinged:
			entry["backchannel_client_notification_endpoint"] = rp.server.URL + "/ping"
			fallthrough
		case ids.poll, ids.pollTwin:
			entry["grant_types"] = []string{"urn:openid:params:grant-type:ciba", "refresh_token"}
		}
		if c.signs {
			entry["require_signed_request_object"] = true
		}
		if c.certificate != nil {
			entry["profile"], entry["tls_client_certificate_bound_access_tokens"] = "fapi2", true
		}
		switch c.auth {
		case "tls_client_auth":
			entry["tls_client_auth_subject_dn"] = "CN=" + c.id
		case "self_signed_tls_client_auth":
			entry["jwks"] = map[string]any{"keys": []any{certificateJWK(t, c)}}
		}
		list = append(list, entry)
	}
	raw, err := json.Marshal(map[string]any{"clients": list}) // JSON is YAML
	must(t, err)
	ids.settings = string(raw)
	return ids
}

// certificate is one that a client made for itself: it proves nothing but its key.
func certificate(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	key := ecKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// authority vouches for clients' certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string // its certificate, in PEM
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	a := authority{key: ecKey(t), file: filepath.Join(t.TempDir(), "authority.pem")}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority"}, NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	must(t, err)
	a.certificate, err = x509.ParseCertificate(der)
	must(t, err)
	must(t, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return a
}

// issue vouches for a client.
func (a authority) issue(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	key := ecKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// certificateJWK is the key of a client's certificate with the certificate (RFC 8705 §2.2.2).
func certificateJWK(t testing.TB, c *client) map[string]any {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.certificate.Certificate[0])
	must(t, err)
	jwk := publicJWK(t, leaf.PublicKey, c.id)
	jwk["x5c"] = []string{base64.StdEncoding.EncodeToString(leaf.Raw)}
	return jwk
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func publicJWK(t testing.TB, key crypto.PublicKey, kid string) map[string]any {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid})
	must(t, err)
	var out map[string]any
	must(t, json.Unmarshal(raw, &out))
	return out
}

// verifier is every client's PKCE verifier: what is tested is the provider, not the client's randomness.
const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func s256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// keyID names the key of its assertions.
func (c *client) keyID() string {
	if c.kid != "" {
		return c.kid
	}
	return c.id
}

// request is a good authorization request with changes: pairs of a name and a value, an empty value removes.
func (c *client) request(changes ...string) url.Values {
	form := url.Values{"client_id": {c.id}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {c.scope}, "state": {"state-" + c.id}, "nonce": {"nonce-" + c.id}}
	if c.pkce {
		form.Set("code_challenge", s256(verifier))
		form.Set("code_challenge_method", "S256")
	}
	return change(form, changes...)
}

func change(form url.Values, changes ...string) url.Values {
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

// jwt is a token before it is signed.
type jwt struct {
	alg            string // also "none"
	key            crypto.Signer
	header, claims map[string]any
}

func (j jwt) sign(t testing.TB) string {
	t.Helper()
	j.header["alg"] = j.alg
	input := encoded(t, j.header) + "." + encoded(t, j.claims)
	sum := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	switch key := j.key.(type) {
	case *ecdsa.PrivateKey:
		r, s, problem := ecdsa.Sign(rand.Reader, key, sum[:])
		must(t, problem)
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		var how crypto.SignerOpts = crypto.SHA256
		if j.alg == "PS256" {
			how = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		signature, err = key.Sign(rand.Reader, sum[:], how)
	case ed25519.PrivateKey:
		signature, err = key.Sign(rand.Reader, []byte(input), crypto.Hash(0))
	}
	must(t, err)
	if j.alg == "none" {
		signature = nil
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func encoded(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	must(t, err)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func encodedBytes(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// tokenType is what the tokens of a client are sent as.
func (c *client) tokenType() string {
	if c.proof != nil {
		return "DPoP"
	}
	return "Bearer"
}
