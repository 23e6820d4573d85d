package notify_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/examples/faults"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/notify"
	"github.com/vhod-id/vhod/op"
)

// phones is where messages of these tests go.
type phones struct {
	mu   sync.Mutex
	all  map[string]account.PushSubscription
	gone []string
}

func (p *phones) target(_ context.Context, to string) (account.PushSubscription, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, ok := p.all[to]; ok {
		return found, nil
	}
	return account.PushSubscription{}, account.ErrNotFound
}

func (p *phones) forget(_ context.Context, to string, _ account.PushSubscription) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = append(p.gone, to)
	delete(p.all, to)
	return nil
}

// vapid is the key of a provider of its own.
func vapid(t *testing.T) *keys.VAPID {
	t.Helper()
	sealer, err := keys.NewSealer([]keys.MasterKey{{ID: "m", Key: keys.NewMasterKey()}}, keys.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	return sealer.VAPID()
}

// withPush lets the office send to browsers. It may go to loopback, as the stand may.
func (o *office) withPush() *phones {
	o.t.Helper()
	p := &phones{all: map[string]account.PushSubscription{}}
	o.vapid = vapid(o.t)
	var err error
	o.push, err = notify.NewWebPush(notify.WebPushConfig{Key: o.vapid, Contact: "https://id.example.ru", Target: p.target, Gone: p.forget,
		Post: op.NewPoster(op.Outbound{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), Now: o.clock.Now})
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

// subscribe makes a browser of the outside world one that takes messages of this key.
func (o *office) subscribe(key string) account.PushSubscription {
	o.t.Helper()
	response, err := http.Post(o.world+"/push/subscriptions", "application/json", strings.NewReader(`{"applicationServerKey":"`+key+`"}`))
	if err != nil {
		o.t.Fatal(err)
	}
	defer response.Body.Close()
	var got struct {
		Endpoint string
		Keys     struct{ P256dh, Auth string }
	}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		o.t.Fatal(err)
	}
	to, err := account.ParsePushSubscription(got.Endpoint, got.Keys.P256dh, got.Keys.Auth)
	if err != nil {
		o.t.Fatal(err)
	}
	return to
}

func (o *office) asked(to string) account.Notice {
	return account.Notice{Channel: "push", To: to, Template: "push-ask", Lang: "ru", Until: o.clock.Now().Add(time.Minute)}
}

func TestAMessageIsEncryptedAsTheStandardDoesIt(t *testing.T) {
	// The example of RFC 8291 §5.
	raw := func(s string) []byte {
		out, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	own, err := ecdh.P256().NewPrivateKey(raw("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	browser, err := ecdh.P256().NewPublicKey(raw("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := notify.Encrypt([]byte("When I grow up, I want to be a watermelon\x02"), browser, raw("BTBZMqHH6r4Tts7J_aSIgg"), own, raw("DGv6ra1nlYgDCS1FRnbzlw"))
	if err != nil {
		t.Fatal(err)
	}
	want := raw("DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")
	if !bytes.Equal(got, want) {
		t.Errorf("the message is %x, want %x", got, want)
	}
}

func TestAMessageArrivesInTheBrowserAndNamesNobody(t *testing.T) {
	o := open(t)
	p := o.withPush()
	p.all["anna.phone"] = o.subscribe(o.vapid.Public())
	payer, _ := o.start(nil, nil)
	o.owePush(o.asked("anna.phone"))
	o.outcome(payer, notify.Sent, 1)
	got := o.received()
	if len(got) != 1 || got[0].Channel != "push" || got[0].Subject != "Кто-то входит от вашего имени" || got[0].Text != "Откройте, чтобы подтвердить вход или отказаться." {
		t.Errorf("%+v", got)
	}
}

func TestPushServicesGetOnlyWhatTheyNeed(t *testing.T) {
	o := open(t)
	p := o.withPush()
	var head http.Header
	var lengths []int
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		head, lengths = r.Header, append(lengths, len(body))
		w.WriteHeader(http.StatusCreated)
	}))
	defer service.Close()
	to := o.subscribe(o.vapid.Public())
	to.Endpoint = keys.NewSecret(service.URL + "/secret-path")
	p.all["anna.phone"] = to
	payer, stop := o.start(nil, nil)
	late, english := o.asked("anna.phone"), o.asked("anna.phone")
	late.Until, english.Lang = o.clock.Now().Add(20*time.Second), "en"
	for i, n := range []account.Notice{o.asked("anna.phone"), english, late} {
		o.owePush(n)
		o.outcome(payer, notify.Sent, i+1)
		want := map[string]string{"TTL": "60", "Urgency": "high", "Topic": "push-ask", "Content-Encoding": "aes128gcm"}
		if i == 2 {
			want["TTL"] = "20" // as long as the request waits
		}
		for name, value := range want {
			if got := head.Get(name); got != value {
				t.Errorf("message %d: %s is %q, want %q", i, name, got, value)
			}
		}
	}
	stop()
	if lengths[0] != lengths[1] {
		t.Errorf("the length tells the language: %v", lengths)
	}
	if strings.Contains(o.log.String(), "secret-path") {
		t.Error("the endpoint is in the log")
	}
}

func TestAMessageGoesByTheKeyThatTheBrowserSubscribedTo(t *testing.T) {
	o := open(t)
	p := o.withPush()
	p.all["anna.phone"] = o.subscribe(vapid(t).Public()) // another provider's
	payer, _ := o.start(nil, nil)
	o.owePush(o.asked("anna.phone"))
	o.outcome(payer, notify.Dropped, 1)
	if len(o.received()) != 0 {
		t.Error("a stranger's message arrived")
	}
}

func TestASubscriptionThatIsOverIsForgotten(t *testing.T) {
	o := open(t)
	p := o.withPush()
	to := o.subscribe(o.vapid.Public())
	p.all["anna.phone"] = to
	r, err := http.NewRequest(http.MethodDelete, to.Endpoint.Reveal(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	payer, stop := o.start(nil, nil)
	o.owePush(o.asked("anna.phone"))
	o.outcome(payer, notify.Dropped, 1)
	o.owePush(o.asked("anna.phone"), o.asked("nobody"))
	o.outcome(payer, notify.Dropped, 3)
	stop()
	if len(p.gone) != 1 || p.gone[0] != "anna.phone" {
		t.Errorf("forgotten: %v", p.gone)
	}
	if strings.Contains(o.log.String(), "level=ERROR") {
		t.Errorf("browsers that go are an error:\n%s", o.log)
	}
}

func TestAMessageIsTriedAgainForAsLongAsItIsWorthSomething(t *testing.T) {
	o := open(t)
	p := o.withPush()
	p.all["anna.phone"] = o.subscribe(o.vapid.Public())
	o.arm("push", faults.Down)
	payer, _ := o.start(nil, nil)
	o.owePush(o.asked("anna.phone"))
	o.outcome(payer, notify.Postponed, 1)
	o.faults.Clear()
	o.clock.Advance(11 * time.Second)
	o.outcome(payer, notify.Sent, 1)

	o.arm("push", faults.Down)
	o.owePush(o.asked("anna.phone"))
	o.outcome(payer, notify.Postponed, 2)
	o.faults.Clear()
	o.clock.Advance(2 * time.Minute)
	o.outcome(payer, notify.Dropped, 1)
	if got := o.received(); len(got) != 1 {
		t.Errorf("%d messages arrived", len(got))
	}
}

func TestAPushServiceThatHangsHoldsUpNoSMS(t *testing.T) {
	o := open(t)
	p := o.withPush()
	hang := make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer service.Close()
	defer close(hang)
	to := o.subscribe(o.vapid.Public())
	to.Endpoint = keys.NewSecret(service.URL)
	p.all["anna.phone"] = to
	payer, _ := o.start([]notify.Sender{o.sms}, nil)
	var many []account.Notice
	for range 20 {
		many = append(many, o.asked("anna.phone"))
	}
	o.owePush(many...)
	time.Sleep(100 * time.Millisecond)
	o.owe(code("+79001234567"))
	o.outcome(payer, notify.Sent, 1)
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := o.tried[notify.Postponed]; n > 0 {
		t.Errorf("the code waited until %d messages had given up", n)
	}
}
