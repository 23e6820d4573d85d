package credential_test

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the public lists are of SHA-1
	"fmt"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/account/credential"
)

func TestPolicySaysWhyAPasswordIsRefused(t *testing.T) {
	policy := credential.NewPolicy(credential.PolicyConfig{Leaked: filterOf(t, "Кошка!съела7рыбу")})
	words := []string{"+79161234567", "9161234567", "anna.sokolova@example.ru", "anna.sokolova", "Соколова", "Анна", "17051990"}
	for password, want := range map[string]credential.Reason{
		"":                         credential.TooShort,
		"Ab1!xyz":                  credential.TooShort,
		strings.Repeat("Aб1!", 65): credential.TooLong,
		"тихий вечер 7":            credential.NoClasses,
		"ТихийВечерРека":           credential.NoClasses,
		"Тихий-Вечер7 на реке":     "",
		"Тихий-Вечер7":             "",
		"k4!Wm9-zTq":               "",
		"Password1!":               credential.TooWeak,
		"Пароль-12!":               credential.TooWeak,
		"Gfhjkm-12!":               credential.TooWeak, // пароль in the Latin layout
		"Зфыыцщкв1!":               credential.TooWeak, // password in the Russian layout
		"Привет-1!":                credential.TooWeak,
		"Ghbdtn-1!":                credential.TooWeak,
		"Наташа-90!":               credential.TooWeak,
		"Xk!12345-pWz":             credential.Runs,
		"Xk!54321-pWz":             credential.Runs,
		"Wz7!qwertMk-9":            credential.Runs,
		"Вз7!йцукеМк-9":            credential.Runs,
		"Mz7!abcdeWk-9":            credential.Runs,
		"Wz7!kkkkMp-92":            credential.Repeats,
		"Река-соколова-7-Лес":      credential.IsPersonal,
		"Htrf-cjrjkjdf-7-Ktc":      credential.IsPersonal, // the same in the Latin layout
		"Лес-9161234567-Река":      credential.IsPersonal,
		"Река!17051990-Лес":        credential.IsPersonal,
		"Кошка!съела7рыбу":         credential.WasLeaked,
		"Кошка!съела8рыбу":         "",
		"Коро\u0308ва-Луг7 за рекой й": "", // letters of two signs are one letter
	} {
		if got := policy.Check(password, words...); got != want {
			t.Errorf("%q: %q, want %q (score %d)", password, got, want, policy.Score(password))
		}
	}
}

func TestStrongerRolesAskForTwelve(t *testing.T) {
	policy := credential.NewPolicy(credential.PolicyConfig{MinLength: 12})
	if got := policy.Check("k4!Wm9-zTqЖ"); got != credential.TooShort {
		t.Errorf("eleven: %q", got)
	}
	if got := policy.Check("k4!Wm9-zTqЖ2"); got != "" {
		t.Errorf("twelve: %q", got)
	}
}

func TestEstimateOfAHugePasswordIsQuick(t *testing.T) {
	policy := credential.NewPolicy(credential.PolicyConfig{MaxLength: 100_000})
	if got := policy.Check(strings.Repeat("Тихий-Вечер7 на реке ", 4000)); got != "" {
		t.Errorf("%q", got)
	}
}

// filterOf makes a filter and takes it through its file.
func filterOf(t *testing.T, passwords ...string) *credential.LeakedFilter {
	t.Helper()
	var lines strings.Builder
	for i, p := range passwords {
		fmt.Fprintf(&lines, "%X:%d\r\n", sha1.Sum([]byte(p)), i+1) //nolint:gosec // see above
	}
	made, n, err := credential.BuildLeakedFilter(strings.NewReader(lines.String()), len(passwords))
	if err != nil || n != len(passwords) {
		t.Fatalf("%d, %v", n, err)
	}
	var file bytes.Buffer
	if size, err := made.WriteTo(&file); err != nil || size != int64(file.Len()) {
		t.Fatalf("%d of %d, %v", size, file.Len(), err)
	}
	read, err := credential.ReadLeakedFilter(&file)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestFilterKnowsEveryLeakedPasswordAndFewOthers(t *testing.T) {
	var leaked []string
	for i := range 5000 {
		leaked = append(leaked, fmt.Sprint("leaked-", i))
	}
	filter := filterOf(t, leaked...)
	for _, p := range leaked {
		if !filter.Has(p) {
			t.Fatalf("%s is not known", p)
		}
	}
	others := 0
	for i := range 20_000 {
		if filter.Has(fmt.Sprint("other-", i)) {
			others++
		}
	}
	if others > 60 { // 20 are expected of one in a thousand
		t.Errorf("%d of 20000 others are taken for leaked", others)
	}
	if (*credential.LeakedFilter)(nil).Has("a") {
		t.Error("no filter knows a password")
	}
}

func TestDamagedFilterIsRefused(t *testing.T) {
	for name, file := range map[string]string{
		"empty": "", "another": "PK\x03\x04", "cut": "VHODLEAK1\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x02\x01",
		"a length out of reach": "VHODLEAK1\x00\x00\x00\x07\x7f\xff\xff\xff\xff\xff\xff\xff", "long and cut": "VHODLEAK1\x00\x00\x00\x07\x00\x00\x00\x00\x7f\xff\xff\xff",
	} {
		if _, err := credential.ReadLeakedFilter(strings.NewReader(file)); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if _, _, err := credential.BuildLeakedFilter(strings.NewReader("hunter2\n"), 1); err == nil {
		t.Error("a list of no hashes was read")
	}
}
