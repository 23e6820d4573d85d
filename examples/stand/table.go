package stand

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Table is what the stand prints when it starts: addresses, people and clients.
func (s *Stand) Table() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")) }
	row("ADDRESS", "WHAT")
	row(s.origin(portProvider), "the provider; the cabinet is /me")
	row(s.origin(portPortal), "the services portal")
	row(s.origin(portGreen), "Зелёный банк")
	row(s.origin(portYellow), "Жёлтый банк")
	row(s.origin(portWorld), "the outside world: inbox, people, clock, faults, registries, certificates")
	row(s.origin(portOperations), "the provider's operations: /metrics, /debug/pprof")
	if s.opt.TLS {
		row(s.origin(portMutual), "the provider's endpoints for clients with certificates")
	}
	row(s.origin(portAPI)+"/accounts", "an API that opens to access tokens with the scope accounts")
	row(s.origin(portCaller), "left free for your own client (go run ./examples/hello)")
	row()
	row("PERSON", "LEVEL", "PHONE", "E-MAIL", "PASSWORD")
	for _, r := range s.residents {
		row(r.Story, r.Level, r.Phone, r.Email, r.Password)
	}
	row()
	row("CLIENT", "HOW")
	row("portal", "private_key_jwt, PKCE, PAR, DPoP")
	row("demo-web / demo-web-secret", "client_secret_basic, PKCE")
	row("demo-compat / demo-compat-secret", "client_secret_basic or _post, PKCE not required")
	row("demo-spa", "public, PKCE")
	row("demo-native", "public, PKCE, http://127.0.0.1/callback on any port")
	row("demo-device", "public, device grant")
	row("demo-call / demo-call-secret", "CIBA: an operator asks a person, who answers at /me/requests")
	row("demo-machine / demo-machine-secret", "client_credentials")
	row("demo-api / demo-api-secret", "asks introspection of the tokens that its API is opened by")
	if s.opt.TLS {
		row("demo-mtls", "tls_client_auth, tokens bound to its certificate")
	}
	row("your own", "registered at /register with the initial access token stand, or stand-compat: PKCE not required, or stand-fapi2: FAPI 2.0")
	row()
	row("FILE", "WHAT")
	row(s.ConfigurationFile(), "the provider's configuration")
	row(s.ClientsFile(), "its clients")
	row(s.file("vhod.log"), "its log")
	if s.opt.TLS {
		row(s.file(fileCA), "the authority to trust (SSL_CERT_FILE for Go, NODE_EXTRA_CA_CERTS for Node.js)")
		row(s.file(fileClient), "the certificate of demo-mtls; its key is in "+fileClientKey)
	}
	_ = t.Flush()
	return b.String()
}
