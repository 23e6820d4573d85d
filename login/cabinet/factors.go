package cabinet

import (
	"net/http"
	"slices"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
)

// removal is what the page me-factor-remove asks before the last factor goes.
type removal struct {
	Action string // where the form is posted
	ID     string
	Name   string
	Backup bool // printed codes go with it
}

// sensitive lets in who has just shown all that they have (F10), in a browser that is no stranger's; others show it first.
func (c *Room) sensitive(w http.ResponseWriter, r *http.Request, v visit) (ok bool, err error) {
	return c.sensitiveAt(w, r, v, "/me/security")
}

// sensitiveAt is sensitive with where to go on.
func (c *Room) sensitiveAt(w http.ResponseWriter, r *http.Request, v visit, path string) (ok bool, err error) {
	if !c.cfg.Fresh(v.session, v.person) {
		return false, reauth(w, r, path)
	}
	if err := v.person.MayChange(v.session, c.cfg.Now()); err != nil {
		return false, err
	}
	return true, nil
}

// warn asks whether to remove the last factor, and says what is lost with it. It reports false when there is nothing to
// warn of, or when the person was asked already.
func (c *Room) warn(w http.ResponseWriter, r *http.Request, v visit, ask removal) (asked bool, err error) {
	left := len(v.person.TOTP) + len(v.person.Passkeys) + len(v.person.PushDevices)
	if v.person.HasSMS() {
		left++
	}
	if left > 1 || r.PostFormValue("confirmed") != "" {
		return false, nil
	}
	ask.Backup = len(v.person.Backup.Hashes) > 0
	page := c.page(v, "me-factor-remove", ask)
	page.Section, page.Back = "me-security", "/me/security"
	return true, c.render(w, r, page)
}

// removeTOTP removes an app.
func (c *Room) removeTOTP(w http.ResponseWriter, r *http.Request, v visit) error {
	if ok, err := c.sensitive(w, r, v); !ok {
		return err
	}
	id := r.PostFormValue("id")
	i := slices.IndexFunc(v.person.TOTP, func(t credential.TOTP) bool { return t.ID == id })
	if i < 0 {
		return account.ErrNotFound
	}
	ask := removal{Action: r.URL.Path, ID: id, Name: v.person.TOTP[i].Name}
	if asked, err := c.warn(w, r, v, ask); asked {
		return err
	}
	if err := c.cfg.Accounts.RemoveTOTP(r.Context(), v.person.ID, id, v.session.ID, c.cfg.Origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, "/me/security?done=removed")
}

// removePush ends approving in a browser.
func (c *Room) removePush(w http.ResponseWriter, r *http.Request, v visit) error {
	if ok, err := c.sensitive(w, r, v); !ok {
		return err
	}
	id := r.PostFormValue("id")
	i := slices.IndexFunc(v.person.PushDevices, func(d account.PushDevice) bool { return d.ID == id })
	if i < 0 {
		return account.ErrNotFound
	}
	ask := removal{Action: r.URL.Path, ID: id, Name: v.person.PushDevices[i].Name}
	if asked, err := c.warn(w, r, v, ask); asked {
		return err
	}
	if err := c.cfg.Accounts.RemovePush(r.Context(), v.person.ID, id, v.session.ID, c.cfg.Origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, "/me/security")
}

// removeSMS turns codes by SMS off.
func (c *Room) removeSMS(w http.ResponseWriter, r *http.Request, v visit) error {
	if ok, err := c.sensitive(w, r, v); !ok {
		return err
	}
	ask := removal{Action: r.URL.Path, Name: account.MaskPhone(v.person.Phone.Value)}
	if asked, err := c.warn(w, r, v, ask); asked {
		return err
	}
	if err := c.cfg.Accounts.RemoveSMS(r.Context(), v.person.ID, v.session.ID, c.cfg.Origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, "/me/security")
}

// prefer asks for another factor first from now on.
func (c *Room) prefer(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := c.cfg.Accounts.PreferFactor(r.Context(), v.person.ID, account.Method(r.PostFormValue("factor"))); err != nil {
		return err
	}
	return seeOther(w, r, "/me/security")
}

// removePasskey ends signing in by a passkey.
func (c *Room) removePasskey(w http.ResponseWriter, r *http.Request, v visit) error {
	if ok, err := c.sensitive(w, r, v); !ok {
		return err
	}
	id := r.PostFormValue("id")
	i := slices.IndexFunc(v.person.Passkeys, func(k credential.Passkey) bool { return k.ID == id })
	if i < 0 {
		return account.ErrNotFound
	}
	ask := removal{Action: r.URL.Path, ID: id, Name: v.person.Passkeys[i].Name}
	if asked, err := c.warn(w, r, v, ask); asked {
		return err
	}
	if err := c.cfg.Accounts.RemovePasskey(r.Context(), v.person.ID, id, v.session.ID, c.cfg.Origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, "/me/security?done=passkey-removed")
}

// renamePasskey keeps the person's own name for a passkey.
func (c *Room) renamePasskey(w http.ResponseWriter, r *http.Request, v visit) error {
	if label := r.PostFormValue("passkey_name"); label != "" {
		if err := c.cfg.Accounts.RenamePasskey(r.Context(), v.person.ID, r.PostFormValue("id"), label); err != nil {
			return err
		}
	}
	return seeOther(w, r, "/me/security")
}

// backToSecurity is where a form's page is opened again by its address.
func (c *Room) backToSecurity(w http.ResponseWriter, r *http.Request, _ visit) error {
	return seeOther(w, r, "/me/security")
}
