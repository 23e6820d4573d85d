package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/templates"
)

// smsTimeout is how long a gateway may think.
const smsTimeout = 5 * time.Second

// SMSGateway sends messages through an HTTP gateway: POST {"to":"+7…","text":"…"} with a bearer key; any
// 2xx is an acceptance, 404, 410 and 422 a refusal of this number.
type SMSGateway struct {
	url    string
	key    keys.Secret
	client *http.Client
}

// NewSMSGateway makes a Sender for the gateway at url. client may be nil.
func NewSMSGateway(url string, key keys.Secret, client *http.Client) *SMSGateway {
	if client == nil {
		client = &http.Client{Timeout: smsTimeout}
	}
	return &SMSGateway{url, key, client}
}

// Send implements Sender; to is a number in E.164.
func (g *SMSGateway) Send(ctx context.Context, to string, m templates.Message) error {
	ctx, cancel := context.WithTimeout(ctx, smsTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"to": to, "text": m.Text})
	if err != nil {
		return fmt.Errorf("writing the message: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the SMS gateway: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if !g.key.IsZero() {
		r.Header.Set("Authorization", "Bearer "+g.key.Reveal())
	}
	resp, err := g.client.Do(r)
	if err != nil {
		var u *url.Error // its text has the URL, which may hold a key of the gateway's own
		if errors.As(err, &u) {
			err = u.Err
		}
		return fmt.Errorf("asking the SMS gateway: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone || resp.StatusCode == http.StatusUnprocessableEntity:
		return fmt.Errorf("SMS gateway: status %d: %w", resp.StatusCode, ErrRefused)
	}
	return fmt.Errorf("SMS gateway: status %d", resp.StatusCode)
}
