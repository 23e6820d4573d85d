package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/examples/inbox"
	"github.com/vhod-id/vhod/storage/storagetest"
)

func TestKilledNodeKeepsEveryAcknowledgedSignUpOnSQLite(t *testing.T) {
	survive(t, storagetest.InFile(t), storagetest.InFile(t))
}

func TestKilledNodeKeepsEveryAcknowledgedSignUpOnPostgreSQL(t *testing.T) {
	survive(t, storagetest.Postgres(t), storagetest.Redis(t))
}

// survive signs people up from many browsers at once while the node is killed again and again, and then
// lets each one in whom a page had told that they have an account. Whose consent was answered by the
// service's page is not asked for it again.
func survive(t *testing.T, records, ephemera string) {
	const rounds, crowd = 3, 6
	s, _ := start(t, t.TempDir(), "-quiet", "-without-provider")
	n := &node{t: t, stage: s, stores: []string{"-records", records, "-ephemera", ephemera}}
	n.command("apply", "-f", filepath.Join(s.data, "clients.yaml"))
	n.start()
	people := s.people(fmt.Sprintf("?registered=false&limit=%d", rounds*crowd))
	var all []*newcomer
	for round := range rounds {
		var working sync.WaitGroup
		var registered, consented atomic.Int64
		for i := range crowd {
			c := &newcomer{t: t, node: n, p: people[round*crowd+i], hasAccount: &registered, hasConsented: &consented}
			all = append(all, c)
			working.Go(c.signUp)
		}
		for deadline := time.Now().Add(30 * time.Second); registered.Load() < 2 || consented.Load() < int64(round); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nobody is signed up within 30 s")
			}
		}
		n.kill()
		working.Wait()
		n.start()
	}
	var registered, consented int
	for _, c := range all {
		if !c.registered {
			continue
		}
		registered++
		b := newBrowser(t)
		s.signIn(b, c.p)
		if b.page == "identify" || b.page == "password" {
			t.Fatalf("an acknowledged account is gone: %s\n%s", b.page, b.text)
		}
		if c.consented {
			consented++
			b.want("portal-me")
		}
	}
	if registered == 0 || consented == 0 {
		t.Errorf("of %d newcomers %d registered and %d consented: nothing was shown", len(all), registered, consented)
	}
	t.Logf("%d kills; of %d newcomers %d had an account and %d had consented when the node died; all of them still do", rounds, len(all), registered, consented)
}

// newcomer signs up from a browser of their own, until they are through or the node dies.
type newcomer struct {
	t    *testing.T
	node *node
	p    inbox.Person

	hasAccount, hasConsented *atomic.Int64 // how many the round has
	registered, consented    bool          // as a page told this one
}

func (c *newcomer) signUp() {
	s := *c.node.stage
	s.t, s.over = c, c.node.dead.Load // a code that was owed comes after the restart
	b := newBrowser(c)
	b.open(s.at(1, "/sign-in"))
	b.want("identify")
	b.arrived = func(page string) {
		switch page {
		case "protect":
			c.registered = true
			c.hasAccount.Add(1)
		case "portal-me":
			c.consented = true
			c.hasConsented.Add(1)
		}
	}
	s.signUp(b, c.p)
	allow(b)
	b.want("portal-me")
}

// The newcomer is the test of their own browser: what fails after the node died is no failure.

func (*newcomer) Helper() {}

func (c *newcomer) Errorf(format string, args ...any) { c.Fatalf(format, args...) }

func (c *newcomer) Fatal(args ...any) { c.Fatalf("%s", fmt.Sprint(args...)) }

func (c *newcomer) Fatalf(format string, args ...any) {
	if !c.node.dead.Load() {
		c.t.Errorf(format, args...)
	}
	runtime.Goexit()
}

// node is a vhod serve beside the stand.
type node struct {
	t      *testing.T
	stage  *stage
	stores []string
	cmd    *exec.Cmd
	log    *bytes.Buffer
	dead   atomic.Bool
}

func (n *node) vhod(words ...string) *exec.Cmd {
	n.t.Helper()
	dir, err := programs()
	if err != nil {
		n.t.Fatal(err)
	}
	words = append([]string{words[0], "-config", filepath.Join(n.stage.data, "vhod.yaml")}, words[1:]...)
	return exec.Command(filepath.Join(dir, "vhod"), append(words, n.stores...)...)
}

func (n *node) command(words ...string) {
	n.t.Helper()
	if out, err := n.vhod(words...).CombinedOutput(); err != nil {
		n.t.Fatalf("vhod %v: %v\n%s", words, err, out)
	}
}

// start serves until the test ends or the node is killed.
func (n *node) start() {
	n.t.Helper()
	n.cmd, n.log = n.vhod("serve"), new(bytes.Buffer)
	n.cmd.Stderr = n.log
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(n.kill)
	for range 500 {
		if resp, err := http.Get(n.stage.at(5, "/readyz")); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				n.dead.Store(false)
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	n.kill()
	n.t.Fatalf("vhod serve is never ready\n%s", n.log)
}

// kill ends the node as a power cut does.
func (n *node) kill() {
	n.dead.Store(true)
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}
