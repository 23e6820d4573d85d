package op

import (
	"encoding/json"
	"net/url"
	"slices"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// keepable are the claims that a person may keep back from a service that can do without them. What follows from them (a
// full name, whether a phone is confirmed) goes with them.
var keepable = []string{
	"family_name", "given_name", "middle_name", "birthdate", "gender", "phone_number", "email", "address", "snils", "inn", "id_doc", "place_of_birth",
}

// numbers are what a pseudonymous client never learns.
var numbers = []string{"snils", "inn", "id_doc"}

// kept are the claims that a client does not get of this person: those that they keep back, and what it may never learn.
func kept(client *Client, g *account.Grant) []string {
	if client.Pseudonymous {
		return append(slices.Clone(withheld(g)), numbers...)
	}
	return withheld(g)
}

func withheld(g *account.Grant) []string {
	if g == nil {
		return nil
	}
	return g.Withheld
}

// veil returns the account without the values of some claims, as if the person had never said them.
func veil(a *account.Account, claims []string) *account.Account {
	if len(claims) == 0 {
		return a
	}
	seen := *a
	for _, name := range claims {
		switch name {
		case "family_name":
			seen.Person.FamilyName = ""
		case "given_name":
			seen.Person.GivenName = ""
		case "middle_name":
			seen.Person.MiddleName = ""
		case "birthdate":
			seen.Person.Birthdate = account.Date{}
		case "gender":
			seen.Person.Gender = ""
		case "phone_number":
			seen.Phone = account.Contact{}
		case "email":
			seen.Email = account.Contact{}
		case "address":
			seen.Address = account.Address{}
		case "snils":
			seen.SNILS = account.SNILS{}
		case "inn":
			seen.INN = account.INN{}
		case "id_doc":
			seen.Passport = account.Passport{}
		case "place_of_birth":
			seen.Person.Birthplace = ""
		}
	}
	return &seen
}

// Refused is the error_description of a refusal by the person: an answer, and no fault (RFC 6749 §4.1.2.1).
const Refused = "[consent.denied] the person refused"

// grantOf is the consent that a family stands on, or nil for a client that needs none.
func grantOf(f *Family, a *account.Account) *account.Grant { return a.GrantFor(f.ClientID, f.Customer) }

// Why an essential claim is not in an answer.
const (
	unavailableWithheld = "withheld" // the person keeps it back
	unavailableLevel    = "level"    // it is released from a higher level on
	unavailableMissing  = "missing"  // it is not held
	unavailableClient   = "client"   // this client never learns it
	unavailableValue    = "value"    // it is held, and is not what was asked for
)

// unavailable says of each essential claim that is not in an answer why it cannot be had: an answer of its own, and no
// error (OpenID Connect Core §5.5.1). The member claims_unavailable is ours.
func unavailable(a *account.Account, client *Client, g *account.Grant, asked map[string]ClaimRequest, given map[string]any) map[string]string {
	var out map[string]string
	for _, c := range claimTable {
		if r, ok := asked[c.name]; !ok || !r.Essential || given[c.name] != nil {
			continue
		}
		why := unavailableMissing
		switch {
		case client.Pseudonymous && slices.Contains(numbers, c.name):
			why = unavailableClient
		case slices.Contains(withheld(g), c.name):
			why = unavailableWithheld
		case a.Level < c.least:
			why = unavailableLevel
		case c.value(a) != nil:
			why = unavailableValue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[c.name] = why
	}
	return out
}

// Shown names what a person sees of the client when they consent: its names, its purpose, its documents and the hosts that
// answers go to. A consent given to something else is asked for anew.
func (c *Client) Shown() string {
	hosts := []string{}
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err == nil {
			hosts = append(hosts, u.Scheme+"://"+u.Host)
		}
	}
	slices.Sort(hosts)
	text, err := json.Marshal([]any{c.Name, c.Purpose, c.PolicyURI, c.TermsURI, slices.Compact(hosts)})
	if err != nil { // strings always encode
		panic(err)
	}
	return keys.Hash(string(text))
}
