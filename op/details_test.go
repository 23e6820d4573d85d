package op_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

const (
	digest   = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg" // SHA-256 of "test"
	document = `{"type":"sign_document","title":"Договор № 7","digest":"` + digest + `"}`
	act      = `{"type":"confirm_act","text":"Прошу записать сына в школу № 5.\nС правилами согласен."}`
)

// signingRig has a notary, who may ask for signatures, and a person who has just shown both factors.
func signingRig(t *testing.T) *rig {
	t.Helper()
	h := newRig(t)
	notary := notary()
	must(t, notary.Check())
	must(t, h.records.PutClient(t.Context(), notary))
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: "notary", Scopes: notary.Scopes}, account.Origin{}))
	h.door.auth.Strength = account.TwoFactor
	return h
}

func notary() op.Client {
	c := clientOf("web")
	c.ID, c.DetailTypes = "notary", []string{op.DetailDocument, op.DetailAct}
	return c
}

// sign sends a request with details and returns what waits for the person.
func (h *rig) sign(details string, changes ...string) *op.AuthRequest {
	h.t.Helper()
	if back := h.authorize(request(notary(), append([]string{"authorization_details", details}, changes...)...)); back != nil {
		h.t.Fatalf("answered without the person: %v", back)
	}
	return h.door.entered
}

func TestAPersonSignsAndTheTokenSaysWhat(t *testing.T) {
	h := signingRig(t)
	req := h.sign("[" + document + "," + act + "]")
	if h.provider.Covered(ptr(notary()), req, h.person) {
		t.Error("an old consent covers a new signature")
	}
	h.door.auth.Time = h.clock.Now()
	response, err := h.provider.Approve(t.Context(), req.ID, *h.door.auth)
	must(t, err)
	_, tokens := h.redeem(notary(), response.Params["code"])
	var want []any
	must(t, json.Unmarshal([]byte("["+document+","+act+"]"), &want))
	for _, d := range want {
		d.(map[string]any)["signed_at"] = float64(h.clock.Now().Unix())
		d.(map[string]any)["signature"] = "simple"
	}
	_, seen := h.post("/introspect", "notary", url.Values{"token": {str(tokens["access_token"])}})
	h.clock.Advance(time.Minute)
	_, fresh := h.refresh(notary(), str(tokens["refresh_token"]))
	for place, got := range map[string]any{"the response": tokens["authorization_details"], "introspection": seen["authorization_details"],
		"the access token":        payload(t, str(tokens["access_token"]))["authorization_details"],
		"the token after refresh": payload(t, str(fresh["access_token"]))["authorization_details"]} {
		if a, b := asJSON(t, want), asJSON(t, got); a != b {
			t.Errorf("%s:\n%s\nwant\n%s", place, b, a)
		}
	}
	events, err := h.accounts.Journal(t.Context(), h.person.ID, 0, 2)
	must(t, err)
	if events[0].Kind != account.ActSigned || !strings.HasPrefix(events[0].Details["words"], "Прошу") || events[1].Details["digest"] != digest {
		t.Errorf("the journal: %+v", events)
	}
}

func TestNobodySignsInSilenceOrByHalf(t *testing.T) {
	h := signingRig(t)
	if back := h.authorize(request(notary(), "authorization_details", "["+act+"]", "prompt", "none")); back.Get("error") != "interaction_required" {
		t.Errorf("prompt=none: %v", back)
	}
	for name, change := range map[string]func(*op.Authentication){
		"one factor":          func(a *op.Authentication) { a.Strength = account.OneFactor },
		"a name by their own": func(a *op.Authentication) { a.Level = account.Simplified },
		"an old sign-in":      func(a *op.Authentication) { a.Time = a.Time.Add(-time.Second) },
	} {
		req := h.sign("[" + act + "]")
		auth := *h.door.auth
		auth.Time = h.clock.Now()
		change(&auth)
		if h.provider.Met(req, auth) {
			t.Errorf("%s: met", name)
		}
		response, err := h.provider.Approve(t.Context(), req.ID, auth)
		must(t, err)
		if response.Params["code"] != "" || response.Params["error"] != "unmet_authentication_requirements" {
			t.Errorf("%s: %v", name, response.Params)
		}
	}
	events, err := h.accounts.Journal(t.Context(), h.person.ID, 0, 1)
	must(t, err)
	if events[0].Kind == account.ActSigned {
		t.Error("the journal has a signature")
	}
}

