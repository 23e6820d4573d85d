package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Tie is the trust of one person in another: to say that it is them who want back in when they have lost what they sign in with. Both accounts
// keep it under one ID. Neither writes to the other: what happens at one end is owed to the other end as a message.
type Tie struct {
	ID         string
	With       ID        // the other account; empty while nobody is known to be there
	Name       string    `json:",omitzero"` // of the other, shortened; empty on the side of who trusts until it is accepted
	Label      string    `json:",omitzero"` // what who trusts calls the other; the other never sees it
	Typed      string    `json:",omitzero"` // masked: by what the other was looked for
	At         time.Time // when it was offered
	AcceptedAt time.Time `json:",omitzero"`
	Plea       Plea      `json:",omitzero"` // on the side of who is trusted, what is asked now; zero when nothing is
}

// Plea is that somebody in a recovery asks the people whom the owner trusts.
type Plea struct {
	ID       string
	Origin   Origin // from where it came
	At, Ends time.Time
}

const (
	maxTrusted  = 3 // named by one person
	maxOffers   = 5 // that wait for one person's answer; more are not delivered, so that nobody is flooded
	namedInADay = 10
	// OfferLife is how long somebody may accept.
	OfferLife = 7 * 24 * time.Hour
	// TrustAfter is how long a tie is before it helps: as long as the longest wait without anybody. Whoever gets hold of an account today, or talks its
	// owner into naming them, gains nothing by it over waiting.
	TrustAfter = 7 * 24 * time.Hour
)

// Waits reports whether an offer waits for an answer.
func (t Tie) Waits(now time.Time) bool { return t.AcceptedAt.IsZero() && now.Sub(t.At) < OfferLife }

// Helps reports whether the tie is old enough to help.
func (t Tie) Helps(now time.Time) bool { return !t.AcceptedAt.IsZero() && !now.Before(t.HelpsFrom()) }

// HelpsFrom is from when on an accepted tie helps.
func (t Tie) HelpsFrom() time.Time { return t.AcceptedAt.Add(TrustAfter) }

// Asked reports whether an answer to a plea is awaited.
func (t Tie) Asked(now time.Time) bool { return t.Plea.ID != "" && now.Before(t.Plea.Ends) }

// Vouches reports whether the person may be trusted by others: it is known who they are, and a password alone does not speak for them.
func (a *Account) Vouches() bool {
	return a.Status == Active && a.Level >= Verified && a.HasSecondFactor()
}

// helped reports whether somebody could be asked in a recovery.
func (a *Account) helped(now time.Time) bool {
	return slices.ContainsFunc(a.Trusted, func(t Tie) bool { return t.Helps(now) })
}

// called is how a person is named to another: enough for who knows them, and little for who does not.
func (a *Account) called() string {
	p := a.Person
	switch {
	case a.Level >= Standard && p.GivenName != "" && p.FamilyName != "":
		name := p.GivenName
		if p.MiddleName != "" {
			name += " " + p.MiddleName
		}
		return name + " " + string([]rune(p.FamilyName)[:1]) + "."
	case a.Phone.Value != "":
		return MaskPhone(a.Phone.Value)
	}
	return MaskEmail(a.Email.Value)
}

// What one end of a tie tells the other.
const (
	tieNamed    = "named" // to whom an identifier belongs, if it is anybody's
	tieOffered  = "offered"
	tieAccepted = "accepted"
	tieEnded    = "ended"
	tieAsked    = "asked"
	tieOver     = "over" // what was asked is answered, or asked no more
)

// tieMessage is the payload of OwedTie.
type tieMessage struct {
	What string
	Tie  string
	To   ID         `json:",omitzero"`
	By   Identifier `json:",omitzero"` // of tieNamed
	Name string     `json:",omitempty"`
	At   time.Time
	Plea Plea `json:",omitzero"`
}

// send owes a message to the other end of a tie, where somebody is known to be there.
func (a *Account) send(t Tie, what string, now time.Time, plea Plea) {
	if t.With != "" {
		a.owe(OwedTie, now, tieMessage{What: what, Tie: t.ID, To: t.With, Name: a.called(), At: now, Plea: plea})
	}
}

// endTies ends those ties of a list that are gone.
func (a *Account) endTies(list *[]Tie, now time.Time, o Origin, why string, gone func(Tie) bool) (ended bool) {
	var kept []Tie
	accepted := false
	for _, t := range *list {
		if !gone(t) {
			kept = append(kept, t)
			continue
		}
		ended, accepted = true, accepted || !t.AcceptedAt.IsZero()
		a.send(t, tieEnded, now, Plea{})
		a.untied(t, now, o, "reason", why)
	}
	if ended {
		*list = kept
	}
	if accepted {
		a.tell("trust-ended", now, nil)
	}
	return ended
}

// untied is what follows at this end from the end of a tie: who helped by it has taken that back.
func (a *Account) untied(t Tie, now time.Time, o Origin, details ...string) {
	a.note(TrustEnded, now, o, details...)
	if a.Waiting.Vouched == t.ID {
		a.stopWaiting(now, o, "trust ended")
	}
}

// keepTies ends the ties that cannot be any more: of an account that is closed, and of who is not, or no longer, somebody to be trusted.
func (a *Account) keepTies(now time.Time) {
	if a.Status != Active {
		a.endTies(&a.Trusted, now, Origin{}, "closed", func(Tie) bool { return true })
		a.endTies(&a.Trusting, now, Origin{}, "closed", func(Tie) bool { return true })
	}
	if !a.Vouches() {
		a.endTies(&a.Trusting, now, Origin{}, "no longer fit", func(t Tie) bool { return !t.AcceptedAt.IsZero() })
	}
}

