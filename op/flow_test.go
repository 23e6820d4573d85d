package op_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/ephemera"
	"github.com/vhod-id/vhod/storage/records"
	"github.com/vhod-id/vhod/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// neighbours is the way out of the tests: to this machine.
var neighbours = op.Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// rig is a provider over real stores, with a front door that lets one person in.
type rig struct {
	t        testing.TB
	provider *op.Provider
	handler  http.Handler
	accounts *account.Service
	records  *records.Store
	ephemera *ephemera.Store
	person   *account.Account
	door     *porter
	clock    *storagetest.Clock
}

// porter is the front door of these tests: whoever asks is the person, as surely as auth says.
type porter struct {
	mu     sync.Mutex
	auth   *op.Authentication
	need   op.Need
	shown  op.Diagnosis
	enters atomic.Int64
	// The last request that somebody had to act for.
	entered *op.AuthRequest
}

func (d *porter) Decide(*http.Request, *op.Client, *op.AuthRequest) (*op.Authentication, op.Need, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.need != op.NeedNothing {
		return nil, d.need, nil
	}
	auth := *d.auth
	return &auth, op.NeedNothing, nil
}

func (d *porter) Enter(_ http.ResponseWriter, _ *http.Request, _ *op.Client, req *op.AuthRequest) (string, error) {
	d.enters.Add(1)
	d.mu.Lock()
	d.entered = req
	d.mu.Unlock()
	return "/login?request=" + req.ID, nil
}

func (d *porter) SignOut(http.ResponseWriter, *http.Request) (op.EndedSession, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return op.EndedSession{Account: d.auth.AccountID, ID: d.auth.SessionID}, nil
}

func (d *porter) ConfirmSignOut(w http.ResponseWriter, _ *http.Request, _ *op.Client, _ map[string]string) error {
	_, err := io.WriteString(w, "confirm")
	return err
}

func (d *porter) SignedOut(w http.ResponseWriter, _ *http.Request, bye op.Farewell) error {
	_, err := io.WriteString(w, strings.Join(append(bye.Frames, "signed out", bye.Continue), " "))
	return err
}

func (d *porter) Error(w http.ResponseWriter, _ *http.Request, status int, diagnosis op.Diagnosis) {
	d.mu.Lock()
	d.shown = diagnosis
	d.mu.Unlock()
	w.WriteHeader(status)
}

