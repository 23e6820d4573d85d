package account_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// request asks for a sign-up code by SMS to Anna.
func request(flow string) account.CodeRequest {
	return account.CodeRequest{Purpose: account.ForSignUp, Channel: "sms", To: annas.Value, Flow: flow, Lang: "ru", Origin: home}
}

// send sends a code and returns it from the message.
func (h *house) send(req account.CodeRequest) string {
	h.t.Helper()
	if _, err := h.SendCode(h.t.Context(), req); err != nil {
		h.t.Fatal(err)
	}
	sent := h.notices()
	if len(sent) != 1 {
		h.t.Fatalf("%d messages", len(sent))
	}
	return sent[0].Args["Code"]
}

func (h *house) check(flow, code string) (string, error) {
	return h.CheckCode(h.t.Context(), account.ForSignUp, "sms", flow, code, home)
}

// not is a code of six digits that is none of the given.
func not(codes ...string) string {
	for i := range 10 {
		code := fmt.Sprintf("00000%d", i)
		if !strings.Contains(strings.Join(codes, " "), code) {
			return code
		}
	}
	return ""
}

func TestCodeProvesTheContactItWasSentTo(t *testing.T) {
	h := newHouse(t)
	code := h.send(request("f1"))
	if len(code) != 6 {
		t.Fatalf("a code of %d characters", len(code))
	}
	if _, err := h.check("f2", code); !errors.Is(err, account.ErrCodeExpired) {
		t.Errorf("in another flow: %v", err)
	}
	if _, err := h.CheckCode(t.Context(), account.ForSignIn, "sms", "f1", code, home); !errors.Is(err, account.ErrCodeExpired) {
		t.Errorf("for another purpose: %v", err)
	}
	to, err := h.check("f1", code[:3]+" "+code[3:])
	if err != nil || to != annas.Value {
		t.Errorf("%s, %v", to, err)
	}
	if _, err := h.check("f1", code); !errors.Is(err, account.ErrCodeSpent) {
		t.Errorf("a second time: %v", err)
	}
}

func TestCodeWorksOnceEvenFiftyAtOnce(t *testing.T) {
	h := newHouse(t)
	code := h.send(request("f1"))
	right, wrong := together(50, func() error { _, err := h.check("f1", code); return err })
	if right != 1 {
		t.Errorf("%d were right, wrong %v", right, wrong)
	}
}

func TestThreeWrongTriesSpendACode(t *testing.T) {
	h := newHouse(t)
	code := h.send(request("f1"))
	for i, want := range []error{account.ErrWrongCode, account.ErrWrongCode, account.ErrCodeSpent} {
		if _, err := h.check("f1", not(code)); !errors.Is(err, want) {
			t.Errorf("try %d: %v, want %v", i+1, err, want)
		}
		if state, err := h.CodeState(t.Context(), account.ForSignUp, "sms", "f1"); err != nil || state.TriesLeft != 2-i {
			t.Errorf("try %d: %d left, %v", i+1, state.TriesLeft, err)
		}
	}
	if _, err := h.check("f1", code); !errors.Is(err, account.ErrCodeSpent) {
		t.Errorf("the right one, too late: %v", err)
	}
	h.clock.Advance(time.Minute)
	if _, err := h.check("f1", h.send(request("f1"))); err != nil {
		t.Errorf("a new one: %v", err)
	}
}

func TestWrongTriesAtOneMomentAllCount(t *testing.T) {
	h := newHouse(t)
	code := h.send(request("f1"))
	_, wrong := together(50, func() error { _, err := h.check("f1", not(code)); return err })
	if wrong[account.ErrWrongCode] > 2 || wrong[account.ErrCodeSpent] < 48 {
		t.Errorf("%v", wrong)
	}
}

func TestOlderCodeIsStillGoodAndAllEndAfterTenMinutes(t *testing.T) {
	h := newHouse(t)
	first := h.send(request("f1"))
	h.clock.Advance(time.Minute)
	second := h.send(request("f1"))
	if _, err := h.check("f1", first); err != nil {
		t.Errorf("the first, after the second was sent: %v", err)
	}
	h.clock.Advance(10 * time.Minute)
	if _, err := h.check("f1", second); !errors.Is(err, account.ErrCodeExpired) {
		t.Errorf("the second after ten minutes: %v", err)
	}
	if state, err := h.CodeState(t.Context(), account.ForSignUp, "sms", "f1"); err != nil || !state.ExpiresAt.Equal(h.clock.Now()) {
		t.Errorf("the page knows no more of it: %+v, %v", state, err)
	}
}

