package account

import (
	"encoding/json"
	"slices"
	"time"
)

// The kinds of events. Each has its words in the catalogues under event.KIND.
const (
	SignedUp          EventKind = "signed-up"
	Imported          EventKind = "imported"
	SignedIn          EventKind = "signed-in"
	SignInFailed      EventKind = "sign-in-failed"
	ProofAdded        EventKind = "proof-added"
	FactorFailed      EventKind = "factor-failed"
	SignedOut         EventKind = "signed-out"
	SessionsEnded     EventKind = "sessions-ended"
	PasswordChanged   EventKind = "password-changed"
	PasswordReset     EventKind = "password-reset"
	RecoveryStarted   EventKind = "recovery-started"
	TOTPAdded         EventKind = "totp-added"
	TOTPRemoved       EventKind = "totp-removed"
	SMSFactorAdded    EventKind = "sms-factor-added"
	SMSFactorRemoved  EventKind = "sms-factor-removed"
	PushAdded         EventKind = "push-added"
	PushRemoved       EventKind = "push-removed"
	PushSubscribed    EventKind = "push-subscribed"
	PushUnsubscribed  EventKind = "push-unsubscribed"
	PushApproved      EventKind = "push-approved"
	PushRefused       EventKind = "push-refused"
	PushReported      EventKind = "push-reported"
	DeviceRemembered  EventKind = "device-remembered"
	DeviceForgotten   EventKind = "device-forgotten"
	SignInDisowned    EventKind = "sign-in-disowned"
	RecoveryWaits     EventKind = "recovery-waits"
	RecoveryRests     EventKind = "recovery-rests" // in a browser that is new
	RecoveryCancelled EventKind = "recovery-cancelled"
	LevelLowered      EventKind = "level-lowered"
	WayLocked         EventKind = "way-locked"
	WayOpening        EventKind = "way-opening"
	WayOpened         EventKind = "way-opened"
	PasskeyAdded      EventKind = "passkey-added"
	PasskeyRemoved    EventKind = "passkey-removed"
	PasskeyRefused    EventKind = "passkey-refused"
	BackupPrinted     EventKind = "backup-printed"
	BackupUsed        EventKind = "backup-used"
	BackupTried       EventKind = "backup-tried"
	ApplicationSaved  EventKind = "application-saved"
	ChecksAnswered    EventKind = "checks-answered"
	LevelRaised       EventKind = "level-raised"
	ConfirmFailed     EventKind = "confirm-failed"
	IdentityConflict  EventKind = "identity-conflict"
	BankLinked        EventKind = "bank-linked"
	BankUnlinked      EventKind = "bank-unlinked"
	BankRefused       EventKind = "bank-refused"
	ConsentGiven      EventKind = "consent-given"
	ConsentWithdrawn  EventKind = "consent-withdrawn"
	DeviceConnected   EventKind = "device-connected"
	RequestReceived   EventKind = "request-received"
	RequestApproved   EventKind = "request-approved"
	RequestRefused    EventKind = "request-refused"
	ActSigned         EventKind = "act-signed"
	DataReleased      EventKind = "data-released"
	TokensEnded       EventKind = "tokens-ended"
	DataRead          EventKind = "data-read"
	SignUpRepeated    EventKind = "sign-up-repeated"
	AccountLocked     EventKind = "account-locked"
	AccountUnlocked   EventKind = "account-unlocked"
	AgreementAccepted EventKind = "agreement-accepted"
)

// The kinds of events of electronic signatures.
const (
	CertificateLinked  EventKind = "certificate-linked"
	CertificateRemoved EventKind = "certificate-removed"
	SignatureRefused   EventKind = "signature-refused"
)

// The kinds of events of codes from a service centre, and of cases; the use of a code is PasswordReset, a look at a case DataRead.
const (
	ActivationMade      EventKind = "activation-made"
	ActivationConfirmed EventKind = "activation-confirmed"
	ActivationCancelled EventKind = "activation-cancelled"
	CaseClosed          EventKind = "case-closed"
)

// The kinds of events of a bank that was asked in a recovery whether it is the person.
const (
	BankConfirmed EventKind = "bank-confirmed"
	BankDenied    EventKind = "bank-denied"
)

