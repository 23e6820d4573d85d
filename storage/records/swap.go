package records

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/account"
)

// swap changes an account as this node saw it last and puts the change in place of that very version by one statement, with its
// journal lines, its tasks and the session that begins: all of it, or nothing when another node was there first. It is
// compare-and-swap by the version, which every write raises; a transaction over a locked row costs six round trips.
//
// It returns false when the change has to be made over the row itself: because the account was not seen, the
// version was not the latest, nothing changed, an identifier moves, or the closure refused what may be out of date.
func (s *Store) swap(ctx context.Context, id account.ID, change func(*account.Account) error, begins *sessionRow) (bool, error) {
	a, head := s.seen.latest(id)
	if a == nil {
		return false, nil
	}
	was, held := a.Version, a.Identifiers()
	if change(a) != nil || !slices.Equal(held, a.Identifiers()) {
		return false, nil
	}
	events, tasks := a.Drain()
	if len(events) == 0 && len(tasks) == 0 {
		return false, nil
	}
	w, err := s.changed(a, head, events, tasks)
	if err != nil {
		return false, err
	}
	statement, args := s.swapStatement(w, was, begins)
	var swapped int
	if err := s.db.writer().row(ctx, statement, args...).Scan(&swapped); err != nil {
		if s.db.dialect.crossed(err) {
			return false, nil
		}
		return false, err
	}
	if swapped == 1 {
		s.remember(w)
	}
	return swapped == 1, nil
}

// swapStatement writes the one statement: every part takes its rows from the account that was swapped, so that there are none
// when none was. PostgreSQL runs all parts of a WITH, whether or not they are read (§7.8.4).
func (s *Store) swapStatement(w changedAccount, was int64, begins *sessionRow) (string, []any) {
	args := append(w.columns(), was)
	var text strings.Builder
	fmt.Fprintf(&text, "WITH swapped AS (%s AND version = $%d RETURNING id)", changeAccount, len(args))
	part := 0
	add := func(insert string, values []any) {
		part++
		fmt.Fprintf(&text, ", part%d AS (%sSELECT %s FROM swapped)", part, insert, list(len(args)+1, len(values)))
		args = append(args, values...)
	}
	for _, l := range w.lines {
		add(addLines, l.columns(w.account.ID))
	}
	for _, t := range w.tasks {
		add(addTasks, s.taskColumns(t))
	}
	if begins != nil {
		add(addSession, begins.columns())
	}
	text.WriteString(" SELECT count(*) FROM swapped")
	return text.String(), args
}

// turns let the changes of one account on this node follow one another, so that each starts from what the one before wrote. Who
// waits holds no connection. Accounts that share a slot wait for each other too, for one statement.
type turns struct {
	seed  maphash.Seed
	slots [256]chan struct{}
}

func newTurns() turns {
	t := turns{seed: maphash.MakeSeed()}
	for i := range t.slots {
		t.slots[i] = make(chan struct{}, 1)
	}
	return t
}

// take waits for the turn of an account and returns what gives it back.
func (t *turns) take(ctx context.Context, id account.ID) (give func(), err error) {
	slot := t.slots[maphash.String(t.seed, string(id))%uint64(len(t.slots))]
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
