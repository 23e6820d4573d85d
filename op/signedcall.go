package op

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// provesClient are the parameters that stand beside a signed request for a call: by them the client proves itself.
var provesClient = []string{"request", "client_id", "client_secret", "client_assertion", "client_assertion_type"}

// signedCall returns the parameters of a request for a call: those that the client signed, when it did (CIBA Core 1.0 §7.1.1), and must
// when it is registered so, with who signed them. Beside them nothing else may stand.
func (p *Provider) signedCall(ctx context.Context, client *Client, form url.Values) (url.Values, *requestObject, error) {
	if !form.Has("request") {
		if client.RequireSigned {
			return nil, nil, diagnosed("invalid_request", "request.required", "this client is registered to ask by signed requests alone")
		}
		return form, nil, nil
	}
	for name := range form {
		if !slices.Contains(provesClient, name) {
			return nil, nil, diagnosed("invalid_request", "call.parameter", "%s stands beside the signed request, not in it (CIBA 7.1.1)", printable(name))
		}
	}
	payload, object, typ, err := p.readObject(ctx, client, form.Get("request"))
	if err != nil {
		return nil, nil, unsignedCall(err)
	}
	if object.ClientID == "" { // the issuer says it, and the client has proven itself
		object.ClientID = client.ID
	}
	if err := p.judgeObject(client, object, typ); err != nil {
		return nil, nil, unsignedCall(err)
	}
	if object.IssuedAt == nil || object.NotBefore == nil || object.ID == "" || len(object.ID) > maxState {
		return nil, nil, diagnosed("invalid_request", "request.jti", "iat, nbf and jti are needed in a signed request for a call (CIBA 7.1.1)")
	}
	signed, err := objectForm(client, payload)
	return signed, &object, unsignedCall(err)
}

// unsignedCall makes the refusal of a request object that of a call: CIBA Core 1.0 §13 has no error of its own for it.
func unsignedCall(err error) error {
	var bad *badRequest
	if errors.As(err, &bad) {
		return diagnosed("invalid_request", bad.diagnosis.Code, "%s", bad.diagnosis.Description)
	}
	return err
}

// spendObject takes a signed request once, so that the person is not asked again by a copy of it; nil was not signed. It is the last check: a client
// may send the same again with a nonce that it was asked for.
func (p *Provider) spendObject(ctx context.Context, client *Client, o *requestObject) error {
	if o == nil {
		return nil
	}
	left := fromNumericDate(*o.Expires).Sub(p.now()) + clockBehind + time.Second
	first, err := p.cfg.Ephemera.Once(ctx, "request-jti/"+client.ID+"/"+keys.Hash(o.ID), left)
	if err != nil {
		return fmt.Errorf("taking the jti of a signed request: %w", err)
	}
	if !first {
		return diagnosed("invalid_request", "request.jti", "the signed request was sent before: each has a jti of its own")
	}
	return nil
}
