package storagetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
)

var accountRules = []rule{
	{"an account comes back as it was stored", accountComesBack},
	{"an account is found by each of its identifiers", accountIsFound},
	{"an unknown account is not found", accountUnknown},
	{"an identifier belongs to one account", identifierIsTaken},
	{"an identifier given up is free", identifierIsFreed},
	{"of many who sign up with one phone one wins", oneSignsUp},
	{"of two who claim one identifier in a change one wins", oneClaims},
	{"an update sees the latest state and loses nothing", updatesAddUp},
	{"an error of the closure is returned and writes nothing", closureErrs},
	{"a change of nothing writes nothing", nothingChanges},
	{"every account is visited", everyAccountIsVisited},
	{"a change of an account takes few round trips", updateIsShort},
	{"a change starts from what another node wrote", changeFollowsAnotherNode},
	{"what a change did not commit nobody reads", refusedChangeIsNotRead},
}

func accountComesBack(t *testing.T, b bench) {
	a := person("+79161234567")
	a.Number, a.Level, a.SignedOutAt = "123456789012", account.Verified, b.clock.Now().Add(123456789)
	a.Person = account.Person{FamilyName: "Соколова", GivenName: "Анна", Birthdate: account.Date{Year: 1990, Month: 5, Day: 17}, Gender: account.Female}
	a.Passport = account.Passport{Series: "4509", Number: "123456"}
	a.Banks = []account.BankLink{{Bank: "green", Issuer: "https://bank.example", Subject: "s1", LinkedAt: b.clock.Now()}}
	must(t, b.Create(t.Context(), a))
	got, err := b.Account(t.Context(), a.ID)
	must(t, err)
	wantSame(t, a, got)
	if got.Version != 1 || !got.CreatedAt.Equal(b.clock.Now()) || !got.UpdatedAt.Equal(b.clock.Now()) {
		t.Errorf("version %d, created %v, updated %v", got.Version, got.CreatedAt, got.UpdatedAt)
	}
}

func accountIsFound(t *testing.T, b bench) {
	a := person("+79161234567")
	a.Passport = account.Passport{Series: "4509", Number: "123456"}
	must(t, b.Create(t.Context(), a))
	for _, by := range a.Identifiers() {
		got, err := b.Find(t.Context(), by)
		must(t, err)
		if got.ID != a.ID {
			t.Errorf("by %s another was found", by.Kind)
		}
	}
	// The value of one kind is not that of another.
	if _, err := b.Find(t.Context(), account.Identifier{Kind: account.ByEmail, Value: "+79161234567"}); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a phone was found as an address: %v", err)
	}
}

