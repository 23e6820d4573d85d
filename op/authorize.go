package op

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

// Limits of an authorization request.
const (
	requestLife   = time.Hour        // how long a person may take to sign in, or up, or to raise their level
	requestMost   = 10 * requestLife // the same, when they say that they need longer
	maxState      = 2048
	maxNonce      = 512
	maxChallenge  = 128
	leastVerifier = 43 // RFC 7636 §4.1
	mostVerifier  = 128
)

// badRequest is a refusal of an authorization request. Without a trusted redirect URI it is shown on a page of
// ours; with one it goes to the client.
type badRequest struct {
	code      string // OAuth error
	diagnosis Diagnosis
}

func (b *badRequest) Error() string { return b.code + ": " + b.diagnosis.Code }

func refuse(code, diagnosis, description string) *badRequest {
	return &badRequest{code, Diagnosis{Code: diagnosis, Error: code, Description: description}}
}

// authorize is the authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2), GET and POST.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			p.showRefusal(w, r, nil, refuse("invalid_request", "form.broken", "the body is not a form"))
			return
		}
		form = r.PostForm
	}
	if name := repeated(form); name != "" {
		p.showRefusal(w, r, nil, refuse("invalid_request", "form.repeated", "the parameter "+name+" stands more than once"))
		return
	}
	dropEmpty(form)
	if againByGet(w, r, form) {
		return
	}
	client := p.clients.client(r.Context(), form.Get("client_id"))
	if client == nil {
		b := refuse("invalid_client", "client.unknown", "no client has this client_id")
		if !form.Has("client_id") {
			b = refuse("invalid_request", "client.missing", "client_id is missing")
		}
		b.diagnosis.Arrived = printable(form.Get("client_id"))
		p.showRefusal(w, r, nil, b)
		return
	}
	form, requestURI, err := p.pushed(r.Context(), client, form)
	if err != nil {
		p.refuseTo(w, r, client, nil, err)
		return
	}
	if requestURI == "" {
		outside := form
		if form, err = p.signedRequest(r.Context(), client, outside); err != nil {
			req, _ := p.checkRequest(client, outside) // says alone where the error may go
			p.refuseTo(w, r, client, req, err)
			return
		}
	}
	req, err := p.checkRequest(client, form)
	if err != nil {
		p.refuseTo(w, r, client, req, err)
		return
	}
	req.RequestURI = requestURI
	if err := p.begin(w, r, client, req); err != nil {
		p.refuseTo(w, r, client, req, err)
	}
}

