package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/examples/faults"
	"github.com/vhod-id/vhod/examples/inbox"
	"github.com/vhod-id/vhod/keys"
	"github.com/vhod-id/vhod/notify"
	"github.com/vhod-id/vhod/storage/storagetest"
	"github.com/vhod-id/vhod/templates"
)

// office is a payer on a real outbox, with a gateway and a mail server that can fail.
type office struct {
	t      *testing.T
	clock  *storagetest.Clock
	outbox account.Outbox
	box    *inbox.Box
	faults *faults.Set
	sms    notify.Sender
	mail   notify.Sender
	log    *bytes.Buffer
	world  string // where the outside world is
	push   *notify.WebPush
	vapid  *keys.VAPID

	mu    sync.Mutex
	tried map[notify.Outcome]int
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, clock: storagetest.NewClock(), faults: faults.NewSet("sms", "mail", "push"), log: &bytes.Buffer{}, tried: map[notify.Outcome]int{}}
	records, _, _ := storagetest.Open(t, o.clock.Now)
	o.outbox, o.box = records, inbox.NewBox(o.clock.Now)
	world, err := inbox.New(inbox.Config{Box: o.box, Clock: inbox.NewClock(time.Until(o.clock.Now())), Faults: o.faults, SMSKey: "gateway-key"})
	if err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(world.Handler())
	t.Cleanup(gateway.Close)
	o.world = gateway.URL
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- world.ServeMail(ctx, l) }()
	t.Cleanup(func() { stop(); <-done })
	o.sms = notify.NewSMSGateway(gateway.URL+"/sms", keys.NewSecret("gateway-key"), nil)
	o.mail, err = notify.NewSMTP(notify.SMTPConfig{Server: l.Addr().String(), From: "Вход <noreply@vhod.example>", Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// start runs a payer with these vendors until the test ends or the returned function is called.
func (o *office) start(sms, mail []notify.Sender) (p *notify.Payer, stop func()) {
	o.t.Helper()
	pages, err := templates.New()
	if err != nil {
		o.t.Fatal(err)
	}
	p, err = notify.New(notify.Config{Outbox: o.outbox, Pages: pages, SMS: sms, Mail: mail, Push: o.push, Now: o.clock.Now,
		Log: slog.New(slog.NewTextHandler(o.log, nil)), Tried: func(_ string, outcome notify.Outcome) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.tried[outcome]++
		}})
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			o.t.Error(err)
		}
	})
	o.t.Cleanup(stop)
	return p, stop
}

func (o *office) owe(notices ...account.Notice) {
	o.t.Helper()
	o.oweAs(account.OwedNotice, notices)
}

func (o *office) owePush(notices ...account.Notice) {
	o.t.Helper()
	o.oweAs(account.OwedPush, notices)
}

func (o *office) oweAs(kind account.TaskKind, notices []account.Notice) {
	o.t.Helper()
	for _, n := range notices {
		payload, err := json.Marshal(n)
		if err != nil {
			o.t.Fatal(err)
		}
		if err := o.outbox.Owe(o.t.Context(), account.Task{Kind: kind, DueAt: o.clock.Now(), Payload: payload}); err != nil {
			o.t.Fatal(err)
		}
	}
}

// outcome waits until n tries ended so.
func (o *office) outcome(p *notify.Payer, wanted notify.Outcome, n int) {
	o.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		p.Kick()
		o.mu.Lock()
		got := o.tried[wanted]
		o.mu.Unlock()
		if got >= n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	o.t.Fatalf("tries: %v, want %d %s", o.tried, n, wanted)
}

func (o *office) received() []inbox.Message {
	return o.box.List(context.Background(), inbox.Filter{}, 0)
}

func (o *office) arm(adapter string, outcome faults.Outcome) {
	o.t.Helper()
	if err := o.faults.Arm(faults.Fault{Adapter: adapter, Outcome: outcome}); err != nil {
		o.t.Fatal(err)
	}
}

