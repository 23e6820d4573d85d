package account_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/vhod-id/vhod/account"
)

// TestUnknownIdentifierAndWrongPasswordDoTheSameWork judges 2,000 pairs by what they cost. Times are printed, with Welch's t,
// and not judged: a machine that builds has other work to do.
func TestUnknownIdentifierAndWrongPasswordDoTheSameWork(t *testing.T) {
	h := newHouse(t)
	h.cfg.Storm = account.Storm{Wrong: 1 << 40}
	h.Service = h.node()
	const accounts, guesses = 50, 40
	measure := func(by account.Identifier, i int) (work, time.Duration) {
		before, start := h.work(), time.Now()
		_, err := h.VerifyPassword(t.Context(), by, wrongPassword(i), from(fmt.Sprintf("198.51.%d.%d", i/200, i%200)))
		took := time.Since(start)
		if !errors.Is(err, account.ErrWrongCredentials) {
			t.Fatalf("%v: %v", by.Kind, err)
		}
		return h.work().since(before), took
	}
	var known, unknown []time.Duration
	for i := range accounts {
		by := phone(fmt.Sprintf("+7916000%04d", i))
		h.signUp(by.Value, fmt.Sprintf("pair%d@example.ru", i))
		for j := range guesses {
			n := 2 * (i*guesses + j)
			a, took := measure(by, n)
			known = append(known, took)
			b, took := measure(phone(fmt.Sprintf("+7917000%04d", i)), n+1)
			unknown = append(unknown, took)
			if a != b || a.hashes != 1 || a.finds != 1 {
				t.Fatalf("known did %+v, unknown did %+v", a, b)
			}
		}
		h.clock.Advance(16 * time.Minute)
	}
	logTimes(t, known, unknown)
}

// logTimes prints two medians and Welch's t.
func logTimes(t *testing.T, a, b []time.Duration) {
	t.Helper()
	moments := func(all []time.Duration) (mean, variance float64) {
		for _, d := range all {
			mean += d.Seconds() / float64(len(all))
		}
		for _, d := range all {
			variance += (d.Seconds() - mean) * (d.Seconds() - mean) / float64(len(all)-1)
		}
		return mean, variance
	}
	meanA, varA := moments(a)
	meanB, varB := moments(b)
	slices.Sort(a)
	slices.Sort(b)
	t.Logf("%d pairs: medians %v and %v, Welch's t %.2f", len(a), a[len(a)/2], b[len(b)/2],
		(meanA-meanB)/math.Sqrt(varA/float64(len(a))+varB/float64(len(b))))
}

func TestTenWrongPasswordsAreTheMostInAQuarterOfAnHour(t *testing.T) {
	h := newHouse(t)
	h.anna()
	wrong := 0
	for range 200 {
		_, err := h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home)
		if throttled(err) {
			h.clock.Advance(5 * time.Second)
			continue
		}
		wrong++
	}
	if wrong != 10 {
		t.Errorf("%d wrong passwords were judged in %v", wrong, 200*5*time.Second)
	}
}

func TestFivePasswordsAreFreeAndTheNextWaits(t *testing.T) {
	h := newHouse(t)
	h.anna()
	for i := range 5 {
		if _, err := h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home); !errors.Is(err, account.ErrWrongCredentials) {
			t.Fatalf("try %d: %v", i+1, err)
		}
	}
	_, err := h.VerifyPassword(t.Context(), annas, goodPassword, home)
	var limit account.ThrottledError
	if !errors.As(err, &limit) || !limit.Until.Equal(h.clock.Now().Add(5*time.Second)) {
		t.Fatalf("the sixth: %v until %v", err, limit.Until)
	}
	h.clock.Advance(5 * time.Second)
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home); !errors.Is(err, account.ErrWrongCredentials) {
		t.Errorf("a right password does not begin the count anew: %v", err)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
		t.Errorf("one slip after it: %v", err)
	}
}

