package op

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

const (
	grantDevice = "urn:ietf:params:oauth:grant-type:device_code"
	// deviceLife is how long a person has to type the code and agree.
	deviceLife = 10 * time.Minute
	// deviceMemory is how long after that a device still hears that its code has expired, rather than that it is unknown.
	deviceMemory = 10 * time.Minute
	// deviceStep is how often a device may ask, and how much longer it waits each time it asked too soon (RFC 8628 §3.5).
	deviceStep = 5 * time.Second
	// deviceSlack forgives a device the jitter of its network.
	deviceSlack = time.Second
)

// ModePage is the mode of a response that is for nobody but the person: the one who asked is a device that polls.
const ModePage = "page"

// DeviceAsk is the part of a request that came from a device without a browser (RFC 8628).
type DeviceAsk struct {
	Key      string // keys.Hash of the device code: where the person's decision goes
	UserCode string // as the device shows it, XXXX-XXXX
	Origin   account.Origin
	Until    time.Time
}

// deviceValue is what a device code stands for while it lives, and a little longer.
type deviceValue struct {
	ClientID string
	JKT      string // DPoP key that the request was made under; empty when none was
	Until    time.Time
}

// decision is what the person answered: a refusal as an OAuth error code, or what a code would stand for.
type decision struct {
	Refused string
	Granted codeValue
}

func deviceKey(hash string) string     { return "device/" + hash }
func decisionKey(hash string) string   { return "device-decision/" + hash }
func userCodeKey(code string) string   { return "device-user-code/" + code }
func deviceSlowKey(hash string) string { return "device-slow/" + hash }

// device is the device authorization endpoint (RFC 8628 §3.1): it checks what is asked and hands out the pair of codes.
func (p *Provider) device(w http.ResponseWriter, r *http.Request, form url.Values) error {
	client, err := p.authenticateClient(r, form)
	if err != nil {
		return err
	}
	if !client.may(grantDevice) {
		return fault("unauthorized_client", "[grant.not_allowed] the client may not use the grant %s", grantDevice)
	}
	if err := p.bindPushed(w, r, client, form); err != nil {
		return err
	}
	if form.Has("authorization_details") {
		return diagnosed("invalid_authorization_details", "details.place", "nothing is signed by a device: send authorization_details to /par or /authorize")
	}
	code, ctx := keys.RandomHandle(), r.Context()
	req := &AuthRequest{ID: keys.RandomHandle(), ClientID: client.ID, DPoPJKT: form.Get("dpop_jkt"), ResponseMode: ModePage, CreatedAt: p.now(),
		Device: &DeviceAsk{Key: keys.Hash(code), Origin: p.origin(r), Until: p.now().Add(deviceLife)}}
	for _, check := range []func(*Client, *AuthRequest, url.Values) error{checkScopes, p.checkClaims} {
		if err := check(client, req, form); err != nil {
			return onWire(err)
		}
	}
	if req.Device.UserCode, err = p.newUserCode(ctx, req.ID); err != nil {
		return err
	}
	if err := p.keep(ctx, req); err != nil {
		return err
	}
	raw, err := json.Marshal(deviceValue{client.ID, req.DPoPJKT, req.Device.Until})
	if err != nil {
		return fmt.Errorf("encoding a device code: %w", err)
	}
	if err := p.cfg.Ephemera.Put(ctx, deviceKey(req.Device.Key), raw, deviceLife+deviceMemory); err != nil {
		return fmt.Errorf("keeping a device code: %w", err)
	}
	page := p.cfg.Issuer + "/device"
	answerJSON(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": req.Device.UserCode, "verification_uri": page,
		"verification_uri_complete": page + "?user_code=" + req.Device.UserCode,
		"expires_in":                int(deviceLife / time.Second), "interval": int(deviceStep / time.Second),
	})
	return nil
}

// origin says where a request came from, as far as the configuration can tell.
func (p *Provider) origin(r *http.Request) account.Origin {
	if p.cfg.Origin != nil {
		return p.cfg.Origin(r)
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return account.Origin{}
	}
	return account.Origin{Address: peer.Addr().Unmap()}
}

