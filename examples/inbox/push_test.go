package inbox_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// pusher is who sends messages.
type pusher struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	public string
}

func newPusher(t *testing.T) pusher {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return pusher{t, key, base64.RawURLEncoding.EncodeToString(point)}
}

func (p pusher) header(audience string, until time.Time) string {
	p.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{Audience: jwt.Audience{audience}, Expiry: jwt.NewNumericDate(until)}).Serialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return "vapid t=" + token + ", k=" + p.public
}

func TestThePushServiceIsAsStrictAsRealOnes(t *testing.T) {
	w, us, stranger := open(t), newPusher(t), newPusher(t)
	var got struct{ Endpoint string }
	if status := w.call(t, "POST", "/push/subscriptions", `{"applicationServerKey":"`+us.public+`"}`, &got); status != 201 {
		t.Fatalf("subscribing is answered %d", status)
	}
	here, soon := "http://example.com", w.clock.Now().Add(time.Hour)
	for name, row := range map[string]struct {
		path, authorization, ttl, coding string
		body                             int
		want                             int
	}{
		"a stranger's key":      {got.Endpoint, stranger.header(here, soon), "60", "aes128gcm", 100, 403},
		"for another service":   {got.Endpoint, us.header("https://push.example", soon), "60", "aes128gcm", 100, 403},
		"expired":               {got.Endpoint, us.header(here, w.clock.Now().Add(-time.Minute)), "60", "aes128gcm", 100, 403},
		"for longer than a day": {got.Endpoint, us.header(here, w.clock.Now().Add(25*time.Hour)), "60", "aes128gcm", 100, 403},
		"nobody":                {got.Endpoint, "", "60", "aes128gcm", 100, 403},
		"no TTL":                {got.Endpoint, us.header(here, soon), "", "aes128gcm", 100, 400},
		"in the clear":          {got.Endpoint, us.header(here, soon), "60", "", 100, 415},
		"too long":              {got.Endpoint, us.header(here, soon), "60", "aes128gcm", 4097, 413},
		"not for this browser":  {got.Endpoint, us.header(here, soon), "60", "aes128gcm", 100, 400},
		"an unknown browser":    {"/push/nobody", us.header(here, soon), "60", "aes128gcm", 100, 404},
	} {
		r := httptest.NewRequest("POST", row.path, bytes.NewReader(make([]byte, row.body)))
		r.Header.Set("Authorization", row.authorization)
		r.Header.Set("TTL", row.ttl)
		r.Header.Set("Content-Encoding", row.coding)
		rec := httptest.NewRecorder()
		w.http.ServeHTTP(rec, r)
		if rec.Code != row.want {
			t.Errorf("%s is answered %d %s, not %d", name, rec.Code, rec.Body, row.want)
		}
	}
	w.call(t, "DELETE", strings.TrimPrefix(got.Endpoint, here), "", nil)
	if status := w.call(t, "POST", strings.TrimPrefix(got.Endpoint, here), "x", nil); status != 410 {
		t.Errorf("a subscription that is over answers %d", status)
	}
}
