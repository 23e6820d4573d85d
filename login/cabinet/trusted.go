package cabinet

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

const trustedPage = "/me/trusted"

// trustedData is what the page me-trusted shows: whom the person trusts, and who trusts them.
type trustedData struct {
	Named     []namedLine
	MayName   bool
	Protected bool // a second factor is set up: without one a recovery asks nobody
	Pleas     []account.Tie
	Offers    []account.Tie
	Trusting  []account.Tie
	Fit       bool // they may be trusted
	Verified  bool
}

// namedLine is somebody whom the person named.
type namedLine struct {
	account.Tie
	State string    // "waiting", "silent", "young", "helps"
	Until time.Time // when the state changes by itself
}

func named(person *account.Account, now time.Time) []namedLine {
	var out []namedLine
	for _, t := range person.Trusted {
		switch {
		case t.Helps(now):
			out = append(out, namedLine{Tie: t, State: "helps"})
		case !t.AcceptedAt.IsZero():
			out = append(out, namedLine{t, "young", t.HelpsFrom()})
		case t.Waits(now):
			out = append(out, namedLine{t, "waiting", t.At.Add(account.OfferLife)})
		default:
			out = append(out, namedLine{Tie: t, State: "silent"})
		}
	}
	return out
}

// trusting lists the ties of a kind on the side of who is trusted.
func trusting(person *account.Account, keep func(account.Tie) bool) []account.Tie {
	return slices.DeleteFunc(slices.Clone(person.Trusting), func(t account.Tie) bool { return !keep(t) })
}

func pleas(person *account.Account, now time.Time) []account.Tie {
	return trusting(person, func(t account.Tie) bool { return t.Asked(now) })
}

func offers(person *account.Account, now time.Time) []account.Tie {
	return trusting(person, func(t account.Tie) bool { return t.Waits(now) })
}

func (c *Room) showTrusted(w http.ResponseWriter, r *http.Request, v visit) error {
	now := c.cfg.Now()
	data := trustedData{
		Named: named(v.person, now), MayName: v.person.MayName(now), Protected: v.person.HasSecondFactor(),
		Pleas: pleas(v.person, now), Offers: offers(v.person, now),
		Trusting: trusting(v.person, func(t account.Tie) bool { return !t.AcceptedAt.IsZero() }),
		Fit:      v.person.Vouches(), Verified: v.person.Level >= account.Verified,
	}
	page := c.page(v, "me-trusted", data)
	page.Section, page.Back = "me-security", "/me/security"
	switch done := r.FormValue("done"); done {
	case "named", "accepted", "confirmed", "denied":
		page.Notice = "notice.trusted-" + done
	}
	return c.render(w, r, page)
}

// backToTrusted is where a form's page is opened again by its address.
func (c *Room) backToTrusted(w http.ResponseWriter, r *http.Request, _ visit) error {
	return seeOther(w, r, trustedPage)
}

// newTrustedData is what the page me-trusted-new shows: what was typed.
type newTrustedData struct{ Label, Identifier string }

func (c *Room) showNewTrusted(w http.ResponseWriter, r *http.Request, v visit) error {
	if ok, err := c.sensitiveAt(w, r, v, trustedPage+"/new"); !ok {
		return err
	}
	if !v.person.MayName(c.cfg.Now()) {
		return seeOther(w, r, trustedPage)
	}
	return c.renderNewTrusted(w, r, v, newTrustedData{}, nil)
}

func (c *Room) renderNewTrusted(w http.ResponseWriter, r *http.Request, v visit, data newTrustedData, wrong account.FieldErrors) error {
	page := c.page(v, "me-trusted-new", data)
	page.Section, page.Back = "me-security", trustedPage
	for _, f := range wrong {
		page.Status = http.StatusUnprocessableEntity
		page.Errors = append(page.Errors, templates.FieldError{Field: f.Field, Message: f.Message, Args: f.Args})
	}
	return c.render(w, r, page)
}

