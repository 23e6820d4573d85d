package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

func TestPersonSignsInWithPasswordAndEndsInTheirRoom(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000001")
	b := h.browser().open("/me").on("identify")
	b.fill("continue", "identifier", "8 (912) 000-00-01").on("password")
	b.fill("continue", "password", "wrong").on("password")
	if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, `role="alert"`) {
		t.Errorf("a wrong password answers %d without a summary", b.status)
	}
	if b.cookie("vhod-session") != "" {
		t.Error("a wrong password gave a session")
	}
	b.fill("continue", "password", password).on("me")
	b.open("/login").on("me") // who is signed in is not asked again
}

func TestSecondFactorIsAskedBeforeThereIsASession(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000002", withTOTP, func(a *account.Account) { a.Backup = h.accounts.BackupSetOf([]string{"AAAA-BBBB-CCCC-D"}) })
	b := h.browser().open("/login").fill("continue", "identifier", "+79120000002").fill("continue", "password", password).on("totp")
	if b.cookie("vhod-session") != "" {
		t.Fatal("half a sign-in gave a session (F08)")
	}
	attempt := b.attempt()
	for _, path := range []string{"/me", "/login/consent?attempt=" + attempt, "/login/continue?attempt=" + attempt, "/level?attempt=" + attempt, "/protect?attempt=" + attempt} {
		if b.open(path); b.name() == "me" || b.name() == "level" || b.name() == "protect" || b.cookie("vhod-session") != "" {
			t.Errorf("%s let half a sign-in through to %q (F08)", path, b.name())
		}
	}
	b.open("/login/totp?attempt="+attempt).fill("continue", "code", "000000").on("totp")
	code := h.code(secret)
	b.fill("continue", "code", code).on("me")

	other := h.browser().open("/login").fill("continue", "identifier", "+79120000002").fill("continue", "password", password).on("totp")
	other.fill("continue", "code", code).on("totp") // the same code again
	other.fill("other-way").on("backup").fill("continue", "code", "aaaa bbbb cccc d").on("me")
}

func TestSessionCookieChangesAtEveryProof(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000003")
	b := h.signIn("+79120000003")
	first := b.cookie("vhod-session")
	h.clock.Advance(time.Second)
	b.open("/login?reauth=1&return=/me/security").on("password").fill("continue", "password", password).on("me-security")
	if second := b.cookie("vhod-session"); second == first || second == "" {
		t.Error("the cookie did not change at a step up (S01)")
	}
	old := h.browser()
	old.at, _ = url.Parse(h.url)
	old.http.Jar.SetCookies(old.at, []*http.Cookie{{Name: "vhod-session", Value: first, Path: "/"}})
	old.open("/me").on("identify") // the cookie before is dead
}

func TestConsentIsAskedOnceAndAnsweredOnce(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000004")
	b := h.browser().open(h.request()).on("identify")
	if !strings.Contains(b.head.Get("Content-Security-Policy"), "form-action 'self' https://shop.example;") {
		t.Errorf("form-action does not let the browser return: %s", b.head.Get("Content-Security-Policy"))
	}
	b.fill("continue", "identifier", "+79120000004").fill("continue", "password", password).on("consent")
	for _, words := range []string{"Лавка", "Чтобы доставить заказ", "+79120000004"} {
		if !strings.Contains(textOf(b.page), words) {
			t.Errorf("the consent page does not say %q", words)
		}
	}
	if got := b.fill("allow").answered(); got.Get("code") == "" || got.Get("state") != "xyz" {
		t.Errorf("the service got %v", got)
	}
	if got := b.open(h.request()).answered(); got.Get("code") == "" {
		t.Errorf("the second time the service got %v", got)
	}
	auth := h.provider.approvals()[0]
	if auth.Level != account.Simplified || auth.Strength != account.OneFactor || strings.Join(auth.AMR, " ") != "pwd" {
		t.Errorf("the door vouched for %+v", auth)
	}
}

