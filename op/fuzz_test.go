package op_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

func FuzzAClaimsParameterIsToldNoMoreThanItAsks(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	person := confirmedPerson(f, now)
	client := clientOf("web")
	for _, seed := range []string{
		`{"userinfo":{"given_name":{"value":"Анна","essential":true},"shoe_size":null},"id_token":{"acr":{"values":["urn:vhod:acr:standard:1fa"]},"sub":{"value":"x"}}}`,
		both(element(`,"time":{"max_age":90000},"evidence":[{"type":{"value":"electronic_record"},"check_details":[{"check_method":{"values":["data","auth"]}}],"record":{"type":null,"source":{}}}]`, `"family_name":null,"snils":{"value":"11223344595"}`)),
		both(`[` + element(`,"assurance_level":{"value":"standard"}`, `"id_doc":{}`) + `,` + element(`,"evidence":[{"type":{"value":"vouch"}}]`, `"name":null`) + `]`),
		`{"userinfo":null,"id_token":{"verified_claims":{"verification":{"trust_framework":{}},"claims":{"gender":{"essential":false,"purpose":"why"}}}}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		asked, err := op.ParseClaims(&client, raw)
		if err != nil {
			return
		}
		kept, err := json.Marshal(asked)
		must(t, err)
		var again op.ClaimsRequest
		must(t, json.Unmarshal(kept, &again))
		for _, place := range [][2][]op.VerifiedRequest{{asked.VerifiedUserInfo, again.VerifiedUserInfo}, {asked.VerifiedIDToken, again.VerifiedIDToken}} {
			told := op.VerifiedClaims(person, place[0], now)
			if !reflect.DeepEqual(told, op.VerifiedClaims(person, place[1], now)) {
				t.Errorf("another answer once it was kept: %s", raw)
			}
			elements, several := told.([]any)
			if !several && told != nil {
				elements = []any{told}
			}
			for _, one := range elements {
				if !slices.ContainsFunc(place[0], func(r op.VerifiedRequest) bool { return answers(r, one.(map[string]any)) }) {
					t.Errorf("%s was told %v", raw, one)
				}
			}
		}
	})
}

// answers reports whether an element tells no more than was asked.
func answers(r op.VerifiedRequest, told map[string]any) bool {
	for name := range told["claims"].(map[string]any) {
		if _, asked := r.Claims[name]; !asked {
			return false
		}
	}
	return within(r.Verification, told["verification"])
}

// within reports whether a part of an answer has no members but those that were asked, and those that must be there.
func within(asked, told any) bool {
	switch told := told.(type) {
	case map[string]any:
		want, is := asked.(map[string]any)
		_, essential := want["essential"]
		_, purpose := want["purpose"]
		if !is || len(want) == 0 || len(want) == 1 && (essential || purpose) || len(want) == 2 && essential && purpose {
			return asked == nil || is // the whole of it
		}
		for name, part := range told {
			if of, is := want[name]; is && !within(of, part) || !is && name != "type" && name != "check_method" {
				return false
			}
		}
	case []any:
		entries, is := asked.([]any)
		if !is {
			entries = []any{asked}
		}
		for _, part := range told {
			if !slices.ContainsFunc(entries, func(entry any) bool { return within(entry, part) }) {
				return false
			}
		}
	}
	return true
}

func FuzzARequestObjectIsTheParametersThatItsClientSigned(f *testing.F) {
	h := newRig(f)
	client := clientOf("web")
	key := ecKey(f)
	client.ID, client.JWKS = "signer", keySet(f, jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Use: "sig"})
	now := h.clock.Now().Unix()
	good := asJSON(f, map[string]any{"iss": "signer", "client_id": "signer", "aud": issuer, "exp": now + 300, "nbf": now, "scope": "openid", "max_age": 60,
		"resource": []string{"https://a.example"}, "claims": map[string]any{"userinfo": nil}, "state": "", "prompt": nil})
	f.Add([]byte(good))
	f.Add([]byte(`{"iss":"signer","client_id":"signer","aud":["` + issuer + `"],"exp":1e300,"request_uri":"urn:x"}`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`{"exp":-1e308,"nbf":1e308,"aud":{}}`))
	f.Fuzz(func(t *testing.T, claims []byte) {
		form, err := op.SignedRequest(h.provider, &client, url.Values{"client_id": {"signer"}, "state": {"beside"}, "request": {signBytes(t, key, claims)}})
		if err != nil {
			return
		}
		var signed map[string]json.RawMessage
		must(t, json.Unmarshal(claims, &signed))
		if form.Get("client_id") != "signer" || form.Has("request") || form.Has("request_uri") || form.Has("client_assertion") {
			t.Errorf("%s became %v", claims, form)
		}
		for name := range form {
			if _, is := signed[name]; !is && name != "client_id" {
				t.Errorf("%s was not signed: %s", name, claims)
			}
		}
		if _, err := op.SignedRequest(h.provider, &client, url.Values{"client_id": {"signer"}, "request": {signBytes(t, ecKey(t), claims)}}); err == nil {
			t.Errorf("another key signed %s", claims)
		}
	})
}

// signBytes signs a request object that need not be JSON.
func signBytes(t testing.TB, key any, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k1").WithType("oauth-authz-req+jwt"))
	must(t, err)
	signed, err := signer.Sign(payload)
	must(t, err)
	token, err := signed.CompactSerialize()
	must(t, err)
	return token
}

// confirmedPerson was confirmed by the registries a year ago and by a bank yesterday.
func confirmedPerson(t testing.TB, now time.Time) *account.Account {
	t.Helper()
	snils, err := account.ParseSNILS("112-233-445 95")
	must(t, err)
	return &account.Account{Level: account.Verified, Lang: "ru", SNILS: snils,
		Phone:    account.Contact{Value: "+79123456700", ConfirmedAt: now},
		Person:   account.Person{FamilyName: "Петрова", GivenName: "Анна", Birthdate: account.Date{Year: 1990, Month: 3, Day: 5}, Gender: account.Female},
		Passport: account.Passport{Series: "4509", Number: "123456", IssuedOn: account.Date{Year: 2010, Month: 4, Day: 1}, IssuedBy: "ОВД", IssuerCode: "770-001"},
		Evidence: []account.Evidence{
			{ID: "1", Method: account.ProvenByRegistries, At: now.AddDate(-1, 0, 0), Verifier: "registries", Record: "passport:77 snils:78", Level: account.Standard,
				Matched: []string{"family_name", "given_name", "middle_name", "birthdate", "gender", "passport_number", "snils"}},
			{ID: "2", Method: account.ProvenByBank, At: now.AddDate(0, 0, -1), Verifier: "green", Issuer: "https://bank.example", Record: "tx-1", Level: account.Verified,
				Matched: []string{"family_name", "given_name", "birthdate", "passport_number"}},
		}}
}
