package op

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/vhod-id/vhod/account"
)

const grantCIBA = "urn:openid:params:grant-type:ciba"

// The limits of asking a person who did not come by themselves (CIBA). A service is never told that it met one of them:
// it would learn who has an account here.
const (
	callLife  = 5 * time.Minute // when the service names none
	leastCall = 30 * time.Second
	mostCall  = polledMost
	openCalls = 3              // requests that wait for one person at a time
	callsADay = 20             // to one person, by all services
	mostBind  = 60             // characters of a binding message
	callQuiet = 24 * time.Hour // for a service whose request the person called none of theirs
)

// Asking is a request of a service that waits for a person's answer.
type Asking struct {
	ID      string
	Client  *Client
	Message string // that the service told the person, to know the request by
	At      time.Time
	Until   time.Time
}

func callSlotKey(id account.ID, n int) string { return fmt.Sprintf("call/%s/%d", id, n) }
func callDayKey(id account.ID) string         { return "calls-a-day/" + string(id) }
func quietKey(id account.ID, client string) string {
	return "call-quiet/" + string(id) + "/" + client
}

// backchannelAuthentication is the endpoint by which a service asks a person to sign in where they already are (CIBA Core 1.0
// §7), as an operator does who has them on the telephone. The answer is the same whether the person exists or not.
func (p *Provider) backchannelAuthentication(w http.ResponseWriter, r *http.Request, form url.Values) error {
	client, err := p.authenticateClient(r, form)
	if err != nil {
		return err
	}
	if client.public() || !client.may(grantCIBA) {
		return fault("unauthorized_client", "[grant.not_allowed] the client may not use the grant %s", grantCIBA)
	}
	form, object, err := p.signedCall(r.Context(), client, form)
	if err != nil {
		return err
	}
	life, err := checkCall(client, form)
	if err != nil {
		return err
	}
	if err := p.bindPushed(w, r, client, form); err != nil {
		return err
	}
	ctx := r.Context()
	handle, req := p.newRemote(r, client, RemoteCall, form.Get("dpop_jkt"), life)
	for _, check := range []func(*Client, *AuthRequest, url.Values) error{checkScopes, p.checkClaims, checkResource} {
		if err := check(client, req, form); err != nil {
			return onWire(err)
		}
	}
	if !slices.Contains(req.Scopes, "openid") {
		return fault("invalid_scope", "[scope.openid] scope lacks openid (CIBA 7.1)")
	}
	if err := p.spendObject(ctx, client, object); err != nil {
		return err
	}
	req.Remote.Message = form.Get("binding_message")
	if client.NotifyURI != "" {
		req.Remote.Ping = &Ping{handle, form.Get("client_notification_token")}
	}
	if err := p.keepPolled(ctx, req); err != nil {
		return err
	}
	p.callLater(client, req, form.Get("login_hint"))
	answerJSON(w, http.StatusOK, map[string]any{
		"auth_req_id": handle, "expires_in": int(life / time.Second), "interval": int(pollStep / time.Second),
	})
	return nil
}

// checkCall checks what is special to these requests.
func checkCall(client *Client, form url.Values) (life time.Duration, err error) {
	for _, name := range []string{"request_uri", "user_code", "id_token_hint", "login_hint_token", "authorization_details"} {
		if form.Has(name) {
			return 0, fault("invalid_request", "[call.parameter] %s is not offered here", name)
		}
	}
	if form.Get("login_hint") == "" {
		return 0, fault("invalid_request", "[call.hint] login_hint is missing: a phone, an e-mail address or a SNILS")
	}
	if !readable(form.Get("binding_message"), mostBind, false) {
		return 0, fault("invalid_binding_message", "[call.message] binding_message is needed: one line of 1 to %d characters that the operator reads to the person", mostBind)
	}
	if token := form.Get("client_notification_token"); client.NotifyURI != "" && !pingToken(token) {
		return 0, fault("invalid_request", "[call.ping] client_notification_token is needed: a bearer token of 22 to 1024 characters (CIBA 7.1)")
	}
	raw := form.Get("requested_expiry")
	if raw == "" {
		return callLife, nil
	}
	n, err := strconv.Atoi(raw)
	life = time.Duration(n) * time.Second
	if err != nil || life < leastCall || life > mostCall {
		return 0, fault("invalid_request", "[call.expiry] requested_expiry is %d to %d seconds", int(leastCall.Seconds()), int(mostCall.Seconds()))
	}
	return life, nil
}

