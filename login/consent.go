package login

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// consentData is what the page consent shows.
type consentData struct {
	Attempt   string
	Service   string
	Customer  string // for whom the service acts; empty where it acts for itself
	Purpose   string
	For       op.Purpose // what this request asks for; empty when it does not say
	PolicyURI string
	TermsURI  string
	Items     []consentItem
	Choosing  bool        // each attribute that the service can do without has a tick
	ChooseURL string      // leads there; empty when there is nothing to choose
	Signs     []op.Detail // what the person signs by allowing it
	Certified bool        // by their certificate, on the next page
	Certify   bool        // or by it, if they wish
	Level     string      // the level that some attributes wait for, or empty
	LevelURL  string
}

// consentItem is one attribute in the person's own words: a day and a sex travel in the protocol's.
type consentItem struct {
	op.Released
	Date account.Date
	With []string // claims that say the same and have no line of their own
}

// nameParts stand in the full name too.
var nameParts = []string{"family_name", "given_name", "middle_name"}

// itemsOf lists the attributes as people read them: nobody reads their name twice, in whole and in parts. Who chooses what to pass on
// chooses among the parts.
func itemsOf(released []op.Released, choosing bool) []consentItem {
	full := slices.IndexFunc(released, func(r op.Released) bool { return r.Claim == "name" && !r.Missing && !choosing })
	var items []consentItem
	var parts []string
	for _, r := range released {
		if full >= 0 && slices.Contains(nameParts, r.Claim) && goesWith(r, released[full]) {
			parts = append(parts, r.Claim)
			continue
		}
		item := consentItem{Released: r}
		if date, err := account.DateOf(r.Value); err == nil {
			item.Date = date
		}
		items = append(items, item)
	}
	for i := range items {
		if items[i].Claim == "name" {
			items[i].With = parts
		}
	}
	return items
}

// goesWith reports whether everything that is said of a name is said of its part too. Of a part that a person does not have nothing is.
func goesWith(part, whole op.Released) bool {
	return part.Essential == whole.Essential && part.Resolved == whole.Resolved && !part.Withheld && (part.Missing || part.Checked == whole.Checked)
}

func (d *Door) showConsent(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepConsent); !ok {
		return err
	}
	released, err := d.cfg.Provider().Released(r.Context(), v.client, v.req, v.person)
	if err != nil {
		return fmt.Errorf("listing what the service would learn: %w", err)
	}
	lang := d.lang(r, v.attempt)
	data := consentData{
		Attempt: v.attempt.ID,
		Service: inLang(v.client.Name, lang), Customer: v.client.CustomerName(v.req.Customer, lang), Purpose: inLang(v.client.Purpose, lang),
		PolicyURI: v.client.PolicyURI, TermsURI: v.client.TermsURI, Signs: v.req.Details, For: v.req.Purpose,
		Certified: v.policy.Certified, Certify: v.mayCertify(),
	}
	for _, item := range released {
		if item.Optional && data.ChooseURL == "" {
			data.ChooseURL = at("/login/consent", v.attempt) + "&choose=1"
		}
		if item.Needs > v.person.Level {
			data.Level, data.LevelURL = item.Needs.String(), at(paths[stepRaise], v.attempt)
		}
	}
	data.Choosing = r.FormValue("choose") != "" && data.ChooseURL != ""
	data.Items = itemsOf(released, data.Choosing)
	page := v.page(d, r, "consent", data)
	page.Back = v.backOut()
	if data.Choosing {
		page.Back = at("/login/consent", v.attempt)
	}
	page.User = displayName(v.person)
	page.Title, page.TitleArgs = "consent.title-service", map[string]any{"Service": data.Service}
	if data.For != "" {
		page.Title = "consent.title-" + string(data.For)
	}
	if len(data.Signs) > 0 {
		page.Title = "signs.title-service"
	}
	return d.render(w, r, v.attempt, page)
}

// takeConsent keeps the person's answer and gives it to the service.
func (d *Door) takeConsent(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepConsent); !ok {
		return err
	}
	switch r.PostFormValue("answer") {
	case "allow":
	case "certify":
		v.attempt.Certify = v.mayCertify()
	default:
		return d.refuse(w, r, v.attempt, "access_denied", op.Refused)
	}
	withheld, err := d.withheld(r, v)
	if err != nil {
		return err
	}
	grant := account.Grant{
		Withheld: withheld, Shown: v.client.Shown(),
		ClientID: v.client.ID, Customer: v.req.Customer, Scopes: v.req.Scopes, Claims: v.req.Claims.Names(), GrantedAt: d.cfg.Now(),
	}
	if err := d.cfg.Accounts.GrantTo(r.Context(), v.person.ID, grant, d.origin(r)); err != nil {
		return fmt.Errorf("keeping the consent: %w", err)
	}
	v.attempt.Consented = true
	return d.advance(w, r, v)
}

// withheld are the attributes that the person keeps back: those without a tick where ticks were offered, and what they kept
// back before where none were.
func (d *Door) withheld(r *http.Request, v *visit) ([]string, error) {
	released, err := d.cfg.Provider().Released(r.Context(), v.client, v.req, v.person)
	if err != nil {
		return nil, fmt.Errorf("listing what the service would learn: %w", err)
	}
	var out, offered []string
	for _, item := range released {
		if !item.Optional {
			continue
		}
		offered = append(offered, item.Claim)
		keeps := item.Withheld
		if r.PostFormValue("chosen") != "" {
			keeps = !slices.Contains(r.PostForm["claim"], item.Claim)
		}
		if keeps {
			out = append(out, item.Claim)
		}
	}
	if before := v.person.GrantFor(v.client.ID, v.req.Customer); before != nil { // not asked for today, and kept back all the same
		for _, claim := range before.Withheld {
			if !slices.Contains(offered, claim) {
				out = append(out, claim)
			}
		}
	}
	return out, nil
}
