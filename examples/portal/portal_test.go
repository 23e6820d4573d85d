package portal_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/examples/portal"
)

// stage is a portal, its provider and a browser.
type stage struct {
	t       *testing.T
	op      *provider
	portal  string
	browser *http.Client
	now     time.Time
}

func open(t *testing.T, sealed bool) *stage {
	t.Helper()
	s := &stage{t: t, now: time.Now()}
	clock := func() time.Time { return s.now }
	s.op = newProvider(t, sealed, clock)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: "portal-1", Algorithm: "ES256", Use: "sig"}
	s.op.client = key.Public()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s.portal, s.op.origin = server.URL, server.URL
	p, err := portal.New(portal.Config{Origin: server.URL, Issuer: s.op.url, ClientID: "portal", Key: key, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	handler = p.Handler()
	s.browser = newBrowser(t)
	return s
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

var pageName = regexp.MustCompile(`data-page="([^"]+)"`)

// get and post follow redirects and return the name and text of the page where they end.
func (s *stage) get(path string) (name, text string) {
	s.t.Helper()
	return s.read(s.browser.Get(s.portal + path))
}

func (s *stage) post(path string, form url.Values) (name, text string) {
	s.t.Helper()
	return s.read(s.browser.PostForm(s.portal+path, form))
}

func (s *stage) read(resp *http.Response, err error) (name, text string) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if m := pageName.FindSubmatch(body); m != nil {
		name = string(m[1])
	}
	return name, html.UnescapeString(string(body))
}

// raise plays the person who raises their level when a service asks for it.
func (s *stage) raise(level string) {
	s.op.level = level
	s.op.claims["account_level"] = level
	s.op.claims["name"] = "Петрова Анна Ивановна"
	s.op.claims["birthdate"] = "1990-01-02"
	s.op.claims["snils"] = "11223344595"
	s.op.claims["inn"] = "771012345678"
}

func TestAPersonSignsInWithAndWithoutPushedRequestsAndDPoP(t *testing.T) {
	for name, sealed := range map[string]bool{"plain": false, "PAR and DPoP": true} {
		t.Run(name, func(t *testing.T) {
			s := open(t, sealed)
			if page, html := s.get("/"); page != "portal-home" || !strings.Contains(html, `data-action="sign-in"`) {
				t.Fatal(html)
			}
			page, html := s.get("/sign-in")
			if page != "portal-me" || !strings.Contains(html, "+79001234567") || !strings.Contains(html, "упрощённый") {
				t.Fatal(html)
			}
			if strings.Contains(html, "привязан к ключу") != sealed {
				t.Error("the page says otherwise of the token's key")
			}
			if s.op.askedLevel() != "" {
				t.Error("a plain sign-in asked for a level")
			}
			if page, html := s.get("/"); !strings.Contains(html, `data-action="sign-out"`) {
				t.Errorf("%s: %s", page, html)
			}
		})
	}
}

func TestAServiceAsksForTheLevelItNeeds(t *testing.T) {
	s := open(t, true)
	s.get("/sign-in")
	if page, html := s.get("/certificate"); page != "portal-error" || !strings.Contains(html, `data-error="unmet_authentication_requirements"`) {
		t.Errorf("a provider that ignores the essential acr was believed: %s", html)
	}
	if s.op.askedLevel() != "standard" {
		t.Errorf("asked for %q", s.op.askedLevel())
	}
	s.raise("standard")
	page, html := s.get("/certificate")
	if page != "portal-certificate" || !strings.Contains(html, "112-233-445 95") || !strings.Contains(html, "02.01.1990") {
		t.Fatal(html)
	}
	if page, html = s.post("/certificate", url.Values{"purpose": {"work"}}); page != "portal-certificate-done" || !strings.Contains(html, "по месту работы") {
		t.Error(html)
	}
}

func TestFinesNeedAVerifiedAccountAndArePaidOnce(t *testing.T) {
	s := open(t, true)
	s.raise("verified")
	page, html := s.get("/fines")
	if page != "portal-fines" || s.op.askedLevel() != "verified" || !strings.Contains(s.op.asked.Get("scope"), "inn") {
		t.Fatal(html)
	}
	fine := regexp.MustCompile(`name="fine" value="(\d+)"`).FindStringSubmatch(html)[1]
	if page, html = s.post("/fines/pay", url.Values{"fine": {fine}}); page != "portal-paid" || !strings.Contains(html, "Квитанция") {
		t.Fatal(html)
	}
	if page, _ = s.post("/fines/pay", url.Values{"fine": {fine}}); page != "portal-error" {
		t.Errorf("paid twice: %s", page)
	}
	if _, html = s.get("/fines"); !strings.Contains(html, "data-paid") || strings.Contains(html, `value="`+fine+`"`) {
		t.Error("the paid fine is offered again")
	}
}

func TestWhatWasGivenBeforeIsAskedAgainWithWhatIsNew(t *testing.T) {
	s := open(t, false)
	s.raise("verified")
	s.get("/certificate")
	s.get("/fines")
	for _, scope := range []string{"openid", "snils", "inn"} {
		if !strings.Contains(s.op.asked.Get("scope"), scope) {
			t.Errorf("scope %q lacks %s", s.op.asked.Get("scope"), scope)
		}
	}
}

func TestAnotherPersonsPapersAreNotShown(t *testing.T) {
	s := open(t, false)
	s.raise("standard")
	s.get("/certificate")
	resp, err := s.browser.PostForm(s.portal+"/certificate", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	done := resp.Request.URL.RequestURI()
	if page, _ := s.get(done); page != "portal-certificate-done" {
		t.Fatalf("%s for the owner", page)
	}
	s.browser = newBrowser(t)
	if page, _ := s.get(done); page != "portal-error" {
		t.Errorf("%s for a stranger", page)
	}
}

func TestErrorsOfTheProviderAreToldToAPerson(t *testing.T) {
	for code, says := range map[string]string{
		"access_denied":                     "Вход отменён",
		"unmet_authentication_requirements": "уровень выше",
		"temporarily_unavailable":           "Не получилось войти",
	} {
		s := open(t, false)
		s.op.refuse = code
		page, html := s.get("/sign-in")
		if page != "portal-error" || !strings.Contains(html, says) || !strings.Contains(html, `data-action="continue"`) {
			t.Errorf("%s: %s", code, html)
		}
	}
}

func TestADoubtfulIDTokenSignsNobodyIn(t *testing.T) {
	for claim, value := range map[string]any{"aud": "another", "nonce": "another", "iss": "http://another.example", "exp": 1, "sub": "s2"} {
		s := open(t, false)
		s.op.spoil = map[string]any{claim: value}
		if page, html := s.get("/sign-in"); page != "portal-error" {
			t.Errorf("%s: %s", claim, html)
		}
		if _, html := s.get("/"); strings.Contains(html, `data-action="sign-out"`) {
			t.Errorf("%s: signed in", claim)
		}
	}
}

func TestAnAnswerOfAnotherBrowserOrIssuerIsRefused(t *testing.T) {
	s := open(t, false)
	s.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/callback") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	start := func() *url.URL {
		resp, err := s.browser.Get(s.portal + "/sign-in")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		back, err := resp.Location()
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	back := start()
	stranger := *s
	stranger.browser = newBrowser(t)
	if page, html := stranger.get(back.RequestURI()); page != "portal-error" || !strings.Contains(html, `data-error="stale"`) {
		t.Errorf("another browser: %s", html)
	}
	q := start().Query()
	q.Set("iss", "http://another.example")
	if page, _ := s.get("/callback?" + q.Encode()); page != "portal-error" {
		t.Errorf("another issuer: %s", page)
	}
	q = start().Query()
	q.Del("iss")
	if page, _ := s.get("/callback?" + q.Encode()); page != "portal-error" {
		t.Errorf("no issuer: %s", page)
	}
}

func TestAWithdrawnConsentSignsThePersonOut(t *testing.T) {
	s := open(t, true)
	s.get("/sign-in")
	s.op.revoked, s.op.refuse = true, "access_denied"
	if page, _ := s.get("/me"); page != "portal-error" {
		t.Errorf("after the refusal: %s", page)
	}
	if _, html := s.get("/"); strings.Contains(html, `data-action="sign-out"`) {
		t.Error("still signed in")
	}
}

func TestAnExpiredTokenIsRenewedByTheProvidersSession(t *testing.T) {
	s := open(t, false)
	s.get("/sign-in")
	s.op.asked = nil
	s.now = s.now.Add(11 * time.Minute)
	if page, _ := s.get("/me"); page != "portal-me" || s.op.asked == nil {
		t.Errorf("%s, asked %v", page, s.op.asked)
	}
}

func TestSigningOutHereAndEverywhere(t *testing.T) {
	s := open(t, false)
	s.get("/sign-in")
	if page, _ := s.post("/sign-out", nil); page != "portal-signed-out" || s.op.ended != nil {
		t.Errorf("here: %s, %v", page, s.op.ended)
	}
	s.get("/sign-in")
	if page, _ := s.post("/sign-out/everywhere", nil); page != "portal-signed-out" || s.op.ended.Get("id_token_hint") == "" {
		t.Errorf("everywhere: %s, %v", page, s.op.ended)
	}
	if _, html := s.get("/"); strings.Contains(html, `data-action="sign-out"`) {
		t.Error("still signed in")
	}
}

func TestTheCreationOfAnAccountMayBeAsked(t *testing.T) {
	s := open(t, false)
	s.get("/sign-in?create=1")
	if s.op.asked.Get("prompt") != "create" {
		t.Errorf("%v", s.op.asked)
	}
}

func TestAPostOfAnotherSiteIsRefused(t *testing.T) {
	s := open(t, false)
	r, err := http.NewRequest("POST", s.portal+"/sign-out", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := s.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", resp.StatusCode)
	}
}
