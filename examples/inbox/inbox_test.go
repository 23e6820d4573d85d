package inbox_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vhod-id/vhod/examples/faults"
	"github.com/vhod-id/vhod/examples/inbox"
)

type world struct {
	http  http.Handler
	box   *inbox.Box
	clock *inbox.Clock
	set   *faults.Set
	smtp  string
}

func open(t *testing.T) world {
	t.Helper()
	w := world{clock: inbox.NewClock(0), set: faults.NewSet(inbox.FaultSMS, inbox.FaultMail)}
	w.box = inbox.NewBox(w.clock.Now)
	server, err := inbox.New(inbox.Config{
		Box: w.box, Clock: w.clock, Faults: w.set, SMSKey: "key",
		People: []inbox.Person{
			{ID: "p1", Story: "standard", Registered: true, Roles: []string{}},
			{ID: "p2", Story: "ordinary"}, {ID: "p3", Story: "ordinary"}, {ID: "p4", Story: "deceased"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.ServeMail(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	w.http, w.smtp = server.Handler(), l.Addr().String()
	return w
}

func (w world) call(t *testing.T, method, path, body string, answer any) int {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer key")
	rec := httptest.NewRecorder()
	w.http.ServeHTTP(rec, r)
	if answer != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), answer); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, rec.Body)
		}
	}
	return rec.Code
}

func TestAnSMSIsReadWithItsCode(t *testing.T) {
	w := open(t)
	if status := w.call(t, "POST", "/sms", `{"to":"+79001234567","text":"Код: 123456. Никому не говорите.\n\n@localhost #123456"}`, nil); status != 200 {
		t.Fatalf("status %d", status)
	}
	var got []inbox.Message
	w.call(t, "GET", "/messages?to=%2B79001234567", "", &got)
	if len(got) != 1 || got[0].Code != "123456" || got[0].Channel != "sms" || got[0].Link != "" {
		t.Errorf("%+v", got)
	}
	w.call(t, "GET", "/messages?to=+79001234567", "", &got)
	if len(got) != 1 {
		t.Error("an unescaped plus is not forgiven")
	}
}

func TestTheGatewayAsksForItsKey(t *testing.T) {
	w := open(t)
	rec := httptest.NewRecorder()
	w.http.ServeHTTP(rec, httptest.NewRequest("POST", "/sms", strings.NewReader(`{"to":"+7","text":"x"}`)))
	if rec.Code != http.StatusUnauthorized {
		t.Errorf("status %d", rec.Code)
	}
}

func TestAMailIsReadWithItsCodeAndLink(t *testing.T) {
	w := open(t)
	message := strings.ReplaceAll(`From: vhod@example.ru
To: anna@pochta.example
Subject: =?utf-8?B?0JrQvtC0?=
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=x

--x
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

=D0=9A=D0=BE=D0=B4 654321
http://localhost:8080/signup/mail?token=3Dabc123456789&a=3Db.
--x
Content-Type: text/html; charset=utf-8

<p>999999</p>
--x--
`, "\n", "\r\n")
	if err := smtp.SendMail(w.smtp, nil, "vhod@example.ru", []string{"anna@pochta.example"}, []byte(message)); err != nil {
		t.Fatal(err)
	}
	var got []inbox.Message
	w.call(t, "GET", "/messages?channel=mail", "", &got)
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	want := inbox.Message{ID: 1, At: got[0].At, Channel: "mail", To: "anna@pochta.example", Subject: "Код",
		Text: got[0].Text, Code: "654321", Link: "http://localhost:8080/signup/mail?token=abc123456789&a=b"}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
}

func TestCodesAndLinksAreFoundInTexts(t *testing.T) {
	for _, row := range []struct{ text, code, link string }{
		{"Код 123456", "123456", ""},
		{"123456 — код", "123456", ""},
		{"Звоните 88001234567", "", ""},
		{"+7 900 123456", "123456", ""},
		{"http://localhost/?token=123456", "", "http://localhost/?token=123456"},
		{"Пройдите по ссылке (https://example.ru/a).", "", "https://example.ru/a"},
		{"111111 и @localhost #222222", "222222", ""},
		{"", "", ""},
	} {
		w := open(t)
		w.box.Add(inbox.Message{Text: row.text})
		got := w.box.List(t.Context(), inbox.Filter{}, 0)[0]
		if got.Code != row.code || got.Link != row.link {
			t.Errorf("%q: code %q, link %q", row.text, got.Code, got.Link)
		}
	}
}

