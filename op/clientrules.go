package op

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Check says what is wrong with a client's registration, every fault named by its field as in
// `vhod apply` and RFC 7591 §2; nil when it can be stored.
func (c *Client) Check() error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.ID == "" || strings.ContainsAny(c.ID, " \t\r\n") {
		wrong("id %q: a name without spaces is needed", c.ID)
	}
	if !slices.Contains([]Profile{ProfileOIDC, ProfileCompat, ProfileFAPI2, ProfileESIA}, c.Profile) {
		wrong("profile %q: oidc, oidc-compat, fapi2 or esia", c.Profile)
	}
	for _, method := range c.Auth {
		if !slices.Contains([]string{AuthNone, AuthBasic, AuthPost, AuthPrivateKey, AuthCertificate, AuthSelfSigned}, method) {
			wrong("auth %q: none, client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth or self_signed_tls_client_auth", method)
		}
	}
	problems = append(problems, c.checkCredentials()...)
	problems = append(problems, c.checkCustomers()...)
	c.checkCertificates(wrong)
	c.checkSignals(wrong)
	for _, uri := range c.RedirectURIs {
		if err := checkRedirectURI(uri, c.Native); err != nil {
			wrong("redirect_uris: %w", err)
		}
	}
	if err := checkRedirectURI(c.NotifyURI, false); err != nil && c.NotifyURI != "" {
		wrong("backchannel_client_notification_endpoint: %w", err)
	}
	for _, uri := range c.PostLogoutRedirectURIs {
		if err := checkRedirectURI(uri, c.Native); err != nil {
			wrong("post_logout_redirect_uris: %w", err)
		}
	}
	if err := checkRedirectURI(c.BackchannelLogoutURI, false); err != nil && c.BackchannelLogoutURI != "" {
		wrong("backchannel_logout_uri: %w", err)
	}
	if err := c.checkFrontchannel(); err != nil {
		problems = append(problems, err)
	}
	if slices.Contains(c.GrantTypes, "authorization_code") && len(c.RedirectURIs) == 0 {
		wrong("redirect_uris: at least one for the grant authorization_code")
	}
	if !slices.Contains([]string{"", "pairwise", "public"}, c.SubjectType) {
		wrong("subject_type %q: pairwise or public", c.SubjectType)
	}
	problems = append(problems, c.checkSigning()...)
	problems = append(problems, c.IDTokenEncryption.check("id_token", c), c.UserInfoEncryption.check("userinfo", c))
	return errors.Join(append(problems, c.checkFAPI()...)...)
}

func (c *Client) checkCredentials() (problems []error) {
	public := slices.Contains(c.Auth, AuthNone)
	secret := slices.Contains(c.Auth, AuthBasic) || slices.Contains(c.Auth, AuthPost)
	switch {
	case len(c.Auth) == 0:
		problems = append(problems, errors.New("auth: at least one method"))
	case public && (len(c.Auth) > 1 || len(c.Secrets) > 0):
		problems = append(problems, errors.New("auth none: a public client has no secret and no other method"))
	case secret && len(c.Secrets) == 0:
		problems = append(problems, errors.New("auth by secret: a secret is needed"))
	}
	if slices.Contains(c.Auth, AuthPrivateKey) && len(c.JWKS) == 0 && c.JWKSURI == "" {
		problems = append(problems, errors.New("auth private_key_jwt: jwks or jwks_uri is needed"))
	}
	problems = append(problems, c.checkKeys())
	for _, kind := range c.DetailTypes {
		if !slices.Contains(detailTypes, kind) {
			problems = append(problems, fmt.Errorf("authorization_details_types %q: %s", kind, strings.Join(detailTypes, " or ")))
		}
	}
	if public && slices.Contains(c.GrantTypes, grantCIBA) {
		problems = append(problems, errors.New("grant ciba: not for a public client (CIBA §4)"))
	}
	exchanges := slices.Contains(c.GrantTypes, grantExchange)
	if exchanges && public {
		problems = append(problems, errors.New("grant token-exchange: not for a public client, who acts has to be certain"))
	}
	if exchanges != (len(c.ExchangeAudience) > 0) {
		problems = append(problems, errors.New("exchange_audience and the grant token-exchange go together: name the targets, or neither"))
	}
	if public && slices.Contains(c.GrantTypes, "client_credentials") {
		problems = append(problems, errors.New("grant client_credentials: not for a public client (RFC 6749 §4.4)"))
	}
	if public && c.Profile == ProfileCompat {
		problems = append(problems, errors.New("profile oidc-compat is for confidential clients alone"))
	}
	return problems
}

// checkKeys looks at the keys that stand in a registration: a private one is refused, as nobody but its owner should have it, and so is a set that
// no assertion of the client could be verified by.
func (c *Client) checkKeys() error {
	if len(c.JWKS) == 0 {
		return nil
	}
	var all jose.JSONWebKeySet
	if err := json.Unmarshal(c.JWKS, &all); err != nil {
		return errors.New("jwks: no set of keys that can be read (RFC 7517 §5)")
	}
	if slices.ContainsFunc(all.Keys, func(k jose.JSONWebKey) bool { return !k.IsPublic() }) {
		return errors.New("jwks: a private or secret key stands in it: register the public keys alone, and make new ones, as these have been seen")
	}
	if _, err := parseJWKS(c.JWKS); err != nil && slices.Contains(c.Auth, AuthPrivateKey) {
		return errors.New("jwks: none of the keys may sign assertions: RSA of 2048 bits at least, P-256 or Ed25519 is needed")
	}
	return nil
}

// checkRedirectURI holds RFC 6749 §3.1.2 and RFC 9700 §2.1: absolute, no fragment, no user part, https
// but for loopback; a native client may use a scheme of its own (RFC 8252 §7.1).
func checkRedirectURI(raw string, native bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme == "":
		return fmt.Errorf("%q is not an absolute URI", raw)
	case strings.Contains(raw, "#"):
		return fmt.Errorf("%q has a fragment", raw)
	case u.User != nil:
		return fmt.Errorf("%q has a user part", raw)
	case strings.Contains(raw, "*"):
		return fmt.Errorf("%q: wildcards are not matched, write each URI out", raw)
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && loopbackHost(u.Hostname()):
		return nil
	case native && strings.Contains(u.Scheme, "."):
		return nil
	}
	return fmt.Errorf("%q: https is needed outside loopback", raw)
}

func loopbackHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
