package account

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

const (
	// passkeyLife is how long a challenge waits for its answer; pages ask for a new one before it ends.
	passkeyLife = 10 * time.Minute
	maxPasskeys = 20
	// maxPasskeyName is in characters.
	maxPasskeyName = 60
)

// What is wrong with a passkey's answer, as far as the person may know.
var (
	// ErrWrongPasskey says that the answer proves nothing: not to our question, not from our site, not signed.
	ErrWrongPasskey = errors.New("the passkey's answer is refused")
	// ErrUnknownPasskey says that the passkey is nobody's here: it was removed.
	ErrUnknownPasskey = errors.New("the passkey is not known")
)

// passkeyCeremony is what is kept of a question until it is answered, once.
type passkeyCeremony struct {
	Making  bool   // of a new passkey; otherwise a proof by one
	Flow    string // what the question is bound to: an attempt or a session
	Account ID     // whose passkeys may answer; empty: anyone's
	State   json.RawMessage
}

func ceremonyKey(challenge string) string { return "passkey/" + keys.Hash(challenge) }

// HasPasskeys reports whether this site can have passkeys at all: its name must be a domain.
func (s *Service) HasPasskeys() bool { return s.passkeys != nil }

// passkeyOwner is an account as an authenticator keeps it. The handle is the account's id: random, and told
// to nobody but the person's own authenticator.
func (s *Service) passkeyOwner(a *Account) credential.PasskeyOwner {
	name := MaskPhone(a.Phone.Value)
	switch {
	case a.Phone.Value != "":
	case a.Email.Value != "":
		name = MaskEmail(a.Email.Value)
	default:
		name = a.Number
	}
	return credential.PasskeyOwner{Handle: string(a.ID), Name: name, Passkeys: a.Passkeys}
}

// OfferPasskey begins the making of a passkey and returns the options for the browser. The answer is taken by AddPasskey
// within the same flow, once.
func (s *Service) OfferPasskey(ctx context.Context, id ID, flow string) (json.RawMessage, error) {
	if !s.HasPasskeys() {
		return nil, ErrNotFound
	}
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading an account: %w", err)
	}
	c, err := s.passkeys.Offer(s.passkeyOwner(a))
	if err != nil {
		return nil, err
	}
	return c.Options, s.keepCeremony(ctx, c, passkeyCeremony{Making: true, Flow: flow, Account: id})
}

// AddPasskey stores the passkey that an offer of this flow brought about, and reports whether its authenticator checked
// the person while making it. ErrWrongPasskey, ErrConflict when there are too many, TakenError when it is another's.
func (s *Service) AddPasskey(ctx context.Context, id ID, flow, name string, response []byte, o Origin) (verified bool, err error) {
	c, _, err := s.takeCeremony(ctx, flow, response)
	if err != nil || !c.Making || c.Account != id {
		return false, orWrong(err)
	}
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return false, fmt.Errorf("reading an account: %w", err)
	}
	key, err := s.passkeys.Accept(s.passkeyOwner(a), c.State, response)
	if err != nil {
		s.refusePasskey(id, err, o)
		return false, ErrWrongPasskey
	}
	now := s.now()
	key.Name, key.AddedAt = passkeyName(name), now
	err = s.change(ctx, id, func(a *Account) error {
		if len(a.Passkeys) >= maxPasskeys {
			return ErrConflict
		}
		a.Passkeys = append(a.Passkeys, key)
		a.note(PasskeyAdded, now, o, "name", key.Name)
		a.tell("passkey-added", now, map[string]string{"Name": key.Name})
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("storing a passkey: %w", err)
	}
	return key.Verifies, nil
}

// AskPasskey begins a proof and returns the options for the browser. With an empty id any passkey of the site may
// answer, and its authenticator must check the person; with an id that account's alone, and ErrNotFound when it has none.
func (s *Service) AskPasskey(ctx context.Context, id ID, flow string) (json.RawMessage, error) {
	if !s.HasPasskeys() {
		return nil, ErrNotFound
	}
	var owner *credential.PasskeyOwner
	if id != "" {
		a, err := s.cfg.Store.Account(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("reading an account: %w", err)
		}
		if len(a.Passkeys) == 0 {
			return nil, ErrNotFound
		}
		o := s.passkeyOwner(a)
		owner = &o
	}
	c, err := s.passkeys.Ask(owner)
	if err != nil {
		return nil, err
	}
	return c.Options, s.keepCeremony(ctx, c, passkeyCeremony{Flow: flow, Account: id})
}

// VerifyPasskey takes the answer to a question of this flow, once: of many at the same moment one is looked at. It returns
// whose passkey it was and what that proves: MethodPasskey when the authenticator checked the person, MethodSecurityKey
// when it only was there. ErrUnknownPasskey, ErrWrongPasskey, or ErrLocked when the answer was right.
func (s *Service) VerifyPasskey(ctx context.Context, flow string, response []byte, o Origin) (*Account, Method, error) {
	c, credentialID, err := s.takeCeremony(ctx, flow, response)
	if err != nil || c.Making {
		return nil, "", orWrong(err)
	}
	a, err := s.cfg.Store.Find(ctx, Identifier{ByPasskey, credentialID})
	if errors.Is(err, ErrNotFound) {
		return nil, "", ErrUnknownPasskey
	}
	if err != nil {
		return nil, "", fmt.Errorf("finding the account of a passkey: %w", err)
	}
	use, err := s.passkeys.Check(s.passkeyOwner(a), c.State, response)
	if err != nil || (c.Account != "" && c.Account != a.ID) {
		s.refusePasskey(a.ID, err, o)
		return nil, "", ErrWrongPasskey
	}
	if err := s.usePasskey(ctx, a.ID, use, o); err != nil {
		return nil, "", err
	}
	if a.Status != Active {
		return nil, "", ErrLocked
	}
	if use.Verified {
		return a, MethodPasskey, nil
	}
	return a, MethodSecurityKey, nil
}

