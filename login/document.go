package login

import (
	"net/http"
	"slices"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/templates"
)

// documents are what a newcomer agrees to.
var documents = []string{"terms", "privacy"}

// documentData is what the page agreement shows: one of the documents that a newcomer agrees to.
type documentData struct{ Document, Version string }

func (d *Door) showDocument(w http.ResponseWriter, r *http.Request) error {
	document := r.PathValue("document")
	version, ok := d.cfg.Agreements[document]
	if !ok || !slices.Contains(documents, document) {
		return account.ErrNotFound
	}
	page := templates.Page{
		Name: "agreement", Title: "agreement." + document + ".title", Data: documentData{document, version},
	}
	return d.cfg.Pages.Render(w, r, page)
}

// home has no page of its own: the cabinet is the person's home, and asks them to sign in first.
func (d *Door) home(w http.ResponseWriter, r *http.Request) error { return seeOther(w, r, "/me") }

// helpData is what the page help links to beside its answers.
type helpData struct{ Documents []string }

func (d *Door) showHelp(w http.ResponseWriter, r *http.Request) error {
	var data helpData
	for _, document := range documents {
		if d.cfg.Agreements[document] != "" {
			data.Documents = append(data.Documents, document)
		}
	}
	return d.cfg.Pages.Render(w, r, templates.Page{Name: "help", Data: data})
}
