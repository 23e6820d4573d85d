package op_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/vhod-id/vhod/op"
)

// federation signs software statements.
type federation struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newFederation(t *testing.T) *federation {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return &federation{t, key}
}

func (f *federation) jwks() []byte {
	f.t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &f.key.PublicKey, KeyID: "f-1", Algorithm: "ES256", Use: "sig"}}})
	must(f.t, err)
	return text
}

func (f *federation) statement(claims map[string]any) string {
	f.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: f.key, KeyID: "f-1"}}, nil)
	must(f.t, err)
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	must(f.t, err)
	return token
}

func approving(t *testing.T, f *federation) *house {
	t.Helper()
	return newHouseWith(t, func(c *op.Config) {
		c.Registration, c.Outbound = initialTokens, neighbours
		c.SoftwareIssuers = []op.SoftwareIssuer{{Issuer: "https://federation.example", JWKS: f.jwks()}}
	})
}

func TestSoftwareStatementWinsOverWhatTheClientSays(t *testing.T) {
	f := newFederation(t)
	h := approving(t, f)
	statement := f.statement(map[string]any{
		"iss": "https://federation.example", "software_id": "4NRB1", "client_name": "Signed", "redirect_uris": []string{"https://signed.example/cb"},
	})
	made := h.registration(http.MethodPost, "/register", "stand", map[string]any{
		"redirect_uris": []string{"https://evil.example/cb"}, "client_name": "Claimed", "scope": "openid", "software_statement": statement,
	})
	if made.status != http.StatusCreated {
		t.Fatalf("%d %v", made.status, made.body)
	}
	uris, _ := made.body["redirect_uris"].([]any)
	if made.text("client_name") != "Signed" || made.text("software_id") != "4NRB1" || len(uris) != 1 || uris[0] != "https://signed.example/cb" || made.text("scope") != "openid" {
		t.Errorf("registered as %v", made.body)
	}
	if made.text("software_statement") != statement { // RFC 7591 §3.2.1
		t.Error("the statement is not in the answer as it came")
	}
	if made.body["iss"] != nil {
		t.Error("a claim of the statement itself became metadata")
	}
}

func TestSoftwareStatementThatIsNotBelievedIsRefused(t *testing.T) {
	f, stranger := newFederation(t), newFederation(t)
	h := approving(t, f)
	good := map[string]any{"iss": "https://federation.example", "client_name": "Signed"}
	with := func(changes map[string]any) map[string]any {
		claims := maps.Clone(good)
		maps.Copy(claims, changes)
		return claims
	}
	parts := strings.Split(f.statement(good), ".")
	for name, row := range map[string]struct {
		statement any
		code      string
	}{
		"another issuer":          {f.statement(with(map[string]any{"iss": "https://other.example"})), "unapproved_software_statement"},
		"no issuer":               {f.statement(with(map[string]any{"iss": ""})), "unapproved_software_statement"},
		"another's key":           {stranger.statement(good), "invalid_software_statement"},
		"changed after signing":   {parts[0] + "." + strings.Split(f.statement(with(map[string]any{"client_name": "Other"})), ".")[1] + "." + parts[2], "invalid_software_statement"},
		"expired":                 {f.statement(with(map[string]any{"exp": h.clock.Now().Add(-time.Second).Unix()})), "invalid_software_statement"},
		"not yet":                 {f.statement(with(map[string]any{"nbf": h.clock.Now().Add(time.Hour).Unix()})), "invalid_software_statement"},
		"unsigned":                {"eyJhbGciOiJub25lIn0." + parts[1] + ".", "invalid_software_statement"},
		"no JWT":                  {"statement", "invalid_software_statement"},
		"no string":               {map[string]string{"iss": "https://federation.example"}, "invalid_software_statement"},
		"longer than it may be":   {strings.Repeat("a", 17<<10) + ".b.c", "invalid_software_statement"},
		"a claim of another type": {f.statement(with(map[string]any{"exp": "tomorrow"})), "invalid_software_statement"},
	} {
		got := h.registration(http.MethodPost, "/register", "stand", map[string]any{"redirect_uris": []string{"https://rp.example/cb"}, "software_statement": row.statement})
		if got.status != http.StatusBadRequest || got.text("error") != row.code {
			t.Errorf("%s: %d %v", name, got.status, got.body)
		}
	}
}
