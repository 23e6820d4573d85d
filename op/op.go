// Package op is the OpenID provider: what a relying party may learn.
//
// It speaks the protocols and knows accounts; how a person proves themselves it leaves to the front
// door (login), which it knows as a Front. Personal data leave through claims.go alone.
package op

import (
	"context"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
)

// Profile is the set of rules that a client lives under.
type Profile string

// The profiles.
const (
	ProfileOIDC   Profile = "oidc"        // the default: code, PKCE S256
	ProfileCompat Profile = "oidc-compat" // confidential clients that cannot do PKCE
	ProfileFAPI2  Profile = "fapi2"       // FAPI 2.0 Security Profile
	ProfileESIA   Profile = "esia"        // the ESIA dialect
)

// Client authentication methods (OpenID Connect Core §9).
const (
	AuthNone       = "none"
	AuthBasic      = "client_secret_basic"
	AuthPost       = "client_secret_post"
	AuthPrivateKey = "private_key_jwt"
)

// Client is a registered relying party.
type Client struct {
	ID                     string
	Name                   map[string]string // by language
	Purpose                map[string]string // why it asks, shown on consent; by language
	URI, LogoURI           string
	PolicyURI, TermsURI    string
	Profile                Profile
	Native                 bool // RFC 8252: loopback redirect on any port
	Auth                   []string
	Secrets                []ClientSecret
	JWKS                   []byte // public keys of private_key_jwt, inline
	JWKSURI                string
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	GrantTypes             []string
	Scopes                 []string // that it may ask for
	Audience               []string // resource servers its access tokens are for; introspection sees tokens for these
	ExchangeAudience       []string // targets that it may exchange a person's token for (RFC 8693); none: it may not
	DetailTypes            []string // types of authorization_details that it may ask for (RFC 9396 §10)
	IDTokenAlg             string   // RS256 when empty (OpenID Connect Registration §2)
	SubjectType            string   // "pairwise" (default) or "public"
	SectorIdentifier       string   // host; from the redirect URI when empty
	RequirePAR             bool
	RequireDPoP            bool
	TrustedConsent         bool     // first-party: no consent page
	NotifyURI              string   // hears that a person answered (CIBA ping); empty: the client polls
	BackchannelLogoutURI   string   // hears of the end of sessions (OpenID Connect Back-Channel Logout 1.0 §2.2)
	BackchannelSession     bool     // wants every session named (backchannel_logout_session_required)
	EventsURI              string   // security events are posted there (RFC 8935)
	Events                 []string // those that it hears of; all when empty
	EventsPoll             bool     // it takes them itself (RFC 8936), instead of EventsURI
	EventsStatus           string   // StreamEnabled, StreamPaused or StreamDisabled
	FrontchannelLogoutURI  string   // loaded in a frame when a session ends (OpenID Connect Front-Channel Logout 1.0 §2)
	AuthAlg                string   // the one algorithm of its assertions; empty: any that its profile allows
	UserInfoAlg            string   // userinfo is a JWT signed so; JSON when empty
	IDTokenEncryption      Encryption
	UserInfoEncryption     Encryption
	ResponseAlg            string              // of its signed authorization responses (JARM §3); RS256 when empty
	IntrospectionAlg       string              // of its signed introspection (RFC 9701 §6); RS256 when empty
	RequestAlg             string              // the one algorithm of its request objects; empty: any that its profile allows
	RequireSigned          bool                // asks by signed request objects alone (RFC 9101 §10.5)
	DefaultMaxAge          *time.Duration      // when a request has no max_age
	DefaultACR             []string            // when a request asks for none
	Registration           *Registration       // of a client that registered itself
	Certificate            CertificateSubject  // of tls_client_auth
	CertificateBound       bool                // access tokens are bound to the client's certificate (RFC 8705 §3.4)
	Isolated               bool                // it neither joins nor begins single sign-on: its people show each time who they are
	Pseudonymous           bool                // it never learns the numbers of documents; APIs that its tokens are for do, by introspection
	Customers              map[string]Customer // for whom it acts, by an id of its own; a request names one of them
	CreatedAt, UpdatedAt   time.Time
}

