package account_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// wrongPassword is another one each time, as stolen lists have them.
func wrongPassword(i int) string { return fmt.Sprintf("Украденный-Пароль%d", i) }

// bot is an address of its own network, and somebody whom it guesses at.
func bot(i int) (account.Identifier, account.Origin) {
	return phone(fmt.Sprintf("+7900%07d", i)), from(fmt.Sprintf("198.%d.%d.%d", 18+i/62500, i/250%250, 1+i%250))
}

const browserOfAnna = "a cookie that Anna's browser keeps"

// annaAtHome is Anna, who has signed in before.
func (h *house) annaAtHome() *account.Account {
	h.t.Helper()
	a := h.anna()
	if _, _, err := h.OpenSession(h.t.Context(), a.ID, account.Opening{Proofs: h.proof(account.MethodPassword), Browser: browserOfAnna, Origin: home}); err != nil {
		h.t.Fatal(err)
	}
	return a
}

// TestStuffingFromTenThousandAddressesMeetsAToll tries one stolen password at each of ten thousand accounts, each from a
// network of its own, at two nodes by turns (G05). Every fiftieth account exists.
func TestStuffingFromTenThousandAddressesMeetsAToll(t *testing.T) {
	h := newHouse(t)
	h.annaAtHome()
	for i := 0; i < 10_000; i += 50 {
		by, _ := bot(i)
		h.signUp(by.Value, fmt.Sprintf("bot%d@example.ru", i))
	}
	nodes := []*account.Service{h.Service, h.node()}
	sign := func(node *account.Service) (work, error) {
		before := h.work()
		_, err := node.VerifyPasswordIn(t.Context(), annas, goodPassword, account.Showing{Browser: browserOfAnna}, home)
		return h.work().since(before), err
	}
	_, _ = sign(h.Service) // her address is known from here on
	quiet, err := sign(h.Service)
	if err != nil {
		t.Fatal(err)
	}
	judged, refused := 0, 0
	var calls []work
	for i := range 10_000 {
		by, o := bot(i)
		before := h.work()
		_, err := nodes[i%2].VerifyPassword(t.Context(), by, wrongPassword(i), o)
		switch {
		case errors.Is(err, account.ErrWrongCredentials):
			judged++
		case errors.As(err, new(account.TollError)):
			refused++
			calls = append(calls, h.work().since(before))
		default:
			t.Fatalf("guess %d: %v", i, err)
		}
		if i%1000 == 999 { // the storm lasts longer than a quarter of an hour
			h.clock.Advance(2 * time.Minute)
			during, err := sign(nodes[i/1000%2])
			during.calls = min(during.calls, quiet.calls) + max(0, during.calls-quiet.calls-1) // a new round begins now and then
			if err != nil || during != quiet {
				t.Errorf("Anna at her own browser costs %+v in the storm and %+v without: %v", during, quiet, err)
			}
		}
	}
	t.Logf("%d guesses were judged, %d refused before hashing", judged, refused)
	if judged != 500 {
		t.Errorf("%d guesses were judged", judged)
	}
	if i := slices.IndexFunc(calls, func(w work) bool { return w.hashes != 0 || w.finds != 1 || w.calls > 3 }); i >= 0 {
		t.Errorf("a refusal costs %+v", calls[i])
	}
	if !h.Stormy() || !nodes[1].Stormy() {
		t.Error("the pages of a node do not know of the storm")
	}
	stranger := from("203.0.113.99")
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, stranger); !errors.As(err, new(account.TollError)) {
		t.Errorf("Anna in a new browser, without a toll: %v", err)
	}
	if _, err := h.VerifyPasswordIn(t.Context(), annas, goodPassword, account.Showing{Browser: "a made-up cookie"}, stranger); !errors.As(err, new(account.TollError)) {
		t.Errorf("by a made-up cookie: %v", err)
	}
	if _, err := h.VerifyPasswordIn(t.Context(), annas, goodPassword, account.Showing{Paid: true}, stranger); err != nil {
		t.Errorf("Anna in a new browser, the toll paid: %v", err)
	}
	h.clock.Advance(16 * time.Minute)
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, stranger); err != nil || h.Stormy() {
		t.Errorf("after the storm: %v", err)
	}
}

