package login

import (
	"fmt"
	"net/http"

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
	Signs     []op.Detail // what the person signs by allowing it
	Level     string      // the level that some attributes wait for, or empty
	LevelURL  string
}

// consentItem is one attribute in the person's own words: a day and a sex travel in the protocol's.
type consentItem struct {
	op.Released
	Date account.Date
}

func itemOf(released op.Released) consentItem {
	item := consentItem{Released: released}
	if date, err := account.DateOf(released.Value); err == nil {
		item.Date = date
	}
	return item
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
	}
	for _, item := range released {
		data.Items = append(data.Items, itemOf(item))
		if item.Needs > v.person.Level {
			data.Level, data.LevelURL = item.Needs.String(), at(paths[stepRaise], v.attempt)
		}
	}
	page := v.page(d, r, "consent", data)
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
	if r.PostFormValue("answer") != "allow" {
		return d.refuse(w, r, v.attempt, "access_denied", "user_deny")
	}
	grant := account.Grant{
		ClientID: v.client.ID, Customer: v.req.Customer, Scopes: v.req.Scopes, Claims: v.req.Claims.Names(), GrantedAt: d.cfg.Now(),
	}
	if err := d.cfg.Accounts.GrantTo(r.Context(), v.person.ID, grant, d.origin(r)); err != nil {
		return fmt.Errorf("keeping the consent: %w", err)
	}
	v.attempt.Consented = true
	return d.advance(w, r, v)
}
