package journeys_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPersonSignsInOnATelevision(t *testing.T) {
	s := startStand(t)
	t.Setenv("VHOD_ISSUER", s.url(0, ""))
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			television := launch(t, filepath.Join(bin, "television"))
			address, code := shown(television)
			c := newCitizen(t, s, s.registered("standard"), mode.scripts)
			c.password = c.p.Password
			c.open(address)
			c.walk("device")
			c.fill("code", strings.ToLower(strings.ReplaceAll(code, "-", " ")))
			c.press("continue")
			c.walk("device-confirm")
			c.says(code)
			c.press("allow")
			c.walk("device-done")
			var claims struct {
				Subject string `json:"sub"`
				ACR     string `json:"acr"`
				Level   string `json:"account_level"`
			}
			line := television.next()
			if err := json.Unmarshal([]byte(line), &claims); err != nil || claims.Subject == "" || claims.ACR != "urn:vhod:acr:standard:1fa" || claims.Level != "standard" {
				t.Errorf("the television says %s", line)
			}
			c.secrets = map[string]string{"user code": code}
		})
	}
}

func TestTelevisionHearsThatItsPersonRefused(t *testing.T) {
	s := startStand(t)
	t.Setenv("VHOD_ISSUER", s.url(0, ""))
	television := launch(t, filepath.Join(bin, "television"))
	address, code := shown(television)
	c := newCitizen(t, s, s.registered("standard"), true)
	c.open(address + "?user_code=" + code)
	c.walk("device")
	c.press("continue")
	c.walk("device-confirm")
	c.press("deny")
	c.walk("device-done")
	<-television.ended
	if said := television.stderr.String(); !strings.Contains(said, "not signed in: access_denied") {
		t.Errorf("the television says %q", said)
	}
}

// shown reads the address and the code from the screen of a television.
func shown(p *process) (address, code string) {
	p.t.Helper()
	for {
		if m := regexp.MustCompile(`^open (\S+) and enter (\S+)$`).FindStringSubmatch(p.next()); m != nil {
			return m[1], m[2]
		}
	}
}

func TestOpenIDClientFromNPMSignsInOnADevice(t *testing.T) {
	s := startStand(t)
	n := startNode(t, "openid-client-device.mjs", s.url(0, ""), "demo-device")
	shown := n.read("")
	c := newCitizen(t, s, s.registered("standard"), true)
	c.password = c.p.Password
	c.open(shown.Open)
	c.walk("device")
	c.fill("code", shown.Code)
	c.press("continue")
	c.walk("device-confirm")
	c.press("allow")
	c.walk("device-done")

	id := n.read("id_token")
	if id.Sub == "" || id.ACR != "urn:vhod:acr:standard:1fa" {
		t.Errorf("the ID token: %+v", id)
	}
	if v := n.read("verified"); v.Type != "standard" || !slices.Equal(v.Claims, []string{"family_name"}) || !slices.Contains(v.Parameters, "population_register") {
		t.Errorf("what was confirmed: %+v", v)
	}
	if info := n.read("userinfo"); info.Sub != id.Sub || !slices.Contains(info.Claims, "given_name") {
		t.Errorf("userinfo: %+v", info)
	}
	if fresh := n.read("refresh"); !fresh.Rotated {
		t.Errorf("the refresh: %+v", fresh)
	}
	if r := n.read("replayed device code"); r.Error != "invalid_grant" {
		t.Errorf("a device code that comes again: %+v", r)
	}
	if r := n.read("after the replay"); r.Error != "invalid_token" {
		t.Errorf("its tokens: %+v", r)
	}
	if r := n.read("revoked"); r.Error != "invalid_grant" {
		t.Errorf("a revoked refresh token: %+v", r)
	}
	if !n.read("").Done {
		t.Error("it did more than it was asked to")
	}
	c.secrets = map[string]string{"user code": shown.Code}
}
