package conformance_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestP34PromptNoneShowsNothingAndAnswersTheDefinedErrors(t *testing.T) {
	r := attack(t)
	c := r.op.ids.web
	r.refused(r.authorize(c, "prompt", "none"), "login_required")
	first := r.tokens(c)
	r.browser.shown = nil
	for _, row := range []struct {
		what, want string
		changes    []string
	}{
		{"a scope that was not agreed to", "consent_required", []string{"scope", "openid phone"}},
		{"a claim that was not agreed to", "consent_required", []string{"claims", `{"userinfo":{"email":null}}`}},
		{"a level that is not reached", "interaction_required", []string{"acr_values", "urn:vhod:acr:verified:1fa"}},
		{"a second factor that is not set up", "interaction_required", []string{"acr_values", "urn:vhod:acr:standard:2fa"}},
		{"together with login", "invalid_request", []string{"prompt", "none login"}},
		{"together with consent", "invalid_request", []string{"prompt", "none consent"}},
	} {
		t.Log(row.what)
		r.refused(r.authorize(c, append([]string{"prompt", "none"}, row.changes...)...), row.want)
	}
	r.op.later(2 * time.Minute)
	r.refused(r.authorize(c, "prompt", "none", "max_age", "60"), "login_required")
	r.sawNothing()
	if a := r.authorize(c, "prompt", "none", "id_token_hint", text(first.body["id_token"])); a.Get("code") == "" {
		t.Errorf("and in silence where nothing is missing: %+v", a)
	}
}

func TestP35AnEssentialLevelIsReachedOrRefusedAndNeverLowered(t *testing.T) {
	r := attack(t)
	c := r.op.ids.web
	was := r.signedIn(c)
	essential := func(values string) []string {
		return []string{"claims", `{"id_token":{"acr":{"essential":true,"values":[` + values + `]}}}`}
	}
	for what, changes := range map[string][]string{
		"by claims":     essential(`"urn:vhod:acr:verified:1fa"`),
		"by acr_values": {"acr_values", "urn:vhod:acr:verified:1fa"},
	} {
		if a := r.authorize(c, changes...); a.Get("code") != "" || a.page == "" { // the person is led to the ladder of levels
			t.Errorf("%s: %+v", what, a)
		}
		r.refused(r.authorize(c, append(changes, "prompt", "none")...), "interaction_required", "unmet_authentication_requirements")
	}
	r.refused(r.authorize(c, essential(`"urn:example:unheard-of"`)...), "unmet_authentication_requirements")
	id := r.signedIn(c, essential(`"urn:vhod:acr:verified:2fa","urn:vhod:acr:standard:1fa"`)...)
	if id["acr"] != "urn:vhod:acr:standard:1fa" || id["auth_time"] != was["auth_time"] {
		t.Errorf("one of several: %v", id)
	}
}

func TestP36TheHintOfAnotherPersonIsNotAnsweredInSilence(t *testing.T) {
	r := attack(t)
	c := r.op.ids.web
	anna := r.tokens(c)
	sub := text(r.idToken(c, anna)["sub"])
	r.browser = r.op.browser(t)
	r.browser.phone = otherPhone
	if other := r.signedIn(c); other["sub"] == sub {
		t.Fatal("two people are one")
	}
	r.refused(r.authorize(c, "prompt", "none", "id_token_hint", text(anna.body["id_token"])), "login_required")
	asked := `{"id_token":{"sub":{"value":"` + sub + `"}}}`
	r.refused(r.authorize(c, "prompt", "none", "claims", asked), "login_required")
	r.browser.phone = phone // she comes back and is asked to prove it
	if id := r.signedIn(c, "claims", asked); id["sub"] != sub {
		t.Errorf("asked for one, answered with %v", id["sub"])
	}
}

// RFC 9470: a resource that wants a stronger or younger sign-in names it, the client asks for it, and the next token says that it is there.
func TestAStepUpIsAskedByTheClientAndSaidInTheToken(t *testing.T) {
	r := attack(t)
	c := r.op.ids.web
	old := r.tokens(c)
	r.op.later(10 * time.Minute)
	fresh := r.tokens(c, "acr_values", "urn:vhod:acr:standard:1fa", "max_age", "60")
	was, is := claimsOf(t, old), claimsOf(t, fresh)
	if is["acr"] != "urn:vhod:acr:standard:1fa" || number(is["auth_time"]) <= number(was["auth_time"]) {
		t.Errorf("access token: %v then %v", was, is)
	}
	got := r.post(c, r.op.endpoint("introspection_endpoint"), url.Values{"token": {text(fresh.body["access_token"])}})
	if got.body["active"] != true || got.body["acr"] != is["acr"] || got.body["auth_time"] != is["auth_time"] {
		t.Errorf("introspection: %v", got.body)
	}
}

func TestTheClaimsParameterIsAnsweredValueByValue(t *testing.T) {
	r := attack(t)
	c := r.op.ids.web
	for _, row := range []struct {
		asked string
		want  map[string]any // at userinfo; nil: not there
	}{
		{`{"userinfo":{"given_name":null}}`, map[string]any{"given_name": "Анна", "family_name": nil}},
		{`{"userinfo":{"given_name":{"value":"Анна"}}}`, map[string]any{"given_name": "Анна"}},
		{`{"userinfo":{"given_name":{"value":"Ольга"}}}`, map[string]any{"given_name": nil}},
		{`{"userinfo":{"given_name":{"values":["Ольга","Анна"],"essential":true}}}`, map[string]any{"given_name": "Анна"}},
		{`{"userinfo":{"email_verified":{"value":true}}}`, map[string]any{"email_verified": true}},
		{`{"userinfo":{"no_such_claim":{"essential":true},"https://x.example/é":null}}`, map[string]any{"no_such_claim": nil}},
		{`{"userinfo":{"given_name":null},"other":{"x":1}}`, map[string]any{"given_name": "Анна"}},
	} {
		info := r.userinfo(c, text(r.tokens(c, "claims", row.asked, "claims_locales", "en ru").body["access_token"]))
		for name, want := range row.want {
			if info.status != http.StatusOK || info.body[name] != want {
				t.Errorf("%s: %s is %v", row.asked, name, info.body[name])
			}
		}
	}
	for _, broken := range []string{"{", `[]`, `{"userinfo":[]}`, `{"id_token":{"acr":"x"}}`, `{"id_token":{"sub":{"values":["a","b"]}}}`, strings.Repeat("[", 10000)} {
		r.refused(r.authorize(c, "claims", broken), "invalid_request")
	}
}

// claimsOf reads an access token, as its resource does.
func claimsOf(t testing.TB, tokens reply) map[string]any {
	t.Helper()
	return payload(t, text(tokens.body["access_token"]))
}
