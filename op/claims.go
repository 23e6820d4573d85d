package op

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/account"
)

// claim is how one claim is made of an account: from which level on, and its value, nil when there is none.
type claim struct {
	name  string
	scope string // the scope that asks for it; empty: the claims parameter alone
	least account.Level
	value func(a *account.Account) any
	show  func(a *account.Account) string // for people; the value itself when nil and a string
}

// claimTable is every claim about a person that leaves (stand.md, "Levels and strengths"). What stands not here is
// not released, whoever asks.
var claimTable = []claim{
	{"name", "profile", account.Standard, func(a *account.Account) any { return text(fullName(a.Person)) }, nil},
	{"family_name", "profile", account.Standard, func(a *account.Account) any { return text(a.Person.FamilyName) }, nil},
	{"given_name", "profile", account.Standard, func(a *account.Account) any { return text(a.Person.GivenName) }, nil},
	{"middle_name", "profile", account.Standard, func(a *account.Account) any { return text(a.Person.MiddleName) }, nil},
	{"birthdate", "profile", account.Standard, func(a *account.Account) any { return text(a.Person.Birthdate.String()) }, nil},
	{"gender", "profile", account.Standard, func(a *account.Account) any { return text(string(a.Person.Gender)) }, nil},
	{"updated_at", "profile", account.Simplified, func(a *account.Account) any { return a.UpdatedAt.Unix() }, nil},
	{"phone_number", "phone", account.Simplified, func(a *account.Account) any { return text(a.Phone.Value) }, func(a *account.Account) string { return account.FormatPhone(a.Phone.Value) }},
	{"phone_number_verified", "phone", account.Simplified, func(a *account.Account) any { return flag(a.Phone) }, nil},
	{"email", "email", account.Simplified, func(a *account.Account) any { return text(a.Email.Value) }, nil},
	{"email_verified", "email", account.Simplified, func(a *account.Account) any { return flag(a.Email) }, nil},
	{"address", "address", account.Standard, addressClaim, func(a *account.Account) string { return a.Address.Formatted() }},
	{"snils", "snils", account.Standard, func(a *account.Account) any { return text(a.SNILS.Reveal()) }, func(a *account.Account) string { return a.SNILS.Formatted() }},
	{"inn", "inn", account.Standard, func(a *account.Account) any { return text(a.INN.Reveal()) }, nil},
	{"id_doc", "id_doc", account.Standard, passportClaim, func(a *account.Account) string { return strings.TrimSpace(a.Passport.Series + " " + a.Passport.Number) }},
	{"place_of_birth", "birthplace", account.Standard, birthplaceClaim, func(a *account.Account) string { return a.Person.Birthplace }},
	{"nationalities", "citizenship", account.Standard, func(*account.Account) any { return []string{"RU"} }, func(*account.Account) string { return "RU" }},
	{"account_level", "level", account.Simplified, func(a *account.Account) any { return a.Level.String() }, nil},
}

// claimsLocales are the languages that claims about people are in: that of their papers. There are no others, so claims_locales changes
// nothing, and a claim that is asked with a language tag is one that we have not (OpenID Connect Core §5.2).
var claimsLocales = []string{"ru"}

// silentClaims accompany others and are not shown on a line of their own.
var silentClaims = []string{"updated_at", "phone_number_verified", "email_verified"}

// knownScopes are the scopes that any client may be given.
var knownScopes = []string{"openid", "profile", "phone", "email", "address", "snils", "inn", "id_doc", "birthplace", "citizenship", "level", "usr_org", "offline_access"}

