package conformance_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestConf_ekyc(t *testing.T) { plan(t, "ekyc", ekycModules(), "") }

// ekycModules are those of OpenID Connect for Identity Assurance. The person was confirmed by the state registries.
func ekycModules() []module {
	one := func(claim string) string { return `{"verification":{"trust_framework":null},"claims":{` + claim + `}}` }
	const family, given = `"family_name":null`, `"given_name":null`
	gives := func(asked, want string) func(*run) {
		return func(r *run) {
			for place, got := range r.verified(asked) {
				r.same(place, got, want)
			}
		}
	}
	familyAlone := `{"verification":{"trust_framework":"ru_vhod"},"claims":{"family_name":"Петрова"}}`
	return []module{
		{"ekyc-server-happypath", "the metadata, and one claim asked with null", func(r *run) {
			r.assuranceMetadata()
			gives(one(family), familyAlone)(r)
		}},
		{"ekyc-server-happypath-emptyobject", "one claim asked with an empty object", gives(one(`"family_name":{}`), familyAlone)},
		{"ekyc-server-happypath-essentialfalse", "one claim asked as voluntary", gives(one(`"family_name":{"essential":false}`), familyAlone)},
		{"ekyc-server-unknown-claim-omitted", "a claim that nobody knows is left out", gives(one(family+`,"shoe_size":null`), familyAlone)},
		{"ekyc-server-unknown-essential-claim-omitted", "so when it is essential", gives(one(family+`,"shoe_size":{"essential":true}`), familyAlone)},
		{"ekyc-server-unknown-claim-specialchars-omitted", "so with odd characters in its name", gives(one(family+`,"a b\"<>/ё\u0000%":null`), familyAlone)},
		{"ekyc-server-random-value-omitted", "a claim asked with a value that is not the person's is left out", gives(one(family+`,"given_name":{"value":"c0ffee"}`), familyAlone)},
		{"ekyc-server-request-only-in-userinfo", "verified_claims stand at userinfo alone when asked there alone", func(r *run) {
			got := r.tokens(r.op.ids.compat, "claims", `{"userinfo":{"verified_claims":`+one(family)+`}}`)
			r.same("userinfo", r.userinfo(r.op.ids.compat, text(got.body["access_token"])).body["verified_claims"], familyAlone)
			if id := r.idToken(r.op.ids.compat, got); id["verified_claims"] != nil {
				r.Errorf("the ID token has them: %v", id)
			}
		}},
		{"ekyc-server-request-only-in-idtoken", "and in the ID token alone when asked there alone", func(r *run) {
			got := r.tokens(r.op.ids.compat, "claims", `{"id_token":{"verified_claims":`+one(family)+`}}`)
			r.same("the ID token", r.idToken(r.op.ids.compat, got)["verified_claims"], familyAlone)
			if info := r.userinfo(r.op.ids.compat, text(got.body["access_token"])).body; info["verified_claims"] != nil {
				r.Errorf("userinfo has them: %v", info)
			}
		}},
		{"ekyc-server-testuserprovidedrequest", "a request of a tester: level, evidence by type and check, two elements", gives(
			`[{"verification":{"trust_framework":{"value":"ru_vhod"},"assurance_level":{"values":["standard","verified"]},"evidence":[
				{"type":{"value":"document"},"document_details":{"type":null}},
				{"type":{"value":"electronic_record"},"check_details":[{"check_method":{"value":"data"}}],"record":{"type":{"value":"social_security"}}}]},"claims":{`+given+`,"snils":null}},
			 {"verification":{"trust_framework":{"value":"ru_vhod"},"assurance_level":{"value":"verified"}},"claims":{`+family+`}}]`,
			`[{"verification":{"trust_framework":"ru_vhod","assurance_level":"standard","evidence":[{"type":"electronic_record","check_details":[{"check_method":"data"}],"record":{"type":"social_security"}}]},
				"claims":{"given_name":"Анна","snils":"11223344595"}}]`)},
		{"ekyc-server-testuserinfo", "a request made of the metadata: every claim, every kind of evidence; the answer is the person's", ekycWhole},
		{"ekyc-server-unavailable-claim-omitted", "claims that the person has not, or that nobody confirmed, are left out", gives(one(family+`,"inn":null,"email":null,"address":null`), familyAlone)},
		{"ekyc-consent", "the person sees which claims are told as confirmed, up to which level and by what, and is asked again for more", ekycConsent},
	}
}

// verified is the claim verified_claims in both places.
func (r *run) verified(asked string) map[string]any {
	r.Helper()
	c := r.op.ids.compat
	got := r.tokens(c, "scope", "openid", "claims", `{"userinfo":{"verified_claims":`+asked+`},"id_token":{"verified_claims":`+asked+`}}`)
	out := map[string]any{"the ID token": r.idToken(c, got)["verified_claims"], "userinfo": r.userinfo(c, text(got.body["access_token"])).body["verified_claims"]}
	for place, claims := range out {
		list, several := claims.([]any)
		if !several {
			list = []any{claims}
		}
		for _, element := range list {
			r.verifiedShape(place, element)
		}
	}
	return out
}

