package conformance_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestConf_backchannel(t *testing.T) { plan(t, "backchannel", backchannelModules(), "") }

func backchannelModules() []module {
	return []module{
		{"oidcc-backchannel-rp-initiated-logout-discovery-endpoint-verification", "back-channel logout and its sessions are announced", func(r *run) {
			if r.op.meta["backchannel_logout_supported"] != true || r.op.meta["backchannel_logout_session_supported"] != true || r.op.endpoint("end_session_endpoint") == "" {
				r.Errorf("%v", r.op.meta)
			}
		}},
		{"oidcc-backchannel-rp-initiated-logout", "a signed logout token for the client and its session, by a form that has nothing else; the session is over", backchannelLogout},
	}
}

func backchannelLogout(r *run) {
	c := r.registers("backchannel_logout_uri", r.op.rp.server.URL+"/logout", "backchannel_logout_session_required", true, "post_logout_redirect_uris", []string{home})
	got := r.tokens(c)
	id := r.idToken(c, got)
	r.signsOut(url.Values{"id_token_hint": {text(got.body["id_token"])}, "post_logout_redirect_uri": {home}, "state": {"out"}}, home+"?state=out", true)
	form := r.op.rp.heard(r)
	if len(form) != 1 || len(form["logout_token"]) != 1 {
		r.Errorf("posted: %v", form)
	}
	jws, err := jose.ParseSignedCompact(form.Get("logout_token"), []jose.SignatureAlgorithm{jose.RS256})
	must(r, err)
	published := r.keys()
	var claims map[string]any
	for _, key := range published.Key(jws.Signatures[0].Header.KeyID) {
		if payload, err := jws.Verify(key.Key); err == nil {
			must(r, json.Unmarshal(payload, &claims))
		}
	}
	events, _ := claims["events"].(map[string]any)
	event, _ := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
	if claims["iss"] != r.op.issuer || claims["aud"] != c.id || claims["sub"] != id["sub"] || claims["sid"] != id["sid"] || id["sid"] == nil {
		r.Errorf("iss, aud, sub or sid: %v, the ID token says %v", claims, id)
	}
	if number(claims["iat"]) == 0 || number(claims["exp"]) <= number(claims["iat"]) || text(claims["jti"]) == "" || event == nil || len(event) != 0 {
		r.Errorf("times, jti or events: %v", claims)
	}
	if _, has := claims["nonce"]; has || jws.Signatures[0].Header.ExtraHeaders["typ"] != "logout+jwt" {
		r.Errorf("a nonce, or another typ: %v", jws.Signatures[0].Header)
	}
}
