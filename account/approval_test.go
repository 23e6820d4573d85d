package account_test

import (
	"errors"
	"testing"

	"github.com/vhod-id/vhod/account"
)

func TestOnlyABrowserInWhichThePersonWasSeenAsksTheirDevices(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	h.asked(a)
	for _, browser := range []string{"another", ""} {
		if _, err := h.AskPush(t.Context(), a.ID, account.PushRequest{Flow: "elsewhere", Browser: browser, Origin: home}); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("browser %q: %v", browser, err)
		}
	}
}

func TestOnlyTheNumberOnTheScreenApproves(t *testing.T) {
	h := newHouse(t)
	a := h.anna()
	cookie, ask := h.asked(a)
	other := ask.Choices[0]
	if other == ask.Number {
		other = ask.Choices[1]
	}
	if verdict, err := h.AnswerPush(t.Context(), cookie, ask.ID, account.Answer{Number: other}, home); err != nil || verdict != account.WrongOne {
		t.Errorf("another of the numbers: %s, %v", verdict, err)
	}
	if _, err := h.AnswerPush(t.Context(), cookie, ask.ID, account.Answer{Number: ask.Number}, home); !errors.Is(err, account.ErrCodeSpent) {
		t.Errorf("a second choice: %v", err)
	}
	if err := h.VerifyPush(t.Context(), a.ID, ask.Flow); !errors.Is(err, account.ErrCodeSpent) {
		t.Errorf("who waits hears %v", err)
	}
}
