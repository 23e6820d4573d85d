package conformance_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

func TestConf_ciba(t *testing.T) { plan(t, "ciba", cibaModules(), "") }

const (
	cibaName  = "fapi-ciba-id1-"
	cibaGrant = "urn:openid:params:grant-type:ciba"
	// notifyToken is what the provider proves itself by when it pings.
	notifyToken = "notify-notify-notify-notify"
)

func cibaModules() []module { return slices.Concat(cibaNormal(), cibaObjects(), cibaNegatives()) }

// ring asks the person. The clock moves on before, so that no limit of an earlier module is met.
func (r *run) ring(c *client, spoil ...func(*call)) reply {
	r.Helper()
	r.op.later(5 * time.Hour)
	form := url.Values{"scope": {c.scope}, "login_hint": {phone}, "binding_message": {"Order 4417"}}
	if c == r.op.ids.pinged {
		form.Set("client_notification_token", notifyToken)
	}
	return r.post(c, r.op.endpointOf(c, "backchannel_authentication_endpoint"), form, spoil...)
}

// rung is ring for a request that must be taken; it returns the handle.
func (r *run) rung(c *client, spoil ...func(*call)) string {
	r.Helper()
	got := r.ring(c, spoil...)
	if handle := text(got.body["auth_req_id"]); got.status == http.StatusOK && len(handle) >= 22 && number(got.body["expires_in"]) > 0 && number(got.body["interval"]) > 0 {
		return handle
	}
	r.Fatalf("the request was not taken: %d %s", got.status, got.raw)
	return ""
}

// collect asks for the tokens, once the interval is over.
func (r *run) collect(c *client, handle string, spoil ...func(*call)) reply {
	r.Helper()
	r.op.later(6 * time.Second)
	return r.post(c, r.op.endpointOf(c, "token_endpoint"), url.Values{"grant_type": {cibaGrant}, "auth_req_id": {handle}}, spoil...)
}

// answers lets the person answer what waits for them, and returns the page on which they did. They are looked for after the service was
// answered, so the page may need a reload.
func (r *run) answers(action string) string {
	r.Helper()
	b := r.browser
	for range 200 {
		b.open(r.op.issuer + "/me/requests")
		b.walk()
		if find(b.page, func(n *html.Node) bool { return attr(n, "data-action") == action }) == nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		page := b.body
		b.press(action)
		b.walk()
		if b.name() != "asked-done" {
			r.Fatalf("the person ends on the page %q: %d %s", b.name(), b.status, b.body)
		}
		return page
	}
	r.Fatalf("nothing waits for the person")
	return ""
}

// granted must be tokens of this person.
func (r *run) granted(c *client, got reply) map[string]any {
	r.Helper()
	if got.status != http.StatusOK {
		r.Fatalf("no tokens: %d %s", got.status, got.raw)
	}
	id := r.idToken(c, got)
	if info := r.userinfo(c, text(got.body["access_token"])); info.status != http.StatusOK || info.body["sub"] != id["sub"] || id["alg"] == "RS256" || got.body["token_type"] != c.tokenType() {
		r.Errorf("ID token %v, userinfo %d %s, token_type %v", id, info.status, info.raw, got.body["token_type"])
	}
	return id
}

