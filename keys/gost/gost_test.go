package gost_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"hash"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/keys/gost"
)

// fromHex reads a test's own constant.
func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func digest(h hash.Hash, message []byte) string {
	_, _ = h.Write(message)
	return hex.EncodeToString(h.Sum(nil))
}

func TestStreebogGivesTheDigestsOfItsSpecification(t *testing.T) {
	first := []byte("012345678901234567890123456789012345678901234567890123456789012")
	for _, row := range []struct {
		name, want string
		h          hash.Hash
	}{
		{"RFC 6986 §10.1.1", "1b54d01a4af5b9d5cc3d86d68d285462b19abc2475222f35c085122be4ba1ffa" +
			"00ad30f8767b3a82384c6574f024c311e2a481332b08ef7f41797891c1646f48", gost.New512()},
		{"RFC 6986 §10.1.2", "9d151eefd8590b89daa6ba6cb74af9275dd051026bb149a452fd84e5e57b5500", gost.New256()},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := digest(row.h, first); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestStreebogInPiecesIsStreebogInOne(t *testing.T) {
	message := bytes.Repeat([]byte("Вход по подписи "), 40)
	whole := digest(gost.New512(), message)
	pieces := gost.New512()
	for chunk := range slices.Chunk(message, 37) {
		_, _ = pieces.Write(chunk)
		_ = pieces.Sum(nil) // looking does not change anything
	}
	if got := hex.EncodeToString(pieces.Sum(nil)); got != whole {
		t.Errorf("in pieces %s, in one %s", got, whole)
	}
	pieces.Reset()
	if got := digest(pieces, message); got != whole {
		t.Errorf("after a reset %s, want %s", got, whole)
	}
}

// TestStreebogAgreesWithOpenSSL runs over every length around the block's edges.
func TestStreebogAgreesWithOpenSSL(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		name string
		h    func() hash.Hash
	}{{"md_gost12_256", gost.New256}, {"md_gost12_512", gost.New512}} {
		args := []string{"dgst", "-engine", "gost", "-" + row.name, "-r"}
		var want []string
		for _, length := range []int{0, 1, 31, 32, 63, 64, 65, 127, 128, 129, 300} {
			message := bytes.Repeat([]byte{0xff, 0x00, byte(length)}, length)[:length] // full bytes carry in the sums
			file := filepath.Join(dir, row.name+"-"+string(rune('a'+len(want))))
			if err := os.WriteFile(file, message, 0o600); err != nil {
				t.Fatal(err)
			}
			args, want = append(args, file), append(want, digest(row.h(), message))
		}
		out, err := exec.Command("openssl", args...).Output()
		if err != nil {
			t.Fatalf("openssl with its gost engine: %v", err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			if got, _, _ := strings.Cut(line, " "); got != want[i] {
				t.Errorf("%s of message %d: openssl says %s, we %s", row.name, i, got, want[i])
			}
		}
	}
}

// The example of RFC 7091 §7.1: the digest as it is hashed, lowest byte first; the signature as s and r.
const (
	rfcX = "7f2b49e270db6d90d8595bec458b50c58585ba1d4e9b788f6689dbd8e56fd80b"
	rfcY = "26f1b489d6701dd185c8413a977b3cbbaf64d1c593d26627dffb101a87ff77da"
	rfcE = "2dfbc1b372d89a1188c09c52e0eec61fce52032ab1022e8e67ece6672b043ee5"
	rfcR = "41aa28d2f1ab148280cd9ed56feda41974053554a42767b83ad043fd39dc0493"
	rfcS = "01456c64ba4642a1653c235a98a60249bcd6d3f746b631df928014f6c5bf9c40"
)

func TestSignatureOfTheSpecificationHolds(t *testing.T) {
	key := gost.OfRFC(rfcX, rfcY)
	e := fromHex(t, rfcE)
	slices.Reverse(e)
	signature := fromHex(t, rfcS+rfcR)
	if !key.Verify(e, signature) {
		t.Fatal("the signature of RFC 7091 §7.1 does not verify")
	}
	order := "8000000000000000000000000000000150fe8a1892976154c59cfc193accf5b3"
	zero := strings.Repeat("0", 64)
	for name, wrong := range map[string]string{
		"r before s": rfcR + rfcS, "s is zero": zero + rfcR, "r is zero": rfcS + zero, "both zero": zero + zero,
		"s is the order": order + rfcR,
		// The same s modulo the order: one signature must not have two spellings.
		"s and the order": "81456c64ba4642a1653c235a98a6024b0dd55e0fd94d9334581d1110008c91f3" + rfcR,
		"r is the order":  rfcS + order, "short": rfcS, "long": rfcS + rfcR + "00", "empty": "",
	} {
		if key.Verify(e, fromHex(t, wrong)) {
			t.Errorf("%s: verifies", name)
		}
	}
	for i := range signature {
		signature[i] ^= 1
		if key.Verify(e, signature) {
			t.Errorf("verifies with byte %d changed", i)
		}
		signature[i] ^= 1
	}
	if key.Verify(append(e, 0), signature) || key.Verify(nil, signature) {
		t.Error("verifies over a digest of another size")
	}
}

func TestEveryCurveIsWhatTheStandardSays(t *testing.T) {
	seen := 0
	gost.EachCurve(func(oid string, p, q *big.Int, baseOnCurve, orderIsQ bool) {
		seen++
		if !p.ProbablyPrime(20) || !q.ProbablyPrime(20) {
			t.Errorf("%s: p or q is no prime", oid)
		}
		if !baseOnCurve || !orderIsQ {
			t.Errorf("%s: base point on the curve %v, of order q %v", oid, baseOnCurve, orderIsQ)
		}
	})
	if seen != 12 {
		t.Errorf("%d parameter sets, want 12", seen)
	}
}

// sets are openssl's names of the parameter sets that certificates use.
var sets = map[string][]string{
	"gost2012_256": {"A", "B", "C", "XA", "XB", "TCA", "TCB", "TCC", "TCD"},
	"gost2012_512": {"A", "B", "C"},
}

func TestSignaturesOfOpenSSLVerifyOnEveryCurve(t *testing.T) {
	for algorithm, names := range sets {
		for _, set := range names {
			t.Run(algorithm+" "+set, func(t *testing.T) {
				key, message, signature := signed(t, algorithm, set)
				h := gost.New256()
				if key.Size() == gost.Size512 {
					h = gost.New512()
				}
				_, _ = h.Write(message)
				sum := h.Sum(nil)
				if !key.Verify(sum, signature) {
					t.Fatal("openssl's signature does not verify")
				}
				sum[0] ^= 1
				if key.Verify(sum, signature) {
					t.Error("it verifies over another digest")
				}
			})
		}
	}
}

// signed makes a key and a signature by openssl.
func signed(t testing.TB, algorithm, set string) (key *gost.PublicKey, message, signature []byte) {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	message = []byte("Я подписываю вход")
	if err := os.WriteFile(in("message"), message, 0o600); err != nil {
		t.Fatal(err)
	}
	hashed := "-" + strings.Replace(algorithm, "gost2012", "md_gost12", 1)
	for _, args := range [][]string{
		{"genpkey", "-engine", "gost", "-algorithm", algorithm, "-pkeyopt", "paramset:" + set, "-out", in("key")},
		{"pkey", "-engine", "gost", "-in", in("key"), "-pubout", "-out", in("public")},
		{"dgst", "-engine", "gost", hashed, "-sign", in("key"), "-out", in("signature"), in("message")},
	} {
		if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
		}
	}
	text, err := os.ReadFile(in("public"))
	if err != nil {
		t.Fatal(err)
	}
	armour, _ := pem.Decode(text)
	if key, err = gost.ParsePublicKey(armour.Bytes); err != nil {
		t.Fatalf("reading openssl's key: %v", err)
	}
	if signature, err = os.ReadFile(in("signature")); err != nil {
		t.Fatal(err)
	}
	return key, message, signature
}

// outsideSubgroup is a point of the curve TC26 256 A, whose cofactor is four, that the base point does not
// generate; head256A stands before it in a SubjectPublicKeyInfo.
const (
	head256A        = "305e301706082a85030701010101300b06092a85030701020101010343000440"
	outsideSubgroup = "080000000000000000000000000000000000000000000000000000000000000007fdadf25214b9a2553b35536820ff02586db76832822fe4b400a8c3be8135ed"
)

// head256 is a SubjectPublicKeyInfo of 256 bits on CryptoPro-A up to the point.
const head256 = "3066301f06082a85030701010101301306072a85030202230106082a850307010102020343000440"

func TestMalformedKeysAreRefused(t *testing.T) {
	one := "01" + strings.Repeat("0", 62)
	baseY := fromHex(t, "8d91e471e0989cda27df505a453f2b7635294f2ddf23e3b122acc99c9e9f1e14")
	slices.Reverse(baseY)
	good := head256 + one + hex.EncodeToString(baseY)
	if _, err := gost.ParsePublicKey(fromHex(t, good)); err != nil {
		t.Fatalf("the base point as a key: %v", err)
	}
	outside := strings.Repeat("ff", 32)
	for _, row := range []struct {
		name, key string
		want      error
	}{
		{"off the curve", head256 + one + one, gost.ErrKey},
		{"x beyond p", head256 + outside + hex.EncodeToString(baseY), gost.ErrKey},
		{"y beyond p", head256 + one + outside, gost.ErrKey},
		{"x and p", head256 + "98fd" + strings.Repeat("ff", 30) + hex.EncodeToString(baseY), gost.ErrKey},
		{"outside of the subgroup", head256A + outsideSubgroup, gost.ErrKey},
		{"zero", head256 + strings.Repeat("00", 64), gost.ErrKey},
		{"the test curve", strings.Replace(good, "2a850302022301", "2a850302022300", 1), gost.ErrCurve},
		{"an unknown curve", strings.Replace(good, "2a850302022301", "2a85030202230f", 1), gost.ErrCurve},
		{"the digest of 512 bits", strings.Replace(good, "2a85030701010202", "2a85030701010203", 1), gost.ErrCurve},
		{"the key of 512 bits", strings.Replace(good, "2a85030701010101", "2a85030701010102", 1), gost.ErrCurve},
		{"the key and digest of 512 bits", strings.Replace(strings.Replace(good, "2a85030701010101", "2a85030701010102", 1), "2a85030701010202", "2a85030701010203", 1), gost.ErrCurve},
		{"GOST R 34.10-2001", strings.Replace(good, "06082a85030701010101", "06082a85030202130101", 1), gost.ErrNotGOST},
		{"trailing bytes", good + "00", gost.ErrKey},
		{"cut short", good[:len(good)-2], gost.ErrKey},
		{"nothing", "", gost.ErrKey},
	} {
		if _, err := gost.ParsePublicKey(fromHex(t, row.key)); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestKeyOfAnotherAlgorithmIsNotOurs(t *testing.T) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gost.ParsePublicKey(der); !errors.Is(err, gost.ErrNotGOST) {
		t.Errorf("another key: %v", err)
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add([]byte{0x30, 0x00})
	raw, _ := hex.DecodeString(head256 + strings.Repeat("01", 64))
	f.Add(raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		key, err := gost.ParsePublicKey(der)
		if err == nil && key.Verify(make([]byte, key.Size()), make([]byte, 2*key.Size())) {
			t.Error("zeros verify")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range []string{"gost2012_256", "gost2012_512"} {
		b.Run(algorithm, func(b *testing.B) {
			key, message, signature := signed(b, algorithm, "A")
			h := gost.New256()
			if key.Size() == gost.Size512 {
				h = gost.New512()
			}
			_, _ = h.Write(message)
			sum := h.Sum(nil)
			for b.Loop() {
				if !key.Verify(sum, signature) {
					b.Fatal("does not verify")
				}
			}
		})
	}
}

func BenchmarkStreebog(b *testing.B) {
	message := make([]byte, 8<<10)
	b.SetBytes(int64(len(message)))
	h := gost.New512()
	for b.Loop() {
		_, _ = h.Write(message)
	}
}
