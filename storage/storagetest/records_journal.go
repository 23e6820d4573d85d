package storagetest

import (
	"database/sql"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vhod-id/vhod/account"
)

var journalRules = []rule{
	{"the journal reads newest first, in pages", journalReads},
	{"lines of a change come in its order, with all they say", linesSayAll},
	{"lines are looked for by kind and time", linesAreLookedFor},
	{"a whole journal verifies", journalVerifies},
	{"a removed, changed, moved or added line is found", tamperingIsFound},
}

func journalReads(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	for i := range 6 {
		b.clock.Advance(time.Minute)
		must(t, b.Update(t.Context(), a.ID, func(a *account.Account) error {
			a.Record(account.Event{Kind: account.EventKind(fmt.Sprint("e", i))})
			return nil
		}))
	}
	var seqs []int64
	for before := int64(0); ; {
		page, err := b.Journal(t.Context(), a.ID, account.JournalQuery{Before: before, Limit: 3})
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			seqs = append(seqs, e.Seq)
		}
		before = page[len(page)-1].Seq
	}
	if diff := cmp.Diff([]int64{7, 6, 5, 4, 3, 2, 1}, seqs); diff != "" {
		t.Error(diff)
	}
}

func linesAreLookedFor(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	begin := b.clock.Now()
	for _, kind := range []account.EventKind{"odd", "even", "odd", "even", "odd"} { // lines 2 to 6, at minutes 1 to 5
		b.clock.Advance(time.Minute)
		must(t, b.Update(t.Context(), a.ID, func(a *account.Account) error {
			a.Record(account.Event{At: b.clock.Now(), Kind: kind})
			return nil
		}))
	}
	for name, row := range map[string]struct {
		of   account.JournalQuery
		want []int64
	}{
		"one kind":            {account.JournalQuery{Kinds: []account.EventKind{"odd"}}, []int64{6, 4, 2}},
		"one kind, paged":     {account.JournalQuery{Kinds: []account.EventKind{"odd"}, Before: 6, Limit: 1}, []int64{4}},
		"two kinds":           {account.JournalQuery{Kinds: []account.EventKind{"odd", "even"}}, []int64{6, 5, 4, 3, 2}},
		"from a time on":      {account.JournalQuery{From: begin.Add(4 * time.Minute)}, []int64{6, 5}},
		"until before a time": {account.JournalQuery{From: begin.Add(time.Minute), Until: begin.Add(3 * time.Minute)}, []int64{3, 2}},
		"all at once":         {account.JournalQuery{Kinds: []account.EventKind{"even"}, From: begin, Until: begin.Add(5 * time.Minute), Before: 5}, []int64{3}},
		"nothing":             {account.JournalQuery{Kinds: []account.EventKind{"never"}}, nil},
	} {
		if row.of.Limit == 0 {
			row.of.Limit = 10
		}
		got, err := b.Journal(t.Context(), a.ID, row.of)
		must(t, err)
		var seqs []int64
		for _, e := range got {
			seqs = append(seqs, e.Seq)
		}
		if diff := cmp.Diff(row.want, seqs); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func linesSayAll(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	at := b.clock.Now().Add(42 * time.Nanosecond)
	want := []account.Event{
		{Seq: 3, At: at, Kind: "second", Actor: "client:portal", Details: map[string]string{"claim": "phone"}},
		{Seq: 2, At: at, Kind: "first", Actor: "person",
			Origin: account.Origin{Address: netip.MustParseAddr("2001:db8::1"), UserAgent: "Обозреватель", RequestID: "r1"}},
	}
	must(t, b.Update(t.Context(), a.ID, func(a *account.Account) error {
		a.Record(want[1])
		a.Record(want[0])
		return nil
	}))
	got, err := b.Journal(t.Context(), a.ID, account.JournalQuery{Limit: 2})
	must(t, err)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(account.Event{}, "Hash"), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
}

func journalVerifies(t *testing.T, b bench) {
	must(t, b.VerifyJournal(t.Context(), longJournal(t, b, "+79161234567")))
}

func tamperingIsFound(t *testing.T, b bench) {
	for i, row := range []struct{ what, statement, names string }{
		{"the last line removed", `DELETE FROM events WHERE account_id = $1 AND seq = 5`, "line 5"},
		{"the first line removed", `DELETE FROM events WHERE account_id = $1 AND seq = 1`, "line 1"},
		{"a line in the middle removed", `DELETE FROM events WHERE account_id = $1 AND seq = 3`, "line 3"},
		{"all lines removed", `DELETE FROM events WHERE account_id = $1`, "line 1"},
		{"a kind changed", `UPDATE events SET kind = 'other' WHERE account_id = $1 AND seq = 2`, "line 2"},
		{"a time changed", `UPDATE events SET happened_at = happened_at + 1 WHERE account_id = $1 AND seq = 4`, "line 4"},
		{"an actor changed", `UPDATE events SET actor = 'system' WHERE account_id = $1 AND seq = 2`, "line 2"},
		{"details of another line", `UPDATE events SET sealed = (SELECT sealed FROM events e WHERE e.account_id = $1 AND e.seq = 2) WHERE account_id = $1 AND seq = 3`, "line 3"},
		{"details emptied", `UPDATE events SET sealed = '' WHERE account_id = $1 AND seq = 3`, "line 3"},
		{"a line added", `INSERT INTO events SELECT account_id, 6, happened_at, kind, actor, sealed, digest, hash FROM events WHERE account_id = $1 AND seq = 5`, "line 6"},
	} {
		id := longJournal(t, b, fmt.Sprintf("+791612345%02d", i))
		b.tamper(t, row.statement, id)
		if err := b.VerifyJournal(t.Context(), id); err == nil || !strings.Contains(err.Error(), row.names) {
			t.Errorf("%s: %v", row.what, err)
		}
	}
}

// longJournal makes an account with a journal of five lines.
func longJournal(t *testing.T, b bench, phone string) account.ID {
	t.Helper()
	a := b.create(t, phone)
	for i := range 4 {
		b.clock.Advance(time.Second)
		must(t, b.Update(t.Context(), a.ID, func(a *account.Account) error {
			a.Record(account.Event{Kind: "changed", Actor: "person", Details: map[string]string{"n": fmt.Sprint(i)}})
			return nil
		}))
	}
	must(t, b.VerifyJournal(t.Context(), a.ID))
	return a.ID
}

// raw opens a database beside its store, as its owner could.
func raw(t *testing.T, url string) *sql.DB {
	t.Helper()
	driver, name := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		driver, name = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, name)
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (b bench) tamper(t *testing.T, statement string, args ...any) {
	t.Helper()
	result, err := raw(t, b.url).ExecContext(t.Context(), statement, args...)
	must(t, err)
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		t.Fatalf("tampering touched nothing: %v", err)
	}
}
