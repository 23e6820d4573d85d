package login_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// storm guesses at many accounts, each time from elsewhere.
func (h *house) storm() {
	h.t.Helper()
	for i := range 500 {
		by := account.Identifier{Kind: account.ByPhone, Value: fmt.Sprintf("+7900%07d", i)}
		o := account.Origin{Address: netip.AddrFrom4([4]byte{198, 18, byte(i / 200), byte(i % 200)})}
		if _, err := h.accounts.VerifyPassword(h.t.Context(), by, fmt.Sprintf("Украденный%d", i), o); err == nil {
			h.t.Fatal("a guess was right")
		}
	}
	if !h.accounts.Stormy() {
		h.t.Fatal("there is no storm")
	}
}

// work does the sum that the page asks for, as its script does.
func (b *browser) work() string {
	b.t.Helper()
	form := b.find(func(n *htmlNode) bool { return has(n, "data-toll") })
	if form == nil {
		b.t.Fatalf("the page %s asks for no toll", b.name())
	}
	var answers []string
	parts, _ := strconv.Atoi(attr(form, "data-toll-parts"))
	zeros, _ := strconv.Atoi(attr(form, "data-toll-bits"))
	for part := range parts {
		for n := 0; ; n++ {
			sum := sha256.Sum256(fmt.Appendf(nil, "%s.%d.%d", attr(form, "data-toll"), part, n))
			if (uint32(sum[0])<<24|uint32(sum[1])<<16|uint32(sum[2])<<8)>>(32-zeros) == 0 {
				answers = append(answers, strconv.Itoa(n))
				break
			}
		}
	}
	return strings.Join(answers, ",")
}

func (b *browser) asksToll() bool {
	return b.find(func(n *htmlNode) bool { return has(n, "data-toll") }) != nil
}

func TestInAStormANewBrowserWorksAndAKnownOneDoesNot(t *testing.T) {
	h := newHouse(t)
	h.person("+79120001001")
	known := h.signIn("+79120001001")
	known.open("/logout").fill("continue")
	h.storm()
	known.open("/login").fill("continue", "identifier", "+79120001001").on("password")
	if known.asksToll() {
		t.Error("a browser in which the person signed in is asked for a toll")
	}
	known.fill("continue", "password", password).on("me")

	b := h.browser().open("/login").fill("continue", "identifier", "+79120001001").on("password")
	if !b.asksToll() || !strings.Contains(b.text, "подбирает пароли") {
		t.Fatal("a new browser is asked for nothing, or not told why")
	}
	for _, work := range []string{"", "1,2,3,4,5,6,7,8", strings.Repeat("0,", 7) + "0", "9999999999999999"} {
		b.fill("continue", "password", password, "work", work).on("password")
		if b.status != http.StatusUnprocessableEntity || b.cookie("vhod-session") != "" {
			t.Fatalf("work %q is answered %d", work, b.status)
		}
	}
	b.fill("continue", "password", "wrong", "work", b.work()).on("password") // judged: the next guess costs another sum
	b.fill("continue", "password", password).on("password")
	b.fill("continue", "password", password, "work", b.work())
	h.confirmByMail(b, "+79120001001").on("me")
}

// confirmByMail confirms an unusual sign-in of a person without a second factor.
func (h *house) confirmByMail(b *browser, phone string) *browser {
	h.t.Helper()
	b.on("mail-code")
	code, _ := h.sent(h.find(phone).Email.Value)
	return b.fill("continue", "code", code)
}

func TestATollPaysForOneGuess(t *testing.T) {
	h := newHouse(t)
	h.person("+79120001002")
	h.storm()
	b := h.browser().open("/login").fill("continue", "identifier", "+79120001002").on("password")
	form := url.Values{"attempt": {b.attempt()}, "password": {"wrong"}, "work": {b.work()}}
	var judged atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			twin := &browser{t: t, http: b.http, base: b.base, at: b.at}
			if strings.Contains(twin.post("/login/password", form).text, "пароль не подходят") {
				judged.Add(1)
			}
		})
	}
	all.Wait()
	if judged.Load() != 1 {
		t.Errorf("one sum paid for %d guesses", judged.Load())
	}
}

func TestABrowserWithoutScriptsWaitsInAStorm(t *testing.T) {
	h := newHouse(t)
	h.person("+79120001003")
	h.storm()
	b := h.browser().open("/login").fill("continue", "identifier", "+79120001003").on("password")
	h.clock.Advance(30 * time.Second)
	b.fill("continue", "password", password).on("password")
	if !strings.Contains(b.text, "Подождите 30 с") {
		t.Error("the page does not say how long to wait")
	}
	h.clock.Advance(31 * time.Second)
	h.confirmByMail(b.fill("continue", "password", password), "+79120001003").on("me")

	late := h.browser().open("/login").fill("continue", "identifier", "+79120001003").on("password")
	h.clock.Advance(2 * time.Minute)
	if _, err := h.ephemera.Count(t.Context(), "login/toll-waited", 100, time.Minute); err != nil {
		t.Fatal(err)
	}
	if late.fill("continue", "password", password).on("password"); !strings.Contains(late.text, "Слишком многие ждут") {
		t.Error("more than a hundred guesses a minute are paid by waiting")
	}
	h.clock.Advance(2 * time.Minute)
	h.confirmByMail(late.fill("continue", "password", password), "+79120001003").on("me")
}

func TestInAStormUnknownIdentifiersLookLikeKnownOnes(t *testing.T) {
	h := newHouse(t)
	h.person("+79120001004")
	h.storm()
	page := func(phone string) string {
		b := h.browser().open("/login").fill("continue", "identifier", phone).on("password")
		before := b.text
		b.fill("continue", "password", "wrong").on("password")
		form := b.find(func(n *htmlNode) bool { return has(n, "data-toll") })
		return strings.NewReplacer(append(unnamed(phone), b.attempt(), "ID", attr(form, "data-toll"), "NONCE")...).Replace(before + b.text)
	}
	if known, unknown := page("+79120001004"), page("+79120001099"); known != unknown {
		t.Errorf("the pages differ:\n%s\n%s", known, unknown)
	}
}
