package records

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

func taskPlace(id string) string { return "outbox/" + id }

// Owe adds tasks that no change of an account carries. A task without an ID gets one; without a due
// time it is due at once.
func (s *Store) Owe(ctx context.Context, tasks ...account.Task) error {
	if err := s.insertTasks(ctx, s.db.writer(), tasks); err != nil {
		return fmt.Errorf("owing: %w", err)
	}
	return nil
}

// taskColumns are the values of a task's row. A task without an ID gets one; without a due time it is due at once.
func (s *Store) taskColumns(t account.Task) []any {
	if t.ID == "" {
		t.ID = keys.RandomID()
	}
	if t.DueAt.IsZero() {
		t.DueAt = s.now()
	}
	return []any{t.ID, t.Kind, t.Account, toStore(t.DueAt), 0, t.Attempts, s.sealer.Seal(taskPlace(t.ID), t.Payload)}
}

const addTasks = `INSERT INTO outbox (id, kind, account_id, due_at, leased_until, attempts, sealed) `

func (s *Store) insertTasks(ctx context.Context, to runner, tasks []account.Task) error {
	if len(tasks) == 0 {
		return nil
	}
	var args []any
	for _, t := range tasks {
		args = append(args, s.taskColumns(t)...)
	}
	_, err := to.exec(ctx, addTasks+`VALUES `+rows(len(tasks), 7), args...)
	return err
}

// Lease returns at most limit tasks of the kinds that are due, earliest first, and hides them from
// others until now+lease.
func (s *Store) Lease(ctx context.Context, kinds []account.TaskKind, now time.Time, lease time.Duration, limit int) ([]account.Task, error) {
	if len(kinds) == 0 || limit <= 0 {
		return nil, nil
	}
	args := []any{toStore(now.Add(lease)), toStore(now), limit}
	for _, k := range kinds {
		args = append(args, k)
	}
	found, err := s.db.writer().query(ctx, `UPDATE outbox SET leased_until = $1 WHERE leased_until <= $2 AND id IN (
			SELECT id FROM outbox WHERE kind IN (`+list(4, len(kinds))+`) AND due_at <= $2 AND leased_until <= $2
			ORDER BY due_at LIMIT $3`+s.db.dialect.skipLocked+`)
		RETURNING id, kind, account_id, due_at, attempts, sealed`, args...)
	if err != nil {
		return nil, fmt.Errorf("leasing tasks: %w", err)
	}
	defer func() { _ = found.Close() }()
	var tasks []account.Task
	for found.Next() {
		t, err := s.scanTask(found)
		if err != nil {
			return nil, fmt.Errorf("leasing tasks: %w", err)
		}
		tasks = append(tasks, t)
	}
	slices.SortFunc(tasks, func(x, y account.Task) int { return cmp.Or(x.DueAt.Compare(y.DueAt), cmp.Compare(x.ID, y.ID)) })
	return tasks, found.Err()
}

func (s *Store) scanTask(from scanner) (account.Task, error) {
	var t account.Task
	var due int64
	var sealed []byte
	if err := from.Scan(&t.ID, &t.Kind, &t.Account, &due, &t.Attempts, &sealed); err != nil {
		return t, err
	}
	t.DueAt = fromStore(due)
	var err error
	if t.Payload, err = s.sealer.Open(taskPlace(t.ID), sealed); err != nil {
		return t, fmt.Errorf("task %s: %w", t.ID, err)
	}
	return t, nil
}

// Pay removes a task, its payload with it.
func (s *Store) Pay(ctx context.Context, id string) error {
	if _, err := s.db.writer().exec(ctx, `DELETE FROM outbox WHERE id = $1`, id); err != nil {
		return fmt.Errorf("paying task %s: %w", id, err)
	}
	return nil
}

// Postpone counts an attempt and makes the task due again at the given time.
func (s *Store) Postpone(ctx context.Context, id string, due time.Time) error {
	_, err := s.db.writer().exec(ctx, `UPDATE outbox SET attempts = attempts + 1, due_at = $1, leased_until = 0 WHERE id = $2`, toStore(due), id)
	if err != nil {
		return fmt.Errorf("postponing task %s: %w", id, err)
	}
	return nil
}
