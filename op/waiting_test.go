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