// personalScopes are those whose release needs the person's consent.
func personalScope(scope string) bool {
	return slices.ContainsFunc(claimTable, func(c claim) bool { return c.scope == scope })
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func flag(c account.Contact) any {
	if c.Value == "" {
		return nil
	}
	return !c.ConfirmedAt.IsZero()
}

func fullName(p account.Person) string {
	return strings.Join(slices.DeleteFunc([]string{p.FamilyName, p.GivenName, p.MiddleName}, func(s string) bool { return s == "" }), " ")
}

// addressClaim is OpenID Connect Core §5.1.1.
func addressClaim(a *account.Account) any {
	if a.Address == (account.Address{}) {
		return nil
	}
	street := strings.TrimSpace(a.Address.Street + " " + a.Address.House)
	if a.Address.Flat != "" {
		street += ", " + a.Address.Flat
	}
	out := map[string]string{"formatted": a.Address.Formatted(), "country": "RU"}
	for k, v := range map[string]string{"region": a.Address.Region, "locality": a.Address.City, "street_address": street, "postal_code": a.Address.Postcode} {
		if v != "" {
			out[k] = v
		}
	}
	return out
}

func passportClaim(a *account.Account) any {
	p := a.Passport
	if p.Number == "" {
		return nil
	}
	return map[string]string{"type": "passport", "series": p.Series, "number": p.Number, "issued_on": p.IssuedOn.String(),
		"issued_by": p.IssuedBy, "issuer_code": p.IssuerCode}
}

// birthplaceClaim is OpenID Connect for Identity Assurance §4.1.
func birthplaceClaim(a *account.Account) any {
	if a.Person.Birthplace == "" {
		return nil
	}
	return map[string]string{"locality": a.Person.Birthplace}
}

// released returns the claims of an account that scopes and the asked members allow at its level, by name. A claim asked
// with a value that differs is left out (OpenID Connect Core §5.5.1).
func released(a *account.Account, scopes []string, asked map[string]ClaimRequest) map[string]any {
	out := map[string]any{}
	for _, c := range claimTable {
		request, byClaim := asked[c.name]
		if a.Level < c.least || (!byClaim && !slices.Contains(scopes, c.scope)) {
			continue
		}
		if v := c.value(a); v != nil && (!byClaim || request.accepts(v)) {
			out[c.name] = v
		}
	}
	return out
}

// accepts reports whether a value is one that was asked for, when values were named.
func (r ClaimRequest) accepts(v any) bool {
	if len(r.Values) == 0 {
		return true
	}
	encoded, err := json.Marshal(v)
	return err == nil && slices.Contains(r.Values, string(encoded))
}

// wanted lists the claims that a request asks for by scope or by name, and whether each is essential.
func wanted(req *AuthRequest) map[string]bool {
	out := map[string]bool{}
	for _, c := range claimTable {
		if slices.Contains(req.Scopes, c.scope) {
			out[c.name] = false
		}
	}
	if req.Claims != nil {
		for _, members := range []map[string]ClaimRequest{req.Claims.UserInfo, req.Claims.IDToken} {
			for name, r := range members {
				out[name] = out[name] || r.Essential
			}
		}
	}
	return out
}

// Names are what a request asks for by name, beyond its scopes, sorted: what a consent to it keeps.
func (c *ClaimsRequest) Names() []string {
	if c == nil {
		return nil
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(c.UserInfo)), maps.Keys(c.IDToken))
	for _, r := range c.verified() {
		names = append(slices.AppendSeq(names, maps.Keys(r.Claims)), claimVerified)
		if _, asked := r.Verification["evidence"]; asked {
			names = append(names, claimEvidence)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Released lists what the client would learn of this person by this request, in the order of the table, and then how surely the
// identity was confirmed.
func (p *Provider) Released(_ context.Context, client *Client, req *AuthRequest, a *account.Account) ([]Released, error) {
	var out []Released
	grant := a.GrantFor(client.ID, req.Customer)
	asked, verified := wanted(req), vouch(req, a, p.now())
	for _, c := range claimTable {
		essential, plain := asked[c.name]
		essentially, checked := verified.asked[c.name]
		if !plain && !checked || slices.Contains(silentClaims, c.name) {
			continue
		}
		r := c.released(a)
		r.Essential = essential || essentially
		if checked {
			verified.judge(&r, plain)
		}
		r.Optional = !r.Essential && !r.Missing && slices.Contains(keepable, c.name)
		r.Withheld = r.Optional && slices.Contains(withheld(grant), c.name)
		r.Resolved = client.Pseudonymous && slices.Contains(numbers, c.name)
		out = append(out, r)
	}
	return append(out, verified.released()...), nil
}

// released is what a person sees of a claim of theirs.
func (c claim) released(a *account.Account) Released {
	r := Released{Claim: c.name}
	switch v := c.value(a); {
	case a.Level < c.least:
		r.Missing, r.Needs = true, c.least
	case v == nil:
		r.Missing = true
	case c.show != nil:
		r.Value = c.show(a)
	default:
		r.Value, _ = v.(string)
	}
	return r
}

// Covered reports whether the person's grants already cover the request: every scope that releases something and every
// claim asked by name. prompt=consent and what is to be signed are never covered, nor is a program that any other on the same machine
// may pretend to be.
func (p *Provider) Covered(client *Client, req *AuthRequest, a *account.Account) bool {
	if slices.Contains(req.Prompt, "consent") || len(req.Details) > 0 || client.anybodys(req.RedirectURI) {
		return false
	}
	if client.TrustedConsent && !client.public() {
		return true
	}
	grant := a.GrantFor(client.ID, req.Customer)
	if grant == nil || grant.Shown != "" && grant.Shown != client.Shown() { // it is another service than the one that they saw
		return false
	}
	for _, s := range req.Scopes {
		if !slices.Contains(grant.Scopes, s) {
			return false
		}
	}
	for _, name := range req.Claims.Names() {
		if !slices.Contains(grant.Claims, name) {
			return false
		}
	}
	return true
}

// anybodys reports whether another program could receive this client's answers and so pass for it: a native one without a credential whose
// redirect URI is no https address (RFC 8252 §8.6).
func (c *Client) anybodys(redirect string) bool {
	return c.Native && c.public() && !strings.HasPrefix(redirect, "https://")
}

// standing reports whether a family may still be used for its account now: signed out since, blocked, consent withdrawn.
func standing(f *Family, a *account.Account, client *Client) bool {
	if a == nil || a.Status != account.Active || a.SignedOut(f.SessionID, f.AuthTime) {
		return false
	}
	if client.TrustedConsent && !client.public() {
		return true
	}
	grant := a.GrantFor(client.ID, f.Customer)
	return grant != nil && !f.CreatedAt.Before(grant.Since)
}
