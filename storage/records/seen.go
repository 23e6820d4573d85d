package records

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/vhod-id/vhod/account"
)

// seenAccounts are the accounts that were opened last, so that a session, a token and the next request of one person
// do not decrypt and decode the same row again. An entry is used only for the very row it was made of: the same id and
// the same authentication tag, or, where the database compares, the same id, version and time. Two generations of bounded size take turns; what is asked for stays.
//
// Readers share what is kept. A change starts from a copy of its own, and only where the database says in the same
// statement whether it was the latest (swap.go).
type seenAccounts struct {
	mu         sync.Mutex
	young, old map[account.ID]seenAccount
	// doors are what led to an account last: a session's cookie, a grant, an identifier.
	doors, oldDoors map[string]account.ID
}

type seenAccount struct {
	tag     []byte
	account *account.Account
	head    journalHead
}

// seenMost is how many accounts a generation holds: some megabytes.
const seenMost = 1024

// tagLen is the authentication tag at the end of a sealed value (AES-GCM).
const tagLen = 16

// find returns a copy of the account that this row holds, or nil. What the copy points to is shared and not changed by readers.
func (s *seenAccounts) find(r accountRow) *account.Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entry(r.id)
	if !ok {
		return nil
	}
	if len(r.sealed) < tagLen || !bytes.Equal(e.tag, r.sealed[len(r.sealed)-tagLen:]) {
		return nil
	}
	found := *e.account
	return &found
}

// latest returns a copy of an account as it was seen last, for a change to work on, and the end of its journal; nil when it was not.
func (s *seenAccounts) latest(id account.ID) (*account.Account, journalHead) {
	s.mu.Lock()
	e, ok := s.entry(id)
	s.mu.Unlock()
	if !ok {
		return nil, journalHead{}
	}
	return e.account.Clone(), e.head
}

// keep remembers what a row holds. A reader who was slow does not put an earlier version in place of a later one.
func (s *seenAccounts) keep(r accountRow, a *account.Account, head journalHead) {
	if len(r.sealed) < tagLen {
		return
	}
	kept := *a
	// A reader who appends to a slice gets one of their own.
	kept.Evidence, kept.Banks, kept.TOTP = slices.Clip(a.Evidence), slices.Clip(a.Banks), slices.Clip(a.TOTP)
	kept.Passkeys, kept.Devices = slices.Clip(a.Passkeys), slices.Clip(a.Devices)
	kept.Agreements, kept.Grants = slices.Clip(a.Agreements), slices.Clip(a.Grants)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.young[r.id]; ok && e.account.Version > a.Version {
		return
	}
	s.put(r.id, seenAccount{bytes.Clone(r.sealed[len(r.sealed)-tagLen:]), &kept, head})
}

// entry finds an account; what is asked for moves to the young generation.
func (s *seenAccounts) entry(id account.ID) (seenAccount, bool) {
	e, ok := s.young[id]
	if !ok {
		if e, ok = s.old[id]; ok {
			s.put(id, e)
		}
	}
	return e, ok
}

func (s *seenAccounts) put(id account.ID, e seenAccount) {
	if s.young == nil || len(s.young) >= seenMost {
		s.old, s.young = s.young, make(map[account.ID]seenAccount, seenMost)
	}
	s.young[id] = e
}

// knownAccount is what this node knows of an account before it asks the database. The database is asked for the row only
// unless it is the known one: most of a row is sealed, and would be sent and thrown away. An empty one is of no row.
type knownAccount struct {
	door    string
	account *account.Account
}

// accountUnless are the accountColumns, the sealed one NULL where the row is the known one, whose columns are the arguments
// from a number on. A version is written once; the time tells it apart from one that was lost when a backup was restored.
func accountUnless(from int) string { return `a.id, a.version, ` + sealedUnless(from) }

func sealedUnless(from int) string {
	return fmt.Sprintf(`CASE WHEN a.id = $%d AND a.version = $%d AND a.updated_at = $%d THEN NULL ELSE a.sealed END`, from, from+1, from+2)
}

func (k knownAccount) columns() []any {
	if k.account == nil {
		return []any{"", 0, 0}
	}
	return []any{k.account.ID, k.account.Version, toStore(k.account.UpdatedAt)}
}

// behind returns the account to which a door led last.
func (s *seenAccounts) behind(door string) knownAccount {
	s.mu.Lock()
	id, ok := s.doors[door]
	if !ok {
		id = s.oldDoors[door]
	}
	s.mu.Unlock()
	k := s.known(id)
	k.door = door
	return k
}

// known returns an account as it was seen last, for reading.
func (s *seenAccounts) known(id account.ID) knownAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entry(id)
	if !ok {
		return knownAccount{}
	}
	found := *e.account
	return knownAccount{account: &found}
}

// leads remembers to which account a door leads. Two generations of bounded size take turns here too.
func (s *seenAccounts) leads(door string, id account.ID) {
	if door == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.doors[door] == id {
		return
	}
	if s.doors == nil || len(s.doors) >= 4*seenMost {
		s.oldDoors, s.doors = s.doors, make(map[string]account.ID)
	}
	s.doors[door] = id
}

// viewBehind opens a row for reading, or takes what is known where it was not sent.
func (s *Store) viewBehind(known knownAccount, r accountRow) (*account.Account, error) {
	if r.sealed == nil && known.account != nil {
		return known.account, nil
	}
	s.seen.leads(known.door, r.id)
	if a := s.seen.find(r); a != nil {
		return a, nil
	}
	a, head, err := s.openAccount(r)
	if err == nil {
		s.seen.keep(r, a, head)
	}
	return a, err
}
