package storagetest

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

var sessionRules = []rule{
	{"a session comes with its account in one round trip", sessionComes},
	{"a session's cookie changes only from the one it had", sessionUpdates},
	{"of many who change a session's cookie one wins", oneChangesTheCookie},
	{"a session ends once and its end stands", sessionEnds},
	{"live sessions are listed, newest first", sessionsAreListed},
	{"a session and its line in the journal come together or not at all", sessionWithLine},
	{"a sweep forgets only what ended long ago", sweepForgets},
}

func (b bench) session(t *testing.T, id account.ID) *account.Session {
	t.Helper()
	now := b.clock.Now()
	s := &account.Session{
		ID: keys.RandomID(), Hash: keys.Hash(keys.RandomHandle()), AccountID: id, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(12 * time.Hour),
		Proofs: []account.Proof{{Method: account.MethodPassword, At: now.Add(7)}},
		Origin: account.Origin{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "Firefox", RequestID: "r1"}, Shared: true,
	}
	must(t, b.CreateSession(t.Context(), s, unchanged))
	return s
}

func unchanged(*account.Account) error { return nil }

func sessionWithLine(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	now := b.clock.Now()
	s := &account.Session{ID: keys.RandomID(), Hash: keys.Hash("c"), AccountID: a.ID, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(time.Hour)}
	refused := errors.New("refused")
	if err := b.CreateSession(t.Context(), s, func(*account.Account) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("a refused change: %v", err)
	}
	if _, _, err := b.SessionByHash(t.Context(), s.Hash); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a session without its line: %v", err)
	}
	note := func(a *account.Account) error { a.Record(account.Event{At: now, Kind: account.SignedIn}); return nil }
	must(t, b.CreateSession(t.Context(), s, note))
	if err := b.CreateSession(t.Context(), s, note); err == nil {
		t.Error("one session came twice")
	}
	lines, err := b.Journal(t.Context(), a.ID, account.JournalQuery{Limit: 10})
	must(t, err)
	n := 0
	for _, l := range lines {
		if l.Kind == account.SignedIn {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the journal has %d lines of one session", n)
	}
}

func sessionComes(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	want := b.session(t, a.ID)
	var got *account.Session
	var owner *account.Account
	n := b.trips(func() {
		var err error
		got, owner, err = b.SessionByHash(t.Context(), want.Hash)
		must(t, err)
	})
	if n != 1 {
		t.Errorf("%d round trips", n)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	wantSame(t, a, owner)
	if _, _, err := b.SessionByHash(t.Context(), "another"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("an unknown cookie: %v", err)
	}
}

func sessionUpdates(t *testing.T, b bench) {
	s := b.session(t, b.create(t, "+79161234567").ID)
	was := s.Hash
	b.clock.Advance(time.Minute)
	s.Hash, s.SeenAt = keys.Hash("new"), b.clock.Now()
	s.Proofs = append(s.Proofs, account.Proof{Method: account.MethodTOTP, At: b.clock.Now()})
	must(t, b.UpdateSession(t.Context(), s, was))
	got, _, err := b.SessionByHash(t.Context(), s.Hash)
	must(t, err)
	if diff := cmp.Diff(s, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if _, _, err := b.SessionByHash(t.Context(), was); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the old cookie still opens: %v", err)
	}
	if err := b.UpdateSession(t.Context(), s, was); !errors.Is(err, account.ErrConflict) {
		t.Errorf("changed from a cookie that it no longer has: %v", err)
	}
	must(t, b.EndSession(t.Context(), s.ID, b.clock.Now()))
	if err := b.UpdateSession(t.Context(), s, s.Hash); !errors.Is(err, account.ErrConflict) {
		t.Errorf("changed after its end: %v", err)
	}
}

func oneChangesTheCookie(t *testing.T, b bench) {
	s := b.session(t, b.create(t, "+79161234567").ID)
	n := winners(t, 20, func() (bool, error) {
		mine := *s
		mine.Hash = keys.Hash(keys.RandomHandle())
		err := b.UpdateSession(t.Context(), &mine, s.Hash)
		if errors.Is(err, account.ErrConflict) {
			return false, nil
		}
		return err == nil, err
	})
	if n != 1 {
		t.Errorf("%d changed the cookie", n)
	}
}

func sessionEnds(t *testing.T, b bench) {
	s := b.session(t, b.create(t, "+79161234567").ID)
	end := b.clock.Now().Add(time.Minute)
	must(t, b.TouchSession(t.Context(), s.ID, end))
	must(t, b.TouchSession(t.Context(), s.ID, end.Add(-time.Second)))
	must(t, b.EndSession(t.Context(), s.ID, end))
	must(t, b.EndSession(t.Context(), s.ID, end.Add(time.Hour)))
	got, _, err := b.SessionByHash(t.Context(), s.Hash)
	must(t, err)
	if !got.EndedAt.Equal(end) || !got.SeenAt.Equal(end) {
		t.Errorf("ended %v, seen %v", got.EndedAt, got.SeenAt)
	}
}

func sessionsAreListed(t *testing.T, b bench) {
	a, other := b.create(t, "+79161234567"), b.create(t, "+79161234568")
	first := b.session(t, a.ID)
	b.clock.Advance(time.Hour)
	ended, second := b.session(t, a.ID), b.session(t, a.ID)
	b.session(t, other.ID)
	must(t, b.EndSession(t.Context(), ended.ID, b.clock.Now()))
	live := func() (ids []string) {
		list, err := b.Sessions(t.Context(), a.ID, b.clock.Now())
		must(t, err)
		for _, s := range list {
			ids = append(ids, s.ID)
		}
		return ids
	}
	if diff := cmp.Diff([]string{second.ID, first.ID}, live()); diff != "" {
		t.Error(diff)
	}
	b.clock.Advance(11 * time.Hour) // the first has expired
	if diff := cmp.Diff([]string{second.ID}, live()); diff != "" {
		t.Error(diff)
	}
}

func sweepForgets(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	session, lives, ended := b.session(t, a.ID), b.family(t, a.ID), b.family(t, a.ID)
	_, err := b.EndFamily(t.Context(), ended.ID, b.clock.Now())
	must(t, err)
	kept := func(id string, want bool) {
		t.Helper()
		if _, _, err := b.Family(t.Context(), id); (err == nil) != want || err != nil && !errors.Is(err, account.ErrNotFound) {
			t.Errorf("kept %v: %v", want, err)
		}
	}
	must(t, b.Sweep(t.Context(), b.clock.Now().Add(-24*time.Hour)))
	kept(ended.ID, true)
	must(t, b.Sweep(t.Context(), session.ExpiresAt))
	_, _, err = b.SessionByHash(t.Context(), session.Hash)
	must(t, err)
	must(t, b.Sweep(t.Context(), b.clock.Now().Add(24*time.Hour)))
	kept(ended.ID, false)
	kept(lives.ID, true)
	must(t, b.Sweep(t.Context(), b.clock.Now().Add(1000*time.Hour)))
	kept(lives.ID, false)
	if _, _, err := b.SessionByHash(t.Context(), session.Hash); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("an expired session was kept: %v", err)
	}
}
