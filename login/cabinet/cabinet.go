// Package cabinet is the person's own room: what is held about them, how they sign in and where, who
// may learn what, and everything that happened to the account.
//
// The front door lets people in and mounts these routes. Every change goes through account.Service,
// which journals it; nothing here writes by itself.
package cabinet

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/templates"
)

// Config is what the cabinet needs; all of it must be set.
type Config struct {
	Accounts *account.Service
	Pages    *templates.Set
	Services func() []op.Client // names of connected services
	// Asked lists the requests of services that wait for the person's answer.
	Asked func(context.Context, account.ID) ([]op.Asking, error)
	// Visitor returns the browser's live session with its account, or nils.
	Visitor func(*http.Request) (*account.Session, *account.Account, error)
	// Fresh reports whether the session proved the person recently enough for a sensitive change.
	Fresh func(*account.Session, *account.Account) bool
	// Timeout is when a session ends, for its pages to say.
	Timeout func(*account.Session) *templates.Timeout
	Origin  func(*http.Request) account.Origin
	Name    func(*account.Account) string // short, for the person's own eyes
	Now     func() time.Time
	// Bank is the name of a bank by its id, and whether it is one of those that people may sign in by.
	Bank func(id, lang string) (name string, ok bool)
	// Banks is whether there are any.
	Banks bool
	// Vouches is whether a bank would be asked in a recovery whether it is the person.
	Vouches func(*account.Account) bool
	// Confirms is whether more is asked in a browser in which the person was never seen.
	Confirms bool
	// Signatures is whether certificates may be linked here.
	Signatures bool
}

// Room is the cabinet.
type Room struct{ cfg Config }

// New makes the cabinet.
func New(cfg Config) *Room { return &Room{cfg: cfg} }

// Route is one line of the table: a pattern of http.ServeMux and its handler, whose error the front
// door shows.
type Route struct {
	Pattern string
	Serve   func(http.ResponseWriter, *http.Request) error
}

// Routes is the table of the cabinet.
func (c *Room) Routes() []Route {
	return []Route{
		{"GET /me", c.guest(c.overview)},
		{"GET /me/profile", c.guest(c.profile)},
		{"GET /me/security", c.guest(c.security)},
		{"GET /me/security/password", c.guest(c.showPassword)},
		{"POST /me/security/password", c.guest(c.takePassword)},
		{"GET /me/security/totp/remove", c.guest(c.backToSecurity)}, // the language was switched on the page that a post answered
		{"GET /me/security/passkey/remove", c.guest(c.backToSecurity)},
		{"GET /me/security/push/remove", c.guest(c.backToSecurity)},
		{"POST /me/security/push/remove", c.guest(c.removePush)},
		{"GET /me/security/sms/remove", c.guest(c.backToSecurity)},
		{"GET /me/security/prefer", c.guest(c.backToSecurity)}, // the session had ended when the form was sent
		{"GET /me/security/passkey/rename", c.guest(c.backToSecurity)},
		{"GET /me/security/esign/remove", c.guest(c.backToSecurity)},
		{"GET /me/security/bank/remove", c.guest(c.backToSecurity)},
		{"POST /me/security/sms/remove", c.guest(c.removeSMS)},
		{"GET /me/security/switches", c.guest(c.showSwitches)},
		{"POST /me/security/switches", c.guest(c.takeSwitch)},
		{"GET /me/security/rehearsal", c.guest(c.showRehearsal)},
		{"POST /me/security/rehearsal", c.guest(c.tryBackup)},
		{"POST /me/security/prefer", c.guest(c.prefer)},
		{"POST /me/security/totp/remove", c.guest(c.removeTOTP)},
		{"POST /me/security/passkey/rename", c.guest(c.renamePasskey)},
		{"POST /me/security/passkey/remove", c.guest(c.removePasskey)},
		{"POST /me/security/esign/remove", c.guest(c.removeCertificate)},
		{"POST /me/security/bank/remove", c.guest(c.removeBank)},
		{"GET /me/trusted", c.guest(c.showTrusted)},
		{"GET /me/trusted/new", c.guest(c.showNewTrusted)},
		{"POST /me/trusted/new", c.guest(c.takeNewTrusted)},
		{"GET /me/trusted/offer", c.guest(c.backToTrusted)},
		{"POST /me/trusted/offer", c.guest(c.answerOffer)},
		{"GET /me/trusted/end", c.guest(c.backToTrusted)},
		{"POST /me/trusted/end", c.guest(c.endTrust)},
		{"GET /me/trusted/plea", c.guest(c.showPlea)},
		{"POST /me/trusted/plea", c.guest(c.answerPlea)},
		{"GET /me/sessions", c.guest(c.sessions)},
		{"POST /me/sessions", c.guest(c.endSessions)},
		{"GET /me/sessions/forget", c.guest(c.backToSessions)},
		{"POST /me/sessions/forget", c.guest(c.forgetDevice)},
		{"GET /me/history", c.guest(c.history)},
		{"GET /me/history.csv", c.guest(c.historyCSV)},
		{"GET /me/history.json", c.guest(c.historyJSON)},
		{"GET /me/services", c.guest(c.services)},
		{"POST /me/services", c.guest(c.withdraw)},
		{"GET /me/requests", c.guest(c.requests)},
	}
}

// visit is one request of the person in their room.
type visit struct {
	session *account.Session
	person  *account.Account
}

// guest lets in who has a session and sends everybody else to sign in first.
func (c *Room) guest(serve func(http.ResponseWriter, *http.Request, visit) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		session, person, err := c.cfg.Visitor(r)
		if err != nil {
			return err
		}
		if session == nil {
			to := r.URL.Path
			if r.Method == http.MethodGet && r.URL.RawQuery != "" { // what was looked for is not lost
				to += "?" + r.URL.RawQuery
			}
			return seeOther(w, r, "/login?return="+url.QueryEscape(to))
		}
		return serve(w, r, visit{session, person})
	}
}

// page starts a page of the cabinet; the section is the page's own name unless another is given.
func (c *Room) page(v visit, name string, data any) templates.Page {
	return templates.Page{Name: name, Section: name, User: c.cfg.Name(v.person), Timeout: c.cfg.Timeout(v.session), Data: data}
}

func (c *Room) render(w http.ResponseWriter, r *http.Request, p templates.Page) error {
	return c.cfg.Pages.Render(w, r, p)
}

// reauth sends the person to show again that it is them, and back to path.
func reauth(w http.ResponseWriter, r *http.Request, path string) error {
	return seeOther(w, r, "/login?reauth=1&return="+url.QueryEscape(path))
}

func seeOther(w http.ResponseWriter, r *http.Request, to string) error {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// profileData is what the page me-profile shows.
type profileData struct {
	Account  *account.Account
	Phone    string
	Gender   string
	Evidence []account.Evidence
}

func (c *Room) profile(w http.ResponseWriter, r *http.Request, v visit) error {
	data := profileData{
		Account: v.person, Phone: account.FormatPhone(v.person.Phone.Value),
		Gender: string(v.person.Person.Gender), Evidence: v.person.Evidence,
	}
	return c.render(w, r, c.page(v, "me-profile", data))
}

func (c *Room) lang(r *http.Request) string { return c.cfg.Pages.Lang(r) }

// serviceName is the name of a service by its client id, in the page's language.
func (c *Room) serviceName(clientID, lang string) string {
	for _, client := range c.cfg.Services() {
		if client.ID == clientID {
			if name := client.Name[lang]; name != "" {
				return name
			}
			if name := client.Name["ru"]; name != "" {
				return name
			}
		}
	}
	return clientID
}
