package login_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/keys/cms"
	"github.com/vhod-id/vhod/login"
	"github.com/vhod-id/vhod/login/bank"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage"
	"github.com/vhod-id/vhod/storage/ephemera"
	"github.com/vhod-id/vhod/storage/records"
	"github.com/vhod-id/vhod/storage/storagetest"
	"github.com/vhod-id/vhod/templates"
)

const password = "Тихий-Вечер7 на реке"

func TestMain(m *testing.M) { storagetest.Main(m) }

// house is the front door over real stores, with a provider that a test plays.
type house struct {
	t        *testing.T
	clock    *storagetest.Clock
	accounts *account.Service
	records  *records.Store
	ephemera *ephemera.Store
	provider *provider
	door     *login.Door
	url      string
	asked    registries
	verify   func(message, content []byte, at time.Time) (*cms.Signer, error)
	confirms bool // new browsers are confirmed by a code
}

// registries answers as a test says.
type registries func(account.Application) []account.Check

func (r registries) Check(_ context.Context, app account.Application) []account.Check { return r(app) }

func allMatch(app account.Application) []account.Check {
	checks := []account.Check{
		{Registry: account.RegistryPassport, Grade: account.Matches},
		{Registry: account.RegistrySNILS, Grade: account.Matches},
	}
	if !app.INN.IsZero() {
		checks = append(checks, account.Check{Registry: account.RegistryINN, Grade: account.Matches})
	}
	return checks
}

func newHouse(t *testing.T, banks ...bank.Config) *house {
	t.Helper()
	return (&house{t: t, clock: storagetest.NewClock()}).onSQLite(banks...)
}

func (h *house) onSQLite(banks ...bank.Config) *house {
	h.t.Helper()
	var sealer *keys.Sealer
	h.records, h.ephemera, sealer = storagetest.Open(h.t, h.clock.Now)
	return h.open(sealer, banks...)
}

// nodesOnServers are two front doors over the same PostgreSQL and Redis.
func nodesOnServers(t *testing.T) (nodes [2]*house) {
	t.Helper()
	clock, sealer := storagetest.NewClock(), storagetest.Sealer(t)
	postgres, redis := storagetest.Postgres(t), storagetest.Redis(t)
	for i := range nodes {
		h := &house{t: t, clock: clock}
		var err error
		if h.records, err = storage.OpenRecords(t.Context(), storage.Config{URL: postgres, Sealer: sealer, Now: clock.Now}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.records.Close() })
		if h.ephemera, err = storage.OpenEphemera(t.Context(), storage.Config{URL: redis, Sealer: sealer, Now: clock.Now}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.ephemera.Close() })
		nodes[i] = h.open(sealer)
	}
	return nodes
}

