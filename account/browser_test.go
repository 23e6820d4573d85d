package account_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// arrive signs a person in in the browser with that cookie, a minute after what was before.
func (h *house) arrive(id account.ID, cookie string) {
	h.t.Helper()
	h.clock.Advance(time.Minute)
	if _, _, err := h.OpenSession(h.t.Context(), id, account.Opening{Proofs: h.proof(account.MethodPassword), Browser: cookie, Origin: home}); err != nil {
		h.t.Fatal(err)
	}
}

func TestEverNewBrowsersDisplaceNoneThatThePersonComesBackTo(t *testing.T) {
	h := newHouse(t)
	id := h.anna().ID
	own := []string{"the first", "telephone", "work"}
	for range 2 {
		for _, cookie := range own {
			h.arrive(id, cookie)
		}
	}
	for i := range 40 {
		h.arrive(id, fmt.Sprint("private window ", i))
	}
	a := h.account(id)
	for _, cookie := range append(own, "private window 39") {
		if !a.Knows(cookie, h.clock.Now()) {
			t.Errorf("the browser %q is forgotten", cookie)
		}
	}
	if a.Knows("private window 0", h.clock.Now()) || len(a.Browsers) > 12 {
		t.Errorf("%d browsers are kept", len(a.Browsers))
	}
}

// Disowning sign-ins undoes what was added since the first of them, so who added something must not be able to push it out.
func TestManyArrivalsDoNotHideTheFirstOfAMessage(t *testing.T) {
	h := newHouse(t)
	id := h.anna().ID
	h.arrive(id, "own") // nothing to tell of
	h.arrive(id, "a stranger's")
	first := h.clock.Now()
	for i := range 40 {
		h.arrive(id, fmt.Sprint("one more ", i))
	}
	a := h.account(id)
	if len(a.Arrivals) > 12 || !a.Arrivals[0].At.Equal(first) || !a.Arrivals[len(a.Arrivals)-1].At.Equal(h.clock.Now()) {
		t.Errorf("of %d arrivals the first is of %s, want %s", len(a.Arrivals), a.Arrivals[0].At, first)
	}
}
