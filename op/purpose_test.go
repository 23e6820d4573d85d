package op_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// agency acts for two bodies.
func agency() op.Client {
	c := clientOf("web")
	c.ID, c.RedirectURIs = "agency", []string{"https://agency.example/cb"}
	c.Customers = map[string]op.Customer{"school-1": {Name: map[string]string{"ru": "Школа № 1"}}, "clinic": {Name: map[string]string{"ru": "Поликлиника", "en": "Clinic"}}}
	return c
}

func TestServiceThatActsForManySaysForWhom(t *testing.T) {
	h := newRig(t)
	c := agency()
	h.put(c)
	for _, row := range []struct {
		client   op.Client
		customer string
		want     string
	}{
		{c, "", "[customer.missing]"},
		{c, "somebody", "[customer.unknown]"},
		{clientOf("web"), "clinic", "[customer.none]"},
	} {
		q := h.authorize(request(row.client, "customer", row.customer))
		if d := q.Get("error_description"); q.Get("error") != "invalid_request" || len(d) < len(row.want) || d[:len(row.want)] != row.want {
			t.Errorf("%s for %q: %v", row.client.ID, row.customer, q)
		}
	}
	for _, customer := range []string{"clinic", "school-1"} {
		must(t, h.accounts.GrantTo(t.Context(), h.person.ID, account.Grant{ClientID: c.ID, Customer: customer, Scopes: c.Scopes}, account.Origin{}))
	}
	answer := h.tokens(c, "customer", "clinic")
	for _, token := range []string{"id_token", "access_token"} {
		if got := payload(t, str(answer[token]))["customer"]; got != "clinic" {
			t.Errorf("the %s is for %v", token, got)
		}
	}
	status, again := h.refresh(c, str(answer["refresh_token"]))
	if status != http.StatusOK || payload(t, str(again["access_token"]))["customer"] != "clinic" {
		t.Errorf("a refresh: %d, for %v", status, payload(t, str(again["access_token"]))["customer"])
	}
	school := h.tokens(c, "customer", "school-1")
	must(t, h.accounts.WithdrawGrantFor(t.Context(), h.person.ID, c.ID, "clinic", account.Origin{}))
	if status, _ := h.userinfo(str(again["access_token"])); status != http.StatusUnauthorized {
		t.Errorf("after its consent was withdrawn a customer's token answers %d", status)
	}
	if status, _ := h.userinfo(str(school["access_token"])); status != http.StatusOK {
		t.Errorf("the other customer's token answers %d", status)
	}
}

func TestConsentForOneCustomerIsNoneForAnother(t *testing.T) {
	h := newRig(t)
	c := agency()
	person := &account.Account{Status: account.Active, Grants: []account.Grant{{ClientID: c.ID, Customer: "clinic", Scopes: c.Scopes}}}
	for customer, covered := range map[string]bool{"clinic": true, "school-1": false} {
		req := &op.AuthRequest{ClientID: c.ID, Customer: customer, RedirectURI: c.RedirectURIs[0], Scopes: []string{"openid", "email"}}
		if got := h.provider.Covered(&c, req, person); got != covered {
			t.Errorf("%s is covered: %v", customer, got)
		}
	}
}

func TestPurposeOfARequestIsOneOfFour(t *testing.T) {
	h := newRig(t)
	for purpose, ok := range map[string]bool{"sign_in": true, "confirm": true, "link": true, "approve": true, "other": false, "Sign_in": false} {
		q := h.authorize(request(clientOf("web"), "purpose", purpose))
		if (q.Get("code") != "") != ok || !ok && q.Get("error") != "invalid_request" {
			t.Errorf("purpose=%s is answered %v", purpose, q)
		}
	}
}

// Services keep accounts of their own by sub and iss. These values are a promise: they are what a person was called by the
// first release, under a fixed key.
func TestSubNeverChanges(t *testing.T) {
	clock := storagetest.NewClock()
	rec, eph, _ := storagetest.Open(t, clock.Now)
	index := keys.NewSecret(strings.Repeat("i", 32))
	sealer, err := keys.NewSealer([]keys.MasterKey{{ID: "1", Key: keys.NewSecret(strings.Repeat("m", 32))}}, index)
	must(t, err)
	h := newRigOn(t, rec, eph, sealer, clock)
	pairwise, public := clientOf("web"), clientOf("web")
	public.SubjectType = "public"
	for _, row := range []struct {
		client op.Client
		want   string
	}{
		{pairwise, "fN54hPbdTm4w1v34o6mqBxPxpyPUNtuAZXZaHnUbSMI"}, {public, "PjoWKNJUQU8NLYMdZrj0ZBtQeBcfrdb_xp7t00GbAQU"},
	} {
		if got := h.provider.Subject(&row.client, "AAAAAAAAAAAAAAAAAAAAAA"); got != row.want {
			t.Errorf("sub of %s is %q, and was %q", row.client.SubjectType, got, row.want)
		}
	}
}
