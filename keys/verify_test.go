package keys_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/keys"
)

func TestP26ThePublicKeyIsNoSecretToSignWith(t *testing.T) {
	store := &memory{}
	r := newRing(t, store, testSealer(t), newClock(), keys.RS256)
	body, _ := r.JWKS()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(set.Keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := set.Keys[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "JWK": jwk, "JWKS": body, "nothing": {},
	} {
		for _, alg := range []string{"HS256", "RS256"} {
			input := encode(fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":%q}`, alg, set.Keys[0].KeyID)) + "." + encode(`{"sub":"x"}`)
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			forged := input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
			if _, err := r.Verify(t.Context(), forged, "at+jwt"); !errors.Is(err, keys.ErrBadSignature) {
				t.Errorf("%s with %s: %v", alg, name, err)
			}
		}
	}
}

func TestP26AKeyThatTheTokenBringsIsNotBelieved(t *testing.T) {
	r := newRing(t, &memory{}, testSealer(t), newClock())
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, embed := range []bool{true, false} {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private, KeyID: "mine"}},
			(&jose.SignerOptions{EmbedJWK: embed}).WithType("at+jwt"))
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign([]byte(`{"sub":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		token, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Verify(t.Context(), token, "at+jwt"); !errors.Is(err, keys.ErrBadSignature) {
			t.Errorf("embedded %v: %v", embed, err)
		}
	}
	_ = public
}

func TestP26OnlyOneSignatureInTheCompactForm(t *testing.T) {
	r := newRing(t, &memory{}, testSealer(t), newClock())
	token, err := r.Sign(t.Context(), keys.ES256, "at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	p := strings.Split(token, ".")
	for name, other := range map[string]string{
		"flattened JSON":   fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2]),
		"general JSON":     fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2]),
		"two signatures":   fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q},{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2], p[0], p[2]),
		"detached payload": p[0] + ".." + p[2],
		"white space":      " " + token,
		"a line break":     p[0] + "." + p[1] + "." + p[2][:20] + "\n" + p[2][20:],
		"five parts":       token + ".a.b",
		"a null byte":      token + "\x00",
	} {
		if _, err := r.Verify(t.Context(), other, "at+jwt"); !errors.Is(err, keys.ErrBadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOversizedTokenIsRefusedBeforeAnythingIsDecoded(t *testing.T) {
	r := newRing(t, &memory{}, testSealer(t), newClock())
	huge := strings.Repeat("A", 1<<20) + "." + strings.Repeat("A", 1<<20) + ".A"
	if allocated := testing.AllocsPerRun(10, func() { _, _ = r.Verify(t.Context(), huge, "at+jwt") }); allocated > 8 {
		t.Errorf("%.0f allocations for a token that no one of ours can be", allocated)
	}
}

// slowStore lets a test hold one reading back while another overtakes it.
type slowStore struct {
	memory
	mu   sync.Mutex
	hold chan struct{} // readings wait for it when it is set
	seen chan struct{} // a reading that waits says so
}

func (s *slowStore) SigningKeys(ctx context.Context) ([]keys.StoredKey, error) {
	read, err := s.memory.SigningKeys(ctx)
	s.mu.Lock()
	hold := s.hold
	s.hold = nil
	s.mu.Unlock()
	if hold != nil {
		s.seen <- struct{}{}
		<-hold
	}
	return read, err
}

func TestAnOlderReadingNeverReplacesAYoungerOne(t *testing.T) {
	store, c := &slowStore{seen: make(chan struct{})}, newClock()
	r := newRing(t, store, testSealer(t), c, keys.ES256)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hold := make(chan struct{})
	store.mu.Lock()
	store.hold = hold
	store.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	<-store.seen // the ring has read the store, and has not shown what it read
	rotated := make(chan error, 1)
	go func() { rotated <- r.Rotate(ctx, keys.ES256) }()
	select {
	case err := <-rotated:
		t.Errorf("a rotation was shown while an older reading was on its way: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(hold)
	if err := <-rotated; err != nil {
		t.Fatal(err)
	}
	cancel()
	<-done
	body, _ := r.JWKS()
	stored, _ := store.SigningKeys(t.Context())
	if len(stored) != 2 || !strings.Contains(string(body), stored[1].ID) {
		t.Error("the fresh key is not in the JWKS")
	}
}

// module stands for a hardware module: it holds the private key, the store does not.
type module struct{ key ed25519.PrivateKey }

func (m module) Public() crypto.PublicKey { return m.key.Public() }

func (m module) Sign(_ context.Context, input []byte) ([]byte, error) {
	return ed25519.Sign(m.key, input), nil
}

func TestAKeyInAHardwareModuleSignsWithoutBeingStored(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	c := newClock()
	store := &memory{keys: []keys.StoredKey{{ID: "module-1", Algorithm: keys.EdDSA, Public: der, CreatedAt: c.Now(), ActiveFrom: c.Now()}}}
	open := func(hardware func(keys.StoredKey) (keys.Signer, error)) *keys.Ring {
		r, err := keys.NewRing(t.Context(), keys.RingConfig{Store: store, Sealer: testSealer(t), Now: c.Now, Algorithms: []keys.Algorithm{keys.EdDSA}, Hardware: hardware})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	with := open(func(keys.StoredKey) (keys.Signer, error) { return module{private}, nil })
	token, err := with.Sign(t.Context(), keys.EdDSA, "at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	without := open(nil) // a node without the module verifies and does not sign
	if _, err := without.Verify(t.Context(), token, "at+jwt"); err != nil {
		t.Errorf("a node without the module does not verify: %v", err)
	}
	if _, err := without.Sign(t.Context(), keys.EdDSA, "at+jwt", []byte(`{}`)); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("a node without the module signs: %v", err)
	}
}

func TestScannersFindATokenByItsPattern(t *testing.T) {
	pattern := regexp.MustCompile(`\bvh(cs|rt|ac|ak|rg)_[0-9A-Za-z]{49}\b`)
	for _, prefix := range []string{keys.PrefixClientSecret, keys.PrefixRefreshToken, keys.PrefixActivationCode, keys.PrefixAPIKey, keys.PrefixRegistration} {
		token := keys.NewToken(prefix)
		if found := pattern.FindString(`secret: "` + token + `" # in a file`); found != token {
			t.Errorf("%s: found %q", prefix, found)
		}
	}
}

