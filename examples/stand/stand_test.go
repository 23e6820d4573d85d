package stand_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/vhod-id/vhod/account/credential"
	"github.com/vhod-id/vhod/examples/inbox"
	"github.com/vhod-id/vhod/examples/stand"
)

// freeBlock finds a base port with room for the whole stand.
func freeBlock(t *testing.T) int {
	t.Helper()
	for base := 21000 + os.Getpid()%500*20; base < 32000; base += 20 {
		if free(base) {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func free(base int) bool {
	for offset := range 12 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+offset))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// start opens and runs a stand without its provider.
func start(t *testing.T, data string) (s *stand.Stand, base int, stop func()) {
	t.Helper()
	base = freeBlock(t)
	s, err := stand.Open(stand.Options{BasePort: base, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s, base, stop
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestEveryAddressOfTheStandAnswers(t *testing.T) {
	_, base, _ := start(t, t.TempDir())
	for address, says := range map[string]string{
		fmt.Sprintf("http://localhost:%d/", base+1):                                 "portal-home",
		fmt.Sprintf("http://localhost:%d/.well-known/openid-configuration", base+2): fmt.Sprintf("http://localhost:%d", base+2),
		fmt.Sprintf("http://localhost:%d/.well-known/openid-configuration", base+3): "client_secret_post",
		fmt.Sprintf("http://localhost:%d/clock", base+4):                            "now",
		fmt.Sprintf("http://localhost:%d/messages", base+4):                         "[]",
	} {
		if status, body := get(t, address); status != http.StatusOK || !strings.Contains(body, says) {
			t.Errorf("%s: %d %s", address, status, body)
		}
	}
}

func people(t *testing.T, base int, query string) []inbox.Person {
	t.Helper()
	_, body := get(t, fmt.Sprintf("http://localhost:%d/people%s", base+4, query))
	var found []inbox.Person
	if err := json.Unmarshal([]byte(body), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestThePeopleHaveTheirStories(t *testing.T) {
	_, base, _ := start(t, t.TempDir())
	stories := map[string]inbox.Person{}
	contacts := map[string]string{}
	for _, p := range append(people(t, base, ""), people(t, base, "?registered=false")...) {
		if p.Registered {
			stories[p.Story] = p
		}
		for _, contact := range []string{p.Phone, p.Email} {
			if other, taken := contacts[contact]; taken {
				t.Errorf("%s and %s share %s", p.ID, other, contact)
			}
			contacts[contact] = p.ID
		}
		if len(p.Password) < 16 || p.Bank == nil || p.Roles == nil {
			t.Errorf("%s: password %q, bank %v, roles %v", p.ID, p.Password, p.Bank, p.Roles)
		}
	}
	for _, story := range []string{"simplified", "standard", "verified-by-bank", "verified-by-letter", "totp", "trusting", "trusted", "locked", "deletion-pending",
		"passport-expired", "snils-taken", "minor", "representative", "operator", "supervisor", "administrator", "integrator"} {
		if _, there := stories[story]; !there {
			t.Errorf("nobody has the story %s", story)
		}
	}
	if stories["snils-taken"].SNILS != stories["standard"].SNILS || stories["snils-taken"].Phone == stories["standard"].Phone {
		t.Error("the SNILS that belongs to another does not")
	}
	if p := stories["totp"]; len(p.TOTPSecret) != 32 || len(p.BackupCodes) != 10 || len(p.BackupCodes[0]) != len("XXXX-XXXX-XXXX-X") {
		t.Errorf("totp: %q %v", p.TOTPSecret, p.BackupCodes)
	}
	if fresh := people(t, base, "?registered=false&limit=20"); len(fresh) != 20 || fresh[0].Story != "ordinary" || fresh[0].Level != "" {
		t.Errorf("%+v", fresh)
	}
}

func TestEveryPasswordIsGoodEnoughForAnAccount(t *testing.T) {
	_, base, _ := start(t, t.TempDir())
	policy := credential.NewPolicy(credential.PolicyConfig{MinLength: 12})
	for _, p := range append(people(t, base, ""), people(t, base, "?registered=false")...) {
		if reason := policy.Check(p.Password, p.Phone, p.Email, p.FamilyName, p.GivenName, p.Birthdate); reason != "" {
			t.Errorf("%s: %q is %s", p.ID, p.Password, reason)
		}
	}
}

func TestTheProvidersFilesAreYAMLForItsOwnerAlone(t *testing.T) {
	data := t.TempDir()
	s, base, _ := start(t, data)
	var cfg struct {
		Issuer string
		SMS    []struct{ URL, Key string }
		Banks  []struct{ Issuer, Secret string }
	}
	var clients struct {
		Clients []struct {
			ID           string
			JWKS         map[string]any
			RedirectURIs []string `yaml:"redirect_uris"`
		}
	}
	for file, into := range map[string]any{s.ConfigurationFile(): &cfg, s.ClientsFile(): &clients} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", file, info.Mode())
		}
	}
	if cfg.Issuer != fmt.Sprintf("http://localhost:%d", base) || len(cfg.SMS) != 1 || len(cfg.Banks) != 2 {
		t.Errorf("%+v", cfg)
	}
	if len(clients.Clients) != 9 || clients.Clients[0].JWKS["keys"] == nil {
		t.Fatalf("%+v", clients)
	}
	keys, _ := clients.Clients[0].JWKS["keys"].([]any)
	if key, ok := keys[0].(map[string]any); !ok || key["x"] == nil || key["d"] != nil {
		t.Error("the portal's public key is not registered, or its private one is")
	}
	if got := clients.Clients[2].RedirectURIs; len(got) != 2 || got[1] != fmt.Sprintf("http://127.0.0.1:%d/callback", base+10) {
		t.Errorf("redirect URIs of demo-compat: %v", got)
	}
}

func TestANamedFolderKeepsTheClockAndThePortalsKey(t *testing.T) {
	data := filepath.Join(t.TempDir(), "stand")
	_, base, stop := start(t, data)
	resp, err := http.Post(fmt.Sprintf("http://localhost:%d/clock", base+4), "application/json", strings.NewReader(`{"advance":"48h"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	key, err := os.ReadFile(filepath.Join(data, "portal.jwk"))
	if err != nil {
		t.Fatal(err)
	}
	stop()
	_, base, _ = start(t, data)
	if _, body := get(t, fmt.Sprintf("http://localhost:%d/clock", base+4)); !strings.Contains(body, "48h0m0s") {
		t.Error(body)
	}
	again, err := os.ReadFile(filepath.Join(data, "portal.jwk"))
	if err != nil || string(again) != string(key) {
		t.Errorf("another key: %v", err)
	}
}

func TestABusyPortIsNamed(t *testing.T) {
	_, base, _ := start(t, t.TempDir())
	if _, err := stand.Open(stand.Options{BasePort: base, Data: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "-base-port") {
		t.Errorf("%v", err)
	}
}
