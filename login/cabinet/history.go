package cabinet

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// Lines of the journal on one page, and at most in an export.
const (
	pageLines   = 30
	exportLines = 10_000
)

// line is one event as the person reads it.
type line struct {
	Seq         int64     `json:"seq"`
	At          time.Time `json:"at"`
	Kind        string    `json:"kind"`
	Result      string    `json:"result"` // done or failed
	Methods     []string  `json:"methods,omitempty"`
	Words       string    `json:"-"` // message id
	Actor       string    `json:"actor"`
	Service     string    `json:"service,omitempty"`
	Level       string    `json:"level,omitempty"`
	Signed      string    `json:"signed,omitempty"`      // what was signed, in its own words
	Digest      string    `json:"digest,omitempty"`      // of a signed document
	Certificate string    `json:"certificate,omitempty"` // by which it was signed
	CMS         string    `json:"cms,omitempty"`         // digest of that signature
	Address     string    `json:"address,omitempty"`
	Place       string    `json:"place,omitempty"`
	From        string    `json:"-"` // place and address
	Device      string    `json:"device,omitempty"`
	Risks       []string  `json:"risks,omitempty"` // what was unusual about a sign-in
}

// lines translates events. Words are chosen by the page: an event without words of its own shows its kind.
func (c *Room) lines(events []account.Event, lang string) []line {
	out := make([]line, 0, len(events))
	for _, e := range events {
		l := line{
			Seq: e.Seq, At: e.At, Kind: string(e.Kind), Words: "event." + string(e.Kind), Actor: e.Actor,
			Address: address(e.Origin), Place: c.cfg.Accounts.Place(e.Origin), From: c.cfg.Accounts.From(e.Origin), Device: e.Origin.Device(), Result: resultDone,
		}
		if e.Kind.Failed() {
			l.Result = resultFailed
		}
		for _, method := range strings.Split(e.Details["method"], "+") {
			if c.cfg.Pages.Has(lang, "method."+method) {
				l.Methods = append(l.Methods, method)
			}
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
			l.Certificate, l.CMS = e.Details["certificate"], e.Details["cms"]
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

// The results that lines have, and that they are looked for by.
const (
	resultDone   = "done"
	resultFailed = "failed"
)

// search is what a person looks for in their journal. It stands in the address, so that a page of it can be kept and gone back to.
type search struct {
	About  account.Topic
	Result string
	From   string // days as browsers send them, 2026-11-23; Moscow time
	Until  string // the last day
}

// historyTime is the zone of the times that pages show.
var historyTime = time.FixedZone("MSK", 3*60*60)

// readSearch reads what is looked for. A topic or a result that there is not is none; a day that there is not is an error at its field,
// and is not looked for.
func readSearch(form url.Values) (search, account.JournalQuery, account.FieldErrors) {
	s := search{From: form.Get("from"), Until: form.Get("until")}
	if about := account.Topic(form.Get("about")); slices.Contains(account.Topics(), about) {
		s.About = about
	}
	if result := form.Get("result"); result == resultDone || result == resultFailed {
		s.Result = result
	}
	var of account.JournalQuery
	var wrong account.FieldErrors
	day := func(field, text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		at, err := time.ParseInLocation(time.DateOnly, text, historyTime)
		if err != nil {
			wrong = append(wrong, account.FieldError{Field: field, Message: "error.history.day"})
		}
		return at
	}
	of.From = day("from", s.From)
	if last := day("until", s.Until); !last.IsZero() {
		of.Until = last.AddDate(0, 0, 1)
	}
	if !of.From.IsZero() && !of.Until.IsZero() && !of.From.Before(of.Until) {
		wrong = append(wrong, account.FieldError{Field: "until", Message: "error.history.order"})
	}
	switch {
	case s.Result != "":
		failed := s.Result == resultFailed
		of.Kinds = account.KindsAbout(s.About, &failed)
	case s.About != "":
		of.Kinds = account.KindsAbout(s.About, nil)
	}
	return s, of, wrong
}

// Narrowed reports whether not everything is looked for.
func (s search) Narrowed() bool { return s != search{} }

// Query is the search as it stands in an address, after a question mark; empty for everything.
func (s search) Query() string {
	form := url.Values{}
	for name, value := range map[string]string{"about": string(s.About), "result": s.Result, "from": s.From, "until": s.Until} {
		if value != "" {
			form.Set(name, value)
		}
	}
	if len(form) == 0 {
		return ""
	}
	return "?" + form.Encode()
}

// historyData is what the page me-history shows.
type historyData struct {
	Search  search
	Topics  []account.Topic
	Lines   []line
	NextURL string // older lines
}

func (c *Room) history(w http.ResponseWriter, r *http.Request, v visit) error {
	looked, of, wrong := readSearch(r.URL.Query())
	data := historyData{Search: looked, Topics: account.Topics()}
	page := c.page(v, "me-history", &data)
	if len(wrong) > 0 { // nothing is shown: it would not be what was looked for
		page.Status = http.StatusUnprocessableEntity
		for _, f := range wrong {
			page.Errors = append(page.Errors, templates.FieldError{Field: f.Field, Message: f.Message})
		}
		return c.render(w, r, page)
	}
	if before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64); err == nil {
		of.Before = before
	}
	of.Limit = pageLines + 1
	events, err := c.cfg.Accounts.SearchJournal(r.Context(), v.person.ID, of)
	if err != nil {
		return err
	}
	if len(events) > pageLines {
		events = events[:pageLines]
		older := "?"
		if query := looked.Query(); query != "" {
			older = query + "&"
		}
		data.NextURL = fmt.Sprintf("/me/history%sbefore=%d", older, events[pageLines-1].Seq)
	}
	data.Lines = c.lines(events, c.lang(r))
	return c.render(w, r, page)
}

// export reads what is looked for, for a file.
func (c *Room) export(r *http.Request, v visit) ([]line, error) {
	_, of, wrong := readSearch(r.URL.Query())
	if len(wrong) > 0 {
		return nil, wrong
	}
	of.Limit = exportLines
	events, err := c.cfg.Accounts.SearchJournal(r.Context(), v.person.ID, of)
	if err != nil {
		return nil, err
	}
	return c.lines(events, c.lang(r)), nil
}

// historyJSON gives the journal to its owner (R222).
func (c *Room) historyJSON(w http.ResponseWriter, r *http.Request, v visit) error {
	lines, err := c.export(r, v)
	if errors.As(err, new(account.FieldErrors)) {
		return seeOther(w, r, "/me/history?"+r.URL.RawQuery) // where what is wrong is said
	}
	if err != nil {
		return err
	}
	download(w, "application/json", "history.json")
	return json.NewEncoder(w).Encode(lines)
}

// historyCSV is the same as a table.
func (c *Room) historyCSV(w http.ResponseWriter, r *http.Request, v visit) error {
	lines, err := c.export(r, v)
	if errors.As(err, new(account.FieldErrors)) {
		return seeOther(w, r, "/me/history?"+r.URL.RawQuery)
	}
	if err != nil {
		return err
	}
	download(w, "text/csv; charset=utf-8", "history.csv")
	out := csv.NewWriter(w)
	if err := out.Write([]string{"seq", "at", "event", "method", "result", "actor", "service", "address", "device", "place"}); err != nil {
		return err
	}
	for _, l := range lines {
		row := []string{strconv.FormatInt(l.Seq, 10), l.At.UTC().Format(time.RFC3339), l.Kind, strings.Join(l.Methods, "+"), l.Result, l.Actor, l.Service, l.Address, l.Device, l.Place}
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
