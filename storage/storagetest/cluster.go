package storagetest

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/vhod-id/vhod/keys"
)

// RedisCluster starts a cluster of three masters until the test ends and returns its URL, with a key prefix of its own.
func RedisCluster(t testing.TB) string {
	t.Helper()
	var nodes []string
	for range 3 {
		nodes = append(nodes, clusterNode(t))
	}
	create := append([]string{"--cluster", "create"}, nodes...)
	if out, err := exec.CommandContext(t.Context(), "redis-cli", append(create, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("joining the cluster: %v\n%s", err, out)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: nodes})
	defer func() { _ = client.Close() }()
	agree := func(ctx context.Context) error { // every node, not only the one asked first
		return client.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			info, err := node.ClusterInfo(ctx).Result()
			if err == nil && !strings.Contains(info, "cluster_state:ok") {
				err = redis.ErrClosed
			}
			return err
		})
	}
	if err := answers(agree); err != nil {
		t.Fatalf("the cluster does not come together: %v", err)
	}
	return "redis+cluster://" + nodes[0] + "?addr=" + nodes[1] + "&addr=" + nodes[2] + "&prefix=t-" + keys.RandomID()
}

// clusterNode starts one master and returns its address.
func clusterNode(t testing.TB) string {
	t.Helper()
	port := clusterPort(t)
	node := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no",
		"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--dir", t.TempDir())
	if err := node.Start(); err != nil {
		t.Fatalf("this test needs Redis: %v", err)
	}
	t.Cleanup(func() {
		_ = node.Process.Kill()
		_ = node.Wait()
	})
	address := "127.0.0.1:" + strconv.Itoa(port)
	client := redis.NewClient(&redis.Options{Addr: address})
	defer func() { _ = client.Close() }()
	if err := answers(func(ctx context.Context) error { return client.Ping(ctx).Err() }); err != nil {
		t.Fatalf("a node of the cluster: %v", err)
	}
	return address
}

// clusterPort finds a free port whose twin for the nodes among themselves, 10000 above, is free too.
func clusterPort(t testing.TB) int {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(port)
		if err != nil || n >= 55000 {
			continue
		}
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(n+10000)); err == nil {
			_ = l.Close()
			return n
		}
	}
	t.Fatal("no port with a free twin")
	return 0
}
