package op_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func (h *rig) document(accept, known string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil)
	r.Header.Set("Accept-Encoding", accept)
	r.Header.Set("If-None-Match", known)
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

func TestMetadataIsPackedForCallersWhoTakeThat(t *testing.T) {
	h := newRig(t)
	plain := h.document("", "")
	for accept, packed := range map[string]bool{
		"gzip": true, "deflate, GZIP;q=0.5": true, "br;q=1, gzip ; q=1.0": true,
		"": false, "identity": false, "br, deflate": false, "gzip;q=0": false, "gzip;q=0.000, br": false, "xgzip": false, "gzip;q=high": false,
	} {
		w := h.document(accept, "")
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != packed || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding: %s: %v", accept, w.Header())
			continue
		}
		body := w.Body.Bytes()
		if packed {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, plain.Body.Bytes()) {
			t.Errorf("Accept-Encoding: %s: the document is another: %s", accept, body)
		}
	}
}

func TestMetadataThatACallerHasIsNotSentAgain(t *testing.T) {
	h := newRig(t)
	plain, packed := h.document("", "").Header().Get("Etag"), h.document("gzip", "").Header().Get("Etag")
	if plain == packed {
		t.Fatal("two codings have one tag")
	}
	for _, row := range []struct {
		accept, known string
		status        int
	}{
		{"", plain, http.StatusNotModified}, {"gzip", packed, http.StatusNotModified},
		{"", packed, http.StatusOK}, {"gzip", plain, http.StatusOK}, {"", `"another"`, http.StatusOK},
	} {
		w := h.document(row.accept, row.known)
		if sent := w.Body.Len() > 0; w.Code != row.status || sent != (row.status == http.StatusOK) {
			t.Errorf("Accept-Encoding %q, If-None-Match %s: %d", row.accept, row.known, w.Code)
		}
	}
}
