package keys_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/vhod-id/vhod/keys"
)

func sealerOf(t *testing.T, master, index string) *keys.Sealer {
	t.Helper()
	s, err := keys.NewSealer([]keys.MasterKey{{ID: "m", Key: keys.NewSecret(strings.Repeat(master, 32))}}, keys.NewSecret(strings.Repeat(index, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPushServicesKnowUsByOneKeyThatStays(t *testing.T) {
	key := sealerOf(t, "a", "i").VAPID()
	if after := sealerOf(t, "b", "i").VAPID(); after.Public() != key.Public() {
		t.Error("another master key is another key: every subscription is lost")
	}
	if other := sealerOf(t, "a", "j").VAPID(); other.Public() == key.Public() {
		t.Error("two providers have one key")
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	header, err := key.Authorization(t.Context(), "https://push.example", "https://id.example.ru", now)
	if err != nil {
		t.Fatal(err)
	}
	token, public, ok := strings.Cut(strings.TrimPrefix(header, "vapid t="), ", k=")
	if !ok || public != key.Public() {
		t.Fatalf("the header is %q", header)
	}
	point, err := base64.RawURLEncoding.DecodeString(public)
	if err != nil {
		t.Fatal(err)
	}
	verify, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := parsed.Claims(verify, &claims); err != nil {
		t.Fatal(err)
	}
	if !claims.Audience.Contains("https://push.example") || claims.Subject != "https://id.example.ru" || claims.Expiry.Time().Sub(now) > 24*time.Hour || !claims.Expiry.Time().After(now) {
		t.Errorf("the claims are %+v", claims)
	}
}
