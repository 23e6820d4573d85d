package login

import (
	"net/http"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// documentData is what the page agreement shows: one of the documents that a newcomer agrees to.
type documentData struct{ Document, Version string }

func (d *Door) showDocument(w http.ResponseWriter, r *http.Request) error {
	document := r.PathValue("document")
	version, ok := d.cfg.Agreements[document]
	if !ok || (document != "terms" && document != "privacy") {
		return account.ErrNotFound
	}
	page := templates.Page{
		Name: "agreement", Title: "agreement." + document + ".title", Data: documentData{document, version},
	}
	return d.cfg.Pages.Render(w, r, page)
}

// home has no page of its own: the cabinet is the person's home, and asks them to sign in first.
func (d *Door) home(w http.ResponseWriter, r *http.Request) error { return seeOther(w, r, "/me") }

func (d *Door) showHelp(w http.ResponseWriter, r *http.Request) error {
	return d.cfg.Pages.Render(w, r, templates.Page{Name: "help"})
}
