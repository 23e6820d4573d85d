package op_test

import (
	"crypto/ecdsa"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/keys"
)

// bound asks the token endpoint as the public client, with a proof by the key.
func (h *rig) bound(key *ecdsa.PrivateKey, form url.Values) (int, map[string]any) {
	h.t.Helper()
	form.Set("client_id", "spa")
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("DPoP", makeJWS(h.t, "", key, map[string]any{"typ": "dpop+jwt", "jwk": publicJWK(h.t, key.Public())},
		map[string]any{"jti": keys.RandomID(), "htm": "POST", "htu": issuer + "/token", "iat": h.clock.Now().Unix()}))
	return h.do(r)
}

func (h *rig) boundTokens(key *ecdsa.PrivateKey) map[string]any {
	h.t.Helper()
	c := clientOf("spa")
	status, tokens := h.bound(key, url.Values{"grant_type": {"authorization_code"}, "code": {h.code(c)}, "redirect_uri": {c.RedirectURIs[0]}, "code_verifier": {flowVerifier}})
	if status != http.StatusOK || tokens["token_type"] != "DPoP" {
		h.t.Fatalf("%d %v", status, tokens)
	}
	return tokens
}

func (h *rig) boundRefresh(key *ecdsa.PrivateKey, token string) (int, string) {
	h.t.Helper()
	status, answer := h.bound(key, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	return status, str(answer["refresh_token"])
}

func TestP17ALostAnswerIsGivenAgainToTheKeyItIsBoundTo(t *testing.T) {
	h, key := newRig(t), ecKey(t)
	first := str(h.boundTokens(key)["refresh_token"])
	_, lost := h.boundRefresh(key, first)
	h.clock.Advance(9 * time.Second)
	status, again := h.boundRefresh(key, first)
	if status != http.StatusOK || again != lost {
		t.Fatalf("%d: the same token twice gives two successors, or none", status)
	}
	if status, next := h.boundRefresh(key, again); status != http.StatusOK || next == again {
		t.Fatalf("the successor is answered %d", status)
	}
	if status, _ := h.boundRefresh(key, first); status != http.StatusBadRequest {
		t.Error("a token of two rotations ago is answered")
	}
	if status, _ := h.boundRefresh(key, again); status != http.StatusBadRequest {
		t.Error("the replay did not end the grant")
	}
}

func TestP17AfterTheGraceAReplayEndsTheGrant(t *testing.T) {
	h, key := newRig(t), ecKey(t)
	first := str(h.boundTokens(key)["refresh_token"])
	_, second := h.boundRefresh(key, first)
	h.clock.Advance(11 * time.Second)
	if status, _ := h.boundRefresh(key, first); status != http.StatusBadRequest {
		t.Error("a used token is answered")
	}
	if status, _ := h.boundRefresh(key, second); status != http.StatusBadRequest {
		t.Error("the replay did not end the grant")
	}
}

func TestP17AnotherKeyHasNoGrace(t *testing.T) {
	h, key := newRig(t), ecKey(t)
	first := str(h.boundTokens(key)["refresh_token"])
	_, second := h.boundRefresh(key, first)
	if status, _ := h.boundRefresh(ecKey(t), first); status != http.StatusBadRequest {
		t.Error("another key refreshes")
	}
	if status, _ := h.boundRefresh(key, second); status != http.StatusOK { // who has not the key cannot end the grant either
		t.Error("another key ended the grant")
	}
}

func TestP18ParallelRefreshesByOneKeyGiveOneSuccessor(t *testing.T) {
	h, key := newRig(t), ecKey(t)
	first := str(h.boundTokens(key)["refresh_token"])
	var mu sync.Mutex
	successors := map[string]bool{}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			status, next := h.boundRefresh(key, first)
			mu.Lock()
			defer mu.Unlock()
			if status != http.StatusOK {
				t.Errorf("%d", status)
			}
			successors[next] = true
		})
	}
	all.Wait()
	if len(successors) != 1 {
		t.Fatalf("%d successors", len(successors))
	}
	for next := range successors {
		if status, _ := h.boundRefresh(key, next); status != http.StatusOK {
			t.Errorf("the successor is answered %d", status)
		}
	}
}
