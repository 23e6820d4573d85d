package login_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// withPhone gives a person a browser that approves, and one at a computer in which they were seen, signed out.
func (h *house) withPhone(phone string) (device, computer *browser) {
	h.t.Helper()
	h.person(phone)
	computer = h.signIn(phone).open("/logout").fill("continue")
	device = h.signIn(phone).open("/me/security").fill("add-push").on("protect-push")
	device.fill("continue", "device_name", "Мой телефон").on("protect-backup").fill("continue").on("me-security")
	h.notices()
	return device, computer
}

// ask signs in as far as the page push, and returns the number there.
func (b *browser) askPhone(path, phone string) (number string) {
	b.t.Helper()
	b.open(path).fill("continue", "identifier", phone).fill("continue", "password", password).on("push")
	return b.number()
}

func (b *browser) number() string {
	b.t.Helper()
	return textOf(b.find(func(n *htmlNode) bool { return has(n, "data-number") }))
}

func TestPersonConfirmsOnTheirPhoneByTheNumberOnTheScreen(t *testing.T) {
	h := newHouse(t)
	phone, computer := h.withPhone("+79160000001")
	number := computer.askPhone(h.request(func(r *op.AuthRequest) {
		r.ACR = []op.ACR{{Level: account.Simplified, Strength: account.TwoFactor}}
	}), "+79160000001")
	if computer.cookie("vhod-session") != "" {
		t.Fatal("half a sign-in gave a session (F08)")
	}
	if computer.fill("continue").on("push").number() != number {
		t.Error("pressing early asked again")
	}
	phone.post("/logout", url.Values{}) // the device needs no session
	phone.open("/me/approve").on("me-approve")
	if !strings.Contains(phone.text, "Лавка") || !strings.Contains(phone.text, "127.0.0.1") {
		t.Errorf("the device does not say what is approved:\n%s", phone.text)
	}
	if n := strings.Count(phone.text, `data-action="choose-`); n != 3 {
		t.Errorf("%d numbers to choose from", n)
	}
	phone.fill("choose-" + number).on("me-approve")
	computer.open("/login/push?attempt=" + computer.attempt()).on("push").fill("continue").on("consent").fill("allow").answered()
	auth := h.provider.approvals()[0]
	if auth.Strength != account.TwoFactor || strings.Join(auth.AMR, " ") != "pwd swk mfa" {
		t.Errorf("the door vouched for %v by %v", auth.Strength, auth.AMR)
	}
}

func TestNobodyIsAskedFromABrowserInWhichThePersonWasNeverSeen(t *testing.T) {
	h := newHouse(t)
	phone, _ := h.withPhone("+79160000002")
	b := h.browser().open("/login").fill("continue", "identifier", "+79160000002").fill("continue", "password", password).on("backup")
	if b.open("/login/push?attempt=" + b.attempt()); b.name() == "push" {
		t.Error("a stranger's browser asks the person (C40)")
	}
	if phone.open("/me/approve").on("me-approve"); strings.Contains(phone.text, "data-request") {
		t.Error("the device was asked")
	}
}

func TestOtherAnswersLetNobodyIn(t *testing.T) {
	for name, row := range map[string]struct{ answer, done, page string }{
		"another number": {"00", "wrong", "push"}, "refused": {"deny", "refused", "push"}, "not me": {"stranger", "reported", "push"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			phone, computer := h.withPhone("+79160000003")
			computer.askPhone("/login", "+79160000003")
			attempt := computer.attempt()
			phone.open("/me/approve").on("me-approve")
			phone.post("/me/approve", url.Values{"request": {phone.value("request")}, "answer": {row.answer}}).on("me-approve")
			if got := phone.at.Query().Get("done"); got != row.done {
				t.Errorf("the device says %q", got)
			}
			computer.post("/login/push", url.Values{"attempt": {attempt}}).on(row.page)
			if computer.cookie("vhod-session") != "" {
				t.Error("the computer was let in")
			}
			if row.done == "reported" {
				computer.fill("continue").on("identify") // what was proven is forgotten
				told := false
				for _, n := range h.notices() {
					told = told || n.Template == "push-reported"
				}
				if !told {
					t.Error("the person's contacts heard of nothing")
				}
				computer.open("/login").fill("continue", "identifier", "+79160000003").fill("continue", "password", password)
				if computer.status != http.StatusTooManyRequests {
					t.Errorf("the person is asked again at once: %d on %s", computer.status, computer.name())
				}
			}
		})
	}
}

