package storage_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/storage"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// The writer is this test binary, started again with these settings.
const (
	writerURL = "VHOD_TEST_WRITER_URL"
	writerKey = "VHOD_TEST_WRITER_KEY"
)

func TestKilledInTheMiddleLosesNoAcknowledgedWriteOnSQLite(t *testing.T) {
	killedInTheMiddle(t, storagetest.InFile(t))
}

func TestKilledInTheMiddleLosesNoAcknowledgedWriteOnPostgreSQL(t *testing.T) {
	killedInTheMiddle(t, storagetest.Postgres(t))
}

// killedInTheMiddle lets another process create accounts and say so, kills it without warning, and
// looks for every account that it said was created.
func killedInTheMiddle(t *testing.T, url string) {
	key := keys.NewMasterKey()
	acknowledged := killWriter(t, "TestWriterOfAccounts", url, key)
	s, err := storage.OpenRecords(t.Context(), storage.Config{URL: url, Sealer: sealerOf(t, key), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, id := range acknowledged {
		a, err := s.Account(t.Context(), account.ID(id))
		if err != nil {
			t.Fatalf("account %s was acknowledged: %v", id, err)
		}
		if a.Level != account.Standard {
			t.Fatalf("the acknowledged change of account %s is lost", id)
		}
		if err := s.VerifyJournal(t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged accounts are there", len(acknowledged))
}

func TestKilledInTheMiddleNeverGivesACodeTwiceOnSQLite(t *testing.T) {
	killedWhileTaking(t, storagetest.InFile(t))
}

func TestKilledInTheMiddleNeverGivesACodeTwiceOnRedis(t *testing.T) {
	killedWhileTaking(t, storagetest.Redis(t))
}

func killedWhileTaking(t *testing.T, url string) {
	key := keys.NewMasterKey()
	taken := killWriter(t, "TestWriterOfCodes", url, key)
	s, err := storage.OpenEphemera(t.Context(), storage.Config{URL: url, Sealer: sealerOf(t, key), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, code := range taken {
		if _, ok, err := s.Take(t.Context(), code); ok || err != nil {
			t.Fatalf("code %s was taken before: %v, %v", code, ok, err)
		}
	}
	t.Logf("%d taken codes are gone", len(taken))
}

// killWriter starts the writer, kills it after it acknowledged a good many writes, and returns all
// that it acknowledged.
func killWriter(t *testing.T, writer, url string, key keys.Secret) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+writer+"$")
	cmd.Env = append(os.Environ(), writerURL+"="+url, writerKey+"="+hex.EncodeToString([]byte(key.Reveal())))
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "written "); ok {
			acknowledged = append(acknowledged, id)
		}
		if len(acknowledged) == 300 {
			_ = cmd.Process.Kill() // SIGKILL; what is in the pipe is read to its end
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != -1 || len(acknowledged) < 300 {
		t.Fatalf("the writer was not killed: %v after %d writes", err, len(acknowledged))
	}
	return acknowledged
}

func sealerOf(t *testing.T, key keys.Secret) *keys.Sealer {
	t.Helper()
	s, err := keys.NewSealer([]keys.MasterKey{{ID: "test", Key: key}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writing runs write from four goroutines until the process is killed. In an ordinary run there is
// nothing to write to.
func writing(t *testing.T, open func(cfg storage.Config) func() (string, error)) {
	url := os.Getenv(writerURL)
	if url == "" {
		return
	}
	raw, err := hex.DecodeString(os.Getenv(writerKey))
	if err != nil {
		t.Fatal(err)
	}
	write := open(storage.Config{URL: url, Sealer: sealerOf(t, keys.NewSecret(string(raw))), Now: time.Now})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				id, err := write()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = fmt.Printf("written %s\n", id)
			}
		})
	}
	all.Wait()
}

// TestWriterOfAccounts is the process that is killed; by itself it does nothing.
func TestWriterOfAccounts(t *testing.T) {
	writing(t, func(cfg storage.Config) func() (string, error) {
		s, err := storage.OpenRecords(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return func() (string, error) {
			a := &account.Account{ID: account.ID(keys.RandomID()), Status: account.Active, Level: account.Simplified}
			a.Phone.Value = "+7" + string(a.ID)
			a.Record(account.Event{Kind: "signed-up"})
			if err := s.Create(t.Context(), a); err != nil {
				return "", err
			}
			return string(a.ID), s.Update(t.Context(), a.ID, func(a *account.Account) error {
				a.Level = account.Standard
				a.Record(account.Event{Kind: "level-raised"})
				return nil
			})
		}
	})
}

// TestWriterOfCodes is the process that is killed; by itself it does nothing.
func TestWriterOfCodes(t *testing.T) {
	writing(t, func(cfg storage.Config) func() (string, error) {
		s, err := storage.OpenEphemera(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return func() (string, error) {
			code := keys.RandomID()
			if err := s.Put(t.Context(), code, []byte("grant"), time.Hour); err != nil {
				return "", err
			}
			_, ok, err := s.Take(t.Context(), code)
			if err == nil && !ok {
				err = errors.New("nothing to take")
			}
			return code, err
		}
	})
}