// callLater finds the person and puts the request before them, after the answer to the service, which must not show by its
// time whether there is such a person.
func (p *Provider) callLater(client *Client, req *AuthRequest, hint string) {
	select {
	case p.later <- func(ctx context.Context) {
		if err := p.call(ctx, client, req, hint); err != nil {
			p.cfg.Log.ErrorContext(ctx, "asking a person", "client", client.ID, "error", err)
		}
	}:
	default:
		p.cfg.Log.Warn("too many wait to be asked: a request is dropped", "client", client.ID)
	}
}

// call puts a request before its person, unless there is none, they have enough of them, or had enough of this service.
func (p *Provider) call(ctx context.Context, client *Client, req *AuthRequest, hint string) error {
	by, err := account.ParseIdentifier(hint)
	if err != nil {
		return nil
	}
	id, err := p.cfg.Accounts.Whose(ctx, by)
	if errors.Is(err, account.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	slot, err := p.callSlot(ctx, client, req, id)
	if err != nil || slot < 0 {
		return err
	}
	req.HintSubject = p.subject(client, id)
	if err := p.keep(ctx, req); err != nil {
		return err
	}
	left := req.Remote.Until.Sub(p.now())
	if err := p.cfg.Ephemera.Put(ctx, callSlotKey(id, slot), []byte(req.ID), max(left, time.Millisecond)); err != nil {
		return fmt.Errorf("keeping a request for a person: %w", err)
	}
	asker := account.Asker{ID: client.ID, Name: client.DisplayName("ru")}
	return p.cfg.Accounts.RequestReceived(ctx, id, asker, req.Remote.Until, req.Remote.Origin)
}

// callSlot reserves one of the few places for waiting requests of a person; -1 when none may be had. A place stays taken for
// as long as its request could have lived, so that answering fast does not invite more.
func (p *Provider) callSlot(ctx context.Context, client *Client, req *AuthRequest, id account.ID) (int, error) {
	if _, quiet, err := p.cfg.Ephemera.Get(ctx, quietKey(id, client.ID)); quiet || err != nil {
		return -1, err
	}
	if sum, err := p.cfg.Ephemera.Count(ctx, callDayKey(id), 1, 24*time.Hour); err != nil || sum > callsADay {
		return -1, err
	}
	for n := range openCalls {
		first, err := p.cfg.Ephemera.Once(ctx, callSlotKey(id, n), max(req.Remote.Until.Sub(p.now()), time.Millisecond))
		if first || err != nil {
			return n, err
		}
	}
	return -1, nil
}

// Asked lists the requests of services that wait for a person, oldest first.
func (p *Provider) Asked(ctx context.Context, id account.ID) ([]Asking, error) {
	slots := make([]string, openCalls)
	for n := range slots {
		slots[n] = callSlotKey(id, n)
	}
	held, err := p.cfg.Ephemera.GetAll(ctx, slots...)
	if err != nil {
		return nil, fmt.Errorf("reading what a person is asked: %w", err)
	}
	var out []Asking
	for _, request := range held {
		if request == nil {
			continue
		}
		req, client, err := p.Request(ctx, string(request), nil)
		if errors.Is(err, account.ErrNotFound) { // answered already
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Asking{req.ID, client, req.Remote.Message, req.CreatedAt, req.Remote.Until})
	}
	slices.SortFunc(out, func(a, b Asking) int { return a.At.Compare(b.At) })
	return out, nil
}

// Hush keeps a service from asking a person for a day: they said that they know nothing of what it asked.
func (p *Provider) Hush(ctx context.Context, id account.ID, client string) error {
	p.cfg.Log.WarnContext(ctx, "a person was asked what they know nothing of", "client", client)
	raw, err := json.Marshal(p.now())
	if err != nil {
		return err
	}
	if err := p.cfg.Ephemera.Put(ctx, quietKey(id, client), raw, callQuiet); err != nil {
		return fmt.Errorf("keeping a service quiet: %w", err)
	}
	return nil
}
