package journeys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// browser is a tab of a Chromium of its own, driven by the names that pages carry.
type browser struct {
	t   *testing.T
	ctx context.Context

	scripts       bool                     // whether it runs any
	keyboard      bool                     // nothing is clicked: all is done by keys
	authenticator webauthn.AuthenticatorID // its key store, where a test gave it one
}

// openBrowser starts Chromium with an empty profile until the test ends. Without scripts every page
// must still work by plain forms.
func openBrowser(t *testing.T, scripts bool, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if path, err = exec.LookPath("google-chrome"); err != nil {
			t.Fatal("Chromium is not installed: run make setup")
		}
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(path),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "ru"), chromedp.WindowSize(390, 900))
	options = append(options, more...)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	// The browser lives as long as the context of the first action, so that one has no time limit of its own.
	err = chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
		return err
	}))
	if err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	return &browser{t: t, ctx: ctx, scripts: scripts}
}

// patience is how long a page may take.
const patience = 15 * time.Second

// do runs steps; a failure shows the page that was there instead.
func (b *browser) do(doing string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for _, step := range steps {
		if _, err := run(ctx, step); err != nil {
			b.t.Fatalf("%s: %v\n%s", doing, err, b.where())
		}
	}
}

// run takes an action, and takes it again while the document under it is replaced. Chromium gives every node a new id when a document has
// loaded; an action that had found its node a moment before is told that there is none, and has neither typed nor clicked by then.
func run[T any](ctx context.Context, action chromedp.Action[T]) (T, error) {
	return unless(ctx, action, "Could not find node")
}

// read is run of an action that changes nothing: it may as well be taken again when the page went away under it.
func read[T any](ctx context.Context, action chromedp.Action[T]) (T, error) {
	return unless(ctx, action, "Could not find node", "Inspected target navigated", "Execution context was destroyed", "Cannot find context")
}

// unless takes an action until the browser says none of these.
func unless[T any](ctx context.Context, action chromedp.Action[T], transient ...string) (T, error) {
	for {
		result, err := chromedp.Run(ctx, action)
		refused := new(cdproto.Error)
		if !errors.As(err, &refused) || !slices.ContainsFunc(transient, func(t string) bool { return strings.HasPrefix(refused.Message, t) }) {
			return result, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// where describes the page that is shown, and keeps a picture of it.
func (b *browser) where() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	address, _ := chromedp.Run(ctx, chromedp.Location())
	text, err := read(ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		text = err.Error()
	}
	picture := ""
	if shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100)); err == nil {
		picture = filepath.Join(os.TempDir(), "vhod-"+strings.ReplaceAll(b.t.Name(), "/", "-")+".png")
		_ = os.WriteFile(picture, shot, 0o600)
	}
	return fmt.Sprintf("at %s (%s)\n%s", address, picture, text)
}

// photograph keeps a picture of the page in the folder VHOD_PICTURES, for people to look at; without it nothing happens.
func (b *browser) photograph(page string) {
	folder := os.Getenv("VHOD_PICTURES")
	if folder == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, strings.ReplaceAll(b.t.Name(), "/", "-")+"-"+page+".png"), shot, 0o600)
	}
	if err != nil {
		b.t.Errorf("photographing %s: %v", page, err)
	}
}

func (b *browser) open(address string) {
	b.t.Helper()
	b.do("opening "+address, chromedp.Navigate(address))
}

// page returns the name of the page that is shown.
func (b *browser) page() string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	attrs, err := read(ctx, chromedp.Attributes(css("main[data-page]")))
	if err != nil {
		b.t.Fatalf("no page with a name: %v\n%s", err, b.where())
	}
	return attrs["data-page"]
}

// fill types into fields by name.
func (b *browser) fill(fields ...string) {
	b.t.Helper()
	for i := 0; i+1 < len(fields); i += 2 {
		sel := css(`main [name="%s"]:not([type=hidden])`, fields[i])
		if b.keyboard {
			b.write(string(sel), fields[i+1])
			continue
		}
		b.do("filling "+fields[i], chromedp.WaitReady(sel), chromedp.Clear(sel),
			chromedp.SendKeys(sel, fields[i+1]))
	}
}

