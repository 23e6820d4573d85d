// Package bank is a demo bank: an OpenID provider that has met its customers in person and tells a
// relying party, with their consent, who they are.
//
// It plays the other side of confirming an identity by a bank. It speaks the authorization code flow
// with PKCE (RFC 7636) and `iss` in the answer (RFC 9207) to one relying party, keeps everything in memory, and fails on
// request. Two banks of different habits run on the stand.
package bank

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/examples/faults"
)

// Config is one bank.
type Config struct {
	ID           string // "green": its adapter in the faults of the stand is "bank-green"
	Name         string
	Colour       string // of its buttons, a CSS colour
	Issuer       string // origin
	Alg          jose.SignatureAlgorithm
	Auth         string // client_secret_basic or client_secret_post, and no other
	UserinfoPost bool   // userinfo answers POST beside GET
	ClientID     string
	ClientSecret string
	RedirectURIs []string
	Customers    []Customer
	Faults       *faults.Set
	Now          func() time.Time
}

// Customer is a person whom the bank has met.
type Customer struct {
	Username, Password string
	FamilyName         string
	GivenName          string
	MiddleName         string
	Birthdate          string // YYYY-MM-DD
	Gender             string
	Phone              string // E.164
	SNILS, INN         string // digits
	Passport           Passport
}

// Passport in the bank's words.
type Passport struct {
	Series     string `json:"series"`
	Number     string `json:"number"`
	IssuedOn   string `json:"issued_on"`
	IssuedBy   string `json:"issued_by"`
	IssuerCode string `json:"issuer_code"`
}

// How long things live.
const (
	requestLife = 15 * time.Minute // from /authorize to consent
	codeLife    = time.Minute
	tokenLife   = 5 * time.Minute
)

// Bank is one running bank.
type Bank struct {
	cfg    Config
	public jose.JSONWebKeySet
	signer jose.Signer
	memory memory
}

// New makes a bank with a fresh signing key.
func New(cfg Config) (*Bank, error) {
	if cfg.Issuer == "" || cfg.ClientID == "" || cfg.Faults == nil || cfg.Now == nil {
		return nil, errors.New("bank: Issuer, ClientID, Faults and Now are needed")
	}
	if cfg.Auth != "client_secret_basic" && cfg.Auth != "client_secret_post" {
		return nil, fmt.Errorf("bank: auth %q", cfg.Auth)
	}
	private, err := newKey(cfg.Alg)
	if err != nil {
		return nil, err
	}
	key := jose.JSONWebKey{Key: private, KeyID: cfg.ID + "-1", Algorithm: string(cfg.Alg), Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: cfg.Alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("bank: %w", err)
	}
	return &Bank{cfg: cfg, signer: signer, public: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}},
		memory: newMemory(cfg.Now)}, nil
}

func newKey(alg jose.SignatureAlgorithm) (crypto.Signer, error) {
	switch alg {
	case jose.RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return nil, fmt.Errorf("bank: no keys for %s", alg)
}

// Handler serves the bank.
func (b *Bank) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.home)
	mux.HandleFunc("GET /style.css", b.style)
	mux.HandleFunc("GET /.well-known/openid-configuration", b.faulty(b.discovery))
	mux.HandleFunc("GET /jwks", b.faulty(b.jwks))
	mux.HandleFunc("GET /authorize", b.faulty(b.authorize))
	mux.HandleFunc("GET /login", b.login)
	mux.HandleFunc("POST /login", b.signIn)
	mux.HandleFunc("GET /consent", b.consent)
	mux.HandleFunc("POST /consent", b.decide)
	mux.HandleFunc("POST /token", b.faulty(b.token))
	mux.HandleFunc("GET /userinfo", b.faulty(b.userinfo))
	if b.cfg.UserinfoPost {
		mux.HandleFunc("POST /userinfo", b.faulty(b.userinfo))
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

// faulty breaks the connection of an endpoint when that is armed, and hands other outcomes on.
func (b *Bank) faulty(next func(http.ResponseWriter, *http.Request, faults.Outcome)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		outcome := b.cfg.Faults.Strike(r.Context(), "bank-"+b.cfg.ID)
		if outcome == faults.Down || outcome == faults.Timeout {
			panic(http.ErrAbortHandler)
		}
		next(w, r, outcome)
	}
}

// scopes that the bank knows; each releases the claims in claimsOf.
var scopes = []string{"openid", "profile", "phone", "snils", "inn", "passport"}

func (b *Bank) discovery(w http.ResponseWriter, _ *http.Request, _ faults.Outcome) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                b.cfg.Issuer,
		"authorization_endpoint":                b.cfg.Issuer + "/authorize",
		"token_endpoint":                        b.cfg.Issuer + "/token",
		"userinfo_endpoint":                     b.cfg.Issuer + "/userinfo",
		"jwks_uri":                              b.cfg.Issuer + "/jwks",
		"scopes_supported":                      scopes,
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 []string{"authorization_code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(b.cfg.Alg)},
		"token_endpoint_auth_methods_supported": []string{b.cfg.Auth},
		"code_challenge_methods_supported":      []string{"S256"},
		"claims_supported": []string{"sub", "family_name", "given_name", "middle_name", "birthdate", "gender",
			"phone_number", "snils", "inn", "passport", "acr"},
		"authorization_response_iss_parameter_supported": true,
	})
}

func (b *Bank) jwks(w http.ResponseWriter, _ *http.Request, _ faults.Outcome) {
	answer(w, http.StatusOK, b.public)
}

// customer finds a customer by user name.
func (b *Bank) customer(username string) (Customer, bool) {
	i := slices.IndexFunc(b.cfg.Customers, func(c Customer) bool { return c.Username == username })
	if i < 0 {
		return Customer{}, false
	}
	return b.cfg.Customers[i], true
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
