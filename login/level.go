package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
)

// levelRoutes are the pages that raise the level: the ladder, the questions, the check, the bank.
func (d *Door) levelRoutes() []route {
	routes := []route{
		{"GET /level", d.showLadder},
		{"POST /level", d.takeLadder},
		{"GET /level/check", d.showCheck},
		{"POST /level/check", d.takeCheck},
		{"GET /level/wait", d.showWait},
		{"GET /level/result", d.showResult},
		{"POST /level/result", d.takeResult},
		{"GET /level/bank", d.showBanks},
		{"POST /level/bank", d.takeConfirmingBank},
	}
	for _, q := range questions() {
		routes = append(routes,
			route{"GET " + q.path(), d.showQuestion(q)},
			route{"POST " + q.path(), d.takeQuestion(q)})
	}
	return routes
}

// ladderData is what the page level shows: now, next, and the way there.
type ladderData struct {
	Attempt string
	Level   string
	Next    string // empty at the top
	Wanted  string // the level that the service asks for, or empty
	Tasks   []task
	Begun   bool // some answers are there already
	Waiting bool
}

// task is one line of the list.
type task struct {
	Page string // its words are under PAGE.task
	URL  string
	Done bool
}

func (d *Door) showLadder(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	app := &in.person.Application
	data := ladderData{Attempt: in.attempt.ID, Level: in.person.Level.String(), Waiting: app.Waiting}
	if in.person.Level < account.Verified {
		data.Next = (in.person.Level + 1).String()
	}
	if in.policy.Level > in.person.Level {
		data.Wanted = in.policy.Level.String()
	}
	if in.person.Level < account.Standard {
		for _, q := range questions() {
			done := !q.missing(app)
			data.Tasks = append(data.Tasks, task{q.page, in.path(q.path()), done})
			data.Begun = data.Begun || done
		}
	}
	page := in.page(d, r, "level", data)
	page.Back = in.back(stepRaise)
	return d.render(w, r, in.attempt, page)
}

// takeLadder goes to the first thing that is missing, or leaves it for later.
func (d *Door) takeLadder(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	if r.PostFormValue("choice") == "later" {
		in.attempt.SkipLevel = true
		return d.onward(w, r, in)
	}
	return seeOther(w, r, in.path(d.upward(in)))
}

// upward is the page where raising the level goes on.
func (d *Door) upward(in *inside) string {
	app := &in.person.Application
	switch {
	case in.person.Level >= account.Verified:
		return "/level/result"
	case in.person.Level == account.Standard && len(d.cfg.Banks) == 0 && d.cfg.VerifySignature != nil:
		return "/level/esign"
	case in.person.Level == account.Standard:
		return "/level/bank"
	case app.Waiting:
		return "/level/wait"
	}
	if q, ok := nextQuestion(app); ok {
		return q.path()
	}
	return "/level/check"
}

// checkData is what the page level-check shows: all that was typed, each with a link to change it.
type checkData struct {
	Attempt string
	App     *account.Application
	Gender  string
	URL     map[string]string // page → link
}

func (d *Door) showCheck(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	if to := d.upward(in); to != "/level/check" {
		return seeOther(w, r, in.path(to))
	}
	return d.renderCheck(w, r, in, nil)
}

func (d *Door) renderCheck(w http.ResponseWriter, r *http.Request, in *inside, err error) error {
	data := checkData{
		Attempt: in.attempt.ID, App: &in.person.Application,
		Gender: string(in.person.Application.Person.Gender), URL: make(map[string]string),
	}
	for _, q := range questions() {
		data.URL[strings.ReplaceAll(strings.TrimPrefix(q.page, "level-"), "-", "_")] = in.path(q.path())
	}
	page := in.page(d, r, "level-check", data)
	page.Back = in.path("/level")
	return d.renderForm(w, r, in.attempt, page, err)
}

// takeCheck asks the registries.
func (d *Door) takeCheck(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	if to := d.upward(in); to != "/level/check" {
		return seeOther(w, r, in.path(to))
	}
	person, err := d.cfg.Accounts.Check(r.Context(), in.person.ID, d.origin(r))
	var taken account.TakenError
	if errors.As(err, &taken) {
		if err := d.keepTrouble(r.Context(), in.person.ID, trouble{Kind: "taken"}); err != nil {
			return err
		}
		return seeOther(w, r, in.path("/level/result"))
	}
	if err != nil {
		return d.renderCheck(w, r, in, err)
	}
	if err := d.forgetTrouble(r.Context(), in.person.ID); err != nil {
		return err
	}
	in.person = person
	return d.afterCheck(w, r, in)
}

