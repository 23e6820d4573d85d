package conformance_test

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestConf_frontchannel(t *testing.T) { plan(t, "frontchannel", frontchannelModules(), "") }

func frontchannelModules() []module {
	return []module{
		{"oidcc-frontchannel-rp-initiated-logout-discovery-endpoint-verification", "front-channel logout and its sessions are announced", func(r *run) {
			if r.op.meta["frontchannel_logout_supported"] != true || r.op.meta["frontchannel_logout_session_supported"] != true || r.op.endpoint("end_session_endpoint") == "" {
				r.Errorf("%v", r.op.meta)
			}
		}},
		{"oidcc-frontchannel-rp-initiated-logout", "the service's address in a frame, with iss and sid, allowed by the page's policy; then back to the service; the session is over", frontchannelLogout},
	}
}

func frontchannelLogout(r *run) {
	c := r.registers("frontchannel_logout_uri", "https://rp.example/gone?app=1", "frontchannel_logout_session_required", true, "post_logout_redirect_uris", []string{home})
	got := r.tokens(c)
	id := r.idToken(c, got)
	form := url.Values{"id_token_hint": {text(got.body["id_token"])}, "post_logout_redirect_uri": {home}, "state": {"out"}}
	b := r.browser
	b.open(r.op.endpoint("end_session_endpoint") + "?" + form.Encode())
	frame := attr(find(b.page, func(n *html.Node) bool { return n.Data == "iframe" }), "src")
	at, err := url.Parse(frame)
	must(r, err)
	if q := at.Query(); !strings.HasPrefix(frame, "https://rp.example/gone?") || q.Get("iss") != r.op.issuer || q.Get("sid") != id["sid"] || id["sid"] == nil || q.Get("app") != "1" {
		r.Errorf("the frame is %q", frame)
	}
	if policy := b.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-src https://rp.example;") {
		r.Errorf("the policy of the page: %s", policy)
	}
	if onward := find(b.page, func(n *html.Node) bool { return attr(n, "data-action") == "continue" }); attr(onward, "href") != home+"?state=out" {
		r.Errorf("the page leads on to %q", attr(onward, "href"))
	}
	r.sessionIsOver(true)
}
