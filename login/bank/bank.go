// Package bank speaks OpenID Connect with the banks by which people sign in and confirm who they are.
//
// Banks differ from each other in everything but the code flow: a Config says how one of them is asked and in which words it
// answers, and its Contract how far it is believed. What leaves this package is account.Evidence; a bank's own vocabulary
// ends here. A bank that is slow, down or lying costs a bounded time and nobody else anything: each has its own client, its
// own keys, its own cache and its own places.
package bank

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/client"

	"github.com/vhod-id/vhod/account"
)

// What a bank may do to us at most.
const (
	callLimit  = 5 * time.Second  // one call
	Limit      = 10 * time.Second // everything that one answer takes
	metaLife   = 10 * time.Minute
	clockSkew  = 30 * time.Second
	maxAnswer  = 64 << 10
	places     = 64 // people whose answers are fetched at one time; the others are told that the bank does not answer
	maxFurther = 8
)

// How a client shows at the token endpoint who it is (OpenID Connect Core §9, RFC 8705 §2).
const (
	AuthBasic      = "client_secret_basic"
	AuthPost       = "client_secret_post"
	AuthPrivateKey = "private_key_jwt"
	AuthTLS        = "tls_client_auth" // Config.Transport holds the certificate
)

// Why an answer of a bank leads to nothing.
var (
	// ErrRefused says that the bank answered, and its answer must not be believed.
	ErrRefused = errors.New("the bank's answer does not check")
	// ErrBusy says that too many people wait for this bank already.
	ErrBusy = errors.New("too many wait for the bank")
)

// Config is how one bank is asked.
type Config struct {
	ID     string
	Name   map[string]string // by language
	Issuer string            // as its ID tokens name it
	// Authorization, Token, Userinfo and Keys are its endpoints. Where Authorization is empty they are discovered from the
	// issuer (OpenID Connect Discovery 1.0 §4).
	Authorization, Token, Userinfo, Keys string

	ClientID     string
	ClientSecret string
	Auth         string // how the client authenticates; empty: what the metadata offer, the secret in the header first
	PrivateKey   []byte // PEM of an RSA key, for AuthPrivateKey
	KeyID        string
	Scopes       []string
	Params       map[string]string // further parameters of the authorization request
	// Headers go with every call. {{hex32}} in a value is replaced by 32 random hexadecimal digits.
	Headers      map[string]string
	UserinfoPost bool   // userinfo is asked by POST with client_id and client_secret in the form
	Further      []Call // asked after userinfo, with the same token
	// Claims says where each attribute stands, "path | transform | …". What is not named stands where this project's
	// banks have it; see the attributes of Attributes.
	Claims map[string]string
	// Unsigned takes an ID token by the TLS of the token endpoint, its signature unseen (OpenID Connect Core §3.1.3.7,
	// step 6): for banks that sign by algorithms which this software does not have. The endpoint must be https.
	Unsigned  bool
	Contract  Contract
	Transport http.RoundTripper // http.DefaultTransport when nil
}

// Call is a further question to a bank.
type Call struct {
	URL  string
	Into string // the answer stands under this name beside the claims of userinfo
}

// Contract is how far a bank is believed.
type Contract struct {
	Level account.Level // the most that its evidence may give
	// Require are attributes without which the evidence gives nothing.
	Require []string
	// ACR are the values of acr by which the bank says that it knows the person well enough; with none listed any will do.
	ACR []string
	// Identified is "path = value": what the answer says of a person whom the bank has met in person. Empty: all are.
	Identified string
	// MaxAge bounds how long ago the bank verified the person, by the attribute verified_at; zero: it does not matter.
	MaxAge time.Duration
}

// Gate is one bank.
type Gate struct {
	Config
	redirect string
	now      func() time.Time
	http     *http.Client
	signer   jose.Signer // of client assertions, or nil
	claims   map[string]source
	seats    chan struct{}
	meta     metadata
}

// New checks a bank's configuration. redirect is where the bank sends people back.
func New(cfg Config, redirect string, now func() time.Time) (*Gate, error) {
	fail := func(format string, args ...any) (*Gate, error) {
		return nil, fmt.Errorf("bank %s: %w", cfg.ID, fmt.Errorf(format, args...))
	}
	if cfg.ID == "" || cfg.Issuer == "" || cfg.ClientID == "" {
		return fail("id, issuer and client_id are needed")
	}
	if (cfg.Authorization == "") != (cfg.Token == "") || (cfg.Authorization == "") != (cfg.Userinfo == "") {
		return fail("the endpoints authorization, token and userinfo are all given, or none is")
	}
	if cfg.Authorization != "" && cfg.Keys == "" && !cfg.Unsigned {
		return fail("without discovery the endpoint keys is needed, or unsigned")
	}
	if cfg.Unsigned && !strings.HasPrefix(cfg.Token, "https://") {
		return fail("unsigned needs a token endpoint by https")
	}
	if len(cfg.Further) > maxFurther {
		return fail("more than %d further calls", maxFurther)
	}
	g := &Gate{Config: cfg, redirect: redirect, now: now, seats: make(chan struct{}, places), claims: map[string]source{}}
	g.http = &http.Client{
		Transport: headers{cfg.Headers, cfg.Transport},
		Timeout:   callLimit,
		// An answer is taken from where it was asked, and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	switch cfg.Auth {
	case "", AuthBasic, AuthPost, AuthTLS:
	case AuthPrivateKey:
		var err error
		if g.signer, err = client.NewSignerFromPrivateKeyByte(cfg.PrivateKey, cfg.KeyID); err != nil {
			return fail("private_key: %w", err)
		}
	default:
		return fail("auth %q: %s, %s, %s or %s", cfg.Auth, AuthBasic, AuthPost, AuthPrivateKey, AuthTLS)
	}
	for attribute := range cfg.Claims {
		if !slices.Contains(Attributes(), attribute) {
			return fail("claims: there is no attribute %q", attribute)
		}
	}
	for _, attribute := range cfg.Contract.Require {
		if !slices.Contains(Attributes(), attribute) {
			return fail("contract.require: there is no attribute %q", attribute)
		}
	}
	for _, attribute := range Attributes() {
		from, ok := cfg.Claims[attribute]
		if !ok {
			from = usual[attribute]
		}
		s, err := parseSource(from)
		if err != nil {
			return fail("claims.%s: %w", attribute, err)
		}
		g.claims[attribute] = s
	}
	return g, nil
}

// Origins are where forms that lead to this bank may be redirected.
func (g *Gate) Origins() []string {
	var out []string
	for _, address := range []string{g.Issuer, g.Authorization, g.meta.authorization()} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			out = append(out, u.Scheme+"://"+u.Host)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
