package account

import (
	"net/netip"
	"time"
)

// Event is one line of the journal: something that happened to an account. The person's history, the
// operator's journal and the auditor's export are readings of the same lines (R221-R227).
type Event struct {
	Seq     int64 // within the account, from 1, set by the store
	At      time.Time
	Kind    EventKind
	Actor   string            // "person", "system", "operator:ID", "client:ID", "bank:ID"
	Origin  Origin            // where the request came from; zero for the system
	Details map[string]string // facts without secrets: method, client, level, reason. Sealed at rest.
	Hash    string            // set by the store: SHA-256 chain over the line before and this one
}

// EventKind says what happened. The set is in facts.go, with its words in the catalogues.
type EventKind string

// Origin is where a request came from.
type Origin struct {
	Address   netip.Addr
	UserAgent string
	RequestID string `json:",omitzero"`
}

// Task is something that a change owes: a notice to send, a registry to ask again, services to tell
// about a sign-out. It is committed with the change and paid later, at least once.
type Task struct {
	ID       string // set by the store
	Kind     TaskKind
	Account  ID // empty for what is owed to nobody's account (a sign-up code)
	DueAt    time.Time
	Attempts int
	Payload  []byte // JSON of the kind's own struct, sealed at rest
}

// TaskKind says who pays a task.
type TaskKind string

// The kinds of tasks.
const (
	OwedNotice TaskKind = "notice" // Payload is a Notice; notify pays
	OwedPush   TaskKind = "push"   // Payload is a Notice to a device; notify pays, apart from the others: push services are strangers
	OwedCheck  TaskKind = "check"  // ask the silent registries again; account pays
	OwedAlert  TaskKind = "alert"  // tell the person of new browsers; account pays
	OwedTie    TaskKind = "tie"    // Payload is what one end of a Tie tells the other; account pays
	OwedLogout TaskKind = "logout" // Payload is an Ended: services hear that sessions are over; op pays
	OwedSignal TaskKind = "signal" // Payload is a Signal: services hear of a change; op pays
)

// Signal is a change that services which know the person may hear of.
type Signal struct {
	Kind    EventKind `json:"kind"`
	At      time.Time `json:"at"`
	Person  bool      `json:"person"`         // it was the person's own act
	From    string    `json:"from,omitempty"` // levels
	To      string    `json:"to,omitempty"`
	Clients []string  `json:"clients"` // those that the person lets know them
}

// Ended says which sessions of an account are over: these, or, without any, every one that was born before At.
type Ended struct {
	Sessions []string  `json:"sessions,omitempty"`
	At       time.Time `json:"at"`
	Spared   string    `json:"spared,omitempty"` // the one that goes on, when all others end
}

// Notice is a message to a person on one channel.
type Notice struct {
	Channel  string            // "sms", "mail" or "push"
	To       string            // phone in E.164, or address; for push, what Service.PushTarget knows
	Template string            // name of a message template: "code", "password-changed", …
	Lang     string            // "ru" or "en"
	Args     map[string]string // what the template says; may hold a code or a link
	Until    time.Time         `json:",omitzero"` // from then on it is worth nothing; zero: see notify
}
