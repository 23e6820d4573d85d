package op

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/vhod-id/vhod/keys"
)

// metadataLife is how long a client may keep metadata and keys. It is shorter than a next key is published ahead.
const metadataLife = "public, max-age=300"

// document is metadata as finished bytes: as they are, and packed for callers who take that. net/http sends what is longer than four
// kilobytes by two calls to the system, which are most of the price of such an answer; packed it goes by one.
type document struct{ plain, packed coded }

// coded is a document in one content coding; the entity tags of codings differ (RFC 9110 §8.8.3.3).
type coded struct {
	body   []byte
	etag   string
	coding []string // nil for the document as it is
}

func newDocument(body []byte) (document, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(body)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return document{}, fmt.Errorf("packing metadata: %w", err)
	}
	tag := keys.Hash(string(body))[:22]
	return document{coded{body, `"` + tag + `"`, nil}, coded{packed.Bytes(), `"` + tag + `-gzip"`, gzipCoding}}, nil
}

// serve answers in the coding that the caller takes.
func (d document) serve(w http.ResponseWriter, r *http.Request) {
	w.Header()["Vary"] = acceptEncoding
	if takesGzip(r) {
		d.packed.serve(w, r)
		return
	}
	d.plain.serve(w, r)
}

// takesGzip reads Accept-Encoding (RFC 9110 §12.5.3); a weight of nothing is a refusal.
func takesGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, weighed := strings.CutPrefix(strings.TrimSpace(weight), "q=")
		n, err := strconv.ParseFloat(q, 64)
		return !weighed || err == nil && n > 0
	}
	return false
}

// Headers that are the same in every answer: shared, and changed by nobody.
var (
	jsonType       = []string{"application/json"}
	cachePolicy    = []string{metadataLife}
	acceptEncoding = []string{"Accept-Encoding"}
	gzipCoding     = []string{"gzip"}
)

func (c coded) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = cachePolicy
	h.Set("Etag", c.etag)
	if r.Header.Get("If-None-Match") == c.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if c.coding != nil {
		h["Content-Encoding"] = c.coding
	}
	h.Set("Content-Length", strconv.Itoa(len(c.body))) // else a body beyond a buffer goes out in chunks
	if r.Method != http.MethodHead {
		_, _ = w.Write(c.body)
	}
}
