// Package registry asks the state registries over HTTP and reports to account.
//
// A registry says what it knows; what counts as likeness is decided in account.Match. A registry that fails, answers
// oddly or is late is silent: it is asked again later, and nothing else waits for it.
package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// Endpoint is where a registry answers.
type Endpoint struct {
	URL string
	Key keys.Secret // bearer
}

// Config names the registries. Which body runs each is the runner's business.
type Config struct {
	Endpoints map[account.Registry]Endpoint
	Client    *http.Client // http.DefaultClient's transport when nil
	Now       func() time.Time
	Log       *slog.Logger
}

const (
	patience  = 4 * time.Second // a person waits at the page
	maxAnswer = 64 << 10
)

// Registries satisfies account.Registries.
type Registries struct{ cfg Config }

// New checks the configuration.
func New(cfg Config) (*Registries, error) {
	if cfg.Now == nil {
		return nil, errors.New("registries need a clock")
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Registries{cfg}, nil
}

// Check asks the registries that the application needs, all at once: passport and SNILS always, INN when one is given.
func (r *Registries) Check(ctx context.Context, app account.Application) []account.Check {
	asked := []account.Registry{account.RegistryPassport, account.RegistrySNILS}
	if !app.INN.IsZero() {
		asked = append(asked, account.RegistryINN)
	}
	checks := make([]account.Check, len(asked))
	var all sync.WaitGroup
	for i, name := range asked {
		all.Go(func() { checks[i] = r.ask(ctx, name, app) })
	}
	all.Wait()
	return checks
}

func (r *Registries) ask(ctx context.Context, name account.Registry, app account.Application) account.Check {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	record, err := r.post(ctx, name, question(name, app))
	if err != nil {
		// The error may hold what was sent: only its kind is logged.
		r.cfg.Log.WarnContext(ctx, "a registry is silent", "registry", string(name), "kind", fmt.Sprintf("%T", errors.Unwrap(err)))
		return account.Check{Registry: name, Grade: account.Silent, At: r.cfg.Now().UTC()}
	}
	return account.Match(name, app, record, r.cfg.Now().UTC())
}

func (r *Registries) post(ctx context.Context, name account.Registry, body map[string]string) (account.Record, error) {
	endpoint, ok := r.cfg.Endpoints[name]
	if !ok {
		return account.Record{}, fmt.Errorf("registry %s is not configured", name)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return account.Record{}, fmt.Errorf("encoding the question: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.URL, bytes.NewReader(text))
	if err != nil {
		return account.Record{}, fmt.Errorf("asking: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if !endpoint.Key.IsZero() {
		req.Header.Set("Authorization", "Bearer "+endpoint.Key.Reveal())
	}
	resp, err := r.cfg.Client.Do(req)
	if err != nil {
		return account.Record{}, fmt.Errorf("asking: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // so that the connection is used again
		return account.Record{}, fmt.Errorf("registry answered %d", resp.StatusCode)
	}
	var a answer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&a); err != nil {
		return account.Record{}, fmt.Errorf("reading the answer: %w", err)
	}
	record, err := a.record()
	if err == nil && record.Status == "found" && !states(name, record) {
		err = errors.New("the record does not state the document")
	}
	return record, err
}

// states reports whether a record has the number that its registry is about.
func states(name account.Registry, r account.Record) bool {
	switch name {
	case account.RegistryPassport:
		return r.Passport.Number != ""
	case account.RegistrySNILS:
		return r.SNILS != ""
	}
	return r.INN != ""
}

func question(name account.Registry, app account.Application) map[string]string {
	p := app.Person
	q := map[string]string{
		"family_name": p.FamilyName, "given_name": p.GivenName, "middle_name": p.MiddleName, "birthdate": p.Birthdate.String(),
	}
	switch name {
	case account.RegistryPassport:
		q["gender"] = string(p.Gender)
		q["series"], q["number"] = app.Passport.Series, app.Passport.Number
		q["issued_on"], q["issuer_code"] = app.Passport.IssuedOn.String(), app.Passport.IssuerCode
	case account.RegistrySNILS:
		q["gender"] = string(p.Gender)
		q["snils"] = app.SNILS.Reveal()
	case account.RegistryINN:
		q["inn"] = app.INN.Reveal()
	}
	return q
}

// answer is a registry's answer on the wire.
type answer struct {
	Record string `json:"record"`
	Status string `json:"status"`
	Person struct {
		name
		Birthdate string `json:"birthdate"`
		Gender    string `json:"gender"`
	} `json:"person"`
	FormerNames []name `json:"former_names"`
	Passport    struct {
		Series     string `json:"series"`
		Number     string `json:"number"`
		IssuedOn   string `json:"issued_on"`
		IssuerCode string `json:"issuer_code"`
		IssuedBy   string `json:"issued_by"`
		Valid      *bool  `json:"valid"`
	} `json:"passport"`
	SNILS string `json:"snils"`
	INN   string `json:"inn"`
}

type name struct {
	FamilyName string `json:"family_name"`
	GivenName  string `json:"given_name"`
	MiddleName string `json:"middle_name"`
}

// record translates the wire into account's words. A day that is none makes the answer unusable.
func (a answer) record() (account.Record, error) {
	r := account.Record{ID: a.Record, Status: a.Status, SNILS: digits(a.SNILS), INN: digits(a.INN)}
	switch a.Status {
	case "found":
	case "none", "several", "invalid", "deceased":
		return r, nil
	default:
		return r, errors.New("unknown status")
	}
	birth, err := account.DateOf(a.Person.Birthdate)
	if err != nil {
		return r, fmt.Errorf("birthdate: %w", err)
	}
	r.Person = account.Person{FamilyName: a.Person.FamilyName, GivenName: a.Person.GivenName, MiddleName: a.Person.MiddleName,
		Birthdate: birth, Gender: account.Gender(a.Person.Gender)}
	for _, n := range a.FormerNames {
		r.FormerNames = append(r.FormerNames, account.Name{Family: n.FamilyName, Given: n.GivenName, Middle: n.MiddleName})
	}
	if a.Passport.Number != "" {
		issued, err := account.DateOf(a.Passport.IssuedOn)
		if err != nil {
			return r, fmt.Errorf("issued_on: %w", err)
		}
		r.Passport = account.Passport{Series: digits(a.Passport.Series), Number: digits(a.Passport.Number), IssuedOn: issued,
			IssuedBy: a.Passport.IssuedBy, IssuerCode: a.Passport.IssuerCode}
		if a.Passport.Valid != nil && !*a.Passport.Valid {
			r.Status = "invalid"
		}
	}
	return r, nil
}

// digits drops the spaces and hyphens with which a registry may write its numbers.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
