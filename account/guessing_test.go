package account_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vhod-id/vhod/account"
)

func TestGuessesAreCountedOverAllNodesAndRestarts(t *testing.T) {
	h := newHouse(t)
	h.anna()
	other, judged := h.node(), 0
	for i := range 10 {
		node := h.Service
		if i%2 == 1 {
			node = other
		}
		if _, err := node.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home); errors.Is(err, account.ErrWrongCredentials) {
			judged++
		}
	}
	if judged != 5 {
		t.Errorf("two nodes judged %d guesses at once", judged)
	}
	if _, err := h.node().VerifyPassword(t.Context(), annas, goodPassword, home); !throttled(err) {
		t.Errorf("a node that has just started: %v", err)
	}
}

func TestNetworksOfOnePrefixAreLimitedTogether(t *testing.T) {
	h := newHouse(t)
	h.cfg.Storm.Wrong = 1000
	h.Service = h.node()
	judged := 0
	for i := range 650 { // every guess from a /64 of its own, all of one /48, each at another person
		_, err := h.VerifyPassword(t.Context(), phone(fmt.Sprintf("+79160000%03d", i)), wrongPassword(i), from(fmt.Sprintf("2001:db8:7:%x::1", i+1)))
		if errors.Is(err, account.ErrWrongCredentials) {
			judged++
		}
	}
	if judged != 600 {
		t.Errorf("one /48 had %d guesses", judged)
	}
}
