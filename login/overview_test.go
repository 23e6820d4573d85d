package login_test

import (
	"maps"
	"testing"

	"github.com/vhod-id/vhod/account"
)

// health is what the overview says of the person's protection: its class by what it is about.
func (b *browser) health() map[string]string {
	found := map[string]string{}
	walk(b.page, func(n *htmlNode) {
		if about := attr(n, "data-health"); about != "" {
			found[about] = attr(n, "class")
		}
	})
	return found
}

func TestTheOverviewSaysWhatWouldBeSafer(t *testing.T) {
	for name, row := range map[string]struct {
		change  func(*account.Account)
		health  map[string]string
		protect bool
	}{
		"a password and a phone alone": {func(a *account.Account) { a.Email = account.Contact{} },
			map[string]string{"password": "yes", "second": "no", "loss": "yes"}, true},
		"no way but the phone": {func(a *account.Account) { a.Email, a.Password.Hash = account.Contact{}, "" },
			map[string]string{"password": "none", "second": "no", "loss": "no"}, true},
		"an app, and no backup codes": {withTOTP, map[string]string{"password": "yes", "second": "yes", "backup": "no", "loss": "yes"}, false},
		"an app and backup codes": {func(a *account.Account) { withTOTP(a); a.Backup.Hashes = []string{"one"} },
			map[string]string{"password": "yes", "second": "yes", "backup": "yes", "loss": "yes"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			const phone = "+79141000071"
			h.person(phone)
			b := h.signIn(phone).on("me")
			if err := h.records.Update(t.Context(), h.find(phone).ID, func(a *account.Account) error { row.change(a); return nil }); err != nil {
				t.Fatal(err)
			}
			if got := b.open("/me").on("me").health(); !maps.Equal(got, row.health) {
				t.Errorf("it says %v, not %v", got, row.health)
			}
			offered := b.find(func(n *htmlNode) bool { return attr(n, "data-action") == "protect" }) != nil
			if offered != row.protect {
				t.Errorf("a second factor is offered: %v", offered)
			}
		})
	}
}
