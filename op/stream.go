package op

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// How events are delivered (OpenID Shared Signals Framework 1.0 §6.1).
const (
	deliveryPush = "urn:ietf:rfc:8935"
	deliveryPoll = "urn:ietf:rfc:8936"
)

// The states of a stream (§8.1.2).
const (
	StreamEnabled  = ""         // events are delivered
	StreamPaused   = "paused"   // they are kept until it is enabled again, for as long as events are kept
	StreamDisabled = "disabled" // they are dropped
)

const (
	signalVerified = "verification"
	verifyEvery    = time.Minute // between verifications of one stream (min_verification_interval)
)

// stream is a stream's configuration on the wire (§8.1.1). There is one for each client.
type stream struct {
	ID        string    `json:"stream_id,omitempty"`
	Issuer    string    `json:"iss,omitempty"`
	Audience  string    `json:"aud,omitempty"`
	Supported []string  `json:"events_supported,omitempty"`
	Requested []string  `json:"events_requested,omitempty"`
	Delivered []string  `json:"events_delivered,omitempty"`
	Delivery  *delivery `json:"delivery,omitempty"`
	Interval  int64     `json:"min_verification_interval,omitempty"` // in seconds
}

type delivery struct {
	Method        string `json:"method"`
	Endpoint      string `json:"endpoint_url,omitempty"`
	Authorization string `json:"authorization_header,omitempty"` // asked for alone, and refused
}

// streamID is the name of a client's stream.
func (p *Provider) streamID(client *Client) string {
	return p.cfg.Sealer.Index("stream", client.ID)[:22]
}

// hasStream reports whether a client gets events at all.
func (c *Client) hasStream() bool { return c.EventsURI != "" || c.EventsPoll }

func (p *Provider) describe(client *Client) stream {
	s := stream{ID: p.streamID(client), Issuer: p.cfg.Issuer, Audience: client.ID, Supported: eventTypes(nil), Interval: int64(verifyEvery.Seconds())}
	s.Requested = eventTypes(client.Events)
	s.Delivered = s.Requested
	s.Delivery = &delivery{Method: deliveryPush, Endpoint: client.EventsURI}
	if client.EventsPoll {
		s.Delivery = &delivery{Method: deliveryPoll, Endpoint: p.cfg.Issuer + "/ssf/poll"}
	}
	return s
}

// eventTypes are the types of events by their names; of all when there is none.
func eventTypes(names []string) []string {
	var out []string
	for name, kind := range signalTypes {
		if name != signalVerified && (len(names) == 0 || slices.Contains(names, name)) {
			out = append(out, kind)
		}
	}
	slices.Sort(out)
	return out
}

// ssfDocument is the transmitter's metadata (§7.1).
func (p *Provider) ssfDocument(w http.ResponseWriter, r *http.Request) {
	p.ssfDoc.serve(w, r)
}

func (p *Provider) writeSSF() error {
	body, err := json.Marshal(map[string]any{
		"spec_version": "1_0", "issuer": p.cfg.Issuer, "jwks_uri": p.cfg.Issuer + "/jwks",
		"delivery_methods_supported": []string{deliveryPush, deliveryPoll},
		"configuration_endpoint":     p.cfg.Issuer + "/ssf/stream",
		"status_endpoint":            p.cfg.Issuer + "/ssf/status",
		"verification_endpoint":      p.cfg.Issuer + "/ssf/verify",
		"authorization_schemes":      []map[string]string{{"spec_urn": "urn:ietf:rfc:6749"}},
		"default_subjects":           "ALL",
	})
	if err != nil {
		return fmt.Errorf("writing the transmitter's metadata: %w", err)
	}
	p.ssfDoc, err = newDocument(body)
	return err
}

// serveStream is §8.1.1: a client makes, reads, changes and deletes its stream.
func (p *Provider) serveStream(w http.ResponseWriter, r *http.Request) error {
	scope := scopeStreamManage
	if r.Method == http.MethodGet {
		scope = scopeStreamRead
	}
	client, err := p.streamClient(w, r, scope)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.Method == http.MethodPost && client.hasStream():
		return &wireError{status: http.StatusConflict, code: "invalid_request", description: "[stream.exists] the client has its stream: change that"}
	case r.Method != http.MethodPost && !p.owns(client, r.URL.Query().Get("stream_id"), r.Method):
		return noStream()
	case r.Method == http.MethodGet:
		if r.URL.Query().Get("stream_id") != "" {
			answerJSON(w, http.StatusOK, p.describe(client))
			return nil
		}
		all := []stream{}
		if client.hasStream() {
			all = append(all, p.describe(client))
		}
		answerJSON(w, http.StatusOK, all)
		return nil
	case r.Method == http.MethodDelete:
		return p.deleteStream(w, r, client)
	}
	return p.changeStream(w, r, client)
}

// owns reports whether the client has a stream of this name. Reading all needs no name, and in a change it stands in the body.
func (p *Provider) owns(client *Client, id, method string) bool {
	if id == "" {
		return method != http.MethodDelete
	}
	return client.hasStream() && id == p.streamID(client)
}

func noStream() *wireError {
	return &wireError{status: http.StatusNotFound, code: "invalid_request", description: "[stream.unknown] the client has no such stream"}
}

