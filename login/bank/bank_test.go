package bank_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/login/bank"
)

// played is a bank that a test plays: what it answers, and what it was asked.
type played struct {
	t       *testing.T
	url     string
	key     *ecdsa.PrivateKey
	claims  map[string]any // of the ID token, over the right ones
	answers map[string]any // by path
	silence chan struct{}  // userinfo waits for it, when it is there

	mu    sync.Mutex
	asked map[string]*http.Request
	forms map[string]url.Values
}

var clock = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newPlayed(t *testing.T) *played {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &played{t: t, key: key, asked: map[string]*http.Request{}, forms: map[string]url.Values{}, claims: map[string]any{}, answers: map[string]any{}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *played) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	p.asked[r.URL.Path], p.forms[r.URL.Path] = r, r.PostForm
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/keys":
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	case "/token":
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": p.idToken()})
	default:
		if p.silence != nil {
			<-p.silence
		}
		answer, ok := p.answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func (p *played) idToken() string {
	p.t.Helper()
	claims := map[string]any{
		"iss": "https://bank.example", "sub": "customer-1", "aud": "vhod", "nonce": "n-1", "acr": "met",
		"iat": clock.Unix(), "exp": clock.Add(time.Minute).Unix(), "auth_time": clock.Unix(), "jti": "t-1",
	}
	for name, value := range p.claims {
		claims[name] = value
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "1"}}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// gate is the bank as the configuration has it.
func (p *played) gate(change func(*bank.Config)) *bank.Gate {
	p.t.Helper()
	cfg := bank.Config{
		ID: "played", Issuer: "https://bank.example", ClientID: "vhod", ClientSecret: "s&cret",
		Authorization: p.url + "/authorize", Token: p.url + "/token", Userinfo: p.url + "/userinfo", Keys: p.url + "/keys",
		Contract: bank.Contract{Level: account.Verified},
	}
	if change != nil {
		change(&cfg)
	}
	g, err := bank.New(cfg, "https://id.example/bank/callback", func() time.Time { return clock })
	if err != nil {
		p.t.Fatal(err)
	}
	return g
}

func (p *played) evidence(g *bank.Gate) (account.Evidence, error) {
	return g.Evidence(p.t.Context(), "code-1", bank.Visit{Nonce: "n-1", Verifier: strings.Repeat("v", 43)})
}

// A bank of the habits of the largest one: everything in the body, its own headers, documents inside objects, numbers for
// words.
func TestBankThatWritesInItsOwnWordsIsUnderstood(t *testing.T) {
	p := newPlayed(t)
	p.answers["/userinfo"] = map[string]any{
		"sub": "customer-1", "family_name": "Смирнова", "given_name": "Анна", "middle_name": "Петровна", "birthdate": "1990-03-05",
		"gender": 2, "phone_number": "+7 (912) 2000005",
		"identification": map[string]any{"series": "45 10", "number": "123456", "issued_by": "ОВД", "issued_date": "10.04.2010", "code": "690001"},
		"snils":          map[string]any{"number": "112-233-445 95"},
		"verified":       true,
	}
	g := p.gate(func(c *bank.Config) {
		c.Auth, c.Params, c.Headers = bank.AuthPost, map[string]string{"client_type": "PRIVATE"}, map[string]string{"RqUID": "{{hex32}}"}
		c.Claims = map[string]string{
			"gender": "gender | gender", "snils": "snils.number | digits",
			"passport_series": "identification.series | digits", "passport_number": "identification.number",
			"passport_issued_on": "identification.issued_date | date:02.01.2006", "passport_issued_by": "identification.issued_by",
			"passport_issuer_code": "identification.code | code",
		}
		c.Contract.Identified, c.Contract.Require = "verified = true", []string{"passport_number", "snils"}
	})
	to, err := g.Address(t.Context(), "state-1", bank.Visit{Nonce: "n-1", Verifier: strings.Repeat("v", 43)})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); q.Get("client_type") != "PRIVATE" || q.Get("code_challenge_method") != "S256" || !strings.HasPrefix(q.Get("scope"), "openid") {
		t.Errorf("the browser is sent with %v", q)
	}
	e, err := p.evidence(g)
	if err != nil {
		t.Fatal(err)
	}
	c := e.Claims
	if c.Person.Gender != account.Female || c.Phone != "+79122000005" || c.SNILS.Reveal() != "11223344595" ||
		c.Passport.Series != "4510" || c.Passport.IssuerCode != "690-001" || c.Passport.IssuedOn != (account.Date{Year: 2010, Month: 4, Day: 10}) {
		t.Errorf("understood as %+v of the series %s", c.Person.Gender, c.Passport.Series)
	}
	if e.Level != account.Verified {
		t.Errorf("the evidence gives %v", e.Level)
	}
	if form := p.forms["/token"]; form.Get("client_secret") != "s&cret" || p.asked["/token"].Header.Get("Authorization") != "" {
		t.Error("the secret was not in the body alone")
	}
	if one, two := p.asked["/token"].Header.Get("RqUID"), p.asked["/userinfo"].Header.Get("RqUID"); len(one) != 32 || one == two {
		t.Errorf("the headers were %q and %q", one, two)
	}
}

