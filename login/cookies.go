package login

import (
	"net/http"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// The cookies. With an https issuer each has the prefix __Host-, which browsers accept only with
// Secure, Path=/ and no Domain (RFC 6265bis §4.1.3.2), so that no neighbour host can plant one (S01, S02).
const (
	cookieSession  = "vhod-session"  // the sign-on session
	cookieApart    = "vhod-apart"    // the session of a service with a sign-on of its own
	cookieFlow     = "vhod-flow"     // binds attempts to the browser
	cookieBrowser  = "vhod-browser"  // a browser in which somebody signed in: by it a new one is told from a known one
	cookieDevice   = "vhod-device"   // a browser that its person asked to be remembered
	cookieApprover = "vhod-approver" // a browser in which its person approves sign-ins elsewhere
	cookieLang     = "vhod-lang"
	cookieTheme    = "vhod-theme"
)

// deviceLife is how long a remembered browser keeps its cookie; the account may forget it earlier.
const deviceLife = 30 * 24 * time.Hour

// choiceLife is how long the language and the theme are remembered.
const choiceLife = 365 * 24 * time.Hour

func (d *Door) secure() bool { return strings.HasPrefix(d.cfg.Issuer, "https://") }

func (d *Door) cookieName(name string) string {
	if d.secure() {
		return "__Host-" + name
	}
	return name
}

// cookie returns a cookie's value, or an empty string.
func (d *Door) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(d.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie sets a cookie for as long as the browser is open; a life makes it last.
func (d *Door) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name:     d.cookieName(name),
		Value:    value,
		Path:     "/",
		MaxAge:   int(life / time.Second),
		Secure:   d.secure(),
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

func (d *Door) dropCookie(w http.ResponseWriter, name string) {
	d.setCookie(w, name, "", -time.Second)
}

// flowCookie returns the browser's flow cookie and sets one when there is none. It says nothing of
// who the person is, and one serves all tabs.
func (d *Door) flowCookie(w http.ResponseWriter, r *http.Request) string {
	if value := d.cookie(r, cookieFlow); len(value) == len(keys.RandomHandle()) {
		return value
	}
	value := keys.RandomHandle()
	d.setCookie(w, cookieFlow, value, 0)
	// A second attempt within this same request must find the cookie that was just set.
	r.AddCookie(&http.Cookie{Name: d.cookieName(cookieFlow), Value: value})
	return value
}

// browser returns the cookie by which the browser is known to who signs in, and sets one when there is none. A shared computer
// keeps none.
func (d *Door) browser(w http.ResponseWriter, r *http.Request, shared bool) string {
	value := d.cookie(r, cookieBrowser)
	if len(value) != len(keys.RandomHandle()) {
		if shared {
			return ""
		}
		value = keys.RandomHandle()
	}
	if !shared {
		d.setCookie(w, cookieBrowser, value, account.BrowserLife)
	}
	return value
}