func (p *Provider) deleteStream(w http.ResponseWriter, r *http.Request, client *Client) error {
	changed := *client
	changed.EventsURI, changed.EventsPoll, changed.Events, changed.EventsStatus = "", false, nil, StreamEnabled
	if err := p.putStream(r, &changed); err != nil {
		return err
	}
	if err := p.forgetWaiting(r.Context(), client.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// changeStream makes a stream, replaces it (PUT) or changes what the body names (PATCH).
func (p *Provider) changeStream(w http.ResponseWriter, r *http.Request, client *Client) error {
	var ask stream
	if err := streamBody(w, r, &ask); err != nil {
		return err
	}
	if r.Method != http.MethodPost && (!client.hasStream() || ask.ID != p.streamID(client)) {
		return noStream()
	}
	changed := *client
	if r.Method != http.MethodPatch || ask.Requested != nil {
		changed.Events = nil
		for name, kind := range signalTypes { // what we do not have is not an error (§8.1.1.1)
			if name != signalVerified && slices.Contains(ask.Requested, kind) {
				changed.Events = append(changed.Events, name)
			}
		}
		slices.Sort(changed.Events)
		if len(ask.Requested) > 0 && len(changed.Events) == 0 {
			return diagnosed("invalid_request", "stream.events", "none of events_requested is supported")
		}
	}
	if r.Method != http.MethodPatch || ask.Delivery != nil {
		if err := deliver(&changed, ask.Delivery); err != nil {
			return err
		}
	}
	if err := p.putStream(r, &changed); err != nil {
		return err
	}
	if client.EventsPoll && !changed.EventsPoll { // nobody takes them any more
		if err := p.forgetWaiting(r.Context(), client.ID); err != nil {
			return err
		}
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusCreated
	}
	answerJSON(w, status, p.describe(&changed))
	return nil
}

// deliver sets how events come: by polling unless the client says otherwise.
func deliver(c *Client, ask *delivery) error {
	c.EventsURI, c.EventsPoll = "", true
	switch {
	case ask == nil:
		return nil
	case ask.Authorization != "":
		return diagnosed("invalid_request", "stream.delivery", "delivery.authorization_header is not offered: a receiver knows us by the signature")
	case ask.Method == deliveryPoll:
		return nil
	case ask.Method != deliveryPush:
		return diagnosed("invalid_request", "stream.delivery", "delivery.method is %s or %s", deliveryPush, deliveryPoll)
	}
	c.EventsURI, c.EventsPoll = ask.Endpoint, false
	var problems []string
	if ask.Endpoint == "" {
		problems = append(problems, "endpoint_url is missing")
	}
	c.checkSignals(func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...).Error()) })
	if len(problems) > 0 {
		return diagnosed("invalid_request", "stream.delivery", "%s", printable(strings.Join(problems, "; ")))
	}
	return nil
}

func (p *Provider) putStream(r *http.Request, c *Client) error {
	c.UpdatedAt = p.now()
	if err := p.cfg.Clients.PutClient(r.Context(), *c); err != nil {
		return fmt.Errorf("keeping a stream: %w", err)
	}
	return p.clients.refresh(r.Context())
}

// streamStatus is §8.1.2.
type streamStatus struct {
	ID     string `json:"stream_id"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func (p *Provider) serveStatus(w http.ResponseWriter, r *http.Request) error {
	scope := scopeStreamRead
	if r.Method == http.MethodPost {
		scope = scopeStreamManage
	}
	client, err := p.streamClient(w, r, scope)
	if err != nil {
		return err
	}
	ask := streamStatus{ID: r.URL.Query().Get("stream_id")}
	if r.Method == http.MethodPost {
		if err := streamBody(w, r, &ask); err != nil {
			return err
		}
	}
	if !client.hasStream() || ask.ID != p.streamID(client) {
		return noStream()
	}
	changed := *client
	if r.Method == http.MethodPost {
		switch ask.Status {
		case "enabled":
			changed.EventsStatus = StreamEnabled
		case StreamPaused, StreamDisabled:
			changed.EventsStatus = ask.Status
		default:
			return diagnosed("invalid_request", "stream.status", "status is enabled, paused or disabled")
		}
		if err := p.putStream(r, &changed); err != nil {
			return err
		}
		if ask.Status == StreamDisabled { // it holds nothing (§8.1.2)
			if err := p.forgetWaiting(r.Context(), client.ID); err != nil {
				return err
			}
		}
	}
	answer := streamStatus{ID: ask.ID, Status: changed.EventsStatus}
	if answer.Status == StreamEnabled {
		answer.Status = "enabled"
	}
	w.Header().Set("Cache-Control", "no-store")
	answerJSON(w, http.StatusOK, answer)
	return nil
}

// serveVerify is §8.1.4: the client asks for an event by which it sees that its stream works.
func (p *Provider) serveVerify(w http.ResponseWriter, r *http.Request) error {
	client, err := p.streamClient(w, r, scopeStreamManage)
	if err != nil {
		return err
	}
	var ask struct {
		ID    string `json:"stream_id"`
		State string `json:"state"`
	}
	if err := streamBody(w, r, &ask); err != nil {
		return err
	}
	if !client.hasStream() || ask.ID != p.streamID(client) {
		return noStream()
	}
	if len(ask.State) > maxState {
		return diagnosed("invalid_request", "stream.body", "state is longer than 2048 bytes")
	}
	first, err := p.cfg.Ephemera.Once(r.Context(), "stream-verify/"+client.ID, verifyEvery)
	if err != nil {
		return fmt.Errorf("counting verifications of a stream: %w", err)
	}
	if !first {
		return &wireError{status: http.StatusTooManyRequests, code: "temporarily_unavailable", description: "[stream.busy] a stream is verified once a minute (min_verification_interval)"}
	}
	event := map[string]any{}
	if ask.State != "" {
		event["state"] = ask.State
	}
	task, err := p.owedSignal(client, "", signalTo{ClientID: client.ID, Name: signalVerified, Event: event})
	if err != nil {
		return err
	}
	if err := p.cfg.Outbox.Owe(r.Context(), task); err != nil {
		return fmt.Errorf("owing a verification: %w", err)
	}
	p.KickLogouts()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
