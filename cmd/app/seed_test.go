package app_test

import (
	"slices"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/cmd/app"
	"github.com/vhod-id/vhod/storage/storagetest"
)

var anna = app.Person{
	Phone: "+79001234567", Email: "anna@pochta.example", Password: "Bereza-173-sokol-parus", Level: "verified", Method: "bank", Verifier: "green",
	FamilyName: "Петрова", GivenName: "Анна", MiddleName: "Ивановна", Birthdate: "1990-01-02", Birthplace: "г. Казань", Gender: "female",
	PassportSeries: "9210", PassportNumber: "123456", PassportIssuedOn: "2010-02-03", PassportIssuedBy: "МВД", PassportIssuerCode: "160-003",
	SNILS: "11223344595", INN: "500100732259", Region: "Республика Татарстан", City: "Казань", Street: "Садовая", House: "1",
	TOTPSecret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", BackupCodes: []string{"0123-4567-89AB-C"}, Agreements: map[string]string{"terms": "2026-11"},
}

func open(t *testing.T) (*account.Service, *storagetest.Clock) {
	t.Helper()
	clock := storagetest.NewClock()
	records, ephemera, sealer := storagetest.Open(t, clock.Now)
	hasher := credential.NewHasher(credential.HasherConfig{MemoryKiB: 64, Iterations: 1})
	service, err := account.New(account.Config{Store: records, Sessions: records, Outbox: records, Cases: records, Ephemera: ephemera,
		Passwords: hasher, Policy: credential.NewPolicy(credential.PolicyConfig{}), Sealer: sealer, Issuer: "http://localhost:8080", Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return service, clock
}

func TestASeededPersonSignsInWithEverythingTheyHave(t *testing.T) {
	service, clock := open(t)
	for range 2 { // a second time changes nothing
		if err := app.SeedPeople(t.Context(), service, clock.Now(), []app.Person{anna}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := service.VerifyPassword(t.Context(), account.Identifier{Kind: account.ByEmail, Value: anna.Email}, anna.Password, account.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Level != account.Verified || a.Person.FamilyName != "Петрова" || a.SNILS.Reveal() != anna.SNILS || len(a.Evidence) != 2 || a.Evidence[1].Method != account.ProvenByBank {
		t.Errorf("%+v", a)
	}
	if len(a.Agreements) != 1 || a.Agreements[0].Version != "2026-11" {
		t.Errorf("agreements: %v", a.Agreements)
	}
	if left, err := service.VerifyBackup(t.Context(), a.ID, "0123 4567 89ab c", account.Origin{}); err != nil || left != 0 {
		t.Errorf("backup code: %d left, %v", left, err)
	}
	if len(a.TOTP) != 1 || !a.TOTP[0].Secret.Equal(anna.TOTPSecret) {
		t.Errorf("TOTP: %v", a.TOTP)
	}
}

func TestADraftConfirmsNothing(t *testing.T) {
	service, clock := open(t)
	p := anna
	p.Level, p.Draft = "simplified", true
	if err := app.SeedPeople(t.Context(), service, clock.Now(), []app.Person{p}); err != nil {
		t.Fatal(err)
	}
	a, err := service.VerifyPassword(t.Context(), account.Identifier{Kind: account.ByPhone, Value: p.Phone}, p.Password, account.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Person.FamilyName != "" || a.Application.Person.FamilyName != "Петрова" || len(a.Application.Missing()) != 0 || len(a.Evidence) != 0 {
		t.Errorf("%+v, missing %v", a, a.Application.Missing())
	}
}

func TestALockedPersonIsSeededLocked(t *testing.T) {
	service, clock := open(t)
	p := anna
	p.Status = "locked"
	if err := app.SeedPeople(t.Context(), service, clock.Now(), []app.Person{p}); err != nil {
		t.Fatal(err)
	}
	_, err := service.VerifyPassword(t.Context(), account.Identifier{Kind: account.ByPhone, Value: p.Phone}, p.Password, account.Origin{})
	if err == nil {
		t.Error("a locked person signed in")
	}
}

func TestAPersonOfWrongDataIsNotSeeded(t *testing.T) {
	service, clock := open(t)
	for name, spoil := range map[string]func(*app.Person){
		"level":      func(p *app.Person) { p.Level = "royal" },
		"birth date": func(p *app.Person) { p.Birthdate = "02.01.1990" },
		"SNILS":      func(p *app.Person) { p.SNILS = "11223344500" },
	} {
		p := anna
		spoil(&p)
		if err := app.SeedPeople(t.Context(), service, clock.Now(), []app.Person{p}); err == nil {
			t.Errorf("wrong %s: seeded", name)
		}
	}
}

func TestManyPeopleAreSeededAtOnce(t *testing.T) {
	service, clock := open(t)
	var people []app.Person
	for i := range 40 {
		p := app.Person{Phone: "+790000000" + string(rune('0'+i/10)) + string(rune('0'+i%10)), Email: string(rune('a'+i/10)) + string(rune('a'+i%10)) + "@pochta.example", Password: "Bereza-173-sokol-parus", Level: "simplified"}
		people = append(people, p)
	}
	start := time.Now()
	if err := app.SeedPeople(t.Context(), service, clock.Now(), people); err != nil {
		t.Fatal(err)
	}
	t.Logf("40 people in %v", time.Since(start))
	missing := slices.DeleteFunc(people, func(p app.Person) bool {
		taken, err := service.ContactTaken(t.Context(), account.Identifier{Kind: account.ByPhone, Value: p.Phone})
		return err == nil && taken
	})
	if len(missing) != 0 {
		t.Errorf("%d are missing", len(missing))
	}
}
