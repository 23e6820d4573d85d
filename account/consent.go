package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Grant returns the person's consent to a service that acts for itself, or nil.
func (a *Account) Grant(clientID string) *Grant { return a.GrantFor(clientID, "") }

// GrantFor returns the person's consent to a service that acts for a customer, or nil.
func (a *Account) GrantFor(clientID, customer string) *Grant {
	for i := range a.Grants {
		if a.Grants[i].ClientID == clientID && a.Grants[i].Customer == customer {
			return &a.Grants[i]
		}
	}
	return nil
}

// GrantTo journals and keeps the person's consent; scopes and claims add to those given before, what is kept back replaces what was.
func (s *Service) GrantTo(ctx context.Context, id ID, g Grant, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		now := s.now()
		held := a.GrantFor(g.ClientID, g.Customer)
		if held == nil {
			a.Grants = append(a.Grants, Grant{ClientID: g.ClientID, Customer: g.Customer, Since: now})
			held = &a.Grants[len(a.Grants)-1]
		}
		held.Scopes = union(held.Scopes, g.Scopes)
		held.Claims = union(held.Claims, g.Claims)
		held.Withheld, held.Shown = g.Withheld, g.Shown
		held.GrantedAt, held.UsedAt = now, now
		a.note(ConsentGiven, now, o, "client", g.ClientID, "customer", g.Customer, "scopes", strings.Join(g.Scopes, " "), "claims", strings.Join(g.Claims, " "),
			"withheld", strings.Join(g.Withheld, " "))
		return nil
	})
}

// WithdrawGrant forgets the consent to a service, for every customer that it acts for; tokens under it die at their next use.
// ErrNotFound when there is none.
func (s *Service) WithdrawGrant(ctx context.Context, id ID, clientID string, o Origin) error {
	return s.withdraw(ctx, id, clientID, o, func(g Grant) bool { return g.ClientID == clientID })
}

// WithdrawGrantFor is WithdrawGrant for one customer alone.
func (s *Service) WithdrawGrantFor(ctx context.Context, id ID, clientID, customer string, o Origin) error {
	return s.withdraw(ctx, id, clientID, o, func(g Grant) bool { return g.ClientID == clientID && g.Customer == customer })
}

func (s *Service) withdraw(ctx context.Context, id ID, clientID string, o Origin, gone func(Grant) bool) error {
	return s.change(ctx, id, func(a *Account) error {
		before := len(a.Grants)
		a.Grants = slices.DeleteFunc(a.Grants, gone)
		if len(a.Grants) == before {
			return ErrNotFound
		}
		a.note(ConsentWithdrawn, s.now(), o, "client", clientID)
		return nil
	})
}

// DeviceAllowed journals that the person let a device without a browser sign in to a service as them, from where the device
// asked, and tells them: somebody else's device may have talked them into it.
func (s *Service) DeviceAllowed(ctx context.Context, id ID, clientID, service string, device Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		now := s.now()
		a.note(DeviceConnected, now, device, "client", clientID)
		a.tell("device-connected", now, map[string]string{"Service": service})
		return nil
	})
}

// Whose returns the active account with an identifier, by its id alone, or ErrNotFound.
func (s *Service) Whose(ctx context.Context, by Identifier) (ID, error) {
	a, err := s.cfg.Store.Find(ctx, by)
	if err == nil && a.Status != Active {
		err = ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("finding who is asked: %w", err)
	}
	return a.ID, nil
}

// Asker is a service that asks the person something of its own accord.
type Asker struct{ ID, Name string }

// RequestReceived journals that a service asked the person something of its own accord, until then, and tells them where to
// answer.
func (s *Service) RequestReceived(ctx context.Context, id ID, client Asker, until time.Time, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		now := s.now()
		a.note(RequestReceived, now, o, "actor", "client:"+client.ID, "client", client.ID)
		a.tell("request-received", now, map[string]string{"Service": client.Name})
		for _, n := range a.pushes("push-call", until, now) {
			a.owe(OwedPush, now, n)
		}
		return nil
	})
}

// RequestApproved journals that the person answered yes to a service that asked them of its own accord.
func (s *Service) RequestApproved(ctx context.Context, id ID, clientID, _ string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		a.note(RequestApproved, s.now(), o, "client", clientID)
		return nil
	})
}

// RequestRefused journals that they answered no, and whether they called it none of theirs.
func (s *Service) RequestRefused(ctx context.Context, id ID, clientID string, stranger bool, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		reason := "refused"
		if stranger {
			reason = "stranger"
		}
		a.note(RequestRefused, s.now(), o, "client", clientID, "reason", reason)
		return nil
	})
}

// Act is what a person signed for a service.
type Act struct {
	Type   string
	Words  string // the document's title, or the words of the act
	Digest string // of the document; empty for an act
	// Certificate is the serial number of the certificate by which they signed, and CMS the digest of the message; empty for a simple
	// electronic signature.
	Certificate, CMS string
}

// ActsSigned journals what the person signed, each act on its line, and tells them.
func (s *Service) ActsSigned(ctx context.Context, id ID, clientID, service string, acts []Act, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		now, template := s.now(), "act-signed"
		for _, act := range acts {
			details := []string{"client", clientID, "type", act.Type, "words", act.Words, "digest", act.Digest}
			if act.Certificate != "" {
				template = "act-certified"
				details = append(details, "certificate", act.Certificate, "cms", act.CMS)
			}
			a.note(ActSigned, now, o, details...)
		}
		a.tell(template, now, map[string]string{"Service": service})
		return nil
	})
}

// TokensReplayed journals that a service's token was used a second time and its family ended, and tells the person.
func (s *Service) TokensReplayed(ctx context.Context, id ID, clientID, service string, o Origin) error {
	return s.change(ctx, id, func(a *Account) error {
		now := s.now()
		a.note(TokensEnded, now, o, "actor", "client:"+clientID, "reason", "replay")
		a.tell("tokens-revoked", now, map[string]string{"Service": service})
		return nil
	})
}

func union(a, b []string) []string {
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}
