package app

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/login/bank"
)

// banks reads how each bank is asked.
func (a *App) banks() ([]bank.Config, error) {
	var out []bank.Config
	for _, b := range a.cfg.Banks {
		cfg, err := a.bank(b)
		if err != nil {
			return nil, fmt.Errorf("bank %s: %w", b.ID, err)
		}
		out = append(out, cfg)
	}
	return out, nil
}

func (a *App) bank(b Bank) (bank.Config, error) {
	level, err := account.ParseLevel(b.MaxLevel)
	if err != nil {
		return bank.Config{}, err
	}
	cfg := bank.Config{
		ID: b.ID, Name: b.Name, Issuer: b.Issuer, ClientID: b.ClientID, ClientSecret: b.Secret.Reveal(), Auth: b.Auth, KeyID: b.KeyID,
		Authorization: b.Endpoints.Authorization, Token: b.Endpoints.Token, Userinfo: b.Endpoints.Userinfo, Keys: b.Endpoints.Keys,
		Scopes: b.Scopes, Params: b.Params, Headers: b.Headers, UserinfoPost: b.UserinfoPost, Claims: b.Claims, Unsigned: b.Unsigned,
		Contract: bank.Contract{Level: level, Require: b.Contract.Require, ACR: b.Contract.ACR, Identified: b.Contract.Identified, MaxAge: b.Contract.MaxAge},
	}
	for _, call := range b.Further {
		cfg.Further = append(cfg.Further, bank.Call{URL: call.URL, Into: call.Into})
	}
	if b.KeyFile != "" {
		if cfg.PrivateKey, err = os.ReadFile(b.KeyFile); err != nil {
			return bank.Config{}, fmt.Errorf("private_key_file: %w", err)
		}
	}
	cfg.Transport, err = a.bankTransport(b)
	return cfg, err
}

// bankTransport is the way to a bank: a pool of connections of its own, and our certificate where the bank asks for one.
func (a *App) bankTransport(b Bank) (http.RoundTripper, error) {
	transport := a.partners.Clone()
	if b.Certificate == "" {
		return transport, nil
	}
	pair, err := tls.LoadX509KeyPair(b.Certificate, b.CertificateKey)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	return transport, nil
}