func TestRefusedConsentReturnsAccessDenied(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000005")
	b := h.signIn("+79120000005").open(h.request()).on("consent")
	if got := b.fill("deny").answered().Get("error"); got != "access_denied" {
		t.Errorf("the service got %q", got)
	}
	b.open(h.request()).on("consent")
	cancel := b.find(func(n *htmlNode) bool { return strings.HasPrefix(attr(n, "href"), "/login/cancel") })
	if got := b.open(attr(cancel, "href")).answered().Get("error"); got != "access_denied" {
		t.Errorf("cancelling, the service got %q", got)
	}
}

func TestTwoClicksOnAllowGetOneAnswer(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000006")
	h.provider.slow = 100 * time.Millisecond
	b := h.signIn("+79120000006").open(h.request()).on("consent")
	form := url.Values{"attempt": {b.attempt()}, "answer": {"allow"}}
	answers := make([]string, 4)
	var clicks sync.WaitGroup
	for i := range answers {
		clicks.Go(func() {
			twin := &browser{t: t, http: &http.Client{Jar: b.http.Jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, base: b.base}
			answers[i] = twin.post("/login/consent", form).head.Get("Location")
		})
	}
	clicks.Wait()
	for _, got := range answers {
		if got != answers[0] || !strings.Contains(got, "code=") {
			t.Errorf("the clicks were answered %q", answers)
			break
		}
	}
	if n := len(h.provider.approvals()); n != 1 {
		t.Errorf("%d codes were issued (S08)", n)
	}
}

func TestTwoTabsDoNotSwapTheirRequests(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000007")
	b := h.browser()
	first := b.open(h.request(func(r *op.AuthRequest) { r.State = "one" })).on("identify").attempt()
	b.open(h.request(func(r *op.AuthRequest) { r.State = "two" })).on("identify")
	b.fill("continue", "identifier", "+79120000007").fill("continue", "password", password).on("consent")
	if got := b.fill("allow").answered().Get("state"); got != "two" {
		t.Errorf("the second tab returned with state %q", got)
	}
	// The first tab finds the person signed in and goes on by itself.
	if got := b.open("/login?attempt=" + first).answered().Get("state"); got != "one" {
		t.Errorf("the first tab returned with state %q", got)
	}
}

func TestAttemptOpensOnlyInTheBrowserThatBeganIt(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000008")
	b := h.browser().open(h.request()).on("identify")
	thief := h.browser().open("/login").on("identify") // with a flow cookie of its own
	for _, path := range []string{"/login?attempt=", "/login/password?attempt=", "/login/continue?attempt=", "/login/consent?attempt=", "/login/cancel?attempt=", "/signup?attempt=", "/recovery?attempt="} {
		if thief.open(path + b.attempt()); thief.status != http.StatusGone || thief.name() != "error" {
			t.Errorf("%s opened %q with %d in another browser (S10)", path, thief.name(), thief.status)
		}
	}
	h.clock.Advance(2 * time.Hour)
	if b.open(b.at.String()); b.status != http.StatusGone {
		t.Errorf("an old attempt answers %d", b.status)
	}
}

func TestPromptLoginAsksAgainAndKeepsThePerson(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000009", withTOTP)
	b := h.browser().open("/login").fill("continue", "identifier", "+79120000009").fill("continue", "password", password)
	b.fill("continue", "code", h.code(secret)).on("me")
	h.clock.Advance(10 * time.Minute)
	again := h.request(func(r *op.AuthRequest) { r.Prompt = []string{"login"} })
	b.open(again).on("password")
	b.open("/login?attempt=" + b.attempt()).on("password") // who they are is not asked
	b.fill("continue", "password", password).on("totp").fill("continue", "code", h.code(secret)).on("consent").fill("allow")
	b.answered()
	auth := h.provider.approvals()[0]
	if !auth.Time.Equal(h.clock.Now()) || auth.Strength != account.TwoFactor {
		t.Errorf("after prompt=login the door vouched for %+v", auth)
	}
}

func TestMaxAgeAsksForThePasswordWhenTheSessionIsOlder(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000010")
	b := h.signIn("+79120000010")
	age := time.Minute
	young := func(r *op.AuthRequest) { r.MaxAge = &age }
	b.open(h.request(young)).on("consent")
	h.clock.Advance(2 * time.Minute)
	b.open(h.request(young)).on("password").fill("continue", "password", password).on("consent")
}

func TestPromptNoneIsDecidedWithoutAPage(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000011")
	none := func(r *op.AuthRequest) { r.Prompt = []string{"none"} }
	if got := h.browser().open(h.request(none)).head.Get("X-Need"); got != "login_required" {
		t.Errorf("without a session: %q", got)
	}
	b := h.signIn("+79120000011")
	two := op.ACR{Level: account.Simplified, Strength: account.TwoFactor}
	if got := b.open(h.request(none, func(r *op.AuthRequest) { r.ACR, r.EssentialACR = []op.ACR{two}, true })).head.Get("X-Need"); got != "interaction_required" {
		t.Errorf("with too weak a session: %q", got)
	}
	h.clock.Advance(13 * time.Hour)
	if got := b.open(h.request(none)).head.Get("X-Need"); got != "login_required" {
		t.Errorf("with a session that ended: %q", got)
	}
}

func TestSelectAccountOffersThePersonAndOthers(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000012")
	other := h.person("+79120000013")
	b := h.signIn("+79120000012")
	choose := func(r *op.AuthRequest) { r.Prompt = []string{"select_account"} }
	b.open(h.request(choose)).on("identify").fill("same").on("consent")
	b.open(h.request(choose)).on("identify").fill("continue", "identifier", "+79120000013").on("password")
	b.fill("continue", "password", password).on("consent").fill("allow")
	b.answered()
	if got := h.provider.approvals()[0].AccountID; got != other.ID {
		t.Errorf("the door vouched for %s, not for %s", got, other.ID)
	}
}

func TestServiceThatAsksForTwoFactorsLeadsToTheSetUp(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000014")
	two := op.ACR{Level: account.Simplified, Strength: account.TwoFactor}
	ask := func(r *op.AuthRequest) { r.ACR, r.EssentialACR = []op.ACR{two}, true }
	b := h.signIn("+79120000014").open(h.request(ask)).on("protect")
	b.fill("continue").on("protect-totp")
	offered := strings.ReplaceAll(textOf(b.find(func(n *htmlNode) bool { return has(n, "data-secret") })), " ", "")
	b.fill("continue", "code", "000000").on("protect-totp").fill("continue", "code", h.code(offered)).on("protect-backup")
	if n := strings.Count(b.text, "<li><code>"); n != 10 {
		t.Errorf("%d backup codes are shown", n)
	}
	b.fill("continue").on("consent").fill("allow")
	b.answered()
	if auth := h.provider.approvals()[0]; auth.Strength != account.TwoFactor {
		t.Errorf("the door vouched for %+v", auth)
	}

	h.person("+79120000015")
	b = h.signIn("+79120000015").open(h.request(ask)).on("protect").fill("skip").on("unreachable")
	if got := b.fill("return").answered().Get("error"); got != "unmet_authentication_requirements" {
		t.Errorf("who will not gets %q for the service", got)
	}
}

func TestServiceThatAsksForALevelLeadsToTheLadder(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000016")
	standard := op.ACR{Level: account.Standard, Strength: account.OneFactor}
	essential := func(r *op.AuthRequest) { r.ACR, r.EssentialACR = []op.ACR{standard}, true }
	b := h.signIn("+79120000016")
	b.open(h.request(essential)).on("level").fill("skip").on("unreachable")
	if got := b.fill("return").answered().Get("error"); got != "unmet_authentication_requirements" {
		t.Errorf("who will not gets %q for the service", got)
	}
}

func TestSignedOutBrowserIsSignedOut(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000017")
	b := h.signIn("+79120000017")
	stolen := b.cookie("vhod-session")
	b.open("/logout").on("sign-out").fill("continue").on("signed-out")
	if b.cookie("vhod-session") != "" {
		t.Error("the cookie is still there")
	}
	thief := h.browser()
	thief.at, _ = url.Parse(h.url)
	thief.http.Jar.SetCookies(thief.at, []*http.Cookie{{Name: "vhod-session", Value: stolen, Path: "/"}})
	thief.open("/me").on("identify") // S06
}

func TestPostsOfOtherSitesAreRefused(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000018")
	b := h.browser().open("/login").fill("continue", "identifier", "+79120000018").on("password")
	form := url.Values{"attempt": {b.attempt()}, "password": {password}}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		if b.post("/login/password", form, headers...); b.status != http.StatusForbidden || b.cookie("vhod-session") != "" {
			t.Errorf("a post with %v answers %d (S03)", headers, b.status)
		}
	}
}

