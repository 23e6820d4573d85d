package op

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/keys"
)

// typeResponse is the typ of a signed authorization response. JARM names none; one of its own keeps the response from being taken for
// an ID token (RFC 8725 §3.11).
const typeResponse = "oauth-authz-resp+jwt"

// responseLife is how long a signed response counts (JARM §2.1: at most ten minutes): a code lives no longer either.
const responseLife = codeLife

// responseModes are those that a client may ask for. A code has no business in a bare fragment, a signed response may stand there.
var responseModes = []string{"query", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"}

// responseMode reads response_mode; jwt is the signed form of the default of the code flow (JARM §2.3.4).
func responseMode(form url.Values) (string, bool) {
	mode := form.Get("response_mode")
	switch mode {
	case "":
		return "query", true
	case "jwt":
		return "query.jwt", true
	}
	return mode, slices.Contains(responseModes, mode)
}

// response adds what every response has: state, and the issuer against mix-up (RFC 9207). In a signed mode all of it stands in one JWT
// (JARM §2.1).
func (p *Provider) response(ctx context.Context, req *AuthRequest, params map[string]string) (Response, error) {
	params["iss"] = p.cfg.Issuer
	if req.State != "" {
		params["state"] = req.State
	}
	mode, signed := strings.CutSuffix(req.ResponseMode, ".jwt")
	if !signed {
		return Response{RedirectURI: req.RedirectURI, Mode: mode, Params: params}, nil
	}
	client := p.clients.client(ctx, req.ClientID)
	if client == nil {
		return Response{}, fmt.Errorf("signing a response: the client %s is gone", req.ClientID)
	}
	claims := map[string]any{"aud": client.ID, "exp": p.now().Add(responseLife).Unix(), "iat": p.now().Unix()}
	for name, value := range params {
		claims[name] = value
	}
	token, err := p.sign(ctx, client.signedBy(client.ResponseAlg), typeResponse, claims)
	if err != nil {
		return Response{}, err
	}
	return Response{RedirectURI: req.RedirectURI, Mode: mode, Params: map[string]string{"response": token}}, nil
}

// Location is the redirect URI with the parameters in its query, after what it has there (RFC 6749 §4.1.2), or in its fragment.
func (r Response) Location() (string, error) {
	u, err := url.Parse(r.RedirectURI)
	if err != nil {
		return "", fmt.Errorf("parsing a redirect URI: %w", err)
	}
	added := make(url.Values, len(r.Params))
	for name, value := range r.Params {
		added.Set(name, value)
	}
	if r.Mode == "fragment" {
		return u.String() + "#" + added.Encode(), nil // a registered redirect URI has no fragment of its own
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += added.Encode()
	return u.String(), nil
}

// signingAlgs are the algorithms that the provider signs with for clients.
var signingAlgs = []keys.Algorithm{keys.RS256, keys.PS256, keys.ES256, keys.EdDSA}

// checkSigning says what is wrong with the algorithms of a registration.
func (c *Client) checkSigning() (problems []error) {
	for _, m := range []struct{ name, alg string }{
		{"id_token_alg", c.IDTokenAlg}, {"userinfo_signed_response_alg", c.UserInfoAlg},
		{"authorization_signed_response_alg", c.ResponseAlg}, {"introspection_signed_response_alg", c.IntrospectionAlg},
		{"request_object_signing_alg", c.RequestAlg},
	} {
		switch {
		case m.alg != "" && !slices.Contains(signingAlgs, keys.Algorithm(m.alg)):
			problems = append(problems, fmt.Errorf("%s %q: RS256, PS256, ES256 or EdDSA", m.name, m.alg))
		case c.Profile == ProfileFAPI2 && m.alg == string(keys.RS256):
			problems = append(problems, fmt.Errorf("%s RS256 is refused in the profile fapi2 (FAPI 2.0 §5.4.1)", m.name))
		}
	}
	if c.RequireSigned && len(c.JWKS) == 0 && c.JWKSURI == "" {
		problems = append(problems, errors.New("require_signed_request_object: jwks or jwks_uri is needed"))
	}
	return problems
}
