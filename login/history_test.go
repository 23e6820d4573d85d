package login_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

// events are the kinds of the lines that a page of the journal shows, newest first.
func (b *browser) events() []string {
	var kinds []string
	walk(b.page, func(n *htmlNode) {
		if kind := attr(n, "data-event"); kind != "" {
			kinds = append(kinds, kind)
		}
	})
	return kinds
}

// noted waits for a line that is written after the answer.
func (h *house) noted(phone string, kind account.EventKind) {
	h.t.Helper()
	for range 500 {
		events, err := h.accounts.Journal(h.t.Context(), h.find(phone).ID, 0, 100)
		if err != nil {
			h.t.Fatal(err)
		}
		if slices.ContainsFunc(events, func(e account.Event) bool { return e.Kind == kind }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.t.Fatalf("%s is not in the journal", kind)
}

func TestPersonFindsAFailedSignInInTheirJournal(t *testing.T) {
	h := newHouse(t)
	h.person("+79141000001", withTOTP)
	begun := h.clock.Now()
	h.clock.Advance(24 * time.Hour)
	stranger := h.browser()
	stranger.open("/login").fill("continue", "identifier", "+79141000001").fill("continue", "password", "угаданный Пароль9").on("password")
	h.noted("+79141000001", account.SignInFailed)
	h.clock.Advance(24 * time.Hour)
	b := h.browser().open("/login").fill("continue", "identifier", "+79141000001").fill("continue", "password", password)
	b.fill("continue", "code", h.code(secret)).on("me")
	day := func(back int) string {
		return h.clock.Now().AddDate(0, 0, -back).Add(3 * time.Hour).Format(time.DateOnly)
	}
	for query, want := range map[string][]string{
		"?about=sign-in":                         {"signed-in", "sign-in-failed"},
		"?about=sign-in&result=failed":           {"sign-in-failed"},
		"?result=done&about=sign-in":             {"signed-in"},
		"?from=" + day(0):                        {"signed-in"},
		"?from=" + day(1) + "&until=" + day(1):   {"sign-in-failed"},
		"?about=services":                        nil,
		"?about=sign-in&until=" + day(20):        nil,
		"?about=sign-in&before=2&result=failed":  nil,
		"?about=made-up&result=odd&from=&until=": {"signed-in", "sign-in-failed", "imported"},
	} {
		if got := b.open("/me/history" + query).on("me-history").events(); !slices.Equal(got, want) {
			t.Errorf("%s shows %v, not %v", query, got, want)
		}
		if empty := strings.Contains(b.text, "data-empty"); empty != (want == nil) {
			t.Errorf("%s says that there is nothing: %v", query, empty)
		}
	}
	b.open("/me/history?about=sign-in")
	for _, said := range []string{"пароль + код из приложения", `value="sign-in" selected`, `href="/me/history.csv?about=sign-in"`} {
		if !strings.Contains(b.text, said) {
			t.Errorf("the page does not say %q", said)
		}
	}
	if h.clock.Now().Sub(begun) > 80*time.Hour {
		t.Fatal("the days of this test have moved")
	}
}

func TestExportHoldsWhatWasLookedForAndHow(t *testing.T) {
	h := newHouse(t)
	h.person("+79141000002")
	h.browser().open("/login").fill("continue", "identifier", "+79141000002").fill("continue", "password", "угаданный Пароль9")
	h.noted("+79141000002", account.SignInFailed)
	b := h.signIn("+79141000002")
	rows, err := csv.NewReader(strings.NewReader(b.open("/me/history.csv?about=sign-in").text)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if got := strings.Join(rows[0], ","); got != "seq,at,event,method,result,actor,service,address,device,place" {
		t.Errorf("the columns are %s", got)
	}
	if rows[1][2] != "signed-in" || rows[1][3] != "password" || rows[1][4] != "done" || rows[2][4] != "failed" || rows[2][7] == "" || rows[1][9] != "Москва" {
		t.Errorf("the rows are %q", rows[1:])
	}
	var lines []struct {
		Result  string
		Methods []string
	}
	if err := json.Unmarshal([]byte(b.open("/me/history.json?result=failed").text), &lines); err != nil || len(lines) != 1 || lines[0].Result != "failed" ||
		!slices.Equal(lines[0].Methods, []string{"password"}) {
		t.Errorf("%+v, %v", lines, err)
	}
}

func TestADayThatThereIsNotIsSaidAtItsField(t *testing.T) {
	h := newHouse(t)
	h.person("+79141000003")
	b := h.signIn("+79141000003")
	b.open("/me/history?about=security&from=2026-02-30&until=yesterday").on("me-history")
	if b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, `id="from-error"`) || !strings.Contains(b.text, `id="until-error"`) ||
		!strings.Contains(b.text, `value="security" selected`) || !strings.Contains(b.text, `value="2026-02-30"`) {
		t.Errorf("%d %s", b.status, b.text)
	}
	if b.open("/me/history?from=2026-02-03&until=2026-02-01"); !strings.Contains(b.text, `id="until-error"`) {
		t.Error("an end before the beginning is not refused")
	}
	if b.open("/me/history.csv?from=x").on("me-history"); !strings.Contains(b.text, `id="from-error"`) {
		t.Error("an export by a wrong day does not say so")
	}
}

func TestWhoSignsInAgainComesBackToWhatTheyLookedFor(t *testing.T) {
	h := newHouse(t)
	h.person("+79141000004")
	b := h.browser().open("/me/history?about=sign-in&result=failed").on("identify")
	b.fill("continue", "identifier", "+79141000004").fill("continue", "password", password).on("me-history")
	if got := b.events(); len(got) != 0 || !strings.Contains(b.text, `value="failed" selected`) {
		t.Errorf("the page shows %v", got)
	}
}
