package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

// Settings is what `vhod apply` puts into the store: the file is the truth about every client that it
// names, and says nothing of others.
type Settings struct {
	Clients []ClientSettings `yaml:"clients"`
}

// ClientSettings is a client as a person writes it. The fields are those of op.Client.
type ClientSettings struct {
	ID                     string                       `yaml:"id"`
	Name                   map[string]string            `yaml:"name"`
	Purpose                map[string]string            `yaml:"purpose"`
	URI                    string                       `yaml:"uri"`
	LogoURI                string                       `yaml:"logo_uri"`
	PolicyURI              string                       `yaml:"policy_uri"`
	TermsURI               string                       `yaml:"terms_uri"`
	Profile                string                       `yaml:"profile"` // oidc when empty
	Native                 bool                         `yaml:"native"`
	Auth                   []string                     `yaml:"auth"` // client_secret_basic when empty and there is a secret, else none
	Secret                 keys.Secret                  `yaml:"secret"`
	SecretFile             string                       `yaml:"secret_file"`
	JWKS                   map[string]any               `yaml:"jwks"`
	JWKSURI                string                       `yaml:"jwks_uri"`
	RedirectURIs           []string                     `yaml:"redirect_uris"`
	PostLogoutRedirectURIs []string                     `yaml:"post_logout_redirect_uris"`
	GrantTypes             []string                     `yaml:"grant_types"` // authorization_code when empty
	Scopes                 []string                     `yaml:"scopes"`
	Audience               []string                     `yaml:"audience"`
	ExchangeAudience       []string                     `yaml:"exchange_audience"`
	DetailTypes            []string                     `yaml:"authorization_details_types"`
	IDTokenAlg             string                       `yaml:"id_token_alg"`
	UserInfoAlg            string                       `yaml:"userinfo_signed_response_alg"`
	IDTokenEncAlg          string                       `yaml:"id_token_encrypted_response_alg"`
	IDTokenEncEnc          string                       `yaml:"id_token_encrypted_response_enc"`
	UserInfoEncAlg         string                       `yaml:"userinfo_encrypted_response_alg"`
	UserInfoEncEnc         string                       `yaml:"userinfo_encrypted_response_enc"`
	ResponseAlg            string                       `yaml:"authorization_signed_response_alg"`
	IntrospectionAlg       string                       `yaml:"introspection_signed_response_alg"`
	RequestAlg             string                       `yaml:"request_object_signing_alg"`
	RequireSigned          bool                         `yaml:"require_signed_request_object"`
	SubjectType            string                       `yaml:"subject_type"`
	SectorIdentifier       string                       `yaml:"sector_identifier"`
	RequirePAR             bool                         `yaml:"require_par"`
	RequireDPoP            bool                         `yaml:"require_dpop"`
	CertificateDN          string                       `yaml:"tls_client_auth_subject_dn"`
	CertificateDNS         string                       `yaml:"tls_client_auth_san_dns"`
	CertificateURI         string                       `yaml:"tls_client_auth_san_uri"`
	CertificateIP          string                       `yaml:"tls_client_auth_san_ip"`
	CertificateEmail       string                       `yaml:"tls_client_auth_san_email"`
	CertificateBound       bool                         `yaml:"tls_client_certificate_bound_access_tokens"`
	TrustedConsent         bool                         `yaml:"trusted_consent"`
	NotifyURI              string                       `yaml:"backchannel_client_notification_endpoint"`
	BackchannelLogoutURI   string                       `yaml:"backchannel_logout_uri"`
	EventsURI              string                       `yaml:"events_uri"`
	EventsPoll             bool                         `yaml:"events_poll"`
	Events                 []string                     `yaml:"events"`
	FrontchannelLogoutURI  string                       `yaml:"frontchannel_logout_uri"`
	BackchannelSession     bool                         `yaml:"backchannel_logout_session_required"`
	Pseudonymous           bool                         `yaml:"pseudonymous"` // never learns numbers of documents
	Isolated               bool                         `yaml:"isolated"`     // neither joins nor begins single sign-on
	Customers              map[string]map[string]string `yaml:"customers"`    // for whom it acts: id and names by language
}

// ReadSettings reads settings; an unknown field is an error that names the line.
func ReadSettings(text []byte) (Settings, error) {
	var s Settings
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&s)
	if err != nil && !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("reading settings: %s", yaml.FormatError(err, false, true))
	}
	return s, nil
}

