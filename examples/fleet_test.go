package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those that the fleet takes.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA}

func TestKeysRotateHourlyUnderARunningFleetWithoutAFailedVerification(t *testing.T) {
	const hours, size = 12, 4
	s, _ := start(t, t.TempDir(), "-quiet", "-keys-every", "1h")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	f := &fleet{t: t, jwks: s.at(0, "/jwks"), token: s.at(0, "/token")}
	f.fetch()
	var sailing sync.WaitGroup
	for range size {
		sailing.Go(func() { f.sail(ctx) })
	}
	for range hours {
		before := f.verified.Load()
		s.tell("/clock", `{"advance":"1h"}`)
		for deadline := time.Now().Add(10 * time.Second); f.verified.Load() < before+10*size; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the fleet stands still")
			}
		}
		f.fetch() // once an hour, and never because of a token: what signs in the next hour must be there already
	}
	stop()
	sailing.Wait()
	signers := 0
	f.kids.Range(func(any, any) bool { signers++; return true })
	if signers < hours-2 {
		t.Errorf("only %d keys signed in %d hours", signers, hours)
	}
	t.Logf("%d tokens of %d keys verified, none failed", f.verified.Load(), signers)
}

// fleet is services that verify access tokens by themselves, with a key set that they fetched before.
type fleet struct {
	t           *testing.T
	jwks, token string
	hour        sync.RWMutex // held while a token is got and verified, so that no set is older than an hour
	set         *jose.JSONWebKeySet
	kids        sync.Map
	verified    atomic.Int64
}

// fetch waits until the provider has published a key for the hour after this one, which it makes within a moment.
func (f *fleet) fetch() {
	f.t.Helper()
	had := len(algorithms) // one signs from the beginning
	if f.set != nil {
		had = len(f.set.Keys)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		set := &jose.JSONWebKeySet{}
		if getJSON(f.t, f.jwks, set); len(set.Keys) >= had+len(algorithms) {
			f.hour.Lock()
			f.set = set
			f.hour.Unlock()
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatal("no key is published for the next hour")
		}
	}
}

// sail gets tokens and verifies them until ctx ends.
func (f *fleet) sail(ctx context.Context) {
	for ctx.Err() == nil {
		f.hour.RLock()
		kid, err := f.oneToken(f.set)
		f.hour.RUnlock()
		if err != nil {
			f.t.Error(err)
			return
		}
		f.kids.Store(kid, true)
		f.verified.Add(1)
	}
}

func (f *fleet) oneToken(set *jose.JSONWebKeySet) (kid string, err error) {
	request, err := http.NewRequest(http.MethodPost, f.token, strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("demo-machine", "demo-machine-secret")
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s, %v: %s", resp.Status, err, body)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", err
	}
	token, err := jose.ParseSignedCompact(answer.Token, algorithms)
	if err != nil {
		return "", err
	}
	kid = token.Signatures[0].Header.KeyID
	_, err = token.Verify(set)
	if err != nil {
		return "", fmt.Errorf("a token of %s does not verify by a key set of the hour before: %w", kid, err)
	}
	return kid, nil
}
