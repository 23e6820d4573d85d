package account

import (
	"encoding/json"
	"fmt"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

// state is the durable form of an Account: the same fields, but those that hide themselves are laid
// open. Only a store that seals what it keeps may hold it.
type state struct {
	plainAccount
	SNILS       string           `json:",omitzero"`
	INN         string           `json:",omitzero"`
	Application applicationState `json:",omitzero"`
	Evidence    []evidenceState  `json:",omitzero"`
	TOTP        []totpState      `json:",omitzero"`
	PushDevices []pushState      `json:",omitzero"`
}

type plainAccount Account

type applicationState struct {
	plainApplication
	SNILS string `json:",omitzero"`
	INN   string `json:",omitzero"`
}

type plainApplication Application

type evidenceState struct {
	plainEvidence
	Claims claimedState `json:",omitzero"`
}

type plainEvidence Evidence

type claimedState struct {
	plainClaimed
	SNILS string
	INN   string
}

type plainClaimed Claimed

type totpState struct {
	plainTOTP
	Secret string
}

type plainTOTP credential.TOTP

type pushState struct {
	plainPush
	Subscription subscriptionState `json:",omitzero"`
}

type plainPush PushDevice

type subscriptionState struct{ Endpoint, Key, Auth string }

// Encode reveals everything that an account holds. Only a store that seals the result may call it.
func Encode(a *Account) ([]byte, error) {
	s := state{plainAccount: plainAccount(*a), SNILS: a.SNILS.digits, INN: a.INN.digits,
		Application: applicationState{plainApplication(a.Application), a.Application.SNILS.digits, a.Application.INN.digits}}
	for _, e := range a.Evidence {
		s.Evidence = append(s.Evidence, evidenceState{plainEvidence(e),
			claimedState{plainClaimed(e.Claims), e.Claims.SNILS.digits, e.Claims.INN.digits}})
	}
	for _, t := range a.TOTP {
		s.TOTP = append(s.TOTP, totpState{plainTOTP(t), t.Secret.Reveal()})
	}
	for _, d := range a.PushDevices {
		to := d.Subscription
		s.PushDevices = append(s.PushDevices, pushState{plainPush(d), subscriptionState{to.Endpoint.Reveal(), to.Key, to.Auth.Reveal()}})
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding account: %w", err)
	}
	return text, nil
}

// Decode reads what Encode wrote. Fields that a later release added and this one does not know are
// dropped at the next write, so a field is used only a release after it was added.
func Decode(text []byte) (*Account, error) {
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("decoding account: %w", err)
	}
	a := Account(s.plainAccount)
	a.SNILS, a.INN = SNILS{s.SNILS}, INN{s.INN}
	a.Application = Application(s.Application.plainApplication)
	a.Application.SNILS, a.Application.INN = SNILS{s.Application.SNILS}, INN{s.Application.INN}
	for _, e := range s.Evidence {
		evidence := Evidence(e.plainEvidence)
		evidence.Claims = Claimed(e.Claims.plainClaimed)
		evidence.Claims.SNILS, evidence.Claims.INN = SNILS{e.Claims.SNILS}, INN{e.Claims.INN}
		a.Evidence = append(a.Evidence, evidence)
	}
	for _, t := range s.TOTP {
		totp := credential.TOTP(t.plainTOTP)
		totp.Secret = keys.NewSecret(t.Secret)
		a.TOTP = append(a.TOTP, totp)
	}
	for _, d := range s.PushDevices {
		device, to := PushDevice(d.plainPush), d.Subscription
		device.Subscription = PushSubscription{keys.NewSecret(to.Endpoint), to.Key, keys.NewSecret(to.Auth)}
		a.PushDevices = append(a.PushDevices, device)
	}
	return &a, nil
}

// filedState is the durable form of a Filing.
type filedState struct {
	plainFiling
	SNILS string
	INN   string
}

type plainFiling Filing

// EncodeFiling reveals everything that was filed. Only a store that seals the result may call it.
func EncodeFiling(f Filing) ([]byte, error) {
	text, err := json.Marshal(filedState{plainFiling(f), f.SNILS.digits, f.INN.digits})
	if err != nil {
		return nil, fmt.Errorf("encoding what was filed: %w", err)
	}
	return text, nil
}

// DecodeFiling reads what EncodeFiling wrote.
func DecodeFiling(text []byte) (Filing, error) {
	var s filedState
	if err := json.Unmarshal(text, &s); err != nil {
		return Filing{}, fmt.Errorf("decoding what was filed: %w", err)
	}
	f := Filing(s.plainFiling)
	f.SNILS, f.INN = SNILS{s.SNILS}, INN{s.INN}
	return f, nil
}

// Drain returns the events and tasks that the change brought about, and forgets them. The store sets
// their sequence, hash and id, and commits them with the row.
func (a *Account) Drain() ([]Event, []Task) {
	events, owed := a.events, a.owed
	a.events, a.owed = nil, nil
	return events, owed
}

// Identifiers lists everything by which this account is found and kept apart from others.
func (a *Account) Identifiers() []Identifier {
	var all []Identifier
	add := func(kind IdentifierKind, value string) {
		if value != "" {
			all = append(all, Identifier{kind, value})
		}
	}
	add(ByNumber, a.Number)
	add(ByPhone, a.Phone.Value)
	add(ByEmail, a.Email.Value)
	add(BySNILS, a.SNILS.digits)
	if a.Passport.Number != "" {
		add(ByPassport, a.Passport.Series+a.Passport.Number)
	}
	for _, b := range a.Banks {
		add(ByBank, b.Issuer+" "+b.Subject)
	}
	for _, k := range a.Passkeys {
		add(ByPasskey, k.ID)
	}
	for _, c := range a.Certificates {
		add(ByCertificate, c.Fingerprint)
	}
	return all
}
