package account_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/account"
)

func (h *house) proof(methods ...account.Method) []account.Proof {
	var proofs []account.Proof
	for _, m := range methods {
		proofs = append(proofs, account.Proof{Method: m, At: h.clock.Now()})
	}
	return proofs
}

func (h *house) open(id account.ID, shared bool) (string, *account.Session) {
	h.t.Helper()
	cookie, session, err := h.OpenSession(h.t.Context(), id, account.Opening{Proofs: h.proof(account.MethodPassword), Shared: shared, Origin: home})
	if err != nil {
		h.t.Fatal(err)
	}
	return cookie, session
}

func (h *house) lives(cookie string) bool {
	h.t.Helper()
	_, _, err := h.Resume(h.t.Context(), cookie)
	if err != nil && !errors.Is(err, account.ErrNoSession) {
		h.t.Fatal(err)
	}
	return err == nil
}

func TestSessionEndsWhenIdleAndAtItsEnd(t *testing.T) {
	for name, row := range map[string]struct {
		shared bool
		step   time.Duration // between uses
		uses   int           // that it outlives
	}{
		"used every half hour, it ends after twelve hours": {false, 30 * time.Minute, 23},
		"an hour idle":              {false, time.Hour, 0},
		"shared, used all the time": {true, 5 * time.Minute, 5},
		"shared, ten minutes idle":  {true, 10 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			cookie, _ := h.open(h.anna().ID, row.shared)
			uses := 0
			for range 100 {
				h.clock.Advance(row.step)
				if !h.lives(cookie) {
					break
				}
				uses++
			}
			if uses != row.uses {
				t.Errorf("it outlived %d uses, want %d", uses, row.uses)
			}
		})
	}
}

func TestASurerSessionLastsLongerAndASharedOneNever(t *testing.T) {
	password, app, passkey := account.MethodPassword, account.MethodTOTP, account.MethodPasskey
	for name, row := range map[string]struct {
		begins, adds []account.Method
		shared       bool
		want         time.Duration
	}{
		"one factor":               {begins: []account.Method{password}, want: 12 * time.Hour},
		"two":                      {begins: []account.Method{password, app}, want: 24 * time.Hour},
		"a passkey":                {begins: []account.Method{passkey}, want: 24 * time.Hour},
		"one, and one more later":  {begins: []account.Method{password}, adds: []account.Method{app}, want: 24 * time.Hour},
		"shared, by two":           {begins: []account.Method{password, app}, shared: true, want: 30 * time.Minute},
		"shared, one more later":   {begins: []account.Method{password}, adds: []account.Method{app}, shared: true, want: 30 * time.Minute},
		"shared, even by passkeys": {begins: []account.Method{passkey}, shared: true, want: 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			a := h.anna()
			cookie, session, err := h.OpenSession(t.Context(), a.ID, account.Opening{Proofs: h.proof(row.begins...), Shared: row.shared, Origin: home})
			if err != nil {
				t.Fatal(err)
			}
			begun := h.clock.Now()
			h.clock.Advance(time.Minute)
			if len(row.adds) > 0 {
				if cookie, err = h.AddProof(t.Context(), session, h.proof(row.adds...), home); err != nil {
					t.Fatal(err)
				}
			}
			lasted := time.Duration(0)
			for h.lives(cookie) {
				lasted = h.clock.Now().Sub(begun)
				h.clock.Advance(time.Minute)
			}
			if lasted != row.want-time.Minute {
				t.Errorf("it lasted %s, not %s", lasted+time.Minute, row.want)
			}
		})
	}
}

func TestAShorterLifeCountsForOpenSessionsToo(t *testing.T) {
	h := newHouse(t)
	cookie, _ := h.open(h.anna().ID, false)
	h.clock.Advance(20 * time.Minute)
	h.cfg.Lives.OneFactor = account.Life{Idle: 10 * time.Minute, Whole: time.Hour}
	if _, _, err := h.node().Resume(t.Context(), cookie); !errors.Is(err, account.ErrNoSession) {
		t.Errorf("idle for longer than it may be now: %v", err)
	}
	if !h.lives(cookie) {
		t.Error("a node without the change ended it")
	}
}

func TestEveryProofChangesTheCookie(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	first, session := h.open(a.ID, false)
	stale := *session
	h.clock.Advance(time.Minute)
	second, err := h.AddProof(t.Context(), session, h.proof(account.MethodTOTP), home)
	if err != nil {
		t.Fatal(err)
	}
	if h.lives(first) || !h.lives(second) || !h.lives(second) || h.lives("") || h.lives("guess") {
		t.Error("the cookie before lives, or the new one does not")
	}
	got, _, err := h.Resume(t.Context(), second)
	if err != nil || account.StrengthOf(got.Proofs) != account.TwoFactor || !got.AuthTime().Equal(h.clock.Now()) || got.ID != session.ID {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := h.AddProof(t.Context(), &stale, h.proof(account.MethodPasskey), home); !errors.Is(err, account.ErrConflict) {
		t.Errorf("from a request that saw the session before: %v", err)
	}
}

func TestPersonEndsTheirSessionsAndNobodyElses(t *testing.T) {
	h := newHouse(t)
	a, b := h.anna(), h.signUp("+79167654321", "boris@example.ru")
	one, oneSession := h.open(a.ID, false)
	two, _ := h.open(a.ID, false)
	three, threeSession := h.open(a.ID, false)
	other, otherSession := h.open(b.ID, false)
	if err := h.EndSession(t.Context(), a.ID, otherSession.ID, home); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("another person's: %v", err)
	}
	if err := h.EndSession(t.Context(), a.ID, oneSession.ID, home); err != nil {
		t.Error(err)
	}
	if h.lives(one) || !h.lives(two) || !h.lives(three) || !h.lives(other) {
		t.Error("another session ended")
	}
	if err := h.EndOtherSessions(t.Context(), a.ID, threeSession.ID, home); err != nil {
		t.Error(err)
	}
	if h.lives(two) || !h.lives(three) || !h.lives(other) {
		t.Error("not the others ended")
	}
	left, err := h.Sessions(t.Context(), a.ID)
	if err != nil || len(left) != 1 || left[0].ID != threeSession.ID {
		t.Errorf("%v, %v", left, err)
	}
}

