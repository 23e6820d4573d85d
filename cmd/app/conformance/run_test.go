package conformance_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// run is one module at work: a fresh browser before the provider.
type run struct {
	testing.TB
	op      *provider
	browser *browser
	mode    string // response_mode of every request; empty: the default
}

// answer is how an authorization request ended: sent back to the client with parameters, or on a page of the provider.
type answer struct {
	url.Values
	page   string // the page that is shown, when the browser did not leave
	status int
	posted bool // by form_post
}

// authorize sends a request as the client does, lets the person act, and reads the answer.
func (r *run) authorize(c *client, changes ...string) answer {
	r.Helper()
	form := c.request(changes...)
	if r.mode != "" && !form.Has("response_mode") {
		form.Set("response_mode", r.mode)
	}
	if c.par {
		pushed := r.push(c, form)
		if pushed.status != http.StatusCreated {
			r.Fatalf("the request was not taken: %d %v", pushed.status, pushed.body)
		}
		form = url.Values{"client_id": {c.id}, "request_uri": {text(pushed.body["request_uri"])}}
	}
	return r.visit(form)
}

// visit sends the browser to the authorization endpoint.
func (r *run) visit(form url.Values) answer {
	r.Helper()
	r.browser.open(r.op.endpoint("authorization_endpoint") + "?" + form.Encode())
	return r.finish()
}

// finish lets the person act and reads where the browser ends.
func (r *run) finish() answer {
	r.Helper()
	b := r.browser
	b.walk()
	if b.left != nil {
		if r.mode == "form_post" {
			r.Errorf("the answer travelled in the address %s", b.left)
		}
		if !strings.HasPrefix(b.left.String(), callback) || b.left.Fragment != "" {
			r.Fatalf("sent to %s", b.left)
		}
		if r.mode == "jwt" {
			return answer{Values: r.signedAnswer(b.left.Query()), status: b.status}
		}
		return answer{Values: b.left.Query(), status: b.status}
	}
	if button := find(b.page, func(n *html.Node) bool { return attr(n, "data-action") == "continue" }); button != nil {
		if to, form := b.form(button); strings.HasPrefix(to, callback) {
			return answer{Values: form, status: b.status, posted: true}
		}
	}
	return answer{page: b.name(), status: b.status}
}

// code is an authorization that must succeed.
func (r *run) code(c *client, changes ...string) string {
	r.Helper()
	a := r.authorize(c, changes...)
	if a.Get("code") == "" || a.Get("state") != c.request(changes...).Get("state") || a.Get("iss") != r.op.issuer {
		r.Fatalf("no code: %+v", a)
	}
	return a.Get("code")
}

// call is a request of a client under way, so that a module may spoil one thing of it.
type call struct {
	form      url.Values
	header    http.Header
	assertion *jwt    // what proves the client, if it proves itself so
	object    *jwt    // that a pushed request is put into, if the client signs its requests
	proof     *jwt    // of possession, if it sends one
	shown     *client // whose certificate is shown instead; one without a certificate shows none
	query     string
	method    string
}

type reply struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a reply) err() string { return text(a.body["error"]) }

// post sends a form to a back-channel endpoint as the client does, and once more when a nonce is asked for: then the proof alone is a new one, and
// the assertion the same, as the suite does it.
func (r *run) post(c *client, endpoint string, form url.Values, spoil ...func(*call)) reply {
	r.Helper()
	var first *call
	got := r.send(c, endpoint, form, append(slices.Clone(spoil), func(x *call) { first = x })...)
	if nonce := got.header.Get("DPoP-Nonce"); got.err() == "use_dpop_nonce" && nonce != "" {
		with := func(x *call) {
			x.assertion = first.assertion
			if x.proof != nil {
				x.proof.claims["nonce"] = nonce
			}
		}
		got = r.send(c, endpoint, form, append(slices.Clone(spoil), with)...)
	}
	return got
}

func (r *run) send(c *client, endpoint string, form url.Values, spoil ...func(*call)) reply {
	r.Helper()
	x := &call{form: maps.Clone(form), header: http.Header{}, method: http.MethodPost}
	x.form["client_id"] = []string{c.id}
	switch c.auth {
	case "client_secret_basic":
		x.form.Del("client_id")
		x.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.id+":"+c.secret)))
	case "client_secret_post":
		x.form.Set("client_secret", c.secret)
	case "private_key_jwt":
		now := r.op.clock.Now()
		x.assertion = &jwt{alg: c.alg, key: c.key, header: map[string]any{"kid": c.keyID()}, claims: map[string]any{
			"iss": c.id, "sub": c.id, "aud": r.op.issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Unix() + 60}}
	}
	if c.proof != nil {
		x.proof = r.proof(c, http.MethodPost, endpoint)
	}
	if c.signs && (endpoint == r.op.endpointOf(c, "pushed_authorization_request_endpoint") || endpoint == r.op.endpointOf(c, "backchannel_authentication_endpoint")) {
		x.object = r.object(c)
	}
	for _, one := range spoil {
		one(x)
	}
	if x.object != nil {
		x.form = x.signed(r)
	}
	if x.assertion != nil {
		x.form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		x.form.Set("client_assertion", x.assertion.sign(r))
	}
	if x.proof != nil {
		x.header.Add("DPoP", x.proof.sign(r))
	}
	return r.fetchAs(r.caller(c, x), x.method, endpoint+x.query, x.form, x.header)
}

