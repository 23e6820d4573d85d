package account_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
)

func TestSendingWaitsEverLonger(t *testing.T) {
	h := newHouse(t)
	start := h.clock.Now()
	for _, step := range []struct{ at, until time.Duration }{ // until when the next may be; zero: it is sent
		{0, 0}, {30 * time.Second, time.Minute},
		{1 * time.Minute, 0}, {2 * time.Minute, 0}, {3 * time.Minute, 10 * time.Minute},
		{11 * time.Minute, 0}, {12 * time.Minute, 0}, {13 * time.Minute, time.Hour}, {59 * time.Minute, time.Hour},
		{61 * time.Minute, 0},
	} {
		h.clock.Advance(start.Add(step.at).Sub(h.clock.Now()))
		_, err := h.SendCode(t.Context(), request(fmt.Sprint("flow at ", step.at))) // a new flow each time
		var limit account.ThrottledError
		if errors.As(err, &limit) != (step.until > 0) || step.until > 0 && !limit.Until.Equal(start.Add(step.until)) {
			t.Errorf("after %v: %v until %v", step.at, err, limit.Until.Sub(start))
		}
	}
}

// pumped is a request of an attacker who changes what costs nothing: the flow each time, and what the test says.
func pumped(i int) account.CodeRequest {
	_, o := bot(i)
	req := request(fmt.Sprint("pump", i))
	req.To, req.Origin, req.Browser = fmt.Sprintf("+79%09d", 10_007*i%1_000_000_000), o, fmt.Sprint("browser", i)
	return req
}

func TestWhoMakesUsSendIsCountedByWhatCostsMoneyToChange(t *testing.T) {
	for name, row := range map[string]struct {
		most   int
		window time.Duration
		same   func(*account.CodeRequest)
	}{
		"browser":                {12, time.Hour, func(r *account.CodeRequest) { r.Browser = "one" }},
		"address":                {60, 10 * time.Minute, func(r *account.CodeRequest) { r.Origin = home }},
		"numbers in a row":       {50, time.Hour, func(r *account.CodeRequest) { r.To = "+7912345" + r.To[len(r.To)-4:] }},
		"numbers of an operator": {100, time.Hour, func(r *account.CodeRequest) { r.To = "+79123" + r.To[6:] }},
		"all":                    {400, time.Hour, func(*account.CodeRequest) {}},
	} {
		t.Run(name, func(t *testing.T) {
			h := quickHouse(t)
			h.cfg.Sending = account.Sending{Hour: 500, Operator: 100}
			h.Service = h.node()
			sent := 0
			for i := range 1000 {
				req := pumped(i)
				row.same(&req)
				if _, err := h.SendCode(t.Context(), req); err == nil {
					sent++
				}
			}
			if sent != row.most {
				t.Errorf("%d were sent", sent)
			}
			h.clock.Advance(row.window)
			req := pumped(2000)
			row.same(&req)
			if _, err := h.SendCode(t.Context(), req); err != nil {
				t.Errorf("in the next window: %v", err)
			}
		})
	}
}

func TestAddressesOfOneNetworkAreCountedTogether(t *testing.T) {
	h := quickHouse(t)
	sent := 0
	for i := range 400 { // each of a /64 of its own, all of one /48
		req := pumped(i)
		req.Origin = from(fmt.Sprintf("2001:db8:9:%x::1", i+1))
		if _, err := h.SendCode(t.Context(), req); err == nil {
			sent++
		}
	}
	if sent != 300 {
		t.Errorf("a /48 made us send %d", sent)
	}
}

// TestADayOfPumpingCostsNoMoreThanIsConfigured tries 100,000 numbers in a day from as many networks and browsers.
func TestADayOfPumpingCostsNoMoreThanIsConfigured(t *testing.T) {
	h := quickHouse(t)
	var log bytes.Buffer
	h.cfg.Sending = account.Sending{Hour: 500, Day: 2000, Operator: 1000}
	h.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	h.Service = h.node()
	sent := 0
	for i := range 100_000 {
		if _, err := h.SendCode(t.Context(), pumped(i)); err == nil {
			sent++
		}
		h.clock.Advance(24 * time.Hour / 100_001)
	}
	t.Logf("100000 numbers in a day got %d SMS", sent)
	if sent != 1600 {
		t.Errorf("%d were sent of the 2,000 that may be, of which 400 are kept for people with an account", sent)
	}
	if n := strings.Count(log.String(), "the budget of SMS is spent"); n == 0 || n > 25 {
		t.Errorf("the log says it %d times", n)
	}
	a := h.anna()
	if err := h.SendFactorCode(t.Context(), a.ID, account.ForSignIn, "attempt", "ru", home); err != nil {
		t.Errorf("somebody with an account gets no code: %v", err)
	}
	mail := request("by mail")
	mail.Channel, mail.To = "mail", "somebody@example.ru"
	if _, err := h.SendCode(t.Context(), mail); err != nil {
		t.Errorf("mail: %v", err)
	}
}

func TestSMSGoToTheConfiguredNumbersOnly(t *testing.T) {
	h := newHouse(t)
	h.cfg.Sending.Prefixes = []string{"+791", "+77"}
	h.Service = h.node()
	for to, want := range map[string]bool{"+79161234567": true, "+77011234567": true, "+79261234567": false, "+4915112345678": false, "": false} {
		req := request("f" + to)
		req.To = to
		_, err := h.SendCode(t.Context(), req)
		var field account.FieldError
		if refused := errors.As(err, &field) && field.Message == "error.phone.foreign"; refused == want || err == nil != want {
			t.Errorf("%q: %v", to, err)
		}
	}
	if len(h.notices()) != 2 {
		t.Error("more was sent")
	}
}
