package op

import (
	"net/url"
	"slices"
)

// portion is the part of a grant that one access token is for.
type portion struct {
	scopes    []string
	resources []string // none: all that the client is registered for
}

// checkResource reads resource (RFC 8707 §2.1): the resource servers that the tokens of this grant will be for.
func checkResource(client *Client, req *AuthRequest, form url.Values) error {
	if !within(form["resource"], client.Audience) {
		return refuse("invalid_target", "resource.unknown", "resource is not one that the client is registered for (audience)")
	}
	req.Resources = slices.Compact(slices.Sorted(slices.Values(form["resource"])))
	return nil
}

// target reads resource at the token endpoint (RFC 8707 §2.2): of those that were granted, or that the client is registered for when the
// grant named none. The token is for these alone.
func target(client *Client, granted []string, form url.Values) ([]string, error) {
	asked := form["resource"]
	if len(asked) == 0 {
		return granted, nil
	}
	if len(granted) == 0 {
		granted = client.Audience
	}
	if !within(asked, granted) {
		return nil, diagnosed("invalid_target", "resource.unknown", "resource is not one that this grant, or the client, is for")
	}
	return slices.Compact(slices.Sorted(slices.Values(asked))), nil
}

func within(asked, known []string) bool {
	return !slices.ContainsFunc(asked, func(one string) bool { return !slices.Contains(known, one) })
}

// audienceOf is who an access token is for: the resources, and the provider itself where userinfo may be asked. A token that names no
// resource is for all that the client is registered for.
func (p *Provider) audienceOf(client *Client, of portion) audience {
	if len(of.resources) == 0 {
		return append(audience{p.cfg.Issuer}, client.Audience...)
	}
	if slices.Contains(of.scopes, "openid") {
		return append(audience{p.cfg.Issuer}, of.resources...)
	}
	return of.resources
}