// clients that every test has.
func testClients() []op.Client {
	secret := []op.ClientSecret{{Hash: keys.Hash("secret")}}
	web := op.Client{ID: "web", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: secret, RedirectURIs: []string{"https://rp.example/cb"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, IDTokenAlg: "ES256",
		Scopes: []string{"openid", "profile", "email", "phone", "snils", "inn", "id_doc", "level", "offline_access"}}
	other := web
	other.ID, other.RedirectURIs = "other", []string{"https://other.example/cb"}
	spa := web
	spa.ID, spa.Auth, spa.Secrets, spa.RedirectURIs = "spa", []string{op.AuthNone}, nil, []string{"https://spa.example/cb"}
	native := spa
	native.ID, native.Native, native.RedirectURIs = "native", true, []string{"http://127.0.0.1/callback"}
	compat := web
	compat.ID, compat.Profile, compat.Auth = "compat", op.ProfileCompat, []string{op.AuthBasic, op.AuthPost}
	machine := op.Client{ID: "machine", Profile: op.ProfileOIDC, Auth: []string{op.AuthBasic}, Secrets: secret, GrantTypes: []string{"client_credentials"}, Scopes: []string{"api"}}
	return []op.Client{web, other, spa, native, compat, machine}
}

func newRig(t testing.TB) *rig {
	t.Helper()
	clock := storagetest.NewClock()
	rec, eph, sealer := storagetest.Open(t, clock.Now)
	return newRigOn(t, rec, eph, sealer, clock)
}

func newRigOn(t testing.TB, rec *records.Store, eph *ephemera.Store, sealer *keys.Sealer, clock *storagetest.Clock, change ...func(*op.Config)) *rig {
	t.Helper()
	ctx := context.Background()
	accounts, err := account.New(account.Config{Store: rec, Sessions: rec, Outbox: rec, Cases: rec, Ephemera: eph, Sealer: sealer, Issuer: issuer, Now: clock.Now,
		Passwords: credential.NewHasher(credential.HasherConfig{MemoryKiB: 8, Iterations: 1})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(accounts.Close)
	for _, c := range testClients() {
		if err := rec.PutClient(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := keys.NewRing(ctx, keys.RingConfig{Store: rec, Sealer: sealer, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	h := &rig{t: t, accounts: accounts, records: rec, ephemera: eph, clock: clock, door: &porter{}}
	cfg := op.Config{Issuer: issuer, Accounts: accounts, Clients: rec, Families: rec, Ephemera: eph, Outbox: rec, Outbound: neighbours, MTLS: rigMTLS(), Ring: ring, Sealer: sealer,
		Front: func() op.Front { return h.door }, Certificates: true, Now: clock.Now}
	for _, c := range change {
		c(&cfg)
	}
	h.provider, err = op.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.handler = h.provider.Handler()
	h.person = h.newPerson()
	return h
}

func (h *rig) newPerson() *account.Account {
	h.t.Helper()
	now := h.clock.Now()
	person := account.Account{Level: account.Verified, Lang: "ru",
		Phone:  account.Contact{Value: "+79123456789", ConfirmedAt: now},
		Email:  account.Contact{Value: "ivan@mail.example", ConfirmedAt: now},
		Person: account.Person{FamilyName: "Иванов", GivenName: "Иван", MiddleName: "Иванович", Birthdate: account.Date{Year: 1990, Month: 3, Day: 5}, Gender: account.Male}}
	for _, c := range testClients() {
		person.Grants = append(person.Grants, account.Grant{ClientID: c.ID, Scopes: c.Scopes, Since: now, GrantedAt: now})
	}
	a, err := h.accounts.Import(context.Background(), account.Import{Account: person, Reason: "test"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.door.auth = &op.Authentication{AccountID: a.ID, SessionID: "session", Time: now, AMR: []string{"pwd"}, Strength: account.OneFactor, Level: a.Level}
	return a
}

const flowVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge(v string) string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a good authorization request, changed by pairs of a name and a value; an empty value removes.
func request(client op.Client, changes ...string) url.Values {
	v := url.Values{"client_id": {client.ID}, "redirect_uri": {client.RedirectURIs[0]}, "response_type": {"code"}, "scope": {"openid email offline_access"},
		"state": {"st"}, "nonce": {"no"}, "code_challenge": {challenge(flowVerifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			v.Del(changes[i])
		}
	}
	return v
}

func clientOf(id string) op.Client {
	for _, c := range testClients() {
		if c.ID == id {
			return c
		}
	}
	panic(id)
}

// authorize sends an authorization request and returns the parameters that came back to the client, or nil when a page of
// ours was shown.
func (h *rig) authorize(v url.Values) url.Values {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/authorize?"+v.Encode(), nil))
	location := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || strings.HasPrefix(location, "/login") {
		return nil
	}
	u, err := url.Parse(location)
	if err != nil {
		h.t.Fatal(err)
	}
	return u.Query()
}

func (h *rig) code(c op.Client, changes ...string) string {
	h.t.Helper()
	q := h.authorize(request(c, changes...))
	if q.Get("code") == "" {
		h.t.Fatalf("no code: %v", q)
	}
	return q.Get("code")
}

// post sends a form to a back-channel endpoint, as a client with its secret when it has one.
func (h *rig) post(path, clientID string, form url.Values) (int, map[string]any) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	switch {
	case clientID == "spa" || clientID == "native":
		form.Set("client_id", clientID)
		r = httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case clientID != "":
		r.SetBasicAuth(clientID, "secret")
	}
	return h.do(r)
}

func (h *rig) do(r *http.Request) (int, map[string]any) {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	var answer map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	if strings.HasPrefix(r.URL.Path, "/token") && w.Header().Get("Cache-Control") != "no-store" {
		h.t.Errorf("%s answered with Cache-Control %q", r.URL.Path, w.Header().Get("Cache-Control"))
	}
	return w.Code, answer
}

func (h *rig) redeem(c op.Client, code string, changes ...string) (int, map[string]any) {
	h.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.RedirectURIs[0]}, "code_verifier": {flowVerifier}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return h.post("/token", c.ID, form)
}

func (h *rig) tokens(c op.Client, changes ...string) map[string]any {
	h.t.Helper()
	status, answer := h.redeem(c, h.code(c, changes...))
	if status != http.StatusOK {
		h.t.Fatalf("token endpoint: %d %v", status, answer)
	}
	return answer
}

func (h *rig) refresh(c op.Client, token string, changes ...string) (int, map[string]any) {
	h.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return h.post("/token", c.ID, form)
}

func (h *rig) userinfo(token string) (int, map[string]any) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return h.do(r)
}

func str(v any) string { s, _ := v.(string); return s }

// payload reads a token without judging it.
func payload(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWS", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestCodeFlowGivesTokensThatSayWhoAndHow(t *testing.T) {
	h := newRig(t)
	answer := h.tokens(clientOf("web"))
	id := payload(t, str(answer["id_token"]))
	for name, want := range map[string]any{"iss": issuer, "aud": "web", "nonce": "no", "acr": "urn:vhod:acr:verified:1fa", "sid": "session"} {
		if id[name] != want {
			t.Errorf("ID token: %s is %v, want %v", name, id[name], want)
		}
	}
	if _, leaked := id["email"]; leaked {
		t.Error("the ID token holds a claim that was asked for at userinfo")
	}
	status, info := h.userinfo(str(answer["access_token"]))
	if status != http.StatusOK || info["sub"] != id["sub"] || info["email"] != "ivan@mail.example" || info["email_verified"] != true {
		t.Errorf("userinfo: %d %v", status, info)
	}
	if _, more := info["phone_number"]; more {
		t.Errorf("userinfo holds what was not asked for: %v", info)
	}
	if id["sub"] == string(h.person.ID) || id["sub"] == payload(t, str(h.tokens(clientOf("other"))["id_token"]))["sub"] {
		t.Error("sub is the account's id, or the same in two sectors")
	}
}

func TestUsedCodeIsRefusedAndEndsWhatCameOfIt(t *testing.T) {
	h := newRig(t)
	code := h.code(clientOf("web"))
	status, first := h.redeem(clientOf("web"), code)
	if status != http.StatusOK {
		t.Fatalf("first use: %d %v", status, first)
	}
	if status, answer := h.redeem(clientOf("web"), code); status != http.StatusBadRequest || answer["error"] != "invalid_grant" || !strings.HasPrefix(str(answer["error_description"]), "[code.replayed]") {
		t.Errorf("second use: %d %v", status, answer)
	}
	if status, _ := h.userinfo(str(first["access_token"])); status != http.StatusUnauthorized {
		t.Errorf("the access token of a replayed code still works: %d", status)
	}
	if status, answer := h.refresh(clientOf("web"), str(first["refresh_token"])); status != http.StatusBadRequest {
		t.Errorf("the refresh token of a replayed code still works: %d %v", status, answer)
	}
}

func TestOfFiftyParallelUsesOfACodeOneWins(t *testing.T) {
	h := newRig(t)
	code := h.code(clientOf("web"))
	var wins atomic.Int64
	var all sync.WaitGroup
	var winner atomic.Value
	for range 50 {
		all.Go(func() {
			status, answer := h.redeem(clientOf("web"), code)
			if status == http.StatusOK {
				wins.Add(1)
				winner.Store(str(answer["access_token"]))
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d uses won", wins.Load())
	}
	// A loser may have been first to look: it looks again while Run runs.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = h.provider.Run(ctx) }()
	for range 100 {
		if status, _ := h.userinfo(winner.Load().(string)); status == http.StatusUnauthorized {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("the family of a replayed code still stands")
}

func TestCodeIsRefusedToWhomItWasNotIssued(t *testing.T) {
	for _, row := range []struct {
		name    string
		client  string
		changes []string
	}{
		{"another client", "other", nil},
		{"another redirect URI", "web", []string{"redirect_uri", "https://rp.example/cb2"}},
		{"no redirect URI", "web", []string{"redirect_uri", ""}},
		{"no flowVerifier", "web", []string{"code_verifier", ""}},
		{"another flowVerifier", "web", []string{"code_verifier", strings.Repeat("a", 43)}},
		{"short flowVerifier", "web", []string{"code_verifier", strings.Repeat("a", 42)}},
		{"long flowVerifier", "web", []string{"code_verifier", strings.Repeat("a", 129)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newRig(t)
			code := h.code(clientOf("web"))
			if status, answer := h.redeem(clientOf(row.client), code, row.changes...); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
				t.Errorf("got %d %v", status, answer)
			}
			if status, _ := h.redeem(clientOf("web"), code); status == http.StatusOK {
				t.Error("the code lives on after a wrong use")
			}
		})
	}
}

func TestCodeEndsAfterAMinute(t *testing.T) {
	h := newRig(t)
	code := h.code(clientOf("web"))
	h.clock.Advance(63 * time.Second)
	if status, answer := h.redeem(clientOf("web"), code); status != http.StatusBadRequest || answer["error"] != "invalid_grant" ||
		!strings.HasPrefix(str(answer["error_description"]), "[code.expired] the code expired 3 s ago") {
		t.Errorf("got %d %v", status, answer)
	}
	code = h.code(clientOf("web"))
	h.clock.Advance(10 * time.Minute)
	if status, answer := h.redeem(clientOf("web"), code); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("long after: %d %v", status, answer)
	}
}

func TestUsedRefreshTokenKillsItsFamily(t *testing.T) {
	h := newRig(t)
	first := h.tokens(clientOf("web"))
	status, second := h.refresh(clientOf("web"), str(first["refresh_token"]))
	if status != http.StatusOK || second["refresh_token"] == first["refresh_token"] || second["id_token"] == nil {
		t.Fatalf("refresh: %d %v", status, second)
	}
	if payload(t, str(second["id_token"]))["auth_time"] != payload(t, str(first["id_token"]))["auth_time"] {
		t.Error("auth_time changed by a refresh")
	}
	if status, answer := h.refresh(clientOf("web"), str(first["refresh_token"])); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("replay: %d %v", status, answer)
	}
	if status, _ := h.refresh(clientOf("web"), str(second["refresh_token"])); status != http.StatusBadRequest {
		t.Error("the successor outlived the replay")
	}
	if status, _ := h.userinfo(str(second["access_token"])); status != http.StatusUnauthorized {
		t.Error("the access token outlived the replay")
	}
	events, err := h.accounts.Journal(t.Context(), h.person.ID, 0, 10)
	if err != nil || len(events) == 0 || events[0].Kind != account.TokensEnded {
		t.Errorf("the replay is not in the person's journal: %v %v", events, err)
	}
}

func TestMadeUpRefreshTokenEndsNobodysFamily(t *testing.T) {
	h := newRig(t)
	tokens := h.tokens(clientOf("web"))
	parts := strings.Split(str(tokens["refresh_token"]), ".")
	forged := keys.NewToken(keys.PrefixRefreshToken) + "." + strings.Join(parts[1:], ".")
	if status, _ := h.refresh(clientOf("web"), forged); status != http.StatusBadRequest {
		t.Error("a made up token is accepted")
	}
	if status, answer := h.refresh(clientOf("web"), str(tokens["refresh_token"])); status != http.StatusOK {
		t.Errorf("a made up token ended the family: %v", answer)
	}
}

func TestOfFiftyParallelRefreshesAtMostOneWins(t *testing.T) {
	h := newRig(t)
	token := str(h.tokens(clientOf("spa"))["refresh_token"])
	var wins atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if status, _ := h.refresh(clientOf("spa"), token); status == http.StatusOK {
				wins.Add(1)
			}
		})
	}
	all.Wait()
	if wins.Load() > 1 {
		t.Errorf("%d refreshes won", wins.Load())
	}
}

func TestRefreshNarrowsAndNeverWidens(t *testing.T) {
	h := newRig(t)
	token := str(h.tokens(clientOf("web"))["refresh_token"])
	if status, answer := h.refresh(clientOf("web"), token, "scope", "openid phone"); status != http.StatusBadRequest || answer["error"] != "invalid_scope" {
		t.Errorf("wider: %d %v", status, answer)
	}
	status, narrow := h.refresh(clientOf("web"), token, "scope", "openid")
	if status != http.StatusOK || narrow["scope"] != "openid" {
		t.Fatalf("narrower: %d %v", status, narrow)
	}
	if _, whole := h.refresh(clientOf("web"), str(narrow["refresh_token"])); whole["scope"] != "openid email offline_access" {
		t.Errorf("a narrow refresh narrowed the grant: %v", whole["scope"])
	}
}

func TestASignedOutDateSparesWhatOneSessionGranted(t *testing.T) {
	h := newRig(t)
	spared := h.tokens(clientOf("web"))
	h.door.auth.SessionID = "other"
	other := h.tokens(clientOf("web"))
	h.clock.Advance(time.Second)
	must(t, h.records.Update(t.Context(), h.person.ID, func(a *account.Account) error {
		a.SignedOutAt, a.Spared = h.clock.Now(), "session"
		return nil
	}))
	if status, _ := h.userinfo(str(spared["access_token"])); status != http.StatusOK {
		t.Errorf("of the spared session: %d", status)
	}
	if status, answer := h.refresh(clientOf("web"), str(other["refresh_token"])); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("of another: %d %v", status, answer)
	}
	h.door.auth.SessionID = "session"
	if again := h.tokens(clientOf("web")); again["access_token"] == nil {
		t.Error("the spared session grants nothing any more")
	}
}

func TestWhatIsGrantedOnASharedComputerEndsWithItsSession(t *testing.T) {
	h := newRig(t)
	h.door.auth.Until = h.clock.Now().Add(30 * time.Minute)
	tokens := h.tokens(clientOf("web"))
	h.clock.Advance(29 * time.Minute)
	status, answer := h.refresh(clientOf("web"), str(tokens["refresh_token"]))
	if status != http.StatusOK {
		t.Fatalf("within the session: %d %v", status, answer)
	}
	h.clock.Advance(time.Minute)
	if status, answer := h.refresh(clientOf("web"), str(answer["refresh_token"])); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("after it: %d %v", status, answer)
	}
}

func TestALostLevelShowsAtTheNextRefresh(t *testing.T) {
	h := newRig(t)
	tokens := h.tokens(clientOf("web"))
	must(t, h.records.Update(t.Context(), h.person.ID, func(a *account.Account) error {
		a.Level = account.Simplified
		return nil
	}))
	status, fresh := h.refresh(clientOf("web"), str(tokens["refresh_token"]))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, fresh)
	}
	_, seen := h.post("/introspect", "web", url.Values{"token": {str(fresh["access_token"])}})
	if want := "urn:vhod:acr:simplified:1fa"; seen["acr"] != want {
		t.Errorf("acr is %v, not %s", seen["acr"], want)
	}
}

func TestGrantDiesWithWhatItStoodOn(t *testing.T) {
	ctx := context.Background()
	for name, end := range map[string]func(h *rig) error{
		"consent withdrawn": func(h *rig) error { return h.accounts.WithdrawGrant(ctx, h.person.ID, "web", account.Origin{}) },
		"account locked":    func(h *rig) error { return h.accounts.Lock(ctx, h.person.ID, "person", "", account.Origin{}) },
		"password reset": func(h *rig) error {
			return h.accounts.ResetPassword(ctx, h.person.ID, "Тихая-Гавань7 у моря", account.Origin{})
		},
		"withdrawn and given anew": func(h *rig) error {
			if err := h.accounts.WithdrawGrant(ctx, h.person.ID, "web", account.Origin{}); err != nil {
				return err
			}
			h.clock.Advance(time.Second)
			return h.accounts.GrantTo(ctx, h.person.ID, account.Grant{ClientID: "web", Scopes: []string{"openid", "email", "offline_access"}}, account.Origin{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newRig(t)
			tokens := h.tokens(clientOf("web"))
			h.clock.Advance(time.Second)
			if err := end(h); err != nil {
				t.Fatal(err)
			}
			if status, _ := h.userinfo(str(tokens["access_token"])); status != http.StatusUnauthorized {
				t.Errorf("userinfo answers %d", status)
			}
			if status, answer := h.refresh(clientOf("web"), str(tokens["refresh_token"])); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
				t.Errorf("refresh answers %d %v", status, answer)
			}
			_, seen := h.post("/introspect", "web", url.Values{"token": {str(tokens["access_token"])}})
			if seen["active"] != false {
				t.Errorf("introspection says %v", seen)
			}
		})
	}
}

func TestIntrospectionShowsAClientItsOwnTokensAlone(t *testing.T) {
	h := newRig(t)
	tokens := h.tokens(clientOf("web"))
	for _, name := range []string{"access_token", "refresh_token"} {
		if _, own := h.post("/introspect", "web", url.Values{"token": {str(tokens[name])}}); own["active"] != true || own["client_id"] != "web" {
			t.Errorf("own %s: %v", name, own)
		}
		if _, foreign := h.post("/introspect", "other", url.Values{"token": {str(tokens[name])}}); len(foreign) != 1 || foreign["active"] != false {
			t.Errorf("another client's %s: %v", name, foreign)
		}
	}
	if status, none := h.post("/introspect", "web", url.Values{}); status != http.StatusBadRequest || none["error"] != "invalid_request" {
		t.Errorf("without a token: %d %v", status, none)
	}
	if _, id := h.post("/introspect", "web", url.Values{"token": {str(tokens["id_token"])}}); id["active"] != false {
		t.Errorf("an ID token passes for an access token: %v", id)
	}
	if status, _ := h.post("/introspect", "", url.Values{"token": {"x"}}); status != http.StatusUnauthorized {
		t.Errorf("without a client: %d", status)
	}
}

func TestRevokingEitherTokenEndsBoth(t *testing.T) {
	for _, name := range []string{"access_token", "refresh_token"} {
		h := newRig(t)
		tokens := h.tokens(clientOf("web"))
		if status, _ := h.post("/revoke", "other", url.Values{"token": {str(tokens[name])}}); status != http.StatusOK {
			t.Errorf("another client's token: %d", status)
		}
		if status, _ := h.userinfo(str(tokens["access_token"])); status != http.StatusOK {
			t.Fatal("another client revoked the token")
		}
		if status, _ := h.post("/revoke", "web", url.Values{"token": {str(tokens[name])}}); status != http.StatusOK {
			t.Errorf("own token: %d", status)
		}
		if status, _ := h.userinfo(str(tokens["access_token"])); status != http.StatusUnauthorized {
			t.Errorf("after revoking the %s userinfo answers %d", name, status)
		}
		if status, _ := h.refresh(clientOf("web"), str(tokens["refresh_token"])); status == http.StatusOK {
			t.Errorf("after revoking the %s the refresh token works", name)
		}
	}
}

func TestClientCredentialsAreForClientsAlone(t *testing.T) {
	h := newRig(t)
	status, answer := h.post("/token", "machine", url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}})
	if status != http.StatusOK || answer["refresh_token"] != nil || payload(t, str(answer["access_token"]))["sub"] != "machine" {
		t.Fatalf("got %d %v", status, answer)
	}
	if status, _ := h.userinfo(str(answer["access_token"])); status != http.StatusForbidden {
		t.Errorf("userinfo for a machine: %d", status)
	}
	if status, answer := h.post("/token", "web", url.Values{"grant_type": {"client_credentials"}}); answer["error"] != "unauthorized_client" {
		t.Errorf("a client without the grant: %d %v", status, answer)
	}
	if _, answer := h.post("/token", "machine", url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}); answer["error"] != "invalid_scope" {
		t.Errorf("a person's scope: %v", answer)
	}
}
