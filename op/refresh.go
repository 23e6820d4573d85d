package op

import (
	"context"
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

// refreshGrace is how long after a rotation the token before it is answered again, where both are bound to the key that the client shows: the
// answer may have been lost on its way. It gives the same successor, so there is never a second line.
const refreshGrace = 10 * time.Second

// newRefreshToken makes the first refresh token of a family.
func (p *Provider) newRefreshToken(client *Client, family string, generation int64) string {
	return p.refreshToken(client, keys.NewToken(keys.PrefixRefreshToken), family, generation)
}

// refreshToken writes TOKEN.FAMILY.GENERATION.MAC: TOKEN has the prefix and checksum that scanners know and 256 bits that nobody can guess;
// the MAC, over the client too, tells a token that was issued to this client from one that was made up or stolen by
// another, so that only a real replay ends a family.
func (p *Provider) refreshToken(client *Client, token, family string, generation int64) string {
	body := token + "." + family + "." + strconv.FormatInt(generation, 10)
	return body + "." + p.refreshMAC(client, body)
}

// refreshTokenAfter makes the token that replaces another. Where tokens are bound to a key it follows from the one before.
func (p *Provider) refreshTokenAfter(client *Client, f *Family, token string, generation int64) string {
	if f.JKT == "" {
		return p.newRefreshToken(client, f.ID, generation+1)
	}
	return p.refreshToken(client, p.cfg.Sealer.TokenAfter(keys.PrefixRefreshToken, token), f.ID, generation+1)
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
// ends its family, but for what refreshGrace says. It writes once; where one statement
// cannot judge (renew) it reads the family with its account before. A token that is bound to a key comes with a proof of that key,
// also from a client that could prove itself otherwise: RFC 9449 §5 would let a confidential one change its key, and then a thief of its
// secret could as well.
func (p *Provider) refresh(r *http.Request, client *Client, form url.Values, jkt string) (*tokenResponse, error) {
	ctx := r.Context()
	token := form.Get("refresh_token")
	id, generation, ok := p.readRefreshToken(client, token)
	if !ok {
		return nil, fault("invalid_grant", "[refresh.unknown] the refresh token is not one of ours")
	}
	if client.mayRotate() && jkt == "" && !form.Has("scope") && !form.Has("resource") {
		if response, err := p.renew(ctx, client, held{token: token, generation: generation}, id); !errors.Is(err, account.ErrConflict) {
			return response, err
		}
	}
	family, a, err := p.cfg.Families.Family(ctx, id)
	if errors.Is(err, account.ErrNotFound) {
		return nil, fault("invalid_grant", "[refresh.ended] the grant is over")
	}
	if err != nil {
		return nil, fmt.Errorf("reading a grant: %w", err)
	}
	now := p.now()
	used := family.RefreshHash != keys.Hash(token)
	switch {
	case family.ClientID != client.ID:
		return nil, fault("invalid_grant", "[refresh.foreign] the refresh token was issued to another client")
	case !family.EndedAt.IsZero() || !now.Before(family.ExpiresAt):
		return nil, fault("invalid_grant", "[refresh.ended] the grant is over")
	case family.JKT != jkt && !renewed(client, family.JKT, jkt):
		return nil, fault("invalid_grant", "[dpop.key] the refresh token is bound to another key")
	case used && !p.again(client, family, held{token, generation, jkt}):
		p.endReplayed(ctx, id, client.ID, client.DisplayName("ru"))
		return nil, fault("invalid_grant", "[refresh.replayed] the refresh token was used a second time; its grant is ended")
	case !standing(family, a, client):
		return nil, p.endFallen(ctx, id)
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
	next := p.refreshTokenAfter(client, family, token, generation)
	if !used {
		if err := p.rotate(ctx, client, family, next); err != nil {
			return nil, err
		}
	}
	p.currentLevel(family, a)
	response, err := p.mint(ctx, client, family, portion{scopes, resources})
	if err != nil {
		return nil, err
	}
	response.RefreshToken = next
	return response, nil
}

// renew is the usual refresh by one round trip: no key binds the token and the request asks for neither less nor a resource, so that
// nothing has to be known of the grant before its token is replaced. account.ErrConflict when it was not, for any reason.
func (p *Provider) renew(ctx context.Context, client *Client, h held, id string) (*tokenResponse, error) {
	next := p.newRefreshToken(client, id, h.generation+1)
	family, a, err := p.cfg.Families.Renew(ctx, Renewal{ID: id, ClientID: client.ID, Was: keys.Hash(h.token), Next: keys.Hash(next), At: p.now()})
	if err != nil {
		return nil, fmt.Errorf("renewing a refresh token: %w", err)
	}
	if !standing(family, a, client) { // the consent was withdrawn
		return nil, p.endFallen(ctx, id)
	}
	p.currentLevel(family, a)
	response, err := p.mint(ctx, client, family, portion{family.Scopes, family.Resources})
	if err != nil {
		return nil, err
	}
	response.RefreshToken = next
	return response, nil
}

// endFallen ends a grant whose account no longer stands behind it.
func (p *Provider) endFallen(ctx context.Context, id string) error {
	if _, err := p.cfg.Families.EndFamily(ctx, id, p.now()); err != nil {
		return fmt.Errorf("ending a grant: %w", err)
	}
	return fault("invalid_grant", "[grant.ended] the person signed out, withdrew the consent, or the account is closed")
}

// currentLevel brings the acr of a family up to the account's level of now: a raised or lost level shows at once. The
// strength stays what the session had.
func (p *Provider) currentLevel(f *Family, a *account.Account) {
	if acr, ok := ParseACR(f.ACR); ok {
		acr.Level = a.Level
		f.ACR = acr.String()
	}
}

// held is a refresh token as it comes, with the key that its client shows.
type held struct {
	token      string
	generation int64
	jkt        string
}

// again reports whether a used token is answered once more: it is the one before the live one, which was made a moment ago, and comes with the
// key that both are bound to.
func (p *Provider) again(client *Client, f *Family, h held) bool {
	return h.jkt != "" && h.jkt == f.JKT && p.now().Sub(f.RotatedAt) <= refreshGrace &&
		f.RefreshHash == keys.Hash(p.refreshTokenAfter(client, f, h.token, h.generation))
}

// rotate replaces the live token. Another request may have done so between our read and our write: with the same successor where tokens
// are bound to a key, and otherwise the token was used a second time.
func (p *Provider) rotate(ctx context.Context, client *Client, f *Family, next string) error {
	_, err := p.cfg.Families.Rotate(ctx, f.ID, f.RefreshHash, Rotation{Hash: keys.Hash(next), At: p.now(), ExpiresAt: f.ExpiresAt})
	if !errors.Is(err, account.ErrConflict) {
		if err != nil {
			return fmt.Errorf("rotating a refresh token: %w", err)
		}
		return nil
	}
	live, _, err := p.cfg.Families.Family(ctx, f.ID)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("reading a grant: %w", err)
	}
	if err == nil && live.EndedAt.IsZero() && live.JKT != "" && live.RefreshHash == keys.Hash(next) {
		return nil
	}
	p.endReplayed(ctx, f.ID, client.ID, client.DisplayName("ru"))
	return fault("invalid_grant", "[refresh.replayed] the refresh token was used a second time; its grant is ended")
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
