package cabinet

import (
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
)

// sessionsData is what the page me-sessions shows.
type sessionsData struct {
	Sessions []sessionLine
	Others   bool // there are others than this one
	Devices  []deviceLine
}

// deviceLine is a remembered browser.
type deviceLine struct {
	ID           string
	Device       string
	Since, Until time.Time
}

// sessionLine is one device.
type sessionLine struct {
	ID      string
	Device  string
	From    string // place and address
	Since   time.Time
	Seen    time.Time
	Current bool
	Shared  bool
	Service string // the one that it is for; empty: single sign-on
	Until   time.Time
	Idle    int // minutes without use after which it ends earlier
}

func (c *Room) sessions(w http.ResponseWriter, r *http.Request, v visit) error {
	list, err := c.cfg.Accounts.Sessions(r.Context(), v.person.ID)
	if err != nil {
		return err
	}
	data := sessionsData{Others: len(list) > 1}
	for _, s := range list {
		service := ""
		if s.Client != "" {
			service = c.serviceName(s.Client, c.lang(r))
		}
		data.Sessions = append(data.Sessions, sessionLine{
			ID: s.ID, Device: s.Origin.Device(), From: c.cfg.Accounts.From(s.Origin),
			Since: s.CreatedAt, Seen: s.SeenAt, Current: s.ID == v.session.ID, Shared: s.Shared, Service: service,
			Until: s.ExpiresAt, Idle: int(c.cfg.Accounts.LifeOf(&s).Idle.Minutes()),
		})
	}
	for _, d := range c.cfg.Accounts.Devices(v.person) {
		data.Devices = append(data.Devices, deviceLine{d.ID, account.Origin{UserAgent: d.UserAgent}.Device(), d.AddedAt, d.ExpiresAt})
	}
	return c.render(w, r, c.page(v, "me-sessions", data))
}

// endSessions ends one session, all but this one, or all. Only the person's own can be named.
func (c *Room) endSessions(w http.ResponseWriter, r *http.Request, v visit) error {
	id := r.PostFormValue("session")
	switch {
	case id == "others":
		if err := c.cfg.Accounts.EndOtherSessions(r.Context(), v.person.ID, v.session.ID, c.cfg.Origin(r)); err != nil {
			return err
		}
	case id == "all":
		if err := c.cfg.Accounts.EndAllSessions(r.Context(), v.person.ID, c.cfg.Origin(r)); err != nil {
			return err
		}
		return seeOther(w, r, "/login")
	case id == v.session.ID:
		return seeOther(w, r, "/logout")
	default:
		if err := c.cfg.Accounts.EndSession(r.Context(), v.person.ID, id, c.cfg.Origin(r)); err != nil {
			return err
		}
	}
	return seeOther(w, r, "/me/sessions")
}

// forgetDevice asks for the second factor in a browser again.
func (c *Room) forgetDevice(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := c.cfg.Accounts.ForgetDevice(r.Context(), v.person.ID, r.PostFormValue("device"), c.cfg.Origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, "/me/sessions")
}

// backToSessions is where a form of the list leads that was sent when the session had ended.
func (c *Room) backToSessions(w http.ResponseWriter, r *http.Request, _ visit) error {
	return seeOther(w, r, "/me/sessions")
}

func address(o account.Origin) string {
	if !o.Address.IsValid() {
		return ""
	}
	return o.Address.String()
}
