package op

import (
	"net/http"
	"net/url"
)

// authenticateClient finds out which client a back-channel request comes from.
func (p *Provider) authenticateClient(r *http.Request, form url.Values) (*Client, error) {
	return p.auth.authenticate(r, form)
}

func (p *Provider) moreMetadata(map[string]any) {}

func (p *Provider) moreRoutes(*http.ServeMux) {}