// begin answers at once when this browser's session answers the request, and lets the person in otherwise.
func (p *Provider) begin(w http.ResponseWriter, r *http.Request, client *Client, req *AuthRequest) error {
	front := p.cfg.Front()
	need := NeedLogin
	if len(req.Details) > 0 { // nobody signs in silence
		need = NeedInteraction
	} else if !slices.ContainsFunc(req.Prompt, func(v string) bool { return v == "login" || v == "select_account" || v == "create" }) {
		auth, missing, err := front.Decide(r, client, req)
		if err != nil {
			return err
		}
		if missing == NeedNothing && auth != nil {
			response, err := p.grant(r.Context(), client, req, *auth)
			if err != nil {
				return err
			}
			p.send(w, r, response)
			return nil
		}
		need = missing
	}
	if slices.Contains(req.Prompt, "none") {
		return refuse(string(need), "prompt.none", "the person would have to act, and prompt=none forbids it")
	}
	if err := p.keep(r.Context(), req); err != nil {
		return err
	}
	to, err := front.Enter(w, r, client, req)
	if err != nil {
		return err
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// checkRequest reads and checks a request. The request is returned as far as its redirect URI is trusted, so that an error
// can go back.
func (p *Provider) checkRequest(client *Client, form url.Values) (*AuthRequest, error) {
	redirect, err := redirectURI(client, form)
	if err != nil {
		return nil, err
	}
	req := &AuthRequest{
		ID: keys.RandomHandle(), ClientID: client.ID, RedirectURI: redirect, RedirectGiven: form.Has("redirect_uri"),
		ResponseMode: "query", State: form.Get("state"), Nonce: form.Get("nonce"), LoginHint: form.Get("login_hint"),
		UILocales: strings.Fields(form.Get("ui_locales")), Prompt: strings.Fields(form.Get("prompt")), DPoPJKT: form.Get("dpop_jkt"),
		CreatedAt: p.now(),
	}
	if mode, known := responseMode(form); known {
		req.ResponseMode = mode // before all else: errors are answered in it too
	}
	if len(req.State) > maxState {
		req.State = ""
		return req, refuse("invalid_request", "state.long", "state is longer than 2048 bytes")
	}
	for _, check := range []func(*Client, *AuthRequest, url.Values) error{
		checkResponse, checkScopes, p.checkPKCE, checkPrompt, p.checkClaims, p.checkHint, p.checkDetails, checkResource, checkPurpose, checkCustomer,
	} {
		if err := check(client, req, form); err != nil {
			return req, err
		}
	}
	return req, nil
}

// redirectURI holds RFC 9700 §2.1: compared byte by byte; only the port of a native client's loopback address may differ
// (RFC 8252 §7.3).
func redirectURI(client *Client, form url.Values) (string, error) {
	got := form.Get("redirect_uri")
	if got == "" {
		if len(client.RedirectURIs) == 1 && client.Profile != ProfileFAPI2 { // FAPI 2.0 §5.3.2.2 wants it said
			return client.RedirectURIs[0], nil
		}
		return "", redirectRefusal(client, got, "redirect_uri.missing", "redirect_uri is missing, and the client has not exactly one")
	}
	if slices.Contains(client.RedirectURIs, got) {
		return got, nil
	}
	if client.Native && slices.ContainsFunc(client.RedirectURIs, func(known string) bool { return sameLoopback(known, got) }) {
		return got, nil
	}
	return "", redirectRefusal(client, got, "redirect_uri.unknown", "redirect_uri is not one of the client's")
}

// sameLoopback compares two addresses that may differ in the port alone.
func sameLoopback(known, got string) bool {
	k, err1 := url.Parse(known)
	g, err2 := url.Parse(got)
	if err1 != nil || err2 != nil || k.Scheme != "http" || !loopbackHost(k.Hostname()) {
		return false
	}
	if port := g.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return false
		}
	}
	k.Host = k.Hostname()
	if strings.Contains(k.Host, ":") {
		k.Host = "[" + k.Host + "]"
	}
	rest, ok := strings.CutPrefix(got, "http://"+k.Host)
	if g.Port() != "" {
		rest, ok = strings.CutPrefix(rest, ":"+g.Port())
	}
	want, _ := strings.CutPrefix(known, "http://"+k.Host)
	if at := strings.IndexByte(want, '/'); strings.HasPrefix(want, ":") && at > 0 {
		want = want[at:]
	}
	return ok && rest == want
}

func checkResponse(client *Client, req *AuthRequest, form url.Values) error {
	if _, known := responseMode(form); !known {
		return refuse("invalid_request", "response_mode.unknown", "response_mode is one of "+strings.Join(responseModes, ", "))
	}
	switch form.Get("response_type") {
	case "code":
	case "":
		return refuse("invalid_request", "response_type.missing", "response_type=code is needed")
	default:
		return refuse("unsupported_response_type", "response_type.unsupported", "only response_type=code is offered (RFC 9700 2.1.2)")
	}
	if !client.may("authorization_code") {
		return refuse("unauthorized_client", "grant.not_allowed", "the client may not use the code flow")
	}
	if form.Get("request_uri") != "" {
		return refuse("request_uri_not_supported", "request_uri.unsupported", "request_uri is not one that we issued")
	}
	if form.Has("registration") {
		return refuse("registration_not_supported", "registration.unsupported", "no client registers itself by the request (OpenID Connect Core 3.1.2.6)")
	}
	if len(req.Nonce) > maxNonce {
		return refuse("invalid_request", "nonce.long", "nonce is longer than 512 bytes")
	}
	return nil
}

func checkScopes(client *Client, req *AuthRequest, form url.Values) error {
	for _, s := range strings.Fields(form.Get("scope")) {
		if slices.Contains(req.Scopes, s) {
			continue
		}
		if !slices.Contains(client.Scopes, s) {
			description := "the scope " + printable(s) + " is not granted to this client, which has: " + strings.Join(client.Scopes, " ")
			if strings.ContainsAny(s, ",;+") {
				description = printable(s) + " is taken for one scope: several stand with spaces between them (RFC 6749 3.3)"
			}
			return refuse("invalid_scope", "scope.not_granted", description)
		}
		req.Scopes = append(req.Scopes, s)
	}
	if len(req.Scopes) == 0 {
		return refuse("invalid_scope", "scope.missing", "scope is missing: ask for openid at least")
	}
	if !slices.Contains(req.Scopes, "openid") && slices.ContainsFunc(req.Scopes, personalScope) {
		return refuse("invalid_scope", "scope.openid", "scope lacks openid, without which there is neither an ID token nor userinfo")
	}
	return nil
}

