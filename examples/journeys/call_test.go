package journeys_test

import (
	"testing"
	"time"
)

const callMessage = "Заявка 4417: смена адреса"

// callTo has openid-client ask a person, who opens what they are asked in their cabinet.
func callTo(t *testing.T, s *stand, p person, c *citizen) nodeClient {
	t.Helper()
	n := startNode(t, "openid-client-call.mjs", s.url(0, ""), "demo-call", "demo-call-secret", p.Phone, callMessage)
	n.read("asked")
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		c.open(s.url(0, "/me/requests"))
		if c.has("[data-request]") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the request never comes\n%s", c.where())
		}
	}
	c.says(callMessage)
	c.photograph("me-requests")
	return n
}

func TestOperatorAsksAPersonAndTheyAnswerInTheirCabinet(t *testing.T) {
	s := startStand(t)
	p := s.registered("standard")
	c := signInAs(t, s, p, s.url(0, "/login"), "me")
	n := callTo(t, s, p, c)
	c.press("allow")
	c.walk("asked-done")
	id := n.read("id_token")
	if id.Sub == "" || id.ACR != "urn:vhod:acr:standard:1fa" {
		t.Errorf("the ID token: %+v", id)
	}
	if info := n.read("userinfo"); info.Sub != id.Sub {
		t.Errorf("userinfo: %+v", info)
	}

	n = callTo(t, s, p, c)
	c.press("stranger")
	c.walk("asked-done")
	if got := n.read("refused"); got.Error != "access_denied" {
		t.Errorf("a refusal: %+v", got)
	}
	c.open(s.url(0, "/me/history"))
	c.says("Sample call centre")
	c.secrets = map[string]string{"binding message": callMessage}
}
