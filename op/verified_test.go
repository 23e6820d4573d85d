package op_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// confirmedRig is a rig whose person was confirmed by the registries a year ago and by a bank yesterday.
func confirmedRig(t *testing.T, change ...func(*account.Account)) *rig {
	t.Helper()
	h := newRig(t)
	now := h.clock.Now()
	person := *confirmedPerson(t, now)
	for _, c := range testClients() {
		person.Grants = append(person.Grants, account.Grant{ClientID: c.ID, Scopes: c.Scopes, Since: now, GrantedAt: now})
	}
	for _, one := range change {
		one(&person)
	}
	var err error
	h.person, err = h.accounts.Import(t.Context(), account.Import{Account: person, Reason: "test"})
	must(t, err)
	h.door.auth.AccountID, h.door.auth.Level = h.person.ID, h.person.Level
	return h
}

// both asks for the same verified_claims in both places.
func both(element string) string {
	return `{"userinfo":{"verified_claims":` + element + `},"id_token":{"verified_claims":` + element + `}}`
}

// element is one of verified_claims, asked with this verification and these claims.
func element(verification, claims string) string {
	return `{"verification":{"trust_framework":null` + verification + `},"claims":{` + claims + `}}`
}

// verifiedClaims are those of both places, which must be the same.
func (h *rig) verifiedClaims(claims string) any {
	h.t.Helper()
	tokens := h.tokens(clientOf("web"), "scope", "openid", "claims", claims)
	id := payload(h.t, str(tokens["id_token"]))["verified_claims"]
	status, info := h.userinfo(str(tokens["access_token"]))
	if status != http.StatusOK || !cmp.Equal(id, info["verified_claims"]) {
		h.t.Errorf("userinfo (%d) differs from the ID token: %s", status, cmp.Diff(id, info["verified_claims"]))
	}
	return id
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	var v any
	if text != "" {
		must(t, json.Unmarshal([]byte(text), &v))
	}
	return v
}

