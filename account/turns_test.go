package account_test

import (
	"sync"
	"testing"
)

func TestOwnersBrowsersMaySignInAtTheSameMoment(t *testing.T) {
	h := newHouse(t)
	h.anna()
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
				t.Errorf("a right password is refused beside others: %v", err)
			}
		})
	}
	all.Wait()
}
