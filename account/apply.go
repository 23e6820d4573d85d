package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// Missing names the form fields that an application still lacks, in the order of its pages.
func (app Application) Missing() []string {
	var missing []string
	need := func(field string, has bool) {
		if !has {
			missing = append(missing, field)
		}
	}
	p, d, a := app.Person, app.Passport, app.Address
	need("family_name", p.FamilyName != "")
	need("given_name", p.GivenName != "")
	need("middle_name", p.MiddleName != "" || app.NoMiddle)
	need("birthdate", !p.Birthdate.IsZero())
	need("birthplace", p.Birthplace != "")
	need("gender", p.Gender != "")
	need("passport_number", d.Series != "" && d.Number != "" && !d.IssuedOn.IsZero() && d.IssuedBy != "" && d.IssuerCode != "")
	need("snils", !app.SNILS.IsZero())
	need("inn", !app.INN.IsZero() || app.NoINN)
	need("region", a.Region != "" && a.House != "")
	return missing
}

// Apply changes the draft of the application. A changed answer makes the checks before it void. ErrConflict once the
// account is standard: what was confirmed changes by other ways.
func (s *Service) Apply(ctx context.Context, id ID, change func(*Application) error) error {
	return s.change(ctx, id, func(a *Account) error {
		if a.Level >= Standard {
			return ErrConflict
		}
		before := a.Application
		if err := change(&a.Application); err != nil {
			return err
		}
		if !sameAnswers(before, a.Application) {
			a.Application.Checks, a.Application.Waiting = nil, false
		}
		a.UpdatedAt = s.now()
		return nil
	})
}

func sameAnswers(a, b Application) bool {
	return a.Person == b.Person && a.NoMiddle == b.NoMiddle && a.Passport == b.Passport && a.SNILS == b.SNILS &&
		a.INN == b.INN && a.NoINN == b.NoINN && a.Address == b.Address
}

// recheckAfter is how long a silent registry is left alone, doubled at every silence up to an hour.
const recheckAfter = 30 * time.Second

// Check asks the registries about the application and, when all match, raises the level to standard.
// A silent registry leaves the application waiting, and a task asks again. FieldErrors name what is missing; TakenError
// says that SNILS or passport belongs to another account, which is journalled.
func (s *Service) Check(ctx context.Context, id ID, o Origin) (*Account, error) {
	a, err := s.cfg.Store.Account(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading an account: %w", err)
	}
	if a.Level >= Standard {
		return a, nil
	}
	if missing := a.Application.Missing(); len(missing) > 0 {
		var wrong FieldErrors
		for _, field := range missing {
			wrong = append(wrong, FieldError{Field: field, Message: "error.missing." + field})
		}
		return nil, wrong
	}
	asked := a.Application
	checks := s.cfg.Registries.Check(ctx, asked)
	err = s.change(ctx, id, func(a *Account) error {
		if a.Level >= Standard || !sameAnswers(asked, a.Application) {
			return ErrConflict // answered by another tab, or about other answers
		}
		a.answer(checks, s.now(), o)
		return nil
	})
	var taken TakenError
	switch {
	case errors.As(err, &taken):
		s.noteConflict(ctx, id, taken, checks, o)
		return nil, taken
	case errors.Is(err, ErrConflict):
	case err != nil:
		return nil, fmt.Errorf("keeping the registries' answers: %w", err)
	}
	return s.cfg.Store.Account(ctx, id)
}

// noteConflict keeps that the identity belongs to another account (L09): never a silent merge.
func (s *Service) noteConflict(ctx context.Context, id ID, taken TakenError, checks []Check, o Origin) {
	err := s.change(ctx, id, func(a *Account) error {
		now := s.now()
		a.Application.Checks, a.Application.CheckedAt, a.Application.Waiting = checks, now, false
		a.note(IdentityConflict, now, o, "what", string(taken.Kind))
		return nil
	})
	if err != nil {
		s.cfg.Log.ErrorContext(ctx, "noting an identity conflict", "error", err)
	}
}

// recheck is the payload of an owed check: the task's account says it all.
type recheck struct{}

// answer takes the registries' answers: the level rises when all passed, waits when one was silent.
func (a *Account) answer(checks []Check, now time.Time, o Origin) {
	passed, silent := len(checks) > 0, false
	grades := make([]string, 0, 2*len(checks))
	details := map[string]string{}
	for _, c := range checks {
		passed = passed && c.Grade.Passed()
		silent = silent || c.Grade == Silent
		grades = append(grades, string(c.Registry), string(c.Grade))
		details[string(c.Registry)] = string(c.Grade)
	}
	wasWaiting := a.Application.Waiting
	a.Application.Checks, a.Application.CheckedAt, a.Application.Waiting = checks, now, silent
	if wasWaiting && o == (Origin{}) { // the owed check, not the person
		grades = append(grades, "actor", "system")
	}
	a.note(ChecksAnswered, now, o, grades...)
	switch {
	case passed:
		a.becomeStandard(checks, details, now, o)
	case silent && !wasWaiting:
		a.owe(OwedCheck, now.Add(recheckAfter), recheck{})
	case wasWaiting && !silent:
		a.tell("check-done", now, nil)
	}
}

