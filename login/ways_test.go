package login_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// recovering proves a contact of a recovery in a browser.
func (h *house) recovering(b *browser, contact string) *browser {
	h.t.Helper()
	b.open("/recovery").fill("continue", "identifier", contact).on("recovery-code")
	code, _ := h.sent(contact)
	return b.fill("continue", "code", code)
}

// marked are the values of an attribute on the open page.
func (b *browser) marked(name string) []string {
	var out []string
	walk(b.page, func(n *htmlNode) {
		if v := attr(n, name); v != "" {
			out = append(out, v)
		}
	})
	return out
}

func TestWhoCannotShowWhatIsAskedSeesEveryRung(t *testing.T) {
	o := newOwner(t)
	o.change(func(a *account.Account) {
		a.Backup = o.accounts.BackupSetOf(spares())
		a.Locks = []account.Lock{{Switch: account.SwitchPasskey, At: o.clock.Now()}}
	})
	b := o.recovering(o.begin(), o.phone)
	b.open("/recovery/ways?attempt=" + b.attempt()).on("recovery-ways")
	if got, want := b.marked("data-way"), []string{"totp", "backup"}; !slices.Equal(got, want) { // the phone has proven something else already
		t.Errorf("it offers %v, not %v", got, want)
	}
	for _, said := range []string{`data-action="esign"`, `data-action="wait"`, `data-action="activation"`, `data-action="case"`, "data-locked", "ключ доступа"} {
		if !strings.Contains(b.text, said) {
			t.Errorf("the page has no %s", said)
		}
	}
	if b.open("/recovery/password?attempt=" + b.attempt()); b.name() == "recovery-password" {
		t.Fatal("the ladder led past the second factor")
	}
	b.open("/recovery/ways?attempt="+b.attempt()).on("recovery-ways").open("/login/backup?attempt="+b.attempt()).fill("continue", "code", spares()[0]).on("recovery-password")
	b.open("/recovery/ways?attempt=" + b.attempt()).on("recovery-password") // there is nothing more to show
}

func TestASignatureEndsARecoveryOfItsOwnersAccountAlone(t *testing.T) {
	o := newOwner(t)
	b := o.recovering(o.begin(), o.phone)
	o.certificate(b.open("/login/esign?attempt=" + b.attempt()).on("esign")).on("recovery-password")

	o.clock.Advance(11 * time.Minute)
	o.house.person("+79141234500", withTOTP)
	other := o.recovering(o.home("+79141234500"), "+79141234500")
	o.certificate(other.open("/login/esign?attempt=" + other.attempt()).on("esign"))
	if other.name() == "recovery-password" {
		t.Error("whose contact was not proven gets a new password")
	}
	if other.open("/recovery/password?attempt=" + other.attempt()); other.name() == "recovery-password" {
		t.Error("so by its address")
	}
}

func TestPersonRehearsesALoss(t *testing.T) {
	o := newOwner(t)
	o.change(func(a *account.Account) { a.Backup = o.accounts.BackupSetOf(spares()) })
	b := o.browser()
	b.open("/login").fill("passkey", "credential", string(o.key.Show(t, b.ask("/passkey/ask")))).on("me")
	b.open("/me/security/rehearsal?lost=phone&lost=password").on("me-rehearsal")
	said := namesOf(o.person().Ways(o.clock.Now(), account.LostPhone, account.LostPassword), func(account.Way) bool { return true })
	if got := b.claimed("chosen"); !slices.Equal(got, said) || len(said) == 0 {
		t.Errorf("the page says %q, Ways says %q", got, said)
	}
	if !strings.Contains(b.text, `value="phone" checked`) || strings.Contains(b.text, `value="mail" checked`) {
		t.Error("the page forgets what was ticked")
	}
	if b.open("/me/security/rehearsal?lost=phone&lost=password&lost=mail&lost=device").on("me-rehearsal"); strings.Contains(b.text, "data-first") && len(o.person().Ways(o.clock.Now(), account.Losses()...)) == 0 {
		t.Error("the page knows a way that there is not")
	}
	b.open("/me/security/rehearsal").fill("try", "code", "AAAA-BBBB-CCCC-Z").on("me-rehearsal")
	if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, "Такого кода нет") {
		t.Errorf("a wrong code: %d", b.status)
	}
	b.fill("try", "code", strings.ToLower(spares()[0])).on("me-rehearsal")
	if !strings.Contains(b.text, "Код подходит") || len(o.person().Backup.Hashes) != 10 {
		t.Errorf("a right code: %d are left\n%s", len(o.person().Backup.Hashes), b.text)
	}
	if got := b.open("/me/history?about=security").on("me-history").events(); !slices.Contains(got, "backup-tried") {
		t.Errorf("the journal has %v", got)
	}
	for range 12 {
		b.open("/me/security/rehearsal").fill("try", "code", "AAAA-BBBB-CCCC-Z")
	}
	if b.status != http.StatusTooManyRequests {
		t.Errorf("guessing is answered %d", b.status)
	}
}
