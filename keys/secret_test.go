package keys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/keys"
)

func TestSecretShowsItsValueNowhereButThroughReveal(t *testing.T) {
	const canary = "canary-1234"
	s := keys.NewSecret(canary)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+verb, s, struct{ In keys.Secret }{s})
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", s, "in", struct{ S keys.Secret }{s})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", s, "in", []keys.Secret{s})
	text, err := json.Marshal(map[string]any{"s": s, "list": []keys.Secret{s}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	out.WriteString(fmt.Errorf("wrapping %v", s).Error())
	if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("the value leaked: %s", out.String())
	}
	if s.Reveal() != canary || !s.Equal(canary) || s.Equal("other") {
		t.Error("Reveal or Equal is wrong")
	}
}

func TestTokenIsKnownByItsPrefixAndChecksum(t *testing.T) {
	token := keys.NewToken(keys.PrefixClientSecret)
	if !keys.CheckToken(keys.PrefixClientSecret, token) {
		t.Fatalf("%s is not a token", token)
	}
	if keys.CheckToken(keys.PrefixAPIKey, token) {
		t.Error("another prefix is accepted")
	}
	for i := len(keys.PrefixClientSecret) + 1; i < len(token); i++ {
		changed := []byte(token)
		changed[i] = '0' + (changed[i]-'0'+1)%10
		if string(changed) != token && keys.CheckToken(keys.PrefixClientSecret, string(changed)) {
			t.Errorf("a change at %d is not seen", i)
		}
	}
}

func TestTokensAreRandom(t *testing.T) {
	seen := map[string]bool{}
	ones, total := 0, 0
	for range 20_000 {
		token := keys.NewToken("x")
		if seen[token] {
			t.Fatal("a token came twice")
		}
		seen[token] = true
		sum := keys.RandomHandle()
		for i := range len(sum) {
			ones += bits.OnesCount8(sum[i] & 1)
			total++
		}
	}
	if ratio := float64(ones) / float64(total); ratio < 0.45 || ratio > 0.55 {
		t.Errorf("%.3f of the last bits are set", ratio)
	}
}

func TestSealedValueOpensInItsPlaceAlone(t *testing.T) {
	s := testSealer(t)
	sealed := s.Seal("accounts/1", []byte("Иванов"))
	if bytes.Contains(sealed, []byte("Иванов")) {
		t.Fatal("not sealed")
	}
	if plain, err := s.Open("accounts/1", sealed); err != nil || string(plain) != "Иванов" {
		t.Fatalf("%s %v", plain, err)
	}
	if _, err := s.Open("accounts/2", sealed); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("opens in another place: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open("accounts/1", changed); !errors.Is(err, keys.ErrSealed) {
			t.Errorf("a change at %d opens: %v", i, err)
		}
	}
	if bytes.Equal(sealed, s.Seal("accounts/1", []byte("Иванов"))) {
		t.Error("two seals of one value are alike")
	}
}

func TestNewMasterKeySealsWhileTheOldOneStillOpens(t *testing.T) {
	old, index := keys.MasterKey{ID: "old", Key: keys.NewMasterKey()}, keys.NewMasterKey()
	before, err := keys.NewSealer([]keys.MasterKey{old}, index)
	if err != nil {
		t.Fatal(err)
	}
	after, err := keys.NewSealer([]keys.MasterKey{{ID: "new", Key: keys.NewMasterKey()}, old}, index)
	if err != nil {
		t.Fatal(err)
	}
	sealed := before.Seal("p", []byte("x"))
	if plain, err := after.Open("p", sealed); err != nil || string(plain) != "x" {
		t.Errorf("the old key does not open: %v", err)
	}
	if !after.Stale(sealed) || after.Stale(after.Seal("p", nil)) {
		t.Error("Stale does not tell the old key from the new")
	}
	if before.Index("phone", "+7") != after.Index("phone", "+7") || before.Index("phone", "+7") == before.Index("email", "+7") {
		t.Error("the index changes with the master key, or is one for all places")
	}
	if _, err := before.Open("p", after.Seal("p", nil)); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("an unknown master key opens: %v", err)
	}
}

func TestKeyFileIsMadeOnceAndKeptPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.keys")
	now := newClock().Now()
	first, err := keys.OpenSealer(path, now)
	if err != nil {
		t.Fatal(err)
	}
	second, err := keys.OpenSealer(path, now)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := second.Open("p", first.Seal("p", []byte("x"))); err != nil || string(plain) != "x" {
		t.Errorf("the second start has other keys: %v", err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.OpenSealer(path, now); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read is accepted: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	s, err := keys.NewSealer([]keys.MasterKey{{ID: "a", Key: keys.NewMasterKey()}}, keys.NewMasterKey())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add([]byte{1, 'a'})
	f.Add(s.Seal("other", []byte("x")))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if _, err := s.Open("p", sealed); err == nil {
			t.Error("opened what was never sealed")
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	s := testSealer(b)
	plain := bytes.Repeat([]byte("x"), 2048)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Open("accounts/1", s.Seal("accounts/1", plain)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	s := testSealer(b)
	b.ReportAllocs()
	for b.Loop() {
		s.Index("phone", "+79123456789")
	}
}
