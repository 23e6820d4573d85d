package op

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// clientMetadata is what a client says of itself (RFC 7591 §2, OpenID Connect Registration §2, RP-Initiated Logout §3.1, RFC 9126 §6,
// RFC 9449 §5.2, RFC 8705 §2.1.2, §3.4, JARM §3, RFC 9701 §6, RFC 9101 §10.5). Members that are not here are ignored, as the RFC says.
type clientMetadata struct {
	RedirectURIs           []string        `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string        `json:"post_logout_redirect_uris,omitempty"`
	ResponseTypes          []string        `json:"response_types,omitempty"`
	GrantTypes             []string        `json:"grant_types,omitempty"`
	ApplicationType        string          `json:"application_type,omitempty"`
	Contacts               []string        `json:"contacts,omitempty"`
	ClientName             string          `json:"client_name,omitempty"`
	ClientURI              string          `json:"client_uri,omitempty"`
	LogoURI                string          `json:"logo_uri,omitempty"`
	PolicyURI              string          `json:"policy_uri,omitempty"`
	TermsURI               string          `json:"tos_uri,omitempty"`
	JWKSURI                string          `json:"jwks_uri,omitempty"`
	JWKS                   json.RawMessage `json:"jwks,omitempty"`
	SectorURI              string          `json:"sector_identifier_uri,omitempty"`
	SubjectType            string          `json:"subject_type,omitempty"`
	IDTokenAlg             string          `json:"id_token_signed_response_alg,omitempty"`
	UserInfoAlg            string          `json:"userinfo_signed_response_alg,omitempty"`
	IDTokenEncAlg          string          `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenEncEnc          string          `json:"id_token_encrypted_response_enc,omitempty"`
	UserInfoEncAlg         string          `json:"userinfo_encrypted_response_alg,omitempty"`
	UserInfoEncEnc         string          `json:"userinfo_encrypted_response_enc,omitempty"`
	ResponseAlg            string          `json:"authorization_signed_response_alg,omitempty"`
	IntrospectionAlg       string          `json:"introspection_signed_response_alg,omitempty"`
	RequestAlg             string          `json:"request_object_signing_alg,omitempty"`
	RequireSigned          bool            `json:"require_signed_request_object,omitempty"`
	AuthMethod             string          `json:"token_endpoint_auth_method,omitempty"`
	AuthAlg                string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	DefaultMaxAge          *int64          `json:"default_max_age,omitempty"`
	RequireAuthTime        bool            `json:"require_auth_time,omitempty"`
	DefaultACR             []string        `json:"default_acr_values,omitempty"`
	InitiateLoginURI       string          `json:"initiate_login_uri,omitempty"`
	Scope                  string          `json:"scope,omitempty"`
	SoftwareID             string          `json:"software_id,omitempty"`
	SoftwareVersion        string          `json:"software_version,omitempty"`
	SoftwareStatement      string          `json:"software_statement,omitempty"`
	RequirePAR             bool            `json:"require_pushed_authorization_requests,omitempty"`
	RequireDPoP            bool            `json:"dpop_bound_access_tokens,omitempty"`
	BackchannelLogoutURI   string          `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession     bool            `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogoutURI  string          `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelSession    bool            `json:"frontchannel_logout_session_required,omitempty"` // every frame has iss and sid
	CertificateDN          string          `json:"tls_client_auth_subject_dn,omitempty"`
	CertificateDNS         string          `json:"tls_client_auth_san_dns,omitempty"`
	CertificateURI         string          `json:"tls_client_auth_san_uri,omitempty"`
	CertificateIP          string          `json:"tls_client_auth_san_ip,omitempty"`
	CertificateEmail       string          `json:"tls_client_auth_san_email,omitempty"`
	CertificateBound       bool            `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	localNames             map[string]string
	ownID, ownSecret       string // client_id and client_secret, as a change repeats them (RFC 7592 §2.2)
}

const (
	maxRegistered = 32  // values of one member
	maxMember     = 512 // bytes of one value
)

