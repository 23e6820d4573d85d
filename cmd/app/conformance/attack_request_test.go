package conformance_test

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// attack runs an attack on the embedded product; those that stores decide run on servers as well (race_test.go, the plans).
func attack(t *testing.T) *run {
	t.Helper()
	p := start(t, 1, nil)
	return &run{TB: t, op: p, browser: p.browser(t)}
}

func TestP02OfTwoRedirectURIsOneMustBeNamed(t *testing.T) {
	r := attack(t)
	r.errorPage(r.visit(r.op.ids.web.request("redirect_uri", "")))
}

func TestP03AnUnknownClientIsSentNowhereAndIsNotEchoed(t *testing.T) {
	r := attack(t)
	for _, id := range []string{"nobody", `"><script>alert(1)</script>`, "web\x00", "' OR 1=1 --", strings.Repeat("x", 5000), ""} {
		r.errorPage(r.visit(r.op.ids.web.request("client_id", id)))
		if strings.Contains(r.browser.body, "<script>alert") {
			r.Errorf("%q runs", id)
		}
	}
}

func TestP04NoTokenTravelsInAnAddress(t *testing.T) {
	r := attack(t)
	c := r.op.ids.web
	r.signedIn(c)
	for _, kind := range []string{"token", "id_token", "id_token token", "code id_token", "code token", "code id_token token", "none", "code code"} {
		for _, mode := range []string{"", "query", "fragment", "form_post"} {
			a := r.authorize(c, "response_type", kind, "response_mode", mode)
			if a.Get("error") == "" || a.Has("access_token") || a.Has("id_token") || a.Has("code") {
				r.Errorf("response_type=%s, response_mode=%s: %+v", kind, mode, a)
			}
		}
	}
	for _, mode := range []string{"fragment", "query.fragment", "web_message", "none"} {
		r.refused(r.authorize(c, "response_mode", mode), "invalid_request", "unsupported_response_mode")
	}
}

func TestP07AnotherClientDoesNotRedeemACodeThoughItKnowsEverythingElse(t *testing.T) {
	r := attack(t)
	code := r.code(r.op.ids.web)
	r.want(r.exchange(r.op.ids.other, code), http.StatusBadRequest, "invalid_grant") // the same redirect URI and verifier
	r.want(r.exchange(r.op.ids.web, code), http.StatusBadRequest, "invalid_grant")
}

func TestP12EveryAnswerNamesItsIssuerAndIssuersDoNotMix(t *testing.T) {
	r, other := attack(t), attack(t)
	c, twin := r.op.ids.web, other.op.ids.web
	tokens := r.tokens(c)
	for _, changes := range [][]string{{}, {"scope", "nonsense"}, {"prompt", "none", "max_age", "x"}, {"code_challenge", ""}, {"response_type", "token"}} {
		if a := r.authorize(c, changes...); a.Get("iss") != r.op.issuer {
			r.Errorf("%v: %+v", changes, a)
		}
	}
	other.want(other.exchange(twin, r.code(c)), http.StatusBadRequest, "invalid_grant")
	other.want(other.refresh(twin, text(tokens.body["refresh_token"])), http.StatusBadRequest, "invalid_grant")
	if got := other.userinfo(twin, text(tokens.body["access_token"])); got.status != http.StatusUnauthorized {
		r.Errorf("the token of another issuer opens userinfo: %d", got.status)
	}
}

func TestP13ACodePutIntoAnotherSessionIsWorthNothing(t *testing.T) {
	r := attack(t)
	c := r.op.ids.web
	stolen := r.code(c)
	r.want(r.exchange(c, stolen, func(x *call) { x.form.Set("code_verifier", strings.Repeat("a", 43)) }), http.StatusBadRequest, "invalid_grant")
	r.want(r.exchange(c, stolen), http.StatusBadRequest, "invalid_grant") // it died with the attempt
	if id := r.signedIn(r.op.ids.compat, "nonce", "of the victim"); id["nonce"] != "of the victim" {
		r.Errorf("the nonce by which a client without PKCE tells whose code it is: %v", id["nonce"])
	}
}

func TestP15AfterAPostTheBrowserIsSentOnBySeeOther(t *testing.T) {
	r := attack(t)
	r.code(r.op.ids.web, "scope", "openid email", "prompt", "consent")
	r.browser.post(r.op.endpoint("authorization_endpoint"), r.op.ids.web.request())
	r.browser.post(r.op.endpoint("authorization_endpoint"), r.op.ids.web.request("scope", "openid email")) // answered at once
	if len(r.browser.steps) < 4 || slices.ContainsFunc(r.browser.steps, func(status int) bool { return status != http.StatusSeeOther }) {
		r.Errorf("after posts: %v", r.browser.steps)
	}
}

func TestP16PagesOfAFlowTellNobodyWhatTheirAddressHolds(t *testing.T) {
	r := attack(t)
	r.code(r.op.ids.web, "scope", "openid email", "prompt", "consent", "response_mode", "form_post")
	if len(r.browser.pages) < 5 {
		t.Fatalf("%d answers", len(r.browser.pages))
	}
	for i, header := range r.browser.pages {
		policy := header.Get("Content-Security-Policy")
		if header.Get("Referrer-Policy") != "no-referrer" || header.Get("Location") == "" && !strings.HasPrefix(policy, "default-src 'none'") {
			t.Errorf("answer %d: Referrer-Policy %q, policy %q", i, header.Get("Referrer-Policy"), policy)
		}
	}
	each(r.browser.page, func(n *html.Node) {
		for _, name := range []string{"src", "href"} {
			if to := attr(n, name); n.Data != "a" && strings.Contains(to, "//") {
				t.Errorf("%s loads %s", n.Data, to)
			}
		}
	})
}

func TestP29NoRequestIsFetchedFromAnAddressThatARequestNames(t *testing.T) {
	r := attack(t)
	listener := loopback(t)
	reached := make(chan struct{}, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			reached <- struct{}{}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	must(t, err)
	for _, where := range []string{"http://127.0.0.1:" + port + "/r", "https://localhost:" + port + "/r", "https://[::ffff:127.0.0.1]:" + port + "/r", "http://2130706433:" + port + "/r",
		"gopher://127.0.0.1:" + port + "/r", "file:///etc/passwd", "https://169.254.169.254/latest"} {
		r.refused(r.authorize(r.op.ids.web, "request_uri", where), "request_uri_not_supported", "invalid_request_uri")
	}
	select {
	case <-reached:
		t.Error("somebody was reached")
	case <-time.After(50 * time.Millisecond):
	}
}

func TestP33AGuessedRequestURIOpensNothing(t *testing.T) {
	r := attack(t)
	form := r.pushed(r.op.ids.fapi)
	uri := form.Get("request_uri")
	handle := uri[strings.LastIndexByte(uri, ':')+1:]
	r.random("request_uri", handle)
	for _, guess := range []string{uri[:len(uri)-1] + "A", uri + "A", uri[:len(uri)-1], strings.ToUpper(uri), "urn:ietf:params:oauth:request_uri:", handle} {
		if guess == uri {
			continue
		}
		r.errorPage(r.visit(url.Values{"client_id": {r.op.ids.fapi.id}, "request_uri": {guess}}))
	}
}
