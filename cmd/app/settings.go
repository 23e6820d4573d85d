package app

import (
	"net/netip"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// TLS is the certificate of the public listener; plain HTTP, for a proxy in front, when empty.
type TLS struct {
	Certificate string `yaml:"certificate"` // PEM file
	Key         string `yaml:"key"`         // PEM file
}

// Endpoint is an outside HTTP service with a bearer key.
type Endpoint struct {
	URL     string      `yaml:"url"`
	Key     keys.Secret `yaml:"key"`
	KeyFile string      `yaml:"key_file"`
}

// SMSLimits bound what SMS cost, whoever makes us send them.
type SMSLimits struct {
	Prefixes []string `yaml:"prefixes"` // the beginnings of numbers to which SMS go; +79 without any
	Hour     int64    `yaml:"hour"`     // the most of all; 5,000 when zero. The last fifth is kept for people who have an account
	Day      int64    `yaml:"day"`      // 40,000 when zero
	Operator int64    `yaml:"operator"` // the most in an hour to numbers with the same first five digits; a tenth of day when zero
}

func (l SMSLimits) check(wrong func(format string, args ...any)) {
	if l.Hour < 0 || l.Day < 0 || l.Operator < 0 {
		wrong("sms_limits: hour, day and operator are not negative")
	}
	for _, p := range l.Prefixes {
		if len(p) < 2 || p[0] != '+' || strings.Trim(p[1:], "0123456789") != "" {
			wrong("sms_limits.prefixes %q: the beginning of a number in E.164, such as +79", p)
		}
	}
}

// Mail is an SMTP server.
type Mail struct {
	Server       string      `yaml:"server"` // host:port
	From         string      `yaml:"from"`
	Username     string      `yaml:"username"`
	Password     keys.Secret `yaml:"password"`
	PasswordFile string      `yaml:"password_file"`
	Plain        bool        `yaml:"plain"` // without TLS: for a relay on loopback
}

// Bank is a bank by whose OpenID login people sign in and confirm who they are.
type Bank struct {
	ID         string            `yaml:"id"`
	Name       map[string]string `yaml:"name"`
	Issuer     string            `yaml:"issuer"`
	Endpoints  BankEndpoints     `yaml:"endpoints"` // none: discovered from the issuer
	ClientID   string            `yaml:"client_id"`
	Secret     keys.Secret       `yaml:"secret"`
	SecretFile string            `yaml:"secret_file"`
	Auth       string            `yaml:"auth"` // client_secret_basic, client_secret_post, private_key_jwt or tls_client_auth; empty: by the bank's metadata
	KeyFile    string            `yaml:"private_key_file"`
	KeyID      string            `yaml:"key_id"`
	// Certificate and CertificateKey are PEM files of what we show to the bank by mTLS, whatever Auth is.
	Certificate    string            `yaml:"certificate"`
	CertificateKey string            `yaml:"certificate_key"`
	Scopes         []string          `yaml:"scopes"`
	Params         map[string]string `yaml:"params"`        // of the authorization request
	Headers        map[string]string `yaml:"headers"`       // of every call; {{hex32}} is made anew each time
	UserinfoPost   bool              `yaml:"userinfo_post"` // POST with client_id and client_secret in the form
	Further        []BankCall        `yaml:"further"`
	Claims         map[string]string `yaml:"claims"`    // attribute: "path | transform"
	Unsigned       bool              `yaml:"unsigned"`  // believe an ID token by TLS alone (OpenID Connect Core §3.1.3.7)
	MaxLevel       string            `yaml:"max_level"` // verified by default: what the contract with the bank allows
	Contract       BankContract      `yaml:"contract"`
}

// BankEndpoints are where a bank without discovery is asked.
type BankEndpoints struct {
	Authorization string `yaml:"authorization"`
	Token         string `yaml:"token"`
	Userinfo      string `yaml:"userinfo"`
	Keys          string `yaml:"keys"`
}

// BankCall is a further question to a bank; the answer stands under Into beside the claims of userinfo.
type BankCall struct {
	URL  string `yaml:"url"`
	Into string `yaml:"into"`
}

// BankContract is what must be in a bank's answer for it to raise a level.
type BankContract struct {
	Require    []string      `yaml:"require"`    // attributes that must be there
	ACR        []string      `yaml:"acr"`        // values of acr that will do; none listed: any
	Identified string        `yaml:"identified"` // "path = value" that says the bank has met the person
	MaxAge     time.Duration `yaml:"max_age"`    // how long ago it may have verified them, by the attribute verified_at
}

// Passwords is the cost of hashing and the policy's files.
type Passwords struct {
	MemoryKiB  uint32 `yaml:"memory_kib"` // argon2id; 19456 when zero
	Iterations uint32 `yaml:"iterations"` // 2 when zero
	Parallel   int    `yaml:"parallel"`   // hashes at one time; the number of cores when zero
	Queue      int    `yaml:"queue"`      // waiting behind them; 64 when zero
	PepperFile string `yaml:"pepper_file"`
	// Former are files of peppers of before: passwords hashed with them are right, and hashed anew at the next sign-in.
	Former     []string `yaml:"former_pepper_files"`
	former     []keys.Secret
	LeakedFile string      `yaml:"leaked_filter"` // made by vhod passwords build
	Pepper     keys.Secret `yaml:"pepper"`
}

// What happens when somebody without a second factor types their password in a browser in which they were not seen before: a code
// by e-mail is asked, or they are told afterwards.
const (
	newBrowsersConfirm = "confirm"
	newBrowsersTell    = "tell"
)

// Guessing is when guesses over all accounts are too many: from then on a guess costs something, but in browsers in which the
// person signed in before.
type Guessing struct {
	Wrong   int64 `yaml:"wrong"`   // wrong first guesses in a quarter of an hour, and a third of all; 500 when zero
	Sprayed int64 `yaml:"sprayed"` // the same by one password; 30 when zero
}

// Sessions is how long a session lasts, by how surely it shows who the person is; what is zero is as account.Config says.
type Sessions struct {
	OneFactor         SessionLife `yaml:"1fa"`
	TwoFactor         SessionLife `yaml:"2fa"`
	PhishingResistant SessionLife `yaml:"phishing-resistant"`
	Shared            SessionLife `yaml:"shared"` // on a shared computer, whatever was shown
}

// SessionLife is one of them.
type SessionLife struct {
	Idle  time.Duration `yaml:"idle"`  // without use
	Whole time.Duration `yaml:"whole"` // in all
}

func (s Sessions) lives() account.Lives {
	return account.Lives{OneFactor: account.Life(s.OneFactor), TwoFactor: account.Life(s.TwoFactor),
		PhishingResistant: account.Life(s.PhishingResistant), Shared: account.Life(s.Shared)}
}

// Recovery is how long a recovery without a second factor waits, by level; what is zero is as account.Config says.
type Recovery struct {
	Waits struct {
		Simplified time.Duration `yaml:"simplified"`
		Standard   time.Duration `yaml:"standard"`
		Verified   time.Duration `yaml:"verified"`
	} `yaml:"waits"`
}

// check says what is wrong with lives and waits.
func (s Sessions) check(wrong func(format string, args ...any)) {
	for name, l := range map[string]SessionLife{"1fa": s.OneFactor, "2fa": s.TwoFactor, "phishing-resistant": s.PhishingResistant, "shared": s.Shared} {
		switch {
		case l.Idle < 0 || l.Whole < 0:
			wrong("sessions.%s: a life is not negative", name)
		case l.Idle != 0 && l.Whole != 0 && l.Idle > l.Whole:
			wrong("sessions.%s: idle (%s) is longer than whole (%s)", name, l.Idle, l.Whole)
		case l.Whole > 30*24*time.Hour:
			wrong("sessions.%s.whole: at most 720h (NIST SP 800-63B-4 §2.1.3)", name)
		}
	}
}

func (r Recovery) check(wrong func(format string, args ...any)) {
	for name, wait := range map[string]time.Duration{"simplified": r.Waits.Simplified, "standard": r.Waits.Standard, "verified": r.Waits.Verified} {
		if wait != 0 && wait < 24*time.Hour { // an owner must have the time to notice (zero is the usual)
			wrong("recovery.waits.%s: at least 24h", name)
		}
	}
}

// Rotation is how long a signing key signs, and how soon a node sees the rotation of another.
type Rotation struct {
	Every   time.Duration `yaml:"every"`   // 90 days when zero
	Refresh time.Duration `yaml:"refresh"` // 5 seconds when zero
}

// Outbound is where the provider may go on the word of clients: to their keys, documents and logout addresses.
type Outbound struct {
	// Allow are networks beside the public internet, which may be spoken to by http too.
	Allow []netip.Prefix `yaml:"allow"`
}

// InitialToken lets its bearer register clients (RFC 7591 §3).
type InitialToken struct {
	Name      string      `yaml:"name"`
	Token     keys.Secret `yaml:"token"`
	TokenFile string      `yaml:"token_file"`
	Profile   string      `yaml:"profile"` // of the clients; oidc when empty
	Scopes    []string    `yaml:"scopes"`  // that they may ask for; openid profile email phone level offline_access when empty
}

// SoftwareIssuer signs software statements (RFC 7591 §2.3), which win over what a registering client says itself.
type SoftwareIssuer struct {
	Issuer   string `yaml:"issuer"`
	JWKSFile string `yaml:"jwks_file"`
}

// Traces sends OpenTelemetry spans when Endpoint is set.
type Traces struct {
	Endpoint string  `yaml:"endpoint"` // OTLP over HTTP, a URL
	Ratio    float64 `yaml:"ratio"`    // of requests traced; 1 when zero
}

// Log is how much is logged.
type Log struct {
	Level string `yaml:"level"` // debug, info (default), warn, error
}
