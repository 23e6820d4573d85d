package credential

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/vhod-id/vhod/keys"
)

// NewCode makes a one-time code of six digits, each value equally likely.
func NewCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil { // crypto/rand ends the program before it errs
		panic(err)
	}
	return fmt.Sprintf("%06d", n)
}

// CleanCode drops what people put between the characters of a code.
func CleanCode(code string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -\u00a0\t", r) {
			return -1
		}
		return r
	}, code))
}

// totpPeriod is the step of a code in seconds; a code of the step before and after is taken too (RFC 6238 §5.2).
const totpPeriod = 30

// NewTOTP makes a secret of 160 bits and its otpauth URI for an app.
func NewTOTP(issuer, name string) (keys.Secret, string, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: name, Period: totpPeriod, SecretSize: 20, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return keys.Secret{}, "", fmt.Errorf("making an authenticator secret: %w", err)
	}
	return keys.NewSecret(key.Secret()), key.URL(), nil
}

// Match returns the time step of a right code that was not used before, or false. The caller stores the
// step as LastStep, so that each is accepted once.
func (t TOTP) Match(code string, now time.Time) (step int64, ok bool) {
	code = CleanCode(code)
	if len(code) != 6 {
		return 0, false
	}
	present := now.Unix() / totpPeriod
	for _, s := range []int64{present, present - 1, present + 1} {
		if s <= t.LastStep {
			continue
		}
		want, err := totp.GenerateCodeCustom(t.Secret.Reveal(), time.Unix(s*totpPeriod, 0), totp.ValidateOpts{Period: totpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && keys.NewSecret(want).Equal(code) {
			return s, true
		}
	}
	return 0, false
}

// backupCodes is how many codes a printed set has.
const backupCodes = 10

var backupAlphabet = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding) // Crockford's: no I, L, O, U

// NewBackupCodes makes ten codes of 65 random bits, written in groups of four, and their set. hash is a keyed
// hash: a code has enough bits of its own that a slow one adds nothing.
func NewBackupCodes(hash func(code string) string, now time.Time) ([]string, BackupSet) {
	set := BackupSet{MadeAt: now}
	var codes []string
	for range backupCodes {
		var raw [9]byte
		_, _ = rand.Read(raw[:])
		code := backupAlphabet.EncodeToString(raw[:])[:13] // 13 characters of 5 bits
		codes = append(codes, code[:4]+"-"+code[4:8]+"-"+code[8:])
		set.Hashes = append(set.Hashes, hash(code))
	}
	return codes, set
}

// Has reports whether a code is in the set, and leaves it there.
func (b *BackupSet) Has(hash string) bool {
	return slices.ContainsFunc(b.Hashes, func(h string) bool { return keys.NewSecret(h).Equal(hash) })
}

// Use takes a code out of the set and reports whether it was there.
func (b *BackupSet) Use(hash string, now time.Time) bool {
	for i, h := range b.Hashes {
		if keys.NewSecret(h).Equal(hash) {
			b.Hashes = append(append([]string{}, b.Hashes[:i]...), b.Hashes[i+1:]...)
			b.UsedAt = now
			return true
		}
	}
	return false
}

// CleanBackup reads a backup code as people type it: any case, O for 0, I and L for 1.
func CleanBackup(code string) string {
	return strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(CleanCode(code))
}
