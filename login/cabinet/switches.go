package cabinet

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

const switchesPage = "/me/security/switches"

// switchesData is what the page me-switches shows.
type switchesData struct {
	Ways, Acts switchGroup
	Remains    []remains
}

// switchGroup is a list that folds: each has the length of a screen.
type switchGroup struct {
	Lines  []switchLine
	Locked int
	Open   bool
}

// add puts a switch into the group. One that is about to open is not left for the person to find.
func (g *switchGroup) add(line switchLine, wrong *templates.FieldError) {
	g.Lines = append(g.Lines, line)
	if line.Locked {
		g.Locked++
	}
	g.Open = g.Open || !line.Opens.IsZero() || wrong != nil && wrong.Field == "switch-"+string(line.Switch)
}

// lockMore are the ways that take something else with them.
var lockMore = []account.Switch{account.SwitchPassword, account.SwitchSMS, account.SwitchRecovery}

// switchLine is one switch.
type switchLine struct {
	Switch account.Switch
	Bank   string // its name, when it is the switch of one bank
	Told   bool   // its name does not say all that it locks
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
	Note    string // what is more in a new browser, in the catalogues
}

func (c *Room) showSwitches(w http.ResponseWriter, r *http.Request, v visit) error {
	return c.renderSwitches(w, r, v, nil)
}

func (c *Room) renderSwitches(w http.ResponseWriter, r *http.Request, v visit, wrong *templates.FieldError) error {
	data := switchesData{Ways: switchGroup{Open: true}, Acts: switchGroup{Open: r.FormValue("group") == "acts"}}
	now := c.cfg.Now()
	for _, s := range v.person.Switches() {
		lock, locked := v.person.Lock(s, now)
		line := switchLine{Switch: s, Locked: locked, Own: lock.Switch == s, Opens: lock.OpensAt, Since: lock.At}
		if id, ok := strings.CutPrefix(string(s), string(account.SwitchBanks)+":"); ok {
			line.Bank, _ = c.cfg.Bank(id, c.lang(r))
		}
		line.Told = s.Act() || slices.Contains(lockMore, s)
		if s.Act() {
			data.Acts.add(line, wrong)
		} else {
			data.Ways.add(line, wrong)
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
		if way.Mail && c.cfg.Confirms {
			out[last].Note = mailNote(way, slices.Contains(lost, account.LostMail))
		}
	}
	return out
}

// mailNote says that in a new browser a code by e-mail is asked as well, or, to who cannot read their mail, that the way leads in only where they were seen.
func mailNote(way account.Way, lost bool) string {
	note := "way.mail"
	if lost {
		note = "way.known"
	}
	if way.Second == "" {
		return note
	}
	return note + "-" + string(way.Second)
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
		return seeOther(w, r, groupOf(which)+"&done=opening")
	}
	err := c.cfg.Accounts.LockSwitch(ctx, v.person.ID, which, v.session.ID, c.cfg.Origin(r))
	if errors.Is(err, account.ErrConflict) {
		return c.renderSwitches(w, r, v, &templates.FieldError{Field: "switch-" + string(which), Message: "error.switch.last"})
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, groupOf(which))
}

// groupOf is the page with the list unfolded in which a switch stands.
func groupOf(which account.Switch) string {
	if which.Act() {
		return switchesPage + "?group=acts"
	}
	return switchesPage + "?group=ways"
}