// readMetadata reads a registration request.
func readMetadata(body []byte) (m clientMetadata, err error) {
	if err := json.Unmarshal(body, &m); err != nil {
		return m, diagnosed("invalid_client_metadata", "register.body", "the body is not a JSON object of client metadata (RFC 7591 §3.1)")
	}
	var all map[string]json.RawMessage
	_ = json.Unmarshal(body, &all) // it is an object
	_, _ = json.Unmarshal(all["client_id"], &m.ownID), json.Unmarshal(all["client_secret"], &m.ownSecret)
	m.localNames = map[string]string{}
	for name, raw := range all { // a name in a language: client_name#ru (RFC 7591 §2.2)
		lang, ok := strings.CutPrefix(name, "client_name#")
		var text string
		if ok && len(lang) <= 8 && json.Unmarshal(raw, &text) == nil && len(text) <= maxMember {
			m.localNames[strings.ToLower(lang)] = text
		}
	}
	if m.ClientName != "" && m.localNames["ru"] == "" {
		m.localNames["ru"] = m.ClientName
	}
	return m, m.withinBounds()
}

func (m clientMetadata) withinBounds() error {
	for name, values := range map[string][]string{
		"redirect_uris": m.RedirectURIs, "post_logout_redirect_uris": m.PostLogoutRedirectURIs, "contacts": m.Contacts, "response_types": m.ResponseTypes,
		"grant_types": m.GrantTypes, "default_acr_values": m.DefaultACR,
		"of other members": {m.ClientName, m.ClientURI, m.LogoURI, m.PolicyURI, m.TermsURI, m.JWKSURI, m.SectorURI, m.InitiateLoginURI, m.SoftwareID, m.SoftwareVersion, m.BackchannelLogoutURI, m.FrontchannelLogoutURI,
			m.CertificateDN, m.CertificateDNS, m.CertificateURI, m.CertificateIP, m.CertificateEmail},
	} {
		if len(values) > maxRegistered || slices.ContainsFunc(values, func(v string) bool { return len(v) > maxMember }) {
			return badMetadata("values %s are more than %d or longer than %d bytes", name, maxRegistered, maxMember)
		}
	}
	return nil
}

func badMetadata(format string, args ...any) error {
	return diagnosed("invalid_client_metadata", "register.metadata", format, args...)
}

// Registration is what a client that registered itself said beyond what the provider acts upon, and who may change it.
type Registration struct {
	TokenHash        string // keys.Hash of the registration access token
	By               string // name of the initial access token
	Contacts         []string
	SectorURI        string
	InitiateLoginURI string
	SoftwareID       string
	SoftwareVersion  string
	Statement        string // the software statement, as it came (RFC 7591 §3.2.1)
	RequireAuthTime  bool   // said for the record: every ID token has auth_time
}

// fill puts metadata into a client, with the defaults of RFC 7591 §2 and OpenID Connect Registration §2. What we do not do is an error
// that names the member, and is not quietly replaced.
func (p *Provider) fill(ctx context.Context, c *Client, m clientMetadata, scopes []string) error {
	if err := m.checkMembers(); err != nil {
		return err
	}
	c.Name, c.URI, c.LogoURI, c.PolicyURI, c.TermsURI = m.localNames, m.ClientURI, m.LogoURI, m.PolicyURI, m.TermsURI
	c.Native = m.ApplicationType == "native"
	c.RedirectURIs, c.PostLogoutRedirectURIs = m.RedirectURIs, m.PostLogoutRedirectURIs
	if c.GrantTypes = m.GrantTypes; len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{grantCode}
	}
	c.Auth = []string{orElse(m.AuthMethod, AuthBasic)}
	c.Certificate = CertificateSubject{m.CertificateDN, m.CertificateDNS, m.CertificateURI, m.CertificateIP, m.CertificateEmail}
	c.CertificateBound = m.CertificateBound
	if method := c.byCertificate(); method != "" && !slices.Contains(p.cfg.MTLS.methods(), method) || c.CertificateBound && !p.cfg.MTLS.offered() {
		return badMetadata("certificates of clients are not taken here: see token_endpoint_auth_methods_supported")
	}
	c.AuthAlg, c.JWKS, c.JWKSURI = m.AuthAlg, m.JWKS, m.JWKSURI
	c.IDTokenAlg, c.UserInfoAlg = m.IDTokenAlg, m.UserInfoAlg
	c.IDTokenEncryption, c.UserInfoEncryption = Encryption{m.IDTokenEncAlg, m.IDTokenEncEnc}, Encryption{m.UserInfoEncAlg, m.UserInfoEncEnc}
	c.ResponseAlg, c.IntrospectionAlg, c.RequestAlg, c.RequireSigned = m.ResponseAlg, m.IntrospectionAlg, m.RequestAlg, m.RequireSigned
	c.SubjectType = m.SubjectType
	c.RequirePAR, c.RequireDPoP = m.RequirePAR, m.RequireDPoP
	c.BackchannelLogoutURI, c.BackchannelSession = m.BackchannelLogoutURI, m.BackchannelSession
	c.FrontchannelLogoutURI = m.FrontchannelLogoutURI
	c.DefaultACR, c.DefaultMaxAge = m.DefaultACR, nil
	if m.DefaultMaxAge != nil {
		age := time.Duration(*m.DefaultMaxAge) * time.Second
		c.DefaultMaxAge = &age
	}
	c.Scopes = scopes
	if m.Scope != "" { // RFC 7591 §2: what the client may not have is left out, and the answer says what it got
		c.Scopes = slices.DeleteFunc(strings.Fields(m.Scope), func(s string) bool { return !slices.Contains(scopes, s) })
	}
	r := c.Registration
	r.Contacts, r.SectorURI, r.InitiateLoginURI = m.Contacts, m.SectorURI, m.InitiateLoginURI
	r.SoftwareID, r.SoftwareVersion, r.Statement, r.RequireAuthTime = m.SoftwareID, m.SoftwareVersion, m.SoftwareStatement, m.RequireAuthTime
	return p.fillSector(ctx, c, m)
}

