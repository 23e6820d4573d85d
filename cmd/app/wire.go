package app

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/account/registry"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/keys/cms"
	"github.com/vhod-id/vhod/login"
	"github.com/vhod-id/vhod/notify"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage"
	"github.com/vhod-id/vhod/templates"
)

// openStores opens the sealing keyring and both stores.
func (a *App) openStores(ctx context.Context) (err error) {
	if err := folder(a.cfg.Data); err != nil {
		return err
	}
	if a.sealer, err = keys.OpenSealer(a.cfg.MasterKeys, a.cfg.Now()); err != nil {
		return err
	}
	if a.records, err = storage.OpenRecords(ctx, storage.Config{URL: a.cfg.Records, Sealer: a.sealer, Now: a.cfg.Now, Log: a.log, OnStatement: a.trip("records")}); err != nil {
		return err
	}
	a.ephemera, err = storage.OpenEphemera(ctx, storage.Config{URL: a.cfg.Ephemera, Sealer: a.sealer, Now: a.cfg.Now, Log: a.log, OnStatement: a.trip("ephemera")})
	return err
}

// trip counts the round trips to a store, and tells whoever asked.
func (a *App) trip(store string) func(context.Context, string) {
	counter := a.metrics.trips.WithLabelValues(store)
	return func(ctx context.Context, statement string) {
		counter.Inc()
		if a.cfg.OnStatement != nil {
			a.cfg.OnStatement(ctx, statement)
		}
	}
}

func (a *App) openKeys(ctx context.Context) (err error) {
	a.ring, err = keys.NewRing(ctx, keys.RingConfig{Store: a.records, Sealer: a.sealer, Now: a.cfg.Now, Log: a.log, RotateEvery: a.cfg.Keys.Every, Refresh: a.cfg.Keys.Refresh})
	return err
}

// openAccounts wires people with their registries, and notify, which pays what they owe.
func (a *App) openAccounts(context.Context) (err error) {
	if a.pages, err = templates.New(); err != nil {
		return err
	}
	endpoints := map[account.Registry]registry.Endpoint{}
	for name, e := range a.cfg.Registries {
		endpoints[account.Registry(name)] = registry.Endpoint{URL: e.URL, Key: e.Key}
	}
	registries, err := registry.New(registry.Config{Endpoints: endpoints, Client: a.partner(), Now: a.cfg.Now, Log: a.log})
	if err != nil {
		return err
	}
	places, err := a.places()
	if err != nil {
		return err
	}
	policy, err := a.passwordPolicy()
	if err != nil {
		return err
	}
	if err := a.openNotify(); err != nil {
		return err
	}
	a.accounts, err = account.New(account.Config{
		Store: a.records, Sessions: a.records, Outbox: a.records, Cases: a.records, Ephemera: a.ephemera, Registries: registries, Policy: policy,
		Passwords: credential.NewHasher(credential.HasherConfig{MemoryKiB: a.cfg.Passwords.MemoryKiB, Iterations: a.cfg.Passwords.Iterations,
			Parallel: a.cfg.Passwords.Parallel, Queue: a.cfg.Passwords.Queue, Pepper: a.cfg.Passwords.Pepper, Former: a.cfg.Passwords.former}),
		Sending: account.Sending{Prefixes: a.cfg.SMSLimits.Prefixes, Hour: a.cfg.SMSLimits.Hour, Day: a.cfg.SMSLimits.Day, Operator: a.cfg.SMSLimits.Operator},
		Places:  places,
		Storm:   account.Storm{Wrong: a.cfg.Guessing.Wrong, Sprayed: a.cfg.Guessing.Sprayed},
		Lives:   a.cfg.Sessions.lives(), Waits: account.Waits(a.cfg.Recovery.Waits),
		Sealer: a.sealer, Issuer: a.cfg.Issuer, Now: a.cfg.Now, Log: a.log, Owed: a.owed,
	})
	return err
}

// owed wakes those who pay what a change owes.
func (a *App) owed() {
	a.payer.Kick()
	if a.provider != nil { // an account may change while the doors are still being opened
		a.provider.KickLogouts()
	}
}

func (a *App) passwordPolicy() (*credential.Policy, error) {
	var leaked *credential.LeakedFilter
	if a.cfg.Passwords.LeakedFile != "" {
		f, err := os.Open(a.cfg.Passwords.LeakedFile)
		if err != nil {
			return nil, fmt.Errorf("passwords.leaked_filter: %w", err)
		}
		defer f.Close()
		if leaked, err = credential.ReadLeakedFilter(f); err != nil {
			return nil, fmt.Errorf("passwords.leaked_filter: %w", err)
		}
	}
	return credential.NewPolicy(credential.PolicyConfig{Leaked: leaked}), nil
}

