package op

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// SoftwareIssuer is a body whose software statements are believed (RFC 7591 §2.3).
type SoftwareIssuer struct {
	Issuer string // iss of its statements
	JWKS   []byte // its public keys
}

// maxStatement is in bytes.
const maxStatement = 16 << 10

// statementClaims are of the statement itself; all others are metadata of the client.
var statementClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// stated joins a registration with its software statement: what the issuer signed wins over what the client says (RFC 7591
// §2.3). A body without a statement is returned as it is.
func (p *Provider) stated(body []byte) ([]byte, error) {
	var all map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil || all["software_statement"] == nil {
		return body, nil // whoever reads it says what is wrong
	}
	var statement string
	if err := json.Unmarshal(all["software_statement"], &statement); err != nil {
		return nil, diagnosed("invalid_software_statement", "register.statement", "software_statement is not a string")
	}
	claims, err := p.readStatement(statement)
	if err != nil {
		return nil, err
	}
	for name, value := range claims {
		if !slices.Contains(statementClaims, name) && name != "software_statement" {
			all[name] = value
		}
	}
	return json.Marshal(all)
}

// readStatement verifies a statement: signed by a known issuer, for a time that is now.
func (p *Provider) readStatement(token string) (map[string]json.RawMessage, error) {
	invalid := func(format string, args ...any) error {
		return diagnosed("invalid_software_statement", "register.statement", format, args...)
	}
	if len(token) > maxStatement || strings.Count(token, ".") != 2 {
		return nil, invalid("software_statement is not a signed JWT in compact form of at most %d bytes", maxStatement)
	}
	header, err := plainHeader(token)
	if err != nil {
		return nil, invalid("the header of the software statement is not a JSON object")
	}
	for _, name := range []string{"jwk", "jku", "x5u", "x5c", "crit"} {
		if _, there := header[name]; there {
			return nil, invalid("the header %s is not accepted: keys are those of approved issuers", name)
		}
	}
	signed, err := jose.ParseSignedCompact(token, assertionAlgorithms[false])
	if err != nil {
		return nil, invalid("the algorithm of the software statement must be one of %v", assertionAlgorithms[false])
	}
	var said struct {
		Issuer    string   `json:"iss"`
		Expires   *float64 `json:"exp"`
		NotBefore *float64 `json:"nbf"`
	}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &said); err != nil {
		return nil, invalid("a claim of the software statement has another type than RFC 7519 says")
	}
	payload, err := p.verifyStatement(signed, said.Issuer)
	if err != nil {
		return nil, err
	}
	now := p.now()
	if said.Expires != nil && !now.Before(fromNumericDate(*said.Expires)) {
		return nil, invalid("the software statement has expired")
	}
	if said.NotBefore != nil && now.Before(fromNumericDate(*said.NotBefore)) {
		return nil, invalid("the software statement is not valid yet")
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, invalid("the software statement is not a JSON object")
	}
	return claims, nil
}

func (p *Provider) verifyStatement(signed *jose.JSONWebSignature, issuer string) ([]byte, error) {
	i := slices.IndexFunc(p.cfg.SoftwareIssuers, func(s SoftwareIssuer) bool { return s.Issuer == issuer && issuer != "" })
	if i < 0 {
		return nil, diagnosed("unapproved_software_statement", "register.statement", "no issuer of software statements of this name is approved here")
	}
	known, err := parseJWKS(p.cfg.SoftwareIssuers[i].JWKS)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of an issuer of software statements: %w", err)
	}
	header := signed.Signatures[0].Header
	for _, key := range fittingKeys(known.Keys, header.KeyID, header.Algorithm) {
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, diagnosed("invalid_software_statement", "register.statement", "the software statement is not signed by a key of its issuer")
}
