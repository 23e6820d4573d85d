// The suite command makes what the OpenID Foundation's conformance suite needs to try the stand: clients for `-apply`, and a configuration for each kind of plan.
//
// Keys and certificates are made anew each time, and are in the folder alone.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func main() {
	var o options
	flag.StringVar(&o.issuer, "issuer", "https://localhost:8080", "the provider")
	flag.StringVar(&o.api, "api", "https://localhost:8087", "the API of the stand, which the variants plain_oauth ask")
	flag.StringVar(&o.suite, "suite", "https://localhost.emobix.co.uk:8443", "the suite, as a browser names it")
	flag.StringVar(&o.alias, "alias", "vhod", "alias of the plans, part of their callback addresses")
	flag.StringVar(&o.phone, "phone", "", "phone of the person who signs in, as the stand prints it")
	flag.StringVar(&o.password, "password", "", "their password")
	dir := flag.String("out", "suite", "folder to write to")
	flag.Parse()
	if err := write(*dir, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct{ issuer, api, suite, alias, phone, password string }

// object is JSON as the suite and `vhod apply` read it.
type object = map[string]any

// write makes clients.yaml and the configurations in a folder that only its owner reads.
func write(dir string, o options) error {
	if o.phone == "" || o.password == "" {
		return errors.New("-phone and -password: of a person whom the stand printed")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	files, err := o.files()
	if err != nil {
		return err
	}
	for name, content := range files {
		text, err := json.MarshalIndent(content, "", "  ") // JSON is YAML
		if err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o600); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return nil
}

func (o options) files() (map[string]object, error) {
	const secret, secret2 = "suite-1-secret", "suite-2-secret"
	clients := []object{
		o.client("suite-1", object{"profile": "oidc-compat", "secret": secret, "auth": []string{"client_secret_basic", "client_secret_post"}}),
		o.client("suite-2", object{"profile": "oidc-compat", "secret": secret2, "auth": []string{"client_secret_basic", "client_secret_post"}}),
	}
	files := map[string]object{}
	fapi, err := o.fapi(files)
	if err != nil {
		return nil, err
	}
	clients = append(clients, fapi...)
	basic, dynamic := o.plan(), o.plan()
	basic["client"], basic["client2"] = object{"client_id": "suite-1", "client_secret": secret}, object{"client_id": "suite-2", "client_secret": secret2}
	basic["client_secret_post"] = basic["client"]
	dynamic["client"], dynamic["client2"] = object{"initial_access_token": "stand-compat"}, object{"initial_access_token": "stand-compat"}
	files["clients.yaml"], files["oidcc.json"], files["oidcc-dynamic.json"] = object{"clients": clients}, basic, dynamic
	return files, nil
}

// fapi makes the configurations of the plans of FAPI 2.0, two clients for each way to prove oneself and to ask: by parameters, or by signed
// requests alone, as the plan of message signing wants it.
func (o options) fapi(files map[string]object) (clients []object, err error) {
	for _, kind := range []struct {
		file, id, auth string
		signs          bool
	}{
		{"fapi2", "suite-fapi", "private_key_jwt", false},
		{"fapi2-mtls", "suite-mtls", "self_signed_tls_client_auth", false},
		{"fapi2-signing", "suite-fapi-signing", "private_key_jwt", true},
		{"fapi2-mtls-signing", "suite-mtls-signing", "self_signed_tls_client_auth", true},
	} {
		openid, oauth := o.plan(), o.plan()
		oauth["resource"] = object{"resourceUrl": o.api + "/accounts"}
		files[kind.file+".json"], files[kind.file+"-oauth.json"] = openid, oauth
		for i, each := range []struct{ client, certificate string }{{"client", "mtls"}, {"client2", "mtls2"}} {
			by, err := newPair(fmt.Sprintf("%s-%d", kind.id, i+1))
			if err != nil {
				return nil, err
			}
			clients = append(clients, o.client(by.id, object{"profile": "fapi2", "auth": []string{kind.auth}, "jwks": by.public(), "require_signed_request_object": kind.signs,
				"tls_client_certificate_bound_access_tokens": true, "audience": []string{o.api}}))
			openid[each.client], oauth[each.client] = by.asClient("openid offline_access"), by.asClient("accounts offline_access")
			openid[each.certificate], oauth[each.certificate] = by.asCertificate(), by.asCertificate()
		}
	}
	return clients, nil
}

// address is one of the suite's under the alias.
func (o options) address(path string) string { return o.suite + "/test/a/" + o.alias + "/" + path }

// client is an entry of clients.yaml. The second redirect URI is that of the FAPI plans' second client.
func (o options) client(id string, more object) object {
	c := object{"id": id, "name": object{"ru": "Проверка соответствия", "en": "Conformance suite"},
		"redirect_uris":             []string{o.address("callback"), o.address("callback?dummy1=lorem&dummy2=ipsum")},
		"post_logout_redirect_uris": []string{o.address("post_logout_redirect")}, "grant_types": []string{"authorization_code", "refresh_token"},
		"scopes": []string{"openid", "profile", "phone", "email", "address", "snils", "inn", "id_doc", "offline_access", "accounts"}}
	for name, value := range more {
		c[name] = value
	}
	return c
}

// plan is what every configuration has: where the provider is, and how a browser gets through its pages by their stable names.
func (o options) plan() object {
	page := func(task, path string, commands ...[]any) object {
		return object{"task": task, "optional": true, "match": o.issuer + path, "commands": commands}
	}
	press := func(action string) []any { return []any{"click", "css", `[data-action="` + action + `"]`} }
	return object{
		"alias": o.alias, "description": "Vhod, the stand", "server": object{"discoveryUrl": o.issuer + "/.well-known/openid-configuration"},
		"resource": object{"resourceUrl": o.issuer + "/userinfo"},
		"browser": []object{{"match": o.issuer + "/authorize*", "tasks": []object{
			page("Who", "/login?*", []any{"text", "id", "identifier", o.phone}, press("continue")),
			page("Password", "/login/password*", []any{"text", "id", "password", o.password}, press("continue")),
			page("Consent", "/login/consent*", press("allow")),
			{"task": "Back", "match": "*/test/a/" + o.alias + "/callback*", "commands": []any{[]any{"wait", "id", "submission_complete", 10}}},
		}}, {"match": o.issuer + "/end_session*", "tasks": []object{
			page("Sign out", "/end_session*", append(press("continue"), "optional")),
		}}},
	}
}

// pair is a key with a certificate that it made for itself.
type pair struct {
	id   string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newPair(id string) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: id}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return &pair{id, key, cert}, nil
}

func (p *pair) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: p.key, KeyID: p.id, Algorithm: string(jose.ES256), Use: "sig", Certificates: []*x509.Certificate{p.cert}}
}

func (p *pair) public() jose.JSONWebKeySet {
	private := p.jwk()
	public := private.Public()
	public.Certificates = []*x509.Certificate{p.cert}
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}
}

func (p *pair) asClient(scope string) object {
	return object{"client_id": p.id, "scope": scope, "dpop_signing_alg": "ES256", "jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.jwk()}}}
}

func (p *pair) asCertificate() object {
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil { // a key of P-256 always encodes
		return nil
	}
	return object{"cert": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})), "key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
}