func TestVerifiedClaimsSayWhatIsAskedAndNoMore(t *testing.T) {
	h := confirmedRig(t)
	now := h.clock.Now().UTC().Truncate(time.Second)
	yesterday := now.AddDate(0, 0, -1).Format(time.RFC3339)
	const family = `"family_name":null`
	for _, row := range []struct{ what, asked, want string }{
		{"the framework alone", element("", family), `{"verification":{"trust_framework":"ru_vhod"},"claims":{"family_name":"Петрова"}}`},
		{"an empty object is null", element(`,"time":{}`, `"family_name":{}`), `{"verification":{"trust_framework":"ru_vhod","time":"` + yesterday + `"},"claims":{"family_name":"Петрова"}}`},
		{"level and time", element(`,"assurance_level":null,"time":null`, family+`,"birthdate":{"essential":true}`),
			`{"verification":{"trust_framework":"ru_vhod","assurance_level":"verified","time":"` + yesterday + `"},"claims":{"family_name":"Петрова","birthdate":"1990-03-05"}}`},
		{"a level below the highest", element(`,"assurance_level":{"value":"standard"}`, family),
			`{"verification":{"trust_framework":"ru_vhod","assurance_level":"standard"},"claims":{"family_name":"Петрова"}}`},
		{"elements that we do not have", element(`,"verification_process":null,"assurance_process":{"policy":null},"evidence":[{"type":{"value":"electronic_record"},"attachments":null,"record":{"personal_number":null}}]`, family+`,"snils":null`),
			`{"verification":{"trust_framework":"ru_vhod","evidence":[{"type":"electronic_record"},{"type":"electronic_record"},{"type":"electronic_record"}]},"claims":{"family_name":"Петрова","snils":"11223344595"}}`},
		{"a bank", element(`,"evidence":[{"type":{"value":"electronic_record"},"check_details":[{"check_method":{"value":"auth"},"organization":null}],"record":{"type":{"value":"bank_account"}}}]`, family),
			`{"verification":{"trust_framework":"ru_vhod","evidence":[{"type":"electronic_record","check_details":[{"check_method":"auth","organization":"https://bank.example"}],"record":{"type":"bank_account"}}]},"claims":{"family_name":"Петрова"}}`},
		{"claims that the told evidence does not confirm", element(`,"evidence":[{"type":{"value":"electronic_record"},"record":{"type":{"value":"social_security"},"source":null}}]`, family+`,"id_doc":null,"snils":null`),
			`{"verification":{"trust_framework":"ru_vhod","evidence":[{"type":"electronic_record","record":{"type":"social_security","source":{"country_code":"RUS"}}}]},"claims":{"family_name":"Петрова","snils":"11223344595"}}`},
		{"one of two types", element(`,"evidence":[{"type":{"value":"document"}},{"type":{"value":"electronic_record"},"record":{"type":{"values":["bank_account","tax"]}}}]`, family),
			`{"verification":{"trust_framework":"ru_vhod","evidence":[{"type":"electronic_record","record":{"type":"bank_account"}}]},"claims":{"family_name":"Петрова"}}`},
		{"a passport, as far as anybody compared it", element("", `"id_doc":null`), `{"verification":{"trust_framework":"ru_vhod"},"claims":{"id_doc":{"type":"passport","series":"4509","number":"123456","issued_on":"2010-04-01"}}}`},
		{"young enough", element(`,"time":{"max_age":90000}`, family), `{"verification":{"trust_framework":"ru_vhod","time":"` + yesterday + `"},"claims":{"family_name":"Петрова"}}`},
		{"unknown claims beside known", element("", family+`,"shoe_size":null,"favourite:colour/ё":{"essential":true},"address":null,"email":null`), `{"verification":{"trust_framework":"ru_vhod"},"claims":{"family_name":"Петрова"}}`},
		{"another value of one claim", element("", family+`,"given_name":{"value":"Мария"}`), `{"verification":{"trust_framework":"ru_vhod"},"claims":{"family_name":"Петрова"}}`},
		{"a claim that is not held", element("", family+`,"inn":{"essential":true}`), `{"verification":{"trust_framework":"ru_vhod"},"claims":{"family_name":"Петрова"}}`},
		{"several", `[` + element(`,"assurance_level":{"value":"verified"}`, family) + `,` + element(`,"time":{"max_age":1}`, family) + `,` + element("", `"gender":null`) + `]`,
			`[{"verification":{"trust_framework":"ru_vhod","assurance_level":"verified"},"claims":{"family_name":"Петрова"}},{"verification":{"trust_framework":"ru_vhod"},"claims":{"gender":"female"}}]`},
		{"another framework", `{"verification":{"trust_framework":{"value":"eidas"}},"claims":{` + family + `}}`, ""},
		{"one of other frameworks", `{"verification":{"trust_framework":{"values":["eidas","de_aml"]}},"claims":{` + family + `}}`, ""},
		{"a level that there is not", element(`,"assurance_level":{"value":"high"}`, family), ""},
		{"too old", element(`,"time":{"max_age":86000}`, family), ""},
		{"evidence that there is not", element(`,"evidence":[{"type":{"value":"document"}}]`, family), ""},
		{"a bound on what we do not have", element(`,"verification_process":{"value":"1"}`, family), ""},
		{"a bound deep in what we do not have", element(`,"assurance_process":{"assurance_details":[{"assurance_type":{"value":"x"}}]}`, family), ""},
		{"a bound inside a text", element(`,"time":{"zone":{"value":"UTC"}}`, family), ""},
		{"an age of what is no date", element(`,"assurance_level":{"max_age":100}`, family), ""},
		{"another value of the only claim", element("", `"family_name":{"values":["Иванова","Сидорова"]}`), ""},
		{"unknown claims alone", element("", `"shoe_size":null`), ""},
		{"an address, which nobody compared", element("", `"address":null`), ""},
	} {
		if got, want := h.verifiedClaims(both(row.asked)), parsed(t, row.want); !cmp.Equal(got, want) {
			t.Errorf("%s: %s", row.what, cmp.Diff(want, got))
		}
	}
}

func TestVerifiedClaimsStandWhereTheyWereAsked(t *testing.T) {
	h := confirmedRig(t)
	one := element("", `"family_name":null`)
	for place, claims := range map[string]string{"id_token": `{"id_token":{"verified_claims":` + one + `}}`, "userinfo": `{"userinfo":{"verified_claims":` + one + `}}`} {
		tokens := h.tokens(clientOf("web"), "scope", "openid", "claims", claims)
		_, info := h.userinfo(str(tokens["access_token"]))
		inToken, inInfo := payload(t, str(tokens["id_token"]))["verified_claims"] != nil, info["verified_claims"] != nil
		if inToken != (place == "id_token") || inInfo != (place == "userinfo") {
			t.Errorf("asked at %s: ID token %v, userinfo %v", place, inToken, inInfo)
		}
		if info["family_name"] != nil {
			t.Errorf("asked at %s: a claim stands outside of verified_claims: %v", place, info)
		}
	}
}

