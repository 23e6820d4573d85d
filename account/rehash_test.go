package account_test

import (
	"testing"
	"time"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/keys"
)

func TestHashIsRenewedAtSignIn(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	was := a.Password
	for name, cfg := range map[string]credential.HasherConfig{
		"a higher cost": {MemoryKiB: 128, Iterations: 2},
		"a pepper":      {MemoryKiB: 128, Iterations: 2, Pepper: keys.NewSecret("first")},
	} {
		h.cfg.Passwords = credential.NewHasher(cfg)
		node := h.node()
		if _, err := node.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home); err == nil {
			t.Fatal("a wrong password is right")
		}
		if h.account(a.ID).Password.Hash != was.Hash {
			t.Errorf("%s: a wrong password renews the hash", name)
		}
		if _, err := node.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		node.Close() // what waits to be written is written
		now := h.account(a.ID).Password
		right, stale, err := h.cfg.Passwords.Verify(t.Context(), now.Hash, goodPassword)
		if now.Hash == was.Hash || !right || stale || err != nil {
			t.Errorf("%s: right %v, stale %v, %v", name, right, stale, err)
		}
		if !now.SetAt.Equal(was.SetAt) {
			t.Errorf("%s: the password seems to be a new one", name)
		}
		node = h.node()
		if _, err := node.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
			t.Errorf("%s, by the new hash: %v", name, err)
		}
		node.Close()
		if h.account(a.ID).Password.Hash != now.Hash {
			t.Errorf("%s: renewed again", name)
		}
		h.cfg.Passwords = credential.NewHasher(credential.HasherConfig{MemoryKiB: 64, Iterations: 1, Former: []keys.Secret{keys.NewSecret("first")}})
		node = h.node() // an older node beside them, and back to where it began
		if _, err := node.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
			t.Errorf("%s, at a node of before: %v", name, err)
		}
		node.Close()
		was = h.account(a.ID).Password
		h.clock.Advance(time.Hour)
	}
}