func TestCodesSentAtOneMomentAreAllGood(t *testing.T) {
	h := newHouse(t)
	mail := request("f1")
	mail.Channel, mail.To = "mail", "anna@example.ru"
	if right, wrong := together(3, func() error { _, err := h.SendCode(t.Context(), mail); return err }); right != 3 {
		t.Fatalf("%d sent, %v", right, wrong)
	}
	for _, n := range h.notices() {
		if _, err := h.CheckCode(t.Context(), account.ForSignUp, "mail", "f1", n.Args["Code"], home); err != nil {
			t.Errorf("one of three: %v", err)
		}
	}
}

func TestChangedContactMakesTheCodesBeforeVoid(t *testing.T) {
	h := newHouse(t)
	first := h.send(request("f1"))
	other := request("f1")
	other.To = "+79160000000"
	second := h.send(other)
	if _, err := h.check("f1", first); !errors.Is(err, account.ErrWrongCode) && first != second {
		t.Errorf("the code of the contact before: %v", err)
	}
	if to, err := h.check("f1", second); err != nil || to != other.To {
		t.Errorf("%s, %v", to, err)
	}
}

func TestSilentCodeLooksLikeARealOne(t *testing.T) {
	h := newHouse(t)
	silent := request("silent")
	silent.To, silent.Silent = "+79160000000", true
	real, err := h.SendCode(t.Context(), request("real"))
	if err != nil {
		t.Fatal(err)
	}
	quiet, err := h.SendCode(t.Context(), silent)
	if err != nil {
		t.Fatal(err)
	}
	real.Masked, quiet.Masked = "", ""
	if real != quiet {
		t.Errorf("real %+v, silent %+v", real, quiet)
	}
	real0 := h.notices()[0].Args["Code"]
	for i := range 4 {
		_, one := h.check("real", not(real0))
		_, other := h.check("silent", not(real0))
		if !errors.Is(one, other) {
			t.Errorf("try %d: real %v, silent %v", i+1, one, other)
		}
	}
}

func TestMailedLinkWorksOnceWithinADay(t *testing.T) {
	h := newHouse(t)
	req := request("f1")
	req.Channel, req.To, req.Link = "mail", "anna@example.ru", "https://id.example/signup/link?lang=ru"
	token := func() string {
		if _, err := h.SendCode(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(h.notices()[0].Args["Link"])
		if err != nil || u.Query().Get("lang") != "ru" {
			t.Fatalf("%v, %v", u, err)
		}
		return u.Query().Get("token")
	}
	first := token()
	for range 2 { // a mail scanner's GET uses nothing up
		if _, masked, err := h.PeekLink(t.Context(), account.ForSignUp, first); err != nil || masked != "a•••@example.ru" {
			t.Errorf("peeking: %s, %v", masked, err)
		}
	}
	h.clock.Advance(23 * time.Hour)
	right, _ := together(20, func() error { _, _, err := h.CheckLink(t.Context(), account.ForSignUp, first); return err })
	if right != 1 {
		t.Errorf("%d used the link", right)
	}
	second := token()
	h.clock.Advance(24 * time.Hour)
	if _, _, err := h.CheckLink(t.Context(), account.ForSignUp, second); !errors.Is(err, account.ErrCodeExpired) {
		t.Errorf("after a day: %v", err)
	}
}

func TestACodeByMailOfTheAddressBeforeConfirmsNothing(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	if err := h.SendMailCode(t.Context(), a.ID, "f1", "ru", home); err != nil {
		t.Fatal(err)
	}
	code := h.lastCode()
	if err := h.VerifyMailCode(t.Context(), a.ID, "f2", code, home); !errors.Is(err, account.ErrCodeExpired) {
		t.Errorf("in another flow: %v", err)
	}
	err := h.store.Update(t.Context(), a.ID, func(a *account.Account) error { a.Email.Value = "other@example.ru"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := h.VerifyMailCode(t.Context(), a.ID, "f1", code, home); !errors.Is(err, account.ErrCodeExpired) {
		t.Errorf("after the address changed: %v", err)
	}
}
