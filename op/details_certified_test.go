package op_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// byPaper asks for a detail to be signed by a certificate.
func byPaper(detail string) string {
	return strings.TrimSuffix(detail, "}") + `,"signature":"qualified"}`
}

// byCertificate is what the front door vouches for when the person signed by their certificate.
func (h *rig) byCertificate(message string) op.Authentication {
	auth := *h.door.auth
	auth.Strength, auth.Signed = account.OneFactor, &op.Signed{CMS: []byte(message), Certificate: "0a0b"}
	return auth
}

func TestAServiceGetsTheQualifiedSignatureOnceAndItsDigestEverywhere(t *testing.T) {
	h := signingRig(t)
	message := strings.Repeat("a message of kilobytes ", 400)
	for _, details := range []string{"[" + byPaper(document) + "," + byPaper(act) + "]", "[" + document + "," + act + "]"} { // asked for, and chosen
		req := h.sign(details, "scope", "openid offline_access")
		response, err := h.provider.Approve(t.Context(), req.ID, h.byCertificate(message))
		must(t, err)
		_, tokens := h.redeem(notary(), response.Params["code"])
		sum := sha256.Sum256([]byte(message))
		want := base64.RawURLEncoding.EncodeToString(sum[:])
		for _, d := range tokens["authorization_details"].([]any) {
			got := d.(map[string]any)
			cms, err := base64.StdEncoding.DecodeString(str(got["cms"]))
			if err != nil || string(cms) != message || got["cms_digest"] != want || got["signature"] != "qualified" || got["signed_at"] == nil {
				t.Errorf("the first response: %.300v", got)
			}
		}
		_, seen := h.post("/introspect", "notary", url.Values{"token": {str(tokens["access_token"])}})
		_, fresh := h.refresh(notary(), str(tokens["refresh_token"]))
		for place, got := range map[string]any{"introspection": seen["authorization_details"], "the response to a refresh": fresh["authorization_details"],
			"the access token":        payload(t, str(tokens["access_token"]))["authorization_details"],
			"the token after refresh": payload(t, str(fresh["access_token"]))["authorization_details"]} {
			all, _ := got.([]any)
			if len(all) != 2 {
				t.Fatalf("%s has %d details", place, len(all))
			}
			for _, d := range all {
				if d := d.(map[string]any); d["cms"] != nil || d["cms_digest"] != want || d["signature"] != "qualified" {
					t.Errorf("%s: %.300v", place, d)
				}
			}
		}
		if token := str(tokens["access_token"]); len(token) > 4<<10 {
			t.Errorf("the access token has %d bytes", len(token))
		}
		events, err := h.accounts.Journal(t.Context(), h.person.ID, 0, 1)
		must(t, err)
		if e := events[0]; e.Kind != account.ActSigned || e.Details["certificate"] != "0a0b" || e.Details["cms"] != want {
			t.Errorf("the journal: %+v", e)
		}
	}
}

func TestOneKindOfSignatureIsNotTakenForTheOther(t *testing.T) {
	h := signingRig(t)
	simple := strings.Replace(byPaper(act), "qualified", "simple", 1)
	for name, row := range map[string]struct {
		details string
		auth    func(*op.AuthRequest) op.Authentication
	}{
		"two factors for a qualified one": {byPaper(act), func(*op.AuthRequest) op.Authentication {
			auth := *h.door.auth
			auth.Strength, auth.Time = account.PhishingResistant, h.clock.Now()
			return auth
		}},
		"a certificate for a simple one": {simple, func(*op.AuthRequest) op.Authentication { return h.byCertificate("cms") }},
		"a certificate of whose name nobody checked": {byPaper(act), func(*op.AuthRequest) op.Authentication {
			auth := h.byCertificate("cms")
			auth.Level = account.Simplified
			return auth
		}},
	} {
		req := h.sign("[" + row.details + "]")
		response, err := h.provider.Approve(t.Context(), req.ID, row.auth(req))
		must(t, err)
		if response.Params["code"] != "" || response.Params["error"] != "unmet_authentication_requirements" {
			t.Errorf("%s: %v", name, response.Params)
		}
	}
}

func TestACertificateIsAskedForOnlyWhereItMayBeShown(t *testing.T) {
	for name, rig := range map[string]func() (*rig, op.Client){
		"a pseudonymous client": func() (*rig, op.Client) {
			h, c := signingRig(t), notary()
			c.ID, c.Pseudonymous = "blind", true
			must(t, h.records.PutClient(t.Context(), c))
			return h, c
		},
		"where no certificates are taken": func() (*rig, op.Client) {
			clock := storagetest.NewClock()
			records, ephemera, sealer := storagetest.Open(t, clock.Now)
			h := newRigOn(t, records, ephemera, sealer, clock, func(c *op.Config) { c.Certificates = false })
			must(t, h.records.PutClient(t.Context(), notary()))
			return h, notary()
		},
	} {
		h, c := rig()
		back := h.authorize(request(c, "authorization_details", "["+byPaper(act)+"]"))
		if back.Get("error") != "invalid_authorization_details" || !strings.HasPrefix(back.Get("error_description"), "[details.certificate]") {
			t.Errorf("%s: %v", name, back)
		}
		if back := h.authorize(request(c, "authorization_details", "["+act+"]")); back != nil {
			t.Fatalf("%s: %v", name, back)
		}
		if got := h.door.entered.Signature(); got != op.SignedSimply {
			t.Errorf("%s: what is left open is %q", name, got)
		}
	}
}
