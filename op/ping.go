package op

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// pingWaits is how long each further try waits. A ping that is lost costs little: whoever waits for it may poll (CIBA Core 1.0
// §5), and the person's answer is kept.
var pingWaits = []time.Duration{0, 2 * time.Second, 10 * time.Second}

// pingAnswer is how much of an answer is read.
const pingAnswer = 4 << 10

// pingToken reports whether a notification token is a bearer token (RFC 6750 §2.1) of a length that can hold the 128 bits
// which CIBA Core 1.0 §7.1 asks for.
func pingToken(token string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
	return len(token) >= 22 && len(token) <= 1024 && strings.Trim(token, letters) == ""
}

// ping tells a service that the person answered, without saying what: it asks the token endpoint then (CIBA Core 1.0 §10.2).
func (p *Provider) ping(req *AuthRequest) {
	if req.Remote.Ping == nil {
		return
	}
	select {
	case p.later <- func(ctx context.Context) { p.tryPing(ctx, req.ClientID, *req.Remote.Ping) }:
	default:
		p.cfg.Log.Warn("too many services wait to be told of an answer: a ping is dropped", "client", req.ClientID)
	}
}

func (p *Provider) tryPing(ctx context.Context, clientID string, to Ping) {
	body, err := json.Marshal(map[string]string{"auth_req_id": to.Handle})
	if err != nil { // a string always encodes
		return
	}
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + to.Token}}
	for _, wait := range pingWaits {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		client := p.clients.client(ctx, clientID)
		if client == nil || client.NotifyURI == "" {
			return
		}
		status, err := p.fetch.send(ctx, client.NotifyURI, body, header, pingAnswer)
		switch {
		case err == nil && status < http.StatusMultipleChoices:
			return
		case err == nil && status < http.StatusInternalServerError: // a redirect is not followed, and a refusal is an answer
			p.cfg.Log.WarnContext(ctx, "a service did not take that a person answered", "client", clientID, "status", status)
			return
		}
		p.cfg.Log.WarnContext(ctx, "a service was not told that a person answered", "client", clientID, "status", status, "error", err)
	}
}