func accountUnknown(t *testing.T, b bench) {
	_, err := b.Account(t.Context(), "nobody")
	_, err2 := b.Find(t.Context(), account.Identifier{Kind: account.ByPhone, Value: "+79160000000"})
	err3 := b.Update(t.Context(), "nobody", func(*account.Account) error { return nil })
	for i, err := range []error{err, err2, err3, b.VerifyJournal(t.Context(), "nobody")} {
		if !errors.Is(err, account.ErrNotFound) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func identifierIsTaken(t *testing.T, b bench) {
	b.create(t, "+79161234567")
	other := person("+79167654321")
	other.Email.Value = "79161234567@example.ru"
	wantTaken(t, b.Create(t.Context(), other), account.ByEmail)
	if _, err := b.Account(t.Context(), other.ID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the account was stored all the same: %v", err)
	}
	second := b.create(t, "+79167654321")
	err := b.Update(t.Context(), second.ID, func(a *account.Account) error {
		a.Phone.Value = "+79161234567"
		a.Record(account.Event{Kind: "phone-changed"})
		return nil
	})
	wantTaken(t, err, account.ByPhone)
	got, err := b.Account(t.Context(), second.ID)
	must(t, err)
	if got.Phone.Value != "+79167654321" || got.Version != 1 {
		t.Errorf("the refused change left version %d", got.Version)
	}
	must(t, b.VerifyJournal(t.Context(), second.ID))
}

func identifierIsFreed(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	must(t, b.Update(t.Context(), a.ID, func(a *account.Account) error { a.Phone.Value = "+79160000001"; return nil }))
	if _, err := b.Find(t.Context(), account.Identifier{Kind: account.ByPhone, Value: "+79161234567"}); !errors.Is(err, account.ErrNotFound) {
		t.Fatalf("found by a phone given up: %v", err)
	}
	newcomer := person("+79161234567")
	newcomer.Email.Value = "new@example.ru"
	must(t, b.Create(t.Context(), newcomer))
}

func oneSignsUp(t *testing.T, b bench) {
	node := b.again(t)
	stores := []account.Store{b.Store, node}
	turn := make(chan int, 50)
	for i := range 50 {
		turn <- i
	}
	n := winners(t, 50, func() (bool, error) {
		i := <-turn
		a := person("+79161234567")
		a.Email.Value = fmt.Sprintf("p%d@example.ru", i)
		err := stores[i%2].Create(t.Context(), a)
		var taken account.TakenError
		if errors.As(err, &taken) && taken.Kind == account.ByPhone {
			return false, nil
		}
		return err == nil, err
	})
	if n != 1 {
		t.Fatalf("%d accounts have one phone", n)
	}
}

func oneClaims(t *testing.T, b bench) {
	ids := make(chan account.ID, 10)
	for i := range 10 {
		ids <- b.create(t, fmt.Sprintf("+7916123450%d", i)).ID
	}
	n := winners(t, 10, func() (bool, error) {
		err := b.Update(t.Context(), <-ids, func(a *account.Account) error {
			a.Passport = account.Passport{Series: "4509", Number: "123456"}
			return nil
		})
		var taken account.TakenError
		if errors.As(err, &taken) && taken.Kind == account.ByPassport {
			return false, nil
		}
		return err == nil, err
	})
	if n != 1 {
		t.Fatalf("%d accounts have one passport", n)
	}
}

func updatesAddUp(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	node := b.again(t)
	stores := []account.Store{b.Store, node}
	turn := make(chan int, 50)
	for i := range 50 {
		turn <- i
	}
	winners(t, 50, func() (bool, error) {
		i := <-turn
		return true, stores[i%2].Update(t.Context(), a.ID, func(a *account.Account) error {
			a.Agreements = append(a.Agreements, account.Agreement{Document: "terms"})
			a.Record(account.Event{Kind: "agreed", Details: map[string]string{"n": fmt.Sprint(i)}})
			return nil
		})
	})
	got, err := b.Account(t.Context(), a.ID)
	must(t, err)
	lines, err := b.Journal(t.Context(), a.ID, account.JournalQuery{Limit: 100})
	must(t, err)
	if len(got.Agreements) != 50 || got.Version != 51 || len(lines) != 51 {
		t.Errorf("%d of 50 changes, version %d, %d lines", len(got.Agreements), got.Version, len(lines))
	}
	must(t, b.VerifyJournal(t.Context(), a.ID))
}

func closureErrs(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	refused := errors.New("refused")
	err := b.Update(t.Context(), a.ID, func(a *account.Account) error {
		a.Level = account.Verified
		a.Record(account.Event{Kind: "level-raised"})
		a.Owe(account.Task{Kind: account.OwedNotice})
		return refused
	})
	if err != refused { // as it is, not wrapped
		t.Fatalf("the error is %v", err)
	}
	got, err := b.Account(t.Context(), a.ID)
	must(t, err)
	lines, err := b.Journal(t.Context(), a.ID, account.JournalQuery{Limit: 10})
	must(t, err)
	tasks, err := b.Lease(t.Context(), []account.TaskKind{account.OwedNotice}, b.clock.Now().Add(time.Hour), time.Minute, 10)
	must(t, err)
	if got.Level != account.Simplified || len(lines) != 1 || len(tasks) != 0 {
		t.Errorf("a refused change left level %v, %d lines, %d tasks", got.Level, len(lines), len(tasks))
	}
}

func nothingChanges(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	must(t, b.Update(t.Context(), a.ID, func(*account.Account) error { return nil }))
	got, err := b.Account(t.Context(), a.ID)
	must(t, err)
	if got.Version != 1 {
		t.Errorf("version %d", got.Version)
	}
}

func everyAccountIsVisited(t *testing.T, b bench) {
	want := map[account.ID]bool{}
	for i := range 7 {
		want[b.create(t, fmt.Sprintf("+7916123450%d", i)).ID] = true
	}
	must(t, b.EachAccount(t.Context(), func(id account.ID) error {
		delete(want, id)
		_, err := b.Account(t.Context(), id) // the visit may use the store
		return err
	}))
	if len(want) > 0 {
		t.Errorf("%d were not visited", len(want))
	}
	enough := errors.New("enough")
	if err := b.EachAccount(t.Context(), func(account.ID) error { return enough }); err != enough {
		t.Errorf("the error of the visit became %v", err)
	}
}

func updateIsShort(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	for _, row := range []struct {
		what string
		most int64
		work func() error
	}{
		{"reading", 1, func() error { _, err := b.Account(t.Context(), a.ID); return err }},
		{"finding", 1, func() error { _, err := b.Find(t.Context(), a.Identifiers()[0]); return err }},
		// BEGIN, the row, the row's change, the lines, the tasks, COMMIT; or one statement over what was just read.
		{"changing", b.changeTrips(), func() error {
			return b.Update(t.Context(), a.ID, func(a *account.Account) error {
				a.Record(account.Event{Kind: "one"})
				a.Record(account.Event{Kind: "two"})
				a.Owe(account.Task{Kind: account.OwedNotice})
				return nil
			})
		}},
	} {
		if n := b.trips(func() { must(t, row.work()) }); n > row.most {
			t.Errorf("%s takes %d round trips, not %d", row.what, n, row.most)
		}
	}
}

// changeFollowsAnotherNode alternates between nodes that each remember what they wrote themselves.
func changeFollowsAnotherNode(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	nodes := []account.Store{b.Store, b.again(t)}
	for i := range 8 {
		must(t, nodes[i/2%2].Update(t.Context(), a.ID, func(a *account.Account) error {
			if len(a.Agreements) != i { // an error of what is out of date is asked again over the row
				return fmt.Errorf("the change %d starts from %d before it", i, len(a.Agreements))
			}
			a.Agreements = append(a.Agreements, account.Agreement{Document: fmt.Sprint(i)})
			a.Record(account.Event{Kind: "agreed"})
			return nil
		}))
	}
	must(t, nodes[0].VerifyJournal(t.Context(), a.ID))
	got, err := nodes[0].Account(t.Context(), a.ID)
	must(t, err)
	other, err := nodes[1].Account(t.Context(), a.ID)
	must(t, err)
	wantSame(t, got, other)
}

// refusedChangeIsNotRead writes through what the closure was given, in every way that Go has, and refuses.
func refusedChangeIsNotRead(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	must(t, b.Update(t.Context(), a.ID, func(a *account.Account) error {
		a.Grants = []account.Grant{{ClientID: "a", Scopes: []string{"openid"}}}
		a.Evidence = []account.Evidence{{Details: map[string]string{"grade": "matches"}}}
		a.Record(account.Event{Kind: "given"})
		return nil
	}))
	want, err := b.Account(t.Context(), a.ID)
	must(t, err)
	refused := errors.New("refused")
	err = b.Update(t.Context(), a.ID, func(a *account.Account) error {
		a.Grants[0].Scopes[0], a.Evidence[0].Details["grade"] = "snils", "forged"
		a.Grants[0].ClientID = "b"
		return refused
	})
	if err != refused {
		t.Fatalf("the error is %v", err)
	}
	got, err := b.Account(t.Context(), a.ID)
	must(t, err)
	wantSame(t, want, got)
	if got.Grants[0].Scopes[0] != "openid" || got.Evidence[0].Details["grade"] != "matches" {
		t.Errorf("a refused change is read: %+v", got.Grants)
	}
}

// changeTrips is what a change may cost: PostgreSQL swaps an account by one statement.
func (b bench) changeTrips() int64 {
	if strings.HasPrefix(b.url, "postgres") {
		return 1
	}
	return 6
}

func wantTaken(t *testing.T, err error, kind account.IdentifierKind) {
	t.Helper()
	var taken account.TakenError
	if !errors.As(err, &taken) || taken.Kind != kind {
		t.Fatalf("not taken by %s but: %v", kind, err)
	}
}

// wantSame compares accounts by their durable form.
func wantSame(t *testing.T, want, got *account.Account) {
	t.Helper()
	w, err := account.Encode(want)
	must(t, err)
	g, err := account.Encode(got)
	must(t, err)
	if diff := cmp.Diff(string(w), string(g)); diff != "" {
		t.Errorf("the account differs (-want +got):\n%s", diff)
	}
}
