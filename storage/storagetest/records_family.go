package storagetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
)

var familyRules = []rule{
	{"a family comes back with its account in one round trip", familyComes},
	{"a family of no account needs none", familyOfNobody},
	{"no family is born to who may not sign in or was signed out since", familyIsRefused},
	{"a refresh token is rotated from the live one alone", familyRotates},
	{"a grant that no key binds is renewed with its account by one round trip", familyRenews},
	{"a renewal knows what another node changed", renewalKnowsNothingOld},
	{"a grant that a key binds is not renewed by one round trip", boundIsNotRenewed},
	{"of many who renew one grant one wins", oneRenews},
	{"of many who rotate one refresh token one wins", oneRotates},
	{"a family ends once", familyEnds},
	{"the families of an account end at one client or at all", familiesEnd},
	{"sessions tell which services they led to", visitsOfSessions},
}

func (b bench) newFamily(id account.ID) *op.Family {
	now := b.clock.Now()
	return &op.Family{
		ID: keys.RandomID(), AccountID: id, ClientID: "demo-web", SessionID: "s1", Scopes: []string{"openid", "offline_access"},
		Claims:    &op.ClaimsRequest{UserInfo: map[string]op.ClaimRequest{"snils": {Essential: true}}},
		Details:   []op.Detail{{Type: op.DetailAct, Text: "Согласен", SignedAt: 1}},
		Resources: []string{"https://api.example"},
		AuthTime:  now.Add(-time.Second), AMR: []string{"pwd", "otp"}, ACR: "urn:vhod:acr:standard:2fa", Nonce: "n1", JKT: "jkt",
		CreatedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour), RefreshHash: "h0",
	}
}

func (b bench) family(t *testing.T, id account.ID) *op.Family {
	t.Helper()
	f := b.newFamily(id)
	must(t, b.CreateFamily(t.Context(), f))
	return f
}

func familyComes(t *testing.T, b bench) {
	a := b.create(t, "+79161234567")
	want := b.newFamily(a.ID)
	if n := b.trips(func() { must(t, b.CreateFamily(t.Context(), want)) }); n != 1 {
		t.Errorf("creating takes %d round trips", n)
	}
	var got *op.Family
	var owner *account.Account
	if n := b.trips(func() {
		var err error
		got, owner, err = b.Family(t.Context(), want.ID)
		must(t, err)
	}); n != 1 {
		t.Errorf("reading takes %d round trips", n)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	wantSame(t, a, owner)
	if _, _, err := b.Family(t.Context(), "another"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("an unknown family: %v", err)
	}
}

func familyOfNobody(t *testing.T, b bench) {
	f := b.family(t, "")
	_, owner, err := b.Family(t.Context(), f.ID)
	must(t, err)
	if owner != nil {
		t.Error("it has an owner")
	}
}

func familyIsRefused(t *testing.T, b bench) {
	for i, row := range []struct {
		what   string
		change func(*account.Account)
		want   error
	}{
		{"active", func(*account.Account) {}, nil},
		{"locked", func(a *account.Account) { a.Status = account.Locked }, account.ErrLocked},
		{"closing", func(a *account.Account) { a.Status = account.DeletionPending }, account.ErrLocked},
		{"signed out after signing in", func(a *account.Account) { a.SignedOutAt = b.clock.Now() }, account.ErrLocked},
		{"signed out after signing in, this session spared", func(a *account.Account) { a.SignedOutAt, a.Spared = b.clock.Now(), "s1" }, nil},
		{"signed out after signing in, another spared", func(a *account.Account) { a.SignedOutAt, a.Spared = b.clock.Now(), "other" }, account.ErrLocked},
		{"signed out at that very moment", func(a *account.Account) { a.SignedOutAt = b.clock.Now().Add(-time.Second) }, nil},
		{"signed out before", func(a *account.Account) { a.SignedOutAt = b.clock.Now().Add(-time.Minute) }, nil},
	} {
		a := b.create(t, "+7916123456"+string(rune('0'+i)))
		must(t, b.Update(t.Context(), a.ID, func(a *account.Account) error { row.change(a); return nil }))
		if err := b.CreateFamily(t.Context(), b.newFamily(a.ID)); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.what, err)
		}
	}
	if err := b.CreateFamily(t.Context(), b.newFamily("nobody")); !errors.Is(err, account.ErrLocked) {
		t.Errorf("unknown account: %v", err)
	}
}

