package templates

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// assets are our own style, scripts and marks, served under names that change with their content.
type assets struct {
	urls  map[string]string // name → address
	files map[string]asset  // address → content
}

// kinds are the media types of our own files. The system's table would be read for the same answers, a megabyte of it.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

type asset struct {
	kind        string
	plain, gzip []byte
}

func loadAssets(from fs.FS) (*assets, error) {
	a := &assets{urls: map[string]string{}, files: map[string]asset{}}
	entries, err := fs.ReadDir(from, "assets")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := fs.ReadFile(from, "assets/"+e.Name())
		if err != nil {
			return nil, err
		}
		if err := a.add(e.Name(), text); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// add serves a file under a name of its own.
func (a *assets) add(name string, text []byte) error {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	ext := path.Ext(name)
	if kinds[ext] == "" {
		return fmt.Errorf("the kind of asset %s is not known", name)
	}
	address := fmt.Sprintf("/assets/%s.%s%s", strings.TrimSuffix(name, ext), hex.EncodeToString(sum[:6]), ext)
	a.urls[name] = address
	a.files[address] = asset{kind: kinds[ext], plain: text, gzip: packed.Bytes()}
	return nil
}

// Serve adds a file of the runner's to the assets, before anything is served, and returns its address.
func (s *Set) Serve(name string, text []byte) (string, error) {
	if _, taken := s.assets.urls[name]; taken {
		return "", fmt.Errorf("there is an asset %s already", name)
	}
	if err := s.assets.add(name, text); err != nil {
		return "", fmt.Errorf("asset %s: %w", name, err)
	}
	return s.assets.url(name)
}

// url is the address of an asset by its file name.
func (a *assets) url(name string) (string, error) {
	address, ok := a.urls[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %s", name)
	}
	return address, nil
}

// forever is how long a browser may keep what never changes under its name.
const forever = 365 * 24 * time.Hour

// ServeHTTP answers GET and HEAD of a known address.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.files[r.URL.Path]; !ok {
		http.NotFound(w, r)
		return
	}
	a.write(w, r, r.URL.Path, fmt.Sprintf("public, max-age=%d, immutable", int(forever.Seconds())))
}

// write answers with the asset of an address.
func (a *assets) write(w http.ResponseWriter, r *http.Request, address, caching string) {
	file := a.files[address]
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", caching)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Vary", "Accept-Encoding")
	body := file.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && len(file.gzip) < len(file.plain) {
		h.Set("Content-Encoding", "gzip")
		body = file.gzip
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
