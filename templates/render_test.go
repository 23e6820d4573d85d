package templates_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/templates"
)

// identify is the page that most people see.
func identify() templates.Page {
	return templates.Page{
		Name: "identify", Service: &templates.Service{Name: `Портал "А & Б" <i>`, CancelURL: "/login/cancel?attempt=1"},
		Data: struct {
			Attempt, Identifier, Known, SignUpURL, SignURL, BankURL string
			Shared, Passkeys                                        bool
		}{Attempt: "1", Identifier: `+7<script>"`, SignUpURL: "/signup?attempt=1", SignURL: "/login/esign?attempt=1", Passkeys: true},
	}
}

func TestWordsOfAPageAreThereAndWhatIsTypedIsEscaped(t *testing.T) {
	set, err := templates.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range templates.Languages {
		r, w := httptest.NewRequest("GET", "/login?attempt=1", nil), httptest.NewRecorder()
		r = r.WithContext(templates.WithLang(r.Context(), lang))
		if err := set.Render(w, r, identify()); err != nil {
			t.Fatal(err)
		}
		page := w.Body.String()
		for _, id := range []string{"identify.title", "layout.product", "layout.skip", "identify.no-account"} {
			if !strings.Contains(page, set.Text(lang, id, nil)) {
				t.Errorf("%s: the page lacks %s", lang, id)
			}
		}
		for _, typed := range []string{`value="&#43;7&lt;script&gt;&#34;"`, `Портал &#34;А &amp; Б&#34; &lt;i&gt;`} {
			if !strings.Contains(page, typed) {
				t.Errorf("%s: not escaped as %s", lang, typed)
			}
		}
		if strings.Contains(page, "<script>") || strings.Contains(page, "<i>") || !strings.Contains(page, `href="/assets/vhod.`) {
			t.Errorf("%s: %s", lang, page)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	set, err := templates.New()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := set.Render(httptest.NewRecorder(), httptest.NewRequest("GET", "/login?attempt=1", nil), identify()); err != nil {
			b.Fatal(err)
		}
	}
}