// client turns what a person wrote into a checked client.
func (s ClientSettings) client(now time.Time) (op.Client, error) {
	c := op.Client{
		ID: s.ID, Name: s.Name, Purpose: s.Purpose, URI: s.URI, LogoURI: s.LogoURI, PolicyURI: s.PolicyURI,
		TermsURI: s.TermsURI, Profile: op.Profile(s.Profile), Native: s.Native, Auth: s.Auth, JWKSURI: s.JWKSURI,
		RedirectURIs: s.RedirectURIs, PostLogoutRedirectURIs: s.PostLogoutRedirectURIs, GrantTypes: s.GrantTypes,
		Scopes: s.Scopes, Audience: s.Audience, ExchangeAudience: s.ExchangeAudience, DetailTypes: s.DetailTypes, IDTokenAlg: s.IDTokenAlg, SubjectType: s.SubjectType,
		IDTokenEncryption: op.Encryption{Alg: s.IDTokenEncAlg, Enc: s.IDTokenEncEnc}, UserInfoEncryption: op.Encryption{Alg: s.UserInfoEncAlg, Enc: s.UserInfoEncEnc},
		UserInfoAlg: s.UserInfoAlg, ResponseAlg: s.ResponseAlg, IntrospectionAlg: s.IntrospectionAlg, RequestAlg: s.RequestAlg, RequireSigned: s.RequireSigned,
		SectorIdentifier: s.SectorIdentifier, RequirePAR: s.RequirePAR, RequireDPoP: s.RequireDPoP,
		Certificate:      op.CertificateSubject{DN: s.CertificateDN, DNS: s.CertificateDNS, URI: s.CertificateURI, IP: s.CertificateIP, Email: s.CertificateEmail},
		CertificateBound: s.CertificateBound, TrustedConsent: s.TrustedConsent, NotifyURI: s.NotifyURI, BackchannelLogoutURI: s.BackchannelLogoutURI, BackchannelSession: s.BackchannelSession, FrontchannelLogoutURI: s.FrontchannelLogoutURI, EventsURI: s.EventsURI, EventsPoll: s.EventsPoll, Events: s.Events, CreatedAt: now, UpdatedAt: now,
	}
	c.Isolated, c.Pseudonymous = s.Isolated, s.Pseudonymous
	for id, name := range s.Customers {
		if c.Customers == nil {
			c.Customers = map[string]op.Customer{}
		}
		c.Customers[id] = op.Customer{Name: name}
	}
	if c.Profile == "" {
		c.Profile = op.ProfileOIDC
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{"authorization_code"}
	}
	secret := s.Secret
	if s.SecretFile != "" {
		text, err := os.ReadFile(s.SecretFile)
		if err != nil {
			return c, fmt.Errorf("client %s: reading secret_file: %w", s.ID, err)
		}
		secret = keys.NewSecret(strings.TrimSpace(string(text)))
	}
	if !secret.IsZero() {
		c.Secrets = []op.ClientSecret{{Hash: keys.Hash(secret.Reveal()), CreatedAt: now}}
	}
	if len(c.Auth) == 0 {
		c.Auth = []string{op.AuthNone}
		if len(c.Secrets) > 0 {
			c.Auth = []string{op.AuthBasic}
		}
	}
	if s.JWKS != nil {
		text, err := json.Marshal(s.JWKS)
		if err != nil {
			return c, fmt.Errorf("client %s: jwks: %w", s.ID, err)
		}
		c.JWKS = text
	}
	if err := c.Check(); err != nil {
		return c, fmt.Errorf("client %s: %w", s.ID, err)
	}
	return c, nil
}

// Change is what applying would do, or did, to one client.
type Change struct {
	Client string
	Kind   string   // "new", "changed", "same"
	Fields []string // names of the fields that differ
}

// Apply stores settings and says what changed; with dryRun it only says.
func Apply(ctx context.Context, store op.ClientStore, s Settings, now time.Time, dryRun bool) ([]Change, error) {
	wanted := make([]op.Client, 0, len(s.Clients))
	for _, settings := range s.Clients { // all are checked before any is stored
		c, err := settings.client(now)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, c)
	}
	changes := make([]Change, 0, len(wanted))
	for _, c := range wanted {
		present, err := store.Client(ctx, c.ID)
		switch {
		case errors.Is(err, account.ErrNotFound):
			changes = append(changes, Change{Client: c.ID, Kind: "new"})
		case err != nil:
			return changes, fmt.Errorf("reading client %s: %w", c.ID, err)
		default:
			c.CreatedAt = present.CreatedAt
			if c.EventsURI == "" && !c.EventsPoll { // what the file says nothing of is the service's own to change
				c.EventsURI, c.EventsPoll, c.Events, c.EventsStatus = present.EventsURI, present.EventsPoll, present.Events, present.EventsStatus
			}
			fields := clientDiff(*present, c)
			if len(fields) == 0 {
				changes = append(changes, Change{Client: c.ID, Kind: "same"})
				continue
			}
			changes = append(changes, Change{Client: c.ID, Kind: "changed", Fields: fields})
		}
		if dryRun {
			continue
		}
		if err := store.PutClient(ctx, c); err != nil {
			return changes, fmt.Errorf("storing client %s: %w", c.ID, err)
		}
	}
	return changes, nil
}

// clientDiff names the fields in which two clients differ; times do not count, and of secrets only the hash.
func clientDiff(a, b op.Client) []string {
	var fields []string
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		name := va.Type().Field(i).Name
		switch name {
		case "CreatedAt", "UpdatedAt":
			continue
		case "Secrets":
			hash := func(s op.ClientSecret) string { return s.Hash }
			if !slices.Equal(mapped(a.Secrets, hash), mapped(b.Secrets, hash)) {
				fields = append(fields, name)
			}
			continue
		}
		x, y := va.Field(i), vb.Field(i)
		empty := (x.Kind() == reflect.Slice || x.Kind() == reflect.Map) && x.Len() == 0 && y.Len() == 0
		if !empty && !reflect.DeepEqual(x.Interface(), y.Interface()) {
			fields = append(fields, name)
		}
	}
	return fields
}

func mapped[A, B any](in []A, f func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, a := range in {
		out = append(out, f(a))
	}
	return out
}
