package conformance_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// module is one module of a plan: its name in the suite, and what it makes sure of.
type module struct {
	name  string
	about string
	run   func(r *run)
}

// plan runs its modules one after another against one provider, each with a browser of its own.
func plan(t *testing.T, name string, modules []module, mode string, prepare ...func(*provider)) {
	onStores(t, func(t *testing.T, p *provider) {
		for _, one := range prepare {
			one(p)
		}
		for _, m := range modules {
			ok := t.Run(m.name, func(t *testing.T) { m.run(&run{TB: t, op: p, browser: p.browser(t), mode: mode}) })
			t.Logf("%-28s %-75s %s", name, m.name, map[bool]string{true: "PASSED", false: "FAILED"}[ok])
		}
	})
}

// plans are all that stand on the page docs/conformance.md.
func plans() []struct {
	title, test string
	modules     []module
} {
	return []struct {
		title, test string
		modules     []module
	}{
		{"Config OP (`oidcc-config-certification`)", "TestConf_config", configModules()},
		{"Basic OP (`oidcc-basic-certification`)", "TestConf_basic", basicModules()},
		{"Form Post OP (`oidcc-formpost-basic`): the same modules with `response_mode=form_post`", "TestConf_formpost", basicModules()},
		{"Dynamic OP (`oidcc-dynamic-certification`), private_key_jwt, by an initial access token", "TestConf_dynamic", dynamicModules()},
		{"3rd-party-initiated login OP (`oidcc-3rdparty-init-login-certification`)", "TestConf_thirdparty", thirdPartyModules()},
		{"Back-channel logout OP (`oidcc-backchannel-rp-initiated-logout-certification`)", "TestConf_backchannel", backchannelModules()},
		{"Front-channel logout OP (`oidcc-frontchannel-rp-initiated-logout-certification`)", "TestConf_frontchannel", frontchannelModules()},
		{"FAPI 2.0 Security Profile Final (`fapi2-security-profile-final-test-plan`), private_key_jwt with DPoP, OpenID Connect", "TestConf_fapi2", fapiModules()},
		{"FAPI 2.0 Security Profile Final, private_key_jwt with mutual TLS: the modules that are not about DPoP, and those of certificates", "TestConf_fapi2mtls", mutualModules()},
		{"FAPI 2.0 Security Profile Final, mutual TLS with mutual TLS: certificates in the place of assertions as well", "TestConf_fapi2mtlsmtls", certificateModules()},
		{"FAPI 2.0 Security Profile Final, the variants `plain_oauth`: private_key_jwt with DPoP", "TestConf_fapi2oauth", oauthModules(fapiModules())},
		{"The same, private_key_jwt with mutual TLS", "TestConf_fapi2oauthmtls", oauthModules(mutualModules())},
		{"The same, mutual TLS with mutual TLS", "TestConf_fapi2oauthmtlsmtls", oauthModules(certificateModules())},
		{"FAPI 2.0 Message Signing Final (`fapi2-message-signing-final-test-plan`): the modules of the Security Profile with signed requests and signed responses, those of request objects, and signed introspection", "TestConf_fapi2signing", signingModules()},
		{"FAPI-CIBA (`fapi-ciba-id1-test-plan`), poll and ping, signed requests, private_key_jwt with DPoP", "TestConf_ciba", cibaModules()},
		{"OpenID Connect for Identity Assurance OP (`ekyc-test-plan-oidccore`), by userinfo and ID token; the last module is ours", "TestConf_ekyc", ekycModules()},
		{"RP-initiated logout OP (`oidcc-rp-initiated-logout-certification`)", "TestConf_logout", logoutModules()},
	}
}

func TestGoldenConformancePageListsEveryModule(t *testing.T) {
	var page strings.Builder
	page.WriteString(`# Conformance

What the OpenID Foundation's suite asks of a provider, module by module, and the test that asks the same of the whole product by HTTPS (cmd/app/conformance).
Every module is a subtest; ` + "`go test ./cmd/app/conformance -v`" + ` prints the table with its results. It runs on the embedded stores and, in ` + "`make test`" + `, on two nodes over PostgreSQL with Redis.
The implicit and hybrid plans are out: what they want is refused (RFC 9700 §2.1.2). The page is written by the test that holds it (` + "`UPDATE_GOLDEN=1`" + `).
How the suite itself is run against the stand: [suite.md](suite.md).
`)
	seen := map[string]bool{}
	for _, p := range plans() {
		fmt.Fprintf(&page, "\n## %s\n\n`%s`, modules: %d.\n\n| module | what it makes sure of |\n|---|---|\n", p.title, p.test, len(p.modules))
		for _, m := range p.modules {
			if seen[p.test+m.name] || m.about == "" {
				t.Errorf("%s: %q stands twice or says nothing", p.test, m.name)
			}
			seen[p.test+m.name] = true
			fmt.Fprintf(&page, "| `%s` | %s |\n", m.name, m.about)
		}
	}
	const golden = "../../../docs/conformance.md"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		must(t, os.WriteFile(golden, []byte(page.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if diff := cmp.Diff(string(want), page.String()); diff != "" {
		t.Errorf("docs/conformance.md is not what the tests hold:\n%s", diff)
	}
}
