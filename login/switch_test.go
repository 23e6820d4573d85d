package login_test

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vhod-id/vhod/account"
	"github.com/vhod-id/vhod/keys/cms/cmstest"
	"github.com/vhod-id/vhod/storage/storagetest"
)

// owner is a person with everything in their hands, who tries every way into their account.
type owner struct {
	*house
	id          account.ID
	phone       string
	mail        string
	key         *storagetest.Authenticator
	friend      account.ID // whom they trust
	certificate func(*browser) *browser
	begin       func() *browser // a browser that follows to the banks
}

// friendsPhone is of somebody whom the owner trusts.
const friendsPhone = "+79140000002"

// spares are backup codes enough for all tries of one round.
func spares() []string {
	var codes []string
	for i := range 10 {
		codes = append(codes, fmt.Sprintf("AAAA-BBBB-CCCC-%c", 'A'+rune(i)))
	}
	return codes
}

// newOwner brings in a person with every factor.
func newOwner(t *testing.T) *owner {
	t.Helper()
	h, green, _, begin := banked(t)
	c := h.centre()
	anna := c.root.Issue(t, cmstest.Named("Смирнова", "Анна Петровна", "11223344595", "990010000072"), h.clock.Now(), func(x *x509.Certificate) {
		x.NotAfter = x.NotBefore.AddDate(4, 0, 0) // the rounds of waiting take months
	})
	const phone = "+79140000001"
	h.linkedTo(green, phone, begin, withAnnas(anna, c.fingerprint(anna)))
	a := h.find(phone)
	cookie := h.home(phone).cookie("vhod-browser")
	o := &owner{house: h, id: a.ID, phone: phone, mail: a.Email.Value, key: h.key()}
	o.begin = func() *browser { // in a new one a recovery waits a day, whatever is locked
		b := begin().open("/login")
		b.http.Jar.SetCookies(b.at, []*http.Cookie{{Name: "vhod-browser", Value: cookie, Path: "/"}})
		return b
	}
	h.addPasskey(h.signIn(phone), o.key)
	o.change(func(a *account.Account) {
		withTOTP(a)
		a.SMS.AddedAt = h.clock.Now()
	})
	o.friend = h.person(friendsPhone, friend).ID
	h.trusts(o.person(), h.find(friendsPhone))
	o.certificate = func(b *browser) *browser {
		c.publish()
		return b.sign(anna, h.clock.Now())
	}
	return o
}

func (o *owner) change(change func(*account.Account)) {
	o.t.Helper()
	o.changeOf(o.id, change)
}