// checkMembers names the first member that asks for what is not offered here.
func (m clientMetadata) checkMembers() error {
	switch {
	case len(m.JWKS) > 0 && m.JWKSURI != "":
		return badMetadata("jwks and jwks_uri exclude each other")
	case !slices.Contains([]string{"", "web", "native"}, m.ApplicationType):
		return badMetadata("application_type is web or native")
	case slices.ContainsFunc(m.ResponseTypes, func(t string) bool { return t != "code" }):
		return badMetadata("response_types: of them only code is offered")
	case slices.ContainsFunc(m.GrantTypes, func(g string) bool { return !slices.Contains(grantsForAll, g) }):
		return badMetadata("grant_types: those that a client may register for itself are %s", strings.Join(grantsForAll, ", "))
	case !slices.Contains([]string{"", "RS256", "PS256", "ES256", "EdDSA"}, m.AuthAlg):
		return badMetadata("token_endpoint_auth_signing_alg: RS256, PS256, ES256 or EdDSA")
	case m.DefaultMaxAge != nil && (*m.DefaultMaxAge < 0 || *m.DefaultMaxAge > 1<<31):
		return badMetadata("default_max_age is a number of seconds")
	}
	for _, v := range m.DefaultACR {
		if _, ok := ParseACR(v); !ok {
			return badMetadata("default_acr_values: %s is not one of acr_values_supported", printable(v))
		}
	}
	for name, raw := range map[string]string{"client_uri": m.ClientURI, "logo_uri": m.LogoURI, "policy_uri": m.PolicyURI, "tos_uri": m.TermsURI,
		"jwks_uri": m.JWKSURI, "sector_identifier_uri": m.SectorURI, "initiate_login_uri": m.InitiateLoginURI, "backchannel_logout_uri": m.BackchannelLogoutURI} {
		if raw == "" {
			continue
		}
		u, err := checkFetchURL(raw)
		if err != nil {
			return badMetadata("%s: %s", name, err)
		}
		if u.Scheme != "https" && (name == "initiate_login_uri" || name == "sector_identifier_uri") {
			return badMetadata("%s: https is needed", name)
		}
	}
	return nil
}