// A bank of other habits: userinfo by POST with the secret in the form, each document behind an address of its own.
func TestBankThatKeepsDocumentsApartIsAskedForEach(t *testing.T) {
	p := newPlayed(t)
	p.answers["/userinfo"] = map[string]any{"sub": "customer-1", "family_name": "Смирнова", "given_name": "Анна", "birthdate": "1990-03-05"}
	p.answers["/documents/passport"] = map[string]any{"serialNumber": "4510123456", "issueDate": "2010-04-10"}
	p.answers["/documents/snils"] = map[string]any{"snils": "11223344595"}
	p.answers["/identification/status"] = map[string]any{"isIdentified": true}
	g := p.gate(func(c *bank.Config) {
		c.Auth, c.UserinfoPost = bank.AuthBasic, true
		for into, path := range map[string]string{"passport": "/documents/passport", "snils": "/documents/snils", "status": "/identification/status"} {
			c.Further = append(c.Further, bank.Call{URL: p.url + path, Into: into})
		}
		c.Claims = map[string]string{"snils": "snils.snils", "passport_issued_on": "passport.issueDate"}
		c.Contract.Identified = "status.isIdentified=true"
	})
	e, err := p.evidence(g)
	if err != nil {
		t.Fatal(err)
	}
	if e.Claims.SNILS.Reveal() != "11223344595" || e.Claims.Passport.IssuedOn.IsZero() || e.Level != account.Verified {
		t.Errorf("understood as %+v", e.Claims.Passport.IssuedOn)
	}
	if form := p.forms["/userinfo"]; form.Get("client_id") != "vhod" || form.Get("client_secret") != "s&cret" {
		t.Errorf("userinfo was asked with %v", form)
	}
	if id, secret, _ := p.asked["/token"].BasicAuth(); id != "vhod" || secret != url.QueryEscape("s&cret") {
		t.Errorf("the token endpoint saw %s", id)
	}
}

func TestBankIsShownAKeyInsteadOfASecret(t *testing.T) {
	p := newPlayed(t)
	p.answers["/userinfo"] = map[string]any{"sub": "customer-1"}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := p.gate(func(c *bank.Config) {
		c.Auth, c.KeyID = bank.AuthPrivateKey, "our-1"
		c.PrivateKey = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	})
	if _, err := p.evidence(g); err != nil {
		t.Fatal(err)
	}
	form := p.forms["/token"]
	token, err := jwt.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := token.Claims(&private.PublicKey, &claims); err != nil || claims.Issuer != "vhod" || !claims.Audience.Contains(p.url+"/token") {
		t.Errorf("the assertion says %+v, %v", claims, err)
	}
	if form.Get("client_secret") != "" || p.asked["/token"].Header.Get("Authorization") != "" {
		t.Error("the secret was sent beside the key")
	}
}

func TestL03EvidenceGivesNoMoreThanTheContractSays(t *testing.T) {
	whole := map[string]any{
		"sub": "customer-1", "snils": "11223344595", "verified_at": clock.Add(-24 * time.Hour).Format(time.RFC3339), "met": true,
		"passport": map[string]any{"number": "123456"},
	}
	contract := bank.Contract{
		Level: account.Verified, Require: []string{"snils", "passport_number"}, ACR: []string{"met"}, Identified: "met = true", MaxAge: 48 * time.Hour,
	}
	for _, row := range []struct {
		name   string
		claims map[string]any
		answer map[string]any
		level  account.Level
	}{
		{"everything is there", nil, nil, account.Verified},
		{"an acr that the contract does not know", map[string]any{"acr": "urn:better"}, nil, account.Simplified},
		{"a document that is missing", nil, map[string]any{"passport": nil}, account.Simplified},
		{"a SNILS with a wrong check digit is still a SNILS to the contract, and none to the account", nil, map[string]any{"snils": ""}, account.Simplified},
		{"a customer whom the bank has not met", nil, map[string]any{"met": false}, account.Simplified},
		{"verified too long ago", nil, map[string]any{"verified_at": clock.Add(-49 * time.Hour).Format(time.RFC3339)}, account.Simplified},
		{"verified in the future", nil, map[string]any{"verified_at": clock.Add(time.Hour).Format(time.RFC3339)}, account.Simplified},
		{"verified nobody knows when", nil, map[string]any{"verified_at": nil}, account.Simplified},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPlayed(t)
			answer := map[string]any{}
			for _, from := range []map[string]any{whole, row.answer} {
				for name, value := range from {
					answer[name] = value
				}
			}
			p.answers["/userinfo"], p.claims = answer, row.claims
			e, err := p.evidence(p.gate(func(c *bank.Config) { c.Contract = contract }))
			if err != nil || e.Level != row.level {
				t.Errorf("it gives %v, %v; want %v", e.Level, err, row.level)
			}
		})
	}
}

