package stand

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/template"

	"github.com/go-jose/go-jose/v4"
)

// Keys of the simulators. They protect nothing: whoever reaches loopback may read the inbox anyway.
const (
	smsKey      = "stand-sms-key"
	registryKey = "stand-registry-key"
)

//go:embed clients.yaml vhod.yaml places.csv
var files embed.FS

// ConfigurationFile is where the provider's configuration was written, for `vhod serve -config`.
func (s *Stand) ConfigurationFile() string { return s.file("vhod.yaml") }

// ClientsFile is where the clients were written, for `vhod apply -f`.
func (s *Stand) ClientsFile() string { return s.file("clients.yaml") }

// writeConfiguration writes them, and what they name, readable by their owner alone.
func (s *Stand) writeConfiguration(key jose.JSONWebKey) error {
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		return fmt.Errorf("writing the portal's key: %w", err)
	}
	type bankEntry struct {
		ID, Name, English, Issuer, Secret, Auth string
		UserinfoPost                            bool
	}
	var banks []bankEntry
	for _, b := range s.banks() {
		banks = append(banks, bankEntry{b.ID, b.Name, b.English, b.Issuer, b.ClientSecret, b.Auth, b.UserinfoPost})
	}
	values := map[string]any{
		"Provider": s.origin(portProvider), "Listen": s.address(portProvider), "Operations": s.address(portOperations), "Data": s.opt.Data,
		"Records": s.opt.Records, "Ephemera": s.opt.Ephemera, "World": s.origin(portWorld), "SMTP": s.smtp.Addr().String(),
		"Root": s.authority.RootFile(), "Revoked": s.authority.ListFile(), "SMSKey": smsKey, "RegistryKey": registryKey, "Banks": banks, "KeysEvery": s.opt.KeysEvery, "Places": s.file("places.csv"), "Trust": s.trusted(), "TLS": s.opt.TLS,
		"Certificate": s.file(fileCertificate), "Key": s.file(fileKey), "Portal": s.origin(portPortal), "PortalKeys": string(public),
		"Mutual": s.origin(portMutual), "MutualListen": s.address(portMutual), "API": s.origin(portAPI), "Caller": s.origin(portCaller), "CallerByAddress": "http://" + s.address(portCaller),
		"SecureCaller": "https://" + strings.TrimPrefix(s.origin(portCaller), "http://"),
	}
	for name, file := range map[string]string{"vhod.yaml": s.ConfigurationFile(), "clients.yaml": s.ClientsFile(), "places.csv": s.file("places.csv")} {
		var text bytes.Buffer
		if err := template.Must(template.ParseFS(files, name)).Execute(&text, values); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return nil
}

// portalKey reads the portal's private key, or makes it at the first start.
func portalKey(file string) (jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &key); err != nil {
			return key, fmt.Errorf("reading the portal's key: %w", err)
		}
		return key, nil
	case !errors.Is(err, os.ErrNotExist):
		return key, fmt.Errorf("reading the portal's key: %w", err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return key, fmt.Errorf("making the portal's key: %w", err)
	}
	key = jose.JSONWebKey{Key: private, KeyID: "portal-1", Algorithm: string(jose.ES256), Use: "sig"}
	if text, err = json.Marshal(key); err != nil {
		return key, fmt.Errorf("making the portal's key: %w", err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return key, fmt.Errorf("keeping the portal's key: %w", err)
	}
	return key, nil
}