func (o *owner) changeOf(id account.ID, change func(*account.Account)) {
	o.t.Helper()
	err := o.records.Update(o.t.Context(), id, func(a *account.Account) error {
		change(a)
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// person reads the account.
func (o *owner) person() *account.Account {
	o.t.Helper()
	a, err := o.records.Account(o.t.Context(), o.id)
	if err != nil {
		o.t.Fatal(err)
	}
	return a
}

// try walks one way at the doors and reports whether it led in.
func (o *owner) try(way account.Way) bool {
	o.clock.Advance(11 * time.Minute) // another code may be sent, and the app shows another
	o.notices()
	b := o.begin()
	switch way.First {
	case account.MethodPassword:
		b.open("/login").fill("continue", "identifier", o.phone).fill("continue", "password", password)
	case account.MethodPasskey:
		b.open("/login")
		b.fill("passkey", "credential", string(o.key.Show(o.t, b.ask("/passkey/ask"))))
	case account.MethodBank:
		b.open("/login").fill("bank").atBank(way.Channel, "anna")
	case account.MethodSignature:
		b.open("/login").fill("esign")
		o.certificate(b)
	case account.MethodRecovery:
		if !o.prove(b, o.contact(way)) {
			return false
		}
	case account.MethodActivation: // it signs nobody in: its door is a new password
		b.open("/recovery/activation").fill("continue", "code", o.activation(), "password", password, "password_again", password)
		return b.name() == "recovery-activated"
	}
	if way.Second != "" {
		if b.cookie("vhod-session") != "" || b.name() == "recovery-password" {
			return false // nothing was asked after the first: that is another way
		}
		switch way.Second {
		case account.MethodWait:
			o.wait(b, o.contact(way))
		case account.MethodTrusted:
			o.ask(b, o.contact(way))
		case account.MethodBank:
			o.vouch(b, o.contact(way))
		default:
			o.second(b, way.Second)
		}
	}
	if b.name() == "recovery-password" {
		b.fill("continue", "password", password, "password_again", password)
	}
	return b.cookie("vhod-session") != ""
}

// activation is a code of a centre, or something else when none could be made.
func (o *owner) activation() string {
	ctx := o.t.Context()
	code, made, err := o.accounts.MakeActivation(ctx, o.id, account.NewActivation{Case: "17", Operator: "operator:1"})
	if err == nil && made.Pair {
		err = o.accounts.ConfirmActivation(ctx, o.id, "operator:2", "17")
	}
	if err != nil && !errors.As(err, new(account.LockedWayError)) {
		o.t.Fatal(err)
	}
	return cmp.Or(code, "0000-0000-0000-0000")
}

// second proves a second factor, whatever page the door shows.
func (o *owner) second(b *browser, m account.Method) {
	if b.name() == "password" || b.name() == "bank" { // refused already
		return
	}
	b.open("/login/" + string(m) + "?attempt=" + b.attempt())
	if b.name() != string(m) {
		return
	}
	switch m {
	case account.MethodTOTP:
		b.fill("continue", "code", o.code(secret))
	case account.MethodBackup:
		left := len(o.person().Backup.Hashes)
		if left == 0 {
			left = 1
		}
		b.fill("continue", "code", spares()[10-left])
	case account.MethodSMS:
		if code, ok := o.lastCode(o.phone); ok {
			b.fill("continue", "code", code)
		}
	case account.MethodPasskey:
		if len(o.person().Passkeys) > 0 { // otherwise there is nothing to ask for
			b.fill("continue", "credential", string(o.key.Show(o.t, b.ask("/passkey/ask"))))
		}
	}
}

// wait says that everything is lost, and comes back by the same contact when the time has come.
func (o *owner) wait(b *browser, to string) {
	if b.open("/recovery/lost?attempt=" + b.attempt()); b.name() != "recovery-wait" {
		return
	}
	b.fill("continue").on("recovery-wait")
	o.clock.Advance(25 * time.Hour)
	o.prove(b, to)
}

// ask has the friend say in their own account that it is them, and comes back a day later.
func (o *owner) ask(b *browser, to string) {
	if b.open("/recovery/trusted?attempt=" + b.attempt()); b.name() != "recovery-trusted" {
		return
	}
	o.change(func(a *account.Account) { a.Level = account.Standard }) // to wait takes three days then, to be vouched for one
	b.fill("continue").on("recovery-trusted")
	o.deliver()
	tie := o.find(friendsPhone).Trusting[0]
	if err := o.accounts.AnswerPlea(o.t.Context(), o.friend, tie.ID, tie.Plea.ID, true, account.Origin{}); err != nil {
		o.t.Fatal(err)
	}
	o.clock.Advance(25 * time.Hour)
	o.prove(b, to)
}

// vouch has the bank say that it is them, and comes back a day later.
func (o *owner) vouch(b *browser, to string) {
	if b.open("/recovery/bank?attempt=" + b.attempt()); b.name() != "recovery-bank" {
		return
	}
	o.change(standard) // to wait takes three days then, to be vouched for one
	b.atBank("green", "anna").on("recovery-bank")
	o.clock.Advance(25 * time.Hour)
	o.prove(b, to)
}

// prove begins a recovery and proves a contact. It reports false when no code came.
func (o *owner) prove(b *browser, to string) bool {
	o.notices()
	b.open("/recovery").fill("continue", "identifier", to).on("recovery-code")
	code, ok := o.lastCode(to)
	if ok {
		b.fill("continue", "code", code)
	}
	return ok
}

// contact is where the code of a recovery goes.
func (o *owner) contact(way account.Way) string {
	if way.Channel == "sms" {
		return o.phone
	}
	return o.mail
}

// lastCode is the code that was sent to an address just now, if any was.
func (o *owner) lastCode(to string) (code string, ok bool) {
	for _, n := range o.notices() {
		if n.To == to && n.Args["Code"] != "" {
			code, ok = n.Args["Code"], true
		}
	}
	return code, ok
}

// everyWay lists all that could be tried, whether it should lead in or not.
func everyWay() []account.Way {
	ways := []account.Way{{First: account.MethodPasskey}, {First: account.MethodSignature}, {First: account.MethodActivation}}
	for _, second := range []account.Method{"", account.MethodWait, account.MethodTrusted, account.MethodBank, account.MethodPasskey, account.MethodTOTP, account.MethodSMS, account.MethodBackup} {
		ways = append(ways,
			account.Way{First: account.MethodPassword, Second: second},
			account.Way{First: account.MethodBank, Channel: "green", Second: second},
			account.Way{First: account.MethodRecovery, Channel: "sms", Second: second},
			account.Way{First: account.MethodRecovery, Channel: "mail", Second: second})
	}
	return ways
}

// gone reports whether a way cannot be walked by who has lost something: the test's own words for what is where.
func gone(way account.Way, lost []account.Loss) bool {
	held := map[account.Loss][]string{
		account.LostPhone:    {"sms", "totp", "passkey", "channel-sms"},
		account.LostMail:     {"channel-mail"},
		account.LostDevice:   {"esign", "passkey"}, // the one passkey may be on either
		account.LostPassword: {"password"},
	}
	for _, loss := range lost {
		for _, needed := range []string{string(way.First), string(way.Second), "channel-" + way.Channel} {
			if slices.Contains(held[loss], needed) {
				return true
			}
		}
	}
	return false
}

func wayName(w account.Way) string {
	return strings.Trim(fmt.Sprintf("%s %s + %s", w.First, w.Channel, w.Second), " +")
}

// subsets calls visit with every subset of all.
func subsets[T any](all []T, visit func([]T)) {
	for bits := range 1 << len(all) {
		var some []T
		for i, one := range all {
			if bits&(1<<i) != 0 {
				some = append(some, one)
			}
		}
		visit(some)
	}
}

// claimed reads from the page what remains after a loss ("nothing": now).
func (b *browser) claimed(loss string) []string {
	b.t.Helper()
	list := b.find(func(n *htmlNode) bool { return attr(n, "data-remains") == loss })
	if list == nil {
		b.t.Fatalf("the page %s says nothing of the loss %q", b.name(), loss)
	}
	var out []string
	walk(list, func(n *htmlNode) {
		if attr(n, "data-first") == "" {
			return
		}
		way := account.Way{First: account.Method(attr(n, "data-first")), Channel: attr(n, "data-contact")}
		thens := strings.Fields(attr(n, "data-then"))
		if len(thens) == 0 {
			out = append(out, wayName(way))
		}
		for _, then := range thens {
			way.Second = account.Method(then)
			out = append(out, wayName(way))
		}
	})
	slices.Sort(out)
	return out
}

// The doors are tried by every way under every set of locks; what the page and Account.Ways say of every loss must be what
// the doors did.
func TestSwitchboardSaysOfEveryLockAndLossWhatTheDoorsDo(t *testing.T) {
	ways := []account.Switch{
		account.SwitchPassword, account.SwitchSMS, account.SwitchBackup, account.SwitchRecovery,
		account.SwitchBanks, account.SwitchPasskey, account.SwitchApp, account.SwitchSignature,
	}
	var sets [][]account.Switch
	subsets(ways, func(locked []account.Switch) { sets = append(sets, locked) })
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			o := newOwner(t)
			for i := shard; i < len(sets); i += shards {
				o.compare(sets[i], func(*account.Account) {})
				if i < 16 { // these have no more to lock
					o.compare(sets[i], withoutFactors)
					o.compare(sets[i], withSMSAlone)
				}
			}
		})
	}
}

