package account

import (
	"context"
	"sync"

	"github.com/vhod-id/vhod/account/credential"
)

// turns let guesses of one pair of identifier and address be judged one after another on this node. A guess is counted
// before it is judged; without turns an owner whose browsers sign in at the same moment would count as guessing.
type turns struct {
	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	free chan struct{} // holds a token while nobody has the turn
	here int           // holder and waiters
}

// mostWaiting bounds who waits for one pair; a flood of guesses is answered, not kept.
const mostWaiting = 64

// take waits for the turn of a key and returns what gives it back; credential.ErrBusy when too many wait.
func (t *turns) take(ctx context.Context, key string) (give func(), err error) {
	t.mu.Lock()
	if t.held == nil {
		t.held = map[string]*turn{}
	}
	mine := t.held[key]
	if mine == nil {
		mine = &turn{free: make(chan struct{}, 1)}
		mine.free <- struct{}{}
		t.held[key] = mine
	}
	if mine.here >= mostWaiting {
		t.mu.Unlock()
		return nil, credential.ErrBusy
	}
	mine.here++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.here--; mine.here == 0 {
			delete(t.held, key)
		}
	}
	select {
	case <-mine.free:
		return func() { mine.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
