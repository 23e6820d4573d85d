package storagetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

// BenchRecords measures the verbs on the paths of signing in and of tokens.
func BenchRecords(b *testing.B, url string) {
	s := newBench(b, url)
	var n atomic.Int64
	newcomer := func() *account.Account { return person(fmt.Sprintf("+7916%07d", n.Add(1))) }
	a := newcomer()
	must(b, s.Create(b.Context(), a))
	session := &account.Session{ID: keys.RandomID(), Hash: "cookie", AccountID: a.ID, CreatedAt: s.clock.Now(), ExpiresAt: s.clock.Now().Add(time.Hour)}
	must(b, s.CreateSession(b.Context(), session, unchanged))
	f := s.newFamily(a.ID)
	must(b, s.CreateFamily(b.Context(), f))
	for _, verb := range []struct {
		name string
		run  func() error
	}{
		{"Create", func() error { return s.Create(b.Context(), newcomer()) }},
		{"Account", func() error { _, err := s.Account(b.Context(), a.ID); return err }},
		{"Find", func() error { _, err := s.Find(b.Context(), a.Identifiers()[0]); return err }},
		{"Update", func() error {
			return s.Update(b.Context(), a.ID, func(a *account.Account) error {
				a.Record(account.Event{Kind: "signed-in"})
				return nil
			})
		}},
		{"SessionByHash", func() error { _, _, err := s.SessionByHash(b.Context(), "cookie"); return err }},
		{"CreateFamily", func() error { return s.CreateFamily(b.Context(), s.newFamily(a.ID)) }},
		{"Family", func() error { _, _, err := s.Family(b.Context(), f.ID); return err }},
		{"ClientsVersion", func() error { _, err := s.ClientsVersion(b.Context()); return err }},
	} {
		b.Run(verb.name, func(b *testing.B) { parallel(b, verb.run) })
	}
	b.Run("Rotate", func(b *testing.B) {
		live := f.RefreshHash
		for b.Loop() {
			next := keys.RandomID()
			_, err := s.Rotate(b.Context(), f.ID, live, op.Rotation{Hash: next, At: s.clock.Now(), ExpiresAt: f.ExpiresAt})
			must(b, err)
			live = next
		}
	})
}

// BenchEphemera measures the five verbs.
func BenchEphemera(b *testing.B, s account.Ephemera) {
	var n atomic.Int64
	value := make([]byte, 600) // about an authorization code's grant
	must(b, s.Put(b.Context(), "held", value, time.Hour))
	for _, verb := range []struct {
		name string
		run  func() error
	}{
		{"Put", func() error { return s.Put(b.Context(), fmt.Sprint(n.Add(1)), value, time.Hour) }},
		{"Get", func() error { _, _, err := s.Get(b.Context(), "held"); return err }},
		{"PutTake", func() error {
			key := fmt.Sprint(n.Add(1))
			if err := s.Put(b.Context(), key, value, time.Hour); err != nil {
				return err
			}
			_, _, err := s.Take(b.Context(), key)
			return err
		}},
		{"Once", func() error { _, err := s.Once(b.Context(), fmt.Sprint(n.Add(1)), time.Hour); return err }},
		{"Count", func() error { _, err := s.Count(b.Context(), fmt.Sprint(n.Add(1)%100), 1, time.Hour); return err }},
	} {
		b.Run(verb.name, func(b *testing.B) { parallel(b, verb.run) })
	}
}

// parallel runs from eight goroutines a core, as a server with many requests does.
func parallel(b *testing.B, run func() error) {
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := run(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