func TestPagesSayNothingToFramesCachesAndReferrers(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000019")
	b := h.signIn("+79120000019")
	for _, path := range []string{"/login", "/me", "/me/security", "/signup", "/recovery", "/logout", "/no-such-page", "/level"} {
		head := b.open(path).head
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if head.Get(name) != want {
				t.Errorf("%s has %s: %q", path, name, head.Get(name))
			}
		}
		if csp := head.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s has the policy %q", path, csp)
		}
	}
}

func TestHostileTextIsInert(t *testing.T) {
	h := newHouse(t)
	const hostile = `"><script>alert(1)</script>`
	b := h.browser().open(h.request(func(r *op.AuthRequest) { r.LoginHint = hostile })).on("identify")
	if strings.Contains(b.text, "<script>alert") {
		t.Error("login_hint runs (S05)")
	}
	if b.fill("continue", "identifier", hostile).on("identify"); strings.Contains(b.text, "<script>alert") {
		t.Error("the identifier runs (S05)")
	}
}

func TestLanguageAndThemeStayOnOurOrigin(t *testing.T) {
	h := newHouse(t)
	b := h.browser().open("/signup").on("signup-contact")
	b.post("/lang", url.Values{"lang": {"en"}, "return": {b.at.RequestURI()}}).on("signup-contact")
	if !strings.Contains(b.text, "Your phone and e-mail") {
		t.Error("the page is not in English")
	}
	for _, evil := range []string{"//evil.example", `/\evil.example`, "https:evil.example", "https://evil.example"} {
		if b.post("/theme", url.Values{"theme": {"dark"}, "return": {evil}}); b.left != nil {
			t.Errorf("the theme switch led to %s (P14)", b.left)
		}
	}
	b.open("/login?return=" + url.QueryEscape("//evil.example")).on("identify")
}