func TestAWaitingReaderGetsTheNextMessage(t *testing.T) {
	w := open(t)
	w.box.Add(inbox.Message{Channel: "sms", To: "+7", Text: "first"})
	time.AfterFunc(20*time.Millisecond, func() { w.box.Add(inbox.Message{Channel: "sms", To: "+7", Text: "second"}) })
	var got []inbox.Message
	w.call(t, "GET", "/messages?after=1&wait=10s", "", &got)
	if len(got) != 1 || got[0].Text != "second" || got[0].ID != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAWaitThatIsInVainEndsWithNothing(t *testing.T) {
	w := open(t)
	got := []inbox.Message{{}}
	if w.call(t, "GET", "/messages?wait=10ms", "", &got); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAnEmptiedBoxGoesOnCounting(t *testing.T) {
	w := open(t)
	w.box.Add(inbox.Message{Text: "a"})
	if status := w.call(t, "DELETE", "/messages", "", nil); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
	w.box.Add(inbox.Message{Text: "b"})
	if got := w.box.List(t.Context(), inbox.Filter{}, 0); len(got) != 1 || got[0].ID != 2 {
		t.Errorf("%+v", got)
	}
}

func TestTheClockGoesForwardAlone(t *testing.T) {
	w := open(t)
	before := time.Now()
	if status := w.call(t, "POST", "/clock", `{"advance":"10m"}`, nil); status != 200 {
		t.Fatalf("status %d", status)
	}
	if got := w.clock.Now().Sub(before); got < 10*time.Minute {
		t.Errorf("moved by %v", got)
	}
	for _, body := range []string{`{"advance":"-1m"}`, `{"advance":"soon"}`, `{}`, ``} {
		if status := w.call(t, "POST", "/clock", body, nil); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", body, status)
		}
	}
	var got map[string]string
	w.call(t, "GET", "/clock", "", &got)
	if _, err := time.Parse(time.RFC3339Nano, got["now"]); err != nil || got["ahead"] != "10m0s" {
		t.Errorf("%v", got)
	}
}

func TestPeopleAreChosenByTheirAccountAndStory(t *testing.T) {
	w := open(t)
	for query, want := range map[string][]string{
		"":                                  {"p1"},
		"?registered=false":                 {"p2", "p3", "p4"},
		"?registered=false&limit=1":         {"p2"},
		"?registered=false&skip=1&limit=1":  {"p3"},
		"?registered=false&story=deceased":  {"p4"},
		"?registered=false&skip=9":          {},
		"?story=standard":                   {"p1"},
		"?registered=false&id=p3&limit=100": {"p3"},
	} {
		var people []inbox.Person
		w.call(t, "GET", "/people"+query, "", &people)
		got := []string{}
		for _, p := range people {
			got = append(got, p.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

func TestAFaultyGatewayAndMailServerRefuse(t *testing.T) {
	w := open(t)
	for _, adapter := range []string{"sms", "mail"} {
		if status := w.call(t, "POST", "/faults", `{"adapter":"`+adapter+`","outcome":"refuse"}`, nil); status != 200 {
			t.Fatalf("arming %s: %d", adapter, status)
		}
	}
	if status := w.call(t, "POST", "/sms", `{"to":"+7","text":"x"}`, nil); status != http.StatusUnprocessableEntity {
		t.Errorf("sms: %d", status)
	}
	if err := smtp.SendMail(w.smtp, nil, "a@b.c", []string{"d@e.f"}, []byte("Subject: x\r\n\r\nx")); err == nil {
		t.Error("mail was accepted")
	}
	if got := w.box.List(t.Context(), inbox.Filter{}, 0); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestThePageShowsMessagesAndPeople(t *testing.T) {
	w := open(t)
	w.box.Add(inbox.Message{Channel: "sms", To: "+7", Text: "<b>Код</b> 123456"})
	rec := httptest.NewRecorder()
	w.http.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if body := rec.Body.String(); !strings.Contains(body, "&lt;b&gt;") || !strings.Contains(body, "standard") {
		t.Error(body)
	}
}

func TestWhatTheStandDoesNotHaveSaysSo(t *testing.T) {
	w := open(t)
	for _, path := range []string{"/letters/1.pdf", "/esia-demo"} {
		var got map[string]string
		if status := w.call(t, "GET", path, "", &got); status != http.StatusNotFound || got["error"] == "" {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
}

func TestReceivingMailEndsThoughItHadHardlyBegun(t *testing.T) {
	server, err := inbox.New(inbox.Config{Box: inbox.NewBox(time.Now), Clock: inbox.NewClock(0), Faults: faults.NewSet(inbox.FaultSMS, inbox.FaultMail)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := server.ServeMail(ctx, l); err != nil {
			t.Fatal(err)
		}
	}
}