func TestNothingIsVerifiedWithoutEvidence(t *testing.T) {
	asked := both(element(`,"assurance_level":null`, `"family_name":null`))
	for what, change := range map[string]func(*account.Account){
		"an account without evidence":          func(a *account.Account) { a.Evidence = nil },
		"evidence that matched nothing":        func(a *account.Account) { a.Evidence[0].Matched, a.Evidence[1].Matched = nil, nil },
		"an account below the first level":     func(a *account.Account) { a.Level = account.Simplified },
		"evidence of a kind that nobody knows": func(a *account.Account) { a.Evidence[0].Method, a.Evidence[1].Method = "hearsay", "hearsay" },
	} {
		if got := confirmedRig(t, change).verifiedClaims(asked); got != nil {
			t.Errorf("%s: %v", what, got)
		}
	}
	lowered := confirmedRig(t, func(a *account.Account) { a.Level = account.Standard })
	want := parsed(t, `{"verification":{"trust_framework":"ru_vhod","assurance_level":"standard"},"claims":{"family_name":"Петрова"}}`)
	if got := lowered.verifiedClaims(asked); !cmp.Equal(got, want) {
		t.Errorf("evidence counts above the account's level: %v", got)
	}
}

func TestEveryWayOfProofingIsEvidenceOfItsType(t *testing.T) {
	for method, want := range map[account.ProofingMethod]string{
		account.ProvenByCentre:    `[{"type":"document","check_details":[{"check_method":"vpip","organization":"it"},{"check_method":"pvp","organization":"it"}],"document_details":{"type":"idcard"}}]`,
		account.ProvenByVideo:     `[{"type":"document","check_details":[{"check_method":"vri","organization":"it"},{"check_method":"pvr","organization":"it"}],"document_details":{"type":"idcard"}}]`,
		account.ProvenBySignature: `[{"type":"electronic_signature","signature_type":"qes","issuer":"it"}]`,
		account.ProvenByLetter:    `[{"type":"vouch","check_details":[{"check_method":"token","organization":"it"}],"attestation":{"type":"written_attestation","voucher":{"organization":"it"}}}]`,
	} {
		h := confirmedRig(t, func(a *account.Account) {
			a.Evidence[1].Method, a.Evidence[1].Issuer, a.Evidence[1].Verifier = method, "", "it"
		})
		got := h.verifiedClaims(both(element(`,"evidence":[
			{"type":{"value":"document"},"check_details":[{"check_method":null,"organization":null}],"document_details":{"type":null,"document_number":null}},
			{"type":{"value":"electronic_signature"},"signature_type":null,"issuer":null,"serial_number":null},
			{"type":{"value":"vouch"},"check_details":[{"check_method":null,"organization":null}],"attestation":null}]`, `"given_name":null`)))
		verification, _ := got.(map[string]any)["verification"].(map[string]any)
		if !cmp.Equal(verification["evidence"], parsed(t, want)) {
			t.Errorf("%s: %s", method, cmp.Diff(parsed(t, want), verification["evidence"]))
		}
	}
}

func TestARequestForVerifiedClaimsThatCannotBeUnderstoodIsRefused(t *testing.T) {
	h := confirmedRig(t)
	const family = `"family_name":null`
	for what, asked := range map[string]string{
		"null": `null`, "a text": `"family_name"`, "an empty array": `[]`, "an array of nothing": `[null]`,
		"no verification": `{"claims":{` + family + `}}`, "no claims": `{"verification":{"trust_framework":null}}`, "empty claims": element("", ""),
		"no framework":            `{"verification":{"time":null},"claims":{` + family + `}}`,
		"a framework as a text":   `{"verification":{"trust_framework":"ru_vhod"},"claims":{` + family + `}}`,
		"a value that is no text": `{"verification":{"trust_framework":{"value":1}},"claims":{` + family + `}}`,
		"values that are none":    element(`,"assurance_level":{"values":[]}`, family), "an age that is none": element(`,"time":{"max_age":"1"}`, family),
		"an age before birth": element(`,"time":{"max_age":-1}`, family), "evidence as null": element(`,"evidence":null`, family),
		"evidence without a type": element(`,"evidence":[{"record":null}]`, family), "evidence of any type": element(`,"evidence":[{"type":null}]`, family),
		"evidence of several types": element(`,"evidence":[{"type":{"value":"document","values":["vouch"]}}]`, family),
		"too deep":                  element(`,"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":{"j":null}}}}}}}}}`, family),
		"a claim as a text":         element("", `"family_name":"Петрова"`),
		"too many":                  `[` + strings.Repeat(element("", family)+",", 10) + element("", family) + `]`,
		"too long":                  element(`,"x":{"purpose":"`+strings.Repeat("x", 9000)+`"}`, family),
	} {
		q := h.authorize(request(clientOf("web"), "claims", both(asked)))
		if q.Get("error") != "invalid_request" || !strings.Contains(q.Get("error_description"), "[claims.form]") {
			t.Errorf("%s: %v", what, q)
		}
	}
}

