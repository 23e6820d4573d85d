package records

import (
	"bytes"
	"slices"
	"sync"

	"github.com/vhod-id/vhod/account"
)

// seenAccounts are the accounts that were opened last, so that a session, a token and the next request of one person
// do not decrypt and decode the same row again. An entry is used only for the very row it was made of: the same id and
// the same authentication tag. Two generations of bounded size take turns; what is asked for stays.
//
// Readers share what is kept. A change starts from a copy of its own, and only where the database says in the same
// statement whether it was the latest (swap.go).
type seenAccounts struct {
	mu         sync.Mutex
	young, old map[account.ID]seenAccount
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
	e, ok := s.young[r.id]
	if !ok {
		if e, ok = s.old[r.id]; !ok {
			return nil
		}
		s.put(r.id, e)
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
	e, ok := s.young[id]
	if !ok {
		e, ok = s.old[id]
	}
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

func (s *seenAccounts) put(id account.ID, e seenAccount) {
	if s.young == nil || len(s.young) >= seenMost {
		s.old, s.young = s.young, make(map[account.ID]seenAccount, seenMost)
	}
	s.young[id] = e
}

// viewAccount opens a row for reading.
func (s *Store) viewAccount(r accountRow) (*account.Account, error) {
	if a := s.seen.find(r); a != nil {
		return a, nil
	}
	a, head, err := s.openAccount(r)
	if err == nil {
		s.seen.keep(r, a, head)
	}
	return a, err
}
