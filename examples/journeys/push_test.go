package journeys_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
)

func TestPersonConfirmsASignInOnTheirPhone(t *testing.T) {
	s := startStand(t)
	inEachMode(t, s, func(t *testing.T, s *stand, c *citizen) {
		c.declines["protect"] = true
		c.open(s.url(0, "/signup"))
		c.walk("me")
		c.open(s.url(0, "/logout"))
		c.walk("sign-out")
		c.press("continue")

		phone := newCitizen(t, s, c.p, c.scripts)
		phone.open(s.url(0, "/me"))
		phone.walk("me")
		s.pass(25 * time.Hour) // in a browser of less than a day nobody changes how they sign in
		phone.open(s.url(0, "/me/security"))
		phone.walk("me-security")
		phone.press("add-push")
		phone.walk("protect-push")
		phone.press("continue")
		phone.walk("me-security")
		phone.open(s.url(0, "/me/approve"))
		phone.walk("me-approve")

		c.open(s.url(0, "/me"))
		c.walk("push")
		number := c.text("[data-number]")
		if !c.scripts { // with scripts the request appears by itself
			phone.open(s.url(0, "/me/approve"))
		}
		phone.press("choose-" + number)
		phone.walk("me-approve")
		if c.scripts { // the computer goes on by itself
			c.arrives("/me")
			return
		}
		c.press("continue")
		c.walk("me")
	})
}

// TestAPhoneIsToldOfASignInWhileItsPageIsClosed plays the push service, which Chromium cannot reach here: the outside world
// makes the subscription and reads the messages, and the browser gets what was read there.
func TestAPhoneIsToldOfASignInWhileItsPageIsClosed(t *testing.T) {
	s := startStand(t)
	c := newCitizen(t, s, s.fresh(1)[0], true)
	c.declines["protect"] = true
	c.open(s.url(0, "/signup"))
	c.walk("me")
	c.open(s.url(0, "/logout"))
	c.walk("sign-out")
	c.press("continue")

	phone := newCitizen(t, s, c.p, true)
	phone.open(s.url(0, "/me"))
	phone.walk("me")
	s.pass(25 * time.Hour)
	phone.open(s.url(0, "/protect/push"))
	phone.walk("protect-push")
	phone.press("continue")
	phone.walk("me-security")
	phone.open(s.url(0, "/me/approve"))
	phone.walk("me-approve")
	subscription := s.subscribe(phone.attribute("form[data-push-key]", "data-push-key"))
	phone.allowNotifications(s.url(0, ""))
	phone.script(`PushManager.prototype.subscribe = async function ({ applicationServerKey, userVisibleOnly }) {
		if (!applicationServerKey || !userVisibleOnly) throw new Error('how it is asked for')
		return { toJSON: () => (` + subscription.raw + `) }
	}`)
	phone.press("push-on")
	phone.walk("me-approve")
	phone.says("Notifications are on")

	phone.open("about:blank")
	c.open(s.url(0, "/me"))
	c.walk("push")
	number := c.text("[data-number]")
	told := s.lastMessage("push", subscription.id, "")
	if told.Subject != "Somebody signs in as you" || strings.Contains(told.Text, c.p.FamilyName) {
		t.Errorf("the phone is told %q, %q", told.Subject, told.Text)
	}
	phone.open(s.url(0, "/me/approve"))
	shown := ""
	for tries := 0; shown == "" && tries < 5; tries++ { // Chromium forgets a notification whose list is asked for as it comes
		phone.pushed(s.url(0, ""), fmt.Sprintf(`{"kind":"push-ask","title":%q,"body":%q}`, told.Subject, told.Text))
		time.Sleep(time.Second)
		shown = phone.value(notifications)
	}
	if shown != told.Subject+"/"+told.Text {
		t.Errorf("the phone shows %q", shown)
	}
	phone.open(s.url(0, "/me/approve"))
	for tries := 0; shown != "" && tries < 50; tries++ {
		time.Sleep(100 * time.Millisecond)
		shown = phone.value(notifications)
	}
	if shown != "" {
		t.Errorf("the phone shows %q beside the page that says so", shown)
	}
	phone.press("choose-" + number)
	c.arrives("/me")
}

// notifications are what the browser shows outside of pages.
const notifications = `(await (await navigator.serviceWorker.getRegistration('/push/')).getNotifications()).map((n) => n.title + '/' + n.body).join()`

// subscription is one of a browser at the outside world's push service.
type subscription struct{ raw, id string }

// subscribe makes the outside world's browser take messages of this key.
func (s *stand) subscribe(key string) subscription {
	s.t.Helper()
	response, err := s.client.Post(s.url(4, "/push/subscriptions"), "application/json", strings.NewReader(fmt.Sprintf(`{"applicationServerKey":%q}`, key)))
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	var got struct{ Endpoint string }
	if err := errors.Join(err, json.Unmarshal(raw, &got)); err != nil || response.StatusCode != http.StatusCreated {
		s.t.Fatalf("subscribing: %s %v", response.Status, err)
	}
	return subscription{string(raw), path.Base(got.Endpoint)}
}

// allowNotifications answers the browser's question whether a site may show notifications.
func (b *browser) allowNotifications(origin string) {
	b.t.Helper()
	b.do("allowing notifications", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
			Permission: &cdpbrowser.PermissionDescriptor{Name: "notifications"}, Setting: cdpbrowser.PermissionSettingGranted, Origin: origin,
		})
		return err
	}))
}

// pushed gives the browser a message as its push service does, decrypted.
func (b *browser) pushed(origin, message string) {
	b.t.Helper()
	b.do("delivering a push message", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, serviceworker.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: origin + "/", RegistrationID: "0", Data: message})
		return err
	}))
}

// script runs a script in the page.
func (b *browser) script(text string) {
	b.t.Helper()
	b.do("running a script", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[string]("(async () => {"+text+"; return '' })()", chromedp.EvalAwaitPromise)(ctx, target)
		return err
	}))
}

// value is what an expression that changes nothing comes to in the page.
func (b *browser) value(expression string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	text, err := read(ctx, chromedp.Evaluate[string]("(async () => "+expression+")()", chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", expression, err, b.where())
	}
	return text
}

// attribute is an attribute of an element.
func (b *browser) attribute(selector, name string) string {
	b.t.Helper()
	return b.value(fmt.Sprintf("document.querySelector(%q)?.getAttribute(%q) ?? ''", selector, name))
}
