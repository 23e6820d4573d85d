package templates_test

import (
	"bytes"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// pairs are what stands upon what in vhod.css, with the least ratio of WCAG 2.2: 4.5 for text (§1.4.3), 3 for the edges of
// controls and for the focus (§1.4.11). Lines between things are decoration and have none.
var pairs = []struct {
	front, back string
	least       float64
}{
	{"text", "page", 4.5}, {"text", "card", 4.5}, {"quiet", "card", 4.5}, {"quiet", "page", 4.5}, {"link", "card", 4.5}, {"link", "page", 4.5},
	{"action-text", "action", 4.5}, {"action-text", "action-over", 4.5}, {"error", "card", 4.5}, {"error", "error-back", 4.5}, {"text", "error-back", 4.5},
	{"good", "good-back", 4.5}, {"text", "good-back", 4.5}, {"link", "good-back", 4.5}, {"focus-text", "focus", 4.5},
	{"brand-text", "brand", 4.5}, {"quiet", "good-back", 4.5}, {"edge", "card", 3}, {"edge", "page", 3}, {"action", "card", 3}, {"error", "card", 3}, {"text", "card", 3},
}

var property = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`)

func TestEveryColourIsLegibleByDayAndByNight(t *testing.T) {
	css, err := os.ReadFile("assets/vhod.css")
	if err != nil {
		t.Fatal(err)
	}
	text := string(css)
	themes := map[string]string{"light": block(t, text, ":root {"), "dark by choice": block(t, text, `:root[data-theme="dark"] {`), "dark by the system": block(t, text, `:root:not([data-theme="light"]) {`)}
	for name, theme := range themes {
		colours := map[string]string{}
		for _, m := range property.FindAllStringSubmatch(theme, -1) {
			colours[m[1]] = m[2]
		}
		for _, p := range pairs {
			front, back := colours[p.front], colours[p.back]
			if front == "" || back == "" {
				t.Errorf("%s has no colour %s or %s", name, p.front, p.back)
				continue
			}
			if got := ratio(t, front, back); got < p.least {
				t.Errorf("%s: %s on %s is %.2f, and %.1f is needed", name, p.front, p.back, got, p.least)
			}
		}
	}
	if colours(themes["dark by choice"]) != colours(themes["dark by the system"]) {
		t.Error("the two dark themes differ")
	}
}

func colours(theme string) string {
	return strings.Join(property.FindAllString(theme, -1), "\n")
}

// block returns what stands in the braces after a selector.
func block(t *testing.T, css, selector string) string {
	t.Helper()
	_, rest, ok := strings.Cut(css, selector)
	if !ok {
		t.Fatalf("there is no %s", selector)
	}
	body, _, _ := strings.Cut(rest, "}")
	return body
}

// ratio is the contrast ratio of WCAG 2.2.
func ratio(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

func TestStyleAndScriptsAreSmall(t *testing.T) {
	const budget = 20 << 10 // of style and scripts together, compressed
	files, err := filepath.Glob("assets/*.*s*")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if packed.Len() > budget {
		t.Errorf("style and scripts are %d bytes, and %d are allowed", packed.Len(), budget)
	}
	t.Logf("%d files, %d bytes", len(files), packed.Len())
}
