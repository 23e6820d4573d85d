package journeys_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vhod-id/vhod/storage/storagetest"
)

// startBeside runs a stand without its provider, which is served by vhod on PostgreSQL and Redis.
func startBeside(t *testing.T) *stand {
	t.Helper()
	s := startStand(t, "-without-provider")
	s.records, s.ephemera = storagetest.Postgres(t), storagetest.Redis(t)
	out, err := exec.Command(filepath.Join(bin, "vhod"), s.settings("apply", "-f", filepath.Join(s.dir, "clients.yaml"))...).CombinedOutput()
	if err != nil {
		t.Fatalf("vhod apply: %v\n%s", err, out)
	}
	return s
}

// settings are the words of a vhod command that works on the stand's provider.
func (s *stand) settings(command string, more ...string) []string {
	return append([]string{command, "-config", filepath.Join(s.dir, "vhod.yaml"), "-records", s.records, "-ephemera", s.ephemera}, more...)
}

// serve starts a node on a port and waits until it is ready.
func (s *stand) serve(port int) *process {
	s.t.Helper()
	operations := freePort(s.t)
	node := start(s.t, fmt.Sprintf("vhod serves %s on 127.0.0.1:%d", s.url(0, ""), port), filepath.Join(bin, "vhod"),
		s.settings("serve", "-listen", fmt.Sprintf("127.0.0.1:%d", port), "-operations", fmt.Sprintf("127.0.0.1:%d", operations))...)
	s.nodes = append(s.nodes, node)
	for range 200 {
		if resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", operations)); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return node
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Fatalf("the node is never ready\n%s", node.stderr.String())
	return nil
}

func TestTheJourneyOnPostgreSQLAndRedis(t *testing.T) {
	s := startBeside(t)
	s.serve(s.base)
	people := s.fresh(2)
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			newcomersJourney(newCitizen(t, s.in(t), people[i], mode.scripts), nil)
		})
	}
}

func TestTwoNodesBehindARoundRobinNeedNoStickySessions(t *testing.T) {
	s := startBeside(t)
	ports := [2]int{freePort(t), freePort(t)}
	first, _ := s.serve(ports[0]), s.serve(ports[1])
	robin := &roundRobin{ports: ports}
	listen(t, s.base, robin.handler(s.base))

	newcomersJourney(newCitizen(t, s, s.fresh(1)[0], true), func() {
		if a, b := robin.served[0].Load(), robin.served[1].Load(); a < 5 || b < 5 {
			t.Errorf("the nodes served %d and %d requests of the sign-up", a, b)
		}
		first.kill()
		if resp, err := http.Get(s.url(0, "/.well-known/openid-configuration")); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("one node is not enough: %v", err)
		}
	})
}

// roundRobin gives each request to the next node, and to the other one where that does not answer.
type roundRobin struct {
	ports  [2]int
	turn   atomic.Int64
	served [2]atomic.Int64
}

func (r *roundRobin) handler(public int) http.Handler {
	target := &url.URL{Scheme: "http", Host: fmt.Sprintf("localhost:%d", public)}
	return &httputil.ReverseProxy{
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: r.dial},
	}
}

func (r *roundRobin) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var failures error
	turn := int(r.turn.Add(1))
	for i := range r.ports {
		n := (turn + i) % len(r.ports)
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", r.ports[n]))
		if err == nil {
			r.served[n].Add(1)
			return conn, nil
		}
		failures = errors.Join(failures, err)
	}
	return nil, failures
}

// listen serves on a loopback port until the test ends.
func listen(t *testing.T, port int, handler http.Handler) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}

// freePort finds one, of those that no connection is given by chance.
func freePort(t *testing.T) int { return freeBlock(t) }
