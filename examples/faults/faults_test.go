package faults_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/examples/faults"
)

func TestAnArmedFaultStrikesItsAdapterAlone(t *testing.T) {
	set := faults.NewSet("sms", "mail")
	if err := set.Arm(faults.Fault{Adapter: "sms", Outcome: faults.Refuse}); err != nil {
		t.Fatal(err)
	}
	if got := set.Strike(t.Context(), "sms"); got != faults.Refuse {
		t.Errorf("sms: %q, want refuse", got)
	}
	if got := set.Strike(t.Context(), "mail"); got != faults.OK {
		t.Errorf("mail: %q, want ok", got)
	}
	set.Clear()
	if got := set.Strike(t.Context(), "sms"); got != faults.OK {
		t.Errorf("after Clear: %q, want ok", got)
	}
}

func TestAnErrorRateStrikesAShareOfCalls(t *testing.T) {
	set := faults.NewSet("sms")
	if err := set.Arm(faults.Fault{Adapter: "sms", ErrorRate: 0.5}); err != nil {
		t.Fatal(err)
	}
	down := 0
	for range 1000 {
		if set.Strike(t.Context(), "sms") == faults.Down {
			down++
		}
	}
	if down < 300 || down > 700 {
		t.Errorf("%d of 1000 calls failed at a rate of one half", down)
	}
}

func TestLatencyDelaysTheAnswer(t *testing.T) {
	set := faults.NewSet("sms")
	if err := set.Arm(faults.Fault{Adapter: "sms", Latency: 30 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if got := set.Strike(t.Context(), "sms"); got != faults.OK {
		t.Errorf("%q, want ok", got)
	}
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

func TestFaultsAreArmedOverHTTP(t *testing.T) {
	for _, row := range []struct {
		method, body string
		status       int
		answer       string
	}{
		{"POST", `{"adapter":"sms","latency":"2s","outcome":"ok"}`, 200, `[{"adapter":"sms","latency":"2s","outcome":"ok"}]`},
		{"POST", `{"adapter":"sms","errorRate":0.5}`, 200, `[{"adapter":"sms","errorRate":0.5,"outcome":"down"}]`},
		{"GET", ``, 200, `[{"adapter":"sms","errorRate":0.5,"outcome":"down"}]`},
		{"POST", `{"adapter":"pigeon","outcome":"down"}`, 400, `unknown adapter`},
		{"POST", `{"adapter":"sms","outcome":"sulk"}`, 400, `unknown outcome`},
		{"POST", `{"adapter":"sms","latency":"soon"}`, 400, `latency`},
		{"POST", `{"adapter":"sms","errorRate":2}`, 400, `between 0 and 1`},
		{"DELETE", ``, 200, `[]`},
		{"PUT", ``, 405, ``},
	} {
		t.Run(row.method+row.body, func(t *testing.T) {
			w := httptest.NewRecorder()
			sharedSet.ServeHTTP(w, httptest.NewRequest(row.method, "/faults", strings.NewReader(row.body)))
			if w.Code != row.status || !strings.Contains(w.Body.String(), row.answer) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, row.status, row.answer)
			}
		})
	}
}

var sharedSet http.Handler = faults.NewSet("sms")
