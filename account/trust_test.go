package account_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// deliver pays what the ends of ties tell each other, until there is nothing left to tell.
func (h *house) deliver() {
	h.t.Helper()
	for h.PayDue(h.t.Context()) > 0 { // a message may bring about another
	}
}

// boris is somebody who may be trusted.
func (h *house) boris() *account.Account {
	h.t.Helper()
	b := h.signUp("+79161234568", "boris@example.ru")
	h.withApp(b)
	h.known(b.ID)
	return h.account(b.ID)
}

func (h *house) known(id account.ID) {
	h.t.Helper()
	err := h.store.Update(h.t.Context(), id, func(a *account.Account) error {
		a.Level, a.Person = account.Verified, account.Person{FamilyName: "Орлов", GivenName: "Борис", MiddleName: "Ильич"}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// named has Anna name Boris, and delivers the offer.
func (h *house) named(anna, boris *account.Account) (tie string) {
	h.t.Helper()
	if err := h.NameTrusted(h.t.Context(), anna.ID, "Брат", phone(boris.Phone.Value), home); err != nil {
		h.t.Fatal(err)
	}
	h.deliver()
	return h.account(anna.ID).Trusted[0].ID
}

// trusted is Anna, with a second factor, and Boris, whom she has trusted for long enough.
func (h *house) trusted(anna *account.Account) (boris *account.Account, tie string) {
	h.t.Helper()
	h.withApp(anna)
	boris = h.boris()
	tie = h.named(anna, boris)
	if err := h.AcceptTrust(h.t.Context(), boris.ID, tie, home); err != nil {
		h.t.Fatal(err)
	}
	h.deliver()
	h.clock.Advance(account.TrustAfter)
	h.notices()
	return boris, tie
}

func TestTrustIsOfferedAndAcceptedAndBothHearOfIt(t *testing.T) {
	h := newHouse(t)
	anna, boris := h.anna(), h.boris()
	h.withApp(anna)
	h.notices()
	tie := h.named(anna, boris)
	got := h.notices()
	if len(told(got, "trust-named")) != 2 || len(told(got, "trust-offered")) != 2 {
		t.Errorf("told: %v, %v", told(got, "trust-named"), told(got, "trust-offered"))
	}
	if offer := h.account(boris.ID).Trusting; len(offer) != 1 || offer[0].ID != tie || offer[0].Label != "" || offer[0].Name == "" {
		t.Fatalf("the offer is %+v", offer)
	}
	if !h.happened(anna.ID, account.TrustNamed) || !h.happened(boris.ID, account.TrustOffered) {
		t.Error("a journal says nothing of it")
	}
	if err := h.AcceptTrust(t.Context(), boris.ID, tie, home); err != nil {
		t.Fatal(err)
	}
	h.deliver()
	mine := h.account(anna.ID).Trusted[0]
	if mine.AcceptedAt.IsZero() || mine.Name != "Борис Ильич О." || mine.Helps(h.clock.Now()) || !mine.Helps(h.clock.Now().Add(account.TrustAfter)) {
		t.Errorf("it is %+v", mine)
	}
	if len(told(h.notices(), "trust-accepted")) != 2 || !h.happened(anna.ID, account.TrustAccepted) || !h.happened(boris.ID, account.TrustAccepted) {
		t.Error("who trusts did not hear that it was accepted")
	}
	if err := h.AcceptTrust(t.Context(), boris.ID, tie, home); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("accepted twice: %v", err)
	}
}

// What is seen after naming somebody is the same whether they are here, are not, have declined, or could not accept.
func TestNamingSomebodyTellsNothingOfWhetherTheyAreHere(t *testing.T) {
	h := newHouse(t)
	anna, boris := h.anna(), h.boris()
	h.withApp(anna)
	plain := h.signUp("+79161234569", "plain@example.ru")
	seen := func(a *account.Account) []account.Tie {
		out := slices.Clone(a.Trusted)
		for i := range out {
			out[i].ID, out[i].With, out[i].At, out[i].Typed = "", "", time.Time{}, ""
		}
		return out
	}
	for _, of := range []string{boris.Phone.Value, "+79169999999", plain.Phone.Value} {
		before := h.work()
		if err := h.NameTrusted(t.Context(), anna.ID, "Брат", phone(of), home); err != nil {
			t.Fatal(err)
		}
		if cost := h.work().since(before); cost.finds != 0 {
			t.Errorf("somebody was looked for while the person waits: %+v", cost)
		}
	}
	h.deliver()
	if err := h.DeclineTrust(t.Context(), boris.ID, h.account(boris.ID).Trusting[0].ID, home); err != nil {
		t.Fatal(err)
	}
	if err := h.AcceptTrust(t.Context(), plain.ID, h.account(plain.ID).Trusting[0].ID, home); !errors.Is(err, account.ErrLevelTooLow) {
		t.Errorf("somebody who may not be trusted accepted: %v", err)
	}
	h.deliver()
	lines := seen(h.account(anna.ID))
	if len(lines) != 3 || lines[0] != lines[1] || lines[1] != lines[2] {
		t.Errorf("the three are not alike: %+v", lines)
	}
	if err := h.NameTrusted(t.Context(), anna.ID, "Четвёртый", phone("+79160000001"), home); !errors.Is(err, account.ErrConflict) {
		t.Errorf("a fourth: %v", err)
	}
	h.clock.Advance(account.OfferLife)
	if err := h.NameTrusted(t.Context(), anna.ID, "Четвёртый", phone("+79160000001"), home); err != nil {
		t.Errorf("those who never answered are in the way: %v", err)
	}
}

func TestOneselfIsNotTrustedAndOnePersonOnce(t *testing.T) {
	h := newHouse(t)
	anna, boris := h.anna(), h.boris()
	if err := h.NameTrusted(t.Context(), anna.ID, "Брат", phone(boris.Phone.Value), home); !errors.Is(err, account.ErrConflict) {
		t.Errorf("without a second factor: %v", err)
	}
	h.withApp(anna)
	var wrong account.FieldErrors
	if err := h.NameTrusted(t.Context(), anna.ID, "Я", annas, home); !errors.As(err, &wrong) || wrong[0].Field != "identifier" {
		t.Errorf("oneself: %v", err)
	}
	if err := h.NameTrusted(t.Context(), anna.ID, "  ", phone(boris.Phone.Value), home); !errors.As(err, &wrong) || wrong[0].Field != "trusted_label" {
		t.Errorf("without a label: %v", err)
	}
	h.named(anna, boris)
	if err := h.NameTrusted(t.Context(), anna.ID, "Он же", account.Identifier{Kind: account.ByEmail, Value: boris.Email.Value}, home); err != nil {
		t.Fatal(err)
	}
	h.deliver()
	if offers := h.account(boris.ID).Trusting; len(offers) != 1 {
		t.Errorf("%d offers for one person", len(offers))
	}
}

func TestNobodyIsFloodedWithOffers(t *testing.T) {
	h := newHouse(t)
	boris := h.boris()
	for i := range 7 {
		a := h.signUp("+7916200000"+string(rune('0'+i)), string(rune('a'+i))+"@example.ru")
		h.withApp(a)
		h.named(a, boris)
	}
	if offers := h.account(boris.ID).Trusting; len(offers) != 5 {
		t.Errorf("%d offers wait", len(offers))
	}
}

// What ends a tie, at either end; the other end hears of it each time.
func TestATieEndsWithEitherEnd(t *testing.T) {
	for name, end := range map[string]func(h *house, anna, boris account.ID, tie string) error{
		"who trusts ends it": func(h *house, anna, _ account.ID, tie string) error {
			return h.EndTrust(h.t.Context(), anna, tie, home)
		},
		"who is trusted leaves": func(h *house, _, boris account.ID, tie string) error {
			return h.LeaveTrust(h.t.Context(), boris, tie, home)
		},
		"the account of who trusts is locked": func(h *house, anna, _ account.ID, _ string) error {
			return h.Lock(h.t.Context(), anna, "person", "lost", home)
		},
		"the account of who is trusted is locked": func(h *house, _, boris account.ID, _ string) error {
			return h.Lock(h.t.Context(), boris, "operator:1", "suspicion", home)
		},
		"who is trusted has no second factor any more": func(h *house, _, boris account.ID, _ string) error {
			return h.RemoveTOTP(h.t.Context(), boris, h.account(boris).TOTP[0].ID, "", home)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			anna := h.anna()
			boris, tie := h.trusted(anna)
			if err := end(h, anna.ID, boris.ID, tie); err != nil {
				t.Fatal(err)
			}
			h.deliver()
			if a, b := h.account(anna.ID), h.account(boris.ID); len(a.Trusted) != 0 || len(b.Trusting) != 0 {
				t.Errorf("left: %+v and %+v", a.Trusted, b.Trusting)
			}
			if !h.happened(anna.ID, account.TrustEnded) || !h.happened(boris.ID, account.TrustEnded) || len(h.notices()) < 4 {
				t.Error("somebody did not hear of it")
			}
			if _, err := h.AskTrusted(t.Context(), anna.ID, "sms", home); err == nil {
				t.Error("somebody is asked all the same")
			}
		})
	}
}

// asks begins a recovery that asks Boris, and returns what he is asked.
func (h *house) asks(anna, boris *account.Account) (plea string) {
	h.t.Helper()
	if _, err := h.AskTrusted(h.t.Context(), anna.ID, "sms", account.Origin{Address: netip.MustParseAddr("198.51.100.9")}); err != nil {
		h.t.Fatal(err)
	}
	h.deliver()
	return h.account(boris.ID).Trusting[0].Plea.ID
}

func TestATrustedPersonShortensTheWaitToADay(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	boris, tie := h.trusted(anna)
	h.known(anna.ID)
	plea := h.asks(anna, boris)
	got := h.notices()
	if len(told(got, "recovery-asks")) != 2 || len(told(got, "trust-asked")) != 2 {
		t.Errorf("told: %v, %v", told(got, "recovery-asks"), told(got, "trust-asked"))
	}
	for _, n := range got {
		if n.Template == "trust-asked" && (n.Args["Link"] != "" || n.Args["Code"] != "" || n.Args["Name"] != "") {
			t.Errorf("who is trusted is sent %v", n.Args)
		}
	}
	if wait := h.account(anna.ID).Waiting; wait.OpensAt.Sub(h.clock.Now()) != 7*24*time.Hour {
		t.Errorf("without an answer it is over in %v", wait.OpensAt.Sub(h.clock.Now()))
	}
	if err := h.AnswerPlea(t.Context(), boris.ID, tie, plea, true, home); err != nil {
		t.Fatal(err)
	}
	if len(told(h.notices(), "recovery-vouched")) != 2 {
		t.Error("the owner did not hear of the yes")
	}
	h.opensInADay(anna.ID)
	h.deliver()
	after := h.account(anna.ID)
	if after.HasSecondFactor() || after.Level != account.Standard || len(after.Trusted) != 0 || len(h.account(boris.ID).Trusting) != 0 {
		t.Errorf("what opened the account before is still there: %v, %v, %v", after.Factors(), after.Level, after.Trusted)
	}
	if !h.happened(anna.ID, account.TrustConfirmed) || !h.happened(boris.ID, account.TrustConfirmed) {
		t.Error("a journal says nothing of it")
	}
}

func TestANoStopsTheRecovery(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	boris, tie := h.trusted(anna)
	plea := h.asks(anna, boris)
	h.notices()
	if err := h.AnswerPlea(t.Context(), boris.ID, tie, plea, false, home); err != nil {
		t.Fatal(err)
	}
	if _, waits := h.account(anna.ID).Waits("sms", h.clock.Now()); waits || len(told(h.notices(), "recovery-denied")) != 2 {
		t.Error("the recovery goes on, or nobody was told")
	}
	if err := h.AnswerPlea(t.Context(), boris.ID, tie, plea, true, home); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a yes after the no: %v", err)
	}
}

