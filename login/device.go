package login

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/op"
	"github.com/vhod-id/vhod/templates"
)

// Limits of guessing a device's code (RFC 8628 §5.1). There are 20^8 codes, and one lives ten minutes.
const (
	deviceWindow      = 10 * time.Minute
	deviceTries       = 5   // of a browser
	deviceTriesOfHost = 30  // of an address: a browser may drop its cookie
	deviceTriesOfNet  = 300 // of its network
)

// deviceData is what the page device asks: the code that the device shows.
type deviceData struct{ Code string }

// showDevice is where a device sends its person (RFC 8628 §3.3). An address that carries the code fills it in; the person
// still presses the button, having compared it.
func (d *Door) showDevice(w http.ResponseWriter, r *http.Request) error {
	d.flowCookie(w, r) // guesses are counted by it
	return d.renderDevice(w, r, clip(r.FormValue("user_code")), nil)
}

func (d *Door) renderDevice(w http.ResponseWriter, r *http.Request, code string, err error) error {
	return d.renderForm(w, r, nil, templates.Page{Name: "device", Data: deviceData{code}}, err)
}

// takeDevice finds the request behind a code and opens an attempt for it.
func (d *Door) takeDevice(w http.ResponseWriter, r *http.Request) error {
	typed := clip(r.PostFormValue("code"))
	if strings.TrimSpace(typed) == "" {
		return d.renderDevice(w, r, typed, account.FieldErrors{{Field: "code", Message: "error.code.empty"}})
	}
	guess, err := d.guessDevice(w, r)
	if err != nil {
		return d.renderDevice(w, r, typed, err)
	}
	id, err := d.cfg.Provider().DeviceRequest(r.Context(), typed)
	if errors.Is(err, account.ErrNotFound) {
		return d.renderDevice(w, r, typed, account.FieldErrors{{Field: "code", Message: "error.device.unknown"}})
	}
	if err != nil {
		return fmt.Errorf("reading a device's code: %w", err)
	}
	if err := d.forgive(r, guess); err != nil {
		return err
	}
	a := d.openAttempt(w, r, kindSignIn)
	a.Request = id
	v, err := d.visit(r, a)
	if err != nil {
		return err
	}
	return d.advance(w, r, v)
}

// guessDevice counts a guess before it is judged, so that many at one moment all count. Its error is a ThrottledError when
// there were too many.
func (d *Door) guessDevice(w http.ResponseWriter, r *http.Request) ([]account.Increment, error) {
	host, network := around(d.clientAddr(r))
	guess := []account.Increment{
		{Key: "login/device-guess/browser/" + keys.Hash(d.flowCookie(w, r)), By: 1},
		{Key: "login/device-guess/host/" + host, By: 1},
		{Key: "login/device-guess/network/" + network, By: 1},
	}
	sums, err := d.cfg.Ephemera.CountAll(r.Context(), deviceWindow, guess...)
	if err != nil {
		return nil, fmt.Errorf("counting guesses: %w", err)
	}
	if sums[0] > deviceTries || sums[1] > deviceTriesOfHost || sums[2] > deviceTriesOfNet {
		return nil, account.ThrottledError{What: "device", Until: d.cfg.Now().Add(deviceWindow)}
	}
	return guess, nil
}

// forgive takes a guess back that was right.
func (d *Door) forgive(r *http.Request, guess []account.Increment) error {
	for i := range guess {
		guess[i].By = -1
	}
	if _, err := d.cfg.Ephemera.CountAll(r.Context(), deviceWindow, guess...); err != nil {
		return fmt.Errorf("counting guesses: %w", err)
	}
	return nil
}

// around is the host of an address, as far as one is told from another, and its network.
func around(a netip.Addr) (host, network string) {
	if !a.IsValid() {
		return "none", "none"
	}
	one, many := 32, 24
	if a.Is6() {
		one, many = 64, 48
	}
	h, _ := a.Prefix(one)
	n, _ := a.Prefix(many)
	return h.String(), n.String()
}

// deviceConfirmData is what the page device-confirm asks: whether this is the person's own device.
type deviceConfirmData struct {
	Attempt   string
	Service   string
	Purpose   string
	Code      string
	At        time.Time
	From      string       // place and address
	Elsewhere bool         // the device asks from another network than this browser's
	QR        template.URL // the same page on another device
}

// showDeviceConfirm names the service and where the device is, before anybody signs in: whoever was talked into typing a
// stranger's code sees it here (RFC 8628 §5.4).
func (d *Door) showDeviceConfirm(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepDevice); !ok {
		return err
	}
	device, lang := v.req.Remote, d.lang(r, v.attempt)
	image, err := qrImage(d.cfg.Issuer + "/device?user_code=" + url.QueryEscape(device.UserCode))
	if err != nil {
		return err
	}
	_, here := around(d.clientAddr(r))
	_, there := around(device.Origin.Address)
	data := deviceConfirmData{
		Attempt: v.attempt.ID, Service: inLang(v.client.Name, lang), Purpose: inLang(v.client.Purpose, lang), Code: device.UserCode,
		At: v.req.CreatedAt, From: d.cfg.Accounts.From(device.Origin), Elsewhere: here != there, QR: image,
	}
	page := v.page(d, r, "device-confirm", data)
	if v.person != nil {
		page.User = displayName(v.person)
	}
	page.TitleArgs = map[string]any{"Service": data.Service}
	return d.render(w, r, v.attempt, page)
}

func (d *Door) takeDeviceConfirm(w http.ResponseWriter, r *http.Request) error {
	v, err := d.enter(r)
	if err != nil {
		return err
	}
	if ok, err := d.stands(w, r, v, stepDevice); !ok {
		return err
	}
	if r.PostFormValue("answer") != "allow" {
		return d.refuse(w, r, v.attempt, "access_denied", op.Refused)
	}
	v.attempt.OwnDevice = true
	return d.advance(w, r, v)
}

// showDeviceDone tells the person how it ended: the device learns it by itself.
func (d *Door) showDeviceDone(w http.ResponseWriter, r *http.Request) error {
	allowed, a, err := d.ended(r)
	if err != nil {
		return err
	}
	page := templates.Page{Name: "device-done", Data: doneData{allowed}}
	if !allowed {
		page.Title = "device-done.title-refused"
	}
	return d.render(w, r, a, page)
}
