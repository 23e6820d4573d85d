package conformance_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/keys"
)

// initialToken lets clients register, with the profile oidc-compat; fapiToken with the profile fapi2.
const (
	initialToken = "an initial access token that a runner gave out"
	fapiToken    = "another that a runner gave out"
)

func TestConf_dynamic(t *testing.T)    { plan(t, "dynamic", dynamicModules(), "") }
func TestConf_thirdparty(t *testing.T) { plan(t, "thirdparty", thirdPartyModules(), "") }

func dynamicModules() []module {
	happy := func(more ...any) func(*run) {
		return func(r *run) { r.signedIn(r.registers(more...)) }
	}
	refusedURI := func(asked string) func(*run) {
		return func(r *run) {
			c := r.registers("redirect_uris", []string{callback + "?foo=bar"})
			r.errorPage(r.visit(c.request("redirect_uri", asked)))
		}
	}
	return []module{
		{"oidcc-discovery-endpoint-verification", "registration_endpoint is announced beside the rest", func(r *run) {
			discoveryVerification(r)
			if !strings.HasPrefix(r.op.endpoint("registration_endpoint"), "https://") {
				r.Errorf("%v", r.op.meta["registration_endpoint"])
			}
		}},
		{"oidcc-server", "a client registers and signs its person in", happy()},
		{"oidcc-idtoken-rs256", "the ID token by RS256", func(r *run) {
			if id := r.signedIn(r.registers("id_token_signed_response_alg", "RS256")); id["alg"] != "RS256" {
				r.Errorf("%v", id["alg"])
			}
		}},
		{"oidcc-idtoken-unsigned", "an unsigned ID token is not registered", func(r *run) {
			r.want(r.registration(http.MethodPost, "", "id_token_signed_response_alg", "none"), http.StatusBadRequest, "invalid_client_metadata")
		}},
		{"oidcc-userinfo-rs256", "userinfo as a JWT by RS256, for the client", signedUserinfo},
		{"oidcc-ensure-redirect-uri-in-authorization-request", "of two redirect URIs one is named", func(r *run) {
			c := r.registers("redirect_uris", []string{callback, callback + "/2"})
			r.errorPage(r.visit(c.request("redirect_uri", "")))
		}},
		{"oidcc-redirect-uri-query-OK", "a redirect URI with a query, as registered", func(r *run) {
			c := r.registers("redirect_uris", []string{callback + "?foo=bar"})
			if a := r.visit(c.request("redirect_uri", callback+"?foo=bar")); a.Get("code") == "" || a.Get("foo") != "bar" {
				r.Errorf("%+v", a)
			}
		}},
		{"oidcc-redirect-uri-query-mismatch", "another query is another address", refusedURI(callback + "?bar=foo")},
		{"oidcc-redirect-uri-query-added", "and so is one with more", refusedURI(callback + "?foo=bar&bar=foo")},
		{"oidcc-redirect-uri-regfrag", "a redirect URI with a fragment is not registered", func(r *run) {
			r.want(r.registration(http.MethodPost, "", "redirect_uris", []string{callback + "#foobar"}), http.StatusBadRequest, "invalid_redirect_uri")
		}},
		{"oidcc-registration-logo-uri", "a logo is taken, and nothing is loaded from its address on our pages", registeredPage("logo_uri", false)},
		{"oidcc-registration-policy-uri", "the policy is on the page of consent", registeredPage("policy_uri", true)},
		{"oidcc-registration-tos-uri", "the terms are on the page of consent", registeredPage("tos_uri", true)},
		{"oidcc-registration-jwks-uri", "keys by reference", func(r *run) { r.signedIn(r.registersWithKeysAt("/jwks")) }},
		{"oidcc-registration-sector-uri", "a sector document that lists the redirect URIs", func(r *run) {
			r.signedIn(r.registers("sector_identifier_uri", r.op.rp.publish("/sector", []string{callback}), "subject_type", "pairwise"))
		}},
		{"oidcc-registration-sector-bad", "one that does not is refused", func(r *run) {
			r.want(r.registration(http.MethodPost, "", "sector_identifier_uri", r.op.rp.publish("/sector-bad", []string{"https://other.example/cb"})), http.StatusBadRequest, "invalid_client_metadata")
		}},
		{"oidcc-server-rotate-keys", "after a rotation there is one key more, and none less", rotateKeys},
		{"oidcc-refresh-token", "rotation of refresh tokens", func(r *run) {
			c := r.registers("grant_types", []string{"authorization_code", "refresh_token"})
			got := r.refresh(c, text(r.tokens(c, "scope", "openid offline_access").body["refresh_token"]))
			if got.status != http.StatusOK {
				r.Errorf("%d %s", got.status, got.raw)
			}
		}},
		{"oidcc-refresh-token-rp-key-rotation", "a client's next key, known by its kid a minute after it was published", rpRotates},
		{"oidcc-request-uri-unsigned", "a request by address is not offered, and refused", requestByAddress},
		{"oidcc-request-uri-signed-rs256", "nor a signed one", requestByAddress},
		{"oidcc-ensure-client-assertion-with-iss-aud-succeeds", "an assertion whose audience is the issuer", happy()},
		{"oidcc-ensure-request-object-with-redirect-uri", "a redirect_uri inside an unsigned object leads nowhere", func(r *run) {
			r.refused(r.authorize(r.registers(), "request", unsignedObject(r)), "request_not_supported", "invalid_request_object")
		}},
	}
}

