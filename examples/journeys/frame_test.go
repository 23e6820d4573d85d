package journeys_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// framed is the address of what stands in the one frame of the open page; an error page of the browser's own where what was asked for refuses to be
// framed.
func (b *browser) framed() (address string) {
	b.t.Helper()
	b.do("looking into the frame", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		tree, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
		if err == nil && len(tree.FrameTree.ChildFrames) == 1 {
			address = tree.FrameTree.ChildFrames[0].Frame.URL
		}
		return err
	}))
	return address
}

// TestS04NoPageIsFramedByAnotherSite shows pages of the provider in a stranger's frame, and one that refuses nothing for comparison.
func TestS04NoPageIsFramedByAnotherSite(t *testing.T) {
	s := startStand(t)
	stranger, willing := serveHTML(t, `<!doctype html><title>win</title><iframe src="%s"></iframe>`), serveHTML(t, `<!doctype html><title>%s</title>own`)
	c := signInAs(t, s, s.registered("standard"), s.url(0, "/login"), "me")
	for _, path := range []string{"/login", "/me", "/me/security", "/me/approve", "/logout", "/recovery", "/signup", "/device"} {
		c.open(stranger + "/?src=" + s.url(0, path))
		if at := c.framed(); !strings.HasPrefix(at, "chrome-error:") {
			t.Errorf("%s stands in a stranger's frame: %s", path, at)
		}
	}
	c.open(stranger + "/?src=" + willing + "/own")
	if at := c.framed(); at != willing+"/own" {
		t.Errorf("frames do not work here at all: %q", at)
	}
}

// serveHTML serves one page on an origin of its own, with the parameter src in it. It is of the stand's site: the browser tells of frames of
// other sites elsewhere.
func serveHTML(t *testing.T, text string) (origin string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, text, r.FormValue("src"))
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}
