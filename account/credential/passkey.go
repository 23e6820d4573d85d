package credential

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Passkey is a key pair that the person's device or security key keeps for this site alone (WebAuthn
// Level 3 §4, credential record). Only its public half is here.
type Passkey struct {
	ID         string // of the credential, base64url
	Name       string
	PublicKey  []byte // COSE_Key (RFC 9052)
	SignCount  uint32
	AAGUID     []byte // the model of the authenticator, zero when it does not say
	Transports []string
	Synced     bool // backup eligible: its maker may copy it to the person's other devices
	Verifies   bool // it checked the person by PIN or biometrics when it was made
	AddedAt    time.Time
	UsedAt     time.Time
}

var (
	// ErrPasskey says that a response proves nothing. Why is wrapped, for the journal and never for the page.
	ErrPasskey = errors.New("the passkey's response is refused")
	// ErrNoPasskeys says that the site's name cannot have passkeys: they belong to a domain, not to an IP address.
	ErrNoPasskeys = errors.New("passkeys need a domain name")
)

// minRSA is the least modulus of an RSA key in bytes; authenticators on Windows make 2048 bits.
const minRSA = 2048 / 8

// Passkeys runs the two ceremonies of WebAuthn for one site: making a passkey and signing by one. It keeps
// nothing; the caller keeps the state of a ceremony and gives it back once.
type Passkeys struct{ web *webauthn.WebAuthn }

// NewPasskeys makes the ceremonies of an issuer; its host is the passkeys' RP ID. ErrNoPasskeys for an IP address.
func NewPasskeys(issuer string) (*Passkeys, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer: %w", err)
	}
	if err := protocol.ValidateRPID(u.Hostname()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPasskeys, err)
	}
	web, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Vhod", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		// Password managers add outputs that nobody asked for; none is read here.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("configuring passkeys: %w", err)
	}
	return &Passkeys{web}, nil
}

// PasskeyOwner is whose passkeys a ceremony is about. Handle is kept by the authenticator: it holds nothing personal.
type PasskeyOwner struct {
	Handle   string
	Name     string // what the authenticator shows in its list
	Passkeys []Passkey
}

// Ceremony is one begun exchange with an authenticator.
type Ceremony struct {
	Options   json.RawMessage // for the browser: {"publicKey": …}
	Challenge string          // names the ceremony; the response repeats it
	State     json.RawMessage // to be given back with the response
}

// Offer begins the making of a passkey that signs in by itself: discoverable, verifying the person where the
// authenticator can. Those that the person has already are excluded.
func (p *Passkeys) Offer(owner PasskeyOwner) (Ceremony, error) {
	user := webUser(owner)
	options, state, err := p.web.BeginRegistration(user,
		webauthn.WithCredentialParameters([]protocol.CredentialParameter{
			{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
			{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
			{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
		}),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		}),
		webauthn.WithExclusions(descriptors(user)))
	if err != nil {
		return Ceremony{}, fmt.Errorf("offering a passkey: %w", err)
	}
	return ceremony(options, state)
}

// Accept ends the making of a passkey. Its name and times are the caller's. ErrPasskey when the response is not an answer
// to that offer, from this site, with a key of a kind that was asked for.
func (p *Passkeys) Accept(owner PasskeyOwner, state, response []byte) (Passkey, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return Passkey{}, fmt.Errorf("reading the state of a ceremony: %w", err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Passkey{}, refusedPasskey(err)
	}
	made, err := p.web.CreateCredential(webUser(owner), session, parsed)
	if err != nil {
		return Passkey{}, refusedPasskey(err)
	}
	if err := strongKey(made.PublicKey); err != nil {
		return Passkey{}, err
	}
	key := Passkey{
		ID: base64.RawURLEncoding.EncodeToString(made.ID), PublicKey: made.PublicKey,
		SignCount: made.Authenticator.SignCount, AAGUID: made.Authenticator.AAGUID,
		Synced: made.Flags.BackupEligible, Verifies: made.Flags.UserVerified,
	}
	for _, t := range made.Transport {
		key.Transports = append(key.Transports, string(t))
	}
	return key, nil
}

// strongKey refuses an RSA key that is too short; the curves have one size each.
func strongKey(cose []byte) error {
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return refusedPasskey(err)
	}
	if rsa, ok := key.(webauthncose.RSAPublicKeyData); ok && len(rsa.Modulus) < minRSA {
		return fmt.Errorf("%w: an RSA key of %d bits", ErrPasskey, 8*len(rsa.Modulus))
	}
	return nil
}

