package op_test

import (
	"errors"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

func TestARequestThatTheDoorKeptEndsInTimeAndIsSpentOnce(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	uri := h.push("web")
	person := h.front.auth
	h.front.auth = nil // the person has to act
	h.authorize(opened("web", uri))
	kept := h.front.entered
	got, client, err := h.provider.Request(t.Context(), kept.ID, kept)
	if err != nil || got != kept || client.ID != "web" {
		t.Fatalf("%v %v %v", got, client, err)
	}
	if _, _, err := h.provider.Request(t.Context(), "another", kept); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("under another's id: %v", err)
	}
	gone := *kept
	gone.ClientID = "gone"
	if _, _, err := h.provider.Request(t.Context(), kept.ID, &gone); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("for a client that there is no more: %v", err)
	}
	h.later(time.Hour)
	if _, _, err := h.provider.Request(t.Context(), kept.ID, kept); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("an hour later: %v", err)
	}
	if _, err := h.provider.Approve(t.Context(), kept.ID, *person); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("approved an hour later: %v", err)
	}
}

func TestAPersonWhoAsksForLongerIsWaitedForTenHoursAtMost(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	person := h.front.auth
	h.front.auth = nil
	h.authorize(opened("web", h.push("web")))
	waiting, start := h.front.entered, h.clock.Now()
	for range 10 {
		h.later(55 * time.Minute)
		longer, err := h.provider.Extend(t.Context(), waiting.ID)
		if err != nil {
			t.Fatalf("after %s: %v", h.clock.Now().Sub(start), err)
		}
		if waiting = longer; waiting.Until().After(start.Add(10 * time.Hour)) {
			t.Fatalf("the service is waited for until %s", waiting.Until())
		}
	}
	if _, _, err := h.provider.Request(t.Context(), waiting.ID, waiting); err != nil || !waiting.Until().Equal(start.Add(10*time.Hour)) {
		t.Errorf("extended until %s, and then: %v", waiting.Until(), err)
	}
	h.later(time.Hour)
	if _, err := h.provider.Extend(t.Context(), waiting.ID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("after ten hours: %v", err)
	}
	if _, err := h.provider.Approve(t.Context(), waiting.ID, *person); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("approved after ten hours: %v", err)
	}
}

func TestARequestThatWasAnsweredIsNotBroughtBackByAskingForLonger(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	person := h.front.auth
	h.front.auth = nil
	uri := h.push("web")
	h.authorize(opened("web", uri))
	waiting := h.front.entered
	h.authorize(opened("web", uri)) // another tab
	twin := h.front.entered
	if _, err := h.provider.Approve(t.Context(), waiting.ID, *person); err != nil {
		t.Fatal(err)
	}
	if _, err := h.provider.Extend(t.Context(), waiting.ID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("extended after it was answered: %v", err)
	}
	for range 5 {
		h.later(55 * time.Minute)
		if _, err := h.provider.Extend(t.Context(), twin.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.provider.Approve(t.Context(), twin.ID, *person); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("one pushed request was answered twice, hours apart: %v", err)
	}
}