func TestASealerPrintsNothingOfItsKeys(t *testing.T) {
	index := keys.NewMasterKey()
	s, err := keys.NewSealer([]keys.MasterKey{{ID: "a", Key: keys.NewMasterKey()}}, index)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		if got := fmt.Sprintf(verb, s); got != "•••" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func FuzzVerify(f *testing.F) {
	r := newRing(f, &memory{}, testSealer(f), newClock())
	token, err := r.Sign(f.Context(), keys.ES256, "at+jwt", []byte(`{"sub":"x"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("..")
	f.Add(encode(`{"alg":"none","typ":"at+jwt"}`) + "." + encode(`{}`) + ".")
	f.Fuzz(func(t *testing.T, candidate string) {
		payload, err := r.Verify(context.Background(), candidate, "at+jwt")
		if candidate == token {
			return
		}
		if err == nil {
			t.Errorf("%q verifies and says %s", candidate, payload)
		}
		if err != nil && !errors.Is(err, keys.ErrBadSignature) {
			t.Errorf("another error: %v", err)
		}
	})
}

func FuzzCheckToken(f *testing.F) {
	good := keys.NewToken(keys.PrefixAPIKey)
	f.Add(good)
	f.Add("vhak_")
	f.Add(strings.Repeat("é", 27))
	f.Fuzz(func(t *testing.T, s string) {
		if keys.CheckToken(keys.PrefixAPIKey, s) && (len(s) != len(good) || !strings.HasPrefix(s, "vhak_")) {
			t.Errorf("%q has not the form of a token", s)
		}
	})
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
