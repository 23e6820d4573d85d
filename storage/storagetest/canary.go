package storagetest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// canaries are values that no dump may show.
var canaries = []string{
	"+79161234567", "79161234567@example.ru", "Соколова", "Анна", "123456", "Тверская", "JBSWY3DPEHPK3PXP", "203.0.113.77",
	"Обозреватель", "code-482913", "https://bank.example subject-7", "subject-7", "cookie-value", "nonce-value", "thumbprint",
}

// NothingLegible writes what the stores are given in a day, and searches a dump of all that they keep
// for every canary.
func NothingLegible(t *testing.T, recordsURL, ephemeraURL string) {
	b := newBench(t, recordsURL)
	writeCanaries(t, b)
	e := openEphemera(t, ephemeraURL, b)
	for _, c := range canaries {
		must(t, e.Put(t.Context(), c, []byte(c), time.Hour))
		_, err := e.Once(t.Context(), c, time.Hour)
		must(t, err)
		_, err = e.Count(t.Context(), c, 3, time.Hour)
		must(t, err)
	}
	dump := Dump(t, recordsURL, ephemeraURL)
	for _, c := range canaries {
		if strings.Contains(dump, c) {
			t.Errorf("the dump shows %q", c)
		}
	}
}

func writeCanaries(t *testing.T, b bench) {
	t.Helper()
	now := b.clock.Now()
	origin := account.Origin{Address: netip.MustParseAddr("203.0.113.77"), UserAgent: "Обозреватель"}
	a := person("+79161234567")
	a.Person = account.Person{FamilyName: "Соколова", GivenName: "Анна"}
	a.Passport = account.Passport{Series: "4509", Number: "123456"}
	a.Address = account.Address{Street: "Тверская"}
	a.TOTP = []credential.TOTP{{ID: "t1", Secret: keys.NewSecret("JBSWY3DPEHPK3PXP")}}
	a.Banks = []account.BankLink{{Issuer: "https://bank.example", Subject: "subject-7"}}
	a.Record(account.Event{At: now, Kind: "signed-up", Actor: "person", Origin: origin, Details: map[string]string{"phone": "+79161234567"}})
	a.Owe(account.Task{Kind: account.OwedNotice, Payload: []byte(`{"to":"+79161234567","code":"code-482913"}`)})
	must(t, b.Create(t.Context(), a))
	must(t, b.Update(t.Context(), a.ID, func(a *account.Account) error { a.Level = account.Standard; return nil }))
	must(t, b.Owe(t.Context(), account.Task{Kind: account.OwedNotice, Payload: []byte("code-482913")}))
	must(t, b.OpenCase(t.Context(), account.Case{Number: "case", OpenedAt: now, EndsAt: now.Add(time.Hour), Filed: account.Filing{
		Person: a.Person, Passport: a.Passport, Contact: "+79161234567", Origin: origin,
	}}))
	must(t, b.CreateSession(t.Context(), &account.Session{ID: keys.RandomID(), Hash: keys.Hash("cookie-value"), AccountID: a.ID, CreatedAt: now, Origin: origin}, unchanged))
	f := b.newFamily(a.ID)
	f.Nonce, f.JKT, f.RefreshHash = "nonce-value", "thumbprint", keys.Hash("cookie-value")
	must(t, b.CreateFamily(t.Context(), f))
}

// Dump returns all that two stores keep, as whoever owns or steals the servers would see it. A dump
// of next to nothing fails the test, and so does a key of Redis without an end.
func Dump(t *testing.T, recordsURL, ephemeraURL string) string {
	t.Helper()
	dump := dumpRecords(t, recordsURL) + dumpEphemera(t, ephemeraURL)
	if len(dump) < 4000 {
		t.Fatalf("a dump of %d bytes is no dump", len(dump))
	}
	return dump
}

// lasting is a context that a clean-up may use too: the test's own ends before.
func lasting(t *testing.T) context.Context { return context.WithoutCancel(t.Context()) }

func dumpRecords(t *testing.T, url string) string {
	t.Helper()
	db := raw(t, url)
	tables := `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`
	var out strings.Builder
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		tables = `SELECT name FROM sqlite_master WHERE type = 'table'`
		out.WriteString(fileBytes(t, path) + fileBytes(t, path+"-wal"))
	}
	for _, table := range column(t, db, tables) {
		for _, row := range column(t, db, `SELECT * FROM `+table) {
			out.WriteString(table + ": " + row + "\n")
		}
	}
	return out.String()
}

// column returns the rows of a query, each as text of all its columns.
func column(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	found, err := db.QueryContext(lasting(t), query)
	must(t, err)
	defer func() { _ = found.Close() }()
	names, err := found.Columns()
	must(t, err)
	for found.Next() {
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(any)
		}
		must(t, found.Scan(values...))
		var row []string
		for _, v := range values {
			switch v := (*v.(*any)).(type) {
			case []byte:
				row = append(row, string(v))
			default:
				row = append(row, fmt.Sprint(v))
			}
		}
		all = append(all, strings.Join(row, " "))
	}
	must(t, found.Err())
	return all
}

func fileBytes(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return ""
	}
	must(t, err)
	return string(content)
}

func dumpEphemera(t *testing.T, url string) string {
	t.Helper()
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		return fileBytes(t, path) + fileBytes(t, path+"-wal")
	}
	address, prefix, _ := strings.Cut(url, "?prefix=")
	options, err := redis.ParseURL(address)
	must(t, err)
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	var out bytes.Buffer
	keys := client.Scan(lasting(t), 0, prefix+":*", 1000).Iterator()
	for keys.Next(lasting(t)) {
		value, err := client.Get(lasting(t), keys.Val()).Result()
		must(t, err)
		if left := client.PTTL(lasting(t), keys.Val()).Val(); left <= 0 {
			t.Errorf("a key of Redis lives for ever")
		}
		out.WriteString(keys.Val() + ": " + value + "\n")
	}
	must(t, keys.Err())
	return out.String()
}