// unnamed are the ways in which a page writes a number, each with what to put for it.
func unnamed(phone string) (pairs []string) {
	for _, written := range []string{phone, account.FormatPhone(phone)} {
		pairs = append(pairs, written, "PHONE", url.QueryEscape(written), "PHONE", strings.ReplaceAll(written, "+", "&#43;"), "PHONE")
	}
	return pairs
}

func TestUnknownIdentifierAndWrongPasswordLookAlike(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000020")
	h.person("+79120000021", func(a *account.Account) { a.Status = account.Locked })
	page := func(phone, secret string) string {
		b := h.browser().open("/login").fill("continue", "identifier", phone).fill("continue", "password", secret)
		return strings.NewReplacer(append(unnamed(phone), b.attempt(), "ID")...).Replace(b.text) + b.head.Get("Set-Cookie") + b.at.Path
	}
	known, unknown, locked := page("+79120000020", "wrong"), page("+79120000099", "wrong"), page("+79120000021", "wrong")
	if known != unknown || known != locked {
		t.Errorf("pages differ by whether there is an account (G01, G03):\n%s\n%s\n%s", known, unknown, locked)
	}
	b := h.browser().open("/login").fill("continue", "identifier", "+79120000021").fill("continue", "password", password)
	if b.on("error"); b.status != http.StatusForbidden {
		t.Errorf("the owner of a locked account is answered %d", b.status)
	}
}

