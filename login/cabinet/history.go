package cabinet

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
)

// Lines of the journal on one page, and at most in an export.
const (
	pageLines   = 30
	exportLines = 10_000
)

// line is one event as the person reads it.
type line struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Words   string    `json:"-"` // message id
	Actor   string    `json:"actor"`
	Service string    `json:"service,omitempty"`
	Level   string    `json:"level,omitempty"`
	Signed  string    `json:"signed,omitempty"` // what was signed, in its own words
	Digest  string    `json:"digest,omitempty"` // of a signed document
	Address string    `json:"address,omitempty"`
	Device  string    `json:"device,omitempty"`
	Risks   []string  `json:"risks,omitempty"` // what was unusual about a sign-in
}

// lines translates events. Words are chosen by the page: an event without words of its own shows its kind.
func (c *Room) lines(events []account.Event, lang string) []line {
	out := make([]line, 0, len(events))
	for _, e := range events {
		l := line{
			Seq: e.Seq, At: e.At, Kind: string(e.Kind), Words: "event." + string(e.Kind), Actor: e.Actor,
			Address: address(e.Origin), Device: e.Origin.Device(),
		}
		if client := e.Details["client"]; client != "" {
			l.Service = c.serviceName(client, lang)
		}
		for _, risk := range strings.Fields(e.Details["risk"]) {
			if c.cfg.Pages.Has(lang, "risk.line-"+risk) {
				l.Risks = append(l.Risks, risk)
			}
		}
		if e.Kind == account.ActSigned {
			l.Signed, l.Digest = e.Details["words"], e.Details["digest"]
		}
		if _, err := account.ParseLevel(e.Details["to"]); err == nil {
			l.Level = e.Details["to"]
		}
		if !c.cfg.Pages.Has(lang, l.Words) {
			l.Words = "event.unknown"
		}
		out = append(out, l)
	}
	return out
}

// historyData is what the page me-history shows.
type historyData struct {
	Lines   []line
	NextURL string // older lines
}

func (c *Room) history(w http.ResponseWriter, r *http.Request, v visit) error {
	before, err := strconv.ParseInt(r.FormValue("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	events, err := c.cfg.Accounts.Journal(r.Context(), v.person.ID, before, pageLines+1)
	if err != nil {
		return err
	}
	data := historyData{}
	if len(events) > pageLines {
		events = events[:pageLines]
		data.NextURL = fmt.Sprintf("/me/history?before=%d", events[pageLines-1].Seq)
	}
	data.Lines = c.lines(events, c.lang(r))
	return c.render(w, r, c.page(v, "me-history", data))
}

// historyJSON gives the whole journal to its owner (R222).
func (c *Room) historyJSON(w http.ResponseWriter, r *http.Request, v visit) error {
	events, err := c.cfg.Accounts.Journal(r.Context(), v.person.ID, 0, exportLines)
	if err != nil {
		return err
	}
	download(w, "application/json", "history.json")
	return json.NewEncoder(w).Encode(c.lines(events, c.lang(r)))
}

// historyCSV is the same as a table.
func (c *Room) historyCSV(w http.ResponseWriter, r *http.Request, v visit) error {
	events, err := c.cfg.Accounts.Journal(r.Context(), v.person.ID, 0, exportLines)
	if err != nil {
		return err
	}
	download(w, "text/csv; charset=utf-8", "history.csv")
	out := csv.NewWriter(w)
	if err := out.Write([]string{"seq", "at", "event", "actor", "service", "address", "device"}); err != nil {
		return err
	}
	for _, l := range c.lines(events, c.lang(r)) {
		row := []string{strconv.FormatInt(l.Seq, 10), l.At.UTC().Format(time.RFC3339), l.Kind, l.Actor, l.Service, l.Address, l.Device}
		for i := range row {
			row[i] = inert(row[i])
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// inert keeps a spreadsheet from reading a cell as a formula: a user agent is written by a stranger.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func download(w http.ResponseWriter, kind, name string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}
