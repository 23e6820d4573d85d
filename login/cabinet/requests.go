package cabinet

import (
	"net/http"
	"time"
)

// requestsData is what the page me-requests shows: what services ask the person out of their own accord.
type requestsData struct{ Requests []requestLine }

// requestLine is one of them.
type requestLine struct {
	ID, Service string
	Message     string // that the operator reads to the person
	At, Until   time.Time
}

// askAgain is how often the page looks for requests by itself, in seconds: who opens it has somebody on the telephone.
const askAgain = 10

func (c *Room) requests(w http.ResponseWriter, r *http.Request, v visit) error {
	asked, err := c.cfg.Asked(r.Context(), v.person.ID)
	if err != nil {
		return err
	}
	var data requestsData
	for _, a := range asked {
		data.Requests = append(data.Requests, requestLine{a.ID, c.serviceName(a.Client.ID, c.lang(r)), a.Message, a.At, a.Until})
	}
	page := c.page(v, "me-requests", data)
	if len(asked) == 0 {
		page.Refresh = askAgain
	}
	return c.render(w, r, page)
}
