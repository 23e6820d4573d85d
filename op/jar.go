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

	"github.com/go-jose/go-jose/v4"
)

// typeRequest is the typ of a request object (RFC 9101 §10.8).
const typeRequest = "oauth-authz-req+jwt"

const (
	maxRequestObject  = 16 << 10  // with the details of what a person signs in it
	requestObjectLife = time.Hour // FAPI 2.0 Message Signing §5.3.1
)

// requestObject are the claims of a request object that say who made it, for whom and when. The others are parameters.
type requestObject struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	ClientID  string   `json:"client_id"`
	Audience  audience `json:"aud"`
	Expires   *float64 `json:"exp"`
	NotBefore *float64 `json:"nbf"`
	IssuedAt  *float64 `json:"iat"`
	ID        string   `json:"jti"`
}

func badObject(diagnosis, format string, args ...any) *badRequest {
	return refuse("invalid_request_object", diagnosis, fmt.Sprintf(format, args...))
}

// signedRequest replaces a form with a request object (RFC 9101, by value) by the parameters that the client signed; nothing else of the form
// counts (§6.3). Without one the form is the request, unless the client is registered to sign (§10.5).
func (p *Provider) signedRequest(ctx context.Context, client *Client, form url.Values) (url.Values, error) {
	if !form.Has("request") {
		if client.RequireSigned {
			return nil, refuse("invalid_request", "request.required", "this client is registered to ask by signed request objects alone (RFC 9101 10.5)")
		}
		return form, nil
	}
	if form.Has("request_uri") {
		return nil, refuse("invalid_request", "request.two", "request and request_uri exclude each other (RFC 9101 5)")
	}
	payload, object, typ, err := p.readObject(ctx, client, form.Get("request"))
	if err != nil {
		return nil, err
	}
	if err := p.judgeObject(client, object, typ); err != nil {
		return nil, err
	}
	return objectForm(client, payload)
}

// readObject verifies a request object and reads the claims that say who made it.
func (p *Provider) readObject(ctx context.Context, client *Client, token string) (payload []byte, object requestObject, typ string, err error) {
	if payload, typ, err = p.verifyObject(ctx, client, token); err != nil {
		return nil, object, "", err
	}
	if err := json.Unmarshal(payload, &object); err != nil {
		return nil, object, "", badObject("request.malformed", "a claim of the request object has another type than RFC 7519 says")
	}
	return payload, object, typ, nil
}

// verifyObject checks header and signature against the keys that the client registered. An unsigned object is none.
func (p *Provider) verifyObject(ctx context.Context, client *Client, token string) (payload []byte, typ string, err error) {
	if len(token) > maxRequestObject || strings.Count(token, ".") != 2 {
		return nil, "", badObject("request.malformed", "request is not a signed JWT in compact form of at most %d bytes", maxRequestObject)
	}
	header, err := plainHeader(token)
	if err != nil {
		return nil, "", badObject("request.malformed", "the header of the request object is not a JSON object")
	}
	for _, name := range []string{"jwk", "jku", "x5u", "x5c", "crit"} {
		if _, there := header[name]; there {
			return nil, "", badObject("request.header", "the header %s is not accepted: keys are those registered", name)
		}
	}
	typ = strings.ToLower(headerText(header, "typ"))
	if typ != typeRequest && typ != "" && typ != "jwt" { // clients leave it out, under FAPI 2.0 too: judgeObject then looks for a sub
		return nil, "", badObject("request.typ", "the typ of a request object is %s", typeRequest)
	}
	allowed := assertionAlgorithms[client.Profile == ProfileFAPI2]
	if headerText(header, "alg") == "none" && len(client.JWKS) == 0 && client.JWKSURI == "" { // to a client that cannot sign, none is supported (OpenID Connect Core §3.1.2.6)
		return nil, "", refuse("request_not_supported", "request.alg", fmt.Sprintf("unsigned request objects are not taken: register jwks and sign with one of %v, or send plain parameters", allowed))
	}
	signed, err := jose.ParseSignedCompact(token, allowed)
	if err != nil {
		return nil, "", badObject("request.alg", "the algorithm of the request object must be one of %v", allowed)
	}
	signature := signed.Signatures[0].Header
	if client.RequestAlg != "" && signature.Algorithm != client.RequestAlg {
		return nil, "", badObject("request.alg", "the client registered %s for its request objects", client.RequestAlg)
	}
	known, err := p.auth.keys.of(ctx, client, signature.KeyID)
	var wire *wireError
	if errors.As(err, &wire) {
		return nil, "", badObject("request.key", "the client has no usable keys: register jwks or jwks_uri")
	}
	if err != nil {
		return nil, "", err
	}
	for _, key := range fittingKeys(known, signature.KeyID, signature.Algorithm) {
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, typ, nil
		}
	}
	return nil, "", badObject("request.key", "the request object is not signed by a registered key that fits %s", signature.Algorithm)
}

