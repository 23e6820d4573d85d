package op

import (
	"errors"
	"slices"

	"github.com/vhod-id/vhod/keys"
)

// What a client of the profile fapi2 lives under beside the rules for all (FAPI 2.0 Security Profile). That its assertions name the issuer
// alone and are not signed by RS256 stands in assertion.go, that a nonce is asked for in dpop.go.

// mustPush reports whether a client's requests come by /par alone (FAPI 2.0 §5.3.2.2).
func (c *Client) mustPush() bool { return c.RequirePAR || c.Profile == ProfileFAPI2 }

// mustBind reports whether a client's tokens are issued bound to a key alone (FAPI 2.0 §5.3.2.1).
func (c *Client) mustBind() bool { return c.RequireDPoP || c.Profile == ProfileFAPI2 }

// mayRotate reports whether a refresh token is replaced at each use. Under FAPI 2.0 it is not (§5.3.2.1): the client proves itself and
// its key each time, so rotation would protect nothing, and a lost answer would cost the person a sign-in.
func (c *Client) mayRotate() bool { return c.Profile != ProfileFAPI2 }

// idTokenAlg is what a client's ID tokens and logout tokens are signed by: as registered, else RS256 (OpenID Connect Registration §2), which FAPI 2.0 §5.4.1
// forbids; PS256 needs the same key.
func (c *Client) idTokenAlg() keys.Algorithm { return c.signedBy(c.IDTokenAlg) }

// signedBy is the algorithm of what is signed for a client: the one that it registered for this, else the default.
func (c *Client) signedBy(registered string) keys.Algorithm {
	switch {
	case registered != "":
		return keys.Algorithm(registered)
	case c.Profile == ProfileFAPI2:
		return keys.PS256
	}
	return keys.RS256
}

// checkFAPI says what is wrong with a registration under the profile.
func (c *Client) checkFAPI() (problems []error) {
	if c.Profile != ProfileFAPI2 {
		return nil
	}
	if slices.ContainsFunc(c.Auth, func(method string) bool { return slices.Contains([]string{AuthNone, AuthBasic, AuthPost}, method) }) {
		problems = append(problems, errors.New("auth: the profile fapi2 has neither secrets nor public clients: use private_key_jwt or a certificate (FAPI 2.0 §5.3.2.1)"))
	}
	return problems
}