func TestGuessesAtTheSameMomentAllCount(t *testing.T) {
	h := newHouse(t)
	h.anna()
	_, wrong := together(50, func() error {
		_, err := h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home)
		return err
	})
	if wrong[account.ErrWrongCredentials] > 10 || wrong[errThrottled] < 40 {
		t.Errorf("of fifty at once: %v", wrong)
	}
}

func TestStrangersDoNotShutTheOwnerOut(t *testing.T) {
	h := newHouse(t)
	h.anna()
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
		t.Fatal(err)
	}
	judged := 0
	for i := range 60 { // from many places, five from each
		for range 5 {
			_, err := h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", from(fmt.Sprintf("198.51.%d.9", i)))
			if errors.Is(err, account.ErrWrongCredentials) {
				judged++
			}
		}
	}
	if judged > 100 {
		t.Errorf("strangers had %d guesses in a row", judged)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, from("192.0.2.1")); !throttled(err) {
		t.Errorf("the account is at its limit, yet a new place: %v", err)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
		t.Errorf("the owner at home: %v", err)
	}
}

func TestAnotherIdentifierOfTheSameAccountGivesNoMoreGuesses(t *testing.T) {
	h := newHouse(t)
	h.anna()
	judged := 0
	for i := range 60 {
		for j, by := range []account.Identifier{annas, {Kind: account.ByEmail, Value: "anna@example.ru"}} {
			for range 4 {
				_, err := h.VerifyPassword(t.Context(), by, "Неверный-Пароль1", from(fmt.Sprintf("198.51.%d.%d", i, j+1)))
				if errors.Is(err, account.ErrWrongCredentials) {
					judged++
				}
			}
		}
	}
	if judged != 100 {
		t.Errorf("%d guesses in a row against one account", judged)
	}
}

func TestOneNetworkIsLimitedOverManyAccounts(t *testing.T) {
	h := newHouse(t)
	judged := 0
	for i := range 100 {
		// Addresses of one /64: an attacker has as many of them as wanted.
		_, err := h.VerifyPassword(t.Context(), phone(fmt.Sprintf("+791600000%02d", i)), wrongPassword(i), from(fmt.Sprintf("2001:db8::%x", i+1)))
		if errors.Is(err, account.ErrWrongCredentials) {
			judged++
		}
	}
	if judged != 60 {
		t.Errorf("one /64 had %d guesses", judged)
	}
}

func TestLimitsStandWhenEphemeraAreAway(t *testing.T) {
	h := newHouse(t)
	h.anna()
	h.eph.broken.Store(true)
	judged := 0
	for range 50 {
		if _, err := h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home); errors.Is(err, account.ErrWrongCredentials) {
			judged++
		}
	}
	if judged == 0 || judged > 5 {
		t.Errorf("%d guesses without ephemera", judged)
	}
	h.eph.broken.Store(false)
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestLockedAccountIsKnownOnlyByTheRightPassword(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	if err := h.Lock(t.Context(), a.ID, "operator:1", "suspicion", home); err != nil {
		t.Fatal(err)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home); !errors.Is(err, account.ErrWrongCredentials) {
		t.Errorf("wrong: %v", err)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, home); !errors.Is(err, account.ErrLocked) {
		t.Errorf("right: %v", err)
	}
	if err := h.Unlock(t.Context(), a.ID, "operator:1", "talked", home); err != nil {
		t.Fatal(err)
	}
	if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, home); err != nil {
		t.Errorf("unlocked: %v", err)
	}
}

func TestWrongPasswordIsInTheJournal(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	_, _ = h.VerifyPassword(t.Context(), annas, "Неверный-Пароль1", home)
	if !h.happened(a.ID, account.SignInFailed) {
		t.Error("nothing is noted")
	}
	if err := h.store.VerifyJournal(t.Context(), a.ID); err != nil {
		t.Error(err)
	}
}