// fillSector holds OpenID Connect Registration §5 and Core §8.1: a sector document names every redirect URI, and several hosts need one.
func (p *Provider) fillSector(ctx context.Context, c *Client, m clientMetadata) error {
	c.SectorIdentifier = ""
	if m.SectorURI == "" {
		hosts := map[string]bool{}
		for _, raw := range c.RedirectURIs {
			if u, err := url.Parse(raw); err == nil {
				hosts[u.Hostname()] = true
			}
		}
		if len(hosts) > 1 && c.SubjectType != "public" && !c.Native {
			return badMetadata("redirect_uris have several hosts: pairwise subjects then need a sector_identifier_uri (OpenID Connect Core §8.1)")
		}
		return nil
	}
	body, err := p.fetch.get(ctx, m.SectorURI, "application/json")
	if err != nil {
		return diagnosed("invalid_client_metadata", "register.sector", "sector_identifier_uri: %s", err)
	}
	var listed []string
	if err := json.Unmarshal(body, &listed); err != nil {
		return diagnosed("invalid_client_metadata", "register.sector", "sector_identifier_uri: the document is not a JSON array of redirect URIs")
	}
	for _, uri := range c.RedirectURIs {
		if !slices.Contains(listed, uri) {
			return diagnosed("invalid_client_metadata", "register.sector", "sector_identifier_uri: its document does not list %s", printable(uri))
		}
	}
	u, err := url.Parse(m.SectorURI)
	if err != nil {
		return badMetadata("sector_identifier_uri is not an absolute URL")
	}
	c.SectorIdentifier = u.Hostname()
	return nil
}

// metadataOf says what a client is registered with.
func metadataOf(c *Client) clientMetadata {
	m := clientMetadata{
		RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, ResponseTypes: []string{"code"}, GrantTypes: c.GrantTypes,
		ApplicationType: "web", Contacts: c.Registration.Contacts, ClientName: c.Name["ru"], ClientURI: c.URI, LogoURI: c.LogoURI, PolicyURI: c.PolicyURI,
		TermsURI: c.TermsURI, JWKSURI: c.JWKSURI, JWKS: c.JWKS, SectorURI: c.Registration.SectorURI, SubjectType: orElse(c.SubjectType, "pairwise"),
		IDTokenAlg: string(c.idTokenAlg()), UserInfoAlg: c.UserInfoAlg,
		IDTokenEncAlg: c.IDTokenEncryption.Alg, IDTokenEncEnc: c.IDTokenEncryption.Enc, UserInfoEncAlg: c.UserInfoEncryption.Alg,
		UserInfoEncEnc: c.UserInfoEncryption.Enc, ResponseAlg: c.ResponseAlg,
		IntrospectionAlg: c.IntrospectionAlg, RequestAlg: c.RequestAlg, RequireSigned: c.RequireSigned, AuthMethod: c.Auth[0], AuthAlg: c.AuthAlg, RequireAuthTime: c.Registration.RequireAuthTime,
		DefaultACR: c.DefaultACR, InitiateLoginURI: c.Registration.InitiateLoginURI, Scope: strings.Join(c.Scopes, " "), SoftwareID: c.Registration.SoftwareID,
		SoftwareVersion: c.Registration.SoftwareVersion, SoftwareStatement: c.Registration.Statement, RequirePAR: c.RequirePAR, RequireDPoP: c.RequireDPoP, BackchannelLogoutURI: c.BackchannelLogoutURI,
		BackchannelSession: c.BackchannelSession, FrontchannelLogoutURI: c.FrontchannelLogoutURI,
		FrontchannelSession: c.FrontchannelLogoutURI != "", CertificateDN: c.Certificate.DN, CertificateDNS: c.Certificate.DNS, CertificateURI: c.Certificate.URI,
		CertificateIP: c.Certificate.IP, CertificateEmail: c.Certificate.Email, CertificateBound: c.CertificateBound,
	}
	if !slices.Contains(c.GrantTypes, grantCode) {
		m.ResponseTypes = nil
	}
	if c.Native {
		m.ApplicationType = "native"
	}
	if c.DefaultMaxAge != nil {
		age := int64(*c.DefaultMaxAge / time.Second)
		m.DefaultMaxAge = &age
	}
	return m
}

// metadataFault turns the faults of Client.Check into an answer.
func metadataFault(err error) error {
	var all interface{ Unwrap() []error }
	if errors.As(err, &all) {
		err = all.Unwrap()[0]
	}
	if text := err.Error(); strings.HasPrefix(text, "redirect_uris") {
		return diagnosed("invalid_redirect_uri", "register.redirect_uris", "%s", text)
	}
	return badMetadata("%s", fmt.Sprint(err))
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