func code(to string) account.Notice {
	return account.Notice{Channel: "sms", To: to, Template: "code-sign-in", Lang: "ru",
		Args: map[string]string{"Code": "123456", "Minutes": "10", "Host": "localhost"}}
}

func TestAnOwedCodeArrivesOnceBoundToTheSite(t *testing.T) {
	o := open(t)
	p, stop := o.start([]notify.Sender{o.sms}, nil)
	o.owe(code("+79001234567"))
	o.outcome(p, notify.Sent, 1)
	p.Kick()
	stop()
	got := o.received()
	if len(got) != 1 || got[0].To != "+79001234567" || got[0].Code != "123456" || !strings.HasSuffix(got[0].Text, "\n@localhost #123456") {
		t.Errorf("%+v", got)
	}
}

func TestAMailArrivesAsTextWithItsLink(t *testing.T) {
	o := open(t)
	p, _ := o.start(nil, []notify.Sender{o.mail})
	o.owe(account.Notice{Channel: "mail", To: "anna@pochta.example", Template: "code-sign-up", Lang: "ru",
		Args: map[string]string{"Code": "654321", "Minutes": "10", "Link": "http://localhost:8080/signup/mail?token=abc"}})
	o.outcome(p, notify.Sent, 1)
	got := o.received()
	if len(got) != 1 || got[0].Code != "654321" || got[0].Link != "http://localhost:8080/signup/mail?token=abc" || got[0].Subject != "Подтвердите почту" {
		t.Errorf("%+v", got)
	}
}

func TestTheSecondVendorStandsBehindTheFirst(t *testing.T) {
	o := open(t)
	dead := notify.NewSMSGateway("http://127.0.0.1:1/sms", keys.NewSecret("k"), nil)
	p, _ := o.start([]notify.Sender{dead, o.sms}, nil)
	o.owe(code("+79001234567"))
	o.outcome(p, notify.Sent, 1)
	if got := o.received(); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAFailedNoticeIsTriedAgainLaterAndThenDropped(t *testing.T) {
	o := open(t)
	o.arm("sms", faults.Down)
	p, _ := o.start([]notify.Sender{o.sms}, nil)
	o.owe(code("+79001234567"))
	for tries := 1; tries <= 5; tries++ {
		o.outcome(p, notify.Postponed, tries)
		o.clock.Advance(10 * time.Minute)
	}
	o.outcome(p, notify.Dropped, 1)
	o.faults.Clear()
	o.clock.Advance(24 * time.Hour)
	p.Kick()
	time.Sleep(50 * time.Millisecond)
	if got := o.received(); len(got) != 0 {
		t.Errorf("a dead code arrived: %+v", got)
	}
}

func TestAPostponedNoticeArrivesWhenTheVendorIsBack(t *testing.T) {
	o := open(t)
	o.arm("mail", faults.Down)
	p, _ := o.start(nil, []notify.Sender{o.mail})
	o.owe(account.Notice{Channel: "mail", To: "anna@pochta.example", Template: "password-changed", Lang: "en", Args: map[string]string{"At": "noon"}})
	o.outcome(p, notify.Postponed, 1)
	o.faults.Clear()
	p.Kick()
	time.Sleep(50 * time.Millisecond)
	if got := o.received(); len(got) != 0 {
		t.Errorf("tried again at once: %+v", got)
	}
	o.clock.Advance(time.Minute)
	o.outcome(p, notify.Sent, 1)
}

func TestARefusedNumberIsNotTriedAgain(t *testing.T) {
	o := open(t)
	o.arm("sms", faults.Refuse)
	o.arm("mail", faults.Refuse)
	p, _ := o.start([]notify.Sender{o.sms}, []notify.Sender{o.mail})
	o.owe(code("+79001234567"), account.Notice{Channel: "mail", To: "anna@pochta.example", Template: "level-raised", Lang: "ru"})
	o.outcome(p, notify.Dropped, 2)
}

func TestTheLogNamesNeitherRecipientNorCode(t *testing.T) {
	o := open(t)
	o.arm("sms", faults.Down)
	o.arm("mail", faults.Refuse)
	p, stop := o.start([]notify.Sender{o.sms}, []notify.Sender{o.mail})
	o.owe(code("+79001234567"), account.Notice{Channel: "mail", To: "anna@pochta.example", Template: "level-raised", Lang: "ru"},
		account.Notice{Channel: "mail", To: "not an address 77", Template: "level-raised", Lang: "ru"})
	o.outcome(p, notify.Dropped, 2)
	o.outcome(p, notify.Postponed, 1)
	stop()
	for _, secret := range []string{"79001234567", "123456", "anna", "address 77", "gateway-key"} {
		if strings.Contains(o.log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, o.log)
		}
	}
	if !strings.Contains(o.log.String(), "dropped") {
		t.Errorf("the log says nothing: %s", o.log)
	}
}

