package login_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/login"
)

// TestPolicyOfTheSecondFactorIsTheTable prints what is asked of whom, and holds it against testdata/policy.golden, so that
// a change of the policy is seen as a change of its table. UPDATE_GOLDEN=1 writes it anew.
func TestPolicyOfTheSecondFactorIsTheTable(t *testing.T) {
	var table strings.Builder
	line := func(cells ...string) {
		fmt.Fprintf(&table, "%-9s %-20s %-24s %-13s %-40s %-34s %s\n", cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6])
	}
	line("service", "for", "the person has", "browser", "is asked", "acr", "amr")
	for _, strength := range []account.Strength{account.OneFactor, account.TwoFactor, account.PhishingResistant} {
		for _, occasion := range []string{"any level", "the verified level", "a sensitive act"} {
			for _, has := range possessions {
				for _, browser := range []string{"known", "new", "new, without", "remembered", "in doubt"} {
					c := login.Circumstances{Strength: strength, Has: has, Sensitive: occasion == "a sensitive act", Mail: true}
					c.New, c.Without = strings.HasPrefix(browser, "new"), browser == "new, without"
					c.Remembered, c.Doubt = browser == "remembered" || browser == "in doubt", browser == "in doubt"
					level := account.Standard
					if occasion == "the verified level" {
						c.Level, level = account.Verified, account.Verified
					}
					line(policyRow(c, level, occasion)...)
				}
			}
		}
	}
	t.Log("\n" + table.String())
	const golden = "testdata/policy.golden"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != table.String() {
		t.Error("the policy is not what testdata/policy.golden says")
	}
}

// possessions are what a person may have set up beside a password, as secondsOf lists it.
var possessions = [][]account.Method{
	nil,
	{account.MethodSMS, account.MethodBackup},
	{account.MethodTOTP, account.MethodBackup},
	{account.MethodPush, account.MethodBackup},
	{account.MethodTOTP, account.MethodSMS, account.MethodBackup},
	{account.MethodPasskey, account.MethodBackup},
	{account.MethodPasskey, account.MethodTOTP, account.MethodBackup},
}

// policyRow proves a password and the first of what is asked, and says what comes out.
func policyRow(c login.Circumstances, level account.Level, occasion string) []string {
	browser := "known"
	switch {
	case c.Without:
		browser = "new, without"
	case c.New:
		browser = "new"
	case c.Doubt:
		browser = "in doubt"
	case c.Remembered:
		browser = "remembered"
	}
	ways := login.SecondsFor(c)
	proved := proofs(noon, account.MethodPassword)
	asked := []string{"password"}
	if len(ways) > 0 {
		proved = append(proved, proofs(noon, ways[0])...)
		var names []string
		for _, m := range ways {
			names = append(names, string(m))
		}
		asked = append(asked, strings.Join(names, "/"))
	}
	if login.LacksMail(c, proved) {
		proved, asked = append(proved, proofs(noon, account.MethodMailCode)...), append(asked, string(account.MethodMailCode))
	}
	reached := account.StrengthOf(proved)
	acr := fmt.Sprintf("urn:vhod:acr:%s:%s", level, reached)
	if reached < c.Strength {
		acr = "set one up, or refused"
	}
	var has []string
	for _, m := range slices.DeleteFunc(slices.Clone(c.Has), func(m account.Method) bool { return m == account.MethodBackup }) {
		has = append(has, string(m))
	}
	if has == nil {
		has = []string{"nothing"}
	}
	return []string{c.Strength.String(), occasion, strings.Join(has, ", "), browser, strings.Join(asked, " + "), acr, strings.Join(account.AMR(proved), " ")}
}
