package op

import (
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys"
)

func requestKey(id string) string { return "authrequest/" + id }

// keep stores a request while the person acts.
func (p *Provider) keep(ctx context.Context, req *AuthRequest) error {
	raw, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encoding an authorization request: %w", err)
	}
	if err := p.cfg.Ephemera.Put(ctx, requestKey(req.ID), raw, req.Until().Sub(p.now())); err != nil {
		return fmt.Errorf("keeping an authorization request: %w", err)
	}
	return nil
}

// Request returns a waiting request with its client, or account.ErrNotFound when it is over; kept is what the caller kept of it, or nil.
func (p *Provider) Request(ctx context.Context, id string, kept *AuthRequest) (*AuthRequest, *Client, error) {
	if kept != nil {
		client := p.clients.client(ctx, kept.ClientID)
		if kept.ID != id || client == nil || !p.now().Before(kept.Until()) {
			return nil, nil, account.ErrNotFound
		}
		return kept, client, nil
	}
	raw, ok, err := p.cfg.Ephemera.Get(ctx, requestKey(id))
	return p.request(ctx, raw, ok, err)
}

func (p *Provider) request(ctx context.Context, raw []byte, ok bool, err error) (*AuthRequest, *Client, error) {
	if err != nil {
		return nil, nil, fmt.Errorf("reading an authorization request: %w", err)
	}
	if !ok {
		return nil, nil, account.ErrNotFound
	}
	req := &AuthRequest{}
	if err := json.Unmarshal(raw, req); err != nil {
		return nil, nil, fmt.Errorf("reading an authorization request: %w", err)
	}
	client := p.clients.client(ctx, req.ClientID)
	if client == nil {
		return nil, nil, account.ErrNotFound
	}
	return req, client, nil
}

// Extend lets a person take longer, up to ten times the usual. The request is taken and kept anew: one that was answered a moment ago is
// not brought back.
func (p *Provider) Extend(ctx context.Context, id string) (*AuthRequest, error) {
	req, _, err := p.take(ctx, id)
	if err != nil {
		return nil, err
	}
	if req.Remote == nil {
		req.ExpiresAt = p.now().Add(requestLife)
		if most := req.CreatedAt.Add(requestMost); req.ExpiresAt.After(most) {
			req.ExpiresAt = most
		}
	}
	return req, p.keep(ctx, req)
}

// take spends a waiting request: of two approvals one gets it.
func (p *Provider) take(ctx context.Context, id string) (*AuthRequest, *Client, error) {
	raw, ok, err := p.cfg.Ephemera.Take(ctx, requestKey(id))
	return p.request(ctx, raw, ok, err)
}

// Approve spends the request and makes the response with a code. An authentication that does not meet the request is an
// error: a level is never lowered in silence.
func (p *Provider) Approve(ctx context.Context, id string, auth Authentication) (Response, error) {
	req, client, err := p.take(ctx, id)
	if err != nil {
		return Response{}, err
	}
	return p.grant(ctx, client, req, auth)
}

// Deny spends the request and makes an error response: access_denied, unmet_authentication_requirements, …
func (p *Provider) Deny(ctx context.Context, id, code, description string) (Response, error) {
	req, _, err := p.take(ctx, id)
	if err != nil {
		return Response{}, err
	}
	return p.turnDown(ctx, req, code, description)
}

// turnDown makes an error response, or leaves the refusal for who polls.
func (p *Provider) turnDown(ctx context.Context, req *AuthRequest, code, description string) (Response, error) {
	if req.Remote != nil {
		return p.decide(ctx, req, decision{Refused: code})
	}
	return p.errorResponse(ctx, req, code, description)
}

// grant makes a code for what was approved.
func (p *Provider) grant(ctx context.Context, client *Client, req *AuthRequest, auth Authentication) (Response, error) {
	if !p.Met(req, auth) {
		return p.turnDown(ctx, req, "unmet_authentication_requirements", "[acr.unmet] the person did not reach what acr_values asks")
	}
	if req.Remote != nil {
		return p.allowRemote(ctx, client, req, auth)
	}
	if req.RequestURI != "" {
		if err := p.spendPushed(ctx, req.RequestURI); err != nil {
			return Response{}, err
		}
	}
	if len(req.Details) > 0 {
		if err := p.cfg.Accounts.ActsSigned(ctx, auth.AccountID, client.ID, client.DisplayName("ru"), acts(req.Details, auth.Signed), auth.Origin); err != nil {
			return Response{}, fmt.Errorf("journalling a signature: %w", err)
		}
	}
	code := keys.RandomHandle()
	raw, err := json.Marshal(codeValue{
		ClientID: client.ID, RedirectURI: req.RedirectURI, RedirectGiven: req.RedirectGiven, Challenge: req.Challenge, Scopes: req.Scopes,
		Claims: req.Claims, Nonce: req.Nonce, JKT: req.DPoPJKT, Auth: auth, Details: p.signed(req.Details, auth.Signed), Resources: req.Resources, Customer: req.Customer,
		Until: p.now().Add(codeLife),
	})
	if err != nil {
		return Response{}, fmt.Errorf("encoding a code: %w", err)
	}
	if err := p.cfg.Ephemera.Put(ctx, codeKey(code), raw, codeLife+codeMemory); err != nil {
		return Response{}, fmt.Errorf("keeping a code: %w", err)
	}
	return p.response(ctx, req, map[string]string{"code": code})
}

func (p *Provider) errorResponse(ctx context.Context, req *AuthRequest, code, description string) (Response, error) {
	return p.response(ctx, req, map[string]string{"error": code, "error_description": printableDescription(description)})
}

func printableDescription(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// send answers the browser with an authorization response of our own making.
func (p *Provider) send(w http.ResponseWriter, r *http.Request, response Response) {
	if response.Mode == "form_post" {
		sendForm(w, response)
		return
	}
	to, err := response.Location()
	if err != nil { // it was registered, so it was parsed before
		http.Error(w, "bad redirect URI", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	// 303: a POST that brought the person here is not repeated at the client (RFC 9700 §4.12).
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// formPage is OAuth 2.0 Form Post Response Mode §2, for answers that nobody had to act for. Its one script is allowed by
// its hash; without scripts there is the button.
var formPage = template.Must(template.New("form").Parse(`<!doctype html>
<html lang="ru"><head><meta charset="utf-8"><title>Вход</title><meta name="viewport" content="width=device-width"></head>
<body><main data-page="form-post"><form method="post" action="{{.RedirectURI}}" data-autosubmit>
{{range $k, $v := .Params}}<input type="hidden" name="{{$k}}" value="{{$v}}">
{{end}}<button type="submit" data-action="continue">Продолжить · Continue</button></form></main>
<script>document.forms[0].submit()</script></body></html>`))

// formScript is the policy's hash of the one script above.
var formScript = "'sha256-" + scriptHash("document.forms[0].submit()") + "'"

func sendForm(w http.ResponseWriter, response Response) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	target := response.RedirectURI
	if u, err := url.Parse(target); err == nil {
		target = u.Scheme + "://" + u.Host
	}
	h.Set("Content-Security-Policy", "default-src 'none'; script-src "+formScript+"; form-action "+target+"; frame-ancestors 'none'; base-uri 'none'")
	_ = formPage.Execute(w, response)
}
