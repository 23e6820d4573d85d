package cabinet

import (
	"net/http"
	"time"

	"github.com/vhod-id/vhod/account"
)

// servicesData is what the page me-services shows.
type servicesData struct{ Services []serviceLine }

// serviceLine is one connected service: what it may learn, since when, and when it last did.
type serviceLine struct {
	ID, Name string
	Customer string // its id: for whom the service acts
	For      string // its name
	Scopes   []string
	Claims   []string // asked for one by one
	Since    time.Time
	Used     time.Time
}

func (c *Room) services(w http.ResponseWriter, r *http.Request, v visit) error {
	lang := c.lang(r)
	var data servicesData
	for _, g := range v.person.Grants {
		l := serviceLine{ID: g.ClientID, Customer: g.Customer, For: c.customerName(g, lang), Name: c.serviceName(g.ClientID, lang), Since: g.GrantedAt, Used: g.UsedAt}
		for _, scope := range g.Scopes {
			if c.cfg.Pages.Has(lang, "scope."+scope) {
				l.Scopes = append(l.Scopes, "scope."+scope)
			}
		}
		for _, claim := range g.Claims {
			if c.cfg.Pages.Has(lang, "claim."+claim) {
				l.Claims = append(l.Claims, "claim."+claim)
			}
		}
		data.Services = append(data.Services, l)
	}
	page := c.page(v, "me-services", data)
	if r.FormValue("done") != "" {
		page.Notice = "notice.consent-withdrawn"
	}
	return c.render(w, r, page)
}

// withdraw takes a consent back; tokens under it die at their next use.
func (c *Room) withdraw(w http.ResponseWriter, r *http.Request, v visit) error {
	id := r.PostFormValue("client")
	if err := c.cfg.Accounts.WithdrawGrantFor(r.Context(), v.person.ID, id, r.PostFormValue("customer"), c.cfg.Origin(r)); err != nil {
		return err
	}
	return seeOther(w, r, "/me/services?done=1")
}

// customerName is for whom a service acts under a consent; empty where it acts for itself.
func (c *Room) customerName(g account.Grant, lang string) string {
	for _, client := range c.cfg.Services() {
		if client.ID == g.ClientID {
			return client.CustomerName(g.Customer, lang)
		}
	}
	return ""
}
