package bank

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vhod-id/vhod/examples/faults"
)

// Kinds of kept requests.
const (
	pending  = "request:"
	issued   = "code:"
	bearable = "token:"
)

// maxTries is how many wrong passwords end a request.
const maxTries = 5

// authorize checks a request and starts the pages. What is wrong with the client or the redirect URI is
// shown here; everything else goes back to the relying party.
func (b *Bank) authorize(w http.ResponseWriter, r *http.Request, outcome faults.Outcome) {
	q := r.URL.Query()
	redirect := q.Get("redirect_uri")
	if q.Get("client_id") != b.cfg.ClientID || !slices.Contains(b.cfg.RedirectURIs, redirect) {
		b.show(w, http.StatusBadRequest, page{Name: "bank-error", Title: "Запрос не принят", Error: "Сервис или адрес возврата банку не известны."})
		return
	}
	req := request{RedirectURI: redirect, State: q.Get("state"), Nonce: q.Get("nonce"),
		Challenge: q.Get("code_challenge"), Scopes: strings.Fields(q.Get("scope")), Browser: b.browser(w, r)}
	switch {
	case outcome == faults.Refuse:
		b.goBack(w, r, req, "error", "access_denied")
	case q.Get("response_type") != "code":
		b.goBack(w, r, req, "error", "unsupported_response_type")
	case !slices.Contains(req.Scopes, "openid"):
		b.goBack(w, r, req, "error", "invalid_scope")
	case req.Challenge == "" || q.Get("code_challenge_method") != "S256":
		b.goBack(w, r, req, "error", "invalid_request")
	default:
		http.Redirect(w, r, "/login?request="+b.memory.put(pending, req, requestLife), http.StatusSeeOther)
	}
}

// browser returns the browser's cookie, which binds a request to the browser that brought it.
func (b *Bank) browser(w http.ResponseWriter, r *http.Request) string {
	name := "bank-" + b.cfg.ID
	if c, err := r.Cookie(name); err == nil && len(c.Value) >= 26 {
		return c.Value
	}
	value := rand.Text()
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(b.cfg.Issuer, "https:")})
	return value
}

// current returns the request that a page belongs to, or shows that there is none.
func (b *Bank) current(w http.ResponseWriter, r *http.Request) (string, request, bool) {
	id := r.FormValue("request")
	req, ok := b.memory.get(pending, id)
	if c, err := r.Cookie("bank-" + b.cfg.ID); !ok || err != nil || c.Value != req.Browser {
		b.show(w, http.StatusGone, page{Name: "bank-error", Title: "Время вышло", Error: "Вернитесь в сервис и начните снова."})
		return "", request{}, false
	}
	return id, req, true
}

func (b *Bank) login(w http.ResponseWriter, r *http.Request) {
	if id, _, ok := b.current(w, r); ok {
		b.show(w, http.StatusOK, page{Name: "bank-login", Title: "Вход в " + b.cfg.Name, Request: id})
	}
}

func (b *Bank) signIn(w http.ResponseWriter, r *http.Request) {
	id, req, ok := b.current(w, r)
	if !ok {
		return
	}
	c, known := b.customer(strings.TrimSpace(r.PostFormValue("username")))
	right := subtle.ConstantTimeCompare([]byte(c.Password), []byte(r.PostFormValue("password"))) == 1
	switch {
	case known && right:
		b.memory.change(pending, id, func(req *request) { req.Username, req.AuthTime = c.Username, b.cfg.Now() })
		http.Redirect(w, r, "/consent?request="+id, http.StatusSeeOther)
	case req.Tries+1 >= maxTries:
		b.memory.take(pending, id)
		b.goBack(w, r, req, "error", "access_denied")
	default:
		b.memory.change(pending, id, func(req *request) { req.Tries++ })
		b.show(w, http.StatusUnprocessableEntity, page{Name: "bank-login", Title: "Вход в " + b.cfg.Name, Request: id, Error: "Имя или пароль не подходят."})
	}
}

func (b *Bank) consent(w http.ResponseWriter, r *http.Request) {
	id, req, ok := b.current(w, r)
	if !ok {
		return
	}
	c, known := b.customer(req.Username)
	if !known {
		http.Redirect(w, r, "/login?request="+id, http.StatusSeeOther)
		return
	}
	b.show(w, http.StatusOK, page{Name: "bank-consent", Title: "Передать данные?", Request: id,
		Person: c.FamilyName + " " + c.GivenName, Shared: shared(req.Scopes)})
}

// decide takes the answer of the person: decision=allow or deny.
func (b *Bank) decide(w http.ResponseWriter, r *http.Request) {
	id, req, ok := b.current(w, r)
	if !ok {
		return
	}
	if req.Username == "" {
		http.Redirect(w, r, "/login?request="+id, http.StatusSeeOther)
		return
	}
	b.memory.take(pending, id)
	if r.PostFormValue("decision") != "allow" {
		b.goBack(w, r, req, "error", "access_denied")
		return
	}
	b.goBack(w, r, req, "code", b.memory.put(issued, req, codeLife))
}

// goBack sends the browser to the relying party with one parameter, state and iss.
func (b *Bank) goBack(w http.ResponseWriter, r *http.Request, req request, name, value string) {
	u, err := url.Parse(req.RedirectURI)
	if err != nil {
		http.Error(w, "redirect URI", http.StatusInternalServerError)
		return
	}
	q := u.Query()
	q.Set(name, value)
	q.Set("iss", b.cfg.Issuer)
	if req.State != "" {
		q.Set("state", req.State)
	}
	u.RawQuery = q.Encode()
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
}
