package storagetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

var outboxRules = []rule{
	{"a task is owed with its change and leased when due", taskIsLeased},
	{"a lease hides a task until it ends", leaseHides},
	{"a paid task is gone and a postponed one waits", paidAndPostponed},
	{"many workers lease each task once", leasedOnce},
	{"leases take the kinds asked for, the earliest first", leasesInOrder},
}

var notices = []account.TaskKind{account.OwedNotice}

func taskIsLeased(t *testing.T, b bench) {
	a := person("+79161234567")
	a.Owe(account.Task{Kind: account.OwedNotice, DueAt: b.clock.Now().Add(time.Minute), Payload: []byte(`{"to":"x"}`)})
	must(t, b.Create(t.Context(), a))
	early, err := b.Lease(t.Context(), notices, b.clock.Now(), time.Minute, 10)
	must(t, err)
	if len(early) != 0 {
		t.Fatal("leased before it was due")
	}
	b.clock.Advance(time.Minute)
	tasks, err := b.Lease(t.Context(), notices, b.clock.Now(), time.Minute, 10)
	must(t, err)
	if len(tasks) != 1 || tasks[0].ID == "" {
		t.Fatalf("leased %d", len(tasks))
	}
	want := account.Task{ID: tasks[0].ID, Kind: account.OwedNotice, Account: a.ID, DueAt: b.clock.Now(), Payload: []byte(`{"to":"x"}`)}
	if diff := cmp.Diff(want, tasks[0]); diff != "" {
		t.Error(diff)
	}
}

func leaseHides(t *testing.T, b bench) {
	must(t, b.Owe(t.Context(), account.Task{Kind: account.OwedNotice}))
	for i, want := range []int{1, 0, 1} {
		tasks, err := b.Lease(t.Context(), notices, b.clock.Now(), time.Minute, 10)
		must(t, err)
		if len(tasks) != want {
			t.Fatalf("lease %d got %d tasks", i+1, len(tasks))
		}
		b.clock.Advance(30 * time.Second)
	}
}

func paidAndPostponed(t *testing.T, b bench) {
	must(t, b.Owe(t.Context(), account.Task{ID: "paid", Kind: account.OwedNotice}, account.Task{ID: "later", Kind: account.OwedNotice}))
	_, err := b.Lease(t.Context(), notices, b.clock.Now(), time.Hour, 10)
	must(t, err)
	must(t, b.Pay(t.Context(), "paid"))
	must(t, b.Postpone(t.Context(), "later", b.clock.Now().Add(time.Minute)))
	b.clock.Advance(time.Minute)
	tasks, err := b.Lease(t.Context(), notices, b.clock.Now(), time.Hour, 10)
	must(t, err)
	if len(tasks) != 1 || tasks[0].ID != "later" || tasks[0].Attempts != 1 {
		t.Errorf("leased %v", tasks)
	}
}

func leasedOnce(t *testing.T, b bench) {
	var owed []account.Task
	for range 60 {
		owed = append(owed, account.Task{ID: keys.RandomID(), Kind: account.OwedNotice})
	}
	must(t, b.Owe(t.Context(), owed...))
	node := b.again(t)
	var mu sync.Mutex
	leased := map[string]int{}
	work := func(from account.Outbox) error {
		for {
			tasks, err := from.Lease(t.Context(), notices, b.clock.Now(), time.Minute, 3)
			if err != nil || len(tasks) == 0 {
				return err
			}
			mu.Lock()
			for _, task := range tasks {
				leased[task.ID]++
			}
			mu.Unlock()
		}
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := work([]account.Outbox{b.Store, node}[i%2]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	must(t, work(b)) // what all passed by because another held it
	for id, n := range leased {
		if n != 1 {
			t.Errorf("task %s was leased %d times", id, n)
		}
	}
	if len(leased) != len(owed) {
		t.Errorf("%d of %d tasks were leased", len(leased), len(owed))
	}
}

func leasesInOrder(t *testing.T, b bench) {
	for i, kind := range []account.TaskKind{account.OwedNotice, account.OwedCheck, "another", account.OwedNotice} {
		must(t, b.Owe(t.Context(), account.Task{ID: fmt.Sprint(i), Kind: kind, DueAt: b.clock.Now().Add(-time.Duration(i) * time.Second)}))
	}
	tasks, err := b.Lease(t.Context(), []account.TaskKind{account.OwedNotice, account.OwedCheck}, b.clock.Now(), time.Minute, 2)
	must(t, err)
	var ids []string
	for _, task := range tasks {
		ids = append(ids, task.ID)
	}
	if diff := cmp.Diff([]string{"3", "1"}, ids); diff != "" {
		t.Error(diff)
	}
	if none, err := b.Lease(t.Context(), nil, b.clock.Now(), time.Minute, 2); len(none) != 0 || err != nil {
		t.Errorf("no kinds gave %v, %v", none, err)
	}
}
