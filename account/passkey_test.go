package account_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// withPasskey gives an account a passkey.
func (h *house) withPasskey(a *account.Account) *storagetest.Authenticator {
	h.t.Helper()
	key := &storagetest.Authenticator{Origin: "https://id.example"}
	options, err := h.OfferPasskey(h.t.Context(), a.ID, "session")
	if err != nil {
		h.t.Fatal(err)
	}
	verified, err := h.AddPasskey(h.t.Context(), a.ID, "session", "Телефон", key.Make(h.t, options), home)
	if err != nil || !verified {
		h.t.Fatalf("verified %v: %v", verified, err)
	}
	return key
}

func (h *house) ask(id account.ID) []byte {
	h.t.Helper()
	options, err := h.AskPasskey(h.t.Context(), id, "attempt")
	if err != nil {
		h.t.Fatal(err)
	}
	return options
}

func (h *house) verify(answer []byte) (account.Method, error) {
	_, m, err := h.VerifyPasskey(h.t.Context(), "attempt", answer, home)
	return m, err
}

func TestPasskeyProvesItsOwner(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	key := h.withPasskey(a)
	got, m, err := h.VerifyPasskey(t.Context(), "attempt", key.Show(t, h.ask("")), home)
	if err != nil || got.ID != a.ID || m != account.MethodPasskey {
		t.Fatalf("%v by %v: %v", got, m, err)
	}
	key.Unverified = true
	if m, err := h.verify(key.Show(t, h.ask(a.ID))); err != nil || m != account.MethodSecurityKey {
		t.Errorf("presence after a password is %q: %v", m, err)
	}
	if kept := h.account(a.ID).Passkeys[0]; kept.SignCount != 2 || !kept.UsedAt.Equal(h.clock.Now()) {
		t.Errorf("kept: count %d, used %v", kept.SignCount, kept.UsedAt)
	}
	if sent := told(h.notices(), "passkey-added"); !sent["sms"] || !sent["mail"] {
		t.Errorf("told by %v", sent)
	}
}

// TestForgedAnswersOfPasskeysAreRefused is the table of what a page in the middle, a thief or a broken device may send.
func TestForgedAnswersOfPasskeysAreRefused(t *testing.T) {
	for name, forge := range map[string]func(*storagetest.Authenticator){
		"origin of another site":       func(k *storagetest.Authenticator) { k.Origin = "https://id.example.evil.example" },
		"plain http":                   func(k *storagetest.Authenticator) { k.Origin = "http://id.example" },
		"another port":                 func(k *storagetest.Authenticator) { k.Origin = "https://id.example:8443" },
		"RP ID of another site":        func(k *storagetest.Authenticator) { k.RPID = "evil.example" },
		"challenge of our own making":  func(k *storagetest.Authenticator) { k.Challenge = keys.RandomHandle() },
		"ceremony of making a passkey": func(k *storagetest.Authenticator) { k.Type = "webauthn.create" },
		"shown within a foreign frame": func(k *storagetest.Authenticator) { k.CrossOrigin = true },
		"nobody verified":              func(k *storagetest.Authenticator) { k.Unverified = true },
		"nobody present":               func(k *storagetest.Authenticator) { k.Absent = true },
		"owner of another account":     func(k *storagetest.Authenticator) { k.Handle = []byte("someone-else") },
		"no owner":                     func(k *storagetest.Authenticator) { k.Handle = nil },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			key := h.withPasskey(h.anna())
			forge(key)
			if m, err := h.verify(key.Show(t, h.ask(""))); !errors.Is(err, account.ErrWrongPasskey) {
				t.Errorf("accepted as %q: %v", m, err)
			}
		})
	}
}

func TestSignatureOfAnotherKeyIsRefusedAndJournalled(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	key, other := h.withPasskey(a), h.withPasskey(h.signUp("+79160000001", "b@example.ru"))
	other.ID, other.Handle = key.ID, key.Handle
	if _, err := h.verify(other.Show(t, h.ask(""))); !errors.Is(err, account.ErrWrongPasskey) {
		t.Errorf("another key's signature: %v", err)
	}
	if !h.happened(a.ID, account.PasskeyRefused) {
		t.Error("nothing is noted")
	}
}

