package op_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
)

// known is a person of whom everything is known, and a client that may ask for all of it.
func known(t *testing.T, change func(*op.Client)) (*rig, op.Client) {
	t.Helper()
	h := newRig(t)
	c := clientOf("web")
	c.ID, c.RedirectURIs = "curious", []string{"https://curious.example/cb"}
	c.Scopes = []string{"openid", "profile", "phone", "email", "address", "snils", "inn", "id_doc", "birthplace", "citizenship", "level"}
	if change != nil {
		change(&c)
	}
	h.put(c)
	must(t, h.records.Update(t.Context(), h.person.ID, func(a *account.Account) error {
		var err error
		a.SNILS, err = account.ParseSNILS("11223344595")
		must(t, err)
		a.INN, err = account.ParseINN("500100732259")
		must(t, err)
		a.Passport = account.Passport{Series: "4510", Number: "123456", IssuedOn: account.Date{Year: 2010, Month: 4, Day: 10}}
		a.Person.Birthplace = "г. Тверь"
		a.Address = account.Address{Region: "Тверская область", City: "Тверь"}
		return nil
	}))
	return h, c
}

// consented keeps a consent that withholds some claims, and returns what userinfo gives then.
func (h *rig) consented(c op.Client, withheld []string, changes ...string) map[string]any {
	h.t.Helper()
	must(h.t, h.accounts.GrantTo(h.t.Context(), h.person.ID, account.Grant{ClientID: c.ID, Scopes: c.Scopes, Claims: []string{"snils", "email"}, Withheld: withheld}, account.Origin{}))
	scope := ""
	for i, s := range c.Scopes {
		if i > 0 {
			scope += " "
		}
		scope += s
	}
	answer := h.tokens(c, append([]string{"scope", scope}, changes...)...)
	status, info := h.userinfo(str(answer["access_token"]))
	if status != http.StatusOK {
		h.t.Fatalf("userinfo: %d %v", status, info)
	}
	return info
}

// What is released is what was consented to, to a claim: each one that a person may keep back is kept back alone, and then
// all of them together.
func TestReleasedSetIsTheConsentedSet(t *testing.T) {
	h, c := known(t, nil)
	whole := h.consented(c, nil)
	follows := map[string][]string{"phone_number": {"phone_number_verified"}, "email": {"email_verified"}}
	keepable := []string{"family_name", "given_name", "middle_name", "birthdate", "gender", "phone_number", "email", "address", "snils", "inn", "id_doc", "place_of_birth"}
	sets := [][]string{keepable}
	for _, name := range keepable {
		if whole[name] == nil {
			t.Errorf("%s is not released at all", name)
		}
		sets = append(sets, []string{name})
	}
	for _, withheld := range sets {
		info := h.consented(c, withheld)
		for name := range whole {
			gone := slices.Contains(withheld, name)
			for of, with := range follows {
				gone = gone || slices.Contains(withheld, of) && slices.Contains(with, name)
			}
			if name == "name" {
				gone = len(withheld) > 1 // it is made of what is left
			}
			if (info[name] == nil) != gone {
				t.Errorf("with %v kept back, %s is released: %v", withheld, name, info[name] != nil)
			}
		}
	}
	if info := h.consented(c, []string{"family_name"}); info["name"] != "Иван Иванович" {
		t.Errorf("a full name tells the part that was kept back: %v", info["name"])
	}
}

func TestEssentialClaimThatCannotBeHadIsAnsweredWithItsReason(t *testing.T) {
	h, c := known(t, nil)
	asked := `{"userinfo":{"snils":{"essential":true},"email":{"essential":true,"value":"other@example.ru"},"inn":{"essential":true},"gender":null}}`
	info := h.consented(c, []string{"snils"}, "claims", asked)
	why, _ := info["claims_unavailable"].(map[string]any)
	if len(why) != 2 || why["snils"] != "withheld" || why["email"] != "value" {
		t.Errorf("unavailable: %v", why)
	}
	must(t, h.records.Update(t.Context(), h.person.ID, func(a *account.Account) error {
		a.INN, a.Level = account.INN{}, account.Simplified
		return nil
	}))
	info = h.consented(c, nil, "claims", asked)
	if why, _ := info["claims_unavailable"].(map[string]any); why["snils"] != "level" || why["inn"] != "level" {
		t.Errorf("below the level: %v", why)
	}
	if info := h.consented(c, nil); info["claims_unavailable"] != nil {
		t.Error("a reason stands where nothing essential was asked")
	}
}

