package op_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func s256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// push pushes a good request and returns its name.
func (h *house) push(client string, changes ...string) string {
	h.t.Helper()
	got := h.post("/par", client, codeRequest(client, changes...))
	if got.status != http.StatusCreated {
		h.t.Fatalf("%d %v", got.status, got.body)
	}
	return got.text("request_uri")
}

func opened(client, uri string, more ...string) url.Values {
	form := url.Values{"client_id": {client}, "request_uri": {uri}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestAPushedRequestIsAnsweredWithACode(t *testing.T) {
	for _, client := range []string{"web", "strict", "spa"} {
		t.Run(client, func(t *testing.T) {
			h := newHouse(t, sampleClients()...)
			got := h.post("/par", client, codeRequest(client))
			if got.status != http.StatusCreated || got.body["expires_in"] != 60.0 || !strings.Contains(got.header.Get("Cache-Control"), "no-store") ||
				!strings.HasPrefix(got.text("request_uri"), "urn:ietf:params:oauth:request_uri:") {
				t.Fatalf("%d %v", got.status, got.body)
			}
			back := h.authorize(opened(client, got.text("request_uri"))).back()
			if back.Get("state") != "state" || back.Get("iss") != issuer {
				t.Errorf("came back with %v", back)
			}
			if tokens := h.exchange(client, back.Get("code")); tokens.status != http.StatusOK || tokens.text("id_token") == "" {
				t.Errorf("%d %v", tokens.status, tokens.body)
			}
		})
	}
}

func TestAPushedRequestIsCheckedBeforeTheBrowserComes(t *testing.T) {
	for _, row := range []struct {
		name    string
		client  string
		changes []string
		status  int
		code    string
		says    string
	}{
		{"unknown redirect URI", "web", []string{"redirect_uri", callback + "/"}, 400, "invalid_request", "redirect_uri.slash"},
		{"no PKCE", "web", []string{"code_challenge", "", "code_challenge_method", ""}, 400, "invalid_request", "pkce.missing"},
		{"scope of others", "web", []string{"scope", "openid snils"}, 400, "invalid_scope", "scope.not_granted"},
		{"implicit", "web", []string{"response_type", "id_token"}, 400, "unsupported_response_type", "response_type.unsupported"},
		{"request_uri inside", "web", []string{"request_uri", "urn:ietf:params:oauth:request_uri:x"}, 400, "invalid_request", "par.request_uri"},
		{"a request object without a signature", "web", []string{"request", "ey.."}, 400, "invalid_request_object", "request.malformed"},
		{"another client's id", "web", []string{"client_id", "other"}, 400, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHouse(t, sampleClients()...)
			got := h.post("/par", row.client, codeRequest(row.client, row.changes...))
			if got.status/100 != 4 || row.code != "" && (got.status != row.status || got.text("error") != row.code) || !strings.Contains(got.text("error_description"), row.says) {
				t.Errorf("%d %v", got.status, got.body)
			}
			if _, given := got.body["request_uri"]; given {
				t.Error("a request_uri was given")
			}
		})
	}
}

func TestAnUnknownClientPushesNothing(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	r := httptest.NewRequest(http.MethodPost, "/par", strings.NewReader(codeRequest("web").Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("web", "wrong")
	if got := h.do(r); got.status != http.StatusUnauthorized || got.text("error") != "invalid_client" {
		t.Errorf("%d %v", got.status, got.body)
	}
}

func TestAPushedRequestBelongsToItsClient(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	uri := h.push("web")
	if got := h.authorize(opened("other", uri)); got.status != http.StatusBadRequest || h.front.shown.Code != "par.over" {
		t.Errorf("%d %+v", got.status, h.front.shown)
	}
}

func TestNothingBesideAPushedRequestCounts(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	h.front.auth = nil
	h.authorize(opened("web", h.push("web"), "scope", "openid profile email", "state", "forged", "redirect_uri", "http://evil.example/"))
	if req := h.front.entered; req == nil || req.State != "state" || len(req.Scopes) != 2 || req.RedirectURI != callback {
		t.Errorf("%+v", req)
	}
}

func TestAPushedRequestExpires(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	uri := h.push("web")
	h.later(time.Minute)
	if got := h.authorize(opened("web", uri)); got.status != http.StatusBadRequest || h.front.shown.Code != "par.over" {
		t.Errorf("%d %+v", got.status, h.front.shown)
	}
}

func TestAPushedRequestSurvivesAReloadAndIsSpentByItsCompletion(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	uri := h.push("web")
	person := h.front.auth
	h.front.auth = nil // the person has to act
	h.authorize(opened("web", uri))
	first := h.front.entered
	h.authorize(opened("web", uri)) // a reload, or a second tab
	second := h.front.entered
	if first == nil || second == nil || first.ID == second.ID {
		t.Fatalf("%v and %v", first, second)
	}
	h.later(5 * time.Minute) // longer than the pushed request lives
	response, err := h.provider.Approve(t.Context(), first.ID, *person)
	if err != nil || response.Params["code"] == "" {
		t.Fatalf("%v %v", response, err)
	}
	if response, err := h.provider.Approve(t.Context(), second.ID, *person); err == nil && response.Params["code"] != "" {
		t.Error("a pushed request was completed twice")
	}
	h.front.auth = person
	if got := h.authorize(opened("web", uri)); got.back().Get("code") != "" {
		t.Error("a spent request was answered")
	}
}

func TestASpentRequestIsRefusedWithinItsMinute(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	uri := h.push("web")
	if h.authorize(opened("web", uri)).back().Get("code") == "" {
		t.Fatal("no code")
	}
	if got := h.authorize(opened("web", uri)); got.status != http.StatusBadRequest || h.front.shown.Code != "par.over" {
		t.Errorf("%d %+v", got.status, h.front.shown)
	}
}

func TestAClientThatMustPushMayNotAskDirectly(t *testing.T) {
	h := newHouse(t, sampleClients()...)
	if got := h.authorize(codeRequest("strict")); got.status != http.StatusBadRequest || h.front.shown.Code != "par.required" {
		t.Errorf("%d %+v", got.status, h.front.shown)
	}
	if got := h.authorize(codeRequest("web")); got.back().Get("code") == "" {
		t.Errorf("a client that need not push: %d %v", got.status, got.header)
	}
}
