package conformance_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const home = "https://rp.example/bye"

func TestConf_logout(t *testing.T) { plan(t, "logout", logoutModules(), "") }

func logoutModules() []module {
	good := func(r *run) url.Values {
		return url.Values{"id_token_hint": {text(r.tokens(r.op.ids.compat).body["id_token"])}, "post_logout_redirect_uri": {home}, "state": {"out"}}
	}
	return []module{
		{"oidcc-rp-initiated-logout-discovery-endpoint-verification", "end_session_endpoint is announced", func(r *run) {
			if !strings.HasPrefix(r.op.endpoint("end_session_endpoint"), "https://") {
				r.Errorf("%v", r.op.meta["end_session_endpoint"])
			}
		}},
		{"oidcc-rp-initiated-logout", "back to the client with state; the session is over", func(r *run) { r.signsOut(good(r), home+"?state=out", true) }},
		{"oidcc-rp-initiated-logout-no-state", "the same without state", func(r *run) {
			form := good(r)
			form.Del("state")
			r.signsOut(form, home, true)
		}},
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", "an unknown address is not gone to", func(r *run) {
			form := good(r)
			form.Set("post_logout_redirect_uri", "https://rp.example/bye/other")
			r.signsOut(form, "error", false)
		}},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", "nor one with a query added", func(r *run) {
			form := good(r)
			form.Set("post_logout_redirect_uri", home+"?foo=bar")
			r.signsOut(form, "error", false)
		}},
		{"oidcc-rp-initiated-logout-no-id-token-hint", "without a hint the person is asked", func(r *run) {
			form := good(r)
			form.Del("id_token_hint")
			r.signsOut(form, "sign-out", false)
		}},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", "a hint with alg none is no hint", func(r *run) {
			form := good(r)
			parts := strings.Split(form.Get("id_token_hint"), ".")
			form.Set("id_token_hint", encoded(r, map[string]any{"alg": "none"})+"."+parts[1]+".")
			r.signsOut(form, "sign-out", false)
		}},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", "a hint signed by a stranger is no hint", func(r *run) {
			form := good(r)
			id := r.signedIn(r.op.ids.compat)
			form.Set("id_token_hint", jwt{alg: "ES256", key: ecKey(r), header: map[string]any{"typ": "JWT"}, claims: id}.sign(r))
			r.signsOut(form, "sign-out", false)
		}},
		{"oidcc-rp-initiated-logout-no-params", "without anything the person is asked, and told when they are signed out", func(r *run) { r.confirms(url.Values{}) }},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", "with the hint alone the person is signed out and told so", func(r *run) {
			form := good(r)
			form.Del("post_logout_redirect_uri")
			r.signsOut(form, "signed-out", true)
		}},
		{"oidcc-rp-initiated-logout-only-state", "with state alone the person is asked, and told when they are signed out", func(r *run) { r.confirms(url.Values{"state": {"out"}}) }},
	}
}

// signsOut sends the browser to the endpoint and compares where it ends (a page or an address) and whether the session is over.
func (r *run) signsOut(form url.Values, where string, over bool) {
	r.Helper()
	r.browser.open(r.op.endpoint("end_session_endpoint") + "?" + form.Encode())
	got := r.browser.name()
	if r.browser.left != nil {
		got = r.browser.left.String()
	}
	if got != where {
		r.Errorf("the browser ended at %q, want %q", got, where)
	}
	r.sessionIsOver(over)
}

func (r *run) sessionIsOver(want bool) {
	r.Helper()
	a := r.authorize(r.op.ids.compat, "prompt", "none")
	if over := a.Get("error") == "login_required"; over != want {
		r.Errorf("the session is over: %v, want %v (%v)", over, want, a)
	}
}

// confirms is a person who is asked and says yes.
func (r *run) confirms(form url.Values) {
	r.Helper()
	r.signedIn(r.op.ids.compat)
	r.browser.open(r.op.endpoint("end_session_endpoint") + "?" + form.Encode())
	r.browser.press("continue")
	if r.browser.left != nil || r.browser.name() != "signed-out" || r.browser.status != http.StatusOK {
		r.Errorf("after saying yes: %d %s %v", r.browser.status, r.browser.name(), r.browser.left)
	}
	r.sessionIsOver(true)
}
