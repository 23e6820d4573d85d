package account

import (
	"context"
	"time"
)

// Store keeps accounts and their journals. storage satisfies it on SQLite and PostgreSQL.
type Store interface {
	// Create stores a new account with its events and tasks in one transaction. It returns a TakenError
	// when an identifier belongs to another account.
	Create(ctx context.Context, a *Account) error
	// Account returns an account, or ErrNotFound.
	Account(ctx context.Context, id ID) (*Account, error)
	// Find returns the account with this identifier, or ErrNotFound.
	Find(ctx context.Context, by Identifier) (*Account, error)
	// Update is the only write to an account: it runs change on fresh state and commits the row,
	// its identifiers, its new journal lines and its tasks in one transaction. The closure may run
	// more than once and does no I/O. An error of the closure is returned and nothing is written;
	// a refusal that must be kept is noted in the account and the closure returns nil.
	Update(ctx context.Context, id ID, change func(*Account) error) error
	// Journal returns lines of the account, newest first.
	Journal(ctx context.Context, id ID, of JournalQuery) ([]Event, error)
	// VerifyJournal recomputes the chain of one account and returns an error that names the first
	// line that does not fit.
	VerifyJournal(ctx context.Context, id ID) error
	// EachAccount calls visit with the id of every account, in no order, until it errs.
	EachAccount(ctx context.Context, visit func(ID) error) error
}

// SessionStore keeps sign-on sessions. A session is found by the hash of its cookie.
type SessionStore interface {
	// CreateSession stores a new session and changes its account, both or neither.
	CreateSession(ctx context.Context, s *Session, change func(*Account) error) error
	// SessionByHash returns the session and its account by one round trip, or ErrNotFound. It does
	// not judge: an ended session is returned with its EndedAt.
	SessionByHash(ctx context.Context, hash string) (*Session, *Account, error)
	// UpdateSession replaces hash, proofs and times of the session with that ID, if its hash is
	// still was; otherwise ErrConflict.
	UpdateSession(ctx context.Context, s *Session, was string) error
	// TouchSession sets SeenAt.
	TouchSession(ctx context.Context, id string, at time.Time) error
	// EndSession sets EndedAt once; a second call changes nothing.
	EndSession(ctx context.Context, id string, at time.Time) error
	// Sessions returns the sessions of an account that have not ended or expired, newest first.
	Sessions(ctx context.Context, id ID, now time.Time) ([]Session, error)
}

// Outbox holds what is owed. Tasks are leased, so that several nodes share the work, and removed
// once paid: payment is at least once.
type Outbox interface {
	// Owe adds tasks that no change of an account carries (a sign-up code).
	Owe(ctx context.Context, tasks ...Task) error
	// Lease returns at most limit tasks of the kinds that are due, and hides them from others until
	// now+lease.
	Lease(ctx context.Context, kinds []TaskKind, now time.Time, lease time.Duration, limit int) ([]Task, error)
	// Pay removes a task.
	Pay(ctx context.Context, id string) error
	// Postpone counts an attempt and makes the task due again at the given time.
	Postpone(ctx context.Context, id string, due time.Time) error
}

// CaseStore keeps the cases of people who cannot get back in by themselves. What was filed is sealed. A case whose EndsAt has come is not found.
type CaseStore interface {
	// OpenCase keeps a new case.
	OpenCase(ctx context.Context, c Case) error
	// Case returns a case, or ErrNotFound.
	Case(ctx context.Context, number string) (Case, error)
	// Cases returns cases without what was filed, the oldest first, at most limit.
	Cases(ctx context.Context, limit int) ([]Case, error)
	// AnswerCase sets AnsweredAt. ErrNotFound when there is no such case.
	AnswerCase(ctx context.Context, number string, at time.Time) error
	// CloseCase removes a case. ErrNotFound when there is none.
	CloseCase(ctx context.Context, number string) error
}

// Ephemera keeps what expires: codes, tries, limits. Every single-use secret is a Take.
// Values are sealed and keys are hashed by the implementation. Times follow the configured clock.
type Ephemera interface {
	// Put stores value until ttl from now, over any value before.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Get returns the value; ok is false when there is none or it expired.
	Get(ctx context.Context, key string) (value []byte, ok bool, err error)
	// Take returns the value and removes it, at once: of many callers one gets it.
	Take(ctx context.Context, key string) (value []byte, ok bool, err error)
	// Once returns true to the first caller with this key within ttl.
	Once(ctx context.Context, key string, ttl time.Duration) (first bool, err error)
	// Count adds by (0 to read) to a counter that ends window after its first addition, and returns the sum.
	Count(ctx context.Context, key string, by int64, window time.Duration) (sum int64, err error)
	// GetAll is Get of several keys by one round trip; a value is nil where there is none.
	GetAll(ctx context.Context, keys ...string) (values [][]byte, err error)
	// CountAll is Count of several keys by one round trip. Each is at once by itself, not all together.
	CountAll(ctx context.Context, window time.Duration, counts ...Increment) (sums []int64, err error)
}

// Increment is one of several counts: By is added to the counter Key, 0 to read it.
type Increment struct {
	Key string
	By  int64
}

// Registries asks the state registries about an application. account/registry satisfies it over HTTP.
type Registries interface {
	// Check asks every registry that the application needs, in parallel, and returns one Check per
	// registry. It never errs: a registry that fails or is late answers Silent.
	Check(ctx context.Context, application Application) []Check
}