// open opens the front door over the stores that the house has.
func (h *house) open(sealer *keys.Sealer, banks ...bank.Config) *house {
	h.t.Helper()
	t := h.t
	h.asked, h.verify = allMatch, noTrust(t).Verify
	server := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h.url = "http://localhost:" + port // a name: passkeys belong to a domain
	h.accounts, err = account.New(account.Config{
		Store: h.records, Sessions: h.records, Outbox: h.records, Cases: h.records, Ephemera: h.ephemera,
		Registries: registries(func(app account.Application) []account.Check { return h.asked(app) }),
		Passwords:  credential.NewHasher(credential.HasherConfig{MemoryKiB: 64, Iterations: 1}),
		Policy:     credential.NewPolicy(credential.PolicyConfig{}), Sealer: sealer, Issuer: h.url, Now: h.clock.Now,
		Places: moscowAndVladivostok(t), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.accounts.Close)
	pages, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	h.provider = &provider{now: h.clock.Now, requests: map[string]*op.AuthRequest{}, client: op.Client{
		ID: "shop", Name: map[string]string{"ru": "Лавка", "en": "Shop"},
		Purpose:      map[string]string{"ru": "Чтобы доставить заказ", "en": "To deliver"},
		RedirectURIs: []string{"https://shop.example/back"},
	}}
	h.door, err = login.New(login.Config{
		Issuer: h.url, Accounts: h.accounts, Provider: func() op.Interaction { return h.provider },
		Ephemera: h.ephemera, Pages: pages, Banks: banks, ConfirmNewBrowsers: h.confirms, PushKey: sealer.VAPID().Public(),
		VerifySignature: func(_ context.Context, message, content []byte, at time.Time) (*cms.Signer, error) {
			return h.verify(message, content, at)
		},
		Services: func() []op.Client {
			return append(slices.Collect(maps.Values(h.provider.others)), h.provider.client)
		},
		Agreements: map[string]string{"terms": "3", "privacy": "2"}, TrustedProxies: []string{"10.0.0.0/8", "fd00::/8"},
		Now: h.clock.Now, Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", h.door.Handler())
	mux.HandleFunc("GET /authorize", h.authorize) // the provider's door, as far as a test needs it
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)
	return h
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (h *house) browser() *browser { return newBrowser(h.t, h.url) }

// authorize does with ?request=ID what op does: decide without showing anything, else enter.
func (h *house) authorize(w http.ResponseWriter, r *http.Request) {
	req, client, err := h.provider.Request(r.Context(), r.FormValue("request"), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	auth, need, err := h.door.Decide(r, client, req)
	if err == nil && auth != nil && need == op.NeedNothing {
		response, err := h.provider.Approve(r.Context(), req.ID, *auth)
		if err == nil {
			http.Redirect(w, r, response.RedirectURI+"?code="+response.Params["code"], http.StatusSeeOther)
			return
		}
	}
	if slices.Contains(req.Prompt, "none") {
		w.Header().Set("X-Need", string(need))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	to, err := h.door.Enter(w, r, client, req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (h *house) find(phone string) *account.Account {
	h.t.Helper()
	a, err := h.records.Find(h.t.Context(), account.Identifier{Kind: account.ByPhone, Value: phone})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// person brings in an account: simplified, with the password of all tests.
func (h *house) person(phone string, change ...func(*account.Account)) *account.Account {
	h.t.Helper()
	a := account.Account{
		Level: account.Simplified, Lang: "ru", Unseen: true,
		Phone: account.Contact{Value: phone, ConfirmedAt: h.clock.Now()},
		Email: account.Contact{Value: "a" + phone[8:] + "@example.ru", ConfirmedAt: h.clock.Now()},
	}
	for _, c := range change {
		c(&a)
	}
	stored, err := h.accounts.Import(h.t.Context(), account.Import{Account: a, Password: password, Reason: "test"})
	if err != nil {
		h.t.Fatal(err)
	}
	return stored
}

const secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

func withTOTP(a *account.Account) {
	a.TOTP = []credential.TOTP{{ID: "app", Name: "Телефон", Secret: keys.NewSecret(secret)}}
}

// code is what the app shows now.
func (h *house) code(secret string) string {
	h.t.Helper()
	code, err := totp.GenerateCode(secret, h.clock.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

// notices takes everything that is owed to be sent, oldest first.
func (h *house) notices() []account.Notice {
	h.t.Helper()
	tasks, err := h.records.Lease(h.t.Context(), []account.TaskKind{account.OwedNotice}, h.clock.Now(), time.Hour, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	var out []account.Notice
	for _, task := range tasks {
		var n account.Notice
		if err := json.Unmarshal(task.Payload, &n); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, n)
		if err := h.records.Pay(h.t.Context(), task.ID); err != nil {
			h.t.Fatal(err)
		}
	}
	return out
}

// sent returns the code and link that went to an address.
func (h *house) sent(to string) (code, link string) {
	h.t.Helper()
	for _, n := range h.notices() {
		if n.To == to && n.Args["Code"] != "" {
			code, link = n.Args["Code"], n.Args["Link"]
		}
	}
	if code == "" {
		h.t.Fatalf("no code was sent to %s", to)
	}
	return code, link
}

// settle makes the browsers in which a person was seen ones that they have used for long.
func (h *house) settle(phone string) {
	h.t.Helper()
	err := h.records.Update(h.t.Context(), h.find(phone).ID, func(a *account.Account) error {
		for i := range a.Browsers {
			a.Browsers[i].FirstAt = h.clock.Now().Add(-account.SettleAfter)
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// home is a browser that a person has used for long, and signed out in.
func (h *house) home(phone string) *browser {
	h.t.Helper()
	b, id := h.browser().open("/login"), h.find(phone).ID
	cookie := keys.RandomHandle()
	b.http.Jar.SetCookies(b.at, []*http.Cookie{{Name: "vhod-browser", Value: cookie, Path: "/"}})
	err := h.records.Update(h.t.Context(), id, func(a *account.Account) error {
		seen := account.Browser{Hash: keys.Hash(cookie + "/" + string(id)), FirstAt: h.clock.Now().Add(-account.SettleAfter), LastAt: h.clock.Now()}
		a.Browsers, a.Unseen = append(a.Browsers, seen), false
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// signIn signs a person in, in a browser that they have used for long, and returns it in the cabinet.
func (h *house) signIn(phone string) *browser {
	h.t.Helper()
	b := h.browser().open("/login").on("identify").fill("continue", "identifier", phone).on("password")
	b.fill("continue", "password", password).on("me")
	h.settle(phone)
	return b
}

// request is a waiting authorization request.
func (h *house) request(change ...func(*op.AuthRequest)) string {
	req := &op.AuthRequest{
		ID: keys.RandomID(), ClientID: "shop", RedirectURI: "https://shop.example/back", ResponseMode: "query",
		Scopes: []string{"openid", "phone"}, State: "xyz", CreatedAt: h.clock.Now(),
	}
	for _, c := range change {
		c(req)
	}
	h.provider.mu.Lock()
	defer h.provider.mu.Unlock()
	h.provider.requests[req.ID] = req
	return "/authorize?request=" + req.ID
}

// provider is op.Interaction as a test plays it: it spends a request once.
type provider struct {
	now      func() time.Time
	mu       sync.Mutex
	client   op.Client
	others   map[string]op.Client // beside it
	released []op.Released        // instead of the usual
	requests map[string]*op.AuthRequest
	approved []op.Authentication
	denied   []string
	hushed   []string
	slow     time.Duration
	met      func(*op.AuthRequest, op.Authentication) bool
}

func (p *provider) Request(_ context.Context, id string, kept *op.AuthRequest) (*op.AuthRequest, *op.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	req, ok := p.requests[id]
	if kept != nil && kept.ID == id {
		req, ok = kept, p.now().Before(kept.Until())
	}
	if !ok {
		return nil, nil, account.ErrNotFound
	}
	client, other := p.others[req.ClientID]
	if !other {
		client = p.client
	}
	return req, &client, nil
}

func (p *provider) Extend(_ context.Context, id string) (*op.AuthRequest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	req, ok := p.requests[id]
	if !ok {
		return nil, account.ErrNotFound
	}
	longer := *req
	longer.ExpiresAt = p.now().Add(time.Hour)
	p.requests[id] = &longer
	return &longer, nil
}

func (p *provider) DeviceRequest(_ context.Context, typed string) (string, error) {
	code, _ := op.ParseUserCode(typed)
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, req := range p.requests {
		if req.Remote != nil && req.Remote.UserCode == code {
			return id, nil
		}
	}
	return "", account.ErrNotFound
}

func (p *provider) Asked(_ context.Context, id account.ID) ([]op.Asking, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []op.Asking
	for _, req := range p.requests {
		if req.Remote != nil && req.Remote.Kind == op.RemoteCall && req.HintSubject == string(id) {
			out = append(out, op.Asking{ID: req.ID, Client: &p.client, Message: req.Remote.Message, At: req.CreatedAt, Until: req.Remote.Until})
		}
	}
	return out, nil
}

func (p *provider) Farewells(_ context.Context, ended op.EndedSession) ([]string, error) {
	if ended.ID == "" || p.client.FrontchannelLogoutURI == "" {
		return nil, nil
	}
	return []string{p.client.FrontchannelLogoutURI + "?sid=" + ended.ID}, nil
}

func (p *provider) Hush(_ context.Context, _ account.ID, client string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hushed = append(p.hushed, client)
	return nil
}

func (p *provider) Released(_ context.Context, _ *op.Client, _ *op.AuthRequest, a *account.Account) ([]op.Released, error) {
	if p.released != nil {
		return p.released, nil
	}
	return []op.Released{
		{Claim: "phone_number", Value: a.Phone.Value, Essential: true},
		{Claim: "family_name", Missing: true, Needs: account.Standard},
	}, nil
}

func (p *provider) Covered(client *op.Client, req *op.AuthRequest, a *account.Account) bool {
	return a.GrantFor(client.ID, req.Customer) != nil && len(req.Details) == 0 && !slices.Contains(req.Prompt, "consent")
}

func (p *provider) Met(req *op.AuthRequest, auth op.Authentication) bool {
	return p.met == nil || p.met(req, auth)
}

func (p *provider) Approve(_ context.Context, id string, auth op.Authentication) (op.Response, error) {
	req, err := p.spend(id)
	if err != nil {
		return op.Response{}, err
	}
	time.Sleep(p.slow)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.approved = append(p.approved, auth)
	return answerTo(req, map[string]string{"code": "code-" + req.ID, "state": req.State}), nil
}

func (p *provider) Deny(_ context.Context, id, code, _ string) (op.Response, error) {
	req, err := p.spend(id)
	if err != nil {
		return op.Response{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.denied = append(p.denied, code)
	return answerTo(req, map[string]string{"error": code, "state": req.State}), nil
}

func answerTo(req *op.AuthRequest, params map[string]string) op.Response {
	if req.Remote != nil {
		params["kind"] = string(req.Remote.Kind)
	}
	return op.Response{RedirectURI: req.RedirectURI, Mode: req.ResponseMode, Params: params}
}

func (p *provider) spend(id string) (*op.AuthRequest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	req, ok := p.requests[id]
	if !ok {
		return nil, account.ErrNotFound
	}
	delete(p.requests, id)
	return req, nil
}

func (p *provider) approvals() []op.Authentication {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.approved)
}

// answered returns the parameters that the service got.
func (b *browser) answered() url.Values {
	b.t.Helper()
	if b.left == nil {
		b.t.Fatalf("the browser did not return to the service but shows %q (%d):\n%s", b.name(), b.status, b.text)
	}
	return b.left.Query()
}
