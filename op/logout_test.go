package op_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/op"
)

const home = "http://localhost:8090/"

// signOutHouse is a house whose client has an ID token of the session s1.
func signOutHouse(t *testing.T) (h *house, hint string) {
	t.Helper()
	clients := sampleClients()
	clients[0].PostLogoutRedirectURIs = []string{home, home + "bye?lang=ru"}
	h = newHouse(t, clients...)
	tokens := h.exchange("web", h.authorize(codeRequest("web")).back().Get("code"))
	if hint = tokens.text("id_token"); hint == "" {
		t.Fatalf("no ID token: %v", tokens.body)
	}
	return h, hint
}

func (h *house) endSession(method string, form url.Values, header ...string) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	target, body := "/end_session", io.Reader(nil)
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else {
		target += "?" + form.Encode()
	}
	r := httptest.NewRequest(method, target, body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.provider.Handler().ServeHTTP(w, r)
	switch {
	case w.Code == http.StatusSeeOther:
		return w, w.Header().Get("Location")
	case w.Code == http.StatusOK:
		return w, w.Body.String()
	}
	return w, h.front.shown.Code
}

func TestSigningOutBelievesOnlyATokenOfThisSession(t *testing.T) {
	for _, row := range []struct {
		what   string
		method string
		change func(h *house, form url.Values)
		answer string
		out    bool // the person is signed out
	}{
		{"with hint, address and state", "GET", func(*house, url.Values) {}, home + "?state=st", true},
		{"by POST", "POST", func(*house, url.Values) {}, home + "?state=st", true},
		{"without state", "GET", func(_ *house, f url.Values) { f.Del("state") }, home, true},
		{"an address with a query", "GET", func(_ *house, f url.Values) { f.Set("post_logout_redirect_uri", home+"bye?lang=ru") }, home + "bye?lang=ru&state=st", true},
		{"without an address", "GET", func(_ *house, f url.Values) { f.Del("post_logout_redirect_uri") }, "signed out", true},
		{"with client_id", "GET", func(_ *house, f url.Values) { f.Set("client_id", "web") }, home + "?state=st", true},
		{"when nobody is signed in", "GET", func(h *house, _ url.Values) { h.front.auth = nil }, home + "?state=st", true},
		{"P32: no hint", "GET", func(_ *house, f url.Values) { f.Del("id_token_hint") }, "sign out?", false},
		{"no parameters", "GET", func(_ *house, f url.Values) { clear(f) }, "sign out?", false},
		{"confirmed by GET", "GET", func(_ *house, f url.Values) { f.Del("id_token_hint"); f.Set("confirm", "yes") }, "sign out?", false},
		{"confirmed on our page, no hint", "POST", func(_ *house, f url.Values) { f.Del("id_token_hint"); f.Set("confirm", "yes") }, "signed out", true},
		{"P32: a hint of another session", "GET", func(h *house, _ url.Values) { h.front.auth.SessionID = "another" }, "sign out?", false},
		{"that, confirmed", "POST", func(h *house, f url.Values) { h.front.auth.SessionID = "another"; f.Set("confirm", "yes") }, home + "?state=st", true},
		{"alg none", "GET", func(_ *house, f url.Values) { f.Set("id_token_hint", unsigned(f.Get("id_token_hint"))) }, "sign out?", false},
		{"a changed hint", "GET", func(_ *house, f url.Values) { f.Set("id_token_hint", f.Get("id_token_hint")+"A") }, "sign out?", false},
		{"a hint of another client", "GET", func(_ *house, f url.Values) { f.Set("client_id", "other") }, "id_token_hint.foreign", false},
		{"an address that is not registered", "GET", func(_ *house, f url.Values) { f.Set("post_logout_redirect_uri", "https://evil.example/") }, "post_logout_redirect_uri.host", false},
		{"a query added to the address", "GET", func(_ *house, f url.Values) { f.Set("post_logout_redirect_uri", home+"?a=b") }, "post_logout_redirect_uri.query", false},
		{"a parameter twice", "GET", func(_ *house, f url.Values) { f.Add("state", "x") }, "form.repeated", false},
	} {
		t.Run(row.what, func(t *testing.T) {
			h, hint := signOutHouse(t)
			form := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {home}, "state": {"st"}}
			row.change(h, form)
			_, answer := h.endSession(row.method, form)
			if answer != row.answer || (h.front.auth == nil) != row.out {
				t.Errorf("answered %q, signed out: %v", answer, h.front.auth == nil)
			}
		})
	}
}

func TestP32AnotherSiteCannotConfirmSigningOut(t *testing.T) {
	h, _ := signOutHouse(t)
	form := url.Values{"confirm": {"yes"}}
	if _, answer := h.endSession("POST", form, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); answer != "/end_session?confirm=yes" || h.front.auth == nil {
		t.Errorf("answered %q", answer)
	}
	if _, answer := h.endSession("GET", form, "Sec-Fetch-Site", "cross-site"); answer != "sign out?" || h.front.auth == nil {
		t.Errorf("and then %q", answer)
	}
	form.Set("state", strings.Repeat("s", 8<<10)) // more than an address carries
	if _, answer := h.endSession("POST", form, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); answer != "sign out?" || h.front.auth == nil {
		t.Errorf("a long one: %q", answer)
	}
}

