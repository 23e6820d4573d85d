package login_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys/cms"
	"github.com/vhod-id/vhod/templates"
)

var messageID = regexp.MustCompile(`"((?:error|notice|event)\.[a-z0-9_.-]*[a-z0-9])"`)

// TestEveryMessageThatCodeNamesIsInBothCatalogues reads the sources: ids in code have no compiler.
func TestEveryMessageThatCodeNamesIsInBothCatalogues(t *testing.T) {
	pages, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, room := range []string{"../account", "../login"} {
		err := fs.WalkDir(os.DirFS(room), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(room + "/" + path)
			for _, m := range messageID.FindAllStringSubmatch(string(text), -1) {
				want[m[1]] = room + "/" + path
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Ids that are put together from values.
	for prefix, values := range map[string][]string{
		"level.name-": {"simplified", "standard", "verified"}, "level.opens-": {"standard", "verified"},
		"level.how-": {"standard", "verified"}, "level.wanted-": {"standard", "verified"},
		"unreachable.level-": {"standard", "verified"}, "unreachable.strength-": {"2fa", "phr"},
		"signup-ready.level-": {"simplified", "standard", "verified"}, "level-result.level-": {"simplified", "standard", "verified"},
		"level-result.": {"registries", "taken", "bank-declined", "bank-down", "bank-refused", "bank-differs"},
		"registry.":     {"passport", "snils", "inn"},
		"grade.": {string(account.FormerName), string(account.NearMiss), string(account.Several), string(account.None),
			string(account.InvalidPaper), string(account.PersonDeceased), string(account.Silent)},
		"field.": {"family_name", "given_name", "middle_name", "birthdate", "gender", "passport_series", "passport_number",
			"passport_issued_on", "passport_issuer_code", "snils", "inn"},
		"esign.challenge-": {"sign-in", "sign-up", "confirm", "link", "sign"},
		"error.esign.": {"empty", "expired", "used", "not-linked", "other-person", "not-yours", "taken", "has-account", "has-snils", "too-many",
			string(cms.Malformed), string(cms.TooLarge), string(cms.Signers), string(cms.NoCertificate), string(cms.BadCertificate),
			string(cms.Attributes), string(cms.OtherContent), string(cms.WrongSignature), string(cms.WeakAlgorithm),
			string(cms.WrongTime), string(cms.Untrusted), "expired-certificate", string(cms.NotYetValid), string(cms.Revoked),
			string(cms.UnknownRevoked), string(cms.WrongUsage), string(cms.NotQualified), string(cms.WrongSubject)},
		"evidence.": {"registries", "bank", "centre", "letter", "signature", "video"},
		"way.":      {"mail", "mail-sms", "known", "known-sms"}, "risk.": {"too-weak", "too-weak-alone"},
		"recovery-bank.trouble-": {"declined", "down", "refused", "differs", "locked", "account-locked", "other-person", "little"},
		"second.way-":            {"lost", "without", string(account.MethodPasskey), string(account.MethodTOTP), string(account.MethodPush), string(account.MethodSMS), string(account.MethodBackup)},
		"gender.":                {"male", "female"},
		"claim.": {"evidence", "name", "family_name", "given_name", "middle_name", "birthdate", "gender", "updated_at", "phone_number",
			"phone_number_verified", "email", "email_verified", "address", "snils", "inn", "id_doc", "place_of_birth", "nationalities", "account_level"},
		"error-page.": {"internal.text", "flow-gone.text", "request-over.text", "cross-site.text", "dead-link.text", "old-qr.text", "bad-form.text",
			"not-found.text", "locked.text", "conflict.text", "throttled.text", "taken.text", "protocol.text", "busy.text"},
	} {
		for _, v := range values {
			want[prefix+v] = "a page"
		}
	}
	for id, where := range want {
		for _, lang := range templates.Languages {
			if !pages.Has(lang, id) {
				t.Errorf("%s names %q, which is not in %s", where, id, lang)
			}
		}
	}
}
