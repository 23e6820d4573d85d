package conformance_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestConf_basic(t *testing.T) { plan(t, "basic", basicModules(), "") }

func basicModules() []module {
	return []module{
		{"oidcc-server", "the whole flow: signature, iss, aud, times, nonce and at_hash of the ID token, state and iss in the response, randomness of the code, no claim that was not asked for", server},
		{"oidcc-response-type-missing", "a request without response_type is refused to the client", func(r *run) {
			r.refused(r.authorize(r.op.ids.compat, "response_type", ""), "invalid_request", "unsupported_response_type")
		}},
		{"oidcc-idtoken-signature", "the default algorithm is RS256, its key is published", func(r *run) {
			if id := r.signedIn(r.op.ids.compat); id["alg"] != "RS256" {
				r.Errorf("signed by %v", id["alg"])
			}
		}},
		{"oidcc-idtoken-unsigned", "an ID token without a signature is not offered", func(r *run) {
			if list := texts(r.op.meta["id_token_signing_alg_values_supported"]); strings.Contains(strings.Join(list, " "), "none") {
				r.Errorf("offered: %v", list)
			}
		}},
		{"oidcc-userinfo-get", "userinfo by GET, for the same sub", userinfoBy(func(x *call) {})},
		{"oidcc-userinfo-post-header", "userinfo by POST with the token in the header", userinfoBy(func(x *call) { x.method = http.MethodPost })},
		{"oidcc-userinfo-post-body", "userinfo by POST with the token in the body", userinfoBy(func(x *call) {
			x.method = http.MethodPost
			x.form.Set("access_token", strings.TrimPrefix(x.header.Get("Authorization"), "Bearer "))
			x.header.Del("Authorization")
		})},
		{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", "nonce is optional with a code", func(r *run) {
			if id := r.signedIn(r.op.ids.compat, "nonce", ""); id["nonce"] != nil {
				r.Errorf("a nonce out of nowhere: %v", id["nonce"])
			}
		}},
		{"oidcc-scope-profile", "the claims of profile at userinfo, with their types", scopeGives("profile", "name", "family_name", "given_name", "birthdate", "gender", "updated_at")},
		{"oidcc-scope-email", "the claims of email", scopeGives("email", "email", "email_verified")},
		{"oidcc-scope-address", "the claim address, an object", scopeGives("address", "address")},
		{"oidcc-scope-phone", "the claims of phone", scopeGives("phone", "phone_number", "phone_number_verified")},
		{"oidcc-scope-all", "the claims of all four", scopeGives("profile email address phone", "name", "email", "address", "phone_number")},
		{"oidcc-alternate-happy-flow", "any order of scopes succeeds", func(r *run) { r.signedIn(r.op.ids.compat, "scope", "phone email openid") }},
		{"oidcc-display-page", "display=page is no error", succeedsWith("display", "page")},
		{"oidcc-display-popup", "display=popup is no error", succeedsWith("display", "popup")},
		{"oidcc-prompt-login", "prompt=login asks for the password again, and auth_time grows", promptLogin},
		{"oidcc-prompt-none-not-logged-in", "prompt=none without a session shows nothing and answers login_required", func(r *run) {
			r.refused(r.authorize(r.op.ids.compat, "prompt", "none"), "login_required", "interaction_required")
			r.sawNothing()
		}},
		{"oidcc-prompt-none-logged-in", "prompt=none within a session succeeds in silence with the same sub and auth_time", silently("prompt", "none")},
		{"oidcc-max-age-1", "max_age=1 a few seconds later asks again, and auth_time grows", maxAgeOne},
		{"oidcc-max-age-10000", "max_age=10000 asks nothing, and auth_time is there", silently("max_age", "10000")},
		{"oidcc-ensure-request-with-unknown-parameter-succeeds", "an unknown parameter is ignored", succeedsWith("extra", "foobar")},
		{"oidcc-id-token-hint", "prompt=none with the hint of the same person succeeds", func(r *run) {
			first := r.tokens(r.op.ids.compat)
			was := r.idToken(r.op.ids.compat, first)
			if id := r.again(r.op.ids.compat, time.Second, "prompt", "none", "id_token_hint", text(first.body["id_token"])); id["sub"] != was["sub"] {
				r.Errorf("another person: %v", id["sub"])
			}
			r.sawNothing()
		}},
		{"oidcc-login-hint", "login_hint is no error", succeedsWith("login_hint", "anna@mail.example")},
		{"oidcc-ui-locales", "ui_locales turns the pages into that language", uiLocales},
		{"oidcc-claims-locales", "claims_locales is no error", succeedsWith("claims_locales", "se")},
		{"oidcc-ensure-request-with-acr-values-succeeds", "an asked acr is the one in the ID token", func(r *run) {
			for _, asked := range []string{"urn:vhod:acr:standard:1fa", "urn:vhod:acr:verified:2fa urn:vhod:acr:standard:1fa"} {
				if id := r.signedIn(r.op.ids.compat, "acr_values", asked); id["acr"] != "urn:vhod:acr:standard:1fa" {
					r.Errorf("asked %s, reached %v", asked, id["acr"])
				}
			}
		}},
		{"oidcc-codereuse", "a code is refused at its second use", func(r *run) { codeReuse(r, 0) }},
		{"oidcc-codereuse-30seconds", "and 30 s later; the first access token is dead then", func(r *run) { codeReuse(r, 30*time.Second) }},
		{"oidcc-ensure-registered-redirect-uri", "an unknown redirect_uri ends on the error page", func(r *run) {
			r.errorPage(r.visit(r.op.ids.compat.request("redirect_uri", callback+"/other")))
		}},
		{"oidcc-ensure-post-request-succeeds", "the authorization request by POST", func(r *run) {
			c := r.op.ids.compat
			form := c.request()
			if r.mode != "" {
				form.Set("response_mode", r.mode)
			}
			r.browser.post(r.op.endpoint("authorization_endpoint"), form)
			if got := r.exchange(c, r.finish().Get("code")); got.status != http.StatusOK {
				r.Errorf("%d %s", got.status, got.raw)
			}
		}},
		{"oidcc-server-client-secret-post", "the whole flow with client_secret_post", func(r *run) { r.signedIn(r.op.ids.post) }},
		{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", "request_uri of others is answered with request_uri_not_supported", func(r *run) {
			r.refused(r.authorize(r.op.ids.compat, "request_uri", "https://rp.example/request.jwt"), "request_uri_not_supported")
		}},
		{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", "an unsigned request object is refused, never ignored", func(r *run) {
			r.refused(r.authorize(r.op.ids.compat, "request", unsignedObject(r)), "request_not_supported")
		}},
		{"oidcc-claims-essential", "an essential claim asked by name is at userinfo", func(r *run) {
			got := r.tokens(r.op.ids.compat, "claims", `{"userinfo":{"name":{"essential":true}}}`)
			if info := r.userinfo(r.op.ids.compat, text(got.body["access_token"])); text(info.body["name"]) == "" || info.body["email"] != nil {
				r.Errorf("userinfo: %v", info.body)
			}
		}},
		{"oidcc-ensure-request-object-with-redirect-uri", "a redirect_uri inside an unsigned object leads nowhere", func(r *run) {
			r.refused(r.authorize(r.op.ids.compat, "request", unsignedObject(r)), "request_not_supported")
		}},
		{"oidcc-refresh-token", "new tokens, random and not to be kept, an ID token for the same person and time; refused to another client", refreshToken},
		{"oidcc-ensure-request-with-valid-pkce-succeeds", "PKCE with S256 where it is not needed", func(r *run) {
			c := *r.op.ids.compat
			c.pkce = true
			r.signedIn(&c)
		}},
	}
}

