package portal_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// provider is a strict little OpenID provider that signs one person in without pages. It checks what a
// careful client sends; with sealed it offers PAR and DPoP and demands a nonce in every proof.
type provider struct {
	t       *testing.T
	url     string
	origin  string // of the portal
	sealed  bool
	client  jose.JSONWebKey // public
	key     jose.JSONWebKey
	now     func() time.Time
	level   string
	refuse  string         // error of the authorization answer
	spoil   map[string]any // claims of the ID token to overwrite
	claims  map[string]any
	revoked bool

	asked  url.Values // the last authorization request
	pushed map[string]url.Values
	codes  map[string]url.Values
	seen   map[string]bool
	ended  url.Values // parameters of the last end_session
}

func newProvider(t *testing.T, sealed bool, now func() time.Time) *provider {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, sealed: sealed, now: now, level: "simplified", pushed: map[string]url.Values{}, codes: map[string]url.Values{}, seen: map[string]bool{},
		key:    jose.JSONWebKey{Key: private, KeyID: "op", Algorithm: "ES256", Use: "sig"},
		claims: map[string]any{"sub": "s1", "phone_number": "+79001234567", "account_level": "simplified"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
	})
	mux.HandleFunc("POST /par", p.par)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", p.userinfo)
	mux.HandleFunc("GET /end_session", func(w http.ResponseWriter, r *http.Request) {
		p.ended = r.URL.Query()
		http.Redirect(w, r, p.ended.Get("post_logout_redirect_uri"), http.StatusSeeOther)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func (p *provider) discovery(w http.ResponseWriter, _ *http.Request) {
	found := map[string]any{"issuer": p.url, "authorization_endpoint": p.url + "/authorize", "token_endpoint": p.url + "/token",
		"userinfo_endpoint": p.url + "/userinfo", "jwks_uri": p.url + "/jwks", "end_session_endpoint": p.url + "/end_session",
		"id_token_signing_alg_values_supported": []string{"ES256"}, "authorization_response_iss_parameter_supported": true}
	if p.sealed {
		found["pushed_authorization_request_endpoint"] = p.url + "/par"
		found["dpop_signing_alg_values_supported"] = []string{"ES256"}
	}
	reply(w, 200, found)
}

func (p *provider) par(w http.ResponseWriter, r *http.Request) {
	jkt, ok := p.allowed(w, r, "")
	if !ok {
		return
	}
	if r.PostForm.Get("dpop_jkt") != jkt {
		p.t.Errorf("dpop_jkt %q of the request, %q of the proof", r.PostForm.Get("dpop_jkt"), jkt)
	}
	name := "urn:ietf:params:oauth:request_uri:" + rand.Text()
	p.pushed[name] = r.PostForm
	reply(w, 201, map[string]any{"request_uri": name, "expires_in": 60})
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if p.sealed {
		if q = p.pushed[q.Get("request_uri")]; q == nil || len(r.URL.Query()) != 2 {
			p.t.Errorf("the browser carried %v", r.URL.Query())
			return
		}
	}
	p.asked = q
	back := url.Values{"state": {q.Get("state")}, "iss": {p.url}}
	if p.refuse != "" {
		back.Set("error", p.refuse)
	} else {
		code := rand.Text()
		p.codes[code] = q
		back.Set("code", code)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	jkt, ok := p.allowed(w, r, "")
	if !ok {
		return
	}
	q := p.codes[r.PostForm.Get("code")]
	delete(p.codes, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if q == nil || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || q.Get("dpop_jkt") != jkt {
		reply(w, 400, map[string]string{"error": "invalid_grant"})
		return
	}
	now := p.now()
	claims := map[string]any{"iss": p.url, "aud": "portal", "sub": "s1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"nonce": q.Get("nonce"), "acr": "urn:vhod:acr:" + p.level + ":1fa"}
	for name, value := range p.spoil {
		claims[name] = value
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, nil)
	if err != nil {
		p.t.Error(err)
	}
	id, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Error(err)
	}
	kind := "Bearer"
	if p.sealed {
		kind = "DPoP"
	}
	reply(w, 200, map[string]any{"access_token": "access", "token_type": kind, "expires_in": 600, "id_token": id})
}

func (p *provider) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme := "Bearer"
	if p.sealed {
		scheme = "DPoP"
		if _, ok := p.proven(w, r, "access"); !ok {
			return
		}
	}
	if r.Header.Get("Authorization") != scheme+" access" || p.revoked {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	reply(w, 200, p.claims)
}

// allowed checks the client assertion and, when sealed, the DPoP proof; it returns the proof's key.
func (p *provider) allowed(w http.ResponseWriter, r *http.Request, access string) (string, bool) {
	if err := r.ParseForm(); err != nil {
		p.t.Error(err)
	}
	token, err := jwt.ParseSigned(r.PostForm.Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		p.t.Errorf("client assertion: %v", err)
		return "", false
	}
	var claims jwt.Claims
	if err := token.Claims(p.client.Key, &claims); err != nil {
		p.t.Errorf("client assertion: %v", err)
	}
	if err := claims.ValidateWithLeeway(jwt.Expected{Issuer: "portal", Subject: "portal", AnyAudience: jwt.Audience{p.url}, Time: p.now()}, 0); err != nil {
		p.t.Errorf("client assertion: %v", err)
	}
	if claims.ID == "" || p.seen[claims.ID] {
		p.t.Error("a client assertion was used twice")
	}
	p.seen[claims.ID] = true
	if !p.sealed {
		return "", true
	}
	return p.proven(w, r, access)
}

func (p *provider) proven(w http.ResponseWriter, r *http.Request, access string) (string, bool) {
	proof, err := jwt.ParseSigned(r.Header.Get("DPoP"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || proof.Headers[0].JSONWebKey == nil || proof.Headers[0].ExtraHeaders["typ"] != "dpop+jwt" {
		p.t.Errorf("DPoP proof: %v", err)
		return "", false
	}
	var claims struct {
		HTM   string `json:"htm"`
		HTU   string `json:"htu"`
		Ath   string `json:"ath"`
		Nonce string `json:"nonce"`
		JTI   string `json:"jti"`
	}
	if err := proof.Claims(proof.Headers[0].JSONWebKey.Key, &claims); err != nil {
		p.t.Errorf("DPoP proof: %v", err)
	}
	if claims.Nonce != "fresh" {
		w.Header().Set("DPoP-Nonce", "fresh")
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		status := http.StatusBadRequest
		if access != "" {
			status = http.StatusUnauthorized
		}
		reply(w, status, map[string]string{"error": "use_dpop_nonce"})
		return "", false
	}
	ath := ""
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		ath = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if claims.HTM != r.Method || claims.HTU != p.url+r.URL.Path || claims.Ath != ath || claims.JTI == "" || p.seen[claims.JTI] {
		p.t.Errorf("DPoP proof for %s %s: %+v", r.Method, r.URL.Path, claims)
	}
	p.seen[claims.JTI] = true
	sum, err := proof.Headers[0].JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		p.t.Error(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), true
}

// askedLevel is the level that the last request asked as essential.
func (p *provider) askedLevel() string {
	for _, level := range []string{"simplified", "standard", "verified"} {
		if strings.Contains(p.asked.Get("claims"), "urn:vhod:acr:"+level+":1fa") {
			return level
		}
	}
	return ""
}
