package op_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/op"
)

// verified checks a JWT of ours by the published keys, as a client does, and returns its claims.
func (h *house) verified(token, typ, alg string) map[string]any {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.provider.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/jwks", nil))
	var set jose.JSONWebKeySet
	must(h.t, json.Unmarshal(w.Body.Bytes(), &set))
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	must(h.t, err)
	if got := header(h.t, token)["typ"]; got != typ {
		h.t.Errorf("typ %v, want %s", got, typ)
	}
	keys := set.Key(signed.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		h.t.Fatalf("the key %s is not published", signed.Signatures[0].Header.KeyID)
	}
	if _, err := signed.Verify(keys[0].Key); err != nil {
		h.t.Fatal(err)
	}
	return part(h.t, token, 1)
}

// trusting lets clients do without the consent of a person.
func trusting(clients []op.Client) []op.Client {
	for i := range clients {
		clients[i].TrustedConsent = true
	}
	return clients
}

// responseOf finds the signed response where its mode puts it.
func responseOf(t *testing.T, h *house, mode string, form url.Values) url.Values {
	t.Helper()
	w := httptest.NewRecorder()
	h.provider.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/authorize?"+form.Encode(), nil))
	u, err := url.Parse(w.Header().Get("Location"))
	must(t, err)
	switch mode {
	case "fragment.jwt":
		if u.RawQuery != "" {
			t.Errorf("something stands in the query: %s", u.RawQuery)
		}
		values, err := url.ParseQuery(u.Fragment)
		must(t, err)
		return values
	case "form_post.jwt":
		out := url.Values{}
		for _, m := range regexp.MustCompile(`name="(\w+)" value="([^"]*)"`).FindAllStringSubmatch(w.Body.String(), -1) {
			out.Add(m[1], m[2])
		}
		return out
	}
	return u.Query()
}

func TestASignedResponseStandsWhereItsModeSays(t *testing.T) {
	for _, mode := range []string{"jwt", "query.jwt", "fragment.jwt", "form_post.jwt"} {
		t.Run(mode, func(t *testing.T) {
			h := newHouse(t, trusting(sampleClients())...)
			answer := responseOf(t, h, mode, codeRequest("web", "response_mode", mode))
			if len(answer) != 1 {
				t.Fatalf("beside the JWT stands something: %v", answer)
			}
			claims := h.verified(answer.Get("response"), "oauth-authz-resp+jwt", "RS256")
			until := time.Unix(int64(claims["exp"].(float64)), 0).Sub(h.clock.Now())
			if claims["iss"] != issuer || claims["aud"] != "web" || claims["state"] != "state" || until <= 0 || until > 10*time.Minute {
				t.Errorf("%v, for %s", claims, until)
			}
			if got := h.exchange("web", claims["code"].(string)); got.status != http.StatusOK {
				t.Errorf("the code of a signed response: %d %v", got.status, got.body)
			}
			// Neither it nor anything in it tells who is signed in.
			if back := h.authorize(codeRequest("web", "id_token_hint", answer.Get("response"))).back(); back.Get("error") != "invalid_request" {
				t.Errorf("a signed response passes for an ID token: %v", back)
			}
		})
	}
}

func TestErrorsAreSignedTooWhereThatWasAsked(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	for name, changes := range map[string][]string{
		"invalid_scope":             {"scope", "openid snils"},
		"unsupported_response_type": {"response_type", "token"},
		"invalid_request":           {"state", strings.Repeat("s", 3000)},
	} {
		answer := responseOf(t, h, "jwt", codeRequest("web", append(changes, "response_mode", "jwt")...))
		if claims := h.verified(answer.Get("response"), "oauth-authz-resp+jwt", "RS256"); len(answer) != 1 || claims["error"] != name || claims["iss"] != issuer {
			t.Errorf("%s: %v %v", name, answer, claims)
		}
	}
	if back := h.authorize(codeRequest("web", "response_mode", "fragment")).back(); back.Get("error") != "invalid_request" {
		t.Errorf("a code in a bare fragment: %v", back)
	}
}

func TestASignedResponseHasTheAlgorithmThatWasRegistered(t *testing.T) {
	client := sampleClients()[0]
	client.ResponseAlg = "ES256"
	h := newHouse(t, trusting([]op.Client{client})...)
	answer := responseOf(t, h, "jwt", codeRequest("web", "response_mode", "jwt"))
	h.verified(answer.Get("response"), "oauth-authz-resp+jwt", "ES256")
}

func TestIntrospectionIsSignedForWhoAsksSo(t *testing.T) {
	h := newHouse(t, trusting(sampleClients())...)
	access := h.exchange("web", h.authorize(codeRequest("web")).back().Get("code")).text("access_token")
	ask := func(accept, client, token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader(url.Values{"token": {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", accept)
		r.SetBasicAuth(client, client+"-secret")
		w := httptest.NewRecorder()
		h.provider.Handler().ServeHTTP(w, r)
		return w
	}
	const wanted = "application/token-introspection+jwt"
	got := ask(wanted+", */*;q=0.1", "web", access)
	if got.Header().Get("Content-Type") != wanted {
		t.Fatalf("%d %s", got.Code, got.Header())
	}
	claims := h.verified(got.Body.String(), "token-introspection+jwt", "RS256")
	inner, _ := claims["token_introspection"].(map[string]any)
	if claims["iss"] != issuer || claims["aud"] != "web" || claims["iat"] == nil || claims["sub"] != nil || claims["exp"] != nil || inner["active"] != true || inner["client_id"] != "web" {
		t.Errorf("%v", claims)
	}
	if back := h.userinfo("Bearer " + got.Body.String()); back.status != http.StatusUnauthorized {
		t.Errorf("a signed introspection passes for an access token: %d", back.status)
	}
	// Another client learns nothing, in whatever form it asks; who asks for JSON gets JSON.
	stranger := h.verified(ask(wanted, "other", access).Body.String(), "token-introspection+jwt", "RS256")
	if inner, _ := stranger["token_introspection"].(map[string]any); len(inner) != 1 || inner["active"] != false || stranger["aud"] != "other" {
		t.Errorf("%v", stranger)
	}
	for _, accept := range []string{"", "*/*", "application/json", "application/json, " + wanted} {
		if got := ask(accept, "web", access); got.Header().Get("Content-Type") != "application/json" {
			t.Errorf("Accept %q: %s", accept, got.Header().Get("Content-Type"))
		}
	}
}
