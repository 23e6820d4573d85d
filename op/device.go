package op

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/vhod-id/vhod/account"
)

const (
	grantDevice = "urn:ietf:params:oauth:grant-type:device_code"
	// deviceLife is how long a person has to type the code and agree.
	deviceLife = polledMost
)

func userCodeKey(code string) string { return "device-user-code/" + code }

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
	ctx := r.Context()
	code, req := p.newRemote(r, client, RemoteDevice, form.Get("dpop_jkt"), deviceLife)
	for _, check := range []func(*Client, *AuthRequest, url.Values) error{checkScopes, p.checkClaims, checkResource} {
		if err := check(client, req, form); err != nil {
			return onWire(err)
		}
	}
	if req.Remote.UserCode, err = p.newUserCode(ctx, req.ID); err != nil {
		return err
	}
	if err := p.keep(ctx, req); err != nil {
		return err
	}
	if err := p.keepPolled(ctx, req); err != nil {
		return err
	}
	page := p.cfg.Issuer + "/device"
	answerJSON(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": req.Remote.UserCode, "verification_uri": page,
		"verification_uri_complete": page + "?user_code=" + req.Remote.UserCode,
		"expires_in":                int(deviceLife / time.Second), "interval": int(pollStep / time.Second),
	})
	return nil
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
	if _, _, err := p.Request(ctx, string(id), nil); err != nil { // answered already
		return "", err
	}
	return string(id), nil
}
