package op_test

import (
	"testing"

	"github.com/vhod-id/vhod/account"
)

// Whatever the front door lets in, the provider looks once more: this one lets everybody in.
func TestP35TheProviderItselfLowersNoLevelThatWasAsked(t *testing.T) {
	h := newRig(t)
	web := clientOf("web")
	for asked, reached := range map[string]bool{
		"urn:vhod:acr:verified:1fa": true, "urn:vhod:acr:standard": true, "urn:vhod:acr:simplified:2fa": false, "urn:vhod:acr:verified:phr": false,
		"urn:vhod:acr:verified:2fa urn:vhod:acr:standard:1fa": true,
	} {
		if q := h.authorize(request(web, "acr_values", asked)); (q.Get("code") != "") != reached || !reached && q.Get("error") != "unmet_authentication_requirements" {
			t.Errorf("%s: %v", asked, q)
		}
	}
	h.door.auth.Level = account.Standard
	if q := h.authorize(request(web, "acr_values", "urn:vhod:acr:verified:1fa")); q.Get("error") != "unmet_authentication_requirements" {
		t.Errorf("a level above the person's: %v", q)
	}
}