func TestOnePasswordAtManyAccountsMeetsAToll(t *testing.T) {
	h := newHouse(t)
	h.annaAtHome()
	judged := 0
	for i := range 1000 { // G06
		by, o := bot(i)
		_, err := h.VerifyPassword(t.Context(), by, goodPassword, o)
		if errors.Is(err, account.ErrWrongCredentials) {
			judged++
			continue
		}
		if toll := (account.TollError{}); !errors.As(err, &toll) || !toll.Sprayed {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if judged != 30 {
		t.Errorf("%d accounts were tried by one password", judged)
	}
	if h.Stormy() {
		t.Error("everybody pays for one password")
	}
	by, o := bot(2000)
	if _, err := h.VerifyPassword(t.Context(), by, wrongPassword(1), o); !errors.Is(err, account.ErrWrongCredentials) {
		t.Errorf("another password: %v", err)
	}
	stranger := from("203.0.113.99")
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, stranger); !errors.As(err, new(account.TollError)) {
		t.Errorf("the right one among them: %v", err)
	}
	if _, err := h.VerifyPasswordIn(t.Context(), annas, goodPassword, account.Showing{Browser: browserOfAnna}, home); err != nil {
		t.Errorf("its owner at their own browser: %v", err)
	}
}

func TestABusyMorningIsNoStorm(t *testing.T) {
	h := newHouse(t)
	h.anna()
	for i := range 1600 { // three right first guesses to one wrong one
		by, o := bot(i)
		password := wrongPassword(i)
		if i%4 != 0 {
			by, password = annas, goodPassword
		}
		if _, err := h.VerifyPassword(t.Context(), by, password, o); err != nil && !errors.Is(err, account.ErrWrongCredentials) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if h.Stormy() {
		t.Error("400 wrong passwords among 1600 are a storm")
	}
}

func TestRefusalsInAStormAreInTheJournalOnceAnHour(t *testing.T) {
	h := newHouse(t)
	h.cfg.Storm.Wrong = 3
	h.Service = h.node()
	a := h.anna()
	for i := range 3 {
		by, o := bot(i)
		_, _ = h.VerifyPassword(t.Context(), by, wrongPassword(i), o)
	}
	for i := range 5 {
		_, o := bot(i)
		if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, o); !errors.As(err, new(account.TollError)) {
			t.Fatal(err)
		}
	}
	h.Close()
	events, err := h.Journal(t.Context(), a.ID, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	noted := 0
	for _, e := range events {
		if e.Kind == account.SignInFailed && e.Details["reason"] == "storm" {
			noted++
		}
	}
	if noted != 1 {
		t.Errorf("%d lines of %d", noted, len(events))
	}
}

func TestStormIsSeenWhileEphemeraAreAway(t *testing.T) {
	h := newHouse(t)
	h.eph.broken.Store(true)
	judged := 0
	for i := range 1000 {
		by, o := bot(i)
		if _, err := h.VerifyPassword(t.Context(), by, wrongPassword(i), o); errors.Is(err, account.ErrWrongCredentials) {
			judged++
		}
	}
	if judged != 250 {
		t.Errorf("a node by itself judged %d guesses, not half of what all may", judged)
	}
}

func TestStormIsSeenByAllNodesOverServers(t *testing.T) {
	nodes := housesOnServers(t)
	for _, n := range nodes {
		n.cfg.Storm.Wrong = 6
		n.Service = n.node()
	}
	for i := range 6 {
		by, o := bot(i)
		if _, err := nodes[i%2].VerifyPassword(t.Context(), by, wrongPassword(i), o); !errors.Is(err, account.ErrWrongCredentials) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	for i, n := range nodes {
		by, o := bot(10 + i)
		if _, err := n.VerifyPassword(t.Context(), by, wrongPassword(i), o); !errors.As(err, new(account.TollError)) {
			t.Errorf("node %d: %v", i, err)
		}
	}
}