func cibaNormal() []module {
	succeeds := func(spoil func(*run, *call)) func(*run) {
		return func(r *run) {
			c := r.op.ids.poll
			handle := r.rung(c, func(x *call) { spoil(r, x) })
			r.answers("allow")
			r.granted(c, r.collect(c, handle))
		}
	}
	pinged := func(answer func(http.ResponseWriter), tries int) func(*run) {
		return func(r *run) { r.pinging(answer, tries) }
	}
	return []module{
		{cibaName + "discovery-end-point-verification", "the endpoint, both modes, algorithms of signed requests, the grant", cibaDiscovery},
		{cibaName + "poll", "pending until the person answered, then tokens once; a second use ends them", cibaPoll},
		{cibaName + "ping", "a ping with the handle and the token of the service, and nothing else; then tokens", pinged(nil, 1)},
		{cibaName + "ensure-authorization-request-with-binding-message-succeeds", "the person sees the message of the service", func(r *run) {
			handle := r.rung(r.op.ids.poll, func(x *call) { x.form.Set("binding_message", "1234") })
			if page := r.answers("allow"); !strings.Contains(page, ">1234<") {
				r.Errorf("the page lacks the message: %s", page)
			}
			r.granted(r.op.ids.poll, r.collect(r.op.ids.poll, handle))
		}},
		{cibaName + "ensure-requested-expiry-as-string-succeeds", "requested_expiry as a text", succeeds(func(_ *run, x *call) { x.object.claims["requested_expiry"] = "120" })},
		{cibaName + "ensure-requested-expiry-as-number-succeeds", "and as a number", succeeds(func(_ *run, x *call) { x.object.claims["requested_expiry"] = 120 })},
		{cibaName + "ensure-other-scope-order-succeeds", "any order of scopes", succeeds(func(_ *run, x *call) { x.form.Set("scope", "offline_access openid") })},
		{cibaName + "user-rejects-authentication", "access_denied when the person says no", func(r *run) {
			handle := r.rung(r.op.ids.poll)
			r.answers("deny")
			r.want(r.collect(r.op.ids.poll, handle), http.StatusBadRequest, "access_denied")
		}},
		{cibaName + "refresh-token", "a refresh token is bound to its client and its key", cibaRefresh},
		{cibaName + "ping-with-body", "an answer with a body is an answer", pinged(func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"ok":true}`)) }, 1)},
		{cibaName + "ping-answered-401", "a refusal is not asked again", pinged(func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }, 1)},
		{cibaName + "ping-answered-403", "nor is this one", pinged(func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) }, 1)},
		{cibaName + "ping-answered-redirect", "a redirect is not followed", pinged(func(w http.ResponseWriter) {
			w.Header().Set("Location", "/ping/elsewhere")
			w.WriteHeader(http.StatusFound)
		}, 1)},
	}
}

func cibaDiscovery(r *run) {
	meta := r.op.meta
	if !strings.HasPrefix(r.op.endpoint("backchannel_authentication_endpoint"), "https://") || !slices.Contains(texts(meta["grant_types_supported"]), cibaGrant) {
		r.Error("the endpoint or the grant is not announced")
	}
	for name, wanted := range map[string][]string{"backchannel_token_delivery_modes_supported": {"poll", "ping"}, "backchannel_authentication_request_signing_alg_values_supported": {"PS256", "ES256"}} {
		for _, one := range wanted {
			if !slices.Contains(texts(meta[name]), one) {
				r.Errorf("%s lacks %s", name, one)
			}
		}
	}
	if meta["backchannel_user_code_parameter_supported"] != false {
		r.Error("user codes are announced")
	}
}

func cibaPoll(r *run) {
	c := r.op.ids.poll
	handle := r.rung(c)
	r.want(r.collect(c, handle), http.StatusBadRequest, "authorization_pending")
	r.answers("allow")
	got := r.collect(c, handle)
	if id := r.granted(c, got); id["acr"] == nil || id["auth_time"] == nil {
		r.Errorf("%v", id)
	}
	r.want(r.collect(c, handle), http.StatusBadRequest, "invalid_grant")
	if info := r.userinfo(c, text(got.body["access_token"])); info.status != http.StatusUnauthorized {
		r.Errorf("the tokens outlived the replay of their handle: %d", info.status)
	}
}

// pinging is the flow by ping, with this answer of the service, which hears it so many times.
func (r *run) pinging(answer func(http.ResponseWriter), tries int) {
	r.Helper()
	c, site := r.op.ids.pinged, r.op.rp
	site.answersPings(answer)
	handle := r.rung(c)
	r.answers("allow")
	for range tries {
		select {
		case heard := <-site.pings:
			if heard.path != "/ping" || heard.bearer != "Bearer "+notifyToken || heard.body["auth_req_id"] != handle || len(heard.body) != 1 {
				r.Errorf("heard %+v", heard)
			}
		case <-time.After(10 * time.Second):
			r.Fatalf("the provider does not ping")
		}
	}
	select {
	case heard := <-site.pings:
		r.Errorf("once too often: %+v", heard)
	case <-time.After(100 * time.Millisecond):
	}
	r.granted(c, r.collect(c, handle))
}

func cibaRefresh(r *run) {
	c, twin := r.op.ids.poll, r.op.ids.pollTwin
	handle := r.rung(c)
	r.answers("allow")
	token := text(r.collect(c, handle).body["refresh_token"])
	r.want(r.refresh(twin, token), http.StatusBadRequest, "invalid_grant")
	r.want(r.refresh(c, token, func(x *call) { x.proof = r.proof(twin, http.MethodPost, x.proofTarget()) }), http.StatusBadRequest, "invalid_grant")
	if got := r.refresh(c, token); got.status != http.StatusOK {
		r.Errorf("%d %s", got.status, got.raw)
	}
}

func cibaObjects() []module {
	refused := func(spoil func(*run, *jwt)) func(*run) {
		return func(r *run) {
			r.want(r.ring(r.op.ids.pinged, func(x *call) { spoil(r, x.object) }), http.StatusBadRequest, "invalid_request")
		}
	}
	without := func(name string) func(*run) {
		return refused(func(_ *run, o *jwt) { delete(o.claims, name) })
	}
	with := func(name string, value any) func(*run) {
		return refused(func(_ *run, o *jwt) { o.claims[name] = value })
	}
	at := func(name string, seconds int64) func(*run) {
		return refused(func(r *run, o *jwt) { o.claims[name] = r.op.clock.Now().Unix() + seconds })
	}
	const name = cibaName + "ensure-request-object-"
	return []module{
		{name + "missing-aud-fails", "aud is needed", without("aud")},
		{name + "bad-aud-fails", "and is the issuer", with("aud", "https://other.example")},
		{name + "missing-iss-fails", "iss is needed", without("iss")},
		{name + "bad-iss-fails", "and is the client", with("iss", "poll")},
		{name + "missing-exp-fails", "exp is needed", without("exp")},
		{name + "expired-exp-fails", "and not over", at("exp", -300)},
		{name + "exp-is-70-minutes-in-future-fails", "nor far ahead", at("exp", 70*60)},
		{name + "missing-iat-fails", "iat is needed", without("iat")},
		{name + "missing-nbf-fails", "nbf is needed", without("nbf")},
		{name + "nbf-is-10-minutes-in-future-fails", "and not ahead", at("nbf", 600)},
		{name + "nbf-is-70-minutes-in-past-fails", "nor long ago", at("nbf", -70*60)},
		{name + "missing-jti-fails", "jti is needed", without("jti")},
		{name + "signature-algorithm-is-none-fails", "nobody signed it", refused(func(_ *run, o *jwt) { o.alg = "none" })},
		{name + "signature-algorithm-is-bad-fails", "another key signed it under this key's name", refused(func(r *run, o *jwt) { o.alg, o.key = "ES256", ecKey(r) })},
		{name + "signature-algorithm-is-RS256-fails", "RS256, though the key fits", refused(func(_ *run, o *jwt) { o.alg = "RS256" })},
		{name + "signed-by-other-client-fails", "another client signed it", refused(func(r *run, o *jwt) {
			twin := r.op.ids.pollTwin
			o.alg, o.key, o.header["kid"] = twin.alg, twin.key, twin.keyID()
		})},
		{cibaName + "ensure-unsigned-backchannel-authorization-request-fails", "a client that signs is held to it", func(r *run) {
			r.want(r.ring(r.op.ids.poll, func(x *call) { x.object = nil }), http.StatusBadRequest, "invalid_request")
		}},
		{cibaName + "ensure-parameters-outside-of-the-request-object-fail", "nothing stands beside it but what proves the client", func(r *run) {
			r.want(r.ring(r.op.ids.poll, func(x *call) {
				signed := x.signed(r)
				x.object, x.form = nil, signed
				x.form.Set("login_hint", otherPhone)
			}), http.StatusBadRequest, "invalid_request")
		}},
		{cibaName + "ensure-request-object-is-taken-once", "a copy of a request asks nobody", func(r *run) {
			c := r.op.ids.poll
			jti := rand.Text()
			form := url.Values{"scope": {c.scope}, "login_hint": {phone}, "binding_message": {"Order 4417"}}
			send := func() reply {
				return r.post(c, r.op.endpointOf(c, "backchannel_authentication_endpoint"), form, func(x *call) { x.object.claims["jti"] = jti })
			}
			r.op.later(5 * time.Hour)
			if got := send(); got.status != http.StatusOK {
				r.Fatalf("%d %s", got.status, got.raw)
			}
			r.want(send(), http.StatusBadRequest, "invalid_request")
		}},
	}
}

func cibaNegatives() []module {
	unproven := func(c func(*identities) *client, status int, code string, spoil func(*run, *call)) func(*run) {
		return func(r *run) {
			handle := r.rung(r.op.ids.poll)
			r.answers("allow")
			r.want(r.collect(c(r.op.ids), handle, func(x *call) { spoil(r, x) }), status, code)
		}
	}
	own := func(ids *identities) *client { return ids.poll }
	return []module{
		{cibaName + "ensure-backchannel-authorization-request-with-multiple-hints-fails", "one hint says who", func(r *run) {
			for _, name := range []string{"id_token_hint", "login_hint_token"} {
				r.want(r.ring(r.op.ids.poll, func(x *call) { x.form.Set(name, "x") }), http.StatusBadRequest, "invalid_request")
			}
		}},
		{cibaName + "ensure-client-assertion-in-backchannel-authorization-request", "without an assertion the client is nobody", func(r *run) {
			r.want(r.ring(r.op.ids.poll, func(x *call) { x.assertion = nil }), http.StatusUnauthorized, "invalid_client")
		}},
		{cibaName + "ensure-wrong-client-id-in-backchannel-authorization-request-fails", "nor is it another one", func(r *run) {
			r.want(r.ring(r.op.ids.poll, func(x *call) { x.form.Set("client_id", r.op.ids.pollTwin.id) }), http.StatusUnauthorized, "invalid_client")
		}},
		{cibaName + "ensure-client-assertion-in-token-endpoint", "nor at the token endpoint", unproven(own, 401, "invalid_client", func(_ *run, x *call) { x.assertion = nil })},
		{cibaName + "ensure-wrong-client-id-in-token-endpoint-fails", "another client's id beside the assertion", unproven(own, 401, "invalid_client", func(r *run, x *call) { x.form.Set("client_id", r.op.ids.pollTwin.id) })},
		{cibaName + "ensure-wrong-authentication-request-id-in-token-endpoint", "a handle that nobody issued", unproven(own, 400, "invalid_grant", func(_ *run, x *call) { x.form.Set("auth_req_id", strings.Repeat("x", 43)) })},
		{cibaName + "ensure-auth-req-id-is-bound-to-client", "another client does not use the handle", unproven(func(ids *identities) *client { return ids.pollTwin }, 400, "invalid_grant", func(*run, *call) {})},
		{cibaName + "ensure-holder-of-key-required", "nor does a thief without the key", unproven(own, 400, "invalid_grant", func(r *run, x *call) { x.proof = r.proof(r.op.ids.pollTwin, http.MethodPost, x.proofTarget()) })},
		{cibaName + "multiple-call-to-token-endpoint", "who polls too fast is slowed down", func(r *run) {
			c := r.op.ids.poll
			handle := r.rung(c)
			r.want(r.collect(c, handle), http.StatusBadRequest, "authorization_pending")
			r.want(r.post(c, r.op.endpointOf(c, "token_endpoint"), url.Values{"grant_type": {cibaGrant}, "auth_req_id": {handle}}), http.StatusBadRequest, "slow_down", "authorization_pending")
		}},
		{cibaName + "auth-req-id-expired", "the handle ends when it said", func(r *run) {
			c := r.op.ids.poll
			handle := r.rung(c, func(x *call) { x.form.Set("requested_expiry", "30") })
			r.op.later(30 * time.Second)
			r.want(r.collect(c, handle), http.StatusBadRequest, "expired_token")
		}},
		{cibaName + "ensure-authorization-request-with-potentially-bad-binding-message", "a message that is long or hides something is refused as such", func(r *run) {
			for _, message := range []string{strings.Repeat("1234", 100), "a\u202eb", "two\nlines"} {
				r.want(r.ring(r.op.ids.poll, func(x *call) { x.form.Set("binding_message", message) }), http.StatusBadRequest, "invalid_binding_message")
			}
		}},
	}
}