// newUserCode makes a code that nobody else holds now and ties it to the request.
func (p *Provider) newUserCode(ctx context.Context, request string) (string, error) {
	for range 5 {
		code := randomUserCode()
		first, err := p.cfg.Ephemera.Once(ctx, userCodeKey(code), deviceLife)
		if err != nil {
			return "", fmt.Errorf("reserving a user code: %w", err)
		}
		if !first {
			continue
		}
		if err := p.cfg.Ephemera.Put(ctx, userCodeKey(code), []byte(request), deviceLife); err != nil {
			return "", fmt.Errorf("keeping a user code: %w", err)
		}
		return code, nil
	}
	return "", errors.New("no user code is free")
}

// userLetters are the letters of user codes: no vowels, so that no words arise, and nothing that looks like something
// else (RFC 8628 §6.1). Eight of them make 20^8 codes.
const userLetters = "BCDFGHJKLMNPQRSTVWXZ"

func randomUserCode() string {
	code := make([]byte, 0, 9)
	for len(code) < cap(code) {
		if len(code) == 4 {
			code = append(code, '-')
		}
		var b [1]byte
		_, _ = rand.Read(b[:])
		if most := 256 / len(userLetters) * len(userLetters); int(b[0]) < most { // the rest would favour some letters
			code = append(code, userLetters[int(b[0])%len(userLetters)])
		}
	}
	return string(code)
}

// alike are the Cyrillic capitals that look like letters of user codes.
var alike = strings.NewReplacer("В", "B", "С", "C", "Н", "H", "К", "K", "М", "M", "Т", "T", "Р", "P", "Х", "X")

// ParseUserCode reads a user code as a person types it: in either case, with or without spaces and dashes, with Cyrillic
// letters that look like the Latin ones.
func ParseUserCode(typed string) (code string, ok bool) {
	letters := make([]byte, 0, 8)
	for _, c := range alike.Replace(strings.ToUpper(typed)) {
		switch {
		case unicode.IsSpace(c) || unicode.Is(unicode.Dash, c):
		case c > unicode.MaxASCII || !strings.ContainsRune(userLetters, c) || len(letters) == cap(letters):
			return "", false
		default:
			letters = append(letters, byte(c))
		}
	}
	if len(letters) != cap(letters) {
		return "", false
	}
	return string(letters[:4]) + "-" + string(letters[4:]), true
}

// DeviceRequest returns the id of the waiting request that a device showed this code for, or account.ErrNotFound. Guesses
// are the caller's to limit.
func (p *Provider) DeviceRequest(ctx context.Context, typed string) (string, error) {
	code, ok := ParseUserCode(typed)
	if !ok {
		return "", account.ErrNotFound
	}
	id, ok, err := p.cfg.Ephemera.Get(ctx, userCodeKey(code))
	if err != nil {
		return "", fmt.Errorf("reading a user code: %w", err)
	}
	if !ok {
		return "", account.ErrNotFound
	}
	if _, _, err := p.Request(ctx, string(id)); err != nil { // answered already
		return "", err
	}
	return string(id), nil
}

// allowDevice leaves the person's approval for the device and writes it into their journal.
func (p *Provider) allowDevice(ctx context.Context, client *Client, req *AuthRequest, auth Authentication) (Response, error) {
	err := p.cfg.Accounts.DeviceAllowed(ctx, auth.AccountID, client.ID, client.DisplayName("ru"), req.Device.Origin)
	if err != nil {
		return Response{}, fmt.Errorf("journalling a device: %w", err)
	}
	return p.decide(ctx, req, decision{Granted: codeValue{
		ClientID: client.ID, Scopes: req.Scopes, Claims: req.Claims, JKT: req.DPoPJKT, Auth: auth,
	}})
}

// decide leaves what the person answered where the device's next question finds it.
func (p *Provider) decide(ctx context.Context, req *AuthRequest, d decision) (Response, error) {
	left := req.Device.Until.Sub(p.now())
	if left < time.Millisecond {
		return Response{}, account.ErrNotFound
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return Response{}, fmt.Errorf("encoding a decision: %w", err)
	}
	if err := p.cfg.Ephemera.Put(ctx, decisionKey(req.Device.Key), raw, left); err != nil {
		return Response{}, fmt.Errorf("keeping a decision: %w", err)
	}
	return Response{Mode: ModePage, Params: map[string]string{"error": d.Refused}}, nil
}