func familyRotates(t *testing.T, b bench) {
	f := b.family(t, b.create(t, "+79161234567").ID)
	b.clock.Advance(time.Hour)
	next := op.Rotation{Hash: "h1", At: b.clock.Now(), ExpiresAt: b.clock.Now().Add(time.Hour)}
	var got *op.Family
	if n := b.trips(func() {
		var err error
		got, err = b.Rotate(t.Context(), f.ID, "h0", next)
		must(t, err)
	}); n != 1 {
		t.Errorf("rotating takes %d round trips", n)
	}
	f.RefreshHash, f.RotatedAt, f.ExpiresAt, f.Generation = next.Hash, next.At, next.ExpiresAt, 1
	if diff := cmp.Diff(f, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	refused := func(what, was string) {
		t.Helper()
		if _, err := b.Rotate(t.Context(), f.ID, was, op.Rotation{Hash: "h2", At: b.clock.Now(), ExpiresAt: b.clock.Now().Add(time.Hour)}); !errors.Is(err, account.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("used before", "h0")
	b.clock.Advance(time.Hour)
	refused("expired", "h1")
	ended := b.family(t, "")
	_, err := b.EndFamily(t.Context(), ended.ID, b.clock.Now())
	must(t, err)
	f = ended
	refused("ended", "h0")
}

func familyRenews(t *testing.T, b bench) {
	person := b.create(t, "+79161234567")
	f := b.newFamily(person.ID)
	f.JKT = ""
	must(t, b.CreateFamily(t.Context(), f))
	renewal := op.Renewal{ID: f.ID, ClientID: f.ClientID, Was: f.RefreshHash, Next: "h1", At: b.clock.Now()}
	for what, change := range map[string]func(*op.Renewal){
		"another client":     func(r *op.Renewal) { r.ClientID = "another" },
		"another token":      func(r *op.Renewal) { r.Was = "h9" },
		"no such grant":      func(r *op.Renewal) { r.ID = "none" },
		"after it had ended": func(r *op.Renewal) { r.At = f.ExpiresAt },
	} {
		refused := renewal
		change(&refused)
		if _, _, err := b.Renew(t.Context(), refused); !errors.Is(err, account.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, again := range []bool{false, true} { // the second time this node knows the account, and its row is not sent
		var got *op.Family
		var a *account.Account
		var err error
		if n := b.trips(func() { got, a, err = b.Renew(t.Context(), renewal) }); n != 1 || err != nil {
			t.Fatalf("again %v: %d round trips, %v", again, n, err)
		}
		f.RefreshHash, f.RotatedAt, f.Generation = renewal.Next, renewal.At, f.Generation+1
		if diff := cmp.Diff(f, got, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if a.ID != person.ID || a.Phone.Value != "+79161234567" {
			t.Errorf("again %v: the account of %s comes with it", again, a.ID)
		}
		renewal.Was, renewal.Next = renewal.Next, renewal.Next+"+"
	}
}

// Whoever changed an account at another node is believed at the next renewal, not what this node knew.
func renewalKnowsNothingOld(t *testing.T, b bench) {
	person, other := b.create(t, "+79161234567"), b.again(t)
	f := b.newFamily(person.ID)
	f.JKT = ""
	must(t, b.CreateFamily(t.Context(), f))
	renewal := op.Renewal{ID: f.ID, ClientID: f.ClientID, Was: f.RefreshHash, Next: "h1", At: b.clock.Now()}
	_, _, err := b.Renew(t.Context(), renewal)
	must(t, err)
	must(t, other.Update(t.Context(), person.ID, func(a *account.Account) error { a.Level = account.Verified; return nil }))
	renewal.Was, renewal.Next = "h1", "h2"
	if _, a, err := b.Renew(t.Context(), renewal); err != nil || a.Level != account.Verified {
		t.Errorf("after a change elsewhere: %v, %v", a, err)
	}
	must(t, other.Update(t.Context(), person.ID, func(a *account.Account) error { a.SignedOutAt = f.AuthTime.Add(time.Second); return nil }))
	renewal.Was, renewal.Next = "h2", "h3"
	if _, _, err := b.Renew(t.Context(), renewal); !errors.Is(err, account.ErrConflict) {
		t.Errorf("after a sign-out elsewhere: %v", err)
	}
}

func boundIsNotRenewed(t *testing.T, b bench) {
	f := b.newFamily(b.create(t, "+79161234567").ID)
	f.JKT = "thumbprint"
	must(t, b.CreateFamily(t.Context(), f))
	_, _, err := b.Renew(t.Context(), op.Renewal{ID: f.ID, ClientID: f.ClientID, Was: f.RefreshHash, Next: "h1", At: b.clock.Now()})
	if !errors.Is(err, account.ErrConflict) {
		t.Errorf("a grant that is bound to a key: %v", err)
	}
}

func oneRenews(t *testing.T, b bench) {
	f := b.newFamily(b.create(t, "+79161234567").ID)
	f.JKT = ""
	must(t, b.CreateFamily(t.Context(), f))
	n := winners(t, 50, func() (bool, error) {
		_, _, err := b.Renew(t.Context(), op.Renewal{ID: f.ID, ClientID: f.ClientID, Was: f.RefreshHash, Next: keys.RandomID(), At: b.clock.Now()})
		if errors.Is(err, account.ErrConflict) {
			return false, nil
		}
		return err == nil, err
	})
	if n != 1 {
		t.Errorf("%d renewed", n)
	}
}

func oneRotates(t *testing.T, b bench) {
	f := b.family(t, b.create(t, "+79161234567").ID)
	n := winners(t, 50, func() (bool, error) {
		_, err := b.Rotate(t.Context(), f.ID, "h0", op.Rotation{Hash: keys.RandomID(), At: b.clock.Now(), ExpiresAt: f.ExpiresAt})
		if errors.Is(err, account.ErrConflict) {
			return false, nil
		}
		return err == nil, err
	})
	if n != 1 {
		t.Errorf("%d rotated", n)
	}
}

func familyEnds(t *testing.T, b bench) {
	f := b.family(t, b.create(t, "+79161234567").ID)
	end := b.clock.Now()
	if n := winners(t, 20, func() (bool, error) { return b.EndFamily(t.Context(), f.ID, end) }); n != 1 {
		t.Errorf("%d ended it", n)
	}
	got, _, err := b.Family(t.Context(), f.ID)
	must(t, err)
	if !got.EndedAt.Equal(end) {
		t.Errorf("ended %v", got.EndedAt)
	}
}

func familiesEnd(t *testing.T, b bench) {
	a, other := b.create(t, "+79161234567"), b.create(t, "+79161234568")
	one, two, another := b.newFamily(a.ID), b.newFamily(a.ID), b.newFamily(other.ID)
	two.ClientID = "portal"
	for _, f := range []*op.Family{one, two, another} {
		must(t, b.CreateFamily(t.Context(), f))
	}
	live := func() (n int) {
		for _, f := range []*op.Family{one, two, another} {
			got, _, err := b.Family(t.Context(), f.ID)
			must(t, err)
			if got.EndedAt.IsZero() {
				n++
			}
		}
		return n
	}
	must(t, b.EndFamilies(t.Context(), a.ID, "portal", b.clock.Now()))
	if n := live(); n != 2 {
		t.Fatalf("%d live", n)
	}
	must(t, b.EndFamilies(t.Context(), a.ID, "", b.clock.Now()))
	if n := live(); n != 1 {
		t.Fatalf("%d live", n)
	}
}

func visitsOfSessions(t *testing.T, b bench) {
	a, other := b.create(t, "+79161234567"), b.create(t, "+79161234568")
	family := func(id account.ID, client, session string, ended bool) {
		b.clock.Advance(time.Second)
		f := b.newFamily(id)
		f.ClientID, f.SessionID = client, session
		must(t, b.CreateFamily(t.Context(), f))
		if ended {
			_, err := b.EndFamily(t.Context(), f.ID, b.clock.Now())
			must(t, err)
		}
	}
	family(a.ID, "portal", "s1", false)
	family(a.ID, "portal", "s1", true) // the service may still keep who came
	family(a.ID, "clinic", "s1", true)
	family(a.ID, "portal", "s2", false)
	family(a.ID, "tv", "", false)
	family(other.ID, "portal", "s3", false)
	ended := &account.Session{ID: "s2", Hash: "h2", AccountID: a.ID, CreatedAt: b.clock.Now(), SeenAt: b.clock.Now(), ExpiresAt: b.clock.Now().Add(time.Hour)}
	must(t, b.CreateSession(t.Context(), ended, func(*account.Account) error { return nil }))
	must(t, b.EndSession(t.Context(), "s2", b.clock.Now()))
	before := b.clock.Now()
	family(a.ID, "portal", "s4", false)
	for _, row := range []struct {
		what     string
		sessions []string
		want     []op.Visit
	}{
		{"one session, the newest service first", []string{"s1"}, []op.Visit{{ClientID: "clinic", SessionID: "s1"}, {ClientID: "portal", SessionID: "s1"}}},
		{"two sessions", []string{"s1", "s2"}, []op.Visit{{ClientID: "portal", SessionID: "s2"}, {ClientID: "clinic", SessionID: "s1"}, {ClientID: "portal", SessionID: "s1"}}},
		{"another's session", []string{"s3"}, nil},
		{"all before a time that are not over", nil, []op.Visit{{ClientID: "clinic", SessionID: "s1"}, {ClientID: "portal", SessionID: "s1"}}},
	} {
		got, err := b.Visits(t.Context(), a.ID, row.sessions, before)
		must(t, err)
		if diff := cmp.Diff(row.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s:\n%s", row.what, diff)
		}
	}
}
