package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"slices"
	"time"
)

// CaseLife is how long a case is kept. What was filed is gone with it.
const CaseLife = 30 * 24 * time.Hour

// Limits of filing cases. A case costs an operator's time.
const (
	caseContactMost = 3 // in a day, to answer to one contact
	caseAddressMost = 6 // in an hour, from one address
	caseNetworkMost = 60
)

// Case is what somebody asks of an operator who has lost every way in and cannot come to a centre. Whether there is an account of theirs is looked for
// when an operator looks at it, and never before: who files one learns nothing.
type Case struct {
	Number     string // twelve digits in fours; no secret
	OpenedAt   time.Time
	EndsAt     time.Time
	AnsweredAt time.Time // when a code was made for it; zero until then
	Filed      Filing
}

// Filing is what somebody says of themselves. Nothing of it is proven, and it opens nothing. It prints as •••.
type Filing struct {
	Person   Person // name and birth date
	SNILS    SNILS
	INN      INN
	Passport Passport // series and number
	Channel  string   // of the contact to answer to: "sms" or "mail"
	Contact  string
	Lang     string
	Origin   Origin
}

// Format prints ••• under every verb.
func (f Filing) Format(to fmt.State, _ rune) { _, _ = io.WriteString(to, hidden) }

// LogValue hides the filing from slog.
func (f Filing) LogValue() slog.Value { return slog.StringValue(hidden) }

// CaseMatch is an account that a number of a case belongs to. It holds nothing that the account knows and the case does not.
type CaseMatch struct {
	Account ID
	Level   Level
	Status  Status
	Differs []string // form fields in which the case and the account differ; none when everything is alike
}

// FileCase keeps a case and returns its number. The work is the same whoever it is about. ThrottledError when too many came from one address, or want
// their answer at one contact.
func (s *Service) FileCase(ctx context.Context, f Filing) (number string, err error) {
	if err := s.allowCase(ctx, f); err != nil {
		return "", err
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1e12))
	if err != nil {
		return "", fmt.Errorf("numbering a case: %w", err)
	}
	digits, now := fmt.Sprintf("%012d", n), s.now()
	number = digits[:4] + "-" + digits[4:8] + "-" + digits[8:]
	if err := s.cfg.Cases.OpenCase(ctx, Case{Number: number, OpenedAt: now, EndsAt: now.Add(CaseLife), Filed: f}); err != nil {
		return "", fmt.Errorf("filing a case: %w", err)
	}
	return number, nil
}

// allowCase counts a filing before it is kept.
func (s *Service) allowCase(ctx context.Context, f Filing) error {
	address, network := prefixes(f.Origin.Address)
	for _, limit := range []sendLimit{
		{"case-address/" + address, time.Hour, caseAddressMost, false},
		{"case-network/" + network, time.Hour, caseNetworkMost, false},
		{"case-contact/" + f.Contact, 24 * time.Hour, caseContactMost, false},
	} {
		if s.limit.count(ctx, limit.key, 1, limit.window) > limit.most {
			return ThrottledError{"case", s.now().Add(limit.window)}
		}
	}
	return nil
}

// Cases returns the oldest cases that have not ended, at most limit, for an operator to choose from. Nothing in them is of a person: Filed is empty.
func (s *Service) Cases(ctx context.Context, limit int) ([]Case, error) {
	return s.cfg.Cases.Cases(ctx, limit)
}

// LookAtCase returns a case and the accounts that its numbers belong to. The look is a line in the journal of each of them before it is answered.
// ErrNotFound for a case that there is not, or not any more.
func (s *Service) LookAtCase(ctx context.Context, number, operator string) (Case, []CaseMatch, error) {
	c, err := s.cfg.Cases.Case(ctx, number)
	if err != nil {
		return Case{}, nil, fmt.Errorf("reading a case: %w", err)
	}
	var ids []ID
	for _, by := range c.Filed.identifiers() {
		a, err := s.cfg.Store.Find(ctx, by)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return Case{}, nil, fmt.Errorf("finding whom a case is about: %w", err)
		}
		if !slices.Contains(ids, a.ID) {
			ids = append(ids, a.ID)
		}
	}
	var matches []CaseMatch
	for _, id := range ids {
		a, err := s.Read(ctx, id, Look{Who: operator, Why: "case " + number})
		if err != nil {
			return Case{}, nil, fmt.Errorf("reading whom a case is about: %w", err)
		}
		matches = append(matches, CaseMatch{Account: id, Level: a.Level, Status: a.Status, Differs: compareFiled(c.Filed, a)})
	}
	return c, matches, nil
}