// exchangeDevice is the device code grant (RFC 8628 §3.4). The decision is taken at once, so of many questions one gets the
// tokens; a device code that comes again after that ends what came of it.
func (p *Provider) exchangeDevice(r *http.Request, client *Client, form url.Values, jkt string) (*tokenResponse, error) {
	ctx, code := r.Context(), form.Get("device_code")
	if len(code) != len(keys.RandomHandle()) {
		return nil, fault("invalid_grant", "[device.unknown] the device code is not one of ours")
	}
	hash := keys.Hash(code)
	raw, ok, err := p.cfg.Ephemera.Get(ctx, deviceKey(hash))
	if err != nil {
		return nil, fmt.Errorf("reading a device code: %w", err)
	}
	if !ok {
		p.codeReplayed(r, client, code)
		return nil, fault("invalid_grant", "[device.spent] the device code was used before, has expired long ago, or was never issued")
	}
	var v deviceValue
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("reading a device code: %w", err)
	}
	switch {
	case v.ClientID != client.ID:
		return nil, fault("invalid_grant", "[device.foreign] the device code was issued to another client")
	case v.JKT != "" && v.JKT != jkt:
		return nil, fault("invalid_grant", "[dpop.key] the device code is bound to another DPoP key")
	case !p.now().Before(v.Until):
		return nil, fault("expired_token", "[device.expired] nobody answered within %d s: ask for a new code", int(deviceLife.Seconds()))
	}
	answer, ok, err := p.cfg.Ephemera.Take(ctx, decisionKey(hash))
	if err != nil {
		return nil, fmt.Errorf("taking a decision: %w", err)
	}
	if !ok {
		return nil, p.notYet(ctx, hash)
	}
	if _, _, err := p.cfg.Ephemera.Take(ctx, deviceKey(hash)); err != nil {
		return nil, fmt.Errorf("spending a device code: %w", err)
	}
	var d decision
	if err := json.Unmarshal(answer, &d); err != nil {
		return nil, fmt.Errorf("reading a decision: %w", err)
	}
	if d.Refused != "" {
		return nil, fault(d.Refused, "[device.refused] the person refused, or could not show what the service asks")
	}
	return p.redeem(ctx, client, code, d.Granted, jkt)
}

// notYet says that nobody has answered yet, and slows down a device that asks too often: each time by five seconds more,
// for as long as its code lives.
func (p *Provider) notYet(ctx context.Context, hash string) error {
	slow, err := p.cfg.Ephemera.Count(ctx, deviceSlowKey(hash), 0, deviceLife)
	if err != nil {
		return fmt.Errorf("reading how slow a device is: %w", err)
	}
	first, err := p.beginWait(ctx, hash, slow)
	if err != nil {
		return err
	}
	if first {
		return fault("authorization_pending", "[device.pending] nobody has answered yet: ask again")
	}
	if slow, err = p.cfg.Ephemera.Count(ctx, deviceSlowKey(hash), 1, deviceLife); err != nil {
		return fmt.Errorf("slowing a device down: %w", err)
	}
	if _, err := p.beginWait(ctx, hash, slow); err != nil {
		return err
	}
	return fault("slow_down", "[device.fast] the device asks too often: wait %d s between two questions", int(deviceWait(slow).Seconds()))
}

// deviceWait is how long a device waits between two questions after it was slowed down so many times.
func deviceWait(slow int64) time.Duration { return deviceStep * time.Duration(1+slow) }

// beginWait reports whether the wait before was over, and begins the next.
func (p *Provider) beginWait(ctx context.Context, hash string, slow int64) (bool, error) {
	first, err := p.cfg.Ephemera.Once(ctx, fmt.Sprintf("device-wait/%s/%d", hash, slow), deviceWait(slow)-deviceSlack)
	if err != nil {
		return false, fmt.Errorf("pacing a device: %w", err)
	}
	return first, nil
}
