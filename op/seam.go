package op

import (
	"net/http"
	"net/url"
)

// authenticateClient finds out which client a back-channel request comes from.
func (p *Provider) authenticateClient(r *http.Request, form url.Values) (*Client, error) {
	return p.auth.authenticate(r, form)
}

func (p *Provider) moreMetadata(meta map[string]any) {
	if len(p.cfg.Registration) > 0 {
		meta["registration_endpoint"] = p.cfg.Issuer + "/register"
	}
}

func (p *Provider) moreRoutes(mux *http.ServeMux) {
	if len(p.cfg.Registration) > 0 {
		mux.Handle("/register", only("POST", false, p.answering(p.register)))
		mux.Handle("/register/{id}", only("GET PUT DELETE", false, p.answering(p.manage)))
	}
}