// A browser leaves the session's cookie behind with a post of another site, so nothing is decided on such a post.
func TestWhatAnotherSitePostsComesAgainByGETWithTheSession(t *testing.T) {
	foreign := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://rp.example"}
	h, hint := signOutHouse(t)
	form := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {home}, "state": {"st"}}
	signedIn := h.front.auth
	h.front.auth = nil // the cookie is not there
	if _, answer := h.endSession("POST", form, foreign...); answer != "/end_session?"+form.Encode() {
		t.Errorf("signing out: %q", answer)
	}
	long := url.Values{"id_token_hint": {hint}, "state": {strings.Repeat("s", 8<<10)}}
	if _, answer := h.endSession("POST", long, foreign...); answer != "sign out?" {
		t.Errorf("what fits into no address: %q", answer)
	}
	h.front.auth = signedIn
	if _, answer := h.endSession("GET", form, "Sec-Fetch-Site", "cross-site"); answer != home+"?state=st" || h.front.auth != nil {
		t.Errorf("with the cookie: %q", answer)
	}

	r := httptest.NewRequest(http.MethodPost, "/authorize", strings.NewReader(codeRequest("web").Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if got := h.do(r); got.status != http.StatusSeeOther || got.header.Get("Location") != "/authorize?"+codeRequest("web").Encode() {
		t.Errorf("signing in: %d %v", got.status, got.header)
	}
}

func TestP27AnAccessTokenIsNoHint(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	tokens := h.exchange("web", h.authorize(codeRequest("web")).back().Get("code"))
	if _, answer := h.endSession("GET", url.Values{"id_token_hint": {tokens.text("access_token")}}); answer != "sign out?" {
		t.Errorf("answered %q", answer)
	}
}

// unsigned is the attack of RFC 8725 §2.1: the same claims under alg none.
func unsigned(token string) string {
	header, _ := json.Marshal(map[string]string{"alg": "none", "typ": "JWT"})
	return base64.RawURLEncoding.EncodeToString(header) + "." + strings.Split(token, ".")[1] + "."
}

func TestARefusedAddressIsShownBesideTheNearestOne(t *testing.T) {
	client := op.Client{ID: "web", Profile: op.ProfileOIDC, Auth: []string{op.AuthNone}, GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid"},
		RedirectURIs: []string{"https://rp.example/cb", "http://localhost:8090/callback", "https://rp.example/данные"}}
	h := newHouse(t, client)
	for _, row := range []struct{ arrived, code, difference, fix string }{
		{"https://rp.example/cb/", "slash", "one arrived", "https://rp.example/cb"},
		{"http://rp.example/cb", "scheme", "http is not https", "https://rp.example/cb"},
		{"https://rp.example:8443/cb", "port", "8443 is not 443", "https://rp.example/cb"},
		{"https://RP.example/cb", "case", "upper and lower", "https://rp.example/cb"},
		{"https://rp.example/%63b", "encoding", "percent", "https://rp.example/cb"},
		{"http://127.0.0.1:8090/callback", "loopback", "127.0.0.1 is not localhost", "http://localhost:8090/callback"},
		{"http://localhost:8091/callback", "port", "8091 is not 8090", "http://localhost:8090/callback"},
		{"https://rp.example/cb?x=1", "query", "?x=1", "https://rp.example/cb"},
		{"https://rp.example/cb#x", "fragment", "fragment", "https://rp.example/cb"},
		{"https://rp.example/other", "path", "/other", "https://rp.example/cb"},
		{"https://evil.example/cb", "host", "evil.example", "https://rp.example/cb"},
		{"https://rp.example@evil.example/cb", "host", "evil.example", "https://rp.example/cb"},
		{"https://rp.example.evil.example/cb", "host", "evil.example", "https://rp.example/cb"},
		{"https://rp.example/cb/../cb", "path", "/cb/../cb", "https://rp.example/cb"},
		{"cb", "unknown", "does not parse", ""},
		{"", "missing", "nothing arrived", "https://rp.example/cb"},
	} {
		form := codeRequest("web", "redirect_uri", row.arrived, "scope", "openid")
		got := h.authorize(form)
		d := h.front.shown
		if got.status != http.StatusBadRequest || got.header.Get("Location") != "" {
			t.Errorf("%s: %d, %v", row.arrived, got.status, got.header)
		}
		if d.Code != "redirect_uri."+row.code || !strings.Contains(d.Difference, row.difference) || len(d.Registered) != 3 || d.Rule == "" {
			t.Errorf("%s: %+v", row.arrived, d)
		}
		if want := "redirect_uri=" + url.QueryEscape(row.fix); row.fix != "" && d.Fix != want {
			t.Errorf("%s: fix %s", row.arrived, d.Fix)
		}
	}
}