// Ask begins a proof. Without an owner any passkey of the site may answer and must verify the person; with one, theirs
// alone, and verifying is welcome but not demanded.
func (p *Passkeys) Ask(owner *PasskeyOwner) (Ceremony, error) {
	if owner == nil {
		options, state, err := p.web.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
		if err != nil {
			return Ceremony{}, fmt.Errorf("asking for a passkey: %w", err)
		}
		return ceremony(options, state)
	}
	options, state, err := p.web.BeginLogin(webUser(*owner), webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return Ceremony{}, fmt.Errorf("asking for a passkey: %w", err)
	}
	return ceremony(options, state)
}

// PasskeyUse is what a right response says.
type PasskeyUse struct {
	ID        string
	SignCount uint32 // as the authenticator counts; the caller compares it with the one before
	Verified  bool   // the authenticator checked the person
}

// Check ends a proof: the response must be signed by one of the owner's passkeys for this site and this challenge
// (WebAuthn Level 3 §7.2). The signature counter is left to the caller. ErrPasskey otherwise.
func (p *Passkeys) Check(owner PasskeyOwner, state, response []byte) (PasskeyUse, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return PasskeyUse{}, fmt.Errorf("reading the state of a ceremony: %w", err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return PasskeyUse{}, refusedPasskey(err)
	}
	if len(session.UserID) == 0 {
		find := func(_, handle []byte) (webauthn.User, error) {
			if string(handle) != owner.Handle {
				return nil, errors.New("the passkey names another owner")
			}
			return webUser(owner), nil
		}
		_, err = p.web.ValidateDiscoverableLogin(find, session, parsed)
	} else {
		_, err = p.web.ValidateLogin(webUser(owner), session, parsed)
	}
	if err != nil {
		return PasskeyUse{}, refusedPasskey(err)
	}
	data := parsed.Response.AuthenticatorData
	return PasskeyUse{
		ID:        base64.RawURLEncoding.EncodeToString(parsed.RawID),
		SignCount: data.Counter, Verified: data.Flags.HasUserVerified(),
	}, nil
}

// ReadPasskeyResponse returns the challenge that a response answers and the passkey that it names. Nothing of it is
// verified: it says only where to look. ErrPasskey when it does not parse.
func ReadPasskeyResponse(response []byte) (challenge, id string, err error) {
	var outer struct {
		ID       string `json:"id"`
		Response struct {
			ClientData string `json:"clientDataJSON"`
		} `json:"response"`
	}
	if err := json.Unmarshal(response, &outer); err != nil {
		return "", "", refusedPasskey(err)
	}
	text, err := base64.RawURLEncoding.DecodeString(outer.Response.ClientData)
	if err != nil {
		return "", "", refusedPasskey(err)
	}
	var client struct {
		Challenge string `json:"challenge"`
	}
	if err := json.Unmarshal(text, &client); err != nil {
		return "", "", refusedPasskey(err)
	}
	if client.Challenge == "" || outer.ID == "" {
		return "", "", fmt.Errorf("%w: no challenge or no id", ErrPasskey)
	}
	return client.Challenge, outer.ID, nil
}

// refusedPasskey keeps the library's reason for the journal.
func refusedPasskey(err error) error {
	var wire *protocol.Error
	if errors.As(err, &wire) && wire.DevInfo != "" {
		return fmt.Errorf("%w: %s: %s", ErrPasskey, wire.Details, wire.DevInfo)
	}
	return fmt.Errorf("%w: %w", ErrPasskey, err)
}

func ceremony(options any, state *webauthn.SessionData) (Ceremony, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return Ceremony{}, fmt.Errorf("encoding a ceremony: %w", err)
	}
	kept, err := json.Marshal(state)
	if err != nil {
		return Ceremony{}, fmt.Errorf("encoding a ceremony: %w", err)
	}
	return Ceremony{Options: text, Challenge: state.Challenge, State: kept}, nil
}

// webUser is an owner as the library sees one.
type webUser PasskeyOwner

func (u webUser) WebAuthnID() []byte          { return []byte(u.Handle) }
func (u webUser) WebAuthnName() string        { return u.Name }
func (u webUser) WebAuthnDisplayName() string { return u.Name }

func (u webUser) WebAuthnCredentials() []webauthn.Credential {
	var out []webauthn.Credential
	for _, k := range u.Passkeys {
		id, err := base64.RawURLEncoding.DecodeString(k.ID)
		if err != nil {
			continue
		}
		c := webauthn.Credential{
			ID: id, PublicKey: k.PublicKey,
			Flags:         webauthn.CredentialFlags{UserPresent: true, UserVerified: k.Verifies, BackupEligible: k.Synced},
			Authenticator: webauthn.Authenticator{AAGUID: k.AAGUID, SignCount: k.SignCount},
		}
		for _, t := range k.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, c)
	}
	return out
}

func descriptors(u webUser) []protocol.CredentialDescriptor {
	var out []protocol.CredentialDescriptor
	for _, c := range u.WebAuthnCredentials() {
		out = append(out, c.Descriptor())
	}
	return out
}