func TestL05TokenThatIsNotForThisVisitIsRefused(t *testing.T) {
	for name, claims := range map[string]map[string]any{
		"another audience":      {"aud": "somebody"},
		"another party":         {"aud": []string{"vhod", "somebody"}, "azp": "somebody"},
		"another issuer":        {"iss": "https://other.example"},
		"the nonce of before":   {"nonce": "n-0"},
		"over":                  {"exp": clock.Add(-time.Minute).Unix()},
		"issued long ago":       {"iat": clock.Add(-time.Hour).Unix(), "exp": clock.Add(time.Hour).Unix()},
		"issued in the future":  {"iat": clock.Add(time.Hour).Unix(), "exp": clock.Add(2 * time.Hour).Unix()},
		"of nobody":             {"sub": ""},
		"of another than asked": {"sub": "customer-2"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlayed(t)
			p.claims, p.answers["/userinfo"] = claims, map[string]any{"sub": "customer-1"}
			if _, err := p.evidence(p.gate(nil)); !errors.Is(err, bank.ErrRefused) {
				t.Errorf("it is answered %v", err)
			}
		})
	}
	t.Run("signed by another bank's key", func(t *testing.T) {
		p, other := newPlayed(t), newPlayed(t)
		p.answers["/userinfo"] = map[string]any{"sub": "customer-1"}
		if _, err := p.evidence(p.gate(func(c *bank.Config) { c.Keys = other.url + "/keys" })); !errors.Is(err, bank.ErrRefused) {
			t.Errorf("it is answered %v", err)
		}
	})
}

func TestL07SlowBankHoldsUpNobodyElse(t *testing.T) {
	slow, quick := newPlayed(t), newPlayed(t)
	slow.answers["/userinfo"], quick.answers["/userinfo"] = map[string]any{"sub": "customer-1"}, map[string]any{"sub": "customer-1"}
	slow.silence = make(chan struct{})
	g := slow.gate(nil)
	var waiting sync.WaitGroup
	busy, first := make(chan error, 100), make(chan struct{})
	var once sync.Once
	for range 100 {
		waiting.Go(func() {
			_, err := slow.evidence(g)
			busy <- err
			once.Do(func() { close(first) })
		})
	}
	<-first // the one beyond the last place is told at once
	if err := <-busy; !errors.Is(err, bank.ErrBusy) || !bank.IsDown(err) {
		t.Errorf("the one who found no place is told %v", err)
	}
	if _, err := quick.evidence(quick.gate(nil)); err != nil {
		t.Errorf("the other bank: %v", err)
	}
	close(slow.silence)
	waiting.Wait()
}

func TestConfigurationSaysWhatIsWrongWithIt(t *testing.T) {
	for want, change := range map[string]func(*bank.Config){
		"client_id":         func(c *bank.Config) { c.ClientID = "" },
		"are all given":     func(c *bank.Config) { c.Token = "" },
		"keys is needed":    func(c *bank.Config) { c.Keys = "" },
		"needs a token end": func(c *bank.Config) { c.Unsigned = true },
		"auth":              func(c *bank.Config) { c.Auth = "none" },
		"private_key":       func(c *bank.Config) { c.Auth = bank.AuthPrivateKey },
		`no attribute "x"`:  func(c *bank.Config) { c.Claims = map[string]string{"x": "y"} },
		"no transform":      func(c *bank.Config) { c.Claims = map[string]string{"snils": "a | rot13"} },
		"empty part":        func(c *bank.Config) { c.Claims = map[string]string{"snils": "a..b"} },
		"contract.require":  func(c *bank.Config) { c.Contract.Require = []string{"y"} },
	} {
		cfg := bank.Config{ID: "b", Issuer: "https://bank.example", ClientID: "vhod",
			Authorization: "http://b/a", Token: "http://b/t", Userinfo: "http://b/u", Keys: "http://b/k"}
		change(&cfg)
		if _, err := bank.New(cfg, "https://id.example/cb", time.Now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func FuzzAnswersOfABankAreUnderstoodOrLeftOut(f *testing.F) {
	f.Add(`{"sub":"customer-1","snils":"11223344595","passport":{"number":1}}`)
	f.Add(`{"sub":{"sub":[]},"birthdate":"1990-13-05","passport":"no"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var answer map[string]any
		if json.Unmarshal([]byte(text), &answer) != nil || answer == nil {
			return
		}
		p := newPlayed(t)
		p.answers["/userinfo"] = answer
		e, err := p.evidence(p.gate(nil))
		if err == nil && e.Claims.Subject != "customer-1" {
			t.Error(fmt.Errorf("evidence of %q", e.Claims.Subject))
		}
	})
}
