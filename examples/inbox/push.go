package inbox

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/vhod-id/vhod/examples/faults"
)

// FaultPush is the push service's name in the faults of the stand.
const FaultPush = "push"

// longestPush is the most that a push service must take (RFC 8030 §7.2).
const longestPush = 4096

// browser is a subscription of a browser that takes messages, with the keys that only the browser has.
type browser struct {
	server string // the key of whom it subscribed to: applicationServerKey in base64url
	key    *ecdh.PrivateKey
	auth   []byte
	gone   bool
}

// browsers are all that subscribed.
type browsers struct {
	mu  sync.Mutex
	all map[string]browser
}

func (b *browsers) find(id string) (browser, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found, ok := b.all[id]
	return found, ok
}

func (b *browsers) keep(id string, one browser) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[id] = one
}

// pushSubscription is what PushSubscription.toJSON gives (Push API §7).
type pushSubscription struct {
	Endpoint       string   `json:"endpoint"`
	ExpirationTime *int64   `json:"expirationTime"`
	Keys           pushKeys `json:"keys"`
}

type pushKeys struct {
	P256dh string `json:"p256dh"`
	Auth   string `json:"auth"`
}

// subscribe is what PushManager.subscribe does: POST /push/subscriptions {"applicationServerKey":"…"} makes a browser, and
// answers with its subscription.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Key string `json:"applicationServerKey"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&in)
	if _, keyErr := publicKey(in.Key); errors.Join(err, keyErr) != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": `the body is {"applicationServerKey":"…"}, an uncompressed point of P-256 in base64url`})
		return
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	one, id := browser{server: in.Key, key: key, auth: make([]byte, 16)}, rand.Text()
	_, _ = rand.Read(one.auth)
	s.browsers.keep(id, one)
	encode := base64.RawURLEncoding.EncodeToString
	answer(w, http.StatusCreated, pushSubscription{
		Endpoint: origin(r) + "/push/" + id, Keys: pushKeys{P256dh: encode(key.PublicKey().Bytes()), Auth: encode(one.auth)},
	})
}

// unsubscribe ends a subscription: DELETE /push/ID. Messages to it are answered 410 from then on.
func (s *Server) unsubscribe(w http.ResponseWriter, r *http.Request) {
	one, ok := s.browsers.find(r.PathValue("id"))
	if !ok {
		answer(w, http.StatusNotFound, map[string]string{"error": "there is no such subscription"})
		return
	}
	one.gone = true
	s.browsers.keep(r.PathValue("id"), one)
	w.WriteHeader(http.StatusNoContent)
}

// push is the push service: POST /push/ID (RFC 8030 §5). It plays the browser too, and reads the message.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	one, ok := s.browsers.find(r.PathValue("id"))
	switch outcome := s.cfg.Faults.Strike(r.Context(), FaultPush); {
	case outcome == faults.Down || outcome == faults.Timeout:
		panic(http.ErrAbortHandler)
	case !ok:
		answer(w, http.StatusNotFound, map[string]string{"error": "there is no such subscription"})
		return
	case one.gone || outcome == faults.Refuse:
		answer(w, http.StatusGone, map[string]string{"error": "the subscription is over"})
		return
	}
	if status, err := s.refusePush(r, one); err != nil {
		answer(w, status, map[string]string{"error": err.Error()})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestPush))
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, map[string]string{"error": "a message has at most 4096 bytes"})
		return
	}
	plain, err := one.read(body)
	var text struct{ Title, Body string }
	if err := errors.Join(err, json.Unmarshal(plain, &text)); err != nil { // a service cannot tell; the stand's says so
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	s.cfg.Box.Add(Message{Channel: "push", To: r.PathValue("id"), Subject: text.Title, Text: text.Body})
	w.Header().Set("Location", origin(r)+"/push/messages/"+rand.Text())
	w.WriteHeader(http.StatusCreated)
}

// refusePush says what is wrong with a message before it is read: RFC 8030 §5.2 to §5.4, RFC 8292 §4.2.
func (s *Server) refusePush(r *http.Request, to browser) (status int, err error) {
	if err := authorized(r.Header.Get("Authorization"), to.server, origin(r), s.cfg.Clock.Now()); err != nil {
		return http.StatusForbidden, err
	}
	if n, err := strconv.Atoi(r.Header.Get("TTL")); err != nil || n < 0 {
		return http.StatusBadRequest, errors.New("TTL is a number of seconds")
	}
	if r.Header.Get("Content-Encoding") != "aes128gcm" {
		return http.StatusUnsupportedMediaType, errors.New("the Content-Encoding is aes128gcm (RFC 8291)")
	}
	if len(r.Header.Get("Topic")) > 32 {
		return http.StatusBadRequest, errors.New("a Topic has at most 32 characters")
	}
	return 0, nil
}

// origin is where a request arrived.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