func TestANoticeToNobodyIsPaidWithoutAWord(t *testing.T) {
	o := open(t)
	o.owe(account.Notice{Channel: "none", Template: "code-sign-in", Lang: "ru"}, code("+79001234567"))
	p, stop := o.start([]notify.Sender{o.sms}, []notify.Sender{o.mail})
	o.outcome(p, notify.Sent, 1)
	stop()
	left, err := o.outbox.Lease(t.Context(), []account.TaskKind{account.OwedNotice}, o.clock.Now().Add(48*time.Hour), time.Minute, 10)
	if err != nil || len(left) != 0 || len(o.received()) != 1 || o.log.Len() != 0 {
		t.Errorf("left %v, received %v, log %q, %v", left, o.received(), o.log, err)
	}
}

func TestManyNoticesArriveOnceEachFromTwoPayers(t *testing.T) {
	o := open(t)
	var many []account.Notice
	for i := range 50 {
		many = append(many, code("+790000000"+string(rune('0'+i/10))+string(rune('0'+i%10))))
	}
	o.owe(many...)
	p, stopFirst := o.start([]notify.Sender{o.sms}, nil)
	_, stopSecond := o.start([]notify.Sender{o.sms}, nil)
	o.outcome(p, notify.Sent, len(many))
	stopFirst()
	stopSecond()
	if got := o.received(); len(got) != len(many) {
		t.Errorf("%d of %d arrived", len(got), len(many))
	}
}

func TestARunningPayerFinishesTheMessageUnderWay(t *testing.T) {
	o := open(t)
	slow := &slowSender{started: make(chan struct{}), next: o.sms}
	p, stop := o.start([]notify.Sender{slow}, nil)
	o.owe(code("+79001234567"))
	p.Kick()
	<-slow.started
	stop()
	if got := o.received(); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

// slowSender passes a message on after a while.
type slowSender struct {
	started chan struct{}
	next    notify.Sender
}

func (s *slowSender) Send(ctx context.Context, to string, m templates.Message) error {
	close(s.started)
	time.Sleep(50 * time.Millisecond)
	return s.next.Send(ctx, to, m)
}

func TestABadMailServerIsRefusedAtTheStart(t *testing.T) {
	for name, cfg := range map[string]notify.SMTPConfig{
		"no port":                {Server: "mail.example", From: "a@b.example"},
		"no sender":              {Server: "mail.example:587", From: "nobody"},
		"plain outside loopback": {Server: "mail.example:25", From: "a@b.example", Plain: true},
	} {
		if _, err := notify.NewSMTP(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestAServerWithoutTLSIsNotUsedUnlessToldSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	world, err := inbox.New(inbox.Config{Box: inbox.NewBox(time.Now), Clock: inbox.NewClock(0), Faults: faults.NewSet("mail")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- world.ServeMail(ctx, l) }()
	defer func() { stop(); <-done }()
	strict, err := notify.NewSMTP(notify.SMTPConfig{Server: l.Addr().String(), From: "a@b.example"})
	if err != nil {
		t.Fatal(err)
	}
	err = strict.Send(t.Context(), "c@d.example", templates.Message{Subject: "s", Text: "t"})
	if err == nil || errors.Is(err, notify.ErrRefused) {
		t.Errorf("%v", err)
	}
}