// places reads where networks are; nil where nobody says.
func (a *App) places() (*account.Places, error) {
	if a.cfg.Places == "" {
		return nil, nil
	}
	f, err := os.Open(a.cfg.Places)
	if err != nil {
		return nil, fmt.Errorf("places: %w", err)
	}
	defer f.Close()
	places, err := account.ReadPlaces(f)
	if err != nil {
		return nil, fmt.Errorf("places: %s: %w", a.cfg.Places, err)
	}
	return places, nil
}

func (a *App) openNotify() (err error) {
	cfg := notify.Config{Outbox: a.records, Pages: a.pages, Now: a.cfg.Now, Log: a.log}
	for _, e := range a.cfg.SMS {
		cfg.SMS = append(cfg.SMS, notify.NewSMSGateway(e.URL, e.Key, a.partner()))
	}
	for i, m := range a.cfg.Mail {
		sender, err := notify.NewSMTP(notify.SMTPConfig{Server: m.Server, From: m.From, Username: m.Username, Password: m.Password, Plain: m.Plain})
		if err != nil {
			return fmt.Errorf("mail[%d]: %w", i, err)
		}
		cfg.Mail = append(cfg.Mail, sender)
	}
	if cfg.Push, err = a.webPush(); err != nil {
		return err
	}
	a.payer, err = notify.New(cfg)
	return err
}

// webPush sends messages to browsers. Operators of push services reach us by the issuer, where it is an https address.
func (a *App) webPush() (*notify.WebPush, error) {
	contact := ""
	if strings.HasPrefix(a.cfg.Issuer, "https://") {
		contact = a.cfg.Issuer
	}
	return notify.NewWebPush(notify.WebPushConfig{
		Key: a.sealer.VAPID(), Contact: contact, Now: a.cfg.Now, Post: op.NewPoster(a.outbound()),
		Target: func(ctx context.Context, to string) (account.PushSubscription, error) {
			return a.accounts.PushTarget(ctx, to)
		},
		Gone: func(ctx context.Context, to string, was account.PushSubscription) error {
			return a.accounts.PushGone(ctx, to, was)
		},
	})
}

// outbound is where we go on the word of others.
func (a *App) outbound() op.Outbound {
	return op.Outbound{Allow: a.cfg.Outbound.Allow, Roots: a.roots()}
}

// openDoors wires the provider and the front door, which know each other by an interface each, and puts the routes together.
func (a *App) openDoors(ctx context.Context) (err error) {
	mutual, err := a.mutual()
	if err != nil {
		return err
	}
	issuers, err := a.softwareIssuers()
	if err != nil {
		return err
	}
	a.provider, err = op.New(ctx, op.Config{
		Issuer: a.cfg.Issuer, Accounts: a.accounts, Clients: a.records, Families: a.records, Ephemera: a.ephemera, Ring: a.ring,
		Outbound: a.outbound(), Registration: a.initialTokens(), SoftwareIssuers: issuers,
		Outbox: a.records, MTLS: mutual, Sealer: a.sealer, Front: func() op.Front { return a.door }, Origin: func(r *http.Request) account.Origin { return a.door.Origin(r) },
		Certificates: a.signatures != nil, Now: a.cfg.Now, Log: a.log,
	})
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	banks, err := a.banks()
	if err != nil {
		return err
	}
	var proxies []string
	for _, p := range a.cfg.TrustedProxies {
		proxies = append(proxies, p.String())
	}
	plugin, err := a.pluginScript()
	if err != nil {
		return err
	}
	var verify func(ctx context.Context, message, content []byte, at time.Time) (*cms.Signer, error)
	if a.signatures != nil {
		verify = a.signatures.Verify
	}
	a.door, err = login.New(login.Config{
		VerifySignature: verify, PluginScript: plugin,
		Issuer: a.cfg.Issuer, Accounts: a.accounts, Provider: func() op.Interaction { return a.provider }, Ephemera: a.ephemera,
		PushKey: a.sealer.VAPID().Public(),
		Pages:   a.pages, Banks: banks, Partners: a.partners, Services: a.provider.Services, Agreements: a.cfg.Agreements, TrustedProxies: proxies,
		ConfirmNewBrowsers: a.cfg.NewBrowsers != newBrowsersTell,
		Now:                a.cfg.Now, Log: a.log,
	})
	if err != nil {
		return fmt.Errorf("front door: %w", err)
	}
	a.handler = a.outer(a.routes(), hostOf(a.cfg.Issuer))
	if a.cfg.MTLS.Header != "" {
		a.handler = a.eitherOrigin(a.handler, a.mutualHandler())
	}
	return nil
}