func TestAPersonIsAskedOnTheirDeviceAtMostThreeTimesAMinute(t *testing.T) {
	h := newHouse(t)
	phone, computer := h.withPhone("+79160000004")
	for range 3 {
		computer.askPhone("/login", "+79160000004")
	}
	computer.open("/login").fill("continue", "identifier", "+79160000004").fill("continue", "password", password).on("push")
	if computer.status != http.StatusTooManyRequests {
		t.Errorf("the fourth request is answered %d (F11)", computer.status)
	}
	if phone.open("/me/approve"); strings.Count(phone.text, "data-request") != 3 {
		t.Error("the device does not show three requests")
	}
	h.clock.Advance(61 * time.Second)
	if phone.open("/me/approve"); strings.Contains(phone.text, "data-request") {
		t.Error("a request outlived its minute")
	}
	computer.fill("resend").on("push")
	if computer.number() == "" {
		t.Error("after a minute nobody may ask")
	}
}

func TestADeviceAnswersForItsOwnPersonOnly(t *testing.T) {
	h := newHouse(t)
	phone, computer := h.withPhone("+79160000005")
	stranger, _ := h.withPhone("+79160000006")
	number := computer.askPhone("/login", "+79160000005")
	request := phone.open("/me/approve").value("request")
	stranger.post("/me/approve", url.Values{"request": {request}, "answer": {number}})
	if got := stranger.at.Query().Get("done"); got != "over" {
		t.Errorf("a stranger's device answers: %q", got)
	}
	h.browser().post("/me/approve", url.Values{"request": {request}, "answer": {number}})
	computer.post("/login/push", url.Values{"attempt": {computer.attempt()}}).on("push")
	h.clock.Advance(2 * time.Minute) // the number of a request that is over opens nothing
	phone.post("/me/approve", url.Values{"request": {request}, "answer": {number}})
	computer.post("/login/push", url.Values{"attempt": {computer.attempt()}}).on("push")
	if computer.cookie("vhod-session") != "" {
		t.Error("the computer was let in")
	}

	h.clock.Advance(time.Minute)
	computer.fill("resend").on("push")
	phone.open("/me/security").fill("remove-push").on("me-factor-remove").fill("continue").on("me-security")
	if phone.open("/me/approve").on("me-approve"); strings.Contains(phone.text, "data-request") {
		t.Error("a removed device is asked")
	}
}

func TestThePagesHearOfAnAnswerAtOnce(t *testing.T) {
	h := newHouse(t)
	phone, computer := h.withPhone("+79160000007")
	watch := func(b *browser) <-chan string {
		if !strings.Contains(b.text, `<noscript><meta http-equiv="refresh" content="4"></noscript>`) {
			t.Error("without scripts the page hears of nothing")
		}
		main := b.find(func(n *htmlNode) bool { return has(n, "data-live") })
		response, err := b.http.Get(b.absolute(attr(main, "data-live")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Fatalf("the events are %q", got)
		}
		heard := make(chan string, 1)
		go func() {
			for lines := bufio.NewScanner(response.Body); lines.Scan(); {
				if line, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
					heard <- line
					return
				}
			}
			close(heard)
		}()
		return heard
	}
	onPhone := watch(phone.open("/me/approve"))
	number := computer.askPhone("/login", "+79160000007")
	if got := <-onPhone; got != "changed" {
		t.Fatalf("the device heard %q", got)
	}
	onComputer := watch(computer)
	phone.open("/me/approve").fill("choose-" + number)
	if got := <-onComputer; got != "changed" {
		t.Fatalf("the computer heard %q", got)
	}
}