func TestL04AClaimsRequestWithAWantedValueChangesNothing(t *testing.T) {
	h := confirmedRig(t, func(a *account.Account) { a.Level, a.Evidence = account.Standard, a.Evidence[:1] })
	wish := `{"account_level":{"value":"verified","essential":true},"family_name":{"value":"Царёва"},"snils":{"value":"00000000000"},
		"verified_claims":[` + element(`,"assurance_level":{"value":"verified"}`, `"family_name":null`) + `,` + element("", `"family_name":{"value":"Царёва"}`) + `]}`
	tokens := h.tokens(clientOf("web"), "scope", "openid level profile", "claims", `{"userinfo":`+wish+`,"id_token":`+wish+`}`)
	_, info := h.userinfo(str(tokens["access_token"]))
	id := payload(t, str(tokens["id_token"]))
	for _, answer := range []map[string]any{id, info} {
		for _, name := range []string{"account_level", "family_name", "snils", "verified_claims"} {
			if answer[name] != nil {
				t.Errorf("%s is %v", name, answer[name])
			}
		}
	}
	if id["acr"] != "urn:vhod:acr:standard:1fa" || info["given_name"] != "Анна" {
		t.Errorf("acr %v, given_name %v", id["acr"], info["given_name"])
	}
	a, err := h.records.Account(t.Context(), h.person.ID)
	must(t, err)
	if a.Level != account.Standard || a.Person.FamilyName != "Петрова" || len(a.Evidence) != 1 {
		t.Errorf("the account is %s, %s", a.Level, a.Person.FamilyName)
	}
}

func TestClaimsByNameAreThoseOfTheScopesThatAClientIsRegisteredFor(t *testing.T) {
	h := confirmedRig(t)
	c := clientOf("web")
	c.ID, c.Scopes = "narrow", []string{"openid", "profile"}
	must(t, h.records.PutClient(t.Context(), c))
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: c.ID, Scopes: c.Scopes}, account.Origin{}))
	asked := `{"snils":null,"gender":null,"phone_number":{"essential":true},"verified_claims":` + element("", `"snils":null,"id_doc":null,"gender":null`) + `}`
	status, tokens := h.redeem(c, h.code(c, "scope", "openid", "claims", `{"id_token":`+asked+`}`))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, tokens)
	}
	claims := payload(t, str(tokens["id_token"]))
	if claims["snils"] != nil || claims["phone_number"] != nil || claims["gender"] != "female" {
		t.Errorf("got %v", claims)
	}
	if want := parsed(t, `{"verification":{"trust_framework":"ru_vhod"},"claims":{"gender":"female"}}`); !cmp.Equal(claims["verified_claims"], want) {
		t.Errorf("verified: %s", cmp.Diff(want, claims["verified_claims"]))
	}
}

func TestClaimsAreInTheLanguageOfThePapersWhateverIsAsked(t *testing.T) {
	h := confirmedRig(t)
	plain := h.tokens(clientOf("web"), "scope", "openid profile")
	_, want := h.userinfo(str(plain["access_token"]))
	tagged := `{"userinfo":{"family_name#en":null,"given_name#ru-Cyrl":{"essential":true},"verified_claims":` + element("", `"family_name#ru":null,"gender":null`) + `}}`
	for _, locales := range []string{"en", "ru", "en-GB fr ru", "se", "#", ""} {
		tokens := h.tokens(clientOf("web"), "scope", "openid profile", "claims_locales", locales, "claims", tagged)
		_, got := h.userinfo(str(tokens["access_token"]))
		if verified := parsed(t, `{"verification":{"trust_framework":"ru_vhod"},"claims":{"gender":"female"}}`); !cmp.Equal(got["verified_claims"], verified) {
			t.Errorf("claims_locales=%s: %v", locales, got["verified_claims"])
		}
		delete(got, "verified_claims")
		if diff := cmp.Diff(want, got, cmpopts.IgnoreMapEntries(func(name string, _ any) bool { return name == "claims_unavailable" })); diff != "" {
			t.Errorf("claims_locales=%s: %s", locales, diff)
		}
	}
}

