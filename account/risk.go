package account

import (
	"net/netip"
	"strings"
	"time"
)

// Risk is something unusual about a sign-in.
type Risk string

// The risks, the gravest first. Each has its words in the catalogues under risk.NAME.
const (
	// RiskTravel: nobody gets from where the person signed in last to here in that time.
	RiskTravel Risk = "travel"
	// RiskStorm: passwords are being guessed at many accounts, and the browser is a new one.
	RiskStorm Risk = "storm"
	// RiskBrowser: the person was not seen in this browser before.
	RiskBrowser Risk = "new-browser"
)

// Grave reports whether the risk raises what is asked: that the browser is new alone does not.
func (r Risk) Grave() bool { return r == RiskTravel || r == RiskStorm }

// No aeroplane of a line is faster; what is nearer is within the error of any list of places.
const (
	travelSpeed = 1000 // km/h
	travelLeast = 500  // km
)

// Visit is when and from where somebody signed in.
type Visit struct {
	At      time.Time
	Address netip.Addr
}

// Risks says what is unusual about signing in now, in this browser (its own cookie), from there.
func (s *Service) Risks(a *Account, browser string, o Origin) []Risk {
	now := s.now()
	var out []Risk
	if s.travelled(a.LastVisit, Visit{now, o.Address}) {
		out = append(out, RiskTravel)
	}
	if a.Knows(browser, now) {
		return out
	}
	if s.Stormy() {
		out = append(out, RiskStorm)
	}
	if !a.justSignedUp(now) {
		out = append(out, RiskBrowser)
	}
	return out
}

func (s *Service) travelled(from, to Visit) bool {
	there, known := s.cfg.Places.Of(from.Address)
	here, knownToo := s.cfg.Places.Of(to.Address)
	if !known || !knownToo {
		return false
	}
	km := there.km(here)
	return km > travelLeast && km > travelSpeed*to.At.Sub(from.At).Hours()
}

// riskDetails are the risks as a journal keeps them; empty when there are none.
func riskDetails(risks []Risk) []string {
	if len(risks) == 0 {
		return nil
	}
	names := make([]string, len(risks))
	for i, r := range risks {
		names[i] = string(r)
	}
	return []string{"risk", strings.Join(names, " ")}
}
