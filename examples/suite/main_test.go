package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vhod-id/vhod/cmd/app"
)

var sample = options{"https://localhost:8080", "https://localhost:8087", "https://suite.example", "vhod", "+79001003039", "a password"}

func TestTheSuitesClientsAreWhatApplyReads(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, sample); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "clients.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := app.ReadSettings(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(settings.Clients) != 10 || strings.Contains(string(text), `"d":`) {
		t.Errorf("%d clients, or a private key among them:\n%s", len(settings.Clients), text)
	}
	for _, c := range settings.Clients {
		if c.RequireSigned != strings.Contains(c.ID, "signing") {
			t.Errorf("%s is held to signed requests: %v", c.ID, c.RequireSigned)
		}
	}
}

func TestEveryPlanHasItsClientsAndNobodyElseReadsThem(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, sample); err != nil {
		t.Fatal(err)
	}
	for file, needs := range map[string][]string{"oidcc.json": {"client_secret"}, "oidcc-dynamic.json": {"initial_access_token"}, "fapi2.json": {"jwks", "dpop_signing_alg"},
		"fapi2-mtls.json": {"jwks"}, "fapi2-oauth.json": {"scope"}, "fapi2-mtls-oauth.json": {"scope"},
		"fapi2-signing.json": {"jwks"}, "fapi2-mtls-signing.json": {"jwks"}, "fapi2-signing-oauth.json": {"scope"}, "fapi2-mtls-signing-oauth.json": {"scope"}} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		var plan struct{ Client, Client2, MTLS, MTLS2 map[string]any }
		if err := json.Unmarshal(text, &plan); err != nil {
			t.Fatal(err)
		}
		if scope, _ := plan.Client["scope"].(string); strings.HasPrefix(file, "fapi2") && !strings.Contains(scope, "offline_access") {
			t.Errorf("%s asks for no refresh token, so that the module about it is left out: %s", file, scope)
		}
		for _, name := range needs {
			if plan.Client[name] == nil || plan.Client2[name] == nil {
				t.Errorf("%s: a client without %s", file, name)
			}
		}
		if strings.HasPrefix(file, "fapi2") && (plan.MTLS["cert"] == nil || plan.MTLS2["key"] == nil || plan.MTLS["key"] == plan.MTLS2["key"]) {
			t.Errorf("%s: %v %v", file, plan.MTLS["cert"], plan.MTLS2["cert"])
		}
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info.Mode(), err)
		}
	}
	if err := write(dir, options{issuer: "https://localhost:8080"}); err == nil {
		t.Error("nobody signs in, and nothing is said")
	}
}