// payTie delivers what one end of a tie tells the other. It may come twice.
func (s *Service) payTie(ctx context.Context, task Task) error {
	var m tieMessage
	if err := json.Unmarshal(task.Payload, &m); err != nil {
		return fmt.Errorf("reading what is told of a tie: %w", err)
	}
	now, to := s.now(), m.To
	if m.What == tieNamed {
		found, err := s.cfg.Store.Find(ctx, m.By)
		switch {
		case errors.Is(err, ErrNotFound):
			return s.cfg.Outbox.Pay(ctx, task.ID)
		case err != nil:
			return fmt.Errorf("finding who was named: %w", err)
		}
		m.To, to = found.ID, task.Account // who named them keeps who they are
	}
	err := s.change(ctx, to, func(a *Account) error {
		a.hear(m, task.Account, now)
		return nil
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("telling of a tie: %w", err)
	}
	return s.cfg.Outbox.Pay(ctx, task.ID)
}

// hear takes a message from the other end of a tie.
func (a *Account) hear(m tieMessage, from ID, now time.Time) {
	switch m.What {
	case tieNamed:
		a.named(m, now)
	case tieOffered:
		a.offered(m, from, now)
	case tieAccepted:
		a.accepted(m, from, now)
	case tieEnded:
		a.left(m, from, now)
	case tieAsked:
		a.asked(m, from, now)
	case tieOver:
		a.Trusting = replaced(a.Trusting, func(t Tie) bool { return t.ID == m.Tie && t.Plea.ID == m.Plea.ID }, func(t *Tie) { t.Plea = Plea{} })
	}
}

// named keeps whom the person has named, and has it offered to them. Whoever is named twice is found once.
func (a *Account) named(m tieMessage, now time.Time) {
	if m.To == a.ID || slices.ContainsFunc(a.Trusted, func(t Tie) bool { return t.With == m.To }) {
		return
	}
	a.Trusted = replaced(a.Trusted, func(t Tie) bool { return t.ID == m.Tie && t.With == "" && t.Waits(now) }, func(t *Tie) {
		t.With = m.To
		a.send(*t, tieOffered, t.At, Plea{})
	})
}

func (a *Account) offered(m tieMessage, from ID, now time.Time) {
	waiting := 0
	var kept []Tie
	for _, t := range a.Trusting {
		if t.ID == m.Tie {
			return
		}
		if t.Waits(now) {
			waiting++
		}
		if t.Waits(now) || !t.AcceptedAt.IsZero() {
			kept = append(kept, t)
		}
	}
	if waiting >= maxOffers || a.Status != Active {
		return
	}
	a.Trusting = append(kept, Tie{ID: m.Tie, With: from, Name: m.Name, At: m.At})
	a.note(TrustOffered, now, Origin{}, "actor", "system")
	a.tell("trust-offered", now, nil)
}

func (a *Account) accepted(m tieMessage, from ID, now time.Time) {
	i := slices.IndexFunc(a.Trusted, func(t Tie) bool { return t.ID == m.Tie && t.With == from })
	switch {
	case i < 0: // taken back meanwhile
		a.send(Tie{ID: m.Tie, With: from}, tieEnded, now, Plea{})
		return
	case !a.Trusted[i].AcceptedAt.IsZero():
		return
	}
	a.Trusted = replaced(a.Trusted, func(t Tie) bool { return t.ID == m.Tie }, func(t *Tie) {
		t.AcceptedAt, t.Name = m.At, m.Name
		a.tell("trust-accepted", now, map[string]string{"Name": m.Name, "Helps": t.HelpsFrom().In(noticeZone).Format("02.01.2006 15:04")})
	})
	a.note(TrustAccepted, now, Origin{}, "actor", "system")
}

// left is that the other end is gone.
func (a *Account) left(m tieMessage, from ID, now time.Time) {
	for _, list := range []*[]Tie{&a.Trusted, &a.Trusting} {
		i := slices.IndexFunc(*list, func(t Tie) bool { return t.ID == m.Tie && t.With == from })
		if i < 0 {
			continue
		}
		t := (*list)[i]
		*list = slices.Delete(slices.Clone(*list), i, i+1)
		a.untied(t, now, Origin{}, "actor", "system", "reason", "the other")
		if !t.AcceptedAt.IsZero() {
			a.tell("trust-ended", now, nil)
		}
	}
}

func (a *Account) asked(m tieMessage, from ID, now time.Time) {
	a.Trusting = replaced(a.Trusting, func(t Tie) bool {
		return t.ID == m.Tie && t.With == from && !t.AcceptedAt.IsZero() && t.Plea.ID != m.Plea.ID && now.Before(m.Plea.Ends)
	}, func(t *Tie) {
		t.Plea = m.Plea
		a.note(TrustAsked, now, Origin{}, "actor", "system")
		a.tell("trust-asked", now, nil)
	})
}

// replaced is a copy of ties in which those of a kind are changed.
func replaced(ties []Tie, which func(Tie) bool, change func(*Tie)) []Tie {
	out := slices.Clone(ties)
	for i := range out {
		if which(out[i]) {
			change(&out[i])
		}
	}
	return out
}
