package journeys_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// listed is a certificate as the imitation of a plug-in has it in its store.
type listed struct {
	Subject string    `json:"subject"`
	Issuer  string    `json:"issuer"`
	Until   time.Time `json:"until"`
	Keyless bool      `json:"keyless,omitempty"`
	Broken  bool      `json:"broken,omitempty"`
}

// imitation is what the imitation of a plug-in does in a browser.
type imitation struct {
	Certificates []listed `json:"certificates"`
	Absent       bool     `json:"absent,omitempty"` // the vendor's script is there, and no plug-in
}

// subjectOf is the name of a person's certificate as a plug-in writes it, with a comma where a naive reader stumbles.
func subjectOf(p person) string {
	return fmt.Sprintf(`СНИЛС=%s, SN=%s, G="%s", CN="%s %s, гражданин"`, p.SNILS, p.FamilyName, p.GivenName, p.FamilyName, p.GivenName)
}

const issuerOfStand = `C=RU, O="ООО ""УЦ""", CN=Учебный удостоверяющий центр стенда`

// offersPlugin imitates a plug-in in every page that the browser opens from now on. It signs by the person's tool, with the key of the tool.
func (b *browser) offersPlugin(how imitation, by *signer) {
	b.t.Helper()
	script, err := os.ReadFile(filepath.Join("testdata", "plugin.js"))
	if err != nil {
		b.t.Fatal(err)
	}
	state, err := json.Marshal(how)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("plugging in", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, runtime.AddBinding, runtime.AddBindingParams{Name: "signByTool"}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: strings.Replace(string(script), "IMITATION", string(state), 1),
		})
		return err
	}))
	go func() { // until the browser ends
		for called, err := range chromedp.Events(b.ctx, runtime.BindingCalled) {
			if err != nil {
				return
			}
			b.signForPage(called.Payload, by)
		}
	}()
}

// signForPage signs what the page gave to the plug-in.
func (b *browser) signForPage(payload string, by *signer) {
	var asked struct {
		I       int
		Content []byte
	}
	if err := json.Unmarshal([]byte(payload), &asked); err != nil {
		b.t.Error(err)
		return
	}
	signature, err := by.detached(asked.Content)
	if err != nil {
		b.t.Error(err)
		return
	}
	text := base64.StdEncoding.EncodeToString(signature)
	text = text[:64] + `\r\n` + text[64:] // plug-ins break their lines
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](fmt.Sprintf(`toolSigned(%d, "%s")`, asked.I, text))); err != nil {
		b.t.Error(err)
	}
}

// presses a button of the plug-in's place, and waits for it to come to rest.
func (b *browser) presses(action string) {
	b.t.Helper()
	b.click(`[data-action="` + action + `"]`)
	b.eventually(`!document.querySelector('[data-cades] button:disabled')`)
}

// eventually waits until an expression of the page is true.
func (b *browser) eventually(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); b.value(`String(Boolean(`+expression+`))`) != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("never: %s\n%s", expression, b.where())
		}
	}
}

// toSignature opens the page that asks for a signature to sign in, in Russian.
func (c *citizen) toSignature() {
	c.t.Helper()
	c.open(c.stand.url(0, "/login"))
	if russian := `footer [name="lang"][value="ru"]`; c.has(russian) {
		c.follow(russian)
	}
	c.press("esign")
}

var months = []string{"января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"}

const offered = `document.querySelector('[data-cades]').checkVisibility()`

func TestPersonSignsByThePluginOfTheirBrowser(t *testing.T) {
	s := startStand(t)
	p := s.registered("totp")
	by := newSigner(t, s, p, 0) // GOST, 256 bits
	until := time.Now().AddDate(1, 0, 0)
	store := imitation{Certificates: []listed{
		{Subject: "CN=Прошлогодний", Issuer: issuerOfStand, Until: time.Now().AddDate(0, -1, 0)},
		{Subject: "CN=Чужой", Issuer: issuerOfStand, Until: until, Keyless: true},
		{Subject: "CN=Нечитаемый", Issuer: issuerOfStand, Until: until, Broken: true},
		{Subject: subjectOf(p), Issuer: issuerOfStand, Until: until},
	}}

	c := newCitizen(t, s, p, true)
	c.password, c.secret = p.Password, p.TOTPSecret
	c.offersPlugin(store, by)
	c.open(s.url(0, "/me/security/esign"))
	c.walk("me-esign")
	c.eventually(offered)
	c.presses("plugin-list")
	c.follow(`[data-action="plugin-sign"]`)
	c.walk("me-security")

	again := newCitizen(t, s, p, true)
	again.offersPlugin(store, by)
	again.toSignature()
	again.eventually(offered)
	again.presses("plugin-list")
	again.photograph("plugin")
	again.says("Прошлогодний", p.FamilyName+" "+p.GivenName, "Учебный удостоверяющий центр стенда", fmt.Sprintf("%d %s %d г.", until.Day(), months[until.Month()-1], until.Year()))
	for _, name := range []string{"Чужой", "Нечитаемый", "гражданин"} {
		if strings.Contains(again.text("main"), name) {
			t.Errorf("the page lists %q", name)
		}
	}
	if n := again.value(`String(document.querySelectorAll('[data-cades] input:disabled').length)`); n != "1" {
		t.Errorf("%s certificates cannot be chosen, and one has ended", n)
	}
	again.follow(`[data-action="plugin-sign"]`)
	again.walk("me")
}

