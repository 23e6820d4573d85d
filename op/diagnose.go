package op

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// advice is the rule, and what to send instead, of refusals that are shown on a page and are about no address. ISSUER and CLIENT are filled in.
var advice = map[string]struct{ rule, fix string }{
	"client.unknown": {"A client is registered before it asks, and at each provider by itself (RFC 6749 §2).", "client_id=ID, as registered at ISSUER"},
	"client.missing": {"A request says which client it is of (RFC 6749 §4.1.1).", "client_id=ID, as registered at ISSUER"},
	"form.repeated":  {"A parameter stands at most once; several values of scope or prompt are one, with spaces between them (RFC 6749 §3.1).", "scope=openid%20email"},
	"par.required":   {"The requests of this client are pushed by itself, and not brought by a browser (RFC 9126 §5).", "POST ISSUER/par, then ISSUER/authorize?client_id=CLIENT&request_uri=URI_OF_ITS_ANSWER"},
	"par.over":       {"A request_uri counts for a minute, for the client that pushed it, and until a person has answered it (RFC 9126 §2.2, §4).", "POST ISSUER/par when the person clicks, and not before"},
}

// advise completes a diagnosis that names neither rule nor fix.
func (d *Diagnosis) advise(issuer string) {
	if known, ok := advice[d.Code]; ok && d.Rule == "" {
		d.Rule, d.Fix = known.rule, strings.NewReplacer("ISSUER", issuer, "CLIENT", d.ClientID).Replace(known.fix)
	}
}

// redirectRefusal shows what arrived beside what is registered, the first difference between them, and what to send instead.
func redirectRefusal(client *Client, got, _, description string) error {
	registered := client.RedirectURIs
	if client.Native {
		registered = atPort(registered, got)
	}
	b := addressRefusal(client, got, registered, "redirect_uri")
	b.diagnosis.Registered = client.RedirectURIs
	if got == "" {
		b.diagnosis.Description = description
	}
	return b
}

// atPort gives registered loopback addresses the port that arrived: for a native client it is no difference (RFC 8252 §7.3).
func atPort(registered []string, got string) []string {
	g, err := url.Parse(got)
	if err != nil || g.Port() == "" {
		return registered
	}
	moved := slices.Clone(registered)
	for i, known := range moved {
		if k, err := url.Parse(known); err == nil && k.Scheme == "http" && loopbackHost(k.Hostname()) {
			k.Host = net.JoinHostPort(k.Hostname(), g.Port())
			moved[i] = k.String()
		}
	}
	return moved
}

// addressRefusal diagnoses an address of the parameter that is not one of those registered.
func addressRefusal(client *Client, got string, registered []string, parameter string) *badRequest {
	nearest, kind, difference := nearestAddress(got, registered)
	b := refuse("invalid_request", parameter+"."+kind, parameter+" is not one that the client registered: "+difference)
	d := &b.diagnosis
	d.Arrived, d.Registered, d.Difference = printable(got), registered, difference
	d.ClientID = client.ID
	d.Rule = "A " + parameter + " is compared with the registered ones character by character (RFC 9700 §2.1); only the port of a native client's loopback address may differ (RFC 8252 §7.3)."
	if parameter == "post_logout_redirect_uri" {
		d.Rule = "A post_logout_redirect_uri is compared with the registered ones character by character (OpenID Connect RP-Initiated Logout 1.0 §3)."
	}
	if nearest != "" {
		d.Fix = parameter + "=" + url.QueryEscape(nearest)
	}
	return b
}

// The ways in which an address differs, from the least difference to the greatest. Each has a page in docs/errors.
const (
	differsMissing  = "missing"
	differsSlash    = "slash"
	differsCase     = "case"
	differsEncoding = "encoding"
	differsFragment = "fragment"
	differsQuery    = "query"
	differsLoopback = "loopback"
	differsPort     = "port"
	differsScheme   = "scheme"
	differsPath     = "path"
	differsHost     = "host"
	differsUnknown  = "unknown"
)

var differences = []string{differsSlash, differsCase, differsEncoding, differsFragment, differsQuery, differsLoopback, differsPort, differsScheme, differsPath, differsHost, differsUnknown}

// nearestAddress finds the registered address that differs least, and says how.
func nearestAddress(got string, registered []string) (nearest, kind, difference string) {
	if got == "" {
		if len(registered) > 0 {
			nearest = registered[0]
		}
		return nearest, differsMissing, "nothing arrived"
	}
	kind, difference = differsUnknown, "nothing like it is registered"
	rank := len(differences)
	for _, known := range registered {
		k, d := compareAddresses(got, known)
		for i, one := range differences {
			if one == k && i < rank {
				rank, nearest, kind, difference = i, known, k, d
			}
		}
	}
	return nearest, kind, difference
}

// compareAddresses names the first difference between what arrived and one registered address.
func compareAddresses(got, known string) (kind, difference string) {
	g, err := url.Parse(got)
	k, err2 := url.Parse(known)
	if err != nil || err2 != nil || g.Host == "" {
		return differsUnknown, "it does not parse as an absolute URI"
	}
	switch {
	case strings.TrimSuffix(got, "/") == strings.TrimSuffix(known, "/"):
		return differsSlash, "a slash at the end: " + atEnd(got, known)
	case strings.EqualFold(got, known):
		return differsCase, "upper and lower case"
	case g.Path == k.Path && g.EscapedPath() != k.EscapedPath() && sameOrigin(g, k):
		return differsEncoding, "percent-encoding: " + printable(g.EscapedPath()) + " is not written as " + k.EscapedPath()
	case sameOrigin(g, k) && g.Path == k.Path && strings.Contains(got, "#"):
		return differsFragment, "a fragment arrived, and none may (RFC 6749 §3.1.2)"
	case sameOrigin(g, k) && g.Path == k.Path:
		return differsQuery, "the query: ?" + printable(g.RawQuery) + " is not ?" + k.RawQuery
	case sameOrigin(g, k):
		return differsPath, "the path: " + printable(g.EscapedPath()) + " is not " + k.EscapedPath()
	}
	return compareOrigins(g, k)
}

func compareOrigins(g, k *url.URL) (kind, difference string) {
	switch {
	case g.Path != k.Path || g.User != nil:
		return differsHost, "the whole address: " + printable(origin(g)) + " is not " + origin(k)
	case g.Scheme == k.Scheme && g.Hostname() == k.Hostname():
		return differsPort, "the port: " + orDefault(g) + " is not " + orDefault(k)
	case g.Host == k.Host:
		return differsScheme, "the scheme: " + g.Scheme + " is not " + k.Scheme
	case loopbackHost(g.Hostname()) && loopbackHost(k.Hostname()) && g.Port() == k.Port() && g.Scheme == k.Scheme:
		return differsLoopback, "the loopback name: " + g.Hostname() + " is not " + k.Hostname()
	}
	return differsHost, "the host: " + printable(origin(g)) + " is not " + origin(k)
}

func sameOrigin(g, k *url.URL) bool { return g.Scheme == k.Scheme && g.Host == k.Host && g.User == nil }

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

func orDefault(u *url.URL) string {
	_, port, _ := net.SplitHostPort(hostPort(u))
	if port == "" {
		return "none"
	}
	return port
}

func atEnd(got, known string) string {
	if len(got) > len(known) {
		return "one arrived, none is registered"
	}
	return "one is registered, none arrived"
}
