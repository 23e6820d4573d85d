package conformance_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// parallel is how many take the same thing at the same time (X11).
const parallel = 50

// winners lets many do the same at once and counts to whom it was given.
func winners(attempt func() bool) int {
	var won atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for range parallel {
		all.Go(func() {
			<-start
			if attempt() {
				won.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	return int(won.Load())
}

func TestOfFiftyParallelUsesOfOneSecretOneWinsOnEveryNode(t *testing.T) {
	onStores(t, func(t *testing.T, p *provider) {
		for name, race := range map[string]func(*run){
			"code": raceForACode, "refresh token": raceForARefreshToken, "request_uri": raceForAPushedRequest,
			"client assertion": raceWithAnAssertion, "proof of possession": raceWithAProof,
		} {
			t.Run(name, func(t *testing.T) { race(&run{TB: t, op: p, browser: p.browser(t)}) })
		}
	})
}

func raceForACode(r *run) {
	c := r.op.ids.web
	code := r.code(c)
	var token atomic.Value
	won := winners(func() bool {
		got := r.exchange(c, code)
		if got.status == http.StatusOK {
			token.Store(text(got.body["access_token"]))
		}
		return got.status == http.StatusOK
	})
	if won != 1 {
		r.Fatalf("%d of %d redeemed one code", won, parallel)
	}
	r.want(r.exchange(c, code), http.StatusBadRequest, "invalid_grant") // the winner's grant stands by now
	if info := r.userinfo(c, text(token.Load())); info.status != http.StatusUnauthorized {
		r.Errorf("what came of a replayed code lives: %d", info.status)
	}
}

func raceForARefreshToken(r *run) {
	c := r.op.ids.web
	token := text(r.tokens(c).body["refresh_token"])
	var next atomic.Value
	won := winners(func() bool {
		got := r.refresh(c, token)
		if got.status == http.StatusOK {
			next.Store(text(got.body["refresh_token"]))
		}
		return got.status == http.StatusOK
	})
	if won != 1 {
		r.Fatalf("%d of %d refreshed by one token", won, parallel)
	}
	r.want(r.refresh(c, text(next.Load())), http.StatusBadRequest, "invalid_grant") // the replays ended the family
}

func raceForAPushedRequest(r *run) {
	c := r.op.ids.fapi
	r.signedIn(c)
	form := r.pushed(c)
	quiet := &http.Client{Jar: r.browser.http.Jar, Transport: r.op.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	won := winners(func() bool {
		response, err := quiet.Get(r.op.endpoint("authorization_endpoint") + "?" + form.Encode())
		if err != nil {
			r.Error(err)
			return false
		}
		defer response.Body.Close()
		to, err := url.Parse(response.Header.Get("Location"))
		return err == nil && to.Query().Get("code") != ""
	})
	if won != 1 {
		r.Errorf("%d of %d got a code for one pushed request", won, parallel)
	}
}

func raceWithAnAssertion(r *run) {
	c := r.op.ids.fapi
	now := r.op.clock.Now().Unix()
	assertion := jwt{alg: c.alg, key: c.key, header: map[string]any{"kid": c.id}, claims: map[string]any{
		"iss": c.id, "sub": c.id, "aud": r.op.issuer, "jti": "one", "iat": now, "exp": now + 60}}.sign(r)
	form := c.request()
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	won := winners(func() bool {
		return r.fetch(http.MethodPost, r.op.endpoint("pushed_authorization_request_endpoint"), form, http.Header{}).status == http.StatusCreated
	})
	if won != 1 {
		r.Errorf("one assertion was taken %d times of %d", won, parallel)
	}
}

func raceWithAProof(r *run) {
	c := r.op.ids.fapi
	token := text(r.tokens(c).body["access_token"])
	address := r.op.endpoint("userinfo_endpoint")
	proof := r.proof(c, http.MethodGet, address)
	proof.claims["ath"] = s256(token)
	signed := proof.sign(r)
	var refusals sync.Map
	won := winners(func() bool {
		got := r.fetch(http.MethodGet, address, nil, http.Header{"Authorization": {"DPoP " + token}, "Dpop": {signed}})
		if got.status != http.StatusOK && !strings.Contains(got.raw, "proof.replayed") {
			refusals.Store(got.raw, true)
		}
		return got.status == http.StatusOK
	})
	if won != 1 {
		r.Errorf("one proof was taken %d times of %d", won, parallel)
	}
	refusals.Range(func(what, _ any) bool { r.Errorf("refused for another reason: %v", what); return true })
}