// Customer is a body for which a service acts.
type Customer struct {
	Name map[string]string // by language
}

// Purpose is what a service asks a person for. It changes the words of pages, and nothing else.
type Purpose string

// The purposes, as requests state them in the parameter purpose.
const (
	PurposeSignIn  Purpose = "sign_in"
	PurposeConfirm Purpose = "confirm" // who the person is
	PurposeLink    Purpose = "link"    // the service's own account to this one
	PurposeApprove Purpose = "approve" // an act
)

// ClientSecret is a client's secret as it is kept: Hash is keys.Hash of it.
type ClientSecret struct {
	Hash      string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: does not expire
}

// AuthRequest is a checked authorization request, waiting for the person.
type AuthRequest struct {
	ID            string
	ClientID      string
	RedirectURI   string
	ResponseMode  string // query, form_post, query.jwt, fragment.jwt, form_post.jwt
	Scopes        []string
	State, Nonce  string
	Challenge     string         // PKCE S256
	Prompt        []string       `json:",omitzero"`
	MaxAge        *time.Duration `json:",omitzero"`
	LoginHint     string         `json:",omitzero"`
	HintSubject   string         `json:",omitzero"` // sub of a valid id_token_hint
	UILocales     []string       `json:",omitzero"`
	ACR           []ACR          `json:",omitzero"` // acceptable values, in order of preference; empty: any
	EssentialACR  bool           `json:",omitzero"`
	Claims        *ClaimsRequest `json:",omitzero"`
	DPoPJKT       string         `json:",omitzero"`
	RequestURI    string         `json:",omitzero"` // pushed request, spent at completion
	RedirectGiven bool           `json:",omitzero"` // redirect_uri stood in the request, so the token request must repeat it
	Remote        *Remote        `json:",omitzero"` // not from this browser; nil when it is
	Details       []Detail       `json:",omitzero"` // to be signed (RFC 9396)
	Resources     []string       `json:",omitzero"` // that the tokens are for (RFC 8707); none: all of the client's
	Purpose       Purpose        `json:",omitzero"` // empty when the service does not say
	Customer      string         `json:",omitzero"` // for whom the service acts; empty where it acts for itself
	CreatedAt     time.Time
	ExpiresAt     time.Time `json:",omitzero"` // where the person asked for longer than usual
}

// Until is when nobody waits for the request any more.
func (r *AuthRequest) Until() time.Time {
	switch {
	case r.Remote != nil:
		return r.Remote.Until
	case r.ExpiresAt.IsZero():
		return r.CreatedAt.Add(requestLife)
	}
	return r.ExpiresAt
}

// ACR is a pair of level and strength (stand.md: urn:vhod:acr:<level>:<strength>).
type ACR struct {
	Level    account.Level
	Strength account.Strength
}

// ClaimsRequest is the claims parameter (OpenID Connect Core §5.5), reduced to what we answer.
type ClaimsRequest struct {
	UserInfo         map[string]ClaimRequest
	IDToken          map[string]ClaimRequest
	VerifiedUserInfo []VerifiedRequest `json:",omitempty"`
	VerifiedIDToken  []VerifiedRequest `json:",omitempty"`
}

// ClaimRequest is one asked claim.
type ClaimRequest struct {
	Essential bool
	Values    []string // value or values, as JSON text
}

// Authentication is what the front door vouches for.
type Authentication struct {
	AccountID account.ID
	SessionID string // sid
	Time      time.Time
	AMR       []string
	Strength  account.Strength
	Level     account.Level
	Origin    account.Origin // of the person's answer
	Signed    *Signed        // the qualified signature over the request's details; nil when they are signed otherwise, or there are none
	Until     time.Time      // what is granted ends by then, as on a shared computer; zero: as long as any
}

// Need is why a request cannot be answered without the person.
type Need string

// The needs, which are also the errors of prompt=none (OpenID Connect Core §3.1.2.6).
const (
	NeedNothing     Need = ""
	NeedLogin       Need = "login_required"
	NeedConsent     Need = "consent_required"
	NeedInteraction Need = "interaction_required" // a higher level or strength, an account choice
)