// usePasskey keeps the counter of a passkey. One that does not grow means that the key may live twice (WebAuthn
// Level 3 §6.1.1): the proof is refused, and the person is told.
func (s *Service) usePasskey(ctx context.Context, id ID, use credential.PasskeyUse, o Origin) error {
	accepted, now := false, s.now()
	err := s.change(ctx, id, func(a *Account) error {
		accepted = false // the closure may run twice
		i := slices.IndexFunc(a.Passkeys, func(k credential.Passkey) bool { return k.ID == use.ID })
		if i < 0 {
			return ErrUnknownPasskey // removed meanwhile
		}
		if err := a.Gate(SwitchPasskey, now); err != nil {
			return err
		}
		key := &a.Passkeys[i]
		if (use.SignCount != 0 || key.SignCount != 0) && use.SignCount <= key.SignCount {
			a.note(PasskeyRefused, now, o, "name", key.Name, "reason", "counter")
			a.tell("passkey-refused", now, map[string]string{"Name": key.Name})
			return nil
		}
		key.SignCount, key.UsedAt, accepted = use.SignCount, now, true
		return nil
	})
	if err != nil {
		return fmt.Errorf("keeping a passkey's counter: %w", err)
	}
	if !accepted {
		return ErrWrongPasskey
	}
	return nil
}

// RenamePasskey gives a passkey another name, in the person's own words. ErrNotFound when it is not theirs.
func (s *Service) RenamePasskey(ctx context.Context, id ID, passkey, name string) error {
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.Passkeys, func(k credential.Passkey) bool { return k.ID == passkey })
		if i < 0 {
			return ErrNotFound
		}
		a.Passkeys[i].Name = passkeyName(name)
		return nil
	})
}

// RemovePasskey ends signing in by a passkey, and the other sessions. Without any factor the backup codes go too: they stood in for it.
func (s *Service) RemovePasskey(ctx context.Context, id ID, passkey, keepSession string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		i := slices.IndexFunc(a.Passkeys, func(k credential.Passkey) bool { return k.ID == passkey })
		if i < 0 {
			return ErrNotFound
		}
		now, gone := s.now(), a.Passkeys[i]
		a.Passkeys = slices.Delete(a.Passkeys, i, i+1)
		a.note(PasskeyRemoved, now, o, "name", gone.Name)
		a.dropSpares()
		a.signOut(now, keepSession)
		a.tell("passkey-removed", now, map[string]string{"Name": gone.Name})
		return nil
	})
}

// PasskeySignal tells the browser which passkeys are still taken, so that it hides the others (WebAuthn Level 3
// §5.1.10.3, signalAllAcceptedCredentials).
type PasskeySignal struct {
	RPID     string   `json:"rpId"`
	UserID   string   `json:"userId"`
	Accepted []string `json:"allAcceptedCredentialIds"`
}

// PasskeySignal is the signal of an account as it is now.
func (s *Service) PasskeySignal(a *Account) PasskeySignal {
	out := PasskeySignal{RPID: s.host(), UserID: base64url(string(a.ID)), Accepted: []string{}}
	for _, k := range a.Passkeys {
		out.Accepted = append(out.Accepted, k.ID)
	}
	return out
}

func (s *Service) keepCeremony(ctx context.Context, c credential.Ceremony, kept passkeyCeremony) error {
	kept.State = c.State
	value, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encoding a challenge: %w", err)
	}
	if err := s.cfg.Ephemera.Put(ctx, ceremonyKey(c.Challenge), value, passkeyLife); err != nil {
		return fmt.Errorf("keeping a challenge: %w", err)
	}
	return nil
}

// takeCeremony uses up the question that a response answers. Whoever answers from another flow uses it up too.
func (s *Service) takeCeremony(ctx context.Context, flow string, response []byte) (c passkeyCeremony, credentialID string, err error) {
	challenge, credentialID, err := credential.ReadPasskeyResponse(response)
	if err != nil || !s.HasPasskeys() {
		return c, "", ErrWrongPasskey
	}
	value, ok, err := s.cfg.Ephemera.Take(ctx, ceremonyKey(challenge))
	if err != nil {
		return c, "", fmt.Errorf("taking a challenge: %w", err)
	}
	if !ok {
		return c, "", ErrWrongPasskey
	}
	if err := json.Unmarshal(value, &c); err != nil {
		return c, "", fmt.Errorf("decoding a challenge: %w", err)
	}
	if flow == "" || c.Flow != flow {
		return c, "", ErrWrongPasskey
	}
	return c, credentialID, nil
}

// refusePasskey journals why an answer was refused, in the operator's words.
func (s *Service) refusePasskey(id ID, err error, o Origin) {
	reason := "another account's"
	if err != nil {
		reason = err.Error()
	}
	s.noteLater(id, PasskeyRefused, o, "reason", reason)
}

func base64url(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func orWrong(err error) error {
	if err == nil {
		return ErrWrongPasskey
	}
	return err
}

// passkeyName bounds a name that the person typed.
func passkeyName(name string) string {
	if utf8.RuneCountInString(name) > maxPasskeyName {
		name = string([]rune(name)[:maxPasskeyName])
	}
	return name
}

// PasskeyDeclined keeps that a passkey was offered and not wanted, so that it is not offered again soon.
func (s *Service) PasskeyDeclined(ctx context.Context, id ID) error {
	return s.change(ctx, id, func(a *Account) error {
		a.PasskeyOfferedAt = s.now()
		return nil
	})
}
