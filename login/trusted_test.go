package login_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// deliver pays what the ends of ties tell each other.
func (h *house) deliver() {
	h.t.Helper()
	for h.accounts.PayDue(h.t.Context()) > 0 {
	}
}

// friend is somebody who may be trusted: verified, with an app.
func friend(a *account.Account) {
	withTOTP(a)
	a.Level = account.Verified
	a.Person = account.Person{FamilyName: "Орлов", GivenName: "Борис", MiddleName: "Ильич"}
}

// trusts has one person trust another for long enough; both exist.
func (h *house) trusts(owner, trusted *account.Account) (tie string) {
	h.t.Helper()
	ctx := h.t.Context()
	if err := h.accounts.NameTrusted(ctx, owner.ID, "Брат", account.Identifier{Kind: account.ByPhone, Value: trusted.Phone.Value}, account.Origin{}); err != nil {
		h.t.Fatal(err)
	}
	h.deliver()
	got, err := h.records.Account(ctx, owner.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	tie = got.Trusted[len(got.Trusted)-1].ID
	if err := h.accounts.AcceptTrust(ctx, trusted.ID, tie, account.Origin{}); err != nil {
		h.t.Fatal(err)
	}
	h.deliver()
	h.clock.Advance(account.TrustAfter)
	h.notices()
	return tie
}

// byApp signs somebody with an app in, in a browser that they have used for long.
func (h *house) byApp(phone string) *browser {
	h.t.Helper()
	h.clock.Advance(time.Minute) // the app shows another code
	b := h.home(phone).open("/login").fill("continue", "identifier", phone).fill("continue", "password", password)
	return b.on("totp").fill("continue", "code", h.code(secret)).on("me")
}

// told counts the messages of a kind.
func told(notices []account.Notice, template string) (n int) {
	for _, x := range notices {
		if x.Template == template {
			n++
		}
	}
	return n
}

func TestPersonNamesATrustedPersonWhoAccepts(t *testing.T) {
	h := newHouse(t)
	h.person("+79148000001", withTOTP, standard)
	h.person("+79148000002", friend)
	anna := h.byApp("+79148000001").open("/me/security").fill("trusted").on("me-trusted")
	if !strings.Contains(anna.text, "data-empty>") {
		t.Error("the page does not say that there is nobody")
	}
	anna.fill("name").on("me-trusted-new").fill("continue", "trusted_label", "", "identifier", "+79148000002").on("me-trusted-new")
	if anna.status != http.StatusUnprocessableEntity || !strings.Contains(anna.text, "Напишите, как вы называете") {
		t.Errorf("without a label: %d", anna.status)
	}
	anna.fill("continue", "trusted_label", "Брат", "identifier", "+79148000001").on("me-trusted-new")
	if !strings.Contains(anna.text, "ваш собственный контакт") {
		t.Error("one may trust oneself")
	}
	anna.fill("continue", "trusted_label", "Брат", "identifier", "8 914 800-00-02").on("me-trusted")
	if !strings.Contains(anna.text, `data-state="waiting"`) {
		t.Error("the page does not say that an answer is awaited")
	}
	h.deliver()
	boris := h.byApp("+79148000002").fill("offers").on("me-trusted")
	if !strings.Contains(boris.text, "Анна Петровна С.") || strings.Contains(boris.text, "Брат") {
		t.Error("who is asked sees not who asks, or what only they may see")
	}
	boris.fill("accept").on("me-trusted")
	h.deliver()
	if anna.open("/me/trusted"); !strings.Contains(anna.text, `data-state="young"`) || !strings.Contains(anna.text, "Борис Ильич О.") {
		t.Errorf("the page of who trusts: %s", textOf(anna.page))
	}
	h.clock.Advance(account.TrustAfter)
	anna = h.byApp("+79148000001").open("/me/trusted").on("me-trusted")
	if !strings.Contains(anna.text, `data-state="helps"`) {
		t.Error("the page does not say that they help")
	}
	boris = h.byApp("+79148000002").open("/me/trusted").fill("leave").on("me-trusted")
	h.deliver()
	if anna.open("/me/trusted"); !strings.Contains(anna.text, "data-empty>") || !strings.Contains(boris.text, "data-empty-trusting") {
		t.Error("who has left is still there")
	}
}

func TestWhoMayNotBeTrustedIsToldWhatIsMissing(t *testing.T) {
	h := newHouse(t)
	anna, plain := h.person("+79148000003", withTOTP), h.person("+79148000004")
	if err := h.accounts.NameTrusted(t.Context(), anna.ID, "Сосед", account.Identifier{Kind: account.ByPhone, Value: plain.Phone.Value}, account.Origin{}); err != nil {
		t.Fatal(err)
	}
	h.deliver()
	b := h.signIn("+79148000004").open("/me/trusted").on("me-trusted")
	if got := b.marked("data-action"); slices.Contains(got, "accept") || !slices.Contains(got, "raise") || !slices.Contains(got, "protect-first") {
		t.Errorf("it offers %v", got)
	}
	b.post("/me/trusted/offer", url.Values{"tie": {h.find("+79148000004").Trusting[0].ID}, "answer": {"accept"}}).on("me-trusted")
	if !h.find("+79148000004").Trusting[0].AcceptedAt.IsZero() {
		t.Error("they accepted all the same")
	}
	b.fill("decline").on("me-trusted")
	h.deliver()
	if len(h.find("+79148000003").Trusted) != 1 || len(h.find("+79148000004").Trusting) != 0 {
		t.Error("that somebody declined is seen by who asked, or not kept")
	}
}

// asking is a recovery of a person who has a friend, in which the friend is asked.
func asking(t *testing.T, owner, trusted string) (h *house, b *browser) {
	t.Helper()
	h = newHouse(t)
	h.trusts(h.person(owner, withTOTP, standard), h.person(trusted, friend))
	b = h.recovering(h.browser(), owner)
	b.open("/recovery/ways?attempt=" + b.attempt()).on("recovery-ways").fill("trusted").on("recovery-trusted")
	b.fill("continue").on("recovery-trusted")
	h.deliver()
	return h, b
}

func (b *browser) state() string {
	return attr(b.find(func(n *htmlNode) bool { return n.Data == "div" && attr(n, "data-state") != "" }), "data-state")
}

func TestATrustedPersonConfirmsInTheirOwnAccount(t *testing.T) {
	const owner, trusted = "+79148000005", "+79148000006"
	h, b := asking(t, owner, trusted)
	if b.state() != "asked" || strings.Contains(b.text, "Борис") || !strings.Contains(b.text, `http-equiv="refresh"`) {
		t.Errorf("the page of who recovers: %s", textOf(b.page))
	}
	links := 0
	for _, n := range h.notices() {
		if n.Template == "recovery-asks" && n.Args["Link"] != "" {
			links++
		}
		for _, secret := range []string{"Code", "Link"} {
			if n.Template == "trust-asked" && n.Args[secret] != "" {
				t.Errorf("who is trusted is sent a %s", secret)
			}
		}
	}
	if links != 2 {
		t.Errorf("%d contacts of the owner have a link", links)
	}
	boris := h.byApp(trusted).fill("plea").on("me-trusted-plea")
	if !strings.Contains(boris.text, "<title>Это правда Анна Петровна С.?") {
		t.Errorf("the title of the page: %s", boris.text[:600])
	}
	if !strings.Contains(boris.text, "data-warning") || !strings.Contains(boris.text, "Анна Петровна С.") || !strings.Contains(boris.text, "127.0.0.1") {
		t.Errorf("the page of who is asked: %s", textOf(boris.page))
	}
	h.clock.Advance(40 * time.Minute)
	boris.fill("confirm").on("password").fill("continue", "password", password) // who answers shows both factors anew
	if boris.name() == "totp" {
		boris.fill("continue", "code", h.code(secret))
	}
	boris.on("me-trusted-plea").fill("confirm").on("me-trusted")
	if len(boris.marked("data-plea")) != 0 {
		t.Error("it is asked still")
	}
	b = h.recovering(h.browser(), owner)
	b.open("/recovery/trusted?attempt=" + b.attempt()).on("recovery-trusted")
	if b.state() != "vouched" {
		t.Errorf("the page says %q", b.state())
	}
	if b.open("/recovery/password?attempt=" + b.attempt()); b.name() == "recovery-password" {
		t.Fatal("the day was cut short")
	}
	h.clock.Advance(account.VouchedWait)
	const next = "Новый&Пароль9 и слова"
	h.recovering(h.browser(), owner).on("recovery-password").fill("continue", "password", next, "password_again", next).on("me")
	if a := h.find(owner); a.HasSecondFactor() || len(a.Trusted) != 0 {
		t.Errorf("afterwards it has %v", a.Factors())
	}
}

func TestATrustedPersonStopsARecovery(t *testing.T) {
	const owner, trusted = "+79148000007", "+79148000008"
	h, b := asking(t, owner, trusted)
	h.notices()
	boris := h.byApp(trusted).fill("plea").on("me-trusted-plea")
	h.clock.Advance(40 * time.Minute)
	boris.fill("deny").on("me-trusted") // to stop it nothing is asked
	if n := told(h.notices(), "recovery-denied"); n != 2 {
		t.Errorf("%d contacts of the owner were told", n)
	}
	h.clock.Advance(-40 * time.Minute)
	b.open("/recovery/trusted?attempt=" + b.attempt()).on("recovery-trusted")
	if b.state() != "stopped" {
		t.Errorf("the page says %q", b.state())
	}
	h.clock.Advance(4 * 24 * time.Hour)
	if h.recovering(h.browser(), owner); h.find(owner).Waited("sms", h.clock.Now()) {
		t.Error("it goes on")
	}
}

func TestNobodyAnswersInADay(t *testing.T) {
	const owner, trusted = "+79148000009", "+79148000010"
	h, _ := asking(t, owner, trusted)
	h.clock.Advance(account.PleaLife)
	b := h.recovering(h.browser(), owner)
	b.open("/recovery/trusted?attempt=" + b.attempt()).on("recovery-trusted")
	if b.state() != "silent" {
		t.Errorf("the page says %q", b.state())
	}
	if b.fill("continue").on("recovery-trusted"); b.state() != "asked" {
		t.Errorf("asked again: %q", b.state())
	}
	h.clock.Advance(49 * time.Hour) // three days since the first
	h.recovering(h.browser(), owner).on("recovery-password")
}

func TestAnAnswerInABrowserThatIsNewIsRefused(t *testing.T) {
	const owner, trusted = "+79148000011", "+79148000012"
	h, _ := asking(t, owner, trusted)
	h.clock.Advance(time.Minute)
	h.home(trusted)
	stranger := h.browser().open("/login").fill("continue", "identifier", trusted).fill("continue", "password", password)
	stranger.on("totp").fill("continue", "code", h.code(secret)).on("me").fill("plea").on("me-trusted-plea").fill("confirm").on("error")
	if stranger.status != http.StatusForbidden || h.find(owner).Waiting.Vouched != "" {
		t.Errorf("somebody who was read out everything confirms: %d", stranger.status)
	}
}

func TestWhoHasNobodyIsNotOfferedToAsk(t *testing.T) {
	h := newHouse(t)
	h.person("+79148000013", withTOTP)
	b := h.recovering(h.browser(), "+79148000013")
	attempt := b.attempt()
	if b.open("/recovery/ways?attempt=" + attempt).on("recovery-ways"); slices.Contains(b.marked("data-action"), "trusted") {
		t.Error("it is offered")
	}
	b.open("/recovery/trusted?attempt=" + attempt).on("recovery-ways")
	if b.post("/recovery/trusted", url.Values{"attempt": {attempt}}); b.status != http.StatusConflict {
		t.Errorf("asking nobody answers %d", b.status)
	}
}
