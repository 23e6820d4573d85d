package login_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/login"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// confirming is a house that has new browsers confirmed.
func confirming(t *testing.T) *house {
	t.Helper()
	return (&house{t: t, clock: storagetest.NewClock(), confirms: true}).onSQLite()
}

// withPhone sets codes by SMS up.
func withPhone(a *account.Account) { a.SMS.AddedAt = storagetest.NewClock().Now() }

// onDevice sets a device up, where nobody is asked from a browser in which they were never seen.
func onDevice(a *account.Account) {
	a.PushDevices = []account.PushDevice{{ID: "phone", Name: "Телефон"}}
}

// elsewhere types the password in a browser in which the person was never seen.
func (h *house) elsewhere(phone string) *browser {
	h.t.Helper()
	h.clock.Advance(25 * time.Hour) // they did not sign up just now
	h.notices()
	return h.browser().open("/login").fill("continue", "identifier", phone).fill("continue", "password", password)
}

// reason is what the page says of why a way does not do; empty when it is not greyed out.
func (b *browser) reason(way string) string {
	refused := b.find(func(n *htmlNode) bool { return attr(n, "data-way-refused") == way })
	if refused == nil {
		return ""
	}
	return textOf(refused)
}

func TestInANewBrowserACodeBySMSIsHalfOfWhatIsAsked(t *testing.T) {
	const phone = "+79120003001"
	h := confirming(t)
	a := h.person(phone, withTOTP, withPhone, func(a *account.Account) { a.Preferred = account.MethodSMS })
	b := h.elsewhere(phone).on("totp")
	if !strings.Contains(b.reason("sms"), "в этом браузере вы ещё не входили") {
		t.Errorf("the weak way is greyed out by %q", b.reason("sms"))
	}
	attempt := b.attempt()
	b.open("/login/sms?attempt=" + attempt).on("totp")
	b.post("/login/sms", url.Values{"attempt": {attempt}, "code": {"123456"}}).on("totp")
	if got := h.notices(); len(got) != 0 {
		t.Errorf("codes were sent: %d", len(got))
	}
	if !slices.Contains(b.marked("data-way"), "without") {
		t.Fatal("who has left their phone's app at home is shut out")
	}
	b.open("/login/without?attempt=" + attempt).on("without").fill("continue").on("sms")
	if slices.Contains(b.marked("name"), "remember") {
		t.Error("a browser is remembered by half of what is asked")
	}
	code, _ := h.sent(phone)
	b.post("/login/sms", url.Values{"attempt": {attempt}, "code": {code}, "remember": {"yes"}}).on("mail-code")
	for _, path := range []string{"/me", "/login/continue?attempt=" + attempt, "/login/consent?attempt=" + attempt, "/login/without?attempt=" + attempt} {
		if b.open(path); b.cookie("vhod-session") != "" {
			t.Fatalf("%s lets in by half of what is asked (F08)", path)
		}
	}
	b.open("/login/mail-code?attempt="+attempt).on("mail-code").fill("continue", "code", "000000").on("mail-code")
	code, _ = h.sent(a.Email.Value)
	b.fill("continue", "code", code).on("me")
	if devices := h.find(phone).Devices; len(devices) != 0 || b.cookie("vhod-device") != "" {
		t.Errorf("the browser is remembered: %v", devices)
	}
	lines, err := h.accounts.SearchJournal(t.Context(), a.ID, account.JournalQuery{Kinds: []account.EventKind{account.SignedIn}, Limit: 1})
	if err != nil || len(lines) != 1 || lines[0].Details["method"] != "password+sms+mail-code" || lines[0].Details["risk"] != "new-browser" {
		t.Errorf("the journal says %+v, %v", lines, err)
	}
	b.open("/logout").fill("continue")
	h.clock.Advance(11 * time.Minute)
	b.open("/login").fill("continue", "identifier", phone).fill("continue", "password", password).on("sms") // known now
	code, _ = h.sent(phone)
	b.fill("continue", "code", code).on("me")
}