func TestPluginThatDoesNotSignSaysWhyAndTheFileIsStillThere(t *testing.T) {
	s := startStand(t)
	p := s.registered("totp")
	by := newSigner(t, s, p, 0)
	good := listed{Subject: subjectOf(p), Issuer: issuerOfStand, Until: time.Now().AddDate(1, 0, 0)}
	c := newCitizen(t, s, p, true)
	c.offersPlugin(imitation{Certificates: []listed{good}}, by)
	c.toSignature()
	c.eventually(offered)
	for _, row := range []struct{ change, action, says string }{
		{`imitation.refuseStore = 'Действие было отменено пользователем. (0x8010006E)'`, "plugin-list", "отказались"},
		{`imitation.refuseStore = ''; imitation.kept = imitation.certificates; imitation.certificates = []`, "plugin-list", "не нашёл ваших сертификатов"},
		{`imitation.certificates = [{...imitation.kept[0], until: '2020-01-01T00:00:00Z'}]`, "plugin-list", "Срок сертификата закончился"},
		{`imitation.certificates = [imitation.kept[0], imitation.kept[0]]`, "plugin-list", ""},
		{``, "plugin-sign", "Выберите сертификат"},
		{`imitation.certificates = imitation.kept`, "plugin-list", ""},
		{`imitation.refuseSigning = 'Действие отменено (0x000004C7)'`, "plugin-sign", "отказались"},
		{`imitation.refuseSigning = 'Неправильный PIN-код (0x8010006b)'`, "plugin-sign", "Неверный ПИН-код"},
		{`imitation.refuseSigning = 'Смарт-карта заблокирована (0x8010006C)'`, "plugin-sign", "заблокирован"},
		{`imitation.refuseSigning = 'Набор ключей не существует (0x80090016)'`, "plugin-sign", "не нашёл ключ"},
		{`imitation.refuseSigning = 'Срок действия сертификата истек (0x800B0101)'`, "plugin-sign", "Срок сертификата закончился"},
		{`imitation.refuseSigning = 'Цепочка сертификатов (0x800B010A)'`, "plugin-sign", "не доверяет центру"},
		{`imitation.refuseSigning = 'Что-то ещё (0x80004005)'`, "plugin-sign", "ошибка 0x80004005"},
	} {
		c.script(row.change)
		c.presses(row.action)
		if got := c.text("[data-cades-says]"); row.says != "" && !strings.Contains(got, row.says) {
			t.Errorf("%s, %s: %q", row.change, row.action, got)
		}
		if said := c.value(`String(document.querySelector('[data-cades-says]').checkVisibility())`); said != fmt.Sprint(row.says != "") {
			t.Errorf("%s, %s: a message is shown: %s", row.change, row.action, said)
		}
	}
	c.photograph("plugin-error")
	c.sign(by) // the certificate is nobody's yet
	if got := c.text("#signature-error"); !strings.Contains(got, "не привязана") {
		t.Errorf("the file is answered %q", got)
	}
}

func TestWithoutAPluginThePageIsAsItWas(t *testing.T) {
	s := startStand(t)
	p := s.registered("totp")
	for name, row := range map[string]struct {
		scripts, absent bool
	}{"scripts": {true, false}, "no scripts": {false, false}, "a vendor's script alone": {true, true}} {
		t.Run(name, func(t *testing.T) {
			c := newCitizen(t, s.in(t), p, row.scripts)
			if row.absent {
				c.offersPlugin(imitation{Absent: true}, nil)
			}
			c.toSignature()
			if row.absent {
				c.eventually(offered)
				c.says("не отвечает")
				if c.value(`String(document.querySelector('[data-action="plugin-list"]').checkVisibility())`) != "false" {
					t.Error("a plug-in that is not there is offered")
				}
			} else if c.value(`String(`+offered+`)`) != "false" {
				t.Error("the page offers a plug-in")
			}
			c.eventually(`['#signature', '[data-action="challenge"]', '[data-action="continue"]'].every((s) => document.querySelector(s)?.checkVisibility())`)
		})
	}
}
