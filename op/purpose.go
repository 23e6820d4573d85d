package op

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

var purposes = []Purpose{PurposeSignIn, PurposeConfirm, PurposeLink, PurposeApprove}

// checkPurpose reads the parameter purpose, an extension: what the service asks the person for.
func checkPurpose(_ *Client, req *AuthRequest, form url.Values) error {
	req.Purpose = Purpose(form.Get("purpose"))
	if req.Purpose != "" && !slices.Contains(purposes, req.Purpose) {
		return refuse("invalid_request", "purpose.unknown", "purpose is one of sign_in, confirm, link, approve")
	}
	return nil
}

// checkCustomer reads the parameter customer, an extension: for whom a service acts that acts for many. People see the
// customer's name, consent to it, and its id stands in the tokens.
func checkCustomer(client *Client, req *AuthRequest, form url.Values) error {
	req.Customer = form.Get("customer")
	_, known := client.Customers[req.Customer]
	switch {
	case len(client.Customers) == 0 && req.Customer == "", known:
		return nil
	case len(client.Customers) == 0:
		return refuse("invalid_request", "customer.none", "the client is registered for no customers: leave the parameter customer out")
	case req.Customer == "":
		return refuse("invalid_request", "customer.missing", "the client acts for many: the parameter customer says for whom")
	}
	return refuse("invalid_request", "customer.unknown", "customer is not one that is registered for this client")
}

// CustomerName is the name of the customer for whom the client acts, in a language or in Russian; empty where it acts for itself.
func (c *Client) CustomerName(id, lang string) string {
	if name := c.Customers[id].Name[lang]; name != "" {
		return name
	}
	return c.Customers[id].Name["ru"]
}

// checkCustomers holds what a registration of customers needs.
func (c *Client) checkCustomers() (problems []error) {
	for id, customer := range c.Customers {
		if id == "" || strings.ContainsAny(id, " \t\r\n") {
			problems = append(problems, fmt.Errorf("customers %q: an id without spaces is needed", id))
		}
		if customer.Name["ru"] == "" {
			problems = append(problems, fmt.Errorf("customers %q: a name in Russian is needed, people see it", id))
		}
	}
	if len(c.Customers) > 0 && slices.ContainsFunc(c.GrantTypes, func(g string) bool { return g == grantDevice || g == grantCIBA }) {
		problems = append(problems, errors.New("customers: a client that acts for many has the code flow alone, where the person sees for whom"))
	}
	return problems
}
