package bank_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/vhod-id/vhod/examples/bank"
	"github.com/vhod-id/vhod/examples/faults"
)

const callback = "http://relying.example/callback"

// visit is a browser and a relying party at one bank.
type visit struct {
	t       *testing.T
	cfg     bank.Config
	oauth   oauth2.Config
	verify  *oidc.IDTokenVerifier
	browser *http.Client
	now     time.Time
}

func green() bank.Config {
	return bank.Config{ID: "green", Name: "Зелёный банк", Alg: jose.RS256, Auth: "client_secret_basic"}
}

func yellow() bank.Config {
	return bank.Config{ID: "yellow", Name: "Жёлтый банк", Alg: jose.ES256, Auth: "client_secret_post", UserinfoPost: true}
}

func open(t *testing.T, cfg bank.Config) *visit {
	t.Helper()
	v := &visit{t: t, now: time.Now()}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	cfg.Issuer, cfg.ClientID, cfg.ClientSecret, cfg.RedirectURIs = server.URL, "vhod", "secret/+", []string{callback}
	cfg.Now, cfg.Faults = func() time.Time { return v.now }, faults.NewSet("bank-green", "bank-yellow")
	cfg.Customers = []bank.Customer{
		{Username: "anna", Password: "lipa", FamilyName: "Петрова", GivenName: "Анна", Birthdate: "1990-01-02", Gender: "female",
			Phone: "+79001234567", SNILS: "11223344595", Passport: bank.Passport{Series: "4510", Number: "123456"}},
		{Username: "boris", Password: "klen", FamilyName: "Иванов", GivenName: "Борис", Birthdate: "1980-01-02", Gender: "male"},
	}
	b, err := bank.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	handler, v.cfg = b.Handler(), cfg
	provider, err := oidc.NewProvider(t.Context(), cfg.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	style := oauth2.AuthStyleInHeader
	if cfg.Auth == "client_secret_post" {
		style = oauth2.AuthStyleInParams
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = style
	v.oauth = oauth2.Config{ClientID: "vhod", ClientSecret: "secret/+", RedirectURL: callback, Endpoint: endpoint,
		Scopes: []string{"openid", "profile", "phone", "snils", "passport"}}
	v.verify = provider.Verifier(&oidc.Config{ClientID: "vhod", Now: cfg.Now, SupportedSigningAlgs: []string{string(cfg.Alg)}})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v.browser = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "relying.example" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return v
}

var requestField = regexp.MustCompile(`name="request" value="([^"]+)"`)

// get and post return the page, or where the relying party was called back.
func (v *visit) get(address string) (string, *url.URL) { return v.read(v.browser.Get(address)) }

func (v *visit) post(path string, form url.Values) (string, *url.URL) {
	return v.read(v.browser.PostForm(v.cfg.Issuer+path, form))
}

func (v *visit) read(resp *http.Response, err error) (string, *url.URL) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	back, err := resp.Location()
	if err != nil {
		return string(body), nil
	}
	return string(body), back
}

// confirm walks the pages as anna and returns the answer to the relying party.
func (v *visit) confirm(verifier string) url.Values {
	v.t.Helper()
	html, back := v.get(v.oauth.AuthCodeURL("state", oidc.Nonce("nonce"), oauth2.S256ChallengeOption(verifier)))
	if back != nil {
		return back.Query()
	}
	if !strings.Contains(html, `data-page="bank-login"`) {
		v.t.Fatal(html)
	}
	request := requestField.FindStringSubmatch(html)[1]
	html, _ = v.post("/login", url.Values{"request": {request}, "username": {"anna"}, "password": {"lipa"}})
	if !strings.Contains(html, `data-page="bank-consent"`) {
		v.t.Fatal(html)
	}
	_, back = v.post("/consent", url.Values{"request": {request}, "decision": {"allow"}})
	if back == nil {
		v.t.Fatal("no answer after consent")
	}
	return back.Query()
}

func (v *visit) userinfo(method, access string) (int, map[string]any) {
	v.t.Helper()
	r, err := http.NewRequest(method, v.cfg.Issuer+"/userinfo", nil)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+access)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	var claims map[string]any
	if resp.StatusCode != http.StatusMethodNotAllowed {
		if err := json.NewDecoder(resp.Body).Decode(&claims); err != nil {
			v.t.Fatal(err)
		}
	}
	return resp.StatusCode, claims
}

func TestACustomerIsConfirmedByEitherBank(t *testing.T) {
	for _, cfg := range []bank.Config{green(), yellow()} {
		t.Run(cfg.ID, func(t *testing.T) {
			v := open(t, cfg)
			verifier := oauth2.GenerateVerifier()
			back := v.confirm(verifier)
			if back.Get("state") != "state" || back.Get("iss") != v.cfg.Issuer {
				t.Errorf("came back with %v", back)
			}
			tokens, err := v.oauth.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			id, err := v.verify.Verify(t.Context(), tokens.Extra("id_token").(string))
			if err != nil {
				t.Fatal(err)
			}
			if id.Nonce != "nonce" || id.VerifyAccessToken(tokens.AccessToken) != nil {
				t.Errorf("nonce %q, at_hash %q", id.Nonce, id.AccessTokenHash)
			}
			_, claims := v.userinfo("GET", tokens.AccessToken)
			if claims["family_name"] != "Петрова" || claims["snils"] != "11223344595" || claims["sub"] != id.Subject || claims["acr"] == nil {
				t.Errorf("%v", claims)
			}
			if _, present := claims["middle_name"]; present {
				t.Error("an empty middle name was sent")
			}
			if status, _ := v.userinfo("POST", tokens.AccessToken); (status == http.StatusOK) != cfg.UserinfoPost {
				t.Errorf("POST userinfo: %d", status)
			}
		})
	}
}