func TestChangedPasswordKeepsThisSessionAndEndsTheOthers(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	mine, session := h.open(a.ID, false)
	other, _ := h.open(a.ID, false)
	h.clock.Advance(time.Minute)
	const next = "Другой-Закат8 над полем"
	if err := h.ChangePassword(t.Context(), a.ID, "Неверный-Пароль1", next, session.ID, home); !errors.Is(err, account.ErrWrongCredentials) {
		t.Errorf("by a wrong one: %v", err)
	}
	if err := h.ChangePassword(t.Context(), a.ID, goodPassword, "short", session.ID, home); !errors.As(err, &account.FieldErrors{}) {
		t.Errorf("to a short one: %v", err)
	}
	if err := h.ChangePassword(t.Context(), a.ID, goodPassword, next, session.ID, home); err != nil {
		t.Fatal(err)
	}
	if !h.lives(mine) || h.lives(other) {
		t.Error("the wrong session lives")
	}
	if diff := cmp.Diff(map[string]bool{"sms": true, "mail": true}, told(h.notices(), "password-changed")); diff != "" {
		t.Errorf("told on (-want +got):\n%s", diff)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, from("192.0.2.1")); !errors.Is(err, account.ErrWrongCredentials) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, next, home); err != nil {
		t.Errorf("the new one: %v", err)
	}
}

func TestResetPasswordEndsAllSessionsKeepsFactorsAndForgivesGuesses(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.withApp(a)
	h.notices()
	cookie, _ := h.open(a.ID, false)
	for range 7 {
		_, _ = h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home)
		h.clock.Advance(time.Minute)
	}
	const next = "Другой-Закат8 над полем"
	if err := h.ResetPassword(t.Context(), a.ID, next, home); err != nil {
		t.Fatal(err)
	}
	fresh, _ := h.open(a.ID, false) // at the same instant
	if h.lives(cookie) || !h.lives(fresh) {
		t.Error("the old session lives, or the new one does not")
	}
	if len(h.account(a.ID).TOTP) != 1 {
		t.Error("the second factor is gone")
	}
	if got := told(h.notices(), "password-reset"); !got["sms"] || !got["mail"] {
		t.Errorf("told on %v", got)
	}
	for range 4 {
		_, _ = h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, next, home); err != nil {
		t.Errorf("guesses at the old password count against the new: %v", err)
	}
}

func TestLockedAccountHasNoSessions(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	cookie, _ := h.open(a.ID, false)
	h.clock.Advance(time.Second)
	if err := h.Lock(t.Context(), a.ID, "person", "lost phone", home); err != nil {
		t.Fatal(err)
	}
	if h.lives(cookie) {
		t.Error("it lives while locked")
	}
	if err := h.Unlock(t.Context(), a.ID, "operator:1", "found", home); err != nil {
		t.Fatal(err)
	}
	if h.lives(cookie) {
		t.Error("it came back to life")
	}
}

func TestStrengthAndMethodsFollowTheProofs(t *testing.T) {
	for _, row := range []struct {
		methods []account.Method
		want    account.Strength
		amr     []string
	}{
		{nil, account.OneFactor, nil},
		{[]account.Method{account.MethodPassword}, account.OneFactor, []string{"pwd"}},
		{[]account.Method{account.MethodPassword, account.MethodTOTP}, account.TwoFactor, []string{"pwd", "otp", "mfa"}},
		{[]account.Method{account.MethodPassword, account.MethodSMS}, account.TwoFactor, []string{"pwd", "otp", "sms", "mfa"}},
		{[]account.Method{account.MethodPassword, account.MethodBackup}, account.TwoFactor, []string{"pwd", "otp", "mfa"}},
		{[]account.Method{account.MethodPassword, account.MethodMailCode}, account.OneFactor, []string{"pwd", "otp"}},
		{[]account.Method{account.MethodTOTP, account.MethodSMS}, account.OneFactor, []string{"otp", "sms"}},
		{[]account.Method{account.MethodBank}, account.OneFactor, []string{"fed"}},
		{[]account.Method{account.MethodPasskey}, account.PhishingResistant, []string{"hwk", "user", "mfa"}},
		{[]account.Method{account.MethodSignature}, account.PhishingResistant, []string{"sc", "mfa"}},
	} {
		var proofs []account.Proof
		for _, m := range row.methods {
			proofs = append(proofs, account.Proof{Method: m})
		}
		if got := account.StrengthOf(proofs); got != row.want {
			t.Errorf("%v is %s", row.methods, got)
		}
		if diff := cmp.Diff(row.amr, account.AMR(proofs)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", row.methods, diff)
		}
	}
}