// Front is the front door as the provider sees it. login satisfies it.
type Front interface {
	// Decide says, without showing anything, whether this browser's session answers the request: an
	// Authentication with NeedNothing, or what is missing. One record round trip at most.
	Decide(r *http.Request, client *Client, req *AuthRequest) (*Authentication, Need, error)
	// Enter opens an attempt bound to this browser for the stored request and returns the local URL
	// that the browser goes to.
	Enter(w http.ResponseWriter, r *http.Request, client *Client, req *AuthRequest) (string, error)
	// SignOut ends the browser's session (after a valid hint, or the person's confirmation) and says which it was.
	SignOut(w http.ResponseWriter, r *http.Request) (EndedSession, error)
	// ConfirmSignOut shows the page that asks whether to sign out; its form posts back the given
	// fields to /end_session with confirm=yes. client may be nil.
	ConfirmSignOut(w http.ResponseWriter, r *http.Request, client *Client, fields map[string]string) error
	// SignedOut shows the page after signing out, when there is no redirect or something to load before it.
	SignedOut(w http.ResponseWriter, r *http.Request, bye Farewell) error
	// Error shows the error page: one sentence for the citizen, the diagnosis for the developer.
	Error(w http.ResponseWriter, r *http.Request, status int, d Diagnosis)
}

// Diagnosis is a protocol error as a developer wants it (stand.md).
type Diagnosis struct {
	Code        string // stable: "redirect_uri.port", has a page docs/errors/CODE.md
	Error       string // OAuth error code
	Description string // one sentence in English
	Arrived     string
	Registered  []string
	Difference  string // the first difference
	Rule        string // the rule, with its source
	Fix         string // one copyable line
	ClientID    string
	ClientName  string
	ReturnURI   string // where the citizen may go back to, when that is safe; empty otherwise
}

// Released is one attribute as the consent page shows it.
type Released struct {
	Claim     string // claim name; its words are in the catalogues under "claim.NAME"
	Value     string // as it will be released, for people to read; empty when there is none yet
	Essential bool
	Missing   bool          // not held
	Optional  bool          // the person may keep it back
	Withheld  bool          // they kept it back before
	Resolved  bool          // the client itself never learns it; APIs that its tokens are for do
	Needs     account.Level // the level from which it is released, when the person is below it
	Checked   Checked       // whether the service hears that it was confirmed
	Ways      []Way         // by what the identity was confirmed; of the claim "evidence" alone
}

// Checked is whether a service that asks for a confirmed claim (verified_claims) hears that it is.
type Checked string

// The values of Checked.
const (
	CheckedUnasked Checked = ""
	CheckedYes     Checked = "yes"
	CheckedNo      Checked = "no" // it was not confirmed, or not as the service asks
)

// Way is by what an identity was confirmed, as a service learns it.
type Way struct {
	Method account.ProofingMethod
	By     string // a bank, a certificate authority, a centre; empty for the state's registries
}

// Response is where an authorization response goes.
type Response struct {
	RedirectURI string
	Mode        string // query, fragment, form_post, or ModePage: the person is told, and nobody redirected
	Params      map[string]string
}

// Interaction is what the front door asks of the provider while a person is inside. *Provider
// satisfies it.
type Interaction interface {
	Waiting
	// Released lists what the client would learn of this person by this request.
	Released(ctx context.Context, client *Client, req *AuthRequest, a *account.Account) ([]Released, error)
	// Covered reports whether the person's grants already cover the request.
	Covered(client *Client, req *AuthRequest, a *account.Account) bool
	// Met reports whether the authentication meets what the request asks (acr, max_age, prompt).
	Met(req *AuthRequest, auth Authentication) bool
	// Approve spends the request and makes the response with a code.
	Approve(ctx context.Context, id string, auth Authentication) (Response, error)
	// Farewells returns the addresses that the browser loads out of sight after this session ended.
	Farewells(ctx context.Context, ended EndedSession) ([]string, error)
	// Deny spends the request and makes an error response: access_denied, login_required, …
	Deny(ctx context.Context, id, code, description string) (Response, error)
}