// withApp gives Anna an authenticator app and moves the clock on to its next step.
func (h *house) withApp(a *account.Account) (secret string) {
	h.t.Helper()
	s, _, err := h.OfferTOTP(h.t.Context(), a.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.AddTOTP(h.t.Context(), a.ID, s, "Телефон", h.codeOf(s.Reveal()), home); err != nil {
		h.t.Fatal(err)
	}
	h.clock.Advance(30 * time.Second)
	return s.Reveal()
}

func (h *house) codeOf(secret string) string {
	h.t.Helper()
	code, err := totp.GenerateCode(secret, h.clock.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

func TestAuthenticatorCodeWorksOnceEvenFiftyAtOnce(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	code := h.codeOf(h.withApp(a))
	right, wrong := together(50, func() error { return h.VerifyTOTP(t.Context(), a.ID, code, home) })
	if right != 1 {
		t.Errorf("%d were right, wrong %v", right, wrong)
	}
	if err := h.VerifyTOTP(t.Context(), a.ID, code, from("192.0.2.1")); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("again from elsewhere: %v", err)
	}
}

func TestAuthenticatorCodeOfTheStepsBesideIsTaken(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	secret := h.withApp(a)
	for _, step := range []struct {
		by   time.Duration
		want error
	}{{-90 * time.Second, account.ErrWrongCode}, {60 * time.Second, account.ErrWrongCode}, {30 * time.Second, nil}} {
		code, err := totp.GenerateCode(secret, h.clock.Now().Add(step.by))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.VerifyTOTP(t.Context(), a.ID, code, home); !errors.Is(err, step.want) {
			t.Errorf("%v away: %v", step.by, err)
		}
	}
	if err := h.VerifyTOTP(t.Context(), a.ID, h.codeOf(secret), home); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("a step before the last accepted one: %v", err)
	}
}

func TestGuessesAtAFactorAreFewInADay(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.withApp(a)
	judged := 0
	for i := range 100 {
		if err := h.VerifyTOTP(t.Context(), a.ID, "000000", from(fmt.Sprintf("198.51.%d.1", i))); errors.Is(err, account.ErrWrongCode) {
			judged++
		}
	}
	if judged != 20 {
		t.Errorf("%d guesses from a hundred places", judged)
	}
}

func TestBackupCodeWorksOnceEvenFiftyAtOnce(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	codes, err := h.NewBackupCodes(t.Context(), a.ID, home)
	if err != nil || len(codes) != 10 {
		t.Fatalf("%d codes, %v", len(codes), err)
	}
	right, wrong := together(50, func() error { _, err := h.VerifyBackup(t.Context(), a.ID, codes[3], home); return err })
	if right != 1 {
		t.Errorf("%d were right, wrong %v", right, wrong)
	}
	h.clock.Advance(time.Hour)
	if left, err := h.VerifyBackup(t.Context(), a.ID, " "+codes[4]+" ", home); err != nil || left != 8 {
		t.Errorf("another: %d left, %v", left, err)
	}
	notices := h.notices()
	if !told(notices, "backup-printed")["sms"] || !told(notices, "backup-used")["mail"] {
		t.Errorf("notices: %v", notices)
	}
	if _, err := h.NewBackupCodes(t.Context(), a.ID, home); err != nil {
		t.Fatal(err)
	}
	if _, err := h.VerifyBackup(t.Context(), a.ID, codes[5], home); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("a code of the old set: %v", err)
	}
}

func TestRightGuessesNeverAddUp(t *testing.T) {
	h := newHouse(t)
	h.anna()
	for i := range 250 { // from home again and again, and from a new address each day
		for _, o := range []account.Origin{home, from(fmt.Sprintf("198.%d.%d.9", 18+i/200, i%200))} {
			if _, err := h.VerifyPassword(t.Context(), annas, goodPassword, o); err != nil {
				t.Fatalf("sign-in %d: %v", i+1, err)
			}
		}
		h.clock.Advance(time.Hour)
	}
}