func (a *Account) becomeStandard(checks []Check, details map[string]string, now time.Time, o Origin) {
	app := a.Application
	a.Person, a.Passport, a.SNILS, a.INN, a.Address = app.Person, app.Passport, app.SNILS, app.INN, app.Address
	matched := []string{"family_name", "given_name", "middle_name", "birthdate", "gender", "passport_number", "snils"}
	if !app.INN.IsZero() {
		matched = append(matched, "inn")
	}
	record := ""
	for _, c := range checks {
		if c.Registry == RegistryPassport && c.Grade == MatchesNearly && c.Known != (Name{}) { // the passport's spelling is the right one (R035)
			a.Person.FamilyName, a.Person.GivenName, a.Person.MiddleName = c.Known.Family, c.Known.Given, c.Known.Middle
		}
		record += string(c.Registry) + ":" + c.Record + " "
	}
	a.Evidence = append(a.Evidence, Evidence{
		ID: keys.RandomID(), Method: ProvenByRegistries, At: now, Verifier: "registries", Record: record,
		Document: "passport", Details: details, Matched: matched, Level: Standard,
	})
	a.raise(Standard, ProvenByRegistries, now, o)
}

func (a *Account) raise(to Level, by ProofingMethod, now time.Time, o Origin) {
	a.note(LevelRaised, now, o, "from", a.Level.String(), "to", to.String(), "by", string(by))
	a.Level = to
	a.tell("level-raised", now, nil)
}

// Confirm raises the level by evidence whose claims must match the account's person: FieldErrors
// name each field that differs, and the difference is journalled. ErrLevelTooLow when the account is not standard yet;
// evidence never gives more than its own Level.
func (s *Service) Confirm(ctx context.Context, id ID, e Evidence, o Origin) (*Account, error) {
	var wrong FieldErrors
	err := s.change(ctx, id, func(a *Account) error {
		wrong = nil
		if a.Level < Standard {
			return ErrLevelTooLow
		}
		now := s.now()
		var matched []string
		matched, wrong = compareClaimed(a, e.Method, e.Claims)
		if len(wrong) > 0 {
			a.note(ConfirmFailed, now, o, "by", string(e.Method), "verifier", e.Verifier, "differs", wrong.fields())
			return nil
		}
		e.ID, e.Matched = keys.RandomID(), matched
		if e.At.IsZero() {
			e.At = now
		}
		e.Claims = Claimed{} // compared; what they say is in the account already
		a.Evidence = append(a.Evidence, e)
		if e.Level > a.Level {
			a.raise(e.Level, e.Method, now, o)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("confirming an identity: %w", err)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return s.cfg.Store.Account(ctx, id)
}

func (e FieldErrors) fields() string {
	out := ""
	for i, f := range e {
		if i > 0 {
			out += " "
		}
		out += f.Field
	}
	return out
}

// noRegistries stands where none are configured: everything waits, nothing rises.
type noRegistries struct{ now func() time.Time }

func (n noRegistries) Check(context.Context, Application) []Check {
	at := n.now().UTC()
	return []Check{{Registry: RegistryPassport, Grade: Silent, At: at}, {Registry: RegistrySNILS, Grade: Silent, At: at}}
}

// How owed checks are paid.
const (
	checkEvery = 5 * time.Second
	checkLease = time.Minute
	checkBatch = 16
)

// Pay pays what accounts owe to themselves and to each other, registry checks, messages of new browsers and what the ends of a Tie tell, until ctx ends.
func (s *Service) Pay(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		s.PayDue(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// PayDue pays some of what Pay pays, once, and reports how much was due. What fails is tried again when its lease is over.
func (s *Service) PayDue(ctx context.Context) (due int) {
	tasks, err := s.cfg.Outbox.Lease(ctx, []TaskKind{OwedCheck, OwedAlert, OwedTie}, s.now(), checkLease, checkBatch)
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.ErrorContext(ctx, "leasing what accounts owe", "error", err)
	}
	for _, task := range tasks {
		pay := map[TaskKind]func(context.Context, Task) error{OwedCheck: s.payCheck, OwedAlert: s.payAlert, OwedTie: s.payTie}[task.Kind]
		if err := pay(ctx, task); err != nil && ctx.Err() == nil {
			s.cfg.Log.ErrorContext(ctx, "paying what an account owes", "kind", string(task.Kind), "error", err)
		}
	}
	return len(tasks)
}

func (s *Service) payCheck(ctx context.Context, task Task) error {
	a, err := s.cfg.Store.Account(ctx, task.Account)
	if errors.Is(err, ErrNotFound) {
		return s.cfg.Outbox.Pay(ctx, task.ID)
	}
	if err != nil {
		return err
	}
	if a.Application.Waiting {
		a, err = s.Check(ctx, task.Account, Origin{})
		var taken TakenError
		if err != nil && !errors.As(err, &taken) {
			return err
		}
	}
	if a != nil && a.Application.Waiting {
		wait := min(time.Hour, recheckAfter<<min(task.Attempts, 7))
		return s.cfg.Outbox.Postpone(ctx, task.ID, s.now().Add(wait))
	}
	return s.cfg.Outbox.Pay(ctx, task.ID)
}
