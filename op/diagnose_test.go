package op_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// spoken finds the diagnosis codes in the source: in brackets at the beginning of a description, or as an argument.
var spoken = []*regexp.Regexp{
	regexp.MustCompile(`"\[([a-z_0-9]+\.[a-z_0-9]+)\]`),
	regexp.MustCompile(`(?:refuse|diagnosed)\([^,()]+(?:\([^()]*\))?, "([a-z_0-9]+\.[a-z_0-9]+)"`),
	regexp.MustCompile(`bad(?:Proof|Object)\("([a-z_0-9]+\.[a-z_0-9]+)"`),
}

var differs = regexp.MustCompile(`differs[A-Z]\w+\s+= "([a-z]+)"`)

func TestEveryDiagnosisHasItsPageAndEveryPageItsDiagnosis(t *testing.T) {
	codes := map[string]bool{}
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		must(t, err)
		for _, pattern := range spoken {
			for _, found := range pattern.FindAllStringSubmatch(string(text), -1) {
				codes[found[1]] = true
			}
		}
		for _, found := range differs.FindAllStringSubmatch(string(text), -1) {
			codes["redirect_uri."+found[1]], codes["post_logout_redirect_uri."+found[1]] = true, true
		}
	}
	if len(codes) < 60 {
		t.Fatalf("only %d codes were found in the source", len(codes))
	}
	pages, err := filepath.Glob("../docs/errors/*.md")
	must(t, err)
	index, err := os.ReadFile("../docs/errors/README.md")
	must(t, err)
	for code := range codes {
		page := filepath.Join("..", "docs", "errors", code+".md")
		if !slices.Contains(pages, page) {
			t.Errorf("%s has no page docs/errors/%s.md", code, code)
		}
		if !strings.Contains(string(index), "["+code+"]("+code+".md)") {
			t.Errorf("%s is not in docs/errors/README.md", code)
		}
	}
	for _, page := range pages {
		code := strings.TrimSuffix(filepath.Base(page), ".md")
		if code != "README" && !codes[code] {
			t.Errorf("docs/errors/%s.md is about no code", code)
		}
		text, err := os.ReadFile(page)
		must(t, err)
		for _, part := range []string{"# " + code + "\n\n", "\n* **Error:** `", "\n* **Rule:** ", "\n* **Fix:** "} {
			if code != "README" && !strings.Contains(string(text), part) {
				t.Errorf("docs/errors/%s.md has no %q", code, part)
			}
		}
	}
}

// The port of an app's loopback address is no difference: what is named is what has to be mended.
func TestANativeClientReadsWhatDiffersBesideThePort(t *testing.T) {
	h := trapHouse(t)
	for uri, want := range map[string]struct{ code, fix string }{
		"http://127.0.0.1:51004/cb":        {"redirect_uri.path", "redirect_uri=" + url.QueryEscape("http://127.0.0.1:51004/callback")},
		"http://localhost:51004/callback":  {"redirect_uri.loopback", "redirect_uri=" + url.QueryEscape("http://127.0.0.1:51004/callback")},
		"http://127.0.0.1:51004/callback/": {"redirect_uri.slash", "redirect_uri=" + url.QueryEscape("http://127.0.0.1:51004/callback")},
		"https://127.0.0.1:51004/callback": {"redirect_uri.scheme", "redirect_uri=" + url.QueryEscape("http://127.0.0.1:51004/callback")},
	} {
		h.authorize(codeRequest("native", "redirect_uri", uri))
		if d := h.front.shown; d.Code != want.code || d.Fix != want.fix || len(d.Registered) == 0 || d.Registered[0] != "http://127.0.0.1/callback" {
			t.Errorf("%s: %+v", uri, d)
		}
	}
}

func TestScopesWithCommasAreToldApartFromAScopeThatIsNotThere(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	for scope, says := range map[string]string{"openid,phone": "with spaces between them", "openid+phone": "with spaces between them", "openid bogus": "the scope bogus is not granted"} {
		if back := h.authorize(codeRequest("web", "scope", scope)).back(); back.Get("error") != "invalid_scope" || !strings.Contains(back.Get("error_description"), says) {
			t.Errorf("%s: %v", scope, back)
		}
	}
}

// Who integrates reads on the page what the rule is and what to send, whatever was wrong.
func TestARefusalOnAPageNamesTheRuleAndTheFix(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	for want, form := range map[string]url.Values{
		"client.unknown":        codeRequest("nobody"),
		"client.missing":        codeRequest("web", "client_id", ""),
		"form.repeated":         {"client_id": {"web"}, "scope": {"openid", "phone"}},
		"par.required":          codeRequest("strict"),
		"par.over":              opened("web", "urn:ietf:params:oauth:request_uri:over"),
		"redirect_uri.slash":    codeRequest("web", "redirect_uri", callback+"/"),
		"redirect_uri.loopback": codeRequest("web", "redirect_uri", "http://127.0.0.1:8090/callback"),
	} {
		h.authorize(form)
		d := h.front.shown
		if d.Code != want || d.Rule == "" || d.Fix == "" || strings.Contains(d.Fix, "ISSUER") || strings.Contains(d.Fix, "CLIENT") {
			t.Errorf("%s: %+v", want, d)
		}
	}
}
