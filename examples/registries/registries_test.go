package registries_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/examples/faults"
	"github.com/vhod-id/vhod/examples/registries"
)

var today = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func TestThePopulationIsTheSameOnEveryStart(t *testing.T) {
	if diff := cmp.Diff(registries.NewPopulation(today).All(), registries.NewPopulation(today).All()); diff != "" {
		t.Error(diff)
	}
}

func TestNobodySharesANumberOrAContact(t *testing.T) {
	seen := map[string]string{}
	for _, c := range registries.NewPopulation(today).All() {
		for _, value := range []string{c.SNILS, c.INN, c.Passport.Series + c.Passport.Number, c.Phone, c.Email, c.Name.Family + c.Name.Given + c.Name.Middle + c.Birthdate} {
			if value == "" {
				continue
			}
			if other, taken := seen[value]; taken {
				t.Errorf("%s and %s share %s", c.ID, other, value)
			}
			seen[value] = c.ID
		}
	}
}

func TestEveryNumberHasItsForm(t *testing.T) {
	for _, c := range registries.NewPopulation(today).All() {
		if len(c.SNILS) != 11 || !rightSNILS(c.SNILS) {
			t.Errorf("%s: SNILS %s", c.ID, c.SNILS)
		}
		if c.INN != "" && (len(c.INN) != 12 || !rightINN(c.INN)) {
			t.Errorf("%s: INN %s", c.ID, c.INN)
		}
		if len(c.Passport.Series) != 4 || len(c.Passport.Number) != 6 || len(c.Passport.IssuerCode) != 7 {
			t.Errorf("%s: passport %+v", c.ID, c.Passport)
		}
		if c.Passport.IssuedOn <= c.Birthdate || c.Passport.IssuedOn >= today.Format(time.DateOnly) {
			t.Errorf("%s: born %s, passport issued on %s", c.ID, c.Birthdate, c.Passport.IssuedOn)
		}
		if len(c.Phone) != 12 || !strings.Contains(c.Email, "@") {
			t.Errorf("%s: %s %s", c.ID, c.Phone, c.Email)
		}
	}
}

// rightSNILS and rightINN are written anew, so that an error of the generator is not repeated.
func rightSNILS(s string) bool {
	sum := 0
	for i := range 9 {
		sum += int(s[i]-'0') * (9 - i)
	}
	sum %= 101
	if sum == 100 {
		sum = 0
	}
	return sum == int(s[9]-'0')*10+int(s[10]-'0')
}

func rightINN(s string) bool {
	digit := func(weights []int) byte {
		sum := 0
		for i, w := range weights {
			sum += w * int(s[i]-'0')
		}
		return byte(sum%11%10) + '0'
	}
	return s[10] == digit([]int{7, 2, 4, 10, 3, 5, 9, 4, 6, 8}) && s[11] == digit([]int{3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8})
}

func TestARegistryTellsWhatTheStoryOfTheCitizenIs(t *testing.T) {
	p := registries.NewPopulation(today)
	server := registries.NewServer(p, faults.NewSet(), "")
	for _, row := range []struct {
		story  registries.Story
		status string
	}{
		{registries.Ordinary, "found"},
		{registries.NoMiddleName, "found"},
		{registries.YoInName, "found"},
		{registries.FormerName, "found"},
		{registries.NearMiss, "found"},
		{registries.PassportInvalid, "invalid"},
		{registries.Deceased, "deceased"},
		{registries.Several, "several"},
		{registries.Unknown, "none"},
	} {
		t.Run(string(row.story), func(t *testing.T) {
			c := p.Of(row.story)[0].Typed()
			_, got := ask(t, server, "passport", question(c))
			if got["status"] != row.status {
				t.Errorf("status %v, want %s", got["status"], row.status)
			}
		})
	}
}

func TestAWrongNumberIsFoundByNameAndBirthDate(t *testing.T) {
	p := registries.NewPopulation(today)
	c := p.Of(registries.Ordinary)[7]
	q := question(c)
	q["snils"] = "00000000000"
	_, got := ask(t, registries.NewServer(p, faults.NewSet(), ""), "snils", q)
	if got["status"] != "found" || got["snils"] != c.SNILS {
		t.Errorf("%v, want the record of %s", got, c.SNILS)
	}
}

func TestAFormerNameFindsThePerson(t *testing.T) {
	p := registries.NewPopulation(today)
	c := p.Of(registries.FormerName)[0]
	q := question(c.Typed())
	q["series"], q["number"] = "0000", "000000"
	_, got := ask(t, registries.NewServer(p, faults.NewSet(), ""), "passport", q)
	if names, _ := got["former_names"].([]any); got["status"] != "found" || len(names) != 1 {
		t.Errorf("%v", got)
	}
}

func TestAnArmedRegistryFails(t *testing.T) {
	p := registries.NewPopulation(today)
	set := faults.NewSet(registries.FaultPassport, registries.FaultSNILS, registries.FaultINN)
	server := registries.NewServer(p, set, "")
	c := p.Of(registries.Ordinary)[3]

	arm(t, set, faults.Fault{Adapter: registries.FaultINN, Outcome: faults.Refuse})
	if status, _ := ask(t, server, "inn", question(c)); status != http.StatusServiceUnavailable {
		t.Errorf("refuse: %d", status)
	}
	arm(t, set, faults.Fault{Adapter: registries.FaultINN, Outcome: faults.Mismatch})
	if _, got := ask(t, server, "inn", question(c)); got["inn"] == c.INN {
		t.Error("mismatch: the right number")
	}
	arm(t, set, faults.Fault{Adapter: registries.FaultINN, Outcome: faults.Down})
	if status, _ := ask(t, server, "inn", question(c)); status != 0 {
		t.Errorf("down: %d, want a broken connection", status)
	}
	if status, _ := ask(t, server, "snils", question(c)); status != http.StatusOK {
		t.Errorf("another registry: %d", status)
	}
}

func TestARegistryAsksForItsKey(t *testing.T) {
	p := registries.NewPopulation(today)
	if status, _ := ask(t, registries.NewServer(p, faults.NewSet(), "key"), "inn", question(p.All()[0])); status != http.StatusUnauthorized {
		t.Errorf("without a key: %d", status)
	}
}

func arm(t *testing.T, set *faults.Set, f faults.Fault) {
	t.Helper()
	if err := set.Arm(f); err != nil {
		t.Fatal(err)
	}
}

func question(c registries.Citizen) map[string]string {
	return map[string]string{
		"series": c.Passport.Series, "number": c.Passport.Number, "issued_on": c.Passport.IssuedOn,
		"issuer_code": c.Passport.IssuerCode, "snils": c.SNILS, "inn": c.INN,
		"family_name": c.Name.Family, "given_name": c.Name.Given, "middle_name": c.Name.Middle,
		"birthdate": c.Birthdate, "gender": c.Gender,
	}
}

// ask returns status 0 when the connection broke.
func ask(t *testing.T, s *registries.Server, registry string, q map[string]string) (int, map[string]any) {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(server.URL+"/registry/"+registry, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, got
}
