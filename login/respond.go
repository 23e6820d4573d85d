package login

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/vhod-id/vhod/op"
)

// formPostData is what the page form-post sends on (OAuth 2.0 Form Post Response Mode §2).
type formPostData struct {
	Action string
	Fields []field
}

// field is one hidden field.
type field struct{ Name, Value string }

// respond sends an authorization response to the service: by a redirect, or by a page whose form the
// browser posts.
func (d *Door) respond(w http.ResponseWriter, r *http.Request, a *attempt) error {
	response := *a.Outcome.Response
	if response.Mode == op.ModePage {
		return seeOther(w, r, at(donePath(response), a))
	}
	if response.Mode == "form_post" {
		page := (&visit{attempt: a}).page(d, r, "form-post", formPostData{
			Action: response.RedirectURI, Fields: fieldsOf(response.Params),
		})
		page.FormAction = formAction(response.RedirectURI)
		return d.render(w, r, a, page)
	}
	to, err := redirectURL(response)
	if err != nil {
		return err
	}
	return seeOther(w, r, to)
}

// redirectURL adds the parameters to the query that the redirect URI may have (RFC 6749 §4.1.2).
func redirectURL(response op.Response) (string, error) {
	u, err := url.Parse(response.RedirectURI)
	if err != nil {
		return "", fmt.Errorf("parsing a redirect URI: %w", err)
	}
	added := make(url.Values, len(response.Params))
	for name, value := range response.Params {
		added.Set(name, value)
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += added.Encode()
	return u.String(), nil
}

func fieldsOf(params map[string]string) []field {
	var out []field
	for _, name := range slices.Sorted(maps.Keys(params)) {
		out = append(out, field{name, params[name]})
	}
	return out
}
