package account

// Record notes an event of this change, for rooms that learn of a fact which no method of the account
// brings about (a used refresh token came again). An event without an actor is the system's.
func (a *Account) Record(e Event) {
	if e.Actor == "" {
		e.Actor = "system"
	}
	a.events = append(a.events, e)
}

// Owe adds a task to this change. Without an account it is this account's.
func (a *Account) Owe(t Task) {
	if t.Account == "" {
		t.Account = a.ID
	}
	a.owed = append(a.owed, t)
}