func server(r *run) {
	c := r.op.ids.compat
	code := r.code(c)
	r.random("code", code)
	got := r.exchange(c, code)
	id := r.idToken(c, got)
	if got.status != http.StatusOK || text(got.body["token_type"]) != "Bearer" || number(got.body["expires_in"]) <= 0 || !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
		r.Errorf("token response: %d %s", got.status, got.raw)
	}
	if id["nonce"] != "nonce-compat" || number(id["auth_time"]) == 0 {
		r.Errorf("nonce or auth_time: %v", id)
	}
	for _, claim := range []string{"name", "family_name", "email", "phone_number", "address", "birthdate"} {
		if id[claim] != nil {
			r.Errorf("the ID token says %s, and nobody asked", claim)
		}
	}
	if info := r.userinfo(c, text(got.body["access_token"])); info.status != http.StatusOK || info.body["sub"] != id["sub"] || info.body["email"] != nil {
		r.Errorf("userinfo: %d %s", info.status, info.raw)
	}
}

func userinfoBy(how func(*call)) func(*run) {
	return func(r *run) {
		c := r.op.ids.compat
		got := r.tokens(c)
		info := r.userinfo(c, text(got.body["access_token"]), how)
		if info.status != http.StatusOK || info.body["sub"] != r.idToken(c, got)["sub"] {
			r.Errorf("userinfo: %d %s", info.status, info.raw)
		}
	}
}

