package account

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// This test looks inside the package: what hides itself can be compared nowhere else.
func TestEncodedAccountIsTheSameAfterDecoding(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	a := &Account{
		ID: "a", Version: 3, Number: "123456789012", Status: Active, Level: Verified, CreatedAt: now, Lang: "ru",
		Phone: Contact{"+79123456789", now}, SNILS: SNILS{"11223344595"}, INN: INN{"500100732259"},
		Person:      Person{FamilyName: "Иванов", Birthdate: Date{1990, 3, 5}, Gender: Male},
		Application: Application{SNILS: SNILS{"11223344595"}, INN: INN{"500100732259"}, NoMiddle: true, Checks: []Check{{Registry: RegistrySNILS, Grade: Matches}}},
		Evidence: []Evidence{{ID: "e", Method: ProvenByBank, At: now, Level: Verified, Details: map[string]string{"a": "b"},
			Claims: Claimed{SNILS: SNILS{"11223344595"}, Phone: "+7"}}},
		TOTP:   []credential.TOTP{{ID: "t", Secret: keys.NewSecret("JBSWY3DP"), LastStep: 7}},
		Backup: credential.BackupSet{MadeAt: now, Hashes: []string{"h"}},
		Grants: []Grant{{ClientID: "c", Scopes: []string{"openid"}}}, LastVisit: Visit{now, netip.MustParseAddr("198.51.100.7")},
		Banks:       []BankLink{{Bank: "green", Issuer: "i", Subject: "s"}},
		PushDevices: []PushDevice{{ID: "d", Hash: "h", UsedAt: now}, {ID: "e", Subscription: PushSubscription{keys.NewSecret("https://push.example/1"), "key", keys.NewSecret("auth")}}},
	}
	text, err := Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, got, cmp.AllowUnexported(Account{}, SNILS{}, INN{}, keys.Secret{}), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("an account changes on its way through the store (-before +after):\n%s", diff)
	}
}