func TestACodeWorksOnceAndWithItsVerifierAlone(t *testing.T) {
	v := open(t, green())
	verifier := oauth2.GenerateVerifier()
	code := v.confirm(verifier).Get("code")
	if _, err := v.oauth.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.oauth.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code worked twice")
	}
	code = v.confirm(verifier).Get("code")
	if _, err := v.oauth.Exchange(t.Context(), code, oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Error("a code worked with another verifier")
	}
	code = v.confirm(verifier).Get("code")
	v.now = v.now.Add(2 * time.Minute)
	if _, err := v.oauth.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); err == nil {
		t.Error("an expired code worked")
	}
}

func TestABankTakesItsOwnClientAuthenticationAlone(t *testing.T) {
	for _, cfg := range []bank.Config{green(), yellow()} {
		t.Run(cfg.ID, func(t *testing.T) {
			v := open(t, cfg)
			verifier := oauth2.GenerateVerifier()
			code := v.confirm(verifier).Get("code")
			v.oauth.Endpoint.AuthStyle = 3 - v.oauth.Endpoint.AuthStyle
			var refused *oauth2.RetrieveError
			if _, err := v.oauth.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAWrongPasswordIsAskedAgainAndNotForEver(t *testing.T) {
	v := open(t, green())
	html, _ := v.get(v.oauth.AuthCodeURL("state", oauth2.S256ChallengeOption("v")))
	request := requestField.FindStringSubmatch(html)[1]
	wrong := url.Values{"request": {request}, "username": {"anna"}, "password": {"dub"}}
	for range 4 {
		if html, _ = v.post("/login", wrong); !strings.Contains(html, `role="alert"`) {
			t.Fatal(html)
		}
	}
	if _, back := v.post("/login", wrong); back == nil || back.Query().Get("error") != "access_denied" {
		t.Errorf("after five wrong passwords: %v", back)
	}
}

func TestARefusalToShareGoesBack(t *testing.T) {
	v := open(t, green())
	html, _ := v.get(v.oauth.AuthCodeURL("state", oauth2.S256ChallengeOption("v")))
	request := requestField.FindStringSubmatch(html)[1]
	v.post("/login", url.Values{"request": {request}, "username": {"anna"}, "password": {"lipa"}})
	if _, back := v.post("/consent", url.Values{"request": {request}, "decision": {"deny"}}); back == nil || back.Query().Get("error") != "access_denied" {
		t.Errorf("%v", back)
	}
}

func TestAnotherBrowserCannotGoOnWithARequest(t *testing.T) {
	v := open(t, green())
	html, _ := v.get(v.oauth.AuthCodeURL("state", oauth2.S256ChallengeOption("v")))
	request := requestField.FindStringSubmatch(html)[1]
	resp, err := http.Get(v.cfg.Issuer + "/login?request=" + request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusGone {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestARequestIsRefusedByWhatIsWrongWithIt(t *testing.T) {
	v := open(t, green())
	for name, row := range map[string]struct {
		change url.Values
		back   string // the error sent back; empty when the bank keeps the browser
	}{
		"unknown client":       {url.Values{"client_id": {"x"}}, ""},
		"unknown redirect URI": {url.Values{"redirect_uri": {callback + "/"}}, ""},
		"no PKCE":              {url.Values{"code_challenge": {""}}, "invalid_request"},
		"implicit":             {url.Values{"response_type": {"id_token"}}, "unsupported_response_type"},
		"no openid":            {url.Values{"scope": {"profile"}}, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(v.oauth.AuthCodeURL("state", oauth2.S256ChallengeOption("v")))
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			for key, value := range row.change {
				q[key] = value
			}
			u.RawQuery = q.Encode()
			_, back := v.get(u.String())
			if (back == nil) != (row.back == "") || back != nil && back.Query().Get("error") != row.back {
				t.Errorf("back to %v, want error %q", back, row.back)
			}
		})
	}
}

func TestFaultsOfABank(t *testing.T) {
	verifier := oauth2.GenerateVerifier()
	t.Run("wrong audience", func(t *testing.T) {
		v := open(t, green())
		code := v.confirm(verifier).Get("code")
		v.arm(faults.WrongAudience)
		tokens, err := v.oauth.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.verify.Verify(context.Background(), tokens.Extra("id_token").(string)); err == nil {
			t.Error("the ID token is for us")
		}
	})
	t.Run("mismatch", func(t *testing.T) {
		v := open(t, green())
		tokens, err := v.oauth.Exchange(t.Context(), v.confirm(verifier).Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		v.arm(faults.Mismatch)
		if _, claims := v.userinfo("GET", tokens.AccessToken); claims["family_name"] != "Иванов" {
			t.Errorf("%v", claims)
		}
	})
	t.Run("refuse", func(t *testing.T) {
		v := open(t, green())
		v.arm(faults.Refuse)
		if back := v.confirm(verifier); back.Get("error") != "access_denied" {
			t.Errorf("%v", back)
		}
	})
	t.Run("down", func(t *testing.T) {
		v := open(t, green())
		v.arm(faults.Down)
		if resp, err := http.Get(v.cfg.Issuer + "/.well-known/openid-configuration"); err == nil {
			resp.Body.Close()
			t.Errorf("answered %s", resp.Status)
		}
	})
}

func (v *visit) arm(o faults.Outcome) {
	v.t.Helper()
	if err := v.cfg.Faults.Arm(faults.Fault{Adapter: "bank-" + v.cfg.ID, Outcome: o}); err != nil {
		v.t.Fatal(err)
	}
}