func TestManyWrongPasswordsMustWait(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000022")
	b := h.browser().open("/login").fill("continue", "identifier", "+79120000022")
	for range 30 {
		if b.fill("continue", "password", "wrong").on("password"); b.status == http.StatusTooManyRequests {
			break
		}
	}
	if b.status != http.StatusTooManyRequests || b.head.Get("Retry-After") == "" {
		t.Errorf("thirty wrong passwords at once are answered %d", b.status)
	}
}

func TestServiceThatMeansAnotherPersonGetsThatOne(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000023")
	meant := h.person("+79120000024")
	h.provider.met = func(_ *op.AuthRequest, auth op.Authentication) bool { return auth.AccountID == meant.ID }
	b := h.signIn("+79120000023")
	hint := func(r *op.AuthRequest) { r.HintSubject = "sub" }
	none := func(r *op.AuthRequest) { r.Prompt = []string{"none"} }
	if got := b.open(h.request(hint, none)).head.Get("X-Need"); got != "login_required" {
		t.Errorf("with prompt=none: %q", got)
	}
	b.open(h.request(hint)).on("identify").fill("continue", "identifier", "+79120000023").fill("continue", "password", password).on("identify")
	if !strings.Contains(b.text, "другую учётную запись") {
		t.Error("the page does not say why")
	}
	b.fill("continue", "identifier", "+79120000024").fill("continue", "password", password).on("consent").fill("allow")
	b.answered()
	if got := h.provider.approvals()[0].AccountID; got != meant.ID {
		t.Errorf("the door vouched for %s", got)
	}
}

func TestSessionWithoutConsentDoesNotAnswerByItself(t *testing.T) {
	h := newHouse(t)
	h.person("+79120000025")
	b := h.signIn("+79120000025")
	if got := b.open(h.request(func(r *op.AuthRequest) { r.Prompt = []string{"none"} })).head.Get("X-Need"); got != "consent_required" {
		t.Errorf("prompt=none is answered %q", got)
	}
}

func TestStyleAndScriptAreServed(t *testing.T) {
	h := newHouse(t)
	b := h.browser().open("/login").on("identify")
	link := b.find(func(n *htmlNode) bool { return attr(n, "rel") == "stylesheet" })
	if b.open(attr(link, "href")); b.status != http.StatusOK || !strings.HasPrefix(b.head.Get("Content-Type"), "text/css") {
		t.Errorf("the style is answered %d %s", b.status, b.head.Get("Content-Type"))
	}
	h.browser().open("/help").on("help")
	h.browser().open("/").on("identify")
}

func TestSigningOutLoadsServicesInFramesThatThePolicyNames(t *testing.T) {
	h := newHouse(t)
	h.provider.client.FrontchannelLogoutURI = "https://shop.example/gone"
	h.person("+79120000018")
	b := h.signIn("+79120000018")
	b.open("/logout").on("sign-out").fill("continue").on("signed-out")
	if !strings.Contains(b.markup(), `<iframe src="https://shop.example/gone?sid=`) {
		t.Errorf("no frame: %s", b.markup())
	}
	if policy := b.head.Get("Content-Security-Policy"); !strings.Contains(policy, "; frame-src https://shop.example; ") {
		t.Errorf("the policy: %s", policy)
	}
	b.open("/logout").on("signed-out")
	if strings.Contains(b.markup(), "iframe") || strings.Contains(b.head.Get("Content-Security-Policy"), "frame-src") {
		t.Error("a frame without a session that ended")
	}
}

func TestHelpLeadsToTheDocumentsThatPeopleAgreeTo(t *testing.T) {
	h := newHouse(t)
	for _, document := range []string{"terms", "privacy"} {
		b := h.browser().open("/help").on("help")
		link := b.find(func(n *htmlNode) bool { return attr(n, "href") == "/agreement/"+document })
		if link == nil {
			t.Fatalf("help leads to no %s", document)
		}
		if b.open(attr(link, "href")).on("agreement"); !strings.Contains(b.text, textOf(link)) {
			t.Errorf("%s is not what the link says", document)
		}
	}
}
