package cabinet

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

const switchesPage = "/me/security/switches"

// switchesData is what the page me-switches shows.
type switchesData struct {
	Ways, Acts []switchLine
	Remains    []remains
}

// switchLine is one switch.
type switchLine struct {
	Switch account.Switch
	Bank   string // its name, when it is the switch of one bank
	Locked bool
	Own    bool // by itself, and not only because it came later
	Opens  time.Time
	Since  time.Time
}

// remains is what opens the account to a person who has lost something; Loss is empty for what opens it now.
type remains struct {
	Loss account.Loss
	Ways []wayLine
}

// wayLine is a first proof and what would do after it.
type wayLine struct {
	First   account.Method
	Channel string // of a recovery
	Bank    string
	BankID  string
	Then    []account.Method
}

func (c *Room) showSwitches(w http.ResponseWriter, r *http.Request, v visit) error {
	return c.renderSwitches(w, r, v, nil)
}

func (c *Room) renderSwitches(w http.ResponseWriter, r *http.Request, v visit, wrong *templates.FieldError) error {
	var data switchesData
	now := c.cfg.Now()
	for _, s := range v.person.Switches() {
		lock, locked := v.person.Lock(s, now)
		line := switchLine{Switch: s, Locked: locked, Own: lock.Switch == s, Opens: lock.OpensAt, Since: lock.At}
		if id, ok := strings.CutPrefix(string(s), string(account.SwitchBanks)+":"); ok {
			line.Bank, _ = c.cfg.Bank(id, c.lang(r))
		}
		if s.Act() {
			data.Acts = append(data.Acts, line)
		} else {
			data.Ways = append(data.Ways, line)
		}
	}
	data.Remains = append(data.Remains, remains{"", c.ways(c.lang(r), v.person)})
	for _, loss := range account.Losses() {
		data.Remains = append(data.Remains, remains{loss, c.ways(c.lang(r), v.person, loss)})
	}
	page := c.page(v, "me-switches", data)
	page.Section, page.Back = "me-security", "/me/security"
	if wrong != nil {
		page.Status, page.Errors = http.StatusUnprocessableEntity, []templates.FieldError{*wrong}
	}
	if r.FormValue("done") == "opening" {
		page.Notice = "notice.switch-opening"
	}
	return c.render(w, r, page)
}

// ways is what opens the account here, each first proof once.
func (c *Room) ways(lang string, person *account.Account, lost ...account.Loss) []wayLine {
	var out []wayLine
	for _, way := range person.Ways(c.cfg.Now(), lost...) {
		if way.First == account.MethodPasskey && !c.cfg.Accounts.HasPasskeys() || way.First == account.MethodSignature && !c.cfg.Signatures {
			continue
		}
		if way.Second == account.MethodBank && !c.cfg.Vouches(person) {
			continue
		}
		line := wayLine{First: way.First, Channel: way.Channel}
		if way.First == account.MethodBank {
			name, ok := c.cfg.Bank(way.Channel, lang)
			if !ok {
				continue // it is no bank of ours any more
			}
			line.Channel, line.Bank, line.BankID = "", name, way.Channel
		}
		last := len(out) - 1
		if last < 0 || out[last].First != line.First || out[last].Channel != line.Channel || out[last].BankID != line.BankID {
			out, last = append(out, line), last+1
		}
		if way.Second != "" {
			out[last].Then = append(out[last].Then, way.Second)
		}
	}
	return out
}

// takeSwitch locks a way or an act at once, for whoever is signed in; to open it the person shows first that it is them.
func (c *Room) takeSwitch(w http.ResponseWriter, r *http.Request, v visit) error {
	which, ctx := account.Switch(r.PostFormValue("switch")), r.Context()
	if r.PostFormValue("answer") == "open" {
		if !c.cfg.Fresh(v.session, v.person) {
			return reauth(w, r, switchesPage)
		}
		if err := c.cfg.Accounts.OpenSwitch(ctx, v.person.ID, which, c.cfg.Origin(r)); err != nil {
			return err
		}
		return seeOther(w, r, switchesPage+"?done=opening")
	}
	err := c.cfg.Accounts.LockSwitch(ctx, v.person.ID, which, v.session.ID, c.cfg.Origin(r))
	if errors.Is(err, account.ErrConflict) {
		return c.renderSwitches(w, r, v, &templates.FieldError{Field: "switch-" + string(which), Message: "error.switch.last"})
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, switchesPage)
}
