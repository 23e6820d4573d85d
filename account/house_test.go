package account_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/storage"
	"github.com/vhod-id/vhod/storage/records"
	"github.com/vhod-id/vhod/storage/storagetest"
)

const goodPassword = "Тихий-Вечер7 на реке"

// house is a service over real stores, with registries that a test plays and ephemera that it may break.
type house struct {
	*account.Service
	t        testing.TB
	cfg      account.Config
	clock    *storagetest.Clock
	store    *countedStore
	outbox   account.Outbox
	eph      *countedEphemera
	hasher   *credential.Hasher
	registry *playedRegistries
}

func TestMain(m *testing.M) { storagetest.Main(m) }

func newHouse(t testing.TB) *house {
	t.Helper()
	clock := storagetest.NewClock()
	records, ephemera, sealer := storagetest.Open(t, clock.Now)
	return houseOver(t, clock, records, ephemera, sealer)
}

// housesOnServers are two nodes of one provider on PostgreSQL and Redis, with connections of their own.
func housesOnServers(t testing.TB) [2]*house {
	t.Helper()
	clock, sealer := storagetest.NewClock(), storagetest.Sealer(t)
	postgres, redis := storagetest.Postgres(t), storagetest.Redis(t)
	var nodes [2]*house
	for i := range nodes {
		rec, err := storage.OpenRecords(t.Context(), storage.Config{URL: postgres, Sealer: sealer, Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = rec.Close() })
		eph, err := storage.OpenEphemera(t.Context(), storage.Config{URL: redis, Sealer: sealer, Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = eph.Close() })
		nodes[i] = houseOver(t, clock, rec, eph, sealer)
	}
	return nodes
}

func houseOver(t testing.TB, clock *storagetest.Clock, records *records.Store, ephemera account.Ephemera, sealer *keys.Sealer) *house {
	t.Helper()
	h := &house{t: t, clock: clock, registry: &playedRegistries{grades: map[account.Registry]account.Grade{}}}
	h.store, h.eph, h.outbox = &countedStore{Store: records}, &countedEphemera{Ephemera: ephemera}, records
	h.hasher = credential.NewHasher(credential.HasherConfig{MemoryKiB: 64, Iterations: 1})
	h.cfg = account.Config{Store: h.store, Sessions: records, Outbox: records, Cases: records, Ephemera: h.eph,
		Registries: h.registry, Passwords: h.hasher, Sealer: sealer, Issuer: "https://id.example", Now: h.clock.Now}
	h.Service = h.node()
	return h
}

// node is one more service over the same stores.
func (h *house) node() *account.Service {
	h.t.Helper()
	s, err := account.New(h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(s.Close)
	return s
}

// countedStore counts how often accounts are looked for.
type countedStore struct {
	account.Store
	finds atomic.Int64
}

func (s *countedStore) Find(ctx context.Context, by account.Identifier) (*account.Account, error) {
	s.finds.Add(1)
	return s.Store.Find(ctx, by)
}

// countedEphemera counts calls, and errs when broken.
type countedEphemera struct {
	account.Ephemera
	calls  atomic.Int64
	broken atomic.Bool
}

var errAway = errors.New("ephemera are away")

func (e *countedEphemera) try() error {
	e.calls.Add(1)
	if e.broken.Load() {
		return errAway
	}
	return nil
}

func (e *countedEphemera) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := e.try(); err != nil {
		return err
	}
	return e.Ephemera.Put(ctx, key, value, ttl)
}

func (e *countedEphemera) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := e.try(); err != nil {
		return nil, false, err
	}
	return e.Ephemera.Get(ctx, key)
}

func (e *countedEphemera) Count(ctx context.Context, key string, by int64, window time.Duration) (int64, error) {
	if err := e.try(); err != nil {
		return 0, err
	}
	return e.Ephemera.Count(ctx, key, by, window)
}

func (e *countedEphemera) GetAll(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := e.try(); err != nil {
		return nil, err
	}
	return e.Ephemera.GetAll(ctx, keys...)
}

