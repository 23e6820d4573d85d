package login

import (
	"maps"
	"net/http"
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
	to, err := response.Location()
	if err != nil {
		return err
	}
	return seeOther(w, r, to)
}

func fieldsOf(params map[string]string) []field {
	var out []field
	for _, name := range slices.Sorted(maps.Keys(params)) {
		out = append(out, field{name, params[name]})
	}
	return out
}