// proof is a good proof of possession, yet to be signed.
func (r *run) proof(c *client, method, address string) *jwt {
	return &jwt{alg: "ES256", key: c.proof, header: map[string]any{"typ": "dpop+jwt", "jwk": publicJWK(r, c.proof.Public(), "")},
		claims: map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": r.op.clock.Now().Unix()}}
}

// caller is who connects: most clients alike, those with a certificate each by its own.
func (r *run) caller(c *client, x *call) *http.Client {
	switch {
	case x.shown != nil:
		return r.op.as(x.shown)
	case c.certificate != nil:
		return r.op.as(c)
	}
	return r.op.server.Client()
}

func (r *run) fetch(method, address string, form url.Values, header http.Header) reply {
	r.Helper()
	return r.fetchAs(r.op.server.Client(), method, address, form, header)
}

func (r *run) fetchAs(caller *http.Client, method, address string, form url.Values, header http.Header) reply {
	r.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	}
	q, err := http.NewRequest(method, address, body)
	must(r, err)
	q.Header = header
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := caller.Do(q)
	must(r, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	must(r, err)
	out := reply{status: response.StatusCode, header: response.Header, raw: string(raw)}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		must(r, json.Unmarshal(raw, &out.body))
	}
	return out
}

func (r *run) push(c *client, form url.Values, spoil ...func(*call)) reply {
	r.Helper()
	if r.mode != "" && !form.Has("response_mode") {
		form.Set("response_mode", r.mode)
	}
	return r.post(c, r.op.endpointOf(c, "pushed_authorization_request_endpoint"), form, spoil...)
}

// exchange redeems a code.
func (r *run) exchange(c *client, code string, spoil ...func(*call)) reply {
	r.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}}
	if c.pkce {
		form.Set("code_verifier", verifier)
	}
	return r.post(c, r.op.endpointOf(c, "token_endpoint"), form, spoil...)
}

func (r *run) refresh(c *client, token string, spoil ...func(*call)) reply {
	r.Helper()
	return r.post(c, r.op.endpointOf(c, "token_endpoint"), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, spoil...)
}

// tokens is the whole flow, which must succeed.
func (r *run) tokens(c *client, changes ...string) reply {
	r.Helper()
	got := r.exchange(c, r.code(c, changes...))
	if got.status != http.StatusOK {
		r.Fatalf("no tokens: %d %s", got.status, got.raw)
	}
	return got
}

// userinfo asks with a token, bound or not.
func (r *run) userinfo(c *client, token string, spoil ...func(*call)) reply {
	r.Helper()
	address := r.op.endpointOf(c, "userinfo_endpoint")
	x := &call{form: url.Values{}, header: http.Header{}, method: http.MethodGet}
	x.header.Set("Authorization", "Bearer "+token)
	if c.proof != nil {
		x.header.Set("Authorization", "DPoP "+token)
		x.proof = r.proof(c, http.MethodGet, address)
		x.proof.claims["ath"] = s256(token)
	}
	for _, one := range spoil {
		one(x)
	}
	if x.proof != nil {
		x.header.Add("DPoP", x.proof.sign(r))
	}
	return r.fetchAs(r.caller(c, x), x.method, address+x.query, x.form, x.header)
}

// want fails unless a back-channel answer is this error.
func (r *run) want(got reply, status int, codes ...string) {
	r.Helper()
	if got.status != status {
		r.Errorf("status %d, want %d: %s", got.status, status, got.raw)
	}
	for _, code := range codes {
		if got.err() == code {
			return
		}
	}
	r.Errorf("error %q, want one of %q: %s", got.err(), codes, got.raw)
}

// refused fails unless a request was answered with one of these errors, to the client or (page) to the person.
func (r *run) refused(a answer, codes ...string) {
	r.Helper()
	for _, code := range codes {
		if a.Get("error") == code && a.Get("iss") == r.op.issuer && a.Get("code") == "" {
			return
		}
	}
	r.Errorf("want one of the errors %v: %+v", codes, a)
}

// errorPage fails unless the person was shown the error page and sent nowhere.
func (r *run) errorPage(a answer) {
	r.Helper()
	if a.page != "error" || a.status < 400 || a.status >= 500 || a.Values != nil {
		r.Errorf("want the error page: %+v", a)
	}
}