func TestAPersonSeesWhatIsToldAsConfirmed(t *testing.T) {
	h := confirmedRig(t)
	see := func(level account.Level, claims string) map[string]op.Released {
		t.Helper()
		h.door.need = op.NeedConsent
		if q := h.authorize(request(clientOf("web"), "scope", "openid profile", "claims", claims)); q != nil {
			t.Fatalf("nobody was asked: %v", q)
		}
		a := *h.person
		if a.Level = level; level < account.Verified {
			a.Evidence = a.Evidence[:level-1]
		}
		client := clientOf("web")
		list, err := h.provider.Released(context.Background(), &client, h.door.entered, &a)
		must(t, err)
		out := map[string]op.Released{}
		for _, r := range list {
			if _, twice := out[r.Claim]; twice {
				t.Errorf("%s stands twice", r.Claim)
			}
			out[r.Claim] = r
		}
		return out
	}
	asked := both(element(`,"evidence":[{"type":{"value":"electronic_record"}}]`, `"family_name":null,"snils":{"essential":true},"inn":null`))
	for _, row := range []struct {
		what  string
		level account.Level
		asked string
		want  []op.Released
	}{
		{"confirmed", account.Verified, asked, []op.Released{
			{Claim: "family_name", Value: "Петрова", Checked: op.CheckedYes}, {Claim: "given_name", Value: "Анна"},
			{Claim: "snils", Value: "112-233-445 95", Essential: true, Checked: op.CheckedYes}, {Claim: "inn", Missing: true, Checked: op.CheckedNo},
			{Claim: "verified_claims", Value: "verified"},
			{Claim: "evidence", Ways: []op.Way{{Method: account.ProvenByRegistries}, {Method: account.ProvenByBank, By: "https://bank.example"}}}}},
		{"not confirmed yet", account.Simplified, asked, []op.Released{
			{Claim: "family_name", Missing: true, Needs: account.Standard, Checked: op.CheckedNo},
			{Claim: "snils", Essential: true, Missing: true, Needs: account.Standard, Checked: op.CheckedNo},
			{Claim: "verified_claims", Missing: true, Needs: account.Standard, Checked: op.CheckedNo},
			{Claim: "evidence", Missing: true, Needs: account.Standard, Checked: op.CheckedNo}}},
		{"a higher level is asked", account.Standard, both(element(`,"assurance_level":{"value":"verified"}`, `"family_name":null,"snils":null`)), []op.Released{
			{Claim: "family_name", Value: "Петрова", Needs: account.Verified, Checked: op.CheckedNo},
			{Claim: "snils", Missing: true, Needs: account.Verified, Checked: op.CheckedNo},
			{Claim: "verified_claims", Missing: true, Needs: account.Verified, Checked: op.CheckedNo}}},
		{"another framework is asked", account.Standard, both(`{"verification":{"trust_framework":{"value":"eidas"}},"claims":{"snils":null}}`), []op.Released{
			{Claim: "snils", Missing: true, Checked: op.CheckedNo}, {Claim: "verified_claims", Missing: true, Checked: op.CheckedNo}}},
	} {
		got := see(row.level, row.asked)
		for _, want := range row.want {
			if diff := cmp.Diff(want, got[want.Claim], cmpopts.IgnoreFields(op.Released{}, "Optional")); diff != "" {
				t.Errorf("%s: %s", row.what, diff)
			}
		}
	}
}

func TestP37AConsentToPlainClaimsDoesNotCoverHowTheyWereConfirmed(t *testing.T) {
	h := newRig(t)
	framework := map[string]any{"trust_framework": nil}
	plain := &op.ClaimsRequest{UserInfo: map[string]op.ClaimRequest{"gender": {}}}
	checked := &op.ClaimsRequest{VerifiedUserInfo: []op.VerifiedRequest{{Verification: framework, Claims: map[string]op.ClaimRequest{"gender": {}}}}}
	proven := &op.ClaimsRequest{VerifiedIDToken: []op.VerifiedRequest{{Verification: map[string]any{"trust_framework": nil, "evidence": []any{}}, Claims: map[string]op.ClaimRequest{"gender": {}}}}}
	steps := []*op.ClaimsRequest{plain, checked, proven}
	client := clientOf("web")
	for i, given := range steps {
		for j, asked := range steps {
			a := *h.person
			a.Grants = []account.Grant{{ClientID: "web", Scopes: []string{"openid"}, Claims: given.Names()}}
			req := &op.AuthRequest{ClientID: "web", RedirectURI: client.RedirectURIs[0], Scopes: []string{"openid"}, Claims: asked}
			if got := h.provider.Covered(&client, req, &a); got != (j <= i) {
				t.Errorf("given %v, asked %v: covered is %v", given.Names(), asked.Names(), got)
			}
		}
	}
}
