package op

import (
	"errors"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// mux is the table of the provider's routes.
func (p *Provider) mux() http.Handler {
	mux := http.NewServeMux()
	registers := len(p.cfg.Registration) > 0
	for _, route := range []struct {
		path    string
		methods string
		cors    bool // RFC 6749 and OpenID Connect name them for clients in browsers
		open    bool
		handle  http.HandlerFunc
	}{
		{"/.well-known/openid-configuration", "GET", true, true, p.oidcDocument},
		{"/.well-known/oauth-authorization-server", "GET", true, true, p.oauthDocument},
		{"/jwks", "GET", true, true, p.jwks},
		{"/authorize", "GET POST", false, true, p.authorize},
		{"/par", "POST", false, true, p.back(p.par)},
		{"/device_authorization", "POST", true, true, p.back(p.device)},
		{"/bc-authorize", "POST", false, true, p.back(p.backchannelAuthentication)},
		{"/token", "POST", true, true, p.back(p.token)},
		{"/userinfo", "GET POST", true, true, p.userinfo},
		{"/introspect", "POST", false, true, p.back(p.introspect)},
		{"/revoke", "POST", true, true, p.back(p.revoke)},
		{"/end_session", "GET POST", false, true, p.endSession},
		{"/.well-known/ssf-configuration", "GET", true, true, p.ssfDocument},
		{"/ssf/stream", "GET POST PUT PATCH DELETE", false, true, p.answering(p.serveStream)},
		{"/ssf/status", "GET POST", false, true, p.answering(p.serveStatus)},
		{"/ssf/verify", "POST", false, true, p.answering(p.serveVerify)},
		{"/ssf/poll", "POST", false, true, p.answering(p.pollEvents)},
		{"/register", "POST", false, registers, p.answering(p.register)},
		{"/register/{id}", "GET PUT DELETE", false, registers, p.answering(p.manage)},
	} {
		if route.open {
			mux.Handle(route.path, only(route.methods, route.cors, route.handle))
		}
	}
	return mux
}

// Headers that are the same in every answer: shared, and changed by nobody.
var (
	anyOrigin = []string{"*"}
	exposed   = []string{"WWW-Authenticate, DPoP-Nonce"}
)

// only refuses other methods (X15) and answers preflights. Answers to other origins carry no credentials: a browser client
// sends its token itself.
func only(methods string, cors bool, next http.HandlerFunc) http.Handler {
	allowed := strings.Fields(methods)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cors {
			h := w.Header()
			h["Access-Control-Allow-Origin"], h["Access-Control-Expose-Headers"] = anyOrigin, exposed
		}
		if cors && r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", strings.Join(allowed, ", "))
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
			w.Header().Set("Access-Control-Max-Age", "3600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		for _, m := range allowed {
			if r.Method == m || (m == http.MethodGet && r.Method == http.MethodHead) {
				next(w, r)
				return
			}
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	})
}

// back is the strict layer of the endpoints that clients post to: one form, no repeated parameter, nothing that matters in
// the query, and an answer that nobody keeps.
func (p *Provider) back(handle func(http.ResponseWriter, *http.Request, url.Values) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, err := strictForm(r)
		if err == nil {
			err = handle(w, r, form)
		}
		if err != nil {
			p.answerError(w, r, err)
		}
	}
}

// strictForm reads a posted form (RFC 6749 §3.2): application/x-www-form-urlencoded, no parameter twice, none in the query.
func strictForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, fault("invalid_request", "[form.type] the body must be application/x-www-form-urlencoded (RFC 6749 §3.2)")
	}
	if r.URL.RawQuery != "" {
		return nil, fault("invalid_request", "[form.query] parameters belong into the body, not into the query (RFC 6749 §3.2)")
	}
	if err := r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, &wireError{status: http.StatusRequestEntityTooLarge, code: "invalid_request", description: "the body is too large"}
		}
		return nil, fault("invalid_request", "[form.broken] the body is not a form")
	}
	if name := repeated(r.PostForm); name != "" {
		return nil, fault("invalid_request", "[form.repeated] the parameter %s stands more than once (RFC 6749 §3.1)", name)
	}
	dropEmpty(r.PostForm)
	return r.PostForm, nil
}

// dropEmpty takes out parameters without a value: they are as if they were omitted (RFC 6749 §3.1, §3.2).
func dropEmpty(form url.Values) {
	maps.DeleteFunc(form, func(_ string, values []string) bool { return len(values) == 1 && values[0] == "" })
}

// repeated names a parameter that stands more than once. resource may (RFC 8707 §2).
func repeated(form url.Values) string {
	for name, values := range form {
		if len(values) > 1 && name != "resource" {
			return printable(name)
		}
	}
	return ""
}

// printable shortens and cleans what came from outside, before it stands in a description (RFC 6749 §5.2: no quotes, no
// control characters).
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < 0x20 || r > 0x7e || r == '\\':
			return '?'
		}
		return r
	}, s)
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return s
}
