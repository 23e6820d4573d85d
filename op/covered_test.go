package op_test

import (
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

func TestP37AnOldConsentCoversNoMoreThanItSaid(t *testing.T) {
	h := newRig(t)
	granted := func(id string) *account.Account {
		a := *h.person
		a.Grants = []account.Grant{{ClientID: id, Scopes: []string{"openid", "email"}, Claims: []string{"gender"}}}
		return &a
	}
	for _, row := range []struct {
		what    string
		client  string
		change  func(c *op.Client, r *op.AuthRequest)
		covered bool
	}{
		{"the same", "web", func(*op.Client, *op.AuthRequest) {}, true},
		{"less", "web", func(_ *op.Client, r *op.AuthRequest) { r.Scopes = []string{"openid"} }, true},
		{"one scope more", "web", func(_ *op.Client, r *op.AuthRequest) { r.Scopes = append(r.Scopes, "phone") }, false},
		{"a claim that was asked by name before", "web", func(_ *op.Client, r *op.AuthRequest) {
			r.Claims = &op.ClaimsRequest{UserInfo: map[string]op.ClaimRequest{"gender": {}}}
		}, true},
		{"a claim more", "web", func(_ *op.Client, r *op.AuthRequest) {
			r.Claims = &op.ClaimsRequest{IDToken: map[string]op.ClaimRequest{"snils": {}}}
		}, false},
		{"prompt=consent", "web", func(_ *op.Client, r *op.AuthRequest) { r.Prompt = []string{"consent"} }, false},
		{"another service's consent", "web", func(c *op.Client, _ *op.AuthRequest) { c.ID = "other" }, false},
		{"a page in a browser", "spa", func(*op.Client, *op.AuthRequest) {}, true},
		{"a native program on loopback", "native", func(*op.Client, *op.AuthRequest) {}, false},
		{"a native program by a scheme of its own", "native", func(_ *op.Client, r *op.AuthRequest) { r.RedirectURI = "ru.example.app:/cb" }, false},
		{"a native program by an https address of its own", "native", func(_ *op.Client, r *op.AuthRequest) { r.RedirectURI = "https://app.example/cb" }, true},
		{"a trusted service", "web", func(c *op.Client, r *op.AuthRequest) { c.ID, c.TrustedConsent = "first-party", true }, true},
		{"a trusted program without a credential", "spa", func(c *op.Client, r *op.AuthRequest) { c.ID, c.TrustedConsent = "first-party", true }, false},
	} {
		client := clientOf(row.client)
		req := &op.AuthRequest{ClientID: client.ID, RedirectURI: client.RedirectURIs[0], Scopes: []string{"openid", "email"}}
		row.change(&client, req)
		if got := h.provider.Covered(&client, req, granted(row.client)); got != row.covered {
			t.Errorf("%s: covered is %v", row.what, got)
		}
	}
}