func (e *countedEphemera) CountAll(ctx context.Context, window time.Duration, counts ...account.Increment) ([]int64, error) {
	if err := e.try(); err != nil {
		return nil, err
	}
	return e.Ephemera.CountAll(ctx, window, counts...)
}

// work is what an answer costs, and what it is compared by: never by its time.
type work struct{ finds, calls, hashes int64 }

func (w work) since(before work) work {
	return work{w.finds - before.finds, w.calls - before.calls, w.hashes - before.hashes}
}

func (h *house) work() work { return work{h.store.finds.Load(), h.eph.calls.Load(), h.hasher.Count()} }

// playedRegistries answers by the grades that a test sets; what is not set matches.
type playedRegistries struct {
	mu     sync.Mutex
	grades map[account.Registry]account.Grade
	known  account.Name
	asked  int
}

func (p *playedRegistries) say(registry account.Registry, grade account.Grade) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grades[registry] = grade
}

func (p *playedRegistries) Check(_ context.Context, app account.Application) []account.Check {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	registries := []account.Registry{account.RegistryPassport, account.RegistrySNILS}
	if !app.INN.IsZero() {
		registries = append(registries, account.RegistryINN)
	}
	var checks []account.Check
	for _, r := range registries {
		grade := p.grades[r]
		if grade == "" {
			grade = account.Matches
		}
		checks = append(checks, account.Check{Registry: r, Grade: grade, Record: "r", Known: p.known})
	}
	return checks
}

func from(address string) account.Origin {
	return account.Origin{Address: netip.MustParseAddr(address)}
}

var home = from("203.0.113.7")

func phone(value string) account.Identifier {
	return account.Identifier{Kind: account.ByPhone, Value: value}
}

// annas is the phone of the person that most tests are about.
var annas = phone("+79161234567")

func (h *house) signUp(phone, email string) *account.Account {
	h.t.Helper()
	a, err := h.SignUp(h.t.Context(), account.SignUp{Phone: phone, Email: email, Password: goodPassword, Lang: "ru", Origin: home,
		Agreements: []account.Agreement{{Document: "terms", Version: "1", At: h.clock.Now()}}})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (h *house) anna() *account.Account { return h.signUp(annas.Value, "anna@example.ru") }

func (h *house) account(id account.ID) *account.Account {
	h.t.Helper()
	a, err := h.store.Account(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// notices takes every notice out of the outbox.
func (h *house) notices() []account.Notice {
	h.t.Helper()
	var out []account.Notice
	tasks, err := h.outbox.Lease(h.t.Context(), []account.TaskKind{account.OwedNotice}, h.clock.Now(), time.Minute, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, task := range tasks {
		var n account.Notice
		if err := json.Unmarshal(task.Payload, &n); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, n)
		if err := h.outbox.Pay(h.t.Context(), task.ID); err != nil {
			h.t.Fatal(err)
		}
	}
	return out
}

// told reports whether a notice of the template went to each channel.
func told(notices []account.Notice, template string) map[string]bool {
	out := map[string]bool{}
	for _, n := range notices {
		if n.Template == template {
			out[n.Channel] = true
		}
	}
	return out
}

// happened waits until the journal holds a line of the kind: some are written after the answer.
func (h *house) happened(id account.ID, kind account.EventKind) bool {
	h.t.Helper()
	for range 200 {
		events, err := h.Journal(h.t.Context(), id, 0, 100)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind == kind {
				return true
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// together calls work n times at the same moment and counts by error.
func together(n int, work func() error) (right int, wrong map[error]int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	wrong = map[error]int{}
	start := make(chan struct{})
	for range n {
		all.Go(func() {
			<-start
			err := work()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				right++
				return
			}
			if t := (account.ThrottledError{}); errors.As(err, &t) {
				err = errThrottled
			}
			wrong[err]++
		})
	}
	close(start)
	all.Wait()
	return right, wrong
}

var errThrottled = errors.New("throttled")

func throttled(err error) bool {
	var t account.ThrottledError
	return errors.As(err, &t)
}