// Waiting are the requests that wait for a person.
type Waiting interface {
	// Request returns a waiting request with its client, or account.ErrNotFound when it is over. Who kept it gives it
	// back and saves a look: then it is over by its age alone, and whether it was answered shows when it is spent.
	Request(ctx context.Context, id string, kept *AuthRequest) (*AuthRequest, *Client, error)
	// Extend lets the person take longer, and returns the request as it waits now. One that was answered is over; one from
	// elsewhere keeps its own end.
	Extend(ctx context.Context, id string) (*AuthRequest, error)
	// DeviceRequest returns the id of the waiting request that a device showed this code for, or
	// account.ErrNotFound. The caller limits guesses.
	DeviceRequest(ctx context.Context, typed string) (string, error)
	// Asked lists the requests of services that wait for a person, oldest first.
	Asked(ctx context.Context, id account.ID) ([]Asking, error)
	// Hush keeps a service from asking a person for a day.
	Hush(ctx context.Context, id account.ID, client string) error
}

// ClientStore keeps registered clients. The provider holds them in memory and refreshes.
type ClientStore interface {
	Clients(ctx context.Context) ([]Client, error)
	Client(ctx context.Context, id string) (*Client, error) // account.ErrNotFound
	PutClient(ctx context.Context, c Client) error
	DeleteClient(ctx context.Context, id string) error
	// ClientsVersion changes whenever any client changed; cheap to ask.
	ClientsVersion(ctx context.Context) (int64, error)
}

// Family is one authorization and all tokens that came of it. Ending it ends them.
type Family struct {
	ID          string
	AccountID   account.ID // empty for client_credentials
	ClientID    string
	SessionID   string
	Scopes      []string
	Claims      *ClaimsRequest
	Details     []Detail // signed by the person
	Resources   []string // that access tokens are for; none: all of the client's
	Customer    string   // for whom the client acts; empty where it acts for itself
	AuthTime    time.Time
	AMR         []string
	ACR         string
	Nonce       string
	JKT         string // thumbprint of the DPoP key, or of the certificate, that its tokens are bound to
	CreatedAt   time.Time
	ExpiresAt   time.Time
	EndedAt     time.Time
	RefreshHash string // keys.Hash of the live refresh token; empty without offline_access
	Generation  int64  // of the live refresh token
	RotatedAt   time.Time
}

// FamilyStore keeps token families.
type FamilyStore interface {
	// CreateFamily stores a family if its account is active and was not signed out since AuthTime,
	// by one statement; otherwise account.ErrLocked.
	CreateFamily(ctx context.Context, f *Family) error
	// Family returns a family with its account (nil for none) by one round trip, or account.ErrNotFound.
	Family(ctx context.Context, id string) (*Family, *account.Account, error)
	// Rotate replaces the live refresh token by one conditional statement: only if the family lives,
	// has not expired and its RefreshHash is still was. It returns the family as stored, or account.ErrConflict.
	Rotate(ctx context.Context, id, was string, next Rotation) (*Family, error)
	// Renew is Rotate of a grant that no key binds, is this client's, and whose account is active and was not signed out since,
	// with that account, by one statement; otherwise account.ErrConflict, and who wants to know why reads.
	Renew(ctx context.Context, of Renewal) (*Family, *account.Account, error)
	// EndFamily ends a family once and says whether this call did it.
	EndFamily(ctx context.Context, id string, at time.Time) (bool, error)
	// EndFamilies ends the families of an account, at one client or (empty) at all.
	EndFamilies(ctx context.Context, id account.ID, clientID string, at time.Time) error
	// Visits returns to which services these sessions of an account led, or, without any, its sessions in which the person
	// proved themselves before the time and that did not end by themselves since.
	Visits(ctx context.Context, id account.ID, sessions []string, before time.Time) ([]Visit, error)
}

// Visit is a service that got tokens in a session.
type Visit struct {
	ClientID  string
	SessionID string
}

// Rotation is the step from one refresh token to the next.
type Rotation struct {
	Hash      string
	At        time.Time
	ExpiresAt time.Time
}

// Renewal is the same step of one client's grant.
type Renewal struct {
	ID, ClientID string
	Was, Next    string // hashes of refresh tokens
	At           time.Time
}

// Ephemera is the provider's view of what expires (account.Ephemera).
type Ephemera = account.Ephemera