func thirdPartyModules() []module {
	return []module{
		{"oidcc-3rdparty-init-login", "initiate_login_uri is kept and read back", func(r *run) {
			const login = "https://rp.example/login"
			made := r.registration(http.MethodPost, "", "initiate_login_uri", login)
			read := r.fetch(http.MethodGet, text(made.body["registration_client_uri"]), nil, http.Header{"Authorization": {"Bearer " + text(made.body["registration_access_token"])}})
			if made.status != http.StatusCreated || read.body["initiate_login_uri"] != login {
				r.Errorf("%d %s, then %s", made.status, made.raw, read.raw)
			}
		}},
		{"oidcc-3rdparty-init-login-nohttps", "one that is not https is refused", func(r *run) {
			r.want(r.registration(http.MethodPost, "", "initiate_login_uri", "http://rp.example/login"), http.StatusBadRequest, "invalid_client_metadata")
		}},
	}
}

// registration sends metadata of a good client with these changes (pairs of a name and a value).
func (r *run) registration(method, id string, changes ...any) reply {
	r.Helper()
	return r.registrationBy(initialToken, method, id, changes...)
}

func (r *run) registrationBy(token, method, id string, changes ...any) reply {
	r.Helper()
	metadata := map[string]any{"redirect_uris": []string{callback}, "client_name": "Dynamic", "scope": "openid email offline_access"}
	for i := 0; i+1 < len(changes); i += 2 {
		metadata[changes[i].(string)] = changes[i+1]
	}
	body, err := json.Marshal(metadata)
	must(r, err)
	q, err := http.NewRequest(method, r.op.endpoint("registration_endpoint")+id, bytes.NewReader(body))
	must(r, err)
	q.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
	response, err := r.op.server.Client().Do(q)
	must(r, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	must(r, err)
	got := reply{status: response.StatusCode, header: response.Header, raw: string(raw)}
	must(r, json.Unmarshal(raw, &got.body))
	return got
}

// registers makes a client with a key of its own, by private_key_jwt.
func (r *run) registers(changes ...any) *client {
	r.Helper()
	key := ecKey(r)
	c := &client{auth: "private_key_jwt", key: key, kid: "one", alg: "ES256", scope: "openid email"}
	changes = append([]any{"token_endpoint_auth_method", "private_key_jwt", "jwks", map[string]any{"keys": []any{publicJWK(r, key.Public(), "one")}}}, changes...)
	return r.asClient(c, r.registration(http.MethodPost, "", changes...))
}

// registersWithKeysAt makes one whose keys are on its site.
func (r *run) registersWithKeysAt(path string) *client {
	r.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(r, err)
	address := r.op.rp.publish(path, map[string]any{"keys": []any{publicJWK(r, key.Public(), "one")}})
	c := &client{auth: "private_key_jwt", key: key, kid: "one", alg: "RS256", scope: "openid email"}
	return r.asClient(c, r.registration(http.MethodPost, "", "token_endpoint_auth_method", "private_key_jwt", "jwks_uri", address, "grant_types", []string{"authorization_code", "refresh_token"}))
}

func (r *run) asClient(c *client, got reply) *client {
	r.Helper()
	if got.status != http.StatusCreated {
		r.Fatalf("not registered: %d %s", got.status, got.raw)
	}
	c.id = text(got.body["client_id"])
	return c
}

func signedUserinfo(r *run) {
	c := r.registers("userinfo_signed_response_alg", "RS256")
	got := r.tokens(c)
	info := r.userinfo(c, text(got.body["access_token"]))
	if info.status != http.StatusOK || !strings.HasPrefix(info.header.Get("Content-Type"), "application/jwt") {
		r.Fatalf("%d %s", info.status, info.header.Get("Content-Type"))
	}
	jws, err := jose.ParseSignedCompact(info.raw, []jose.SignatureAlgorithm{jose.RS256})
	must(r, err)
	published := r.keys()
	var claims map[string]any
	for _, key := range published.Key(jws.Signatures[0].Header.KeyID) {
		if payload, err := jws.Verify(key.Key); err == nil {
			must(r, json.Unmarshal(payload, &claims))
		}
	}
	if claims["iss"] != r.op.issuer || claims["aud"] != c.id || claims["sub"] != r.idToken(c, got)["sub"] || claims["email"] != "anna@mail.example" {
		r.Errorf("%v", claims)
	}
}

func registeredPage(member string, shown bool) func(*run) {
	return func(r *run) {
		const address = "https://rp.example/about-us"
		r.signedIn(r.registers(member, address), "prompt", "consent")
		page := r.browser.texts["consent"]
		if page == "" || strings.Contains(page, address) != shown || strings.Contains(page, `src="https://rp.example`) {
			r.Errorf("%s on the page of consent: %v", member, strings.Contains(page, address))
		}
	}
}

func rotateKeys(r *run) {
	was := r.keys()
	must(r, r.op.nodes[0].Ring().Rotate(r.Context(), keys.RS256))
	for range 100 { // the other node looks every 50 ms
		is := r.keys()
		for _, key := range was.Keys {
			if len(is.Key(key.KeyID)) != 1 {
				r.Fatalf("the key %s is gone", key.KeyID)
			}
		}
		if len(is.Keys) == len(was.Keys)+1 {
			r.signedIn(r.op.ids.compat)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.Error("no new key was published")
}

func rpRotates(r *run) {
	c := r.registersWithKeysAt("/jwks-rotating")
	tokens := r.tokens(c, "scope", "openid offline_access")
	next, err := rsa.GenerateKey(rand.Reader, 2048)
	must(r, err)
	r.op.rp.publish("/jwks-rotating", map[string]any{"keys": []any{publicJWK(r, next.Public(), "two")}})
	r.op.later(time.Minute)
	c.key, c.kid = next, "two"
	if got := r.refresh(c, text(tokens.body["refresh_token"])); got.status != http.StatusOK {
		r.Errorf("%d %s", got.status, got.raw)
	}
}

func requestByAddress(r *run) {
	address := r.op.rp.publish("/request", "a request object")
	r.refused(r.authorize(r.registers(), "request_uri", address), "request_uri_not_supported")
	if r.op.meta["request_uri_parameter_supported"] != false {
		r.Errorf("request_uri_parameter_supported: %v", r.op.meta["request_uri_parameter_supported"])
	}
}