// judgeObject checks who made an object, for whom and when. An object that does not say by its typ what it is may be no client assertion, which
// names the client as its subject (RFC 9101 §10.8).
func (p *Provider) judgeObject(client *Client, o requestObject, typ string) error {
	switch {
	case o.Issuer != client.ID || o.ClientID != client.ID:
		return badObject("request.client", "iss and client_id in the request object must both be the client_id")
	case typ != typeRequest && o.Subject != "":
		return badObject("request.client", "a request object has no sub (RFC 9101 10.8)")
	case !slices.Contains(o.Audience, p.cfg.Issuer):
		return badObject("request.audience", "aud is %s and must be the issuer, %s", printable(strings.Join(o.Audience, " ")), p.cfg.Issuer)
	case o.Expires == nil:
		return badObject("request.time", "exp is missing")
	case client.Profile == ProfileFAPI2 && o.NotBefore == nil:
		return badObject("request.time", "nbf is missing")
	}
	now, expires := p.now(), fromNumericDate(*o.Expires)
	for name, at := range map[string]*float64{"nbf": o.NotBefore, "iat": o.IssuedAt} { // before exp: a clock that is far ahead is no long life
		if at != nil && fromNumericDate(*at).Sub(now) > clockAheadAllowed {
			return badObject("request.time", "%s", ahead(name, *at, now))
		}
	}
	if now.Sub(expires) >= clockBehind {
		return badObject("request.time", "the request object expired %s ago: check the client's clock", seconds(now.Sub(expires)))
	}
	if expires.Sub(now) > requestObjectLife+clockAheadAllowed {
		return badObject("request.time", "exp is %s ahead; at most %s is accepted", seconds(expires.Sub(now)), seconds(requestObjectLife))
	}
	if o.NotBefore == nil {
		return nil
	}
	begin := fromNumericDate(*o.NotBefore)
	if now.Sub(begin) > requestObjectLife || expires.Sub(begin) > requestObjectLife {
		return badObject("request.time", "nbf is more than %s ago, or exp more than that after it", seconds(requestObjectLife))
	}
	return nil
}

// objectForm turns the claims of a request object into the parameters that they stand for: texts as they are, numbers and JSON as they are
// written (RFC 9101 §4), resource one by one (RFC 8707 §2).
func objectForm(client *Client, payload []byte) (url.Values, error) {
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, badObject("request.malformed", "the request object is not a JSON object")
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"} {
		delete(claims, name)
	}
	form := url.Values{}
	for name, raw := range claims {
		if name == "request" || name == "request_uri" || name == "client_secret" || name == "client_assertion" {
			return nil, badObject("request.malformed", "%s does not belong into a request object (RFC 9101 4)", name)
		}
		var text string
		var several []string
		switch {
		case json.Unmarshal(raw, &text) == nil:
			if text != "" {
				form.Set(name, text)
			}
		case name == "resource" && json.Unmarshal(raw, &several) == nil:
			form[name] = several
		default:
			form.Set(name, string(raw))
		}
	}
	form.Set("client_id", client.ID)
	return form, nil
}
