package login_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// end is what the open page says of its end; left is in seconds.
func (b *browser) end() (left int, whole bool, stay string) {
	b.t.Helper()
	box := b.find(func(n *htmlNode) bool { return has(n, "data-timeout") })
	if box == nil {
		b.t.Fatalf("the page %s says nothing of its end", b.name())
	}
	left, err := strconv.Atoi(attr(box, "data-left"))
	if err != nil {
		b.t.Fatal(err)
	}
	return left, has(box, "data-whole"), attr(box, "data-stay")
}

// stays asks for longer, as the script of the open page does, and leaves the page open.
func (b *browser) stays() (answer templates.Stay, status int) {
	b.t.Helper()
	_, _, stay := b.end()
	response, err := b.http.Post(b.base+stay, "", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		err = json.NewDecoder(response.Body).Decode(&answer)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return answer, response.StatusCode
}

const minute = 60

func about(got, want int) bool { return got >= want-minute && got <= want+1 }

func TestOneClickPutsTheEndOfASessionOff(t *testing.T) {
	h := newHouse(t)
	h.person("+79126100001")
	b := h.signIn("+79126100001").open("/me/trusted").on("me-trusted")
	if left, whole, _ := b.end(); !about(left, 60*minute) || whole {
		t.Errorf("the page is good for %d s, and that cannot be put off: %v", left, whole)
	}
	if !strings.Contains(b.text, "<noscript><p class=\"wide until\">") {
		t.Error("without scripts nobody reads when the session ends")
	}
	for range 3 {
		h.clock.Advance(58 * time.Minute)
		if answer, status := b.stays(); status != http.StatusOK || !about(answer.Left, 60*minute) || answer.Whole {
			t.Fatalf("asking for longer: %d, %+v", status, answer)
		}
	}
	h.clock.Advance(59 * time.Minute)
	b.open("/me/trusted").on("me-trusted")
	h.clock.Advance(61 * time.Minute)
	if _, status := b.stays(); status != http.StatusGone {
		t.Errorf("a session that is over is put off: %d", status)
	}
}

func TestNothingPutsOffTheEndThatTheStrengthPromises(t *testing.T) {
	h := newHouse(t)
	h.person("+79126100002")
	b := h.signIn("+79126100002").open("/me").on("me")
	answer := templates.Stay{}
	for spent := time.Duration(0); spent < 12*time.Hour-50*time.Minute; spent += 50 * time.Minute {
		h.clock.Advance(50 * time.Minute)
		answer, _ = b.stays()
	}
	if !answer.Whole || answer.Left > 50*minute {
		t.Errorf("near the end of twelve hours: %+v", answer)
	}
	again, _ := b.stays()
	if again.Left > answer.Left {
		t.Errorf("asking again made %d of %d s", again.Left, answer.Left)
	}
	if _, whole, _ := b.open("/me").on("me").end(); !whole {
		t.Error("the page promises what it cannot keep")
	}
	h.clock.Advance(50 * time.Minute)
	if _, status := b.stays(); status != http.StatusGone {
		t.Errorf("after twelve hours: %d", status)
	}
}

func TestAfterTheEndASignInReturnsToTheSamePage(t *testing.T) {
	h := newHouse(t)
	h.person("+79126100003")
	b := h.signIn("+79126100003").open("/me/history?about=security").on("me-history")
	h.clock.Advance(61 * time.Minute)
	b.open("/me/history?about=security").on("identify")
	if !strings.Contains(textOf(b.page), "Вход закончился") {
		t.Error("nobody says why the page asks to sign in")
	}
	b.fill("continue", "identifier", "+79126100003").fill("continue", "password", password).on("me-history")
	if b.at.Query().Get("about") != "security" {
		t.Errorf("back at %s", b.at)
	}
	if fresh := h.browser().open("/me/history").on("identify"); strings.Contains(textOf(fresh.page), "Вход закончился") {
		t.Error("who was never signed in hears that it ended")
	}
}

func TestNothingTypedIsKeptOnASharedComputer(t *testing.T) {
	h := newHouse(t)
	h.person("+79126100004")
	for shared, kept := range map[string]bool{"yes": false, "": true} {
		b := h.browser().open("/login").fill("continue", "identifier", "+79126100004", "shared", shared).fill("continue", "password", password).on("me")
		if got := strings.Contains(b.text, "data-who="); got != kept {
			t.Errorf("shared %q: what is typed is kept: %v", shared, got)
		}
	}
}

func TestOneClickPutsAnAttemptOffWithTheServicesRequest(t *testing.T) {
	h := newHouse(t)
	h.person("+79126100005")
	b := h.browser().open(h.request()).on("identify").fill("continue", "identifier", "+79126100005").on("password")
	if left, whole, _ := b.end(); !about(left, 60*minute) || whole {
		t.Errorf("the page is good for %d s, and that cannot be put off: %v", left, whole)
	}
	for range 3 {
		h.clock.Advance(58 * time.Minute)
		if answer, status := b.stays(); status != http.StatusOK || !about(answer.Left, 60*minute) {
			t.Fatalf("asking for longer: %d, %+v", status, answer)
		}
	}
	b.fill("continue", "password", password).on("consent").fill("allow")
	if b.answered().Get("code") == "" {
		t.Errorf("the service got %v", b.answered())
	}

	b = h.browser().open(h.request()).on("identify")
	for range 12 {
		h.clock.Advance(58 * time.Minute)
		b.stays()
	}
	if b.open("/login?attempt=" + b.attempt()).on("error"); b.status != http.StatusGone {
		t.Errorf("an attempt waits longer than ten hours: %d", b.status)
	}
}

func TestHalfASignInIsNotPutOff(t *testing.T) {
	h := newHouse(t)
	h.person("+79126100006", withTOTP)
	b := h.browser().open("/login").fill("continue", "identifier", "+79126100006").fill("continue", "password", password).on("totp")
	if left, whole, _ := b.end(); !about(left, 15*minute) || !whole {
		t.Errorf("the first factor waits %d s, and that cannot be put off: %v", left, whole)
	}
	h.clock.Advance(14 * time.Minute)
	if answer, _ := b.stays(); answer.Left > minute+1 || !answer.Whole {
		t.Errorf("asking for longer: %+v (F08)", answer)
	}
	h.clock.Advance(2 * time.Minute)
	b.open("/login/totp?attempt=" + b.attempt()).on("password") // a calm page, and not an error
}

func TestWhatADeviceAsksKeepsItsOwnEnd(t *testing.T) {
	h := newHouse(t)
	h.person("+79126100007")
	h.device()
	b := h.signIn("+79126100007").open("/device").fill("continue", "code", userCode).on("device-confirm")
	left, whole, _ := b.end()
	if left > 15*minute || !whole {
		t.Fatalf("a device waits %d s, and that cannot be put off: %v", left, whole)
	}
	h.clock.Advance(2 * time.Minute)
	if answer, _ := b.stays(); answer.Left > left-minute {
		t.Errorf("asking for longer made %d of %d s", answer.Left, left)
	}
}

func TestEveryFormStandsOnAPageThatOpensAgain(t *testing.T) {
	h := newHouse(t)
	h.person("+79126100008", func(a *account.Account) { a.Level = account.Standard })
	b := h.signIn("+79126100008")
	for _, path := range []string{"/me/security/prefer", "/me/security/passkey/rename", "/me/security/esign/remove", "/me/security/bank/remove",
		"/me/sessions/forget", "/asked", "/protect/sms/resend"} {
		if b.post("/lang", url.Values{"lang": {"ru"}, "return": {path}}); b.status != http.StatusOK {
			t.Errorf("after the language was switched, or the session ended, at %s: %d on the page %s", path, b.status, b.name())
		}
	}
}
