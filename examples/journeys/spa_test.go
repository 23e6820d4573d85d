package journeys_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// spaPage is a service that lives in the browser alone, with oidc-client-ts from its registry.
const spaPage = `<!doctype html><html lang="en"><title>SPA</title><main data-page="spa">
<button data-action="sign-in">Sign in</button> <button data-action="renew">Renew</button> <button data-action="sign-out">Sign out</button>
<pre id="user"></pre></main><script src="/oidc-client-ts.js"></script><script src="/spa.js"></script></html>`

// spaScript signs in by redirect, renews without a page (in a frame, or by a refresh token where it has one), and signs out.
const spaScript = `const here = location.origin
const manager = new oidc.UserManager({
	authority: document.cookie.match(/issuer=([^;]+)/)[1], client_id: 'demo-spa', redirect_uri: here + '/callback', silent_redirect_uri: here + '/callback',
	post_logout_redirect_uri: here + '/', scope: document.cookie.match(/scope=([^;]+)/)[1].replaceAll('+', ' '), loadUserInfo: true,
	userStore: new oidc.WebStorageStateStore({ store: sessionStorage }), automaticSilentRenew: false })
const show = (how, user) => {
	document.querySelector('#user').textContent = JSON.stringify({ how, profile: user.profile, token: user.access_token, refresh: user.refresh_token ?? '' })
	document.querySelector('main').dataset.shown = how
}
const say = (err) => { document.querySelector('#user').textContent = String(err); document.querySelector('main').dataset.shown = 'error' }
const on = (action, does) => document.querySelector('[data-action=' + action + ']').addEventListener('click', () => does().catch(say))
on('sign-in', () => manager.signinRedirect())
on('renew', async () => show('renewed', await manager.signinSilent()))
on('sign-out', () => manager.signoutRedirect())
if (location.pathname === '/callback') {
	if (window.parent !== window) manager.signinSilentCallback().catch(say)
	else manager.signinCallback().then((user) => { history.replaceState(null, '', '/'); show('signed-in', user) }).catch(say)
}`

func TestAPageOfTheBrowserSignsInRenewsInSilenceAndSignsOut(t *testing.T) {
	npmPackages(t)
	for name, row := range map[string]struct {
		scope     string
		refreshes bool
	}{
		"in a frame":         {"openid+profile", false},
		"by a refresh token": {"openid+profile+offline_access", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := startStand(t)
			serveSPA(t, s, row.scope)
			p := s.registered("standard")
			c := newCitizen(t, s, p, true)
			c.password = p.Password
			c.open(s.url(10, "/"))
			c.press("sign-in")
			c.walk("spa")
			first := c.spa("signed-in")
			if first.Profile.GivenName != p.GivenName || (first.Refresh != "") != row.refreshes {
				t.Errorf("signed in: %+v", first)
			}
			c.click(`[data-action="renew"]`)
			second := c.spa("renewed")
			if second.Token == first.Token || second.Token == "" || second.Profile.Sub != first.Profile.Sub || (second.Refresh == first.Refresh) == row.refreshes {
				t.Errorf("renewed: %+v\nbefore: %+v", second, first)
			}
			c.secrets = map[string]string{"access token": first.Token, "second access token": second.Token, "refresh token": first.Refresh}
			c.press("sign-out")
			if c.page() == "sign-out" {
				c.press("continue")
			}
			c.walk("spa", "signed-out")
			c.open(s.url(0, "/me"))
			if page := c.page(); page != "identify" {
				t.Errorf("after signing out the cabinet shows %s", page)
			}
		})
	}
}

type spaUser struct {
	Profile struct {
		Sub       string `json:"sub"`
		GivenName string `json:"given_name"`
	} `json:"profile"`
	Token   string `json:"token"`
	Refresh string `json:"refresh"`
}

// spa waits until the page shows its user and reads them.
func (c *citizen) spa(shown string) (u spaUser) {
	c.t.Helper()
	c.do("waiting for the page to be "+shown, chromedp.WaitReady(css(`main[data-shown="%s"]`, shown)))
	if err := json.Unmarshal([]byte(c.text("#user")), &u); err != nil {
		c.t.Fatalf("%v\n%s", err, c.where())
	}
	return u
}

func serveSPA(t *testing.T, s *stand, scope string) {
	t.Helper()
	library, err := os.ReadFile(filepath.Join("npm", "node_modules", "oidc-client-ts", "dist", "browser", "oidc-client-ts.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	listen(t, s.base+10, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, body := "text/javascript; charset=utf-8", ""
		switch r.URL.Path {
		case "/oidc-client-ts.js":
			body = string(library)
		case "/spa.js":
			body = spaScript
		case "/", "/callback":
			kind, body = "text/html; charset=utf-8", spaPage
			for name, value := range map[string]string{"issuer": s.url(0, ""), "scope": scope} {
				w.Header().Add("Set-Cookie", name+"="+value)
			}
		default:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(body))
	}))
}