func TestOwnerAndTimeEndWhatIsAsked(t *testing.T) {
	for name, end := range map[string]func(h *house, anna account.ID, token, code string) error{
		"by the link": func(h *house, _ account.ID, token, _ string) error {
			return h.CancelWaiting(h.t.Context(), token, home)
		},
		"by a second factor": func(h *house, anna account.ID, _, code string) error {
			if err := h.VerifyTOTP(h.t.Context(), anna, code, home); err != nil {
				return err
			}
			_, _, err := h.OpenSession(h.t.Context(), anna, account.Opening{Origin: home, Proofs: []account.Proof{
				{Method: account.MethodPassword, At: h.clock.Now()}, {Method: account.MethodTOTP, At: h.clock.Now()},
			}})
			return err
		},
		"after a day": func(h *house, _ account.ID, _, _ string) error { h.clock.Advance(account.PleaLife); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			anna := h.anna()
			boris, tie := h.trusted(anna)
			plea := h.asks(anna, boris)
			code := h.codeOf(h.account(anna.ID).TOTP[0].Secret.Reveal())
			if err := end(h, anna.ID, h.lastToken(), code); err != nil {
				t.Fatal(err)
			}
			h.deliver()
			if err := h.AnswerPlea(t.Context(), boris.ID, tie, plea, true, home); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("a yes afterwards: %v", err)
			}
			if h.account(boris.ID).Trusting[0].Asked(h.clock.Now()) {
				t.Error("he is still asked")
			}
		})
	}
}