func TestWhatIsSignedIsWhollyUnderstoodAndWhollySeen(t *testing.T) {
	h := signingRig(t)
	hide := func(s string) string {
		return `[{"type":"confirm_act","text":"Плачу 1` + s + `000 рублей"}]`
	}
	for name, row := range map[string]struct{ details, diagnosis string }{
		"no JSON":                      {`sign`, "details.form"},
		"an object":                    {document, "details.form"},
		"nothing":                      {`[]`, "details.form"},
		"six":                          {"[" + strings.Repeat(act+",", 5) + act + "]", "details.form"},
		"something behind":             {"[" + act + "] []", "details.form"},
		"an unknown field":             {`[{"type":"confirm_act","text":"Да","actions":["pay"]}]`, "details.form"},
		"text that is no text":         {`[{"type":"confirm_act","text":["Да"]}]`, "details.form"},
		"too long":                     {`[{"type":"confirm_act","text":"` + strings.Repeat("Да", 2000) + `"}]`, "details.form"},
		"another type":                 {`[{"type":"payment","text":"Да"}]`, "details.not_granted"},
		"no type":                      {`[{"text":"Да"}]`, "details.not_granted"},
		"a type in other letters":      {`[{"type":"Confirm_act","text":"Да"}]`, "details.not_granted"},
		"no text":                      {`[{"type":"confirm_act"}]`, "details.field"},
		"spaces":                       {`[{"type":"confirm_act","text":" \n "}]`, "details.field"},
		"1001 letters":                 {`[{"type":"confirm_act","text":"` + strings.Repeat("x", 1001) + `"}]`, "details.field"},
		"our signature":                {`[{"type":"confirm_act","text":"Да","cms":"MA=="}]`, "details.field"},
		"our digest":                   {`[{"type":"confirm_act","text":"Да","cms_digest":"` + digest + `"}]`, "details.field"},
		"a kind of signature unheard":  {`[{"type":"confirm_act","text":"Да","signature":"by hand"}]`, "details.field"},
		"two kinds of signature":       {"[" + act + "," + byPaper(act) + "]", "details.mixed"},
		"our time":                     {`[{"type":"confirm_act","text":"Да","signed_at":1}]`, "details.field"},
		"text that is turned round":    {hide(`\u202e`), "details.field"},
		"text that hides":              {hide(`\u200b`), "details.field"},
		"a control character":          {hide(`\u0008`), "details.field"},
		"half a character":             {hide(`\ud800`), "details.field"},
		"a separator":                  {hide(`\u2028`), "details.field"},
		"a title of two lines":         {`[{"type":"sign_document","title":"a\nb","digest":"` + digest + `"}]`, "details.field"},
		"no digest":                    {`[{"type":"sign_document","title":"Договор"}]`, "details.field"},
		"a digest in hex":              {`[{"type":"sign_document","title":"Договор","digest":"` + strings.Repeat("ab", 32) + `"}]`, "details.field"},
		"a digest with spare bits":     {`[{"type":"sign_document","title":"Договор","digest":"` + digest[:42] + `h"}]`, "details.field"},
		"an act with a digest":         {`[{"type":"confirm_act","text":"Да","digest":"` + digest + `"}]`, "details.field"},
		"a document with a text":       {`[{"type":"sign_document","title":"Да","text":"Нет","digest":"` + digest + `"}]`, "details.field"},
		"one good and one that is not": {"[" + act + `,{"type":"confirm_act"}]`, "details.field"},
	} {
		back := h.authorize(request(notary(), "authorization_details", row.details))
		if back.Get("error") != "invalid_authorization_details" || !strings.HasPrefix(back.Get("error_description"), "["+row.diagnosis+"]") {
			t.Errorf("%s: %v", name, back)
		}
	}
	if back := h.authorize(request(clientOf("web"), "authorization_details", "["+act+"]")); back.Get("error") != "invalid_authorization_details" {
		t.Errorf("a client that may not: %v", back)
	}
	if status, got := h.redeem(clientOf("web"), h.code(clientOf("web")), "authorization_details", "["+act+"]"); status == http.StatusOK || got["error"] != "invalid_authorization_details" {
		t.Errorf("at the token endpoint: %d %v", status, got)
	}
}

func TestDetailsMayBePushed(t *testing.T) {
	h := signingRig(t)
	form := request(notary(), "authorization_details", `[{"type":"confirm_act"}]`)
	if status, got := h.post("/par", "notary", form); status != http.StatusBadRequest || got["error"] != "invalid_authorization_details" {
		t.Errorf("%d %v", status, got)
	}
	form.Set("authorization_details", "["+document+"]")
	status, pushed := h.post("/par", "notary", form)
	if status != http.StatusCreated {
		t.Fatalf("%d %v", status, pushed)
	}
	if back := h.authorize(url.Values{"client_id": {"notary"}, "request_uri": {str(pushed["request_uri"])}}); back != nil {
		t.Fatalf("answered without the person: %v", back)
	}
	if got := h.door.entered.Details; len(got) != 1 || got[0] != (op.Detail{Type: op.DetailDocument, Title: "Договор № 7", Digest: digest}) {
		t.Errorf("%+v", got)
	}
}

func TestADelegatedTokenCarriesNoSignature(t *testing.T) {
	h := delegationRig(t)
	c := portal()
	h.door.auth.Strength = account.TwoFactor
	if back := h.authorize(request(c, "authorization_details", "["+act+"]")); back != nil {
		t.Fatal(back)
	}
	h.door.auth.Time = h.clock.Now()
	response, err := h.provider.Approve(t.Context(), h.door.entered.ID, *h.door.auth)
	must(t, err)
	_, tokens := h.redeem(c, response.Params["code"])
	status, got := h.delegate("clinic", str(tokens["access_token"]))
	if status != http.StatusOK || payload(t, str(got["access_token"]))["authorization_details"] != nil {
		t.Errorf("%d %v", status, got)
	}
}

func FuzzDetailsAreRefusedOrComeBackTheSame(f *testing.F) {
	f.Add("[" + document + "," + act + "]")
	f.Fuzz(func(t *testing.T, raw string) {
		details, err := op.ParseDetails(raw)
		if err != nil {
			return
		}
		text, err := json.Marshal(details)
		must(t, err)
		if again, err := op.ParseDetails(string(text)); len(text) <= len(raw) && (err != nil || asJSON(t, again) != string(text)) {
			t.Errorf("%s comes back as %s: %v", raw, text, err)
		}
	})
}

func ptr[T any](v T) *T { return &v }

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return string(text)
}
