package op

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// checkClaims reads acr_values and the claims parameter (OpenID Connect Core §5.5). An acr asked as essential wins over
// acr_values, and one of its values must be known.
func (p *Provider) checkClaims(client *Client, req *AuthRequest, form url.Values) error {
	wanted := strings.Fields(form.Get("acr_values"))
	if form.Get("acr_values") == "" {
		wanted = client.DefaultACR // OpenID Connect Registration §2
	}
	for _, v := range wanted {
		if acr, ok := ParseACR(v); ok {
			req.ACR = append(req.ACR, acr)
		}
	}
	raw := form.Get("claims")
	if raw == "" {
		return nil
	}
	claims, err := parseClaims(client, raw)
	if err != nil {
		return refuse("invalid_request", "claims.form", "the claims parameter is not what OpenID Connect Core 5.5 describes: "+err.Error())
	}
	req.Claims = claims
	if err := checkAskedSubject(req); err != nil {
		return err
	}
	return checkAskedACR(req)
}

// parseClaims reads a claims parameter. What we do not know, and what the client is not registered for, is left out of it: to be asked
// for more than there is, is no error (§5.5).
func parseClaims(client *Client, raw string) (*ClaimsRequest, error) {
	if len(raw) > maxClaims {
		return nil, fmt.Errorf("it is longer than %d bytes", maxClaims)
	}
	var asked struct {
		UserInfo map[string]json.RawMessage `json:"userinfo"`
		IDToken  map[string]json.RawMessage `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(raw), &asked); err != nil {
		return nil, errors.New("it has the objects userinfo and id_token")
	}
	var out ClaimsRequest
	for _, place := range []struct {
		asked    map[string]json.RawMessage
		plain    *map[string]ClaimRequest
		verified *[]VerifiedRequest
		control  []string // what is no claim about the person
	}{{asked.UserInfo, &out.UserInfo, &out.VerifiedUserInfo, nil}, {asked.IDToken, &out.IDToken, &out.VerifiedIDToken, []string{"acr", "sub"}}} {
		var err error
		if verified, is := place.asked["verified_claims"]; is {
			if *place.verified, err = readVerified(client, verified); err != nil {
				return nil, err
			}
		}
		if *place.plain, err = readClaims(client, place.asked, place.control...); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// wireClaim is one member of the claims parameter.
type wireClaim struct {
	Essential bool              `json:"essential"`
	Value     json.RawMessage   `json:"value"`
	Values    []json.RawMessage `json:"values"`
}

// readClaims reads requests for claims by name: those of the scopes that the client is registered for, and the ones named here.
func readClaims(client *Client, in map[string]json.RawMessage, also ...string) (map[string]ClaimRequest, error) {
	known := maps.Clone(in)
	maps.DeleteFunc(known, func(name string, _ json.RawMessage) bool {
		return !slices.Contains(also, name) && !slices.ContainsFunc(claimTable, func(c claim) bool {
			return c.name == name && slices.Contains(client.Scopes, c.scope)
		})
	})
	out := map[string]ClaimRequest{}
	for name, raw := range known {
		var c wireClaim // null stays empty
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, fmt.Errorf("%s is asked with null or an object", printable(name))
		}
		r := ClaimRequest{Essential: c.Essential}
		if len(c.Value) > 0 {
			c.Values = append(c.Values, c.Value)
		}
		for _, v := range c.Values {
			r.Values = append(r.Values, compact(v))
		}
		out[name] = r
	}
	return out, nil
}

func compact(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	out, _ := json.Marshal(v)
	return string(out)
}

// checkAskedACR takes an acr that is asked for the ID token.
func checkAskedACR(req *AuthRequest) error {
	acr, ok := req.Claims.IDToken["acr"]
	delete(req.Claims.IDToken, "acr")
	if !ok || len(acr.Values) == 0 {
		return nil
	}
	var values []ACR
	for _, v := range acr.Values {
		var s string
		if json.Unmarshal([]byte(v), &s) == nil {
			if parsed, known := ParseACR(s); known {
				values = append(values, parsed)
			}
		}
	}
	if acr.Essential && len(values) == 0 {
		return refuse("unmet_authentication_requirements", "acr.unknown", "no asked acr is known: see acr_values_supported")
	}
	if acr.Essential || len(req.ACR) == 0 {
		req.ACR, req.EssentialACR = values, acr.Essential
	}
	return nil
}

// checkAskedSubject reads a sub that is asked with a value: that person or nobody (OpenID Connect Core §5.5.1).
func checkAskedSubject(req *AuthRequest) error {
	asked, ok := req.Claims.IDToken["sub"]
	delete(req.Claims.IDToken, "sub")
	if !ok || len(asked.Values) == 0 {
		return nil
	}
	if len(asked.Values) > 1 || json.Unmarshal([]byte(asked.Values[0]), &req.HintSubject) != nil || req.HintSubject == "" {
		return refuse("invalid_request", "claims.form", "sub is asked with one text as its value")
	}
	return nil
}