func TestAYesEndsWithTheTie(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	boris, tie := h.trusted(anna)
	if err := h.AnswerPlea(t.Context(), boris.ID, tie, h.asks(anna, boris), true, home); err != nil {
		t.Fatal(err)
	}
	if err := h.LeaveTrust(t.Context(), boris.ID, tie, home); err != nil {
		t.Fatal(err)
	}
	h.deliver()
	if _, waits := h.account(anna.ID).Waits("sms", h.clock.Now()); waits {
		t.Error("what he said goes on without him")
	}
}

func TestTrustedPeopleAreNotAskedUntilTheySayYes(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	boris, _ := h.trusted(anna)
	first := h.asks(anna, boris)
	if again := h.asks(anna, boris); again != first {
		t.Error("asking again asks anew")
	}
	for range 3 {
		if err := h.CancelWaiting(t.Context(), h.lastToken(), home); err != nil {
			t.Fatal(err)
		}
		if _, err := h.AskTrusted(t.Context(), anna.ID, "sms", home); err != nil {
			if !throttled(err) {
				t.Fatal(err)
			}
			return
		}
	}
	t.Error("they are asked without end")
}

func TestWhoIsNoLongerTrustedCannotAnswer(t *testing.T) {
	h := newHouse(t)
	anna := h.anna()
	boris, tie := h.trusted(anna)
	plea := h.asks(anna, boris)
	if err := h.EndTrust(t.Context(), anna.ID, tie, home); err != nil { // he has not heard of it yet
		t.Fatal(err)
	}
	if err := h.AnswerPlea(t.Context(), boris.ID, tie, plea, true, home); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("it is %v", err)
	}
}

// opensInADay waits until a recovery by SMS ends that somebody has vouched for: not sooner, and by no other contact.
func (h *house) opensInADay(id account.ID) {
	h.t.Helper()
	reset := func(channel string) error {
		return h.ResetAfterWaiting(h.t.Context(), id, channel, "Bereza-173-sokol-parus", home)
	}
	h.clock.Advance(account.VouchedWait - time.Second)
	if err := reset("sms"); !errors.Is(err, account.ErrConflict) {
		h.t.Errorf("within the day: %v", err)
	}
	h.clock.Advance(time.Second)
	if err := reset("mail"); !errors.Is(err, account.ErrConflict) {
		h.t.Errorf("by another contact: %v", err)
	}
	if err := reset("sms"); err != nil {
		h.t.Fatal(err)
	}
}
