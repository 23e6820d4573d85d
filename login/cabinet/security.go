package cabinet

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/templates"
)

// securityData is what the page me-security shows.
type securityData struct {
	Password credential.Password
	Apps     []credential.TOTP
	Left     int // backup codes still unused
	Backup   credential.BackupSet

	Passkeys []credential.Passkey
	Push     []account.PushDevice
	SMS      account.SMSFactor
	Phone    string           // masked; empty when there is none
	Factors  []account.Method // that are set up, what is asked first before the rest
	Site     bool             // passkeys may be added
	Signal   string           // for the browser: which passkeys are still taken (JSON)

	Banks    []bankLine
	AddBanks bool // banks may be added

	Certificates []certificate
	Signatures   bool // certificates may be added
}

// certificate is a line of the list, with what the person should know of its end.
type certificate struct {
	account.Certificate
	Ended, Ending bool
}

// endingSoon is how long before its end a certificate is warned of (C27).
const endingSoon = 30 * 24 * time.Hour

func certificates(all []account.Certificate, now time.Time) []certificate {
	var out []certificate
	for _, c := range all {
		left := c.NotAfter.Sub(now)
		out = append(out, certificate{c, left <= 0, left > 0 && left <= endingSoon})
	}
	return out
}

func (c *Room) security(w http.ResponseWriter, r *http.Request, v visit) error {
	signal, err := json.Marshal(c.cfg.Accounts.PasskeySignal(v.person))
	if err != nil {
		return fmt.Errorf("encoding a signal: %w", err)
	}
	data := securityData{
		Push: v.person.PushDevices, SMS: v.person.SMS, Factors: v.person.Factors(), Passkeys: v.person.Passkeys, Site: c.cfg.Accounts.HasPasskeys(), Signal: string(signal),
		Password: v.person.Password, Apps: v.person.TOTP,
		Left: len(v.person.Backup.Hashes), Backup: v.person.Backup,
		Certificates: certificates(v.person.Certificates, c.cfg.Now()), Signatures: c.cfg.Signatures,
	}
	data.AddBanks = c.cfg.Banks
	for _, b := range v.person.Banks {
		name, ok := c.cfg.Bank(b.Bank, c.lang(r))
		if !ok {
			name = b.Bank
		}
		data.Banks = append(data.Banks, bankLine{name, b.Issuer, b.Subject, b.LinkedAt})
	}
	if v.person.Phone.Value != "" {
		data.Phone = account.MaskPhone(v.person.Phone.Value)
	}
	page := c.page(v, "me-security", data)
	switch r.FormValue("done") {
	case "password":
		page.Notice = "notice.password-changed"
	case "removed":
		page.Notice = "notice.app-removed"
	case "passkey":
		page.Notice = "notice.passkey-added"
	case "passkey-removed":
		page.Notice = "notice.passkey-removed"
	case "bank":
		page.Notice = "notice.bank-linked"
	case "bank-removed":
		page.Notice = "notice.bank-removed"
	case "bank-last":
		page.Notice = "notice.bank-last"
	case "certificate":
		page.Notice = "notice.certificate-added"
	case "certificate-removed":
		page.Notice = "notice.certificate-removed"
	}
	return c.render(w, r, page)
}

// passwordData is what the page me-password shows.
type passwordData struct{ Username string }

func (c *Room) showPassword(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := v.person.MayChange(v.session, c.cfg.Now()); err != nil {
		return err
	}
	return c.renderPassword(w, r, v, nil)
}

func (c *Room) renderPassword(w http.ResponseWriter, r *http.Request, v visit, err error) error {
	username := v.person.Phone.Value
	if username == "" {
		username = v.person.Email.Value
	}
	page := c.page(v, "me-password", passwordData{username})
	page.Section, page.Back = "me-security", "/me/security"
	if err != nil {
		var fields account.FieldErrors
		if !errors.As(err, &fields) {
			return err
		}
		page.Status = http.StatusUnprocessableEntity
		for _, f := range fields {
			page.Errors = append(page.Errors, templates.FieldError{Field: f.Field, Message: f.Message, Args: f.Args})
		}
	}
	return c.render(w, r, page)
}

// takePassword changes the password after the old one; every other session ends (S09).
func (c *Room) takePassword(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := v.person.MayChange(v.session, c.cfg.Now()); err != nil {
		return err
	}
	old, next := r.PostFormValue("current_password"), r.PostFormValue("password")
	var wrong account.FieldErrors
	switch {
	case old == "":
		wrong = account.FieldErrors{{Field: "current_password", Message: "error.password.empty"}}
	case next == "":
		wrong = account.FieldErrors{{Field: "password", Message: "error.password.empty"}}
	case next != r.PostFormValue("password_again"):
		wrong = account.FieldErrors{{Field: "password_again", Message: "error.password_again.differs"}}
	}
	if wrong != nil {
		return c.renderPassword(w, r, v, wrong)
	}
	err := c.cfg.Accounts.ChangePassword(r.Context(), v.person.ID, old, next, v.session.ID, c.cfg.Origin(r))
	if errors.Is(err, account.ErrWrongCredentials) {
		err = account.FieldErrors{{Field: "current_password", Message: "error.current_password.wrong"}}
	}
	if err != nil {
		return c.renderPassword(w, r, v, err)
	}
	return seeOther(w, r, "/me/security?done=password")
}

// removeCertificate ends signing in by a certificate; the person shows first that it is them.
func (c *Room) removeCertificate(w http.ResponseWriter, r *http.Request, v visit) error {
	if ok, err := c.sensitive(w, r, v); !ok {
		return err
	}
	if err := c.cfg.Accounts.RemoveCertificate(r.Context(), v.person.ID, r.PostFormValue("id"), v.session.ID, c.cfg.Origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, "/me/security?done=certificate-removed")
}

// bankLine is a bank by which the person signs in.
type bankLine struct {
	Name, Issuer, Subject string
	Since                 time.Time
}

// removeBank ends signing in by a bank.
func (c *Room) removeBank(w http.ResponseWriter, r *http.Request, v visit) error {
	if ok, err := c.sensitive(w, r, v); !ok {
		return err
	}
	err := c.cfg.Accounts.UnlinkBank(r.Context(), v.person.ID, r.PostFormValue("issuer"), r.PostFormValue("subject"), v.session.ID, c.cfg.Origin(r))
	if errors.Is(err, account.ErrConflict) {
		return seeOther(w, r, "/me/security?done=bank-last")
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, "/me/security?done=bank-removed")
}