// checkPKCE asks for S256 from every client but those of the compat profile (RFC 9700 §2.1.1).
func (p *Provider) checkPKCE(client *Client, req *AuthRequest, form url.Values) error {
	req.Challenge = form.Get("code_challenge")
	method := form.Get("code_challenge_method")
	switch {
	case req.Challenge == "" && method != "":
		return refuse("invalid_request", "pkce.missing", "code_challenge_method stands without a code_challenge")
	case req.Challenge == "" && client.Profile == ProfileCompat && !client.public():
		return nil
	case req.Challenge == "":
		return refuse("invalid_request", "pkce.missing", "code_challenge is missing: PKCE with S256 is needed (RFC 7636)")
	case method == "":
		return refuse("invalid_request", "pkce.plain", "code_challenge_method is missing, which means plain (RFC 7636 4.3): send S256")
	case method != "S256":
		return refuse("invalid_request", "pkce.plain", "code_challenge_method must be S256")
	case len(req.Challenge) != leastVerifier || strings.Trim(req.Challenge, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return refuse("invalid_request", "pkce.form", "code_challenge is not 43 characters of base64url: BASE64URL(SHA256(verifier))")
	}
	return nil
}

func checkPrompt(client *Client, req *AuthRequest, form url.Values) error {
	for _, v := range req.Prompt {
		if !slices.Contains([]string{"none", "login", "consent", "select_account", "create"}, v) {
			return refuse("invalid_request", "prompt.unknown", "prompt "+printable(v)+" is not known")
		}
	}
	if slices.Contains(req.Prompt, "none") && len(req.Prompt) > 1 {
		return refuse("invalid_request", "prompt.none", "prompt=none stands alone")
	}
	if raw := form.Get("max_age"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 0 {
			return refuse("invalid_request", "max_age.form", "max_age is a number of seconds")
		}
		d := time.Duration(n) * time.Second
		req.MaxAge = &d
	} else if client.DefaultMaxAge != nil {
		req.MaxAge = client.DefaultMaxAge // OpenID Connect Registration §2
	}
	return nil
}

// checkHint reads id_token_hint: an ID token of ours for this client, of any age (OpenID Connect Core §3.1.2.1).
func (p *Provider) checkHint(client *Client, req *AuthRequest, form url.Values) error {
	hint := form.Get("id_token_hint")
	if hint == "" {
		return nil
	}
	claims, err := p.readIDToken(hint)
	if err != nil || !slices.Contains(claims.Audience, client.ID) {
		return refuse("invalid_request", "id_token_hint.foreign", "id_token_hint is not an ID token that we issued to this client")
	}
	if req.HintSubject != "" && req.HintSubject != claims.Subject {
		return refuse("invalid_request", "id_token_hint.foreign", "id_token_hint and the sub asked by claims name two people")
	}
	req.HintSubject = claims.Subject
	return nil
}

// refuseTo sends an error to the client when the request has a trusted redirect URI, and shows a page otherwise.
func (p *Provider) refuseTo(w http.ResponseWriter, r *http.Request, client *Client, req *AuthRequest, err error) {
	var b *badRequest
	if !errors.As(err, &b) {
		p.cfg.Log.ErrorContext(r.Context(), "authorization failed", "client", client.ID, "error", err)
		b = refuse("server_error", "internal", "internal error, reference "+r.Header.Get("X-Request-Id"))
		if errors.Is(err, account.ErrNotFound) {
			b = refuse("invalid_request", "request.over", "the request is over or was never ours")
		}
	}
	if req == nil {
		p.showRefusal(w, r, client, b)
		return
	}
	response, err := p.errorResponse(r.Context(), req, b.code, "["+b.diagnosis.Code+"] "+b.diagnosis.Description)
	if err != nil {
		p.cfg.Log.ErrorContext(r.Context(), "answering an authorization request", "client", client.ID, "error", err)
		p.showRefusal(w, r, client, refuse("server_error", "internal", "internal error, reference "+r.Header.Get("X-Request-Id")))
		return
	}
	p.send(w, r, response)
}

// showRefusal shows a refusal on a page of ours: there is nowhere that may be redirected to.
func (p *Provider) showRefusal(w http.ResponseWriter, r *http.Request, client *Client, b *badRequest) {
	d := b.diagnosis
	if client != nil {
		d.ClientID, d.ClientName = client.ID, client.DisplayName("ru")
		d.ReturnURI = client.URI
	}
	d.advise(p.cfg.Issuer)
	p.cfg.Front().Error(w, r, http.StatusBadRequest, d)
}
