// Package app holds the configuration of the product and wires its rooms, top to bottom.
package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

// Config is everything that a runner of the software decides. It is read from YAML by LoadConfig, which
// refuses an unknown field; its zero value is completed by its defaults. Fields that hold secrets are keys.Secret, or
// name a file with a key_file, password_file beside them.
type Config struct {
	Issuer     string `yaml:"issuer"`      // origin of every URL we make; never taken from a request
	Listen     string `yaml:"listen"`      // host:port of the public listener
	Operations string `yaml:"operations"`  // host:port of metrics and profiles; loopback only by default
	Data       string `yaml:"data"`        // folder of the embedded stores and the master keys
	Records    string `yaml:"records"`     // sqlite:///path or postgres://…; a file in Data when empty
	Ephemera   string `yaml:"ephemera"`    // sqlite:///path or redis://…; a file in Data when empty
	MasterKeys string `yaml:"master_keys"` // file of the sealing keyring; Data/master.keys, made at first start, when empty

	TLS             TLS                 `yaml:"tls"`
	MTLS            MTLS                `yaml:"mtls"`
	Trust           []string            `yaml:"trust"`           // PEM files of further authorities for the certificates of registries, banks and gateways
	TrustedProxies  []netip.Prefix      `yaml:"trusted_proxies"` // whose X-Forwarded-For is believed
	Registries      map[string]Endpoint `yaml:"registries"`      // passport, snils, inn
	SMS             []Endpoint          `yaml:"sms"`             // gateways, the first preferred
	SMSLimits       SMSLimits           `yaml:"sms_limits"`
	Mail            []Mail              `yaml:"mail"` // SMTP servers, the first preferred
	Banks           []Bank              `yaml:"banks"`
	Signatures      Signatures          `yaml:"signatures"` // whose electronic signatures are believed
	Agreements      map[string]string   `yaml:"agreements"` // document → version to be accepted
	Passwords       Passwords           `yaml:"passwords"`
	Sessions        Sessions            `yaml:"sessions"` // how long they last
	Recovery        Recovery            `yaml:"recovery"`
	NewBrowsers     string              `yaml:"new_browsers"` // confirm (also when empty) or tell: what a password alone is worth in one
	Places          string              `yaml:"places"`       // file of networks and where they are; none: no sign-in comes from too far away
	Guessing        Guessing            `yaml:"guessing"`
	Keys            Rotation            `yaml:"keys"`
	Outbound        Outbound            `yaml:"outbound"`
	Registration    []InitialToken      `yaml:"registration"`     // tokens by which clients register; none: no registration
	SoftwareIssuers []SoftwareIssuer    `yaml:"software_issuers"` // whose software statements are believed; none: each is refused
	Traces          Traces              `yaml:"traces"`
	Log             Log                 `yaml:"log"`

	// What only code sets: the stand's clock and its outbound rules.
	Now       func() time.Time `yaml:"-"`
	LogWriter io.Writer        `yaml:"-"`
	// OnStatement is told every round trip to a store: the statement or the verb, never a value. May be nil.
	OnStatement func(ctx context.Context, statement string) `yaml:"-"`
}

// LoadConfig reads a YAML file (none when path is empty) and the VHOD_ variables of env over it; the caller completes
// and checks it with Complete. An unknown field is an error that names the line.
func LoadConfig(path string, env func(string) string) (Config, error) {
	var cfg Config
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return cfg, fmt.Errorf("reading the configuration: %w", err)
		}
		if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
			return cfg, fmt.Errorf("reading the configuration %s: %s", path, yaml.FormatError(err, false, true))
		}
	}
	fromEnvironment(&cfg, env)
	return cfg, nil
}

// Complete fills in defaults, reads the files that hold secrets and checks everything that can be
// checked without a network.
func (c *Config) Complete() error {
	c.defaults()
	if err := c.readSecrets(); err != nil {
		return err
	}
	return c.check()
}