func TestPseudonymousClientNeverLearnsANumberAndItsAPIDoes(t *testing.T) {
	h, c := known(t, func(c *op.Client) { c.Pseudonymous, c.Audience = true, []string{"https://api.example"} })
	api, stranger := clientOf("other"), clientOf("web")
	api.ID, api.Audience = "api", []string{"https://api.example"}
	h.put(api)
	asked := `{"userinfo":{"snils":{"essential":true}},"id_token":{"snils":{"essential":true},"id_doc":null}}`
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: c.ID, Scopes: c.Scopes, Claims: []string{"id_doc", "snils"}}, account.Origin{}))
	answer := h.tokens(c, "scope", "openid profile snils inn id_doc", "claims", asked)
	access := str(answer["access_token"])
	_, info := h.userinfo(access)
	for _, number := range []string{"snils", "inn", "id_doc"} {
		if info[number] != nil || payload(t, str(answer["id_token"]))[number] != nil || payload(t, access)[number] != nil {
			t.Errorf("the client learns %s", number)
		}
	}
	if why, _ := info["claims_unavailable"].(map[string]any); why["snils"] != "client" || info["family_name"] == nil {
		t.Errorf("userinfo says %v", info)
	}
	if own := h.inspected(c.ID, access); own["snils"] != nil || own["active"] != true {
		t.Errorf("by introspection it learns %v", own)
	}
	seen := h.inspected("api", access)
	if document, _ := seen["id_doc"].(map[string]any); seen["snils"] != "11223344595" || seen["inn"] != "500100732259" || document["number"] != "123456" {
		t.Errorf("the API learns %v", seen)
	}
	if got := h.inspected(stranger.ID, access); got["active"] != false || got["snils"] != nil {
		t.Errorf("a stranger learns %v", got)
	}
	must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: c.ID, Scopes: c.Scopes, Withheld: []string{"snils"}}, account.Origin{}))
	if seen := h.inspected("api", access); seen["snils"] != nil || seen["inn"] == nil {
		t.Errorf("what is kept back is told to the API: %v", seen)
	}
}

func TestP37ServiceThatLooksOtherThanItDidIsConsentedToAnew(t *testing.T) {
	h := newRig(t)
	base := clientOf("web")
	base.Name, base.Purpose = map[string]string{"ru": "Лавка"}, map[string]string{"ru": "Доставка"}
	base.PolicyURI, base.TermsURI = "https://rp.example/policy", "https://rp.example/terms"
	person := &account.Account{Status: account.Active, Grants: []account.Grant{{ClientID: "web", Scopes: base.Scopes, Shown: base.Shown()}}}
	for name, row := range map[string]struct {
		change  func(*op.Client)
		covered bool
	}{
		"the same":                      {func(*op.Client) {}, true},
		"another address of its host":   {func(c *op.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://rp.example/two") }, true},
		"another logo":                  {func(c *op.Client) { c.LogoURI = "https://rp.example/logo.png" }, true},
		"another name":                  {func(c *op.Client) { c.Name = map[string]string{"ru": "Банк"} }, false},
		"another purpose":               {func(c *op.Client) { c.Purpose = map[string]string{"ru": "Реклама"} }, false},
		"another policy":                {func(c *op.Client) { c.PolicyURI = "https://rp.example/policy-2" }, false},
		"other terms":                   {func(c *op.Client) { c.TermsURI = "" }, false},
		"answers go to another host":    {func(c *op.Client) { c.RedirectURIs = []string{"https://rp.example/cb", "https://evil.example/cb"} }, false},
		"a customer of another service": {func(c *op.Client) { c.ID = "other" }, false},
	} {
		client := base
		client.RedirectURIs = slices.Clone(base.RedirectURIs)
		row.change(&client)
		req := &op.AuthRequest{ClientID: client.ID, RedirectURI: client.RedirectURIs[0], Scopes: []string{"openid", "email"}}
		if got := h.provider.Covered(&client, req, person); got != row.covered {
			t.Errorf("%s: covered is %v", name, got)
		}
	}
}