func (r *run) same(place string, got any, want string) {
	r.Helper()
	var wanted any
	must(r, json.Unmarshal([]byte(want), &wanted))
	if g, w := encoded(r, got), encoded(r, wanted); g != w {
		raw, err := json.Marshal(got)
		must(r, err)
		r.Errorf("%s: %s, want %s", place, raw, want)
	}
}

// verifiedShape holds an element to the schema of verified_claims: what must be there, and nothing else at the top.
func (r *run) verifiedShape(place string, element any) {
	r.Helper()
	members, _ := element.(map[string]any)
	verification, _ := members["verification"].(map[string]any)
	claims, _ := members["claims"].(map[string]any)
	if len(members) != 2 || text(verification["trust_framework"]) == "" || len(claims) == 0 {
		r.Fatalf("%s: %v", place, element)
	}
	if at, is := verification["time"]; is {
		if stamp, err := time.Parse("2006-01-02T15:04:05Z", text(at)); err != nil || stamp.After(r.op.clock.Now()) {
			r.Errorf("%s: time is %v", place, at)
		}
	}
	evidence, is := verification["evidence"].([]any)
	if is && len(evidence) == 0 {
		r.Errorf("%s: evidence is empty", place)
	}
	for _, one := range evidence {
		member, _ := one.(map[string]any)
		if kind := text(member["type"]); !slices.Contains(texts(r.op.meta["evidence_supported"]), kind) {
			r.Errorf("%s: evidence of the type %q", place, kind)
		}
		checks, _ := member["check_details"].([]any)
		for _, check := range checks {
			if method, _ := check.(map[string]any); text(method["check_method"]) == "" {
				r.Errorf("%s: a check without a method: %v", place, check)
			}
		}
		if record, is := member["record"].(map[string]any); is && !slices.Contains(texts(r.op.meta["electronic_records_supported"]), text(record["type"])) {
			r.Errorf("%s: a record of the type %v", place, record["type"])
		}
	}
}

// assuranceMetadata holds what the metadata must say (OpenID Connect for Identity Assurance 1.0 §8).
func (r *run) assuranceMetadata() {
	r.Helper()
	if r.op.meta["verified_claims_supported"] != true || r.op.meta["claims_parameter_supported"] != true {
		r.Error("verified_claims_supported or claims_parameter_supported is not true")
	}
	for _, name := range []string{"trust_frameworks_supported", "claims_in_verified_claims_supported", "evidence_supported", "documents_supported", "documents_check_methods_supported", "electronic_records_supported"} {
		if len(texts(r.op.meta[name])) == 0 {
			r.Errorf("%s is empty", name)
		}
	}
	for _, kind := range texts(r.op.meta["evidence_supported"]) {
		if !slices.Contains([]string{"document", "electronic_record", "vouch", "electronic_signature"}, kind) {
			r.Errorf("evidence_supported has %s", kind)
		}
	}
}

func ekycWhole(r *run) {
	var claims, evidence []string
	for _, name := range texts(r.op.meta["claims_in_verified_claims_supported"]) {
		claims = append(claims, `"`+name+`":null`)
	}
	for _, kind := range texts(r.op.meta["evidence_supported"]) {
		evidence = append(evidence, `{"type":{"value":"`+kind+`"},"check_details":null,"document_details":null,"record":null,"attestation":null,"signature_type":null}`)
	}
	asked := `{"verification":{"trust_framework":null,"assurance_level":null,"time":{"max_age":86400},"evidence":[` + strings.Join(evidence, ",") + `]},"claims":{` + strings.Join(claims, ",") + `}}`
	for place, got := range r.verified(asked) {
		members, _ := got.(map[string]any)
		r.same(place, members["claims"], `{"name":"Петрова Анна Сергеевна","family_name":"Петрова","given_name":"Анна","middle_name":"Сергеевна","birthdate":"1990-03-05","gender":"female","snils":"11223344595"}`)
		verification, _ := members["verification"].(map[string]any)
		if list, _ := verification["evidence"].([]any); verification["assurance_level"] != "standard" || len(list) != 1 {
			r.Errorf("%s: %v", place, verification)
		}
	}
}

func ekycConsent(r *run) {
	c := r.op.ids.second
	ask := func(claims string) string {
		t := r.browser
		t.shown, t.texts = nil, map[string]string{}
		r.code(c, "claims", `{"userinfo":{"verified_claims":{"verification":{"trust_framework":null`+claims+`}}}`)
		return t.texts["consent"]
	}
	page := ask(`},"claims":{"family_name":null,"inn":{"essential":true}}`)
	for _, words := range []string{`data-claim="family_name" data-verified="yes"`, `data-claim="inn" data-missing data-verified="no"`, `data-claim="verified_claims"`, "Петрова"} {
		if !strings.Contains(page, words) {
			r.Errorf("the page of consent lacks %s: %s", words, page)
		}
	}
	if strings.Contains(page, `data-claim="evidence"`) {
		r.Error("the page tells of evidence that was not asked for")
	}
	if again := ask(`},"claims":{"family_name":null}`); again != "" {
		r.Error("the person is asked twice for the same")
	}
	if more := ask(`,"evidence":[{"type":{"value":"electronic_record"}}]},"claims":{"family_name":null}`); !strings.Contains(more, `data-claim="evidence"`) {
		r.Errorf("the person is not asked before the evidence is told: %q", more)
	}
}
