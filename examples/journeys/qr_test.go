package journeys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"rsc.io/qr/coding"
)

// scan reads the QR code that the page shows, as a camera would.
func (b *browser) scan() string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	attrs, err := read(ctx, chromedp.Attributes(css("img.qr")))
	if err != nil {
		b.t.Fatalf("no QR code: %v\n%s", err, b.where())
	}
	raw, err := b.picture(attrs["src"])
	if err != nil {
		b.t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		b.t.Fatal(err)
	}
	for version := coding.Version(1); version <= coding.MaxVersion; version++ {
		for mask := range coding.Mask(8) {
			plan, err := coding.NewPlan(version, coding.M, mask)
			if err != nil {
				b.t.Fatal(err)
			}
			if text, ok := readQR(picture, plan); ok {
				return text
			}
		}
	}
	b.t.Fatal("the picture is no QR code")
	return ""
}

// picture is one within the page, or the picture of a later second.
func (b *browser) picture(src string) ([]byte, error) {
	if within, ok := strings.CutPrefix(src, "data:image/png;base64,"); ok {
		return base64.StdEncoding.DecodeString(within)
	}
	base, err := url.Parse(b.location())
	if err != nil {
		return nil, err
	}
	address, err := base.Parse(src)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, value := range b.cookies() {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}

// readQR reads a clean picture by the plan that it may have been drawn by: one byte segment, eight pixels a module and a
// margin of four modules (ISO/IEC 18004).
func readQR(picture image.Image, plan *coding.Plan) (string, bool) {
	const scale, margin = 8, 4
	size := len(plan.Pixel)
	if picture.Bounds().Dx() != (size+2*margin)*scale {
		return "", false
	}
	data := make([]byte, plan.DataBytes)
	for y, row := range plan.Pixel {
		for x, pixel := range row {
			r, _, _, _ := picture.At((x+margin)*scale+scale/2, (y+margin)*scale+scale/2).RGBA()
			black := r < 0x8000
			switch role := pixel.Role(); {
			case role == coding.Format && black != (pixel&coding.Black != 0):
				return "", false // of another mask
			case role == coding.Data && black != (pixel&coding.Black != 0):
				data[pixel.Offset()/8] |= 1 << (7 - pixel.Offset()%8)
			}
		}
	}
	if len(data) < 3 || data[0]>>4 != 4 {
		return "", false
	}
	length, at := int(data[0]&15)<<4|int(data[1]>>4), 1
	if plan.Version >= 10 {
		length, at = length<<8|int(data[1]&15)<<4|int(data[2]>>4), 2
	}
	if at+1+length > len(data) {
		return "", false
	}
	text := make([]byte, length)
	for i := range text {
		text[i] = data[at+i]<<4 | data[at+i+1]>>4
	}
	return string(text), true
}

func TestPersonSignsInOnAComputerByTheirPhone(t *testing.T) {
	s := startStand(t)
	people := s.fresh(len(modes))
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			s := s.in(t)
			phone := newCitizen(t, s, people[i], mode.scripts)
			phone.open(s.url(0, "/signup"))
			phone.walk("me") // with an app for codes
			computer := newCitizen(t, s, people[i], mode.scripts)
			computer.open(s.url(0, "/me"))
			computer.walk("identify")
			computer.press("qr")
			computer.walk("qr")
			phone.open(computer.scan())
			phone.walk("qr-confirm")
			if !mode.scripts { // with scripts the number appears by itself
				computer.do("looking again", reload())
			}
			number := computer.text("[data-number]")
			phone.press("choose-" + number)
			phone.walk("qr-done")
			if mode.scripts {
				computer.arrives("/me")
				return
			}
			computer.press("continue")
			computer.walk("me")
		})
	}
}
