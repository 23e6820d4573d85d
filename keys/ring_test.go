package keys_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/keys"
)

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// memory is a store of signing keys for one test: the real ones have their own contract.
type memory struct {
	mu   sync.Mutex
	keys []keys.StoredKey
}

func (m *memory) SigningKeys(context.Context) ([]keys.StoredKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.keys), nil
}

func (m *memory) UpdateSigningKeys(_ context.Context, change func([]keys.StoredKey) ([]keys.StoredKey, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed, err := change(slices.Clone(m.keys))
	if err == nil {
		m.keys = changed
	}
	return err
}

func testSealer(t testing.TB) *keys.Sealer {
	t.Helper()
	s, err := keys.NewSealer([]keys.MasterKey{{ID: "a", Key: keys.NewMasterKey()}}, keys.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newRing opens a ring of the fast algorithms, so that a test does not wait for RSA keys.
func newRing(t testing.TB, store keys.Store, sealer *keys.Sealer, c *clock, algs ...keys.Algorithm) *keys.Ring {
	t.Helper()
	if len(algs) == 0 {
		algs = []keys.Algorithm{keys.ES256, keys.EdDSA}
	}
	r, err := keys.NewRing(t.Context(), keys.RingConfig{Store: store, Sealer: sealer, Now: c.Now, Algorithms: algs, Refresh: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func TestEveryAlgorithmSignsWhatAnotherLibraryVerifies(t *testing.T) {
	c := newClock()
	r := newRing(t, &memory{}, testSealer(t), c, keys.RS256, keys.PS256, keys.ES256, keys.EdDSA)
	body, _ := r.JWKS()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(body), `"d"`) {
		t.Fatal("the JWKS has a private part")
	}
	for _, alg := range []keys.Algorithm{keys.RS256, keys.PS256, keys.ES256, keys.EdDSA} {
		token, err := r.Sign(t.Context(), alg, "at+jwt", []byte(`{"sub":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if _, err := jws.Verify(set); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		if payload, err := r.Verify(t.Context(), token, "at+jwt"); err != nil || string(payload) != `{"sub":"x"}` {
			t.Errorf("%s: our own verification: %q %v", alg, payload, err)
		}
	}
}

func TestVerifyRefusesEveryConfusion(t *testing.T) {
	r := newRing(t, &memory{}, testSealer(t), newClock())
	token, err := r.Sign(t.Context(), keys.ES256, "at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	head := func(change func(map[string]any)) string {
		raw, _ := base64.RawURLEncoding.DecodeString(parts[0])
		h := map[string]any{}
		_ = json.Unmarshal(raw, &h)
		change(h)
		out, _ := json.Marshal(h)
		return base64.RawURLEncoding.EncodeToString(out)
	}
	with := func(change func(map[string]any)) string { return head(change) + "." + parts[1] + "." + parts[2] }
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	for name, forged := range map[string]string{
		"alg none":           with(func(h map[string]any) { h["alg"] = "none" }),
		"alg none, no sig":   head(func(h map[string]any) { h["alg"] = "none" }) + "." + parts[1] + ".",
		"alg None":           with(func(h map[string]any) { h["alg"] = "NoNe" }),
		"HS256":              with(func(h map[string]any) { h["alg"] = "HS256" }),
		"another alg":        with(func(h map[string]any) { h["alg"] = "EdDSA" }),
		"crit":               with(func(h map[string]any) { h["crit"] = []string{"x"} }),
		"embedded jwk":       with(func(h map[string]any) { h["jwk"] = map[string]string{} }),
		"jku":                with(func(h map[string]any) { h["jku"] = "https://evil.example" }),
		"kid with a path":    with(func(h map[string]any) { h["kid"] = "../../etc/passwd" }),
		"zip":                with(func(h map[string]any) { h["zip"] = "DEF" }),
		"another typ":        with(func(h map[string]any) { h["typ"] = "JWT" }),
		"psychic signature":  parts[0] + "." + parts[1] + "." + zero,
		"another payload":    parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"a"}`)) + "." + parts[2],
		"four parts":         token + "." + parts[2],
		"two parts":          parts[0] + "." + parts[1],
		"JSON serialisation": `{"payload":"","signatures":[]}`,
		"a megabyte":         token + strings.Repeat("A", 1<<20),
		"padding":            token + "=",
		"empty":              "",
	} {
		if _, err := r.Verify(t.Context(), forged, "at+jwt"); !errors.Is(err, keys.ErrBadSignature) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNoVerificationFailsThroughRotationsOnTwoNodes(t *testing.T) {
	store, sealer, c := &memory{}, testSealer(t), newClock()
	a, b := newRing(t, store, sealer, c), newRing(t, store, sealer, c)
	const life = 24 * time.Hour
	type issued struct {
		token string
		until time.Time
	}
	var live []issued
	for step := range 400 {
		token, err := a.Sign(t.Context(), keys.ES256, "at+jwt", []byte(`{}`))
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		live = append(live, issued{token, c.Now().Add(life)})
		live = slices.DeleteFunc(live, func(i issued) bool { return c.Now().After(i.until) })
		for _, i := range live {
			if _, err := b.Verify(t.Context(), i.token, "at+jwt"); err != nil {
				t.Fatalf("step %d: a live token is refused by the other node: %v", step, err)
			}
		}
		c.advance(11 * time.Hour)
		if step%4 == 0 { // a node looks at the store, as its Run does
			ctx, cancel := context.WithTimeout(t.Context(), 25*time.Millisecond)
			_ = a.Run(ctx)
			cancel()
		}
	}
}

func TestTheNextKeyIsPublishedBeforeItSigns(t *testing.T) {
	store, c := &memory{}, newClock()
	r := newRing(t, store, testSealer(t), c, keys.ES256)
	before, _ := store.SigningKeys(t.Context())
	c.advance(90*24*time.Hour - 12*time.Hour)
	run(t, r)
	after, _ := store.SigningKeys(t.Context())
	if len(after) != 2 {
		t.Fatalf("%d keys half a day before the end of the first, want 2", len(after))
	}
	body, _ := r.JWKS()
	if !strings.Contains(string(body), after[1].ID) || !strings.Contains(string(body), before[0].ID) {
		t.Error("the JWKS has not both the present and the next key")
	}
	if kid := signedBy(t, r); kid != before[0].ID {
		t.Error("the next key signs before its time")
	}
	c.advance(13 * time.Hour)
	if kid := signedBy(t, r); kid != after[1].ID {
		t.Error("the next key does not sign when its time has come")
	}
	c.advance(26 * time.Hour)
	run(t, r)
	if body, _ := r.JWKS(); strings.Contains(string(body), before[0].ID) {
		t.Error("the retired key is still in the JWKS after its last token ended")
	}
	if historic, err := r.Historic(); err != nil || historic[0].ID != before[0].ID || historic[0].RetiredAt == nil {
		t.Errorf("the retired key is forgotten: %v %v", historic, err)
	}
	if stored, _ := store.SigningKeys(t.Context()); len(stored[0].Private) != 0 {
		t.Error("the private part of a hidden key is kept")
	}
}

func TestManyNodesOnAnEmptyStoreMakeOneSetOfKeys(t *testing.T) {
	store, sealer, c := &memory{}, testSealer(t), newClock()
	var nodes sync.WaitGroup
	for range 8 {
		nodes.Go(func() { newRing(t, store, sealer, c) })
	}
	nodes.Wait()
	if stored, _ := store.SigningKeys(t.Context()); len(stored) != 2 {
		t.Errorf("%d keys, want one for each of two algorithms", len(stored))
	}
}

func TestRotationByHandIsSeenEverywhereBeforeItSigns(t *testing.T) {
	store, sealer, c := &memory{}, testSealer(t), newClock()
	a, b := newRing(t, store, sealer, c), newRing(t, store, sealer, c)
	old := signedBy(t, a)
	if err := a.Rotate(t.Context(), keys.ES256); err != nil {
		t.Fatal(err)
	}
	stored, _ := store.SigningKeys(t.Context())
	fresh := stored[len(stored)-1].ID
	if body, _ := a.JWKS(); !strings.Contains(string(body), fresh) || !strings.Contains(string(body), old) {
		t.Error("the JWKS has not both keys at once")
	}
	if signedBy(t, a) != old {
		t.Error("the fresh key signs while caches do not know it yet")
	}
	c.advance(11 * time.Minute)
	token, err := a.Sign(t.Context(), keys.ES256, "at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if signedBy(t, a) != fresh {
		t.Error("the old key still signs")
	}
	if _, err := b.Verify(t.Context(), token, "at+jwt"); err != nil { // b has not looked at the store since
		t.Errorf("the other node refuses the fresh key: %v", err)
	}
	if err := a.Rotate(t.Context(), "none"); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("rotating an unknown algorithm: %v", err)
	}
}

func TestRotatingTwiceAtOnceLeavesOneKeyThatSigns(t *testing.T) {
	store, c := &memory{}, newClock()
	r := newRing(t, store, testSealer(t), c, keys.ES256)
	first := signedBy(t, r)
	for range 2 {
		if err := r.Rotate(t.Context(), keys.ES256); err != nil {
			t.Fatal(err)
		}
		c.advance(time.Minute)
	}
	for minute := range 30 { // somebody signs at every moment, and it ends with the last one made
		_ = signedBy(t, r)
		if minute == 0 && signedBy(t, r) != first {
			t.Error("the first key stopped before its successor signs")
		}
		c.advance(time.Minute)
	}
	stored, _ := store.SigningKeys(t.Context())
	if len(stored) != 3 || signedBy(t, r) != stored[2].ID {
		t.Errorf("%d keys, and not the last one signs", len(stored))
	}
}

func signedBy(t *testing.T, r *keys.Ring) string {
	t.Helper()
	token, err := r.Sign(t.Context(), keys.ES256, "JWT", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	var h struct{ Kid string }
	_ = json.Unmarshal(raw, &h)
	return h.Kid
}

// run lets the ring look at its store a few times.
func run(t *testing.T, r *keys.Ring) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := r.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func BenchmarkSign(b *testing.B) {
	r := newRing(b, &memory{}, testSealer(b), newClock(), keys.RS256, keys.PS256, keys.ES256, keys.EdDSA)
	payload := []byte(`{"iss":"https://id.example","sub":"abcdefghijklmnopqrstuv","aud":"client","exp":1790000000}`)
	for _, alg := range []keys.Algorithm{keys.RS256, keys.PS256, keys.ES256, keys.EdDSA} {
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Sign(b.Context(), alg, "at+jwt", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	r := newRing(b, &memory{}, testSealer(b), newClock())
	token, err := r.Sign(b.Context(), keys.ES256, "at+jwt", []byte(`{"sub":"x"}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Verify(b.Context(), token, "at+jwt"); err != nil {
			b.Fatal(err)
		}
	}
}