// withoutFactors and withSMSAlone are people who have set up less.
func withoutFactors(a *account.Account) {
	withSMSAlone(a)
	a.SMS.AddedAt = time.Time{}
}

func withSMSAlone(a *account.Account) {
	a.TOTP, a.Passkeys, a.Certificates = nil, nil, nil // the bank stays
}

// compare locks, tries everything, and holds the claims against it; the person gets everything back.
func (o *owner) compare(locked []account.Switch, less func(*account.Account)) {
	o.t.Helper()
	whole := o.person()
	defer o.change(func(a *account.Account) {
		a.TOTP, a.Passkeys, a.Certificates, a.SMS = whole.TOTP, whole.Passkeys, whole.Certificates, whole.SMS
	})
	o.clock.Advance(25 * time.Hour) // the limits of a day begin anew
	o.change(func(a *account.Account) {
		a.Locks, a.Backup = nil, o.accounts.BackupSetOf(spares())
		for _, s := range locked {
			a.Locks = append(a.Locks, account.Lock{Switch: s, At: o.clock.Now()})
		}
		less(a)
	})
	friends := o.find(friendsPhone).Trusting
	var open []account.Way
	for _, way := range everyWay() {
		o.clock.Advance(2 * time.Hour) // no more codes in a day than may be sent
		if o.try(way) {
			open = append(open, way)
		}
		if slices.Contains([]account.Method{account.MethodWait, account.MethodTrusted, account.MethodBank}, way.Second) || way.First == account.MethodActivation { // it took everything away
			o.deliver()
			o.changeOf(o.friend, func(a *account.Account) { a.Trusting = friends })
			o.change(func(a *account.Account) {
				a.TOTP, a.Passkeys, a.Certificates, a.SMS, a.Banks = whole.TOTP, whole.Passkeys, whole.Certificates, whole.SMS, whole.Banks
				a.Browsers, a.Trusted, a.Level = whole.Browsers, whole.Trusted, whole.Level
				a.Backup, a.Waiting = o.accounts.BackupSetOf(spares()), account.Wait{}
				less(a)
			})
		}
	}
	o.activation()
	page := o.switches()
	subsets(account.Losses(), func(lost []account.Loss) {
		did := namesOf(open, func(w account.Way) bool { return !gone(w, lost) })
		said := namesOf(o.person().Ways(o.clock.Now(), lost...), func(account.Way) bool { return true })
		if !slices.Equal(did, said) {
			o.t.Errorf("locked %v, lost %v:\n the doors opened by %q\n Ways says %q", locked, lost, did, said)
		}
		if len(lost) > 1 {
			return
		}
		loss := "nothing"
		if len(lost) == 1 {
			loss = string(lost[0])
		}
		if shown := page.claimed(loss); !slices.Equal(did, shown) {
			o.t.Errorf("locked %v, lost %v:\n the doors opened by %q\n the page says %q", locked, lost, did, shown)
		}
	})
}

