// Package portal is a services portal: the sample relying party of the stand.
//
// It signs people in by OpenID Connect with everything that is expected of a careful client: PKCE, a
// signed client assertion (RFC 7523), pushed requests (RFC 9126) and DPoP (RFC 9449) where the provider offers
// them, `iss` in the answer (RFC 9207), nonce, and an essential acr where a service needs to know the person
// better. What a person may do follows from the ID token and the claims released, never from what the portal assumes.
// It keeps everything in memory; its services (a certificate, fines) are invented.
package portal

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Config is what the portal needs; everything but HTTP and Log must be set.
type Config struct {
	Origin   string // where the portal lives: http://localhost:8081
	Issuer   string // the provider
	ClientID string
	Key      jose.JSONWebKey // private, ES256; its public half is registered at the provider
	Now      func() time.Time
	HTTP     *http.Client // for the provider
	Log      *slog.Logger
}

// Callback is the path of the redirect URI, SignedOut of the post-logout redirect URI, Logout of the back-channel logout URI.
const (
	Callback  = "/callback"
	SignedOut = "/signed-out"
	Logout    = "/backchannel-logout"
)

// Portal is the running portal.
type Portal struct {
	cfg      Config
	client   *client
	sessions sessions
	office   office
	told     told
}

// New checks the configuration. The provider is not asked before the first sign-in.
func New(cfg Config) (*Portal, error) {
	if cfg.Origin == "" || cfg.Issuer == "" || cfg.ClientID == "" || cfg.Now == nil || cfg.Key.Key == nil {
		return nil, errors.New("portal: Origin, Issuer, ClientID, Key and Now are needed")
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Portal{cfg: cfg, client: &client{cfg: cfg}, sessions: newSessions(cfg.Now), office: newOffice()}, nil
}

// Handler serves the portal.
func (p *Portal) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", p.page(p.home))
	mux.Handle("GET /sign-in", p.page(p.signIn))
	mux.Handle("GET "+Callback, p.page(p.callback))
	mux.Handle("GET /me", p.page(p.me))
	mux.Handle("GET /certificate", p.page(p.certificate))
	mux.Handle("POST /certificate", p.page(p.orderCertificate))
	mux.Handle("GET /certificate/done", p.page(p.certificateDone))
	mux.Handle("GET /fines", p.page(p.fines))
	mux.Handle("POST /fines/pay", p.page(p.pay))
	mux.Handle("GET /fines/paid", p.page(p.paid))
	mux.Handle("POST /sign-out", p.page(p.signOut))
	mux.Handle("POST /sign-out/everywhere", p.page(p.signOutEverywhere))
	mux.Handle("GET "+SignedOut, p.page(p.signedOut))
	mux.HandleFunc("POST "+Logout, p.logout)
	mux.HandleFunc("GET /style.css", style)
	return http.NewCrossOriginProtection().Handler(mux)
}

// page turns a handler that may fail into one that shows the failure to a person and logs it.
func (p *Portal) page(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := handle(w, r)
		if err == nil {
			return
		}
		var said refusal
		if !errors.As(err, &said) {
			p.cfg.Log.ErrorContext(r.Context(), "portal", "path", r.URL.Path, "error", err)
			said = refusal{Code: "server_error"}
		}
		p.show(w, r, said.status(), view{Name: "portal-error", Title: said.title(), Data: said})
	})
}

func (p *Portal) secure() bool { return strings.HasPrefix(p.cfg.Origin, "https:") }