// choose ticks a radio button or a box by name and value.
func (b *browser) choose(name, value string) {
	b.t.Helper()
	if b.keyboard {
		b.pick(name, value)
		return
	}
	b.do("choosing "+name, chromedp.Click(css(`main [name="%s"][value="%s"]`, name, value)))
}

// press presses the button or link of an action and waits for the page that it leads to.
func (b *browser) press(action string) {
	b.t.Helper()
	b.follow(fmt.Sprintf(`main [data-action="%s"]`, action))
}

// follow clicks what leads to another page and waits until that has loaded.
func (b *browser) follow(selector string) {
	b.t.Helper()
	before := b.loader()
	b.click(selector)
	b.leaves(before, selector)
}

// leaves waits until another document than before has loaded; by is what leads there.
func (b *browser) leaves(before, by string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if now := b.loader(); now != "" && now != before {
			break
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s leads nowhere\n%s", by, b.where())
		}
	}
	b.loaded()
}

// loaded waits until the page is there with its pictures and its scripts have run: before that the focus may still move under who types.
func (b *browser) loaded() {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		state, err := read(ctx, chromedp.Evaluate[string](`document.readyState`))
		cancel()
		if state == "complete" {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the page does not load: it is %s, %v\n%s", state, err, b.where())
		}
	}
}

// loader names the document that is shown; it changes with every page.
func (b *browser) loader() string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tree, err := chromedp.Run(ctx, func(ctx context.Context, _ *chromedp.Target) (page.GetFrameTreeResult, error) {
		return chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
	})
	if err != nil || tree.FrameTree == nil || tree.FrameTree.Frame == nil {
		return ""
	}
	return string(tree.FrameTree.Frame.LoaderID)
}

// click presses anything by a CSS selector.
func (b *browser) click(selector string) {
	b.t.Helper()
	if b.keyboard {
		b.strike(selector)
		return
	}
	b.do("clicking "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// text returns what an element says.
func (b *browser) text(selector string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := read(ctx, chromedp.TextContent(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatalf("reading %s: %v\n%s", selector, err, b.where())
	}
	return strings.TrimSpace(strings.ReplaceAll(text, "\u00a0", " ")) // as people read it
}

// says fails unless the page has these words.
func (b *browser) says(words ...string) {
	b.t.Helper()
	text := b.text("main")
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Fatalf("the page does not say %q\n%s", w, b.where())
		}
	}
}

// location returns the address that is shown.
func (b *browser) location() string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	address, err := read(ctx, chromedp.Location())
	if err != nil {
		b.t.Fatal(err)
	}
	return address
}

// lockedBuffer collects what a process prints.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// css is a selector with its parts filled in.
func css(format string, args ...any) chromedp.CSS { return chromedp.CSS(fmt.Sprintf(format, args...)) }

// has reports whether the page has an element now.
func (b *browser) has(selector string) bool {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	nodes, err := read(ctx, chromedp.QueryNodeIDs(chromedp.CSSAll(selector), chromedp.AtLeast(0)))
	if err != nil {
		b.t.Fatalf("looking for %s: %v", selector, err)
	}
	return len(nodes) > 0
}

func reload() chromedp.Action[chromedp.Void] { return chromedp.Reload() }

// cookies are all that the browser holds.
func (b *browser) cookies() map[string]string {
	b.t.Helper()
	out := map[string]string{}
	b.do("reading cookies", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		got, err := chromedp.Call(ctx, storage.GetCookies, storage.GetCookiesParams{})
		for _, c := range got.Cookies {
			out[c.Name] = c.Value
		}
		return err
	}))
	return out
}

// session reports whether the browser is signed in at the provider.
func (b *browser) session() bool {
	b.t.Helper()
	for name := range b.cookies() {
		if strings.HasSuffix(name, "vhod-session") {
			return true
		}
	}
	return false
}
