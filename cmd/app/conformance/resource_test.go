package conformance_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
)

// RFC 8707: what the authorization request names bounds every token of the grant; the token endpoint narrows it for one token.
func TestATokenIsForTheResourcesThatWereAsked(t *testing.T) {
	r := attack(t)
	c, issuer := r.op.ids.web, r.op.issuer
	narrow := func(resources ...string) func(*call) {
		return func(x *call) { x.form["resource"] = resources }
	}
	for _, row := range []struct {
		what    string
		changes []string
		spoil   func(*call)
		want    []string // nil: invalid_target
	}{
		{"nothing named", nil, narrow(), []string{issuer, apiOne, apiTwo}},
		{"one named by the request", []string{"resource", apiOne}, narrow(), []string{issuer, apiOne}},
		{"one named with the code", nil, narrow(apiTwo), []string{issuer, apiTwo}},
		{"both named with the code", nil, narrow(apiTwo, apiOne, apiTwo), []string{issuer, apiOne, apiTwo}},
		{"without openid the provider is no audience", []string{"resource", apiOne, "scope", "offline_access"}, narrow(), []string{apiOne}},
		{"another than was granted", []string{"resource", apiOne}, narrow(apiTwo), nil},
		{"one that is nobody's", nil, narrow("https://api.example/three"), nil},
	} {
		got := r.exchange(c, r.code(c, row.changes...), row.spoil)
		if row.want == nil {
			r.want(got, http.StatusBadRequest, "invalid_target")
			continue
		}
		if aud := audienceOf(t, got); !slices.Equal(aud, row.want) {
			t.Errorf("%s: the token is for %v, not %v", row.what, aud, row.want)
		}
	}
	for _, unknown := range []string{"https://api.example/three", apiOne + "/", "api"} {
		r.refused(r.authorize(c, "resource", unknown), "invalid_target")
	}
}

func TestARefreshStaysWithinTheResourcesOfItsGrant(t *testing.T) {
	r := attack(t)
	c := r.op.ids.web
	token := text(r.tokens(c, "resource", apiOne).body["refresh_token"])
	r.want(r.refresh(c, token, func(x *call) { x.form.Set("resource", apiTwo) }), http.StatusBadRequest, "invalid_target")
	got := r.refresh(c, token)
	if aud := audienceOf(t, got); !slices.Equal(aud, []string{r.op.issuer, apiOne}) {
		t.Errorf("refreshed: %v", aud)
	}
	whole := text(r.tokens(c).body["refresh_token"])
	part := r.refresh(c, whole, func(x *call) { x.form.Set("resource", apiTwo) })
	if aud := audienceOf(t, part); !slices.Equal(aud, []string{r.op.issuer, apiTwo}) {
		t.Errorf("narrowed: %v", aud)
	}
	if aud := audienceOf(t, r.refresh(c, text(part.body["refresh_token"]))); len(aud) != 3 {
		t.Errorf("one narrow token narrowed the grant: %v", aud)
	}
	form := c.request("scope", "offline_access")
	form["resource"] = []string{apiOne, apiTwo} // the one parameter that may stand twice
	if aud := audienceOf(t, r.exchange(c, r.visit(form).Get("code"))); !slices.Equal(aud, []string{apiOne, apiTwo}) {
		t.Errorf("two asked: %v", aud)
	}
	got = r.post(c, r.op.endpoint("introspection_endpoint"), url.Values{"token": {text(part.body["access_token"])}})
	if got.body["active"] != true || !slices.Equal(texts(got.body["aud"]), []string{r.op.issuer, apiTwo}) {
		t.Errorf("introspection: %v", got.body)
	}
}

func audienceOf(t *testing.T, tokens reply) []string {
	t.Helper()
	if tokens.status != http.StatusOK {
		t.Errorf("%d %s", tokens.status, tokens.raw)
		return nil
	}
	aud := claimsOf(t, tokens)["aud"]
	if one := text(aud); one != "" {
		return []string{one}
	}
	return texts(aud)
}
