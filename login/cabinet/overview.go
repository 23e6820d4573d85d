package cabinet

import (
	"net/http"

	"github.com/vhod-id/vhod/account"
)

// overviewData is what the page me shows: the state of the account at a glance, and what could be better.
type overviewData struct {
	Level    string
	Ladder   []rung
	CanRaise bool
	Protect  bool // no second factor yet

	Password bool
	Left     int  // backup codes still unused
	Stranded bool // nothing would open the account without the phone

	Last     []line
	Sessions int
	Services int
	Requests int           // of services, that wait for an answer
	Pleas    []account.Tie // somebody who trusts the person wants back in
	Offers   int           // somebody wants to trust them
}

// rung is one level of the ladder.
type rung struct {
	Level            string
	Reached, Current bool
}

// lastLines is how much of the history the overview shows.
const lastLines = 3

func (c *Room) overview(w http.ResponseWriter, r *http.Request, v visit) error {
	events, err := c.cfg.Accounts.Journal(r.Context(), v.person.ID, 0, lastLines)
	if err != nil {
		return err
	}
	sessions, err := c.cfg.Accounts.Sessions(r.Context(), v.person.ID)
	if err != nil {
		return err
	}
	asked, err := c.cfg.Asked(r.Context(), v.person.ID)
	if err != nil {
		return err
	}
	data := overviewData{
		Level: v.person.Level.String(), Ladder: ladder(v.person.Level), CanRaise: v.person.Level < account.Verified,
		Protect:  !v.person.HasSecondFactor(),
		Password: v.person.Password.Hash != "", Left: len(v.person.Backup.Hashes),
		Stranded: len(c.ways(c.lang(r), v.person, account.LostPhone)) == 0,
		Last:     c.lines(events, c.lang(r)),
		Sessions: len(sessions), Services: len(v.person.Grants), Requests: len(asked),
		Pleas: pleas(v.person, c.cfg.Now()), Offers: len(offers(v.person, c.cfg.Now())),
	}
	return c.render(w, r, c.page(v, "me", data))
}

// ladder is every level, and how far the person has come.
func ladder(held account.Level) []rung {
	var rungs []rung
	for _, level := range []account.Level{account.Simplified, account.Standard, account.Verified} {
		rungs = append(rungs, rung{level.String(), level <= held, level == held})
	}
	return rungs
}
