package cabinet

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

const rehearsalPage = "/me/security/rehearsal"

// rehearsalData is what the page me-rehearsal shows.
type rehearsalData struct {
	Losses []lossLine
	Ways   []wayLine
	Any    bool // something is lost in this rehearsal
	Codes  int  // backup codes that are left
	Query  string
}

// lossLine is something that may be lost.
type lossLine struct {
	Loss account.Loss
	Lost bool
}

// showRehearsal answers what if: the person ticks what they have lost, and the page says what would still open the account, by the same
// rules as the doors.
func (c *Room) showRehearsal(w http.ResponseWriter, r *http.Request, v visit) error {
	return c.renderRehearsal(w, r, v, r.URL.Query()["lost"], nil)
}

func (c *Room) renderRehearsal(w http.ResponseWriter, r *http.Request, v visit, given []string, wrong *templates.FieldError) error {
	data := rehearsalData{Codes: len(v.person.Backup.Hashes)}
	var lost []account.Loss
	form := url.Values{}
	for _, loss := range account.Losses() {
		is := slices.Contains(given, string(loss))
		data.Losses = append(data.Losses, lossLine{loss, is})
		if is {
			lost = append(lost, loss)
			form.Add("lost", string(loss))
		}
	}
	data.Ways, data.Any, data.Query = c.ways(c.lang(r), v.person, lost...), len(lost) > 0, form.Encode()
	page := c.page(v, "me-rehearsal", data)
	page.Section, page.Back = "me-security", "/me/security"
	if wrong != nil {
		page.Status, page.Errors = http.StatusUnprocessableEntity, []templates.FieldError{*wrong}
	}
	if r.FormValue("done") == "code" {
		page.Notice = "notice.rehearsal-code"
	}
	return c.render(w, r, page)
}

// tryBackup looks whether a printed code would do, without using it up.
func (c *Room) tryBackup(w http.ResponseWriter, r *http.Request, v visit) error {
	code := r.PostFormValue("code")
	if len(code) > 100 {
		code = code[:100]
	}
	if code == "" {
		return c.renderRehearsal(w, r, v, nil, &templates.FieldError{Field: "code", Message: "error.code.empty"})
	}
	err := c.cfg.Accounts.TryBackup(r.Context(), v.person.ID, code, c.cfg.Origin(r))
	if errors.Is(err, account.ErrWrongCode) {
		return c.renderRehearsal(w, r, v, nil, &templates.FieldError{Field: "code", Message: "error.code.rehearsed"})
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, rehearsalPage+"?done=code")
}
