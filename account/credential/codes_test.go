package credential_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// The secret and codes of RFC 6238, appendix B (SHA-1), as six digits.
func TestAuthenticatorCodesAreThoseOfTheStandard(t *testing.T) {
	app := credential.TOTP{Secret: keys.NewSecret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")}
	for at, code := range map[int64]string{59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"} {
		step, ok := app.Match(code, time.Unix(at, 0))
		if !ok || step != at/30 {
			t.Errorf("at %d: step %d, %v", at, step, ok)
		}
		if _, ok := app.Match(code, time.Unix(at+90, 0)); ok {
			t.Errorf("at %d: taken three steps later", at)
		}
	}
	for _, code := range []string{"", "28708", "2870822", "28708a", "٢٨٧٠٨٢"} {
		if _, ok := app.Match(code, time.Unix(59, 0)); ok {
			t.Errorf("%q is taken", code)
		}
	}
}

func TestAuthenticatorStepIsTakenOnce(t *testing.T) {
	secret, uri, err := credential.NewTOTP("Vhod id.example", "+7 (9••) •••-••-67")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || u.Query().Get("secret") != secret.Reveal() || len(secret.Reveal()) != 32 {
		t.Fatalf("%v, %v", u, err)
	}
	now := time.Unix(1_800_000_000, 0)
	code, err := totp.GenerateCode(secret.Reveal(), now)
	if err != nil {
		t.Fatal(err)
	}
	app := credential.TOTP{Secret: secret}
	step, ok := app.Match(code[:3]+" "+code[3:], now)
	if !ok {
		t.Fatal("not taken")
	}
	app.LastStep = step
	if _, ok := app.Match(code, now.Add(20*time.Second)); ok {
		t.Error("taken twice")
	}
}

func TestCodesAreSixDigitsEachAsLikely(t *testing.T) {
	const n = 60_000
	var counts [10]int
	for range n / 6 {
		code := credential.NewCode()
		if len(code) != 6 {
			t.Fatalf("%q", code)
		}
		for _, d := range code {
			counts[d-'0']++
		}
	}
	chi := 0.0
	for _, c := range counts {
		d := float64(c) - n/10
		chi += d * d / (n / 10)
	}
	if chi > 45 { // nine degrees of freedom: one run in a million
		t.Errorf("χ² is %.1f of %v", chi, counts)
	}
}

func TestBackupCodesAreReadAsPeopleTypeThem(t *testing.T) {
	plain := func(code string) string { return code }
	codes, set := credential.NewBackupCodes(plain, time.Unix(0, 0))
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{5}$`)
	seen := map[string]bool{}
	for _, code := range codes {
		if !form.MatchString(code) || seen[code] {
			t.Errorf("a code is %s", code)
		}
		seen[code] = true
	}
	typed := strings.NewReplacer("0", "o", "1", "l", "-", " ").Replace(strings.ToLower(codes[7]))
	if !set.Use(credential.CleanBackup(typed), time.Unix(60, 0)) {
		t.Errorf("%s is not taken for %s", typed, codes[7])
	}
	if set.Use(credential.CleanBackup(codes[7]), time.Unix(60, 0)) || len(set.Hashes) != 9 {
		t.Errorf("taken twice, %d left", len(set.Hashes))
	}
}