func scopeGives(scope string, claims ...string) func(*run) {
	return func(r *run) {
		c := r.op.ids.compat
		got := r.tokens(c, "scope", "openid "+scope)
		info := r.userinfo(c, text(got.body["access_token"])).body
		for _, name := range claims {
			if info[name] == nil {
				r.Errorf("userinfo lacks %s: %v", name, info)
			}
		}
		_, isObject := info["address"].(map[string]any)
		_, isBool := info["email_verified"].(bool)
		_, isNumber := info["updated_at"].(float64)
		if info["address"] != nil && !isObject || info["email_verified"] != nil && !isBool || info["updated_at"] != nil && !isNumber {
			r.Errorf("a claim of another type: %v", info)
		}
	}
}

func succeedsWith(name, value string) func(*run) {
	return func(r *run) { r.signedIn(r.op.ids.compat, name, value) }
}

func promptLogin(r *run) {
	first := r.signedIn(r.op.ids.compat)
	second := r.again(r.op.ids.compat, 2*time.Second, "prompt", "login")
	if number(second["auth_time"]) <= number(first["auth_time"]) || second["sub"] != first["sub"] || !r.saw("password") {
		r.Errorf("auth_time %v then %v, pages %v", first["auth_time"], second["auth_time"], r.browser.shown)
	}
}

func maxAgeOne(r *run) {
	first := r.signedIn(r.op.ids.compat)
	second := r.again(r.op.ids.compat, 2*time.Second, "max_age", "1")
	if number(second["auth_time"]) <= number(first["auth_time"]) || !r.saw("password") {
		r.Errorf("auth_time %v then %v, pages %v", first["auth_time"], second["auth_time"], r.browser.shown)
	}
}

// silently asks a second time within a session: nothing is shown, and who and when stay the same.
func silently(name, value string) func(*run) {
	return func(r *run) {
		first := r.signedIn(r.op.ids.compat)
		second := r.again(r.op.ids.compat, 2*time.Second, name, value)
		if second["sub"] != first["sub"] || second["auth_time"] != first["auth_time"] || first["auth_time"] == nil {
			r.Errorf("%v then %v", first, second)
		}
		r.sawNothing()
	}
}

func uiLocales(r *run) {
	for locale, want := range map[string]string{"ru": "ru", "en": "en", "se en": "en", "EN-gb ru": "en", "rup-RO en": "en"} {
		r.browser = r.op.browser(r)
		r.browser.open(r.op.endpoint("authorization_endpoint") + "?" + r.op.ids.compat.request("ui_locales", locale).Encode())
		if !strings.Contains(r.browser.body, `<html lang="`+want+`"`) {
			r.Errorf("ui_locales=%s: %.200s", locale, r.browser.body)
		}
	}
}

func codeReuse(r *run, after time.Duration) {
	c := r.op.ids.compat
	code := r.code(c)
	first := r.exchange(c, code)
	if first.status != http.StatusOK {
		r.Fatalf("first use: %d %s", first.status, first.raw)
	}
	r.op.later(after)
	r.want(r.exchange(c, code), http.StatusBadRequest, "invalid_grant")
	if info := r.userinfo(c, text(first.body["access_token"])); info.status != http.StatusUnauthorized {
		r.Errorf("the access token of a code that was used twice: %d", info.status)
	}
}

func refreshToken(r *run) {
	c, other := r.op.ids.compat, r.op.ids.second
	first := r.tokens(c, "scope", "openid offline_access")
	was := r.idToken(c, first)
	token := text(first.body["refresh_token"])
	r.random("refresh token", token)
	r.want(r.refresh(other, token), http.StatusBadRequest, "invalid_grant")
	r.op.later(time.Second)
	second := r.refresh(c, token)
	if second.status != http.StatusOK || second.body["access_token"] == first.body["access_token"] || !strings.Contains(second.header.Get("Cache-Control"), "no-store") {
		r.Fatalf("refresh: %d %s", second.status, second.raw)
	}
	is := r.idToken(c, second)
	if is["sub"] != was["sub"] || is["auth_time"] != was["auth_time"] || is["aud"] != was["aud"] || number(is["iat"]) <= number(was["iat"]) {
		r.Errorf("%v then %v", was, is)
	}
	if info := r.userinfo(c, text(second.body["access_token"])); info.status != http.StatusOK {
		r.Errorf("the new access token: %d", info.status)
	}
}

// unsignedObject is a request object that nobody signed.
func unsignedObject(r *run) string {
	return jwt{alg: "none", header: map[string]any{}, claims: map[string]any{"client_id": "compat", "iss": "compat", "aud": r.op.issuer,
		"response_type": "code", "scope": "openid", "redirect_uri": callback + "/inner"}}.sign(r)
}

func (r *run) saw(page string) bool {
	return strings.Contains(strings.Join(r.browser.shown, " "), page)
}

// sawNothing fails when the person was shown a page since they were last asked.
func (r *run) sawNothing() {
	r.Helper()
	for _, page := range r.browser.shown {
		if page != "form-post" {
			r.Errorf("the person was shown %v", r.browser.shown)
		}
	}
}
