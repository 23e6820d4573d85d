// Package account keeps people: who they are and how surely we know it.
//
// An Account is the aggregate. It changes only inside Store.Update, by methods that hold the rules,
// record an Event for every change and owe a Task for every consequence; the store commits row,
// journal lines and outbox in one transaction. The package knows no HTTP page, no SQL and no
// protocol: floors above translate.
package account

import (
	"slices"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account/credential"
)

// ID names an account for ever: 22 characters of base64url, random. It never leaves to a service
// as it is (services get a pairwise subject).
type ID string

// Status is whether the account may be used.
type Status string

// The states of an account.
const (
	Active          Status = "active"
	Locked          Status = "locked"           // by the person, an operator, or after suspicion
	DeletionPending Status = "deletion-pending" // closed by the person, may be restored for 30 days
	Deleted         Status = "deleted"          // personal data are gone, the number is not reused
)

// Account is one person. Fields are read freely; they are written by the methods alone. What most people have none of is left out of
// the stored form (omitzero), which is read and written with every sign-in.
type Account struct {
	ID        ID
	Version   int64  // optimistic lock of the store
	Number    string // twelve digits, generated; the login of issued accounts (C37)
	Status    Status
	Level     Level
	CreatedAt time.Time
	UpdatedAt time.Time
	// SignedOutAt kills, at its next use, every session and refresh token born before it.
	SignedOutAt time.Time `json:",omitzero"`
	// Spared is the session that the date does not end: the one in which the person brought it about.
	Spared string `json:",omitzero"`
	Lang   string // "ru" or "en", the language of messages

	Phone Contact
	Email Contact

	// What was confirmed. Empty until the level that confirms it.
	Person   Person   `json:",omitzero"`
	Passport Passport `json:",omitzero"`
	SNILS    SNILS
	INN      INN
	Address  Address `json:",omitzero"`
	// Application is what the person typed to raise the level, kept from step to step (R019, R069).
	Application Application
	Evidence    []Evidence
	Banks       []BankLink `json:",omitzero"`

	Password credential.Password
	TOTP     []credential.TOTP
	Passkeys []credential.Passkey `json:",omitzero"`
	SMS      SMSFactor            `json:",omitzero"`
	// PushDevices are browsers in which the person approves sign-ins that happen elsewhere.
	PushDevices []PushDevice
	// Preferred is the factor that is asked first, when the person has it.
	Preferred Method `json:",omitzero"`
	// Devices are browsers in which no second factor is asked where little is at stake.
	Devices []Device `json:",omitzero"`
	// PasskeyOfferedAt is when the person last said that they want none.
	PasskeyOfferedAt time.Time            `json:",omitzero"`
	Backup           credential.BackupSet `json:",omitzero"`
	// Certificates are those by whose signature the person signs in.
	Certificates []Certificate `json:",omitzero"`
	Agreements   []Agreement
	// Browsers are those in which the person signed in; Arrivals are the new ones of late.
	Browsers []Browser
	Arrivals []Arrival
	// Unseen says that nobody has signed in yet: the first browser in which somebody does is the person's own.
	Unseen bool `json:",omitzero"`
	// LastVisit is when and from where the person signed in last.
	LastVisit Visit `json:",omitzero"`
	// Waiting is a recovery of somebody who has no second factor left; zero when there is none.
	Waiting Wait `json:",omitzero"`
	// Trusted are whom the person trusts to help them back in; Trusting are those who trust the person, and those who ask whether they may.
	Trusted  []Tie `json:",omitzero"`
	Trusting []Tie `json:",omitzero"`
	// Locks are the ways and acts that the person has locked for themselves.
	Locks []Lock `json:",omitzero"`
	// Activation is the code of a service centre that waits for its use; nil when there is none.
	Activation *Activation `json:",omitzero"`
	// FactorDue says that a service centre let the person in without the second factor that they had: they are asked for a new one.
	FactorDue bool `json:",omitzero"`
	Grants    []Grant

	events []Event
	owed   []Task
}

// Contact is a phone number (E.164) or an e-mail address with the proof that it is the person's.
type Contact struct {
	Value       string
	ConfirmedAt time.Time
}

// Person is the civil identity as the passport states it.
type Person struct {
	FamilyName string
	GivenName  string
	MiddleName string // empty when there is none
	Birthdate  Date
	Birthplace string
	Gender     Gender
}

// Gender as in the passport.
type Gender string

// The values of Gender, in the words of OpenID Connect Core §5.1.
const (
	Male   Gender = "male"
	Female Gender = "female"
)

// Passport is the internal passport of a citizen.
type Passport struct {
	Series     string // 4 digits
	Number     string // 6 digits
	IssuedOn   Date
	IssuedBy   string
	IssuerCode string // 000-000
}

// Address is the address of registration.
type Address struct {
	Region, City, Street, House, Flat, Postcode string
}

// Formatted is the address on one line, without what is not there.
func (d Address) Formatted() string {
	parts := []string{d.Postcode, d.Region, d.City, strings.TrimSpace(d.Street + " " + d.House), d.Flat}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// Application is a draft of everything that a level asks for.
type Application struct {
	Person    Person   `json:",omitzero"`
	NoMiddle  bool     `json:",omitzero"` // "I have no patronymic", so that an empty one is an answer
	Passport  Passport `json:",omitzero"`
	SNILS     SNILS
	INN       INN
	NoINN     bool      `json:",omitzero"` // skipped
	Address   Address   `json:",omitzero"`
	Checks    []Check   `json:",omitzero"` // the last answers of the registries
	CheckedAt time.Time `json:",omitzero"` // when they were asked
	Waiting   bool      `json:",omitzero"` // a registry was silent; the check is owed and runs again
}

// BankLink ties a bank's subject to the account, by issuer and subject alone.
type BankLink struct {
	Bank     string // configuration id
	Issuer   string
	Subject  string
	LinkedAt time.Time
}

// Agreement is an accepted version of a document.
type Agreement struct {
	Document string // "terms", "privacy"
	Version  string
	At       time.Time
}

// Grant is the person's consent that a service learns some attributes.
type Grant struct {
	ClientID  string
	Customer  string `json:",omitzero"` // for whom the service acts; empty where it acts for itself
	Scopes    []string
	Claims    []string  `json:",omitzero"` // claim names released beyond scopes
	Withheld  []string  `json:",omitzero"` // claims that the person keeps back, though scopes or names ask for them
	Shown     string    `json:",omitzero"` // what they saw of the service when they consented, in the provider's own shorthand
	Since     time.Time `json:",omitzero"` // tokens issued before it are dead: the consent was withdrawn and given anew
	GrantedAt time.Time // last widened
	UsedAt    time.Time `json:",omitzero"`
}
