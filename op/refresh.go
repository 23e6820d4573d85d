package op

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// refreshLife is the absolute life of a refresh token's family (ASVS 10.4.8).
const refreshLife = 30 * 24 * time.Hour

// newRefreshToken makes TOKEN.FAMILY.GENERATION.MAC: TOKEN has the prefix and checksum that scanners know and 256 random
// bits; the MAC, over the client too, tells a token that was issued to this client from one that was made up or stolen by
// another, so that only a real replay ends a family.
func (p *Provider) newRefreshToken(client *Client, family string, generation int64) string {
	body := keys.NewToken(keys.PrefixRefreshToken) + "." + family + "." + strconv.FormatInt(generation, 10)
	return body + "." + p.refreshMAC(client, body)
}

func (p *Provider) refreshMAC(client *Client, body string) string {
	return p.cfg.Sealer.Index("refresh/"+client.ID, body)[:22]
}

// readRefreshToken returns the family of a token that we issued to this client.
func (p *Provider) readRefreshToken(client *Client, token string) (family string, generation int64, ok bool) {
	cut := strings.LastIndexByte(token, '.')
	if cut < 0 || len(token) > 200 || !keys.NewSecret(p.refreshMAC(client, token[:cut])).Equal(token[cut+1:]) {
		return "", 0, false
	}
	parts := strings.Split(token[:cut], ".")
	if len(parts) != 3 {
		return "", 0, false
	}
	generation, err := strconv.ParseInt(parts[2], 10, 64)
	return parts[1], generation, err == nil
}

// refresh is the refresh grant with rotation (RFC 6749 §6, RFC 9700 §4.14): each token once; a used one that comes again
// ends its family. It reads the family with its account, and writes once. A token that is bound to a key comes with a proof of that key,
// also from a client that could prove itself otherwise: RFC 9449 §5 would let a confidential one change its key, and then a thief of its
// secret could as well.
func (p *Provider) refresh(r *http.Request, client *Client, form url.Values, jkt string) (*tokenResponse, error) {
	ctx := r.Context()
	token := form.Get("refresh_token")
	id, generation, ok := p.readRefreshToken(client, token)
	if !ok {
		return nil, fault("invalid_grant", "[refresh.unknown] the refresh token is not one of ours")
	}
	family, a, err := p.cfg.Families.Family(ctx, id)
	if errors.Is(err, account.ErrNotFound) {
		return nil, fault("invalid_grant", "[refresh.ended] the grant is over")
	}
	if err != nil {
		return nil, fmt.Errorf("reading a grant: %w", err)
	}
	now := p.now()
	switch {
	case family.ClientID != client.ID:
		return nil, fault("invalid_grant", "[refresh.foreign] the refresh token was issued to another client")
	case !family.EndedAt.IsZero() || !now.Before(family.ExpiresAt):
		return nil, fault("invalid_grant", "[refresh.ended] the grant is over")
	case family.JKT != jkt && !renewed(client, family.JKT, jkt):
		return nil, fault("invalid_grant", "[dpop.key] the refresh token is bound to another key")
	case family.RefreshHash != keys.Hash(token):
		return p.replayedRefresh(r, client, family, generation, jkt)
	case !standing(family, a, client):
		if _, err := p.cfg.Families.EndFamily(ctx, id, now); err != nil {
			return nil, fmt.Errorf("ending a grant: %w", err)
		}
		return nil, fault("invalid_grant", "[grant.ended] the person signed out, withdrew the consent, or the account is closed")
	}
	family.JKT = jkt
	scopes, err := narrowed(family.Scopes, form.Get("scope"))
	if err != nil {
		return nil, err
	}
	resources, err := target(client, family.Resources, form)
	if err != nil {
		return nil, err
	}
	if !client.mayRotate() {
		p.currentLevel(family, a)
		return p.mint(ctx, client, family, portion{scopes, resources})
	}
	next := p.newRefreshToken(client, id, generation+1)
	rotation := Rotation{Hash: keys.Hash(next), At: now, ExpiresAt: family.ExpiresAt}
	if _, err := p.cfg.Families.Rotate(ctx, id, family.RefreshHash, rotation); err != nil {
		if errors.Is(err, account.ErrConflict) { // another request used the token between our read and our write
			p.endReplayed(ctx, id, client.ID, client.DisplayName("ru"))
			return nil, fault("invalid_grant", "[refresh.replayed] the refresh token was used a second time; its grant is ended")
		}
		return nil, fmt.Errorf("rotating a refresh token: %w", err)
	}
	p.currentLevel(family, a)
	response, err := p.mint(ctx, client, family, portion{scopes, resources})
	if err != nil {
		return nil, err
	}
	response.RefreshToken = next
	return response, nil
}

// currentLevel brings the acr of a family up to the account's level of now: a raised or lost level shows at once. The
// strength stays what the session had.
func (p *Provider) currentLevel(f *Family, a *account.Account) {
	if acr, ok := ParseACR(f.ACR); ok {
		acr.Level = a.Level
		f.ACR = acr.String()
	}
}

// replayedRefresh ends the family of a refresh token that was used before: one of two holders stole it.
func (p *Provider) replayedRefresh(r *http.Request, client *Client, f *Family, _ int64, _ string) (*tokenResponse, error) {
	p.endReplayed(r.Context(), f.ID, client.ID, client.DisplayName("ru"))
	return nil, fault("invalid_grant", "[refresh.replayed] the refresh token was used a second time; its grant is ended")
}

// narrowed returns the scopes of this one access token: fewer than the grant's, never more (RFC 6749 §6).
func narrowed(granted []string, asked string) ([]string, error) {
	if asked == "" {
		return granted, nil
	}
	var out []string
	for _, s := range strings.Fields(asked) {
		if !slices.Contains(granted, s) {
			return nil, fault("invalid_scope", "[scope.widened] the scope %s was not granted: a refresh only narrows", printable(s))
		}
		out = append(out, s)
	}
	return out, nil
}
