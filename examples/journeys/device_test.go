package journeys_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
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