// Whoever has nothing surer, or no address, is asked what they were always asked.
func TestNobodyIsShutOutOfANewBrowserByTheirNumber(t *testing.T) {
	noMail := func(a *account.Account) { a.Email = account.Contact{} }
	appLocked := func(a *account.Account) { a.Locks = []account.Lock{{Switch: account.SwitchApp}} }
	for i, row := range []struct {
		name     string
		confirms bool
		person   []func(*account.Account)
	}{
		{"a number alone", true, []func(*account.Account){withPhone}},
		{"a number and a device", true, []func(*account.Account){withPhone, onDevice}},
		{"a number, and an app that is locked", true, []func(*account.Account){withPhone, withTOTP, appLocked}},
		{"no address", true, []func(*account.Account){withPhone, withTOTP, noMail}},
		{"new browsers are not confirmed", false, []func(*account.Account){withPhone, withTOTP}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := (&house{t: t, clock: storagetest.NewClock(), confirms: row.confirms}).onSQLite()
			phone := fmt.Sprintf("+7912000311%d", i)
			h.person(phone, row.person...)
			b := h.elsewhere(phone)
			if b.reason("sms") != "" || slices.Contains(b.marked("data-way"), "without") {
				t.Error("the way is greyed out")
			}
			b.open("/login/sms?attempt=" + b.attempt()).on("sms")
			code, _ := h.sent(phone)
			b.fill("continue", "code", code).on("me")
		})
	}
}

func TestADoubtIsGraverThanANewBrowser(t *testing.T) {
	const phone = "+79120003002"
	h := confirming(t)
	a := h.person(phone, withTOTP, withPhone)
	h.clock.Advance(25 * time.Hour)
	h.seenFarAway(a.ID)
	b := h.browser().open("/login").fill("continue", "identifier", phone).fill("continue", "password", password).on("totp")
	if !strings.Contains(b.reason("sms"), "этот вход необычен") || slices.Contains(b.marked("data-way"), "without") {
		t.Errorf("it is greyed out by %q", b.reason("sms"))
	}
	attempt := b.attempt()
	b.post("/login/without", url.Values{"attempt": {attempt}}).on("totp")
	b.open("/login/sms?attempt=" + attempt).on("totp")
}

// Who recovers access by their mail has proven it: the number is the other half.
func TestARecoveryByMailAsksForNoMoreThanTheNumber(t *testing.T) {
	const phone = "+79120003003"
	h := confirming(t)
	a := h.person(phone, withTOTP, withPhone)
	h.clock.Advance(25 * time.Hour)
	bySMS := func() *browser {
		b := h.recovering(h.browser(), a.Email.Value)
		b.open("/login/sms?attempt=" + b.attempt()).on("sms")
		code, _ := h.sent(phone)
		return b.fill("continue", "code", code)
	}
	bySMS().on("recovery-day").fill("continue").on("recovery-day")
	h.clock.Advance(account.SettleAfter)
	const next = "Новый&Пароль9 и слова"
	bySMS().on("recovery-password").fill("continue", "password", next, "password_again", next).on("me")
}