func (c *Config) defaults() {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&c.Listen, "127.0.0.1:8080")
	set(&c.Issuer, "http://localhost:8080")
	set(&c.Operations, "127.0.0.1:8085")
	set(&c.Data, "data")
	set(&c.Records, "sqlite://"+filepath.Join(c.Data, "records.db"))
	set(&c.Ephemera, "sqlite://"+filepath.Join(c.Data, "ephemera.db"))
	set(&c.MasterKeys, filepath.Join(c.Data, "master.keys"))
	set(&c.Log.Level, "info")
	if c.Agreements == nil {
		c.Agreements = map[string]string{"terms": "2026-11", "privacy": "2026-11"}
	}
	if c.Keys.Every == 0 {
		c.Keys.Every = 90 * 24 * time.Hour
	}
	if c.Signatures.Reload == 0 {
		c.Signatures.Reload = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.LogWriter == nil {
		c.LogWriter = os.Stderr
	}
	for i := range c.Banks {
		set(&c.Banks[i].MaxLevel, account.Verified.String())
	}
}

func (c *Config) readSecrets() error {
	read := func(secret *keys.Secret, file, field string) error {
		if file == "" {
			return nil
		}
		if !secret.IsZero() {
			return fmt.Errorf("%s and %s_file are both set: keep one", field, field)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading %s_file: %w", field, err)
		}
		*secret = keys.NewSecret(strings.TrimSpace(string(text)))
		return nil
	}
	var problems []error
	for name, e := range c.Registries {
		problems = append(problems, read(&e.Key, e.KeyFile, "registries."+name+".key"))
		c.Registries[name] = e
	}
	for i := range c.SMS {
		problems = append(problems, read(&c.SMS[i].Key, c.SMS[i].KeyFile, fmt.Sprintf("sms[%d].key", i)))
	}
	for i := range c.Mail {
		problems = append(problems, read(&c.Mail[i].Password, c.Mail[i].PasswordFile, fmt.Sprintf("mail[%d].password", i)))
	}
	for i := range c.Banks {
		problems = append(problems, read(&c.Banks[i].Secret, c.Banks[i].SecretFile, fmt.Sprintf("banks[%d].secret", i)))
	}
	for i := range c.Registration {
		problems = append(problems, read(&c.Registration[i].Token, c.Registration[i].TokenFile, fmt.Sprintf("registration[%d].token", i)))
	}
	problems = append(problems, read(&c.Passwords.Pepper, c.Passwords.PepperFile, "passwords.pepper"))
	c.Passwords.former = make([]keys.Secret, len(c.Passwords.Former))
	for i, file := range c.Passwords.Former {
		problems = append(problems, read(&c.Passwords.former[i], file, fmt.Sprintf("passwords.former_pepper[%d]", i)))
	}
	return errors.Join(problems...)
}

