package account_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// subscription is what a browser gives.
func subscription(t *testing.T, endpoint string) account.PushSubscription {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	to, err := account.ParsePushSubscription(endpoint, encode(key.PublicKey().Bytes()), encode(make([]byte, 16)))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// pushes takes every push notice out of the outbox.
func (h *house) pushes() []account.Notice {
	h.t.Helper()
	tasks, err := h.outbox.Lease(h.t.Context(), []account.TaskKind{account.OwedPush}, h.clock.Now(), time.Minute, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	var out []account.Notice
	for _, task := range tasks {
		var n account.Notice
		if err := errors.Join(json.Unmarshal(task.Payload, &n), h.outbox.Pay(h.t.Context(), task.ID)); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

func TestEveryDeviceThatTakesMessagesIsToldOfARequestAndOfNothingElse(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	var cookies []string
	for i := range 3 {
		cookie, err := h.AddPush(t.Context(), a.ID, fmt.Sprint("phone ", i), home)
		if err != nil {
			t.Fatal(err)
		}
		cookies = append(cookies, cookie)
		if i == 0 {
			continue // the page alone shows it there
		}
		if err := h.SubscribePush(t.Context(), cookie, subscription(t, fmt.Sprint("https://push.example/", i)), home); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := h.OpenSession(t.Context(), a.ID, account.Opening{Browser: "browser", Origin: home}); err != nil {
		t.Fatal(err)
	}
	req := account.PushRequest{Flow: "f1", Browser: "browser", Service: map[string]string{"ru": "Лавка"}, Origin: home}
	ask, err := h.AskPush(t.Context(), a.ID, req)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{} // endpoint → To
	for _, n := range h.pushes() {
		to, err := h.PushTarget(t.Context(), n.To)
		if err != nil {
			t.Fatal(err)
		}
		at[to.Endpoint.Reveal()] = n.To
		if n.Channel != "push" || n.Template != "push-ask" || len(n.Args) != 0 || !n.Until.Equal(ask.Until) {
			t.Errorf("the message is %+v", n)
		}
	}
	one, two := at["https://push.example/1"], at["https://push.example/2"]
	if len(at) != 2 || one == "" || two == "" {
		t.Fatalf("told are %v", at)
	}
	if err := h.UnsubscribePush(t.Context(), cookies[1], home); err != nil {
		t.Fatal(err)
	}
	if _, err := h.PushTarget(t.Context(), one); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a device that was turned off: %v", err)
	}
	if err := h.RemovePush(t.Context(), a.ID, h.account(a.ID).PushDevices[2].ID, "", home); err != nil {
		t.Fatal(err)
	}
	if _, err := h.PushTarget(t.Context(), two); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a device that was removed: %v", err)
	}
	req.Flow = "f2"
	if _, err := h.AskPush(t.Context(), a.ID, req); err != nil {
		t.Fatal(err)
	}
	if got := h.pushes(); len(got) != 0 {
		t.Errorf("nobody takes messages, and %d are told", len(got))
	}
}

func TestAForgottenSubscriptionTakesNoNewerOneWithIt(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	cookie, err := h.AddPush(t.Context(), a.ID, "phone", home)
	if err != nil {
		t.Fatal(err)
	}
	to := cookie[:strings.Index(cookie, ".")] + "." + h.account(a.ID).PushDevices[0].ID
	before, after := subscription(t, "https://push.example/before"), subscription(t, "https://push.example/after")
	for _, s := range []account.PushSubscription{before, after} {
		if err := h.SubscribePush(t.Context(), cookie, s, home); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.PushGone(t.Context(), to, before); err != nil {
		t.Fatal(err)
	}
	if got, err := h.PushTarget(t.Context(), to); err != nil || !got.Endpoint.Equal(after.Endpoint.Reveal()) {
		t.Errorf("the newer one is gone: %v", err)
	}
	if err := h.PushGone(t.Context(), to, after); err != nil {
		t.Fatal(err)
	}
	if _, err := h.PushTarget(t.Context(), to); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("what is gone is kept: %v", err)
	}
	if err := h.PushGone(t.Context(), to+"x", after); err != nil {
		t.Errorf("a device that is gone too: %v", err)
	}
	if err := h.SubscribePush(t.Context(), cookie+"x", after, home); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a made up cookie subscribes: %v", err)
	}
}

func TestASubscriptionIsReadStrictly(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, auth := key.PublicKey().Bytes(), make([]byte, 16)
	outside := append([]byte{4}, make([]byte, 64)...)
	outside[64] = 1
	for name, row := range map[string]struct {
		endpoint, key, auth string
		fine                bool
	}{
		"as browsers give it":  {"https://push.example/a?b=c", encode(point), encode(auth), true},
		"with padding":         {"https://push.example/", encode(point) + "=", encode(auth) + "==", true},
		"no endpoint":          {"", encode(point), encode(auth), false},
		"another scheme":       {"file:///etc/passwd", encode(point), encode(auth), false},
		"a script":             {"javascript:alert(1)", encode(point), encode(auth), false},
		"a user part":          {"https://user@push.example/", encode(point), encode(auth), false},
		"an endless endpoint":  {"https://push.example/" + strings.Repeat("a", 1024), encode(point), encode(auth), false},
		"off the curve":        {"https://push.example/", encode(outside), encode(auth), false},
		"a compressed key":     {"https://push.example/", encode(append([]byte{2}, point[1:33]...)), encode(auth), false},
		"no key":               {"https://push.example/", "", encode(auth), false},
		"a short secret":       {"https://push.example/", encode(point), encode(auth[1:]), false},
		"a long secret":        {"https://push.example/", encode(point), encode(append(auth, 0)), false},
		"a secret of nonsense": {"https://push.example/", encode(point), "!", false},
	} {
		if _, err := account.ParsePushSubscription(row.endpoint, row.key, row.auth); (err == nil) != row.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
	shown, err := account.ParsePushSubscription("https://push.example/path", encode(point), encode(auth))
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v", shown); strings.Contains(text, "push.example") || strings.Contains(text, encode(auth)) {
		t.Errorf("a subscription shows itself: %s", text)
	}
}

func FuzzParsePushSubscription(f *testing.F) {
	f.Add("https://push.example/a", "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BTBZMqHH6r4Tts7J_aSIgg")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, endpoint, key, auth string) {
		got, err := account.ParsePushSubscription(endpoint, key, auth)
		if err != nil {
			return
		}
		if _, _, err := got.Keys(); err != nil || !strings.HasPrefix(strings.ToLower(got.Endpoint.Reveal()), "http") {
			t.Errorf("%q, %q, %q is taken: %v", endpoint, key, auth, err)
		}
	})
}

func TestDevicesAreToldOfWhatServicesAskUnlessTheirPersonLockedThem(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	cookie, err := h.AddPush(t.Context(), a.ID, "phone", home)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.SubscribePush(t.Context(), cookie, subscription(t, "https://push.example/1"), home); err != nil {
		t.Fatal(err)
	}
	until := h.clock.Now().Add(5 * time.Minute)
	ask := func() []account.Notice {
		if err := h.RequestReceived(t.Context(), a.ID, account.Asker{ID: "centre", Name: "Справочная"}, until, home); err != nil {
			t.Fatal(err)
		}
		return h.pushes()
	}
	got := ask()
	if len(got) != 1 || got[0].Template != "push-call" || len(got[0].Args) != 0 || !got[0].Until.Equal(until) {
		t.Errorf("told are %+v", got)
	}
	err = h.store.Update(t.Context(), a.ID, func(a *account.Account) error {
		a.Locks = append(a.Locks, account.Lock{Switch: account.SwitchPush, At: h.clock.Now()})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(); len(got) != 0 {
		t.Errorf("though it is locked, told are %+v", got)
	}
}