func namesOf(ways []account.Way, keep func(account.Way) bool) []string {
	out := map[string]bool{}
	for _, w := range ways {
		if keep(w) {
			out[wayName(w)] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// switches opens the page in a session that no lock closes.
func (o *owner) switches() *browser {
	o.t.Helper()
	cookie, _, err := o.accounts.OpenSession(o.t.Context(), o.id, account.Opening{})
	if err != nil {
		o.t.Fatal(err)
	}
	b := o.browser()
	b.open("/login")
	b.http.Jar.SetCookies(b.at, []*http.Cookie{{Name: "vhod-session", Value: cookie, Path: "/"}})
	return b.open("/me/security/switches").on("me-switches")
}

func TestLockClosesAtOnceAndOpensAfterADay(t *testing.T) {
	o := newOwner(t)
	o.change(func(a *account.Account) { a.Backup = o.accounts.BackupSetOf(spares()) })
	way := account.Way{First: account.MethodPassword, Second: account.MethodSMS}
	if !o.try(way) {
		t.Fatal("the way does not lead in without a lock")
	}
	byPasskey := o.browser().open("/login")
	byPasskey.fill("passkey", "credential", string(o.key.Show(t, byPasskey.ask("/passkey/ask")))).on("me")
	o.notices()
	press := func(action string) *browser {
		t.Helper()
		byPasskey.open("/me/security/switches").on("me-switches")
		return byPasskey.post("/me/security/switches", map[string][]string{"switch": {"sms"}, "answer": {action}})
	}
	press("lock").on("me-switches")
	if told := o.notices(); len(told) != 2 || told[0].Template != "way-locked" {
		t.Errorf("both contacts were to hear of the lock, not %d messages", len(told))
	}
	sessions, err := o.accounts.Sessions(t.Context(), o.id)
	if err != nil || len(sessions) == 0 {
		t.Fatalf("%d sessions, %v", len(sessions), err)
	}
	for _, s := range sessions {
		if slices.ContainsFunc(s.Proofs, func(p account.Proof) bool { return p.Method == account.MethodSMS }) {
			t.Error("the session that a code by SMS opened outlives its lock")
		}
	}
	if o.try(way) {
		t.Error("a locked way led in")
	}
	press("open").on("me-switches")
	o.clock.Advance(23 * time.Hour)
	if o.try(way) {
		t.Error("the lock opened before its day was over")
	}
	o.clock.Advance(time.Hour)
	if !o.try(way) {
		t.Error("the lock is closed after its day")
	}
}

func TestLockThatWouldShutTheOwnerOutIsRefused(t *testing.T) {
	h := newHouse(t)
	h.person("+79140000011")
	b := h.signIn("+79140000011")
	press := func(which account.Switch) *browser {
		return b.post("/me/security/switches", map[string][]string{"switch": {string(which)}, "answer": {"lock"}})
	}
	press(account.SwitchRecovery).on("me-switches")
	if press(account.SwitchPassword).on("me-switches"); b.status != http.StatusUnprocessableEntity || !strings.Contains(b.text, "Это закрыть нельзя") {
		t.Errorf("the last way in was locked: %d", b.status)
	}
	if got := h.find("+79140000011"); !got.Allows(account.SwitchPassword, h.clock.Now()) || got.Allows(account.SwitchRecovery, h.clock.Now()) {
		t.Errorf("the locks are %v", got.Locks)
	}
	if b.open("/me/security/switches").post("/me/security/switches", map[string][]string{"switch": {"made-up"}, "answer": {"lock"}}); b.status != http.StatusNotFound {
		t.Errorf("a switch that there is not answers %d", b.status)
	}
	h.browser().open("/recovery").fill("continue", "identifier", "+79140000011").on("recovery-code") // as for a stranger
	told := 0
	h.accounts.Close()
	for _, n := range h.notices() {
		if n.Template == "recovery-locked" {
			told++
		}
		if n.Args["Code"] != "" {
			t.Error("a code was sent though recovery is locked")
		}
	}
	if told != 2 {
		t.Errorf("the owner heard %d times that somebody wanted to recover", told)
	}
}

func TestOpeningALockAsksWhoItIs(t *testing.T) {
	h := newHouse(t)
	h.person("+79140000012")
	b := h.signIn("+79140000012")
	b.post("/me/security/switches", map[string][]string{"switch": {"recovery"}, "answer": {"lock"}}).on("me-switches")
	h.clock.Advance(30 * time.Minute)
	b.post("/me/security/switches", map[string][]string{"switch": {"recovery"}, "answer": {"open"}}).on("password")
	b.fill("continue", "password", password).on("me-switches").post("/me/security/switches", map[string][]string{"switch": {"recovery"}, "answer": {"open"}}).on("me-switches")
	if !strings.Contains(b.text, `data-state="opening"`) {
		t.Error("the page does not say that the lock opens")
	}
	b.post("/me/security/switches", map[string][]string{"switch": {"recovery"}, "answer": {"lock"}})
	h.clock.Advance(25 * time.Hour)
	if h.find("+79140000012").Allows(account.SwitchRecovery, h.clock.Now()) {
		t.Error("a lock that was kept opened all the same")
	}
}

func TestLockedActIsRefusedToTheService(t *testing.T) {
	h := newHouse(t)
	h.person("+79140000013", func(a *account.Account) {
		a.Locks = []account.Lock{{Switch: account.SwitchDevice, At: h.clock.Now()}}
	})
	b := h.signIn("+79140000013")
	h.device()
	b.open("/device").on("device").fill("continue", "code", userCode).on("device-confirm").fill("allow").on("locked-act")
	b.fill("return").on("device-done")
	if len(h.provider.denied) != 1 {
		t.Errorf("the service was answered %v", h.provider.denied)
	}
}

func TestWhatComesLaterIsLockedWithEverythingNew(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	a := &account.Account{Locks: []account.Lock{{Switch: account.SwitchLater, At: now, Known: []account.Switch{account.SwitchPassword, account.SwitchLater}}}}
	if a.Allows(account.SwitchSMS, now) || !a.Allows(account.SwitchPassword, now) {
		t.Error("all new is locked, but what was there is not what is open")
	}
}
