package op_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/op"
)

func TestSigningOutLoadsTheServicesOfTheSession(t *testing.T) {
	const home = "https://rp.example/bye"
	h := newLogoutRig(t, func(c *op.Client) {
		c.FrontchannelLogoutURI, c.PostLogoutRedirectURIs = "https://rp.example/gone?app=1", []string{home}
	})
	h.door.auth.SessionID = h.first.ID
	end := func(form url.Values) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/end_session?"+form.Encode(), nil))
		return w
	}
	frame := "https://rp.example/gone?app=1&" + url.Values{"iss": {issuer}, "sid": {h.first.ID}}.Encode()
	if got := end(url.Values{"id_token_hint": {h.hint}}).Body.String(); got != frame+" signed out " {
		t.Errorf("without an address: %s", got)
	}
	if got := end(url.Values{"id_token_hint": {h.hint}, "post_logout_redirect_uri": {home}, "state": {"st"}}).Body.String(); got != frame+" signed out "+home+"?state=st" {
		t.Errorf("with an address: %s", got)
	}
	h.door.auth.SessionID = "elsewhere" // a session that led nowhere
	other := end(url.Values{"id_token_hint": {h.otherHint}, "post_logout_redirect_uri": {home}})
	if strings.Contains(other.Body.String(), "gone") {
		t.Errorf("another session: %s", other.Body)
	}
}

func TestAFrameIsOfTheOriginOfARedirectURI(t *testing.T) {
	for address, fine := range map[string]bool{
		"": true, "https://rp.example/gone?x=1": true, "https://rp.example:8443/gone": false, "http://rp.example/gone": false,
		"https://evil.example/gone": false, "https://rp.example@evil.example/": false, "https://rp.example/#x": false, "javascript:alert(1)": false,
	} {
		c := clientOf("web")
		c.FrontchannelLogoutURI = address
		if err := c.Check(); (err == nil) != fine {
			t.Errorf("%q: %v", address, err)
		}
	}
	c := clientOf("web")
	c.PostLogoutRedirectURIs = []string{"javascript:alert(1)"}
	if c.Check() == nil {
		t.Error("a script is an address to go to after signing out")
	}
}
