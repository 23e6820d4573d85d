package conformance_test

import "testing"

// The modules are the basic ones; that the answer travels in a body, and never in an address, finish makes sure of.
func TestConf_formpost(t *testing.T) { plan(t, "formpost", basicModules(), "form_post") }
