package storagetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// Authenticator is a security key of software: it answers the two ceremonies of WebAuthn as a browser would hand the
// answers on. Its fields are what a test wants to be wrong; Origin must be set.
type Authenticator struct {
	Origin      string
	RPID        string // instead of the one that is asked for
	Challenge   string // instead of the one that is asked for
	Type        string // of the client data, instead of the ceremony's
	CrossOrigin bool
	Unverified  bool // presence alone: nobody typed a PIN
	Absent      bool // not even presence
	Count       uint32
	Still       bool   // the counter does not grow
	ID          []byte // of the one credential that it holds
	Handle      []byte // whose it is

	private *ecdsa.PrivateKey
}

// Flags of authenticator data (WebAuthn Level 3 §6.1).
const (
	flagPresent  = 1 << 0
	flagVerified = 1 << 2
	flagAttested = 1 << 6
)

type ceremonyOptions struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
	} `json:"publicKey"`
}

var b64 = base64.RawURLEncoding

// Make answers an offer with a new credential and the attestation "none".
func (a *Authenticator) Make(t testing.TB, options []byte) []byte {
	t.Helper()
	o := readOptions(t, options)
	var err error
	a.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	a.ID = make([]byte, 16)
	_, _ = rand.Read(a.ID)
	a.Handle, err = b64.DecodeString(o.PublicKey.User.ID)
	must(t, err)
	point, err := a.private.PublicKey.Bytes() // 4, x, y
	must(t, err)
	// A map of five: key type EC2, algorithm ES256, curve P-256, x, y (RFC 9053 §7.1.1).
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	data := a.data(o.PublicKey.RP.ID, flagAttested)
	data = append(data, make([]byte, 16)...) // of no known model
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.ID)))
	data = append(append(data, a.ID...), cose...)
	// {"fmt": "none", "attStmt": {}, "authData": data}
	object := append([]byte{0xa3, 0x63}, "fmt"...)
	object = append(append(object, 0x64), "none"...)
	object = append(append(object, 0x67), "attStmt"...)
	object = append(append(object, 0xa0, 0x68), "authData"...)
	object = append(binary.BigEndian.AppendUint16(append(object, 0x59), uint16(len(data))), data...)
	return a.response(t, map[string]any{
		"clientDataJSON": b64.EncodeToString(a.clientData(t, "webauthn.create", o)), "attestationObject": b64.EncodeToString(object),
	})
}

// Show answers a question with a signature.
func (a *Authenticator) Show(t testing.TB, options []byte) []byte {
	t.Helper()
	o := readOptions(t, options)
	if !a.Still {
		a.Count++
	}
	client := a.clientData(t, "webauthn.get", o)
	data := a.data(o.PublicKey.RPID, 0)
	digest := sha256.Sum256(client)
	digest = sha256.Sum256(append(append([]byte{}, data...), digest[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.private, digest[:])
	must(t, err)
	return a.response(t, map[string]any{
		"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data),
		"signature": b64.EncodeToString(signature), "userHandle": b64.EncodeToString(a.Handle),
	})
}

func readOptions(t testing.TB, options []byte) (o ceremonyOptions) {
	t.Helper()
	must(t, json.Unmarshal(options, &o))
	return o
}

func (a *Authenticator) data(rpID string, flags byte) []byte {
	if a.RPID != "" {
		rpID = a.RPID
	}
	if !a.Absent {
		flags |= flagPresent
	}
	if !a.Unverified {
		flags |= flagVerified
	}
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.Count)
}

func (a *Authenticator) clientData(t testing.TB, kind string, o ceremonyOptions) []byte {
	t.Helper()
	if a.Type != "" {
		kind = a.Type
	}
	challenge := o.PublicKey.Challenge
	if a.Challenge != "" {
		challenge = a.Challenge
	}
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": a.CrossOrigin})
	must(t, err)
	return text
}

func (a *Authenticator) response(t testing.TB, response map[string]any) []byte {
	t.Helper()
	id := b64.EncodeToString(a.ID)
	text, err := json.Marshal(map[string]any{
		"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	})
	must(t, err)
	return text
}
