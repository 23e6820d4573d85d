package login_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// subscriptionForm is what a page's script fills in.
func subscriptionForm(t *testing.T) url.Values {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return url.Values{"endpoint": {"https://push.example/1"}, "p256dh": {encode(key.PublicKey().Bytes())}, "auth": {encode(make([]byte, 16))}}
}

func (h *house) toldDevices() int {
	h.t.Helper()
	tasks, err := h.records.Lease(h.t.Context(), []account.TaskKind{account.OwedPush}, h.clock.Now(), time.Minute, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, task := range tasks {
		if err := h.records.Pay(h.t.Context(), task.ID); err != nil {
			h.t.Fatal(err)
		}
	}
	return len(tasks)
}

func TestADeviceIsToldOfRequestsWhenItsPersonWantsThat(t *testing.T) {
	h := newHouse(t)
	phone, computer := h.withPhone("+79160000011")
	computer.askPhone("/login", "+79160000011")
	if n := h.toldDevices(); n != 0 {
		t.Errorf("%d devices are told unasked", n)
	}
	phone.open("/me/approve").on("me-approve")
	form := phone.find(func(n *htmlNode) bool { return has(n, "data-push-key") })
	if form == nil || attr(form, "data-push-key") == "" || !has(form, "hidden") {
		t.Fatal("the page offers nothing, or offers it without scripts")
	}
	wrong := subscriptionForm(t)
	wrong.Set("auth", "")
	phone.post("/me/approve/push", wrong).on("me-approve")
	if phone.status != http.StatusUnprocessableEntity || !strings.Contains(phone.text, "не включил оповещения") {
		t.Errorf("half a subscription is answered %d", phone.status)
	}
	phone.post("/me/approve/push", subscriptionForm(t)).on("me-approve")
	if !strings.Contains(phone.text, "Оповещения включены") || strings.Contains(phone.text, "data-push-key") {
		t.Error("the page does not say that it is on")
	}
	computer.askPhone("/login", "+79160000011")
	if n := h.toldDevices(); n != 1 {
		t.Errorf("%d devices are told", n)
	}
	if phone.open("/me/security").on("me-security"); !strings.Contains(phone.text, "Показывает оповещения") {
		t.Error("the cabinet does not say which device takes messages")
	}
	phone.open("/me/approve").fill("push-off").on("me-approve")
	computer.askPhone("/login", "+79160000011")
	if n := h.toldDevices(); n != 0 {
		t.Errorf("%d devices are told though it was turned off", n)
	}
	if phone.open("/me/history"); !strings.Contains(phone.text, "включены оповещения") || !strings.Contains(phone.text, "выключены оповещения") {
		t.Error("the person's journal does not say so")
	}
}

func TestOnlyADeviceTurnsItsMessagesOn(t *testing.T) {
	h := newHouse(t)
	phone, computer := h.withPhone("+79160000012")
	h.browser().post("/me/approve/push", subscriptionForm(t)).on("me-approve")
	h.person("+79160000013")
	h.signIn("+79160000013").post("/me/approve/push", subscriptionForm(t))
	phone.post("/me/approve/push", subscriptionForm(t), "Sec-Fetch-Site", "cross-site")
	if phone.status != http.StatusForbidden {
		t.Errorf("another site's page turns it on: %d", phone.status)
	}
	computer.askPhone("/login", "+79160000012")
	if n := h.toldDevices(); n != 0 {
		t.Errorf("%d devices are told", n)
	}
}

func TestTheWorkerControlsNoPage(t *testing.T) {
	h := newHouse(t)
	b := h.browser().open("/push/worker.js")
	if b.status != http.StatusOK || !strings.Contains(b.head.Get("Content-Type"), "javascript") || b.head.Get("Cache-Control") != "no-cache" {
		t.Errorf("the worker is answered %d %v", b.status, b.head)
	}
	if b.head.Get("Service-Worker-Allowed") != "" || strings.Contains(b.text, "'fetch'") || strings.Contains(b.text, "importScripts") {
		t.Error("the worker may come between pages and the network")
	}
	if b.head.Get("Content-Security-Policy") != "default-src 'none'" {
		t.Error("the worker may ask the network")
	}
}
