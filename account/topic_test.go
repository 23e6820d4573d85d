package account_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/vhod-id/vhod/account"
)

func TestEveryKindOfEventHasOneTopic(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`EventKind += "([a-z-]+)"`)
	kinds := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			kinds++
			of := 0
			for _, topic := range account.Topics() {
				if slices.Contains(account.KindsAbout(topic, nil), account.EventKind(m[1])) {
					of++
				}
			}
			if of != 1 {
				t.Errorf("%s has %d topics", m[1], of)
			}
		}
	}
	if all := account.KindsAbout("", nil); len(all) != kinds {
		t.Errorf("%d kinds have topics, %d are declared", len(all), kinds)
	}
}

func TestKindsAreToldApartByTheirResult(t *testing.T) {
	yes, no := true, false
	failed, done := account.KindsAbout(account.TopicSignIn, &yes), account.KindsAbout(account.TopicSignIn, &no)
	if !slices.Contains(failed, account.SignInFailed) || slices.Contains(failed, account.SignedIn) || slices.Contains(failed, account.ConfirmFailed) {
		t.Errorf("failed: %v", failed)
	}
	if !slices.Contains(done, account.SignedIn) || slices.Contains(done, account.FactorFailed) || slices.Contains(done, account.PasswordChanged) {
		t.Errorf("done: %v", done)
	}
}