// identifiers are the numbers by which an account may be found.
func (f Filing) identifiers() []Identifier {
	var all []Identifier
	if !f.SNILS.IsZero() {
		all = append(all, Identifier{BySNILS, f.SNILS.digits})
	}
	return append(all, Identifier{ByPassport, f.Passport.Series + f.Passport.Number})
}

// AnswerCase makes an activation code for the person whom an operator believes, and sends it to the contact of the case: no operator sees it. It opens
// nothing until a second operator confirms it and its time has come. ErrCaseUnclear unless everything that was filed is what one account has: such a person
// comes to a centre. Otherwise errs as MakeActivation does.
func (s *Service) AnswerCase(ctx context.Context, number, operator string) (*Activation, error) {
	c, match, err := s.clearCase(ctx, number, operator)
	if err != nil {
		return nil, err
	}
	code, made, err := s.MakeActivation(ctx, match.Account, NewActivation{Case: number, Operator: operator, Absent: true})
	if err != nil {
		return nil, err
	}
	err = s.oweNotice(ctx, c.notice("case-answer", map[string]string{
		"Code": code, "Host": s.host(), "Link": s.cfg.Issuer + "/recovery/activation?code=" + code, "Number": number,
		"Opens": made.OpensAt.In(noticeZone).Format("02.01.2006 15:04"), "Ends": made.EndsAt.In(noticeZone).Format("02.01.2006 15:04"),
	}))
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Cases.AnswerCase(ctx, number, s.now()); err != nil {
		return nil, fmt.Errorf("keeping that a case was answered: %w", err)
	}
	return made, nil
}

// ConfirmCase is the second operator saying that the first did right. Errs as AnswerCase and ConfirmActivation do.
func (s *Service) ConfirmCase(ctx context.Context, number, operator string) error {
	_, match, err := s.clearCase(ctx, number, operator)
	if err != nil {
		return err
	}
	return s.ConfirmActivation(ctx, match.Account, operator, number)
}

func (s *Service) clearCase(ctx context.Context, number, operator string) (Case, CaseMatch, error) {
	c, matches, err := s.LookAtCase(ctx, number, operator)
	switch {
	case err != nil:
		return c, CaseMatch{}, err
	case len(matches) != 1 || len(matches[0].Differs) > 0:
		return c, CaseMatch{}, ErrCaseUnclear
	}
	return c, matches[0], nil
}

// CloseCase forgets a case and everything that was filed. A code that was made for it and not used is good no more; who got no answer is told the same
// whether they have an account or not. The reason stands in the journals of the accounts that the case was about.
func (s *Service) CloseCase(ctx context.Context, number, operator, reason string) error {
	c, matches, err := s.LookAtCase(ctx, number, operator)
	if err != nil {
		return err
	}
	now := s.now()
	for _, m := range matches {
		err := s.change(ctx, m.Account, func(a *Account) error {
			a.note(CaseClosed, now, Origin{}, "actor", operator, "case", number, "reason", reason)
			if a.Activation != nil && a.Activation.Case == number {
				a.cancelActivation(now, Origin{}, "actor", operator, "reason", reason)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("closing a case: %w", err)
		}
	}
	if c.AnsweredAt.IsZero() {
		if err := s.oweNotice(ctx, c.notice("case-closed", map[string]string{"Number": number})); err != nil {
			return err
		}
	}
	if err := s.cfg.Cases.CloseCase(ctx, number); err != nil {
		return fmt.Errorf("closing a case: %w", err)
	}
	return nil
}

func (c Case) notice(template string, args map[string]string) Notice {
	return Notice{Channel: c.Filed.Channel, To: c.Filed.Contact, Template: template, Lang: c.Filed.Lang, Args: args}
}
