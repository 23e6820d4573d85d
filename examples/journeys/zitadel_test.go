package journeys_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/client/tokenexchange"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

const clinicClient = `clients:
  - id: clinic
    name: {ru: Поликлиника, en: Clinic}
    secret: clinic-secret
    auth: [client_secret_basic, client_secret_post]
    grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange", refresh_token]
    scopes: [openid, profile, email, offline_access]
    exchange_audience: [https://archive.example]
`

func TestTheRelyingPartyOfZitadelSignsADeviceInAndExchangesItsToken(t *testing.T) {
	clients := filepath.Join(t.TempDir(), "clients.yaml")
	write(t, clients, clinicClient)
	s := startStand(t, "-apply", clients)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	scopes := []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess}
	party, err := rp.NewRelyingPartyOIDC(ctx, s.url(0, ""), "clinic", "clinic-secret", "", scopes)
	if err != nil {
		t.Fatal(err)
	}
	device, err := rp.DeviceAuthorization(ctx, scopes, party, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := signInAs(t, s, s.registered("totp"), device.VerificationURIComplete, "device")
	c.press("continue")
	c.walk("device-confirm")
	c.press("allow")
	c.walk("device-done")
	tokens, err := rp.DeviceAccessToken(ctx, device.DeviceCode, time.Duration(device.Interval)*time.Second, party)
	if err != nil {
		t.Fatal(err)
	}
	id, err := rp.VerifyTokens[*oidc.IDTokenClaims](ctx, tokens.AccessToken, tokens.IDToken, party.IDTokenVerifier())
	if err != nil {
		t.Fatalf("the ID token: %v", err)
	}
	info, err := rp.Userinfo[*oidc.UserInfo](ctx, tokens.AccessToken, tokens.TokenType, id.Subject, party)
	if err != nil || info.FamilyName != c.p.FamilyName || info.Email != c.p.Email {
		t.Errorf("userinfo: %+v %v", info, err)
	}
	fresh, err := rp.RefreshTokens[*oidc.IDTokenClaims](ctx, party, tokens.RefreshToken, "", "")
	if err != nil || fresh.RefreshToken == tokens.RefreshToken {
		t.Fatalf("the refresh token was not rotated: %v", err)
	}

	exchanger, err := tokenexchange.NewTokenExchangerClientCredentials(ctx, s.url(0, ""), "clinic", "clinic-secret")
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(audience string) (*oidc.TokenExchangeResponse, error) {
		return tokenexchange.ExchangeToken(ctx, exchanger, fresh.AccessToken, oidc.AccessTokenType, "", "", nil, []string{audience}, []string{oidc.ScopeOpenID}, oidc.AccessTokenType)
	}
	delegated, err := exchange("https://archive.example")
	if err != nil || delegated.IssuedTokenType != oidc.AccessTokenType || delegated.AccessToken == fresh.AccessToken || delegated.RefreshToken != "" {
		t.Fatalf("the exchanged token: %+v %v", delegated, err)
	}
	if _, err := rp.Userinfo[*oidc.UserInfo](ctx, delegated.AccessToken, "Bearer", id.Subject, party); err == nil {
		t.Error("a token for the archive opens userinfo")
	}
	_, err = exchange("https://elsewhere.example")
	var refused *oidc.Error
	if !errors.As(err, &refused) || refused.ErrorType != "invalid_target" {
		t.Errorf("a target that is not registered: %v", err)
	}
	c.secrets = map[string]string{"device code": device.DeviceCode, "user code": device.UserCode, "access token": tokens.AccessToken,
		"refresh token": fresh.RefreshToken, "exchanged token": delegated.AccessToken}
}