// takeNewTrusted names somebody. The answer says nothing of whether they are here.
func (c *Room) takeNewTrusted(w http.ResponseWriter, r *http.Request, v visit) error {
	if ok, err := c.sensitiveAt(w, r, v, trustedPage+"/new"); !ok {
		return err
	}
	data := newTrustedData{clipped(r.PostFormValue("trusted_label")), clipped(r.PostFormValue("identifier"))}
	by, err := account.ParseIdentifier(data.Identifier)
	if err == nil {
		err = c.cfg.Accounts.NameTrusted(r.Context(), v.person.ID, data.Label, by, c.cfg.Origin(r))
	}
	var one account.FieldError
	var wrong account.FieldErrors
	switch {
	case errors.As(err, &one):
		return c.renderNewTrusted(w, r, v, data, account.FieldErrors{one})
	case errors.As(err, &wrong):
		return c.renderNewTrusted(w, r, v, data, wrong)
	case errors.Is(err, account.ErrConflict): // as many as there may be
		return seeOther(w, r, trustedPage)
	case err != nil:
		return err
	}
	return seeOther(w, r, trustedPage+"?done=named")
}

func clipped(s string) string { return s[:min(len(s), 200)] }

// answerOffer accepts or declines to be trusted. To decline nobody has to show anything.
func (c *Room) answerOffer(w http.ResponseWriter, r *http.Request, v visit) error {
	tie, ctx := r.PostFormValue("tie"), r.Context()
	if r.PostFormValue("answer") != "accept" {
		if err := c.cfg.Accounts.DeclineTrust(ctx, v.person.ID, tie, c.cfg.Origin(r)); err != nil {
			return err
		}
		return seeOther(w, r, trustedPage)
	}
	if ok, err := c.sensitiveAt(w, r, v, trustedPage); !ok {
		return err
	}
	err := c.cfg.Accounts.AcceptTrust(ctx, v.person.ID, tie, c.cfg.Origin(r))
	if errors.Is(err, account.ErrLevelTooLow) { // the page says what is missing
		return seeOther(w, r, trustedPage)
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, trustedPage+"?done=accepted")
}

// endTrust ends a tie. Who is trusted leaves as they like; who trusts shows first that it is them, since it takes a way in away.
func (c *Room) endTrust(w http.ResponseWriter, r *http.Request, v visit) error {
	end := c.cfg.Accounts.LeaveTrust
	if r.PostFormValue("side") == "named" {
		if ok, err := c.sensitiveAt(w, r, v, trustedPage); !ok {
			return err
		}
		end = c.cfg.Accounts.EndTrust
	}
	if err := end(r.Context(), v.person.ID, r.PostFormValue("tie"), c.cfg.Origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, trustedPage)
}

// pleaData is what the page me-trusted-plea shows.
type pleaData struct {
	account.Tie
	From, Device string
	Fit          bool
}

func pleaPath(tie string) string { return trustedPage + "/plea?tie=" + url.QueryEscape(tie) }

// showPlea says who asks, when and from where, and what to do before answering.
func (c *Room) showPlea(w http.ResponseWriter, r *http.Request, v visit) error {
	all := pleas(v.person, c.cfg.Now())
	i := slices.IndexFunc(all, func(t account.Tie) bool { return t.ID == r.FormValue("tie") })
	if i < 0 { // answered, over, or nobody's
		return seeOther(w, r, trustedPage)
	}
	o := all[i].Plea.Origin
	page := c.page(v, "me-trusted-plea", pleaData{all[i], c.cfg.Accounts.From(o), o.Device(), v.person.Vouches()})
	page.Section, page.Back, page.TitleArgs = "me-security", trustedPage, map[string]any{"Name": all[i].Name}
	return c.render(w, r, page)
}

// answerPlea takes the answer. A yes is given by who has just shown both factors, in a browser that is no stranger's; a no needs nothing.
func (c *Room) answerPlea(w http.ResponseWriter, r *http.Request, v visit) error {
	tie, answer := r.PostFormValue("tie"), r.PostFormValue("answer")
	if answer != "confirm" && answer != "deny" {
		return seeOther(w, r, pleaPath(tie))
	}
	if answer == "confirm" {
		if ok, err := c.sensitiveAt(w, r, v, pleaPath(tie)); !ok {
			return err
		}
	}
	err := c.cfg.Accounts.AnswerPlea(r.Context(), v.person.ID, tie, r.PostFormValue("plea"), answer == "confirm", c.cfg.Origin(r))
	switch {
	case errors.Is(err, account.ErrLevelTooLow):
		return seeOther(w, r, pleaPath(tie))
	case err != nil:
		return err
	case answer == "confirm":
		return seeOther(w, r, trustedPage+"?done=confirmed")
	}
	return seeOther(w, r, trustedPage+"?done=denied")
}