// softwareIssuers reads the keys of those whose software statements are believed.
func (a *App) softwareIssuers() (issuers []op.SoftwareIssuer, err error) {
	for i, s := range a.cfg.SoftwareIssuers {
		jwks, err := os.ReadFile(s.JWKSFile)
		if err != nil || s.Issuer == "" {
			return nil, errors.Join(fmt.Errorf("software_issuers[%d]: issuer and a readable jwks_file are needed", i), err)
		}
		issuers = append(issuers, op.SoftwareIssuer{Issuer: s.Issuer, JWKS: jwks})
	}
	return issuers, nil
}

// initialTokens are those by which clients register.
func (a *App) initialTokens() (tokens []op.InitialToken) {
	for _, t := range a.cfg.Registration {
		profile := op.Profile(t.Profile)
		if profile == "" {
			profile = op.ProfileOIDC
		}
		scopes := t.Scopes
		if len(scopes) == 0 {
			scopes = []string{"openid", "profile", "email", "phone", "level", "offline_access"}
		}
		tokens = append(tokens, op.InitialToken{Name: t.Name, Hash: keys.Hash(t.Token.Reveal()), Profile: profile, Scopes: scopes})
	}
	return tokens
}

// routes is what stands on the public listener: the provider's endpoints, health, and the front door for everything else.
func (a *App) routes() http.Handler {
	mux := http.NewServeMux()
	provider := a.provider.Handler()
	for _, path := range []string{"/.well-known/", "/jwks", "/authorize", "/par", "/device_authorization", "/bc-authorize", "/token", "/userinfo", "/introspect", "/revoke", "/end_session", "/register", "/register/", "/ssf/"} {
		mux.Handle(path, provider)
	}
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.Handle("/", a.door.Handler())
	return mux
}

// ApplySettings stores clients; every node knows them within seconds.
func (a *App) ApplySettings(ctx context.Context, s Settings) ([]Change, error) {
	return Apply(ctx, a.records, s, a.cfg.Now().UTC(), false)
}

// Dated lists every dated thing that this installation has: signing keys, the certificate, client secrets.
func (a *App) Dated(context.Context) []keys.Dated {
	dated := a.ring.Dated()
	if path := a.cfg.TLS.Certificate; path != "" {
		dated = append(dated, certificateDates(path)...)
	}
	for _, path := range slices.Concat(a.cfg.Trust, a.cfg.MTLS.Authorities) {
		dated = append(dated, certificateDates(path)...)
	}
	if a.signatures != nil {
		dated = append(dated, a.signatures.dated()...)
	}
	for _, c := range a.provider.Services() {
		for _, s := range c.Secrets {
			if !s.ExpiresAt.IsZero() {
				dated = append(dated, keys.Dated{Kind: "client-secret", Name: c.ID + " of " + s.CreatedAt.UTC().Format(time.DateOnly),
					Until: s.ExpiresAt, Note: "vhod client secret " + c.ID + " makes a new one"})
			}
		}
	}
	return dated
}

// certificateDates reads the certificates of a file; one that does not read has ended, and so has a file without any.
func certificateDates(path string) (dated []keys.Dated) {
	text, _ := os.ReadFile(path) // what is not there has no certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		d := keys.Dated{Kind: "certificate", Name: path, Until: time.Unix(1, 0), Note: "renew it and restart"}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err == nil {
			d.Until = cert.NotAfter
		}
		dated = append(dated, d)
	}
	if len(dated) == 0 {
		return []keys.Dated{{Kind: "certificate", Name: path, Until: time.Unix(1, 0), Note: "no certificate is in it"}}
	}
	return dated
}

// sweepEvery is how often what has ended long ago is tidied away, and sweepAge how long it is kept.
const (
	sweepEvery = time.Hour
	sweepAge   = 30 * 24 * time.Hour
)

// sweep tidies the records.
func (a *App) sweep(ctx context.Context) error {
	for {
		if err := a.records.Sweep(ctx, a.cfg.Now().Add(-sweepAge)); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "sweeping the records", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(sweepEvery):
		}
	}
}
