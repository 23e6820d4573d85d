package api

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	proofOld   = time.Minute // how old a proof may be
	proofAhead = 30 * time.Second
)

var proofAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.PS256}

// prove checks the proof of possession that came with a token (RFC 9449 §4.3, §7.2).
func (a *API) prove(r *http.Request, token, boundTo string) error {
	wrong := func(reason string) error {
		return &refusal{http.StatusUnauthorized, "DPoP", "invalid_dpop_proof", reason}
	}
	proofs := r.Header.Values("DPoP")
	if len(proofs) != 1 {
		return wrong("one header DPoP is needed")
	}
	jws, err := jose.ParseSignedCompact(proofs[0], proofAlgorithms)
	if err != nil {
		return wrong("the proof is no JWT signed by an algorithm of ours, with a public key in it")
	}
	header := jws.Signatures[0].Header
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != "dpop+jwt" {
		return wrong("typ is not dpop+jwt")
	}
	if header.JSONWebKey == nil || !header.JSONWebKey.IsPublic() || !header.JSONWebKey.Valid() {
		return wrong("jwk is no public key")
	}
	payload, err := jws.Verify(header.JSONWebKey.Key)
	if err != nil {
		return wrong("the signature is not by the key in it")
	}
	var claims struct {
		ID       string   `json:"jti"`
		Method   string   `json:"htm"`
		URI      string   `json:"htu"`
		IssuedAt *float64 `json:"iat"`
		Token    string   `json:"ath"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.ID == "" || claims.IssuedAt == nil {
		return wrong("jti or iat is missing, or a claim has another type")
	}
	age := a.cfg.Now().Sub(time.UnixMilli(int64(*claims.IssuedAt * 1000)))
	thumb, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	switch {
	case err != nil || base64.RawURLEncoding.EncodeToString(thumb) != boundTo:
		return &refusal{http.StatusUnauthorized, "DPoP", "invalid_token", "the proof is by another key than the token is bound to"}
	case claims.Method != r.Method:
		return wrong("htm is another method")
	case !sameResource(claims.URI, a.cfg.Origin+r.URL.Path):
		return wrong("htu is another address")
	case claims.Token != hash([]byte(token)):
		return wrong("ath is not of this token")
	case age > proofOld || age < -proofAhead:
		return wrong("iat is too far from our clock")
	case !a.once(boundTo + " " + claims.ID):
		return wrong("the proof was used before")
	}
	return nil
}

// once reports whether a proof comes for the first time; those that are too old to come again are forgotten.
func (a *API) once(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.cfg.Now()
	for known, until := range a.seen {
		if now.After(until) {
			delete(a.seen, known)
		}
	}
	_, known := a.seen[id]
	a.seen[id] = now.Add(proofOld + proofAhead)
	return !known
}

// sameResource compares addresses as RFC 3986 §6.2.2, §6.2.3 normalises them, without query and fragment.
func sameResource(got, want string) bool {
	g, err := url.Parse(got)
	w, err2 := url.Parse(want)
	return err == nil && err2 == nil && strings.EqualFold(g.Scheme, w.Scheme) && hostPort(g) == hostPort(w) && g.Path == w.Path
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