// afterCheck goes to what the registries' answers mean. A service that asks for the verified level
// takes the person straight on to the bank.
func (d *Door) afterCheck(w http.ResponseWriter, r *http.Request, in *inside) error {
	switch {
	case in.person.Application.Waiting:
		return seeOther(w, r, in.path("/level/wait"))
	case in.person.Level == account.Standard && in.policy.Level == account.Verified:
		return seeOther(w, r, in.path(d.upward(in)))
	}
	return seeOther(w, r, in.path("/level/result"))
}

// waitData is what the page level-wait shows: each registry with what it said so far.
type waitData struct {
	Attempt string
	Checks  []account.Check
	HomeURL string
}

// refreshSeconds is how often the waiting page looks again by itself.
const refreshSeconds = 5

func (d *Door) showWait(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	if !in.person.Application.Waiting {
		return d.afterCheck(w, r, in)
	}
	data := waitData{Attempt: in.attempt.ID, Checks: in.person.Application.Checks, HomeURL: in.home}
	page := in.page(d, r, "level-wait", data)
	page.Refresh = refreshSeconds
	return d.render(w, r, in.attempt, page)
}

// trouble is why raising the level stopped, kept for the result page after a redirect.
type trouble struct {
	Kind   string // "taken", "bank-declined", "bank-down", "bank-differs"
	Bank   string
	Fields []string
}

const troubleLife = 30 * time.Minute

func troubleKey(id account.ID) string { return "login/level-trouble/" + string(id) }

func (d *Door) keepTrouble(ctx context.Context, id account.ID, t trouble) error {
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := d.cfg.Ephemera.Put(ctx, troubleKey(id), value, troubleLife); err != nil {
		return fmt.Errorf("keeping why the level was not raised: %w", err)
	}
	return nil
}

func (d *Door) forgetTrouble(ctx context.Context, id account.ID) error {
	if _, _, err := d.cfg.Ephemera.Take(ctx, troubleKey(id)); err != nil {
		return fmt.Errorf("forgetting why the level was not raised: %w", err)
	}
	return nil
}

// resultData is what the page level-result shows: the level reached, or what is in the way.
type resultData struct {
	Attempt  string
	Level    string
	Trouble  string // kind of trouble; empty when all went well
	Bank     string
	Problems []problem
	BankURL  string // the next step up
	SignURL  string // the same by an electronic signature
	RetryURL string
	HomeURL  string
}

// problem is one answer of a registry that is in the way, with the fields to look at again.
type problem struct {
	Registry string
	Grade    string
	Fields   []fieldLink
}

// fieldLink names a field and leads to the page that asks for it.
type fieldLink struct{ Field, URL string }

func (d *Door) showResult(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	app := &in.person.Application
	if app.Waiting || (in.person.Level < account.Standard && app.CheckedAt.IsZero()) {
		return seeOther(w, r, in.path(d.upward(in)))
	}
	data := resultData{
		Attempt: in.attempt.ID, Level: in.person.Level.String(),
		HomeURL: in.home, RetryURL: in.path("/level"),
	}
	if in.person.Level == account.Standard && len(d.cfg.Banks) > 0 {
		data.BankURL = in.path("/level/bank")
	}
	data.SignURL = d.confirmURL(in)
	value, ok, err := d.cfg.Ephemera.Get(r.Context(), troubleKey(in.person.ID))
	if err != nil {
		return fmt.Errorf("reading why the level was not raised: %w", err)
	}
	switch {
	case ok:
		var t trouble
		if err := json.Unmarshal(value, &t); err != nil {
			return err
		}
		data.Trouble, data.Bank = t.Kind, t.Bank
		data.Problems = []problem{{Fields: links(in, t.Fields)}}
	case in.person.Level < account.Standard:
		data.Trouble = "registries"
		data.Problems = problems(in)
	}
	return d.render(w, r, in.attempt, in.page(d, r, "level-result", data))
}

// problems lists the registries' answers that do not match.
func problems(in *inside) []problem {
	var out []problem
	for _, c := range in.person.Application.Checks {
		if c.Grade == account.Matches || c.Grade == account.MatchesNearly {
			continue
		}
		out = append(out, problem{string(c.Registry), string(c.Grade), links(in, c.Fields)})
	}
	return out
}

func links(in *inside, fields []string) []fieldLink {
	var out []fieldLink
	for _, field := range fields {
		link := fieldLink{Field: field}
		if q, ok := questionOf(field); ok && in.person.Level < account.Standard {
			link.URL = in.path(q.path())
		}
		out = append(out, link)
	}
	return out
}

// takeResult goes on: back to the flow, or home.
func (d *Door) takeResult(w http.ResponseWriter, r *http.Request) error {
	in, err := d.comeIn(w, r, "/me", false)
	if in == nil {
		return err
	}
	if err := d.forgetTrouble(r.Context(), in.person.ID); err != nil {
		return err
	}
	return d.onward(w, r, in)
}