func TestPasskeyAnswersOneQuestionOfOneFlowOnce(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	key := h.withPasskey(a)
	answer := key.Show(t, h.ask(""))
	if _, err := h.verify(answer); err != nil {
		t.Fatal(err)
	}
	if _, err := h.verify(answer); !errors.Is(err, account.ErrWrongPasskey) {
		t.Errorf("the same answer again: %v", err)
	}
	answer = key.Show(t, h.ask(""))
	if _, _, err := h.VerifyPasskey(t.Context(), "another attempt", answer, home); !errors.Is(err, account.ErrWrongPasskey) {
		t.Errorf("in another browser: %v", err)
	}
	answer = key.Show(t, h.ask(""))
	h.clock.Advance(11 * time.Minute)
	if _, err := h.verify(answer); !errors.Is(err, account.ErrWrongPasskey) {
		t.Errorf("too late: %v", err)
	}
	options, err := h.OfferPasskey(t.Context(), a.ID, "attempt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.verify(key.Show(t, options)); !errors.Is(err, account.ErrWrongPasskey) {
		t.Errorf("a question of making answered by showing: %v", err)
	}
}

func TestCounterThatDoesNotGrowIsRefusedAndTold(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	key := h.withPasskey(a)
	for range 2 {
		if _, err := h.verify(key.Show(t, h.ask(""))); err != nil {
			t.Fatal(err)
		}
	}
	h.notices()
	key.Count = 0 // a copy that was taken before
	if _, err := h.verify(key.Show(t, h.ask(""))); !errors.Is(err, account.ErrWrongPasskey) {
		t.Errorf("a copy: %v", err)
	}
	if !h.happened(a.ID, account.PasskeyRefused) || !told(h.notices(), "passkey-refused")["mail"] {
		t.Error("neither journal nor person heard of it")
	}
}

func TestPasskeyBelongsToOneAccount(t *testing.T) {
	h := newHouse(t)
	a, b := h.anna(), h.signUp("+79160000002", "c@example.ru")
	key := h.withPasskey(a)
	options, err := h.OfferPasskey(t.Context(), b.ID, "session")
	if err != nil {
		t.Fatal(err)
	}
	thief := &storagetest.Authenticator{Origin: key.Origin}
	answer := thief.Make(t, options)
	answer = bytes.ReplaceAll(answer, []byte(encoded(thief.ID)), []byte(encoded(key.ID)))
	if _, err := h.AddPasskey(t.Context(), b.ID, "session", "x", answer, home); err == nil {
		t.Error("a passkey's id was taken over")
	}
	if _, err := h.AddPasskey(t.Context(), a.ID, "session", "x", thief.Make(t, options), home); !errors.Is(err, account.ErrWrongPasskey) {
		t.Errorf("another person's offer: %v", err)
	}
}

func TestRemovedPasskeyIsUnknownAndTakesTheSparesAlong(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	key := h.withPasskey(a)
	if _, err := h.NewBackupCodes(t.Context(), a.ID, home); err != nil {
		t.Fatal(err)
	}
	options := h.ask("")
	if err := h.RemovePasskey(t.Context(), a.ID, encoded(key.ID), "", home); err != nil {
		t.Fatal(err)
	}
	if _, err := h.verify(key.Show(t, options)); !errors.Is(err, account.ErrUnknownPasskey) {
		t.Errorf("a removed passkey: %v", err)
	}
	if left := h.account(a.ID); left.HasSecondFactor() || len(left.Backup.Hashes) != 0 {
		t.Errorf("left: %d passkeys, %d codes", len(left.Passkeys), len(left.Backup.Hashes))
	}
}

func TestLockedAccountDoesNotOpenByAPasskey(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	key := h.withPasskey(a)
	if err := h.Lock(t.Context(), a.ID, "person", "test", home); err != nil {
		t.Fatal(err)
	}
	if _, err := h.verify(key.Show(t, h.ask(""))); !errors.Is(err, account.ErrLocked) {
		t.Errorf("a locked account: %v", err)
	}
}

func encoded(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func FuzzPasskeyAnswers(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"id":"a","response":{"clientDataJSON":"e30"}}`, `[1]`, strings.Repeat("[", 1000)} {
		f.Add([]byte(seed))
	}
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, answer []byte) {
		if _, _, err := h.VerifyPasskey(t.Context(), "attempt", answer, home); err == nil {
			t.Errorf("accepted %q", answer)
		}
	})
}
