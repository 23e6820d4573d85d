package op

import (
	"slices"
	"strings"

	"github.com/vhod-id/vhod/account"
)

const acrPrefix = "urn:vhod:acr:"

// String is the value in the protocol: urn:vhod:acr:<level>:<strength>.
func (a ACR) String() string { return acrPrefix + a.Level.String() + ":" + a.Strength.String() }

// ParseACR reads a value; the strength may be left out and is 1fa then.
func ParseACR(s string) (ACR, bool) {
	rest, ok := strings.CutPrefix(s, acrPrefix)
	if !ok {
		return ACR{}, false
	}
	level, strength, has := strings.Cut(rest, ":")
	if !has {
		strength = account.OneFactor.String()
	}
	l, err1 := account.ParseLevel(level)
	st, err2 := account.ParseStrength(strength)
	return ACR{l, st}, err1 == nil && err2 == nil
}

// Meets reports whether this value is at least as high as another on both axes.
func (a ACR) Meets(asked ACR) bool { return a.Level >= asked.Level && a.Strength >= asked.Strength }

// allACR lists the nine values, lowest first.
func allACR() []string {
	var all []string
	for l := account.Simplified; l <= account.Verified; l++ {
		for s := account.OneFactor; s <= account.PhishingResistant; s++ {
			all = append(all, ACR{l, s}.String())
		}
	}
	return all
}

// Met reports whether the authentication meets what the request asks: one of the acr values, a fresh
// enough sign-in (max_age), one made for this request (prompt=login), the person of the hint,
// and what a signature needs.
func (p *Provider) Met(req *AuthRequest, auth Authentication) bool {
	if !signable(req, auth) {
		return false
	}
	if len(req.ACR) > 0 && !slices.ContainsFunc(req.ACR, ACR{auth.Level, auth.Strength}.Meets) {
		return false
	}
	// Who proved themselves for this very request is young enough, however long they read the consent page.
	if req.MaxAge != nil && auth.Time.Before(req.CreatedAt) && p.now().Sub(auth.Time) > *req.MaxAge {
		return false
	}
	if slices.Contains(req.Prompt, "login") && auth.Time.Before(req.CreatedAt) {
		return false
	}
	if req.HintSubject != "" {
		client := p.clients.view.Load().byID[req.ClientID]
		return client != nil && p.subject(client, auth.AccountID) == req.HintSubject
	}
	return true
}