// The kinds of events of trust, each at both ends but for who did not want it.
const (
	TrustNamed     EventKind = "trust-named"
	TrustOffered   EventKind = "trust-offered"
	TrustAccepted  EventKind = "trust-accepted"
	TrustDeclined  EventKind = "trust-declined"
	TrustEnded     EventKind = "trust-ended"
	TrustAsked     EventKind = "trust-asked"
	TrustConfirmed EventKind = "trust-confirmed"
	TrustDenied    EventKind = "trust-denied"
)

// note records an event of this change. Actor is "person" unless details name another by the key "actor".
func (a *Account) note(kind EventKind, now time.Time, o Origin, details ...string) {
	e := Event{At: now, Kind: kind, Actor: "person", Origin: o}
	for i := 0; i+1 < len(details); i += 2 {
		if details[i] == "actor" {
			e.Actor = details[i+1]
			continue
		}
		if e.Details == nil {
			e.Details = map[string]string{}
		}
		e.Details[details[i]] = details[i+1]
	}
	a.UpdatedAt = now
	a.events = append(a.events, e)
	a.signal(e)
}

// owe adds a task to this change.
func (a *Account) owe(kind TaskKind, due time.Time, payload any) {
	text, err := json.Marshal(payload)
	if err != nil { // payloads are structs of strings: they always encode
		panic(err)
	}
	a.owed = append(a.owed, Task{Kind: kind, Account: a.ID, DueAt: due, Payload: text})
}

// signal owes it to the services that the person lets know them that they hear of this event. Who has given no consent is
// known to nobody, and nothing is owed.
func (a *Account) signal(e Event) {
	s := Signal{Kind: e.Kind, At: e.At, Person: e.Actor == "person", From: e.Details["from"], To: e.Details["to"]}
	switch e.Kind {
	case PasswordChanged, PasswordReset, SignInDisowned, TOTPAdded, TOTPRemoved, PasskeyAdded, PasskeyRemoved,
		SMSFactorAdded, SMSFactorRemoved, PushAdded, PushRemoved, LevelRaised, LevelLowered, AccountLocked, AccountUnlocked:
		for _, g := range a.Grants {
			if !slices.Contains(s.Clients, g.ClientID) { // one may act for several customers
				s.Clients = append(s.Clients, g.ClientID)
			}
		}
	case ConsentWithdrawn: // the consent is gone by now; the service that had it hears of that alone
		s.Clients = []string{e.Details["client"]}
	}
	if len(s.Clients) > 0 {
		a.owe(OwedSignal, e.At, s)
	}
}

// signOut ends by one date all that was begun before it: sessions, what services were granted, remembered browsers, and proofs that opened
// nothing yet. One session may be spared, with what it granted.
func (a *Account) signOut(now time.Time, spared string) {
	a.SignedOutAt, a.Spared, a.Devices = now, spared, nil
	a.owe(OwedLogout, now, Ended{At: now, Spared: spared})
}

// SignedOut reports whether a session in which the person proved themselves at a time is ended by the date, and what they granted in it.
func (a *Account) SignedOut(session string, at time.Time) bool {
	return at.Before(a.SignedOutAt) && (session == "" || session != a.Spared)
}

// over owes it to the services that they hear of the end of these sessions.
func (a *Account) over(now time.Time, sessions ...string) {
	a.owe(OwedLogout, now, Ended{Sessions: sessions, At: now})
}

// tell owes a notice to every confirmed contact.
func (a *Account) tell(template string, now time.Time, args map[string]string) {
	for channel, contact := range map[string]Contact{"sms": a.Phone, "mail": a.Email} {
		if contact.Value != "" && !contact.ConfirmedAt.IsZero() {
			a.owe(OwedNotice, now, Notice{Channel: channel, To: contact.Value, Template: template, Lang: a.Lang, Args: withTime(args, now)})
		}
	}
}

// noticeTime is how a notice says when: Moscow time, the country's own for official acts.
var noticeZone = time.FixedZone("MSK", 3*60*60)

func withTime(args map[string]string, now time.Time) map[string]string {
	out := map[string]string{"At": now.In(noticeZone).Format("02.01.2006 15:04")}
	for k, v := range args {
		out[k] = v
	}
	return out
}
