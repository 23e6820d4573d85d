package account

import "time"

// Session is one browser in which a person signed in.
type Session struct {
	ID        string // public: the sid of tokens, the row in the cabinet
	Hash      string // keys.Hash of the cookie
	AccountID ID
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time // absolute end
	EndedAt   time.Time // zero while it lives
	Proofs    []Proof
	Origin    Origin
	Shared    bool   // "this is a shared computer"
	Browser   string // Hash of the Browser in which it was opened; empty when that keeps no cookie
	Client    string // the one service that it is for (isolated sign-on); empty: it is the person's single sign-on
}

// Proof is one way in which the person showed that it is them, in this session.
type Proof struct {
	Method Method
	At     time.Time
}

// Method is a way of proving oneself.
type Method string

// The methods, with their amr values (RFC 8176) in Method.AMR.
const (
	MethodPassword Method = "password"
	MethodTOTP     Method = "totp"
	MethodBackup   Method = "backup"
	MethodSMS      Method = "sms"
	// MethodRecovery is a code to a confirmed contact at the beginning of a recovery: it stands first, and only there.
	MethodRecovery Method = "recovery"
	MethodMailCode Method = "mail-code"
	MethodPasskey  Method = "passkey" // its authenticator checked the person: two factors in one
	// MethodSecurityKey is a key that only was there: something that the person holds.
	MethodSecurityKey Method = "security-key"
	MethodPush        Method = "push"
	// MethodQR is the word of a phone in which the person has just shown two factors: two, and never more.
	MethodQR        Method = "qr"
	MethodBank      Method = "bank"
	MethodSignature Method = "esign"
)