func (c *Config) check() error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	issuer, err := url.Parse(c.Issuer)
	switch {
	case err != nil || issuer.Host == "" || (issuer.Scheme != "https" && issuer.Scheme != "http"):
		wrong("issuer %q is not an http or https origin", c.Issuer)
	case issuer.Path != "" || issuer.RawQuery != "" || issuer.Fragment != "":
		wrong("issuer %q has a path, query or fragment: an origin is wanted, such as https://id.example.ru", c.Issuer)
	case issuer.Scheme == "http" && !loopback(issuer.Hostname()):
		wrong("issuer %q is plain http outside loopback: use https", c.Issuer)
	}
	for name, e := range c.Registries {
		switch account.Registry(name) {
		case account.RegistryPassport, account.RegistrySNILS, account.RegistryINN:
		default:
			wrong("registries.%s: the registries are passport, snils, inn", name)
		}
		if _, err := url.ParseRequestURI(e.URL); err != nil {
			wrong("registries.%s.url %q is not a URL", name, e.URL)
		}
	}
	for i, b := range c.Banks {
		if b.ID == "" || b.Issuer == "" || b.ClientID == "" {
			wrong("banks[%d]: id, issuer and client_id are needed", i)
		}
		if _, err := account.ParseLevel(b.MaxLevel); err != nil {
			wrong("banks[%d].max_level %q: simplified, standard or verified", i, b.MaxLevel)
		}
	}
	for i, t := range c.Registration {
		if t.Name == "" || t.Token.IsZero() {
			wrong("registration[%d]: name and token are needed", i)
		}
		if !slices.Contains([]string{"", string(op.ProfileOIDC), string(op.ProfileCompat), string(op.ProfileFAPI2)}, t.Profile) {
			wrong("registration[%d].profile %q: oidc, oidc-compat or fapi2", i, t.Profile)
		}
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		wrong("tls: certificate and key go together")
	}
	c.MTLS.check(c, wrong)
	c.SMSLimits.check(wrong)
	c.Sessions.check(wrong)
	c.Recovery.check(wrong)
	if !slices.Contains([]string{"", newBrowsersConfirm, newBrowsersTell}, c.NewBrowsers) {
		wrong("new_browsers %q: confirm or tell", c.NewBrowsers)
	}
	if c.Guessing.Wrong < 0 || c.Guessing.Sprayed < 0 {
		wrong("guessing: wrong and sprayed are not negative")
	}
	if c.Traces.Ratio < 0 || c.Traces.Ratio > 1 {
		wrong("traces.ratio %v is not between 0 and 1", c.Traces.Ratio)
	}
	if s := c.Signatures; !s.Enabled() && (len(s.Intermediates)+len(s.Lists) > 0 || s.PluginScript != "") {
		wrong("signatures: intermediates, lists or plugin_script without roots: nobody is trusted")
	}
	if _, err := logLevel(c.Log.Level); err != nil {
		wrong("log.level %q: debug, info, warn or error", c.Log.Level)
	}
	return errors.Join(problems...)
}

// Redacted writes the configuration in force as YAML. Secrets are •••, and passwords inside URLs are cut out.
func (c Config) Redacted() ([]byte, error) {
	c.Records, c.Ephemera = redactURL(c.Records), redactURL(c.Ephemera)
	return yaml.Marshal(c)
}

func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "•••"
	}
	if _, has := u.User.Password(); has {
		return strings.Replace(raw, u.User.String()+"@", u.User.Username()+":•••@", 1)
	}
	return raw
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// fromEnvironment overlays variables on the fields that a container sets most often.
func fromEnvironment(c *Config, env func(string) string) {
	for name, field := range map[string]*string{
		"VHOD_ISSUER": &c.Issuer, "VHOD_LISTEN": &c.Listen, "VHOD_OPERATIONS": &c.Operations,
		"VHOD_DATA": &c.Data, "VHOD_RECORDS": &c.Records, "VHOD_EPHEMERA": &c.Ephemera,
		"VHOD_MASTER_KEYS": &c.MasterKeys, "VHOD_LOG_LEVEL": &c.Log.Level, "VHOD_TRACES_ENDPOINT": &c.Traces.Endpoint,
	} {
		if v := env(name); v != "" {
			*field = v
		}
	}
}

// Warnings are what works and should not stay: a runner reads them from vhod doctor.
func (c Config) Warnings() []string {
	var warnings []string
	if c.Passwords.Pepper.IsZero() {
		warnings = append(warnings, "passwords.pepper_file is not set: a stolen database can be guessed against without it")
	}
	if c.Passwords.LeakedFile == "" {
		warnings = append(warnings, "passwords.leaked_filter is not set: leaked passwords are refused by the common list alone")
	}
	if len(c.SMS) == 0 {
		warnings = append(warnings, "sms is empty: nobody can sign up")
	}
	if len(c.Mail) == 0 {
		warnings = append(warnings, "mail is empty: nobody can confirm an address")
	}
	if len(c.Registries) < 3 {
		warnings = append(warnings, "registries: passport, snils and inn are not all set: nobody becomes standard")
	}
	if len(c.Banks) == 0 {
		warnings = append(warnings, "banks is empty: nobody becomes verified by a bank")
	}
	if c.Signatures.Enabled() && len(c.Signatures.Lists) == 0 {
		warnings = append(warnings, "signatures.lists is empty: every electronic signature is refused without a current revocation list")
	}
	return warnings
}
