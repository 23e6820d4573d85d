package storagetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/redis/go-redis/v9"

	"github.com/vhod-id/vhod/keys"
)

// Settings that name servers which run already: a whole run of the tests shares one of each.
const (
	postgresSetting = "VHOD_TEST_POSTGRES"
	redisSetting    = "VHOD_TEST_REDIS"
)

// server is a throw-away server, started once in a test process.
type server struct {
	name  string
	start func(s *server) (url string, err error)

	once sync.Once
	url  string
	err  error
	dir  string
	cmd  *exec.Cmd
}

var (
	postgresServer = server{name: "PostgreSQL", start: startPostgres}
	redisServer    = server{name: "Redis", start: startRedis}
)

// Main is the TestMain of a package that asks for servers: it ends them after the last test, by
// process id. m is the *testing.M, or what a package wraps around it.
func Main(m interface{ Run() int }) {
	code := m.Run()
	postgresServer.end()
	redisServer.end()
	os.Exit(code)
}

// Postgres returns the URL of a fresh schema in PostgreSQL. A test that has no server fails.
func Postgres(t testing.TB) string {
	t.Helper()
	base := postgresServer.need(t, postgresSetting)
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	schema := "t_" + strconv.FormatInt(time.Now().UnixNano(), 36) + "_" + strconv.Itoa(os.Getpid())
	if _, err := admin.ExecContext(t.Context(), `CREATE SCHEMA `+schema); err != nil {
		t.Fatalf("PostgreSQL gives no schema to test in: %v", err)
	}
	t.Cleanup(func() {
		_, _ = admin.ExecContext(context.Background(), `DROP SCHEMA `+schema+` CASCADE`)
		_ = admin.Close()
	})
	return withQuery(t, base, "search_path", schema)
}

// Redis returns a Redis URL with a key prefix of its own. A test that has no server fails.
func Redis(t testing.TB) string {
	t.Helper()
	return withQuery(t, redisServer.need(t, redisSetting), "prefix", "t-"+keys.RandomID())
}

func withQuery(t testing.TB, raw, name, value string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// need returns the URL of the server that the setting names, or of one started for this process.
func (s *server) need(t testing.TB, setting string) string {
	t.Helper()
	if running := os.Getenv(setting); running != "" {
		return running
	}
	s.once.Do(func() { s.url, s.err = s.start(s) })
	if s.err != nil {
		t.Fatalf("this test needs %s: install it, or name a running one in %s: %v", s.name, setting, s.err)
	}
	return s.url
}

// run starts the server's process in a group of its own; it ends with this process in any case.
func (s *server) run(owner *syscall.Credential, program string, args ...string) error {
	var output bytes.Buffer
	s.cmd = exec.Command(program, args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, &output, &output
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: owner}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	return nil
}

// end stops the server and removes its directory.
func (s *server) end() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGINT) // both end at once on it, without waiting for clients
		_ = s.cmd.Wait()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

func startPostgres(s *server) (string, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return "", err
	}
	owner, err := s.home("postgres")
	if err != nil {
		return "", err
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "vhod", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.Dir = s.dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if output, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, output)
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	// No fsync: the data end with the process. The rest as it is by default.
	err = s.run(owner, filepath.Join(bin, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", port, "-k", "",
		"-c", "max_connections=300", "-c", "fsync=off")
	if err != nil {
		return "", err
	}
	address := "postgres://vhod@127.0.0.1:" + port + "/postgres?sslmode=disable"
	db, err := sql.Open("pgx", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	return address, answers(db.PingContext)
}

func startRedis(s *server) (string, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return "", err
	}
	if _, err := s.home(""); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	if err := s.run(nil, program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", s.dir); err != nil {
		return "", err
	}
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	defer func() { _ = client.Close() }()
	return "redis://127.0.0.1:" + port + "/0", answers(func(ctx context.Context) error { return client.Ping(ctx).Err() })
}

// postgresPrograms finds where initdb and postgres are; Debian keeps them off the path.
func postgresPrograms() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(initdb), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("no initdb on the path or in /usr/lib/postgresql")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// home makes the server's directory. When we are root, it is given to the named account, and the
// server is to run as that: PostgreSQL refuses root.
func (s *server) home(account string) (*syscall.Credential, error) {
	var err error
	if s.dir, err = os.MkdirTemp("", "vhod-"+s.name+"-"); err != nil {
		return nil, err
	}
	if account == "" || os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(s.dir, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// answers waits until the server does.
func answers(ping func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := ping(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("it did not answer: %w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
