package account

import (
	"maps"
	"slices"
	"time"
)

// JournalQuery says which lines of a journal are wanted.
type JournalQuery struct {
	Before int64       // older than this line; 0: from the newest
	From   time.Time   // not before; zero: from the first
	Until  time.Time   // earlier than; zero: to the last
	Kinds  []EventKind // one of these; none: all
	Limit  int         // at most
}

// Topic is what a line of the journal is about, as a person looks for it.
type Topic string

// The topics, in the order in which they are offered.
const (
	TopicSignIn   Topic = "sign-in"
	TopicSecurity Topic = "security" // the ways in, and what opens or closes them
	TopicData     Topic = "data"     // who the person is, and how that was confirmed
	TopicServices Topic = "services" // what services were given and asked
)

// Topics lists them.
func Topics() []Topic { return []Topic{TopicSignIn, TopicSecurity, TopicData, TopicServices} }

// topics says what every kind of event is about.
var topics = map[Topic][]EventKind{
	TopicSignIn: {SignedIn, SignInFailed, ProofAdded, FactorFailed, SignedOut, SessionsEnded, SignInDisowned, DeviceConnected, PushApproved, PushRefused, PushReported,
		PasskeyRefused, BankRefused, SignatureRefused, BackupUsed, RecoveryStarted, RecoveryWaits, RecoveryRests, RecoveryCancelled, BankConfirmed, BankDenied, SignUpRepeated},
	TopicSecurity: {PasswordChanged, PasswordReset, TOTPAdded, TOTPRemoved, SMSFactorAdded, SMSFactorRemoved, PushAdded, PushRemoved, PasskeyAdded, PasskeyRemoved,
		BackupPrinted, BackupTried, BankLinked, BankUnlinked, CertificateLinked, CertificateRemoved, DeviceRemembered, DeviceForgotten, PushSubscribed, PushUnsubscribed, WayLocked, WayOpening, WayOpened,
		ActivationMade, ActivationConfirmed, ActivationCancelled, CaseClosed, TrustNamed, TrustOffered, TrustAccepted, TrustDeclined, TrustEnded,
		TrustAsked, TrustConfirmed, TrustDenied, AccountLocked, AccountUnlocked},
	TopicData:     {SignedUp, Imported, AgreementAccepted, ApplicationSaved, ChecksAnswered, LevelRaised, LevelLowered, ConfirmFailed, IdentityConflict, DataRead},
	TopicServices: {ConsentGiven, ConsentWithdrawn, RequestReceived, RequestApproved, RequestRefused, ActSigned, DataReleased, TokensEnded},
}

// failures are the kinds of events in which something did not work, or was refused.
var failures = []EventKind{SignInFailed, FactorFailed, PushRefused, PushReported, PasskeyRefused, BankRefused, BankDenied, SignatureRefused, ConfirmFailed, IdentityConflict}

// Failed reports whether what happened is that something did not work, or was refused.
func (k EventKind) Failed() bool { return slices.Contains(failures, k) }

// KindsAbout lists the kinds of events about a topic, or (empty) about any; failed narrows them to those that did not work, or to
// those that did.
func KindsAbout(topic Topic, failed *bool) []EventKind {
	kinds := topics[topic]
	if topic == "" {
		kinds = slices.Concat(slices.Collect(maps.Values(topics))...)
	}
	return slices.DeleteFunc(slices.Clone(kinds), func(k EventKind) bool { return failed != nil && k.Failed() != *failed })
}
