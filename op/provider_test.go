package op_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// house is a provider on real stores with a front door whose person is always there and agrees.
type house struct {
	t        *testing.T
	clock    *storagetest.Clock
	provider *op.Provider
	accounts *account.Service
	person   *account.Account
	front    *front
}

// front is a front door that signs its person in without a page.
type front struct {
	auth    *op.Authentication // nil: nobody is signed in
	entered *op.AuthRequest    // the last request that somebody had to act for
	shown   op.Diagnosis       // the last error page
}

func (f *front) Decide(*http.Request, *op.Client, *op.AuthRequest) (*op.Authentication, op.Need, error) {
	if f.auth == nil {
		return nil, op.NeedLogin, nil
	}
	return f.auth, op.NeedNothing, nil
}

func (f *front) Enter(_ http.ResponseWriter, _ *http.Request, _ *op.Client, req *op.AuthRequest) (string, error) {
	f.entered = req
	return "/login?attempt=1", nil
}

func (f *front) SignOut(http.ResponseWriter, *http.Request) (op.EndedSession, error) {
	f.auth = nil
	return op.EndedSession{}, nil
}

func (f *front) ConfirmSignOut(w http.ResponseWriter, _ *http.Request, _ *op.Client, _ map[string]string) error {
	_, err := io.WriteString(w, "sign out?")
	return err
}

func (f *front) SignedOut(w http.ResponseWriter, _ *http.Request, _ op.Farewell) error {
	_, err := io.WriteString(w, "signed out")
	return err
}

func (f *front) Error(w http.ResponseWriter, _ *http.Request, status int, d op.Diagnosis) {
	f.shown = d
	w.WriteHeader(status)
}

const callback = "http://localhost:8090/callback"

// sampleClients are one of each kind; their secrets are ID-secret.
func sampleClients() []op.Client {
	secret := func(id string) []op.ClientSecret { return []op.ClientSecret{{Hash: keys.Hash(id + "-secret")}} }
	all := []string{"openid", "profile", "phone", "email", "level", "offline_access"}
	code := []string{"authorization_code", "refresh_token"}
	return []op.Client{
		{ID: "web", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: secret("web"), RedirectURIs: []string{callback}, GrantTypes: code, Scopes: all},
		{ID: "other", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: secret("other"), RedirectURIs: []string{callback}, GrantTypes: code, Scopes: all},
		{ID: "strict", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: secret("strict"), RedirectURIs: []string{callback}, GrantTypes: code, Scopes: all, RequirePAR: true},
		{ID: "spa", Profile: op.ProfileOIDC, Auth: []string{op.AuthNone}, RedirectURIs: []string{callback}, GrantTypes: code, Scopes: all},
	}
}

// newHouse opens a provider with these clients and one person who is signed in.
func newHouse(t *testing.T, clients ...op.Client) *house {
	t.Helper()
	return newHouseWith(t, func(*op.Config) {}, clients...)
}

// newHouseWith is newHouse with a changed configuration of the provider.
func newHouseWith(t *testing.T, change func(*op.Config), clients ...op.Client) *house {
	t.Helper()
	h := &house{t: t, clock: storagetest.NewClock(), front: &front{}}
	records, ephemera, sealer := storagetest.Open(t, h.clock.Now)
	ring, err := keys.NewRing(t.Context(), keys.RingConfig{Store: records, Sealer: sealer, Now: h.clock.Now, Algorithms: []keys.Algorithm{keys.RS256, keys.ES256}})
	must(t, err)
	h.accounts, err = account.New(account.Config{Store: records, Sessions: records, Outbox: records, Cases: records, Ephemera: ephemera, Sealer: sealer,
		Passwords: credential.NewHasher(credential.HasherConfig{MemoryKiB: 64, Iterations: 1}), Policy: credential.NewPolicy(credential.PolicyConfig{}),
		Issuer: issuer, Now: h.clock.Now})
	must(t, err)
	for _, c := range clients {
		must(t, records.PutClient(t.Context(), c))
	}
	h.person, err = h.accounts.Import(t.Context(), account.Import{Account: account.Account{Level: account.Standard, Lang: "ru",
		Phone:  account.Contact{Value: "+79001234567", ConfirmedAt: h.clock.Now()},
		Person: account.Person{FamilyName: "Петрова", GivenName: "Анна"}}, Reason: "test"})
	must(t, err)
	h.front.auth = &op.Authentication{AccountID: h.person.ID, SessionID: "s1", Time: h.clock.Now(), AMR: []string{"pwd"}, Strength: account.OneFactor, Level: account.Standard}
	cfg := op.Config{Issuer: issuer, Accounts: h.accounts, Clients: records, Families: records, Ephemera: ephemera, Outbox: records,
		Ring: ring, Sealer: sealer, Front: func() op.Front { return h.front }, Now: h.clock.Now}
	change(&cfg)
	h.provider, err = op.New(t.Context(), cfg)
	must(t, err)
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wire is an answer of the provider.
type wire struct {
	status int
	header http.Header
	body   map[string]any
}

// back is where the browser was sent.
func (w wire) back() url.Values {
	u, err := url.Parse(w.header.Get("Location"))
	if err != nil {
		return nil
	}
	return u.Query()
}

func (w wire) text(name string) string {
	s, _ := w.body[name].(string)
	return s
}

func (h *house) do(r *http.Request) wire {
	h.t.Helper()
	rec := httptest.NewRecorder()
	h.provider.Handler().ServeHTTP(rec, r)
	out := wire{status: rec.Code, header: rec.Header()}
	if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") {
		must(h.t, json.Unmarshal(rec.Body.Bytes(), &out.body))
	}
	return out
}

// post sends a form as a client that signs in by client_secret_basic; with a name only, as a public one.
func (h *house) post(path, client string, form url.Values) wire {
	h.t.Helper()
	public := client == "spa"
	if public {
		form.Set("client_id", client)
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !public {
		r.SetBasicAuth(client, client+"-secret")
	}
	return h.do(r)
}

func (h *house) authorize(params url.Values) wire {
	h.t.Helper()
	return h.do(httptest.NewRequest(http.MethodGet, "/authorize?"+params.Encode(), nil))
}

// codeRequest is a good authorization request, with these changes ("name", "value", …; an empty value removes).
func codeRequest(client string, changes ...string) url.Values {
	form := url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {callback}, "scope": {"openid phone"}, "state": {"state"},
		"nonce": {"nonce"}, "code_challenge": {s256(verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

const verifier = "verifier-verifier-verifier-verifier-verifier"

// exchange redeems a code.
func (h *house) exchange(client, code string) wire {
	h.t.Helper()
	return h.post("/token", client, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}})
}

// later moves the clock.
func (h *house) later(d time.Duration) { h.clock.Advance(d) }