// The doors are tried in a new browser under every set of locks, with a confirmed address and without; what Account.Ways and the page say of a code by SMS
// must be what the doors did.
func TestInANewBrowserTheSwitchboardSaysWhatTheDoorsDo(t *testing.T) {
	const phone = "+79120003004"
	h := confirming(t)
	key := h.key()
	a := h.person(phone, withTOTP, withPhone, onDevice)
	h.addPasskey(h.byApp(phone), key)
	whole := h.find(phone)
	for _, mail := range []account.Contact{whole.Email, {}} {
		subsets([]account.Switch{account.SwitchApp, account.SwitchPasskey, account.SwitchSMS, account.SwitchBackup}, func(locked []account.Switch) {
			h.change(phone, func(a *account.Account) {
				a.Email, a.Locks, a.Backup = mail, nil, h.accounts.BackupSetOf(spares())
				for _, s := range locked {
					a.Locks = append(a.Locks, account.Lock{Switch: s, At: h.clock.Now()})
				}
			})
			did := h.tryNumber(phone)
			said, note := "nothing", ""
			for _, way := range h.find(phone).Ways(h.clock.Now()) {
				if way.First == account.MethodPassword && way.Second == account.MethodSMS {
					said = map[bool]string{false: "sms", true: "sms+mail-code"}[way.Mail]
				}
			}
			if did != said {
				t.Errorf("locked %v, mail %t: the doors want %s, Ways says %s", locked, mail.Value != "", did, said)
			}
			if said == "sms+mail-code" {
				note = "way.mail-sms"
			}
			if shown := h.noteOf(a.ID, "nothing"); shown != note {
				t.Errorf("locked %v, mail %t: the page says %q, not %q", locked, mail.Value != "", shown, note)
			}
			if note != "" {
				note = "way.known-sms"
			}
			if shown := h.noteOf(a.ID, string(account.LostMail)); shown != note {
				t.Errorf("locked %v, mail %t: of a lost mail the page says %q, not %q", locked, mail.Value != "", shown, note)
			}
		})
	}
}

// tryNumber signs in by the password and the number in a new browser, and says what that took.
func (h *house) tryNumber(phone string) string {
	h.t.Helper()
	b := h.elsewhere(phone)
	attempt := b.attempt()
	if slices.Contains(b.marked("data-way"), "without") {
		b.open("/login/without?attempt=" + attempt).on("without").fill("continue").on("sms")
	} else if b.open("/login/sms?attempt=" + attempt); b.name() != "sms" {
		return "nothing"
	}
	code, _ := h.sent(phone)
	if b.fill("continue", "code", code); b.cookie("vhod-session") != "" {
		return "sms"
	}
	b.on("mail-code")
	code, _ = h.sent(h.find(phone).Email.Value)
	if b.fill("continue", "code", code); b.cookie("vhod-session") == "" {
		return "more"
	}
	return "sms+mail-code"
}

// noteOf is what the page of locks says of the password's way in a new browser, after a loss.
func (h *house) noteOf(id account.ID, loss string) string {
	h.t.Helper()
	cookie, _, err := h.accounts.OpenSession(h.t.Context(), id, account.Opening{Proofs: proofs(h.clock.Now(), account.MethodPassword), Browser: keys.RandomHandle()})
	if err != nil {
		h.t.Fatal(err)
	}
	b := h.browser().open("/login")
	b.http.Jar.SetCookies(b.at, []*http.Cookie{{Name: "vhod-session", Value: cookie, Path: "/"}})
	b.open("/me/security/switches").on("me-switches")
	list := b.find(func(n *htmlNode) bool { return attr(n, "data-remains") == loss })
	note := ""
	walk(list, func(n *htmlNode) {
		if attr(n, "data-note") != "" && attr(n.Parent, "data-first") == string(account.MethodPassword) {
			note = attr(n, "data-note")
		}
	})
	return note
}

func TestTheNumberLacksACodeByMailUntilThereIsMore(t *testing.T) {
	c := login.Circumstances{New: true, Mail: true, Without: true, Has: []account.Method{account.MethodTOTP, account.MethodSMS, account.MethodBackup}}
	for _, row := range []struct {
		shown []account.Method
		lacks bool
	}{
		{[]account.Method{account.MethodPassword, account.MethodSMS}, true},
		{[]account.Method{account.MethodBank, account.MethodSMS}, true},
		{[]account.Method{account.MethodPassword, account.MethodSMS, account.MethodMailCode}, false},
		{[]account.Method{account.MethodPassword, account.MethodSMS, account.MethodBackup}, false},
		{[]account.Method{account.MethodPassword, account.MethodTOTP}, false},
		{[]account.Method{account.MethodPasskey, account.MethodSMS}, false},
		{[]account.Method{account.MethodRecovery, account.MethodSMS, account.MethodPassword}, false}, // by the mail: the number is proven once
	} {
		if got := login.LacksMail(c, proofs(noon, row.shown...)); got != row.lacks {
			t.Errorf("%v: %v", row.shown, got)
		}
	}
}
