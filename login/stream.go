package login

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
)

// How long one stream of events is held, and how often it looks. A browser connects again by itself; what is held is short, so
// that a node which stops need not wait for it.
const (
	streamLife = 10 * time.Second
	streamLook = 500 * time.Millisecond
	streamMost = 2000 // at a time, on one node: others look by reloading
)

// stream tells a page's script that something is no longer as the page shows it, by server-sent events (HTML §9.2). The
// state that the page was made from comes as ?seen=, so that nothing is missed between.
func (d *Door) stream(w http.ResponseWriter, r *http.Request, state func() (string, error)) error {
	if d.streams.Add(1) > streamMost {
		d.streams.Add(-1)
		w.WriteHeader(http.StatusNoContent) // tells an EventSource to stop asking
		return nil
	}
	defer d.streams.Add(-1)
	seen := r.FormValue("seen")
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // a proxy in front must not wait for the end
	if _, err := fmt.Fprint(w, "retry: 500\n\n"); err != nil {
		return nil //nolint:nilerr // the page is closed
	}
	out := http.NewResponseController(w)
	for range streamLife / streamLook {
		now, err := state()
		if err != nil || now != seen {
			_, _ = fmt.Fprint(w, "event: changed\ndata: \n\n")
			return nil //nolint:nilerr // the page reloads, and says what is wrong
		}
		if out.Flush() != nil || pause(r.Context(), streamLook) != nil {
			return nil
		}
	}
	return nil
}

// askIDs stand for what a page shows.
func askIDs(asks []account.Ask) string {
	ids := make([]string, len(asks))
	for i, ask := range asks {
		ids[i] = ask.ID
	}
	return strings.Join(ids, ".")
}

// numberOf reads a chosen number; 0 is none of them.
func numberOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
